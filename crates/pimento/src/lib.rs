//! Capsicum for stock Linux.

pub use monitor::launch;
pub use rights::{Right, Rights};
