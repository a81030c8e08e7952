//! The namespaces of commands behind one call.

use crate::{Namespace, Verdict::*};

macro_rules! empty { ($($name:ident $s:literal $key:expr),*) => {$(
    #[doc = $s]
    pub static $name: Namespace = Namespace { name: $s, key: $key, commands: &[], unknown: Deny(rights::ECAPMODE) };
)*}}
empty!(IOCTL "ioctl" &[1], FCNTL "fcntl" &[1], PRCTL "prctl" &[0], SETSOCKOPT "setsockopt" &[1, 2]);
