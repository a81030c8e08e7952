//! What can go wrong when a process gives itself a monitor, enters capability mode, and limits descriptors.

use crate::errno::Errno;

/// Why a process could not enter capability mode, or got no monitor. Nothing has changed then, but for
/// [`EnterError::Unattended`].
///
/// ```
/// use monitor::attach::EnterError;
///
/// let error = EnterError::Kernel { feature: "seccomp filters", release: "3.5" };
/// assert!(error.to_string().contains("Linux 3.5"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// The process is under another supervisor's seccomp listener.
    #[error(
        "already under another seccomp listener (a container's supervisor, a tracer): the kernel has room for one"
    )]
    OtherListener,
    /// Some thread has seccomp filters that the calling thread has not, so that one filter for all is refused.
    #[error(
        "another thread has seccomp filters that this thread has not: enter before they are installed, or install them \
         on all threads"
    )]
    OtherFilters,
    /// The process has an io_uring that a thread of the kernel's polls (IORING_SETUP_SQPOLL): what is put there is carried out
    /// by that thread, and no filter sees it.
    #[error(
        "the process has an io_uring with IORING_SETUP_SQPOLL, which no filter sees: close it before entering"
    )]
    PolledRing,
    /// The process has unshared its pid namespace, but nobody lives in the new one: a monitor would have to be its init.
    #[error(
        "the process has unshared its pid namespace for its children: fork first, and enter in the child"
    )]
    PidNamespace,
    /// The kernel lacks something that there is no way around.
    #[error("this kernel lacks {feature}, which came with Linux {release}")]
    Kernel {
        /// What it is called.
        feature: &'static str,
        /// The release that has it.
        release: &'static str,
    },
    /// The process has limited descriptors before, so it has a monitor, which takes no more directories of shared objects.
    #[error(
        "the first limit has started the monitor, which takes no directories of shared objects any more: make all limits \
         together with entering"
    )]
    LateLibraries,
    /// The filter is on, but the monitor could not be given its end of it: everything that is not decided by the filter alone
    /// fails with ENOSYS. The process should end. Somebody has killed the monitor at this very moment.
    #[error("the process has a filter, but no monitor to serve it, and should end: {}", Errno(*errno))]
    Unattended {
        /// What the kernel said.
        errno: i32,
    },
    /// Something else failed.
    #[error("{step}: {}", Errno(*errno))]
    System {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        errno: i32,
    },
}

impl EnterError {
    /// The nearest errno, for interfaces that have nothing else.
    ///
    /// ```
    /// assert_eq!(monitor::attach::EnterError::OtherListener.errno(), 16); // EBUSY
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            EnterError::OtherListener => libc::EBUSY,
            EnterError::OtherFilters => libc::ESRCH,
            EnterError::PolledRing => libc::EBUSY,
            EnterError::LateLibraries => libc::EBUSY,
            EnterError::PidNamespace => libc::EINVAL,
            EnterError::Kernel { .. } => libc::ENOSYS,
            EnterError::System { errno, .. } | EnterError::Unattended { errno } => *errno,
        }
    }
}

/// A limit that could not be made. Nothing has changed then.
///
/// ```
/// let refused = monitor::attach::Refused { call: "cap_rights_limit", descriptor: 5, errno: 9 };
/// assert_eq!(refused.to_string(), "cap_rights_limit of descriptor 5: Bad file descriptor (os error 9)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call} of descriptor {descriptor}: {}", Errno(*errno))]
pub struct Refused {
    /// By its name on FreeBSD.
    pub call: &'static str,
    /// The descriptor's number.
    pub descriptor: i32,
    /// What is wrong with it.
    pub errno: i32,
}

/// Why a process could not enter capability mode with limits.
///
/// ```
/// use monitor::attach::{AttachError, EnterError};
/// assert_eq!(AttachError::from(EnterError::PolledRing), AttachError::Enter(EnterError::PolledRing));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// A limit is at fault.
    #[error(transparent)]
    Limit(#[from] Refused),
    /// Something else.
    #[error(transparent)]
    Enter(#[from] EnterError),
}
