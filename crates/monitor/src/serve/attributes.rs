//! Mode, owner, times, length, extended attributes: by path on a handle of the object, by descriptor on a copy of
//! it, which is the same open file.

use super::{PathArg, Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::listener::Answer;
use crate::lookup::{Last, own_link};
use crate::sys::{self, Times};
use policy::Op;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// The kernel's limits on an attribute's name and value, and on a list of names.
const NAME_MAX: usize = 255;
const VALUE_MAX: usize = 65536;

const DONE: Answer = Answer::Value(0);

impl Service<'_> {
    /// The descriptor argument that the call is about, with the rights that it needs.
    fn own_descriptor(&self) -> Result<OwnedFd, Fail> {
        self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))
    }

    pub(super) fn change_mode(&self) -> Served {
        let path = self.path_arg(0)?;
        let (mode, flags) = (self.arg(path.at + 1) as u32, self.int_if(path.at + 2));
        if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
            return Err(Errno::INVAL.into());
        }
        let fd = self.object(&path, flags, Last::Follow)?;
        if self.guard.features.fchmodat2 {
            sys::chmod_handle(fd.as_fd(), mode & 0o7777, 0)?;
        } else if sys::stat(fd.as_fd())?.st_mode & libc::S_IFMT == libc::S_IFLNK {
            // The way through the link of /proc/self/fd does not refuse a symbolic link by itself.
            return Err(Errno::OPNOTSUPP.into());
        } else {
            sys::chmod(&own_link(fd.as_fd()), mode & 0o7777)?;
        }
        Ok(DONE)
    }

    pub(super) fn change_mode_fd(&self) -> Served {
        let fd = self.own_descriptor()?;
        Ok(sys::fchmod(fd.as_fd(), self.arg(1) as u32).map(|()| DONE)?)
    }

    pub(super) fn change_owner(&self, keep: bool) -> Served {
        let path = self.path_arg(0)?;
        let flags = self.int_if(path.at + 3);
        if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
            return Err(Errno::INVAL.into());
        }
        let fd = self.object(&path, flags, if keep { Last::Keep } else { Last::Follow })?;
        self.set_owner(&fd, path.at + 1)
    }

    pub(super) fn change_owner_fd(&self) -> Served {
        let fd = self.own_descriptor()?;
        // fchown refuses an O_PATH descriptor, which chown by handle would not.
        if sys::fcntl(fd.as_fd(), libc::F_GETFL, 0)? as i32 & libc::O_PATH != 0 {
            return Err(Errno::BADF.into());
        }
        self.set_owner(&fd, 1)
    }

    fn set_owner(&self, fd: &OwnedFd, at: usize) -> Served {
        Ok(sys::chown(fd.as_fd(), self.arg(at) as u32, self.arg(at + 1) as u32).map(|()| DONE)?)
    }

    pub(super) fn set_times(&self) -> Served {
        let path = self.path_arg(0)?;
        let (times, flags) = (self.arg(path.at + 1), self.int_if(path.at + 2));
        if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
            return Err(Errno::INVAL.into());
        }
        let times = match times {
            0 => None,
            address => {
                let words: [u64; 4] = self.caller.read_words(address)?;
                Some(self.times(words, 1))
            }
        };
        self.apply_times(&path, flags, times)
    }

    pub(super) fn set_times_micro(&self) -> Served {
        let path = self.path_arg(0)?;
        let times = match self.arg(path.at + 1) {
            0 => None,
            address => {
                let words: [u64; 4] = self.caller.read_words(address)?;
                if words[1] >= 1_000_000 || words[3] >= 1_000_000 {
                    return Err(Errno::INVAL.into());
                }
                Some(self.times(words, 1000))
            }
        };
        self.apply_times(&path, 0, times)
    }

    pub(super) fn set_times_second(&self) -> Served {
        let path = self.path_arg(0)?;
        let times = match self.arg(path.at + 1) {
            0 => None,
            address => {
                let [access, modification]: [u64; 2] = self.caller.read_words(address)?;
                Some(self.times([access, 0, modification, 0], 1))
            }
        };
        self.apply_times(&path, 0, times)
    }

    /// Seconds and fractions, which are in units of `unit` nanoseconds.
    fn times(&self, words: [u64; 4], unit: i64) -> Times {
        [0, 2].map(|at| libc::timespec {
            tv_sec: words[at] as i64,
            tv_nsec: (words[at + 1] as i64).wrapping_mul(unit),
        })
    }

    fn apply_times(&self, path: &PathArg, flags: i32, times: Option<Times>) -> Served {
        let fd = if path.address == 0 && path.dirfd != libc::AT_FDCWD {
            // futimens: the descriptor itself. utimensat takes no flags with it.
            if flags != 0 {
                return Err(Errno::INVAL.into());
            }
            self.descriptor(path.dirfd, path.needs)?
        } else {
            self.object(path, flags, Last::Follow)?
        };
        Ok(sys::utimens(fd.as_fd(), times.as_ref()).map(|()| DONE)?)
    }

    pub(super) fn truncate(&self) -> Served {
        let path = self.path_arg(0)?;
        let fd = self.object(&path, 0, Last::Follow)?;
        Ok(sys::truncate(&own_link(fd.as_fd()), self.arg(path.at + 1) as i64).map(|()| DONE)?)
    }

    pub(super) fn truncate_fd(&self) -> Served {
        let fd = self.own_descriptor()?;
        Ok(sys::ftruncate(fd.as_fd(), self.arg(1) as i64).map(|()| DONE)?)
    }

    /// The object of an extended attribute call, and where its other arguments begin.
    fn xattr_object(&self) -> Result<(OwnedFd, usize), Fail> {
        match self.call.op {
            Op::GetXattrFd | Op::ListXattrFd | Op::SetXattrFd | Op::RemoveXattrFd => {
                let fd = self.own_descriptor()?;
                if sys::fcntl(fd.as_fd(), libc::F_GETFL, 0)? as i32 & libc::O_PATH != 0 {
                    return Err(Errno::BADF.into());
                }
                Ok((fd, 1))
            }
            Op::GetXattrLink | Op::ListXattrLink | Op::SetXattrLink | Op::RemoveXattrLink => {
                let path = self.path_arg(0)?;
                Ok((self.object(&path, 0, Last::Keep)?, path.at + 1))
            }
            _ => {
                let path = self.path_arg(0)?;
                Ok((self.object(&path, 0, Last::Follow)?, path.at + 1))
            }
        }
    }

    fn xattr_name(&self, at: usize) -> Result<CString, Fail> {
        let name = self.caller.string(self.arg(at), NAME_MAX + 1, Errno::RANGE)?;
        if name.is_empty() {
            return Err(Errno::RANGE.into());
        }
        Ok(CString::new(name).map_err(|_| Errno::INVAL)?)
    }

    /// Hands a value over, or (for a size of 0) tells how long it is.
    fn give(&self, address: u64, size: u64, get: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> Served {
        let mut value = vec![0; (size as usize).min(VALUE_MAX)];
        let len = get(&mut value)?;
        if size != 0 {
            self.caller.write(address, &value[..len])?;
        }
        Ok(Answer::Value(len as i64))
    }

    pub(super) fn get_xattr(&self) -> Served {
        let (fd, at) = self.xattr_object()?;
        let name = self.xattr_name(at)?;
        let path = own_link(fd.as_fd());
        self.give(self.arg(at + 1), self.arg(at + 2), |value| sys::getxattr(&path, &name, value))
    }

    pub(super) fn list_xattr(&self) -> Served {
        let (fd, at) = self.xattr_object()?;
        let path = own_link(fd.as_fd());
        self.give(self.arg(at), self.arg(at + 1), |list| sys::listxattr(&path, list))
    }

    pub(super) fn set_xattr(&self) -> Served {
        let (fd, at) = self.xattr_object()?;
        let name = self.xattr_name(at)?;
        let size = self.arg(at + 2);
        if size > VALUE_MAX as u64 {
            return Err(Errno::TOOBIG.into());
        }
        let mut value = vec![0; size as usize];
        self.caller.read(self.arg(at + 1), &mut value)?;
        Ok(sys::setxattr(&own_link(fd.as_fd()), &name, &value, self.int(at + 3)).map(|()| DONE)?)
    }

    pub(super) fn remove_xattr(&self) -> Served {
        let (fd, at) = self.xattr_object()?;
        let name = self.xattr_name(at)?;
        Ok(sys::removexattr(&own_link(fd.as_fd()), &name).map(|()| DONE)?)
    }
}
