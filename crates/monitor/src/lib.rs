//! The monitor: the process that stands where the FreeBSD kernel's Capsicum code stands.

pub mod launch;
