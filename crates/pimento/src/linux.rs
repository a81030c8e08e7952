//! Linux: the monitor does it.

use crate::{Enter, FcntlRights, IoctlLimit, LimitError, Rights, native};
use monitor::attach::{self, Attach, AttachError, Compiled, Refused, pseudo};
use rights::Limits;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

pub use monitor::attach::{EnterError, is_open};
pub use rights::ENOTCAPABLE;

impl From<AttachError> for LimitError {
    fn from(error: AttachError) -> LimitError {
        match error {
            AttachError::Limit(Refused { call, descriptor, errno }) => {
                LimitError::new(call, descriptor, errno)
            }
            AttachError::Enter(error) => LimitError::Enter(error),
        }
    }
}

fn attach(limits: Vec<(RawFd, Limits)>, libraries: Vec<PathBuf>, ordinary: bool) -> Result<(), AttachError> {
    let filter = Compiled { passes: monitor_image::PASSES, program: monitor_image::FILTER };
    Attach { image: monitor_image::MONITOR, filter, libraries, limits, ordinary }.enter()
}

pub fn is_in_capability_mode() -> bool {
    attach::is_entered()
}

pub fn enter(how: &Enter) -> Result<(), EnterError> {
    attach(Vec::new(), how.libraries.clone(), false).map_err(|error| match error {
        AttachError::Enter(error) => error,
        // There is none.
        AttachError::Limit(Refused { call, errno, .. }) => EnterError::System { step: call, errno },
    })
}

pub fn limit_all(
    limits: Vec<(RawFd, Limits)>,
    libraries: &[PathBuf],
    enters: bool,
) -> Result<(), LimitError> {
    // What limits nothing needs no monitor.
    if !enters && limits.iter().all(|(_, limits)| limits.is_all()) {
        return limits.iter().try_for_each(|(fd, _)| open(*fd));
    }
    Ok(attach(limits, libraries.to_vec(), !enters)?)
}

pub fn limit_rights(fd: RawFd, rights: Rights) -> Result<(), LimitError> {
    let asked = pseudo::limit_rights(fd, rights);
    limit("cap_rights_limit", fd, asked, || Limits::of(rights))
}

pub fn limit_ioctls(fd: RawFd, limit: IoctlLimit) -> Result<(), LimitError> {
    let asked = pseudo::limit_ioctls(fd, &limit);
    self::limit("cap_ioctls_limit", fd, asked, || {
        let mut limits = Limits::ALL;
        // Of all, anything is a part.
        let _ = limits.narrow_ioctls(limit);
        limits
    })
}

pub fn limit_fcntls(fd: RawFd, fcntls: FcntlRights) -> Result<(), LimitError> {
    let asked = pseudo::limit_fcntls(fd, fcntls);
    limit("cap_fcntls_limit", fd, asked, || {
        let mut limits = Limits::ALL;
        let _ = limits.narrow_fcntls(fcntls);
        limits
    })
}

/// What the monitor has said to a limit; or, where there is none, the first limit.
fn limit(
    call: &'static str,
    fd: RawFd,
    asked: Result<(), i32>,
    first: impl FnOnce() -> Limits,
) -> Result<(), LimitError> {
    match asked {
        Err(_) if !attach::has_monitor() => limit_all(vec![(fd, first())], &[], false),
        asked => asked.map_err(|errno| LimitError::new(call, fd, errno)),
    }
}

pub fn rights(fd: RawFd) -> Result<Rights, LimitError> {
    get("cap_rights_get", fd, pseudo::rights(fd), Rights::ALL)
}

pub fn ioctls(fd: RawFd) -> Result<IoctlLimit, LimitError> {
    get("cap_ioctls_get", fd, pseudo::ioctls(fd), IoctlLimit::ALL)
}

pub fn fcntls(fd: RawFd) -> Result<FcntlRights, LimitError> {
    get("cap_fcntls_get", fd, pseudo::fcntls(fd), FcntlRights::ALL)
}

/// What the monitor has told; or, where there is none, all.
fn get<T>(call: &'static str, fd: RawFd, told: Result<T, i32>, all: T) -> Result<T, LimitError> {
    match told {
        Err(_) if !attach::has_monitor() => open(fd).map(|()| all),
        told => told.map_err(|errno| LimitError::new(call, fd, errno)),
    }
}

fn open(descriptor: RawFd) -> Result<(), LimitError> {
    if is_open(descriptor) { Ok(()) } else { Err(LimitError::BadDescriptor { descriptor }) }
}

pub fn bind_at(dir: BorrowedFd, socket: BorrowedFd, path: &CStr) -> io::Result<()> {
    let address = native::address(path)?;
    let asked = pseudo::bind_at(dir.as_raw_fd(), socket.as_raw_fd(), &address);
    unless_native(asked, || native::bind_at(dir, socket, path))
}

pub fn connect_at(dir: BorrowedFd, socket: BorrowedFd, path: &CStr) -> io::Result<()> {
    let address = native::address(path)?;
    let asked = pseudo::connect_at(dir.as_raw_fd(), socket.as_raw_fd(), &address);
    unless_native(asked, || native::connect_at(dir, socket, path))
}

/// What the monitor has said; or, where there is none, or in ordinary mode for a directory without limits, what the kernel
/// says to the process itself.
fn unless_native(asked: Result<(), i32>, native: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match asked {
        Err(libc::ENOSYS) => native(),
        Err(_) if !attach::has_monitor() => native(),
        asked => asked.map_err(io::Error::from_raw_os_error),
    }
}

pub fn shm_anon() -> io::Result<OwnedFd> {
    native::shm_anon()
}
