//! The monitor: the process that stands where the FreeBSD kernel's Capsicum code stands.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the monitor reads calls by x86_64's numbers and structures; other architectures come later");

pub mod attach;
pub mod attached;
mod caller;
mod defaults;
mod errno;
mod fail;
mod family;
mod features;
mod flight;
mod front;
mod held;
mod identity;
mod inject;
mod landlock;
pub mod launch;
mod listener;
mod lookup;
mod monitor;
mod procfs;
mod report;
mod serve;
mod sys;
mod tables;
pub mod telling;
mod unread;
mod watch;
mod watched;
