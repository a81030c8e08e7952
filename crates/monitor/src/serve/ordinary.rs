//! A process in ordinary mode that has limited descriptors: what does not touch those is the kernel's, names and all.

use super::{Served, Service};
use crate::errno::Errno;
use crate::listener::Answer;
use policy::{Arg, Op};

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
            Op::SendMessage | Op::SendMessages => self.any_limited(),
            Op::Fcntl if matches!(self.int(1), libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) => true,
            Op::Exec | Op::ExecAt => {
                self.caller.starts_program();
                self.caller.processes().tables().starts_program(self.caller.process(), self.caller.tid());
                self.names_limited()
            }
            // Another process's descriptors, without their limits.
            _ if self.call.name == "pidfd_getfd" => return Err(Errno::PERM.into()),
            _ => self.names_limited(),
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

    fn any_limited(&self) -> bool {
        self.caller.files().is_some_and(|files| files.limited().next().is_some())
    }
}
