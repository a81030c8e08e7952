//! Limits on descriptors, one at a time, and what is left of them.

#[cfg(target_os = "freebsd")]
use crate::freebsd as system;
#[cfg(target_os = "linux")]
use crate::linux as system;
use crate::{EnterError, FcntlRights, IoctlLimit, Rights};
use rights::TooManyIoctls;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// Why a descriptor was not limited, or what it is limited to is not to be told. Nothing has changed then.
///
/// ```
/// use pimento::{LimitError, Rights};
///
/// let error = LimitError::NotCapable { descriptor: 5, missing: "write,fsync".parse()? };
/// assert_eq!(error.to_string(), "descriptor 5 has not all that it is to be limited to: it lacks write,fsync");
/// // Any `main` or function with an io::Result takes it.
/// let error = std::io::Error::from(error);
/// assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The descriptor has less than it is to be limited to. Limits only ever shrink. `ENOTCAPABLE`.
    #[error("descriptor {descriptor} has not all that it is to be limited to: it lacks {}", Lacks(missing))]
    NotCapable {
        /// Its number.
        descriptor: RawFd,
        /// The rights that it lacks; none where it is commands that it lacks.
        missing: Rights,
    },
    /// There is no such descriptor: it has been closed. `EBADF`.
    #[error("descriptor {descriptor} is not open")]
    BadDescriptor {
        /// Its number.
        descriptor: RawFd,
    },
    /// The system does not know all of these rights or commands. `EINVAL`.
    #[error("{call} of descriptor {descriptor}: not a valid limit")]
    Invalid {
        /// The call, by its name on FreeBSD.
        call: &'static str,
        /// The descriptor's number.
        descriptor: RawFd,
    },
    /// More ioctl commands than a limit can list. `EINVAL`.
    #[error(transparent)]
    TooManyIoctls(#[from] TooManyIoctls),
    /// The limit takes a further filter on the process, which would be on all of its threads and on no other process; but some
    /// of those have other tables of descriptors, or others have the same (CLONE_FILES). `EBUSY`; Linux only.
    #[error("descriptor {descriptor} cannot be limited: its table is not exactly that of one process")]
    Busy {
        /// The descriptor's number.
        descriptor: RawFd,
    },
    /// The process got no monitor, or did not enter capability mode.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// Something else failed.
    #[error("{call} of descriptor {descriptor}: {}", io::Error::from_raw_os_error(*errno))]
    System {
        /// The call, by its name on FreeBSD.
        call: &'static str,
        /// The descriptor's number.
        descriptor: RawFd,
        /// What the system said.
        errno: i32,
    },
}

struct Lacks<'r>(&'r Rights);

impl fmt::Display for Lacks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("commands") } else { self.0.fmt(f) }
    }
}

impl LimitError {
    /// What a call of this system said.
    pub(crate) fn new(call: &'static str, descriptor: RawFd, errno: i32) -> LimitError {
        match errno {
            system::ENOTCAPABLE => LimitError::NotCapable { descriptor, missing: Rights::NONE },
            libc::EBADF => LimitError::BadDescriptor { descriptor },
            libc::EINVAL => LimitError::Invalid { call, descriptor },
            libc::EBUSY => LimitError::Busy { descriptor },
            errno => LimitError::System { call, descriptor, errno },
        }
    }

    /// With the rights that are missing, if that is what is wrong and these were asked for.
    fn of(self, asked: Rights) -> LimitError {
        match self {
            LimitError::NotCapable { descriptor, .. } => {
                let held = system::rights(descriptor).unwrap_or(Rights::ALL);
                LimitError::NotCapable { descriptor, missing: asked.difference(&held) }
            }
            error => error,
        }
    }

    /// The nearest errno, for interfaces that have nothing else.
    ///
    /// ```
    /// assert_eq!(pimento::LimitError::BadDescriptor { descriptor: 5 }.errno(), 9); // EBADF
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            LimitError::NotCapable { .. } => system::ENOTCAPABLE,
            LimitError::BadDescriptor { .. } => libc::EBADF,
            LimitError::Invalid { .. } | LimitError::TooManyIoctls(_) => libc::EINVAL,
            LimitError::Busy { .. } => libc::EBUSY,
            LimitError::Enter(error) => error.errno(),
            LimitError::System { errno, .. } => *errno,
        }
    }
}

impl From<LimitError> for io::Error {
    /// With the whole error inside ([`io::Error::get_ref`]), for its errno says nothing to the C library.
    fn from(error: LimitError) -> io::Error {
        let kind = match &error {
            LimitError::NotCapable { .. } => io::ErrorKind::PermissionDenied,
            error => io::Error::from_raw_os_error(error.errno()).kind(),
        };
        io::Error::new(kind, error)
    }
}

