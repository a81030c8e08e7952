//! The monitor as a static executable. A process that enters capability mode by itself executes it from memory, and has
//! no file to find for that. And the filter that it installs.
//!
//! Its source is `crates/monitor`; `build.rs` builds it, with the workspace's profile `image`.
#![no_std]
#![forbid(unsafe_code)]

mod passes;

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

/// What [`FILTER`] lets through natively.
///
/// ```
/// assert_eq!(monitor_image::PASSES[0], (0, rights::Rights::ALL));
/// ```
pub use passes::PASSES;

/// The filter of a process that enters without more ado: capability mode, and every right on the descriptors that nearly all
/// programs have. To compile it takes a third of a millisecond, so that is done beforehand.
///
/// ```
/// filter::check(monitor_image::FILTER).expect("the kernel takes it");
/// ```
pub static FILTER: &[filter::Insn] = &include!(concat!(env!("OUT_DIR"), "/filter.rs"));
