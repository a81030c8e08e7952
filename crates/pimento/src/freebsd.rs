//! FreeBSD: the system's own Capsicum does it. This is compiled as far as a cross check goes, and not run.

use crate::{Enter, FcntlRights, IoctlLimit, LimitError, Rights};
use rights::{IOCTLS_MAX, Limits, WORDS};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

/// Why a process could not enter capability mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// The kernel was built without Capsicum, or something else failed.
    #[error("{step}: {}", io::Error::from_raw_os_error(*errno))]
    System {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        errno: i32,
    },
}

impl EnterError {
    /// The errno.
    pub fn errno(&self) -> i32 {
        match self {
            EnterError::System { errno, .. } => *errno,
        }
    }
}

pub const ENOTCAPABLE: i32 = libc::ENOTCAPABLE;

/// Rights that only Linux has something for: no bits of FreeBSD's second word.
const LINUX: u64 = 0x3f << 40;

/// `CAP_IOCTLS_ALL`.
const IOCTLS_ALL: isize = isize::MAX;

unsafe extern "C" {
    fn cap_enter() -> libc::c_int;
    fn cap_getmode(mode: *mut libc::c_uint) -> libc::c_int;
    fn cap_rights_limit(fd: libc::c_int, rights: *const [u64; WORDS]) -> libc::c_int;
    fn __cap_rights_get(version: libc::c_int, fd: libc::c_int, rights: *mut [u64; WORDS]) -> libc::c_int;
    fn cap_ioctls_limit(fd: libc::c_int, commands: *const libc::c_ulong, count: usize) -> libc::c_int;
    fn cap_ioctls_get(fd: libc::c_int, commands: *mut libc::c_ulong, count: usize) -> isize;
    fn cap_fcntls_limit(fd: libc::c_int, rights: u32) -> libc::c_int;
    fn cap_fcntls_get(fd: libc::c_int, rights: *mut u32) -> libc::c_int;
    fn bindat(
        dir: libc::c_int,
        socket: libc::c_int,
        address: *const libc::sockaddr,
        len: libc::socklen_t,
    ) -> libc::c_int;
    fn connectat(
        dir: libc::c_int,
        socket: libc::c_int,
        address: *const libc::sockaddr,
        len: libc::socklen_t,
    ) -> libc::c_int;
}

fn last() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// What a call said.
fn check(call: &'static str, fd: RawFd, result: isize) -> Result<isize, LimitError> {
    if result == -1 { Err(LimitError::new(call, fd, last())) } else { Ok(result) }
}

pub fn is_open(number: RawFd) -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::fcntl(number, libc::F_GETFD) != -1 }
}

pub fn is_in_capability_mode() -> bool {
    let mut mode = 0;
    // SAFETY: the kernel writes one unsigned int.
    unsafe { cap_getmode(&raw mut mode) == 0 && mode != 0 }
}

pub fn enter(_how: &Enter) -> Result<(), EnterError> {
    // SAFETY: no preconditions.
    if unsafe { cap_enter() } == 0 {
        return Ok(());
    }
    Err(EnterError::System { step: "cap_enter", errno: last() })
}

pub fn limit_all(
    limits: Vec<(RawFd, Limits)>,
    _libraries: &[PathBuf],
    enters: bool,
) -> Result<(), LimitError> {
    for (fd, limits) in limits {
        let implied = Limits::of(limits.rights());
        if limits.rights() != Rights::ALL {
            limit_rights(fd, limits.rights())?;
        }
        if limits.ioctls() != implied.ioctls() {
            limit_ioctls(fd, limits.ioctls().clone())?;
        }
        if limits.fcntls() != implied.fcntls() {
            limit_fcntls(fd, limits.fcntls())?;
        }
    }
    if enters { Ok(enter(&Enter::new())?) } else { Ok(()) }
}

pub fn limit_rights(fd: RawFd, rights: Rights) -> Result<(), LimitError> {
    let [first, second] = rights.words();
    // SAFETY: a cap_rights_t of version 0 is these two words.
    let result = unsafe { cap_rights_limit(fd, &[first, second & !LINUX]) };
    check("cap_rights_limit", fd, result as isize).map(drop)
}

