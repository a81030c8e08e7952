//! Starting programs. Only the caller itself can be made another program, so execve is let go on, by a path in its
//! own memory. What the path leads to when the kernel reads it, Landlock decides: it lets nothing be executed that
//! is not in a directory held with CAP_FEXECVE, interpreters included. What is left to a thread that changes the path
//! meanwhile is to learn whether some path exists (docs/threat-model.md).

use super::{LOOKUP, Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::listener::Answer;
use crate::lookup::Last;
use crate::sys;
use rights::{Right, Rights};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

impl Service<'_> {
    pub(super) fn exec_at(&self) -> Served {
        let flags = self.int(4);
        if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) != 0 {
            return Err(Errno::INVAL.into());
        }
        self.exec(flags)
    }

    pub(super) fn exec(&self, flags: i32) -> Served {
        let path = self.path_arg(0)?;
        let program = self.object(&path, flags & !AT_EXECVE_CHECK, Last::Follow)?;
        if flags & libc::AT_EMPTY_PATH == 0 || path.address != 0 {
            self.check_executable(&program)?;
        }
        // The first program is started by the launcher, before anything could race with it.
        if self.guard.started.swap(true, Ordering::SeqCst) && !self.guard.exec_confined {
            return Err(Fail::lacking(
                "execve: this kernel has no Landlock to confine it",
                Rights::of(&[Right::FEXECVE]).union(&LOOKUP),
            ));
        }
        Ok(Answer::GoOn)
    }

    /// A program that its user cannot read would become undumpable, and so out of the monitor's reach: every call
    /// of it would fail.
    fn check_executable(&self, program: &OwnedFd) -> Result<(), Fail> {
        if sys::stat(program.as_fd())?.st_mode & libc::S_IFMT == libc::S_IFREG {
            sys::access(program.as_fd(), libc::R_OK, libc::AT_EACCESS)?;
        }
        Ok(())
    }
}

const AT_EXECVE_CHECK: i32 = 0x10000;
