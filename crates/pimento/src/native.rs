//! What a Linux process does by itself, without a monitor.

use rustix::fs::{self, CWD, FileType, MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{self, SocketAddrUnix};
use rustix::{process, thread};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The address that is this path: as long as there is room for it, with a NUL.
pub fn address(path: &CStr) -> io::Result<Vec<u8>> {
    let room = size_of::<libc::sockaddr_un>();
    let mut address = [&(libc::AF_UNIX as u16).to_ne_bytes(), path.to_bytes_with_nul()].concat();
    if address.len() > room + 1 {
        return Err(Errno::NAMETOOLONG.into());
    }
    address.truncate(room);
    Ok(address)
}

/// The same for the kernel, which takes an empty path for a name of another kind.
fn unix(path: &CStr) -> Result<SocketAddrUnix, Errno> {
    if path.is_empty() { Err(Errno::NOENT) } else { SocketAddrUnix::new(path) }
}

/// bindat(2).
pub fn bind_at(dir: BorrowedFd, socket: BorrowedFd, path: &CStr) -> io::Result<()> {
    let address = unix(path)?;
    if dir.as_raw_fd() == CWD.as_raw_fd() || path.to_bytes().starts_with(b"/") {
        return Ok(net::bind(socket, &address)?);
    }
    // By no other way than from a working directory does the kernel tell peers the path as it was given.
    within(dir, || net::bind(socket, &address))
}

/// connectat(2).
pub fn connect_at(dir: BorrowedFd, socket: BorrowedFd, path: &CStr) -> io::Result<()> {
    let address = unix(path)?;
    if dir.as_raw_fd() == CWD.as_raw_fd() || path.to_bytes().starts_with(b"/") {
        return Ok(net::connect(socket, &address)?);
    }
    if !fs::statfs(c"/proc").is_ok_and(|found| found.f_type == fs::PROC_SUPER_MAGIC) {
        return within(dir, || net::connect(socket, &address));
    }
    let found = fs::openat(dir, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fs::fstat(&found)?.st_mode) != FileType::Socket {
        return Err(Errno::NOTSOCK.into());
    }
    // This thread connects, so that a signal to it ends its wait.
    let link = format!("/proc/thread-self/fd/{}", found.as_raw_fd());
    Ok(net::connect(socket, &SocketAddrUnix::new(link)?)?)
}

/// Acts in a thread whose working directory is another than the process's.
fn within(dir: BorrowedFd, act: impl FnOnce() -> Result<(), Errno> + Send) -> io::Result<()> {
    let act = || -> Result<(), Errno> {
        // SAFETY: of what the threads of a process share this thread gives up its working directory, root and umask, and
        // nobody but `act` runs in it.
        unsafe { thread::unshare_unsafe(thread::UnshareFlags::FS)? };
        process::fchdir(dir)?;
        act()
    };
    std::thread::scope(|scope| match std::thread::Builder::new().spawn_scoped(scope, act)?.join() {
        Ok(done) => Ok(done?),
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// shm_open(2) of SHM_ANON.
pub fn shm_anon() -> io::Result<OwnedFd> {
    let make = |flags| fs::memfd_create(c"SHM_ANON", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | flags);
    let memory = match make(MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => make(MemfdFlags::empty()),
        made => made,
    }?;
    fs::fchmod(memory.as_fd(), Mode::RUSR | Mode::WUSR)?;
    Ok(memory)
}
