//! Capability mode, entered by the process itself.

#[cfg(target_os = "freebsd")]
use crate::freebsd as system;
#[cfg(target_os = "linux")]
use crate::linux as system;
use std::path::PathBuf;

pub use system::EnterError;

/// Puts the whole process, every thread, into capability mode, for good; and with it everything that it starts. From then
/// on no call that names something in a global namespace (a path, a process, an address, a key) works; what works is
/// what the process holds descriptors of. FreeBSD's `cap_enter(2)`. Entering again succeeds.
///
/// On Linux this starts a monitor for the process, another process that lives as long as the last process in this
/// capability mode; see [`Enter`] for what changes in the process itself.
///
/// ```no_run
/// use std::fs::File;
///
/// let config = File::open("/etc/services")?;
/// pimento::enter()?;
/// // What is open stays open; nothing else can be opened by its name.
/// assert!(File::open("/etc/services").is_err());
/// assert_eq!(config.metadata()?.is_file(), true);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`EnterError`]. Every thread is in capability mode then, or none is: on failure nothing has changed.
pub fn enter() -> Result<(), EnterError> {
    Enter::new().enter()
}

/// Whether this process is in capability mode: FreeBSD's `cap_sandboxed(3)`.
///
/// ```
/// assert!(!pimento::sandboxed());
/// ```
pub fn sandboxed() -> bool {
    mode() == Mode::Capability
}

/// Which mode this process is in: FreeBSD's `cap_getmode(2)`. On Linux its monitor answers, so that also a program that was
/// started in capability mode knows, and one under `pimento run`.
///
/// ```
/// assert_eq!(pimento::mode(), pimento::Mode::Ordinary);
/// ```
pub fn mode() -> Mode {
    if system::is_in_capability_mode() { Mode::Capability } else { Mode::Ordinary }
}

/// What a process may name.
///
/// ```
/// use pimento::Mode;
///
/// let may_open_paths = pimento::mode() == Mode::Ordinary;
/// assert!(may_open_paths);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Whatever its user may: every process at first.
    Ordinary,
    /// What it holds descriptors of.
    Capability,
}

/// How to enter capability mode, for those who need more than [`enter`].
///
/// What changes in the process besides, on Linux: it gets no_new_privs, so that set-id programs are plain programs to it
/// (prctl(2), PR_SET_NO_NEW_PRIVS); it becomes dumpable (PR_SET_DUMPABLE), so that its monitor, which has its user, can
/// reach it; and it writes no core any more (a soft RLIMIT_CORE of 0), as on FreeBSD. No descriptor, child, signal disposition, working directory or environment variable does.
///
/// ```no_run
/// // Dynamically linked programs can be started by descriptor: their loader and libraries lie in these directories.
/// pimento::Enter::new().libraries("/lib64").libraries("/usr/lib/x86_64-linux-gnu").enter()?;
/// # Ok::<(), pimento::EnterError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "it does nothing until `enter` is called"]
pub struct Enter {
    pub(crate) libraries: Vec<PathBuf>,
}

impl Enter {
    /// As [`enter`](crate::enter) does.
    ///
    /// ```no_run
    /// pimento::Enter::new().enter()?;
    /// # Ok::<(), pimento::EnterError>(())
    /// ```
    pub fn new() -> Enter {
        Enter::default()
    }

    /// Also holds a directory of shared objects: names with `.so` in them can be opened there for reading, by their
    /// absolute paths, by this process and all that it starts; and a dynamically linked program, started by descriptor
    /// (`fexecve(3)`), can have its loader there. What FreeBSD's rtld(1) has LD_LIBRARY_PATH_FDS for; there this does
    /// nothing.
    ///
    /// Symbolic links among such directories work. Without a directory for it, a dynamically linked program is refused
    /// with ECAPMODE.
    ///
    /// ```no_run
    /// pimento::Enter::new().libraries("/lib64").enter()?;
    /// # Ok::<(), pimento::EnterError>(())
    /// ```
    pub fn libraries(mut self, dir: impl Into<PathBuf>) -> Enter {
        self.libraries.push(dir.into());
        self
    }

    /// Enters.
    ///
    /// ```no_run
    /// pimento::Enter::new().enter()?;
    /// assert!(pimento::sandboxed());
    /// # Ok::<(), pimento::EnterError>(())
    /// ```
    ///
    /// # Errors
    /// See [`EnterError`]. Nothing has changed then.
    pub fn enter(&self) -> Result<(), EnterError> {
        system::enter(self)
    }
}
