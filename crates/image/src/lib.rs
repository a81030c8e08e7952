//! The monitor as a static executable. A process that enters capability mode by itself executes it from memory, and has
//! no file to find for that.
//!
//! Its source is `crates/monitor`; `build.rs` builds it, with the workspace's profile `image`.
#![no_std]
#![forbid(unsafe_code)]

/// An ELF executable for this architecture's Linux, which needs no loader and no libraries.
///
/// ```no_run
/// use std::io::Write;
///
/// let mut file = std::fs::File::create("pimento-monitor")?;
/// file.write_all(monitor_image::MONITOR)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub static MONITOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pimento-monitor"));
