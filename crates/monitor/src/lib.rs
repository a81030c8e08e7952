//! The monitor: the process that stands where the FreeBSD kernel's Capsicum code stands.

pub mod errno;
pub mod launch;
mod caller;
mod defaults;
mod fail;
mod front;
mod held;
mod identity;
mod landlock;
mod listener;
mod lookup;
mod monitor;
mod procfs;
mod report;
mod serve;
mod sys;
mod watch;
