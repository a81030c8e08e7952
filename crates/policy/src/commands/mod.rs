//! The namespaces of commands behind one call, each as a table of its own.
//!
//! A command that works on the call's descriptor is `Descriptors`, with the rights that it needs; `Allow` is for
//! those that need none. A command that is not listed is refused.

mod fcntl;
mod ioctl;
mod prctl;
mod setsockopt;

pub use fcntl::{FCNTL, fcntl_right};
pub use ioctl::IOCTL;
pub use prctl::PRCTL;
pub use setsockopt::SETSOCKOPT;
