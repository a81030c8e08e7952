//! Capsicum for stock Linux: capability mode for unprivileged processes, without a patched kernel.
//!
//! Now there is [`launch`]: it starts an ordinary program in capability mode under a monitor, with the directories
//! that it is given and nothing else. It is what `pimento run` is made of. Entering capability mode oneself, limits on
//! single descriptors and process descriptors come later.
//!
//! ```no_run
//! use pimento::launch::{self, Ended, FLOOR, Held, Launch};
//! use pimento::{Right, Rights};
//!
//! // Reading, beside what every descriptor that is opened there has for now.
//! let read = FLOOR.union(&Rights::of(&[Right::READ, Right::LOOKUP, Right::FCHDIR]));
//! let outcome = launch::run(&Launch {
//!     program: "grep".into(),
//!     args: vec!["-r".into(), "TODO".into(), ".".into()],
//!     env: std::env::vars_os().collect(),
//!     held: vec![Held { path: ".".into(), rights: read }],
//!     default_set: true,
//!     report: true,
//! })?;
//! for refusal in &outcome.refused {
//!     eprintln!("{} {}: refused {} times", refusal.call, refusal.object, refusal.times);
//! }
//! assert!(matches!(outcome.ended, Ended::Exited(_)));
//! # Ok::<(), launch::LaunchError>(())
//! ```
//!
//! Rights are sets, by FreeBSD's names:
//!
//! ```
//! use pimento::{Right, Rights};
//!
//! let rights: Rights = "read,seek,fstat".parse()?;
//! assert!(rights.contains(&Rights::of(&[Right::READ])));
//! assert!(!rights.contains(&Rights::of(&[Right::WRITE])));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `cargo run -p pimento --example look -- DIR` is a whole program.

pub use monitor::launch;
pub use rights::{Right, Rights};
