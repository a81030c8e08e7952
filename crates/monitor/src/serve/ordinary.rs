//! A process in ordinary mode that has limited descriptors: what does not touch those is the kernel's, names and all.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::as_monitor;
use crate::listener::Answer;
use crate::sys;
use crate::unread::Names;
use policy::{Arg, Op, Resolved};
use rights::{Right, Rights};
use std::os::fd::AsFd;

const FEXECVE: Rights = Rights::of(&[Right::FEXECVE]);

impl Service<'_> {
    /// Serves a call of such a process.
    pub(super) fn ordinary(self) -> Served {
        let touches = match self.call.op {
            // What says which limits belong to which number.
            Op::Close
            | Op::CloseRange
            | Op::Dup
            | Op::DupTo
            | Op::Accept
            | Op::Fork
            | Op::Unshare
            | Op::SubmitIo => true,
            Op::Poll | Op::Select | Op::ReceiveMessage | Op::ReceiveMessages => true,
            Op::Map | Op::Protect | Op::Remap | Op::Punch | Op::Capsicum => true,
            // What the monitor has to know of, or would lose its reach by.
            Op::Credentials | Op::Prctl => true,
            Op::SendMessage | Op::SendMessages => {
                let Some(mut files) = self.caller.files() else { return Ok(Answer::GoOn) };
                if self.goes_unread_among(&mut files, Names::Unlimited, None) {
                    return Ok(Answer::GoOn);
                }
                true
            }
            Op::Fcntl if matches!(self.int(1), libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) => true,
            Op::Exec | Op::ExecAt => {
                if self.starts_limited_file()? || !self.names_limited() {
                    self.caller.starts_program();
                    if !self.is_alone() {
                        return as_monitor(|| self.see_it_through(None));
                    }
                    self.caller.processes().tables().starts_program(&self.caller.who());
                    return Ok(Answer::GoOn);
                }
                true
            }
            // Another process's descriptors, without their limits.
            _ if self.call.name == "pidfd_getfd" => return Err(Errno::PERM.into()),
            // What a ring does, nobody sees: as if the kernel had none, so that libraries do without.
            _ if self.call.name.starts_with("io_uring_") => return Err(Errno::NOSYS.into()),
            // From other directories the kernel looks up: the number is none of its calls then, and the library binds and
            // connects by those.
            Op::Bind | Op::Connect => self.caller.files().is_some_and(|files| files.is_limited(self.int(0))),
            _ if !self.names_limited() => false,
            // What is only for those with the whole namespace: by the descriptor's rights, where the table says which.
            _ if self.is_denied() => return self.denied_to_limited(),
            _ => true,
        };
        if touches {
            return self.act();
        }
        let Some(mut files) = self.caller.files() else { return Ok(Answer::GoOn) };
        self.goes(&mut files);
        Ok(Answer::GoOn)
    }

    /// Whether the call takes a descriptor that is limited.
    fn names_limited(&self) -> bool {
        let Some(files) = self.caller.files() else { return false };
        self.call
            .args
            .iter()
            .enumerate()
            .any(|(index, arg)| matches!(arg, Arg::Fd(_) | Arg::Dir) && files.is_limited(self.int(index)))
    }

    /// Whether capability mode would refuse the call, whatever the descriptor.
    fn is_denied(&self) -> bool {
        matches!(policy::resolve(self.call, false, self.caller.args()), Resolved::Deny(_))
    }

    /// Such a call on a limited descriptor.
    fn denied_to_limited(&self) -> Served {
        for (index, arg) in self.call.args.iter().enumerate() {
            let (number, args) = (self.int(index), self.caller.args());
            let is_limited = self.caller.files().is_some_and(|files| files.is_limited(number));
            let unsaid = match arg {
                Arg::Dir => true,
                Arg::Fd(_) => self.call.needs(index, args).is_empty(),
                _ => false,
            };
            if is_limited && unsaid {
                return Err(Fail::lacking(format!("descriptor {number}"), Rights::NONE));
            }
        }
        self.check_limits()
    }

    /// Whether the call starts the program behind a limited descriptor itself: the rights suffice then, for there is nothing
    /// beneath a file that a path could lead to.
    fn starts_limited_file(&self) -> Result<bool, Fail> {
        if self.call.op != Op::ExecAt || !self.names_limited() || self.int(4) & libc::AT_EMPTY_PATH == 0 {
            return Ok(false);
        }
        let (program, _) = self.limited(self.int(0), FEXECVE)?;
        Ok(sys::stat(program.as_fd())?.st_mode & libc::S_IFMT == libc::S_IFREG)
    }
}