/// Limits a descriptor to these rights: FreeBSD's `cap_rights_limit(2)`. Whatever takes another right fails from then on with
/// `ENOTCAPABLE`, in capability mode and outside of it, in every thread, and for good.
///
/// The limit belongs to the descriptor, not to the file: it goes along when the descriptor is duplicated, inherited or passed
/// on, and other descriptors of the file keep what they have. Without [`Right::IOCTL`](crate::Right::IOCTL) or
/// [`Right::FCNTL`](crate::Right::FCNTL) no ioctl or fcntl command is left either; with them, those that
/// [`limit_ioctls`] and [`limit_fcntls`] have left.
///
/// On Linux the first limit gives the process a monitor, which takes a millisecond or two and changes what
/// [`Enter`](crate::Enter) says. To make several limits, and to enter, with [`Limits`](crate::Limits) is faster,
/// and leaves less to be asked about later.
///
/// - `fd`: an open descriptor: `&File`, `&TcpStream`, `&OwnedFd`, `io::stdin()`
/// - `rights`: what to leave of it: [`Rights`], or a single [`Right`](crate::Right)
///
/// ```no_run
/// use pimento::{Right, Rights};
/// use std::fs::File;
/// use std::io::Write;
///
/// let mut log = File::options().append(true).open("/var/log/decoder.log")?;
/// pimento::limit(&log, Rights::of(&[Right::WRITE, Right::FSTAT]))?;
/// log.write_all(b"started\n")?;
/// // It was to be appended to.
/// assert!(log.set_len(0).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// - [`LimitError::NotCapable`]: the descriptor has been limited before, and lacks some of these rights.
/// - [`LimitError::BadDescriptor`]: it is not open.
/// - [`LimitError::Busy`], [`LimitError::Enter`]: on Linux, when the monitor could not be started or do its part.
pub fn limit(fd: impl AsFd, rights: impl Into<Rights>) -> Result<(), LimitError> {
    let rights = rights.into();
    system::limit_rights(fd.as_fd().as_raw_fd(), rights).map_err(|error| error.of(rights))
}

/// Limits a descriptor to these ioctl(2) commands: FreeBSD's `cap_ioctls_limit(2)`. They take
/// [`Right::IOCTL`](crate::Right::IOCTL) besides; any other command is `ENOTCAPABLE`, also those that work on every
/// descriptor, such as FIOCLEX and FIONBIO. Starts a monitor as [`limit`] does.
///
/// - `fd`: an open descriptor
/// - `commands`: at most 256 request numbers, which count by their low 32 bits: `libc::TIOCGWINSZ as u32`. None at all is a
///   limit as well
///
/// ```no_run
/// // How large the terminal is, and nothing else.
/// pimento::limit_ioctls(std::io::stdout(), [libc::TIOCGWINSZ as u32])?;
/// # Ok::<(), pimento::LimitError>(())
/// ```
///
/// # Errors
/// - [`LimitError::TooManyIoctls`]: more than 256.
/// - [`LimitError::NotCapable`]: the descriptor has been limited before, to fewer, or has no CAP_IOCTL and so none.
/// - the others of [`limit`].
pub fn limit_ioctls(fd: impl AsFd, commands: impl IntoIterator<Item = u32>) -> Result<(), LimitError> {
    system::limit_ioctls(fd.as_fd().as_raw_fd(), IoctlLimit::list(commands)?)
}

/// Limits a descriptor to these fcntl(2) commands: FreeBSD's `cap_fcntls_limit(2)`. They take
/// [`Right::FCNTL`](crate::Right::FCNTL) besides; the others of F_GETFL, F_SETFL, F_GETOWN and F_SETOWN are `ENOTCAPABLE`.
/// What takes no CAP_FCNTL, such as F_DUPFD or F_GETFD, is not concerned. Starts a monitor as [`limit`] does.
///
/// - `fd`: an open descriptor
/// - `fcntls`: what to leave
///
/// ```no_run
/// use pimento::FcntlRights;
/// use std::net::TcpStream;
///
/// let stream = TcpStream::connect("localhost:7")?;
/// // Whether it blocks can be asked, and no more changed by F_SETFL.
/// pimento::limit_fcntls(&stream, FcntlRights::GETFL)?;
/// assert_eq!(pimento::fcntls(&stream)?, FcntlRights::GETFL);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// - [`LimitError::NotCapable`]: the descriptor has been limited before, to fewer, or has no CAP_FCNTL and so none.
/// - the others of [`limit`].
pub fn limit_fcntls(fd: impl AsFd, fcntls: FcntlRights) -> Result<(), LimitError> {
    system::limit_fcntls(fd.as_fd().as_raw_fd(), fcntls)
}

/// The rights of a descriptor: FreeBSD's `cap_rights_get(3)`. All of them, as long as it has not been limited, nor made
/// from one that was. Never starts a monitor.
///
/// ```
/// assert_eq!(pimento::rights(std::io::stdin())?, pimento::Rights::ALL);
/// # Ok::<(), pimento::LimitError>(())
/// ```
///
/// # Errors
/// [`LimitError::BadDescriptor`]: it is not open.
pub fn rights(fd: impl AsFd) -> Result<Rights, LimitError> {
    system::rights(fd.as_fd().as_raw_fd())
}

/// The ioctl(2) commands of a descriptor: FreeBSD's `cap_ioctls_get(2)`.
///
/// ```
/// use pimento::IoctlLimit;
/// assert_eq!(pimento::ioctls(std::io::stdin())?, IoctlLimit::ALL);
/// # Ok::<(), pimento::LimitError>(())
/// ```
///
/// # Errors
/// [`LimitError::BadDescriptor`]: it is not open.
pub fn ioctls(fd: impl AsFd) -> Result<IoctlLimit, LimitError> {
    system::ioctls(fd.as_fd().as_raw_fd())
}

/// The fcntl(2) commands of a descriptor: FreeBSD's `cap_fcntls_get(2)`.
///
/// ```
/// use pimento::FcntlRights;
/// assert_eq!(pimento::fcntls(std::io::stdin())?, FcntlRights::ALL);
/// # Ok::<(), pimento::LimitError>(())
/// ```
///
/// # Errors
/// [`LimitError::BadDescriptor`]: it is not open.
pub fn fcntls(fd: impl AsFd) -> Result<FcntlRights, LimitError> {
    system::fcntls(fd.as_fd().as_raw_fd())
}
