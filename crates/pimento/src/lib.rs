//! Capsicum for stock Linux: capability mode and capabilities for unprivileged processes, without a patched kernel.
//!
//! A program sandboxes itself: it opens what it needs, and [enters](enter) capability mode, after which it can use what it
//! has open and reach nothing else.
//!
//! ```no_run
//! use std::io::{self, Read, Write};
//!
//! let mut input = std::fs::File::open("untrusted.gz")?;
//! pimento::enter()?;
//! // Whatever takes over the decoder here has standard output and one file, and no file system, network or processes.
//! let mut bytes = Vec::new();
//! input.read_to_end(&mut bytes)?;
//! io::stdout().write_all(&bytes)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it has open it can [limit] too: a descriptor's *rights* say what it is good for, in capability mode and outside of
//! it. With [`Limits`] all that happens at once:
//!
//! ```no_run
//! use pimento::{Limits, Right, Rights};
//!
//! let input = std::fs::File::open("untrusted.gz")?;
//! // The input can be read, standard output written; neither can be truncated, mapped or chmodded.
//! Limits::new().stdio().fd(&input, Rights::of(&[Right::READ, Right::FSTAT])).enter()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Or it starts an ordinary program in capability mode, with the directories that it is given and nothing else, as
//! `pimento run` does:
//!
//! ```no_run
//! # #[cfg(target_os = "linux")] {
//! use pimento::launch::{self, Ended, FLOOR, Held, Launch};
//! use pimento::{Right, Rights};
//!
//! // Reading, beside what every descriptor that is opened there has.
//! let read = FLOOR.union(&Rights::of(&[Right::READ, Right::LOOKUP, Right::FCHDIR]));
//! let outcome = launch::run(&Launch {
//!     program: "grep".into(),
//!     args: vec!["-r".into(), "TODO".into(), ".".into()],
//!     env: std::env::vars_os().collect(),
//!     held: vec![Held { path: ".".into(), rights: read }],
//!     libraries: Vec::new(),
//!     default_set: true,
//!     descriptors: Vec::new(),
//!     report: true,
//! })?;
//! for refusal in &outcome.refused {
//!     eprintln!("{} {}: refused {} times", refusal.call, refusal.object, refusal.times);
//! }
//! assert!(matches!(outcome.ended, Ended::Exited(_)));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
//! On FreeBSD the same functions call the system's own Capsicum; that is not run where this is developed. [`launch`] is
//! Linux's alone.
//!
//! `cargo run -p pimento --example look -- DIR` and `--example untrusted -- FILE` are whole programs.

#[cfg(target_os = "freebsd")]
mod freebsd;
mod limit;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
mod memory;
mod mode;
#[cfg(target_os = "linux")]
mod native;
mod sockets;

pub use limit::{LimitError, fcntls, ioctls, limit, limit_fcntls, limit_ioctls, rights};
pub use limits::Limits;
pub use memory::shm_anon;
pub use mode::{Enter, EnterError, Mode, enter, mode, sandboxed};
#[cfg(target_os = "linux")]
pub use monitor::launch;
#[cfg(target_os = "linux")]
pub use monitor::telling;
pub use rights::{FcntlRights, IoctlLimit, Right, Rights, TooManyIoctls};
pub use sockets::{bind_at, connect_at};
