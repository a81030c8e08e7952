//! Every system call, in the order of x86_64's numbers.

use crate::{Arg::*, Call, Cond, Need, Op, Verdict::*};
use rights::{Right, Rights};

/// Every system call.
pub static CALLS: &[Call] = &[
    Call {
        name: "read",
        x86_64: Some(0),
        aarch64: Some(63),
        args: &[Fd(&[Need { when: &[], rights: Rights::of(&[Right::READ]) }]), Out, Size],
        verdict: Descriptors,
        hosted: None,
        op: Op::Check,
        why: "reads from a descriptor",
    },
];
const _: Option<Cond> = None;
