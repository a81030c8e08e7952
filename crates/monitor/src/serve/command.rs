//! The commands of ioctl, fcntl and prctl that the policy leaves to the monitor, and watches.

use super::{PathArg, Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::listener::Answer;
use crate::lookup::{Last, own_link};
use crate::sys;
use rights::{Right, Rights};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Their arguments' sizes: the only device controls that the monitor carries out itself, on a copy of what they read.
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
/// What F_SETOWN_EX names: a thread, a process, a group.
const F_OWNER_TID: i32 = 0;
const F_OWNER_PID: i32 = 1;
const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_SETSIG: i32 = 10;
const FIOASYNC: u32 = 0x5452;

/// What carries another descriptor: in the argument, or at the start of what that points to.
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;
const FIDEDUPERANGE: u32 = 0xc018_9436;

const PREAD: Rights = Rights::of(&[Right::PREAD]);
const NOTIFY: Rights = Rights::of(&[Right::NOTIFY]);

/// A `struct f_owner_ex`: what kind of owner, and its number.
fn owner_in(bytes: &[u8; 8]) -> (i32, i32) {
    let [a, b, c, d, e, f, g, h] = *bytes;
    (i32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]))
}

impl Service<'_> {
    pub(super) fn ioctl(&self) -> Served {
        let command = self.arg(1) as u32;
        let size = match command {
            // Declared as a long, read as an int.
            FS_IOC_SETFLAGS => 4,
            FS_IOC_FSSETXATTR => 28,
            FIOASYNC => return self.tell_by_signal(None),
            FICLONE => return self.clone_file(),
            FICLONERANGE => return self.clone_range(),
            FIDEDUPERANGE => return self.dedupe(),
            _ => return self.check(),
        };
        let fd = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        let mut argument = [0; 64];
        self.caller.read(self.arg(2), &mut argument[..size])?;
        Ok(Answer::Value(sys::ioctl_in(fd.as_fd(), command, &argument)? as i64))
    }

    /// The source is the argument itself.
    fn clone_file(&self) -> Served {
        let source = self.int(2);
        self.limited(source, PREAD)?;
        let Some(mut files) = self.caller.files() else { return Err(Fail::outside("a file")) };
        self.check_descriptors(&files)?;
        if !files.limits(source).rights().contains(&PREAD) {
            return Err(Errno::NOTCAPABLE.into());
        }
        self.goes(&mut files);
        files.goes(self.caller.tid(), source);
        Ok(Answer::GoOn)
    }

    /// The source is in memory: the monitor copies the range, on its own copies.
    fn clone_range(&self) -> Served {
        let fd = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        let mut argument = [0; 64];
        self.caller.read(self.arg(2), &mut argument[..32])?;
        let [a, b, c, d, ..] = argument;
        let source = self.limited(i32::from_ne_bytes([a, b, c, d]), PREAD)?.0;
        argument[..8].copy_from_slice(&i64::from(source.as_raw_fd()).to_ne_bytes());
        Ok(Answer::Value(sys::ioctl_in(fd.as_fd(), FICLONERANGE, &argument)? as i64))
    }

    /// The destinations are in memory, any number of them: only where none of the caller's descriptors is limited. As if the file
    /// system could not.
    fn dedupe(&self) -> Served {
        let limited = self.caller.files().is_some_and(|files| files.has_limited());
        if limited { Err(Errno::OPNOTSUPP.into()) } else { self.check() }
    }

    pub(super) fn fcntl(&self) -> Served {
        let (command, argument) = (self.int(1), self.arg(2));
        let needs = self.call.needs(0, self.caller.args());
        match command {
            libc::F_SETOWN => {
                // The owner is signalled: it can be the caller only, not a group, which others may be in.
                if argument as i32 != self.caller.process() as i32 {
                    return Err(Fail::outside(format!("process {}", argument as i32)));
                }
                let fd = self.descriptor(self.int(0), needs)?;
                Ok(Answer::Value(sys::fcntl(fd.as_fd(), command, argument)? as i64))
            }
            F_SETOWN_EX => {
                let mut owner = [0; 8];
                self.caller.read(argument, &mut owner)?;
                let (kind, pid) = owner_in(&owner);
                let nobody = pid == 0 && [F_OWNER_TID, F_OWNER_PID].contains(&kind);
                if !nobody && !self.is_caller(kind, pid) {
                    return Err(Fail::outside(format!("process {pid}")));
                }
                let fd = self.descriptor(self.int(0), needs)?;
                Ok(Answer::Value(sys::fcntl_in(fd.as_fd(), command, &owner)? as i64))
            }
            libc::F_SETFL => self.tell_by_signal(Some(argument as i32)),
            F_SETSIG => {
                let fd = self.descriptor(self.int(0), needs)?;
                self.owned_or_free(&fd)?;
                Ok(Answer::Value(sys::fcntl(fd.as_fd(), command, argument)? as i64))
            }
            libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
                self.copy(argument as i32, command == libc::F_DUPFD_CLOEXEC)
            }
            libc::F_ADD_SEALS => {
                let fd = self.descriptor(self.int(0), needs)?;
                Ok(Answer::Value(sys::fcntl(fd.as_fd(), command, argument)? as i64))
            }
            _ => self.check(),
        }
    }

    /// Whether the caller is whom a descriptor's signals are for; false: nobody is. Refused if it is another.
    fn owned_or_free(&self, fd: &OwnedFd) -> Result<bool, Fail> {
        let mut owner = [0; 8];
        sys::fcntl_out(fd.as_fd(), F_GETOWN_EX, &mut owner)?;
        match owner_in(&owner) {
            (_, 0) => Ok(false),
            (kind, pid) if self.is_caller(kind, pid) => Ok(true),
            (_, pid) => Err(Fail::outside(format!("process {pid}"))),
        }
    }

    /// Whether an owner is the caller, or one of its threads.
    fn is_caller(&self, kind: i32, pid: i32) -> bool {
        let process = self.caller.process();
        match kind {
            F_OWNER_TID => pid > 0 && sys::is_thread_of(process, pid as u32),
            F_OWNER_PID => pid == process as i32,
            _ => false,
        }
    }

    /// O_ASYNC, by F_SETFL's flags or by FIOASYNC. Of a terminal whose signals are for nobody the kernel makes them be for
    /// whoever is in front of it, of some devices for who asks: so they are made to be for the caller before.
    fn tell_by_signal(&self, flags: Option<i32>) -> Served {
        let fd = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        let was = sys::fcntl(fd.as_fd(), libc::F_GETFL, 0)? as i32;
        let flags = match flags {
            Some(flags) => flags,
            None => {
                let mut on = [0; 4];
                self.caller.read(self.arg(2), &mut on)?;
                if on == [0; 4] { was & !libc::O_ASYNC } else { was | libc::O_ASYNC }
            }
        };
        if flags & !was & libc::O_ASYNC != 0 && !self.owned_or_free(&fd)? {
            sys::fcntl(fd.as_fd(), libc::F_SETOWN, u64::from(self.caller.process()))?;
        }
        Ok(Answer::Value(sys::fcntl(fd.as_fd(), libc::F_SETFL, flags as u64)? as i64))
    }

    pub(super) fn prctl(&self) -> Served {
        match self.int(0) {
            // It would take its memory out of the monitor's reach. It is told that it was done; dumps of core are
            // not written in capability mode anyway.
            libc::PR_SET_DUMPABLE => Ok(Answer::Value(0)),
            _ => self.credentials(),
        }
    }

    pub(super) fn watch(&self) -> Served {
        // A watch on a directory tells its names, which the right to pass through it does not.
        let path = self.path_arg(0)?;
        let path = PathArg { needs: path.needs.union(&NOTIFY), ..path };
        let mask = self.arg(path.at + 1) as u32;
        let inotify = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        let last = if mask & libc::IN_DONT_FOLLOW != 0 { Last::Keep } else { Last::Follow };
        let object = self.object(&path, 0, last)?;
        if mask & libc::IN_ONLYDIR != 0 && sys::stat(object.as_fd())?.st_mode & libc::S_IFMT != libc::S_IFDIR
        {
            return Err(Errno::NOTDIR.into());
        }
        let mask = mask & !(libc::IN_DONT_FOLLOW);
        Ok(Answer::Value(sys::inotify_add_watch(inotify.as_fd(), &own_link(object.as_fd()), mask)? as i64))
    }
}