pub fn limit_ioctls(fd: RawFd, limit: IoctlLimit) -> Result<(), LimitError> {
    let Some(commands) = limit.commands() else { return Ok(()) };
    let commands: Vec<libc::c_ulong> = commands.iter().map(|&command| command.into()).collect();
    // SAFETY: the kernel reads that many.
    let result = unsafe { cap_ioctls_limit(fd, commands.as_ptr(), commands.len()) };
    check("cap_ioctls_limit", fd, result as isize).map(drop)
}

pub fn limit_fcntls(fd: RawFd, fcntls: FcntlRights) -> Result<(), LimitError> {
    // SAFETY: no preconditions.
    let result = unsafe { cap_fcntls_limit(fd, fcntls.bits()) };
    check("cap_fcntls_limit", fd, result as isize).map(drop)
}

pub fn rights(fd: RawFd) -> Result<Rights, LimitError> {
    const CALL: &str = "cap_rights_get";
    let mut words = [0; WORDS];
    // SAFETY: the kernel writes a cap_rights_t of version 0, which is these two words.
    let result = unsafe { __cap_rights_get(0, fd, &raw mut words) };
    check(CALL, fd, result as isize)?;
    // Some rights of the system's may have no name here.
    let all = Rights::ALL.words();
    let known = std::array::from_fn(|word| words[word] & all[word]);
    Rights::from_words(known).map_err(|_| LimitError::Invalid { call: CALL, descriptor: fd })
}

pub fn ioctls(fd: RawFd) -> Result<IoctlLimit, LimitError> {
    let mut commands = [0; IOCTLS_MAX];
    // SAFETY: the kernel writes no more than that many.
    let count = unsafe { cap_ioctls_get(fd, commands.as_mut_ptr(), commands.len()) };
    match check("cap_ioctls_get", fd, count)? {
        IOCTLS_ALL => Ok(IoctlLimit::ALL),
        count => Ok(IoctlLimit::list(commands.iter().take(count as usize).map(|&command| command as u32))?),
    }
}

pub fn fcntls(fd: RawFd) -> Result<FcntlRights, LimitError> {
    const CALL: &str = "cap_fcntls_get";
    let mut bits = 0;
    // SAFETY: the kernel writes one number.
    let result = unsafe { cap_fcntls_get(fd, &raw mut bits) };
    check(CALL, fd, result as isize)?;
    FcntlRights::from_bits(bits).ok_or(LimitError::Invalid { call: CALL, descriptor: fd })
}

/// `struct sockaddr_un` with this path: its bytes.
fn address(path: &CStr) -> io::Result<Vec<u8>> {
    let size = size_of::<libc::sockaddr_un>();
    let path = path.to_bytes();
    if 2 + path.len() > size {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    let mut address = vec![size as u8, libc::AF_UNIX as u8];
    address.extend(path);
    address.resize(size, 0);
    Ok(address)
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub fn bind_at(dir: BorrowedFd, socket: BorrowedFd, path: &CStr) -> io::Result<()> {
    let address = address(path)?;
    let len = address.len() as libc::socklen_t;
    // SAFETY: the kernel reads that many bytes.
    done(unsafe { bindat(dir.as_raw_fd(), socket.as_raw_fd(), address.as_ptr().cast(), len) })
}

pub fn connect_at(dir: BorrowedFd, socket: BorrowedFd, path: &CStr) -> io::Result<()> {
    let address = address(path)?;
    let len = address.len() as libc::socklen_t;
    // SAFETY: the kernel reads that many bytes.
    done(unsafe { connectat(dir.as_raw_fd(), socket.as_raw_fd(), address.as_ptr().cast(), len) })
}

pub fn shm_anon() -> io::Result<OwnedFd> {
    /// `SHM_ANON`: an address at which there is no path.
    const ANON: *const libc::c_char = std::ptr::without_provenance(1);
    // SAFETY: the kernel does not read a path there.
    match unsafe { libc::shm_open(ANON, libc::O_RDWR, 0o600) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel has just made it for us.
        number => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
    }
}
