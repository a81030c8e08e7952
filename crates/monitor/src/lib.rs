//! The monitor: the process that stands where the FreeBSD kernel's Capsicum code stands.

pub mod errno;
pub mod launch;
mod caller;
mod fail;
mod held;
mod identity;
mod listener;
mod lookup;
mod procfs;
mod report;
mod serve;
mod sys;
mod watch;
