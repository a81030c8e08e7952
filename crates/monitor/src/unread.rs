//! Calls that were let go on and name descriptors in memory: poll, and in ordinary mode sendmsg and kin. They go on only while no
//! descriptor of the table is one that they may not name. But the kernel reads that memory later, and again: it looks at
//! the numbers whenever it wakes, and poll's array anew when a stop or a stray signal restarts it. So before there comes a
//! descriptor that is not for such a call, the call is ended; it is made again, and the monitor does it then.

use crate::errno::Errno;
use crate::sys;
use rights::{Limits, Right};
use std::time::Instant;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Whose it is.
    pub thread: u32,
    /// Its process.
    pub process: u32,
    /// Which descriptors are not for it.
    pub names: Names,
    /// Until when it waits, where that would begin anew when it is made again; and which call it is.
    pub until: Option<(Instant, Made)>,
}

/// Where a call is made, and with which arguments.
pub type Made = (u64, [u64; 6]);

/// What a call does with the descriptors that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// It waits for them: not for those without CAP_EVENT.
    Watched,
    /// It sends them, or reads and writes them: not those with limits.
    Unlimited,
}

/// What such a call is, when its thread sleeps in it.
const CALLS: [libc::c_long; 8] = [
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_io_submit,
    libc::SYS_restart_syscall,
];

impl Names {
    /// Whether a descriptor with these limits is not for it.
    pub fn excludes(self, limits: &Limits) -> bool {
        match self {
            Names::Watched => !limits.rights().is_set(Right::EVENT),
            Names::Unlimited => !limits.is_all(),
        }
    }
}

impl Unread {
    /// Ends it, if it is still under way. True: it will be made again.
    pub fn end(&self) -> Result<bool, Errno> {
        if !sys::is_thread_of(self.process, self.thread) || self.is_over() {
            return Ok(false);
        }
        sys::stop_out_of_call(self.thread, make_again)
    }

    /// Whether its thread is seen to sleep in another call.
    fn is_over(&self) -> bool {
        let told = std::fs::read_to_string(format!("/proc/{}/syscall", self.thread)).unwrap_or_default();
        // A thread that is running may be anywhere.
        let call = told.split_whitespace().next().and_then(|word| word.parse().ok());
        call.is_some_and(|call| !CALLS.contains(&call))
    }
}

/// Of a thread that is stopped on its way out of poll: has it make that call again, where the kernel would go on with it.
fn make_again(tid: u32) -> bool {
    /// What a call comes to that restart_syscall(2) goes on with. Only the kernel knows which it was.
    const RESTART_BLOCK: i64 = -516;
    const EINTR: i64 = -(libc::EINTR as i64);
    const AGAIN: i64 = -(Errno::RESTARTNOHAND.0 as i64);
    let Ok(mut registers) = sys::registers_of(tid) else { return false };
    let mut code = [0; 2];
    // It is about to make a call if there is the instruction for it.
    let is_before = sys::read_memory(tid, registers.rip, &mut code) == Ok(2) && code == [0x0f, 0x05];
    let (call, result) = (registers.orig_rax as i64, registers.rax as i64);
    match (call, result) {
        (libc::SYS_poll, RESTART_BLOCK) => registers.rax = AGAIN as u64,
        (libc::SYS_poll, libc::SYS_restart_syscall) if is_before => registers.rax = libc::SYS_poll as u64,
        (libc::SYS_restart_syscall, RESTART_BLOCK) => registers.rax = EINTR as u64,
        (libc::SYS_restart_syscall, libc::SYS_restart_syscall) if is_before => {
            registers.rax = EINTR as u64;
            registers.rip += 2;
        }
        _ => return false,
    }
    sys::set_registers_of(tid, &registers).is_ok() && call == libc::SYS_poll
}
