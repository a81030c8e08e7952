//! The listener of a filter: where the notifications come from and the answers go.

use crate::errno::Errno;
use crate::features::Features;
use crate::sys::{self, Notif};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The listener.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
}

/// It hangs up when no process is left under the filter.
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It returns this.
    Value(i64),
    /// It fails with this.
    Error(Errno),
    /// The kernel carries it out.
    GoOn,
    /// It has been answered already.
    Given,
}

impl Listener {
    /// Over a descriptor that seccomp(2) returned.
    pub fn new(fd: OwnedFd, features: &Features) -> Listener {
        if features.sync_wake_up {
            // Before Linux 6.6 this is not there, and answers are slower.
            let _ = sys::notif_sync_wake_up(fd.as_fd());
        }
        Listener { fd }
    }

    /// The next notification. None: no process is left that could make one.
    pub fn next(&self) -> Option<Notif> {
        loop {
            match sys::notif_recv(self.fd.as_fd()) {
                Ok(notif) => return Some(notif),
                // ENOENT: the caller died, or the last process did.
                Err(Errno::NOENT) if self.is_abandoned() => return None,
                Err(Errno::NOENT | Errno::INTR | Errno::NOMEM) => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether no process is under the filter any more.
    fn is_abandoned(&self) -> bool {
        matches!(sys::poll(self.fd.as_fd(), 0, 0), Ok(1))
    }

    /// Answers a notification. A caller that is gone needs no answer.
    pub fn answer(&self, id: u64, answer: Answer) {
        let _ = match answer {
            Answer::Value(value) => sys::notif_send(self.fd.as_fd(), id, value, 0, false),
            Answer::Error(Errno(error)) => sys::notif_send(self.fd.as_fd(), id, 0, error, false),
            Answer::GoOn => sys::notif_send(self.fd.as_fd(), id, 0, 0, true),
            Answer::Given => Ok(()),
        };
    }

    /// Whether the caller still waits.
    pub fn is_valid(&self, id: u64) -> bool {
        sys::notif_valid(self.fd.as_fd(), id)
    }

    /// Installs a descriptor with the caller, the thread `tid`: at a number, whatever is there, or at the lowest free one.
    pub fn install(
        &self,
        id: u64,
        tid: u32,
        fd: BorrowedFd,
        at: Option<i32>,
        cloexec: bool,
    ) -> Result<usize, Errno> {
        let _near = Near::bring(tid);
        sys::notif_addfd(self.fd.as_fd(), id, fd, at, cloexec)
    }
}

/// While it lives, a thread that waits for us runs where we do. The kernel wakes the caller to install a descriptor,
/// and would wake it on an idle CPU, at several times the cost of everything else about an open. The caller sleeps in
/// its call meanwhile, so it sees nothing of it.
struct Near {
    tid: u32,
    allowed: sys::CpuSet,
    words: usize,
}

impl Near {
    fn bring(tid: u32) -> Option<Near> {
        let (allowed, words) = sys::affinity(tid).ok()?;
        let cpu = sys::current_cpu();
        let mut here = [0; 128];
        here[(cpu / 64) % 128] = 1 << (cpu % 64);
        let elsewhere = allowed.iter().zip(&here).any(|(allowed, here)| allowed & !here != 0);
        let may_be_here = allowed.iter().zip(&here).any(|(allowed, here)| allowed & here != 0);
        if !elsewhere || !may_be_here || sys::set_affinity(tid, &here[..words]).is_err() {
            return None;
        }
        Some(Near { tid, allowed, words })
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let _ = sys::set_affinity(self.tid, &self.allowed[..self.words]);
    }
}
