//! Opening.

use super::{LOOKUP, Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::lookup::own_link;
use crate::sys;
use rights::{Right, Rights};
use std::os::fd::{AsFd, OwnedFd};

/// What open(2) takes and openat2(2) does too. open(2) ignores all else.
const KNOWN: i32 = libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_EXCL
    | libc::O_NOCTTY
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_SYNC
    | libc::O_ASYNC
    | libc::O_DIRECT
    | libc::O_LARGEFILE
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_CLOEXEC
    | libc::O_PATH
    | libc::O_TMPFILE;

const READ: Rights = Rights::of(&[Right::READ]);

/// What counts with O_PATH.
const WITH_PATH: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// O_RESOLVE_BENEATH: FreeBSD's, honoured on any lookup.
const O_RESOLVE_BENEATH: i32 = 0x0080_0000;

/// What the caller gets for O_PATH. The kernel does not let a supervisor install such a descriptor (ADDFD takes none),
/// so it is one for reading, which does all that the other does: start lookups, tell the status, be executed.
fn readable(handle: &OwnedFd) -> Result<OwnedFd, Errno> {
    match sys::stat(handle.as_fd())?.st_mode & libc::S_IFMT {
        libc::S_IFDIR | libc::S_IFREG => sys::open_path(&own_link(handle.as_fd()), libc::O_RDONLY, 0),
        // Of a link too: fchmodat(3) asks for one to find out that a link's mode cannot be changed, and passes that on.
        _ => Err(Errno::OPNOTSUPP),
    }
}

impl Service<'_> {
    pub(super) fn open(&self) -> Served {
        let path = self.path_arg(0)?;
        let (flags, mode) = (self.int(path.at + 1), self.arg(path.at + 2) as u32);
        self.open_with(0, flags, mode, path.needs)
    }

    pub(super) fn create(&self) -> Served {
        let path = self.path_arg(0)?;
        let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
        self.open_with(0, flags, self.arg(path.at + 1) as u32, path.needs)
    }

    pub(super) fn open_how(&self) -> Served {
        let path = self.path_arg(0)?;
        let (address, size) = (self.arg(path.at + 1), self.arg(path.at + 2));
        if size < 24 {
            return Err(Errno::INVAL.into());
        }
        if size > 4096 {
            return Err(Errno::TOOBIG.into());
        }
        let mut bytes = vec![0; size as usize];
        self.caller.read(address, &mut bytes)?;
        if bytes[24..].iter().any(|&byte| byte != 0) {
            return Err(Errno::TOOBIG.into());
        }
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let (flags, mode, resolve) = (word(0), word(8), word(16));
        let (known, beneath) = (KNOWN as u64, libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT);
        let makes =
            flags & (libc::O_CREAT as u64) != 0 || flags & (libc::O_TMPFILE as u64) == libc::O_TMPFILE as u64;
        if flags & !known != 0 || resolve & !0x3f != 0 || (!makes && mode != 0) || mode & !0o7777 != 0 {
            return Err(Errno::INVAL.into());
        }
        if resolve & beneath == beneath {
            return Err(Errno::INVAL.into());
        }
        self.open_with(resolve, flags as i32, mode as u32, policy::open_needs(flags))
    }

    fn open_with(&self, resolve: u64, flags: i32, mode: u32, needs: Rights) -> Served {
        let path = self.path_arg(0)?;
        let resolve = if flags & O_RESOLVE_BENEATH != 0 { resolve | libc::RESOLVE_BENEATH } else { resolve };
        let cloexec = flags & libc::O_CLOEXEC != 0;
        let mut flags = flags & KNOWN;
        if flags & libc::O_PATH != 0 {
            flags &= WITH_PATH;
        }
        // O_TMPFILE holds O_DIRECTORY: its own bit alone means nothing.
        let temporary = flags & libc::O_TMPFILE == libc::O_TMPFILE;
        if !temporary {
            flags &= !(libc::O_TMPFILE & !libc::O_DIRECTORY);
        }
        let needs = if flags & libc::O_PATH != 0 { needs.union(&READ) } else { needs };
        // As on FreeBSD, openat asks for it in capability mode only.
        let needs = if self.caller.is_entered() { needs } else { needs.difference(&LOOKUP) };
        let makes = temporary || flags & libc::O_CREAT != 0;
        if flags & libc::O_CREAT != 0 && flags & libc::O_DIRECTORY != 0 {
            return Err(Errno::INVAL.into());
        }
        let mode = if makes { mode & 0o7777 } else { 0 };
        if makes {
            self.take_umask()?;
        }
        let start = self.start(&path)?;
        // A FIFO without a peer, a terminal without a carrier: such an open may take for ever.
        let blocking =
            (flags & (libc::O_NONBLOCK | libc::O_PATH) == 0).then(|| self.watch.enter(self.caller));
        let opened = match resolve {
            0 => start.open(flags, mode, needs),
            _ => start.open_resolving(flags, mode, needs, resolve),
        };
        if let Some(blocking) = blocking
            && blocking.leave()
            && matches!(opened, Err(Fail::Errno(Errno::INTR)))
        {
            return Err(Errno::RESTARTSYS.into());
        }
        let mut fd = opened?;
        if flags & libc::O_PATH != 0 {
            fd = readable(&fd)?;
        }
        let stat = sys::stat(fd.as_fd())?;
        let terminal = stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == libc::makedev(5, 0);
        if terminal && !self.caller.shares_terminal() {
            // What /dev/tty opened is the monitor's terminal.
            return Err(Errno::NXIO.into());
        }
        if flags & libc::O_PATH == 0 {
            fd = self.with_rights(fd, &stat);
        }
        self.install(&fd, start.limits(), cloexec)
    }
}
