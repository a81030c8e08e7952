//! Asking about files.

use super::{LOOKUP, PathArg, Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::listener::Answer;
use crate::lookup::{self, Last};
use crate::sys;
use rights::Rights;
use std::os::fd::{AsFd, OwnedFd};

impl Service<'_> {
    /// A handle of what a path argument names. With AT_EMPTY_PATH and an empty (or null) path that is the descriptor
    /// itself, which needs the same rights less CAP_LOOKUP.
    pub(super) fn object(&self, path: &PathArg, flags: i32, last: Last) -> Result<OwnedFd, Fail> {
        if flags & libc::AT_EMPTY_PATH != 0 {
            let text = if path.address == 0 { Vec::new() } else { self.caller.path(path.address)? };
            if text.is_empty() {
                return self.descriptor_or_cwd(path.dirfd, path.needs.difference(&LOOKUP));
            }
        }
        let last = if flags & libc::AT_SYMLINK_NOFOLLOW != 0 { Last::Keep } else { last };
        self.start(path)?.handle(last, path.needs)
    }

    /// A copy of the descriptor, or the working directory for AT_FDCWD.
    pub(super) fn descriptor_or_cwd(&self, dirfd: i32, needs: Rights) -> Result<OwnedFd, Fail> {
        if dirfd != libc::AT_FDCWD {
            return self.descriptor(dirfd, needs);
        }
        let here = lookup::Start::at(&self.guard.held, self.caller, dirfd, b".".to_vec())?;
        here.handle(Last::Follow, needs)
    }

    pub(super) fn stat(&self, keep: bool) -> Served {
        let path = self.path_arg(0)?;
        let flags = self.int_if(path.at + 2);
        let known = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
        if flags & !known != 0 {
            return Err(Errno::INVAL.into());
        }
        let fd = self.object(&path, flags, if keep { Last::Keep } else { Last::Follow })?;
        let stat = sys::stat(fd.as_fd())?;
        self.caller.write(self.arg(path.at + 1), sys::bytes_of(&stat))?;
        Ok(Answer::Value(0))
    }

    pub(super) fn stat_fd(&self) -> Served {
        let fd = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        let stat = sys::stat(fd.as_fd())?;
        self.caller.write(self.arg(1), sys::bytes_of(&stat))?;
        Ok(Answer::Value(0))
    }

    pub(super) fn statx(&self) -> Served {
        let path = self.path_arg(0)?;
        let (flags, mask) = (self.int(path.at + 1), self.arg(path.at + 2) as u32);
        let sync = libc::AT_STATX_SYNC_TYPE;
        let known = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT | sync;
        if flags & !known != 0 || mask & 0x8000_0000 != 0 {
            return Err(Errno::INVAL.into());
        }
        let fd = self.object(&path, flags, Last::Follow)?;
        let stat = sys::statx(fd.as_fd(), (flags & sync) as u32, mask)?;
        self.caller.write(self.arg(path.at + 3), sys::bytes_of(&stat))?;
        Ok(Answer::Value(0))
    }

    pub(super) fn stat_fs(&self) -> Served {
        let path = self.path_arg(0)?;
        let fd = self.object(&path, 0, Last::Follow)?;
        let stat = sys::statfs(fd.as_fd())?;
        self.caller.write(self.arg(path.at + 1), sys::bytes_of(&stat))?;
        Ok(Answer::Value(0))
    }

    pub(super) fn access(&self) -> Served {
        let path = self.path_arg(0)?;
        let (mode, flags) = (self.int(path.at + 1), self.int_if(path.at + 2));
        let known = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_EACCESS;
        if flags & !known != 0 || mode & !7 != 0 {
            return Err(Errno::INVAL.into());
        }
        let fd = self.object(&path, flags, Last::Follow)?;
        let effective = match &self.identity {
            // The monitor's real user is the caller's.
            None => flags & libc::AT_EACCESS,
            // It is not, but its file system user is made the one that is asked about.
            Some(identity) => {
                if flags & libc::AT_EACCESS == 0 && !identity.is_uniform() {
                    sys::setfsuid(identity.real_user());
                }
                libc::AT_EACCESS
            }
        };
        sys::access(fd.as_fd(), mode, effective)?;
        Ok(Answer::Value(0))
    }

    pub(super) fn read_link(&self) -> Served {
        let path = self.path_arg(0)?;
        let (buffer, size) = (self.arg(path.at + 1), self.int(path.at + 2));
        if size <= 0 {
            return Err(Errno::INVAL.into());
        }
        let text = self.caller.path(path.address)?;
        let link = if text.is_empty() && path.dirfd != libc::AT_FDCWD {
            // Of the link that an O_PATH descriptor refers to.
            let fd = self.descriptor(path.dirfd, path.needs.difference(&LOOKUP))?;
            if !self.caller.is_hosted() && lookup::is_in_procfs(fd.as_fd())? {
                // `self` would be the monitor.
                return Err(Fail::lacking("a link in procfs", path.needs));
            }
            sys::link_text(fd.as_fd(), c"")?
        } else {
            lookup::Start::at(&self.guard.held, self.caller, path.dirfd, text)?.read_link(path.needs)?
        };
        let len = link.len().min(size as usize);
        self.caller.write(buffer, &link[..len])?;
        Ok(Answer::Value(len as i64))
    }
}
