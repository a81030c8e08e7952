//! What only the caller itself can do: installing a filter on its threads. For the time of that it is traced, and made to do
//! it in the place of the call that it waits in.

use crate::caller::Caller;
use crate::errno::Errno;
use crate::sys::{self, Fprog, Registers, Stop};
use std::time::{Duration, Instant};

/// How long one call of the caller's may take.
const LONG: Duration = Duration::from_secs(2);
/// All of `sigset_t`.
const ALL_SIGNALS: u64 = u64::MAX;

/// A caller that is stopped on its way out of its call.
struct Stopped {
    tid: u32,
    registers: Registers,
    signals: u64,
}

/// Has the caller install a filter on all threads of its process, and answers its call: it has succeeded. On failure it
/// is still to be answered if it has not been let go.
pub fn filter(caller: &Caller, program: &[filter::Insn]) -> Result<(), Errno> {
    let stopped = Stopped::on_the_way_out(caller)?;
    let installed = stopped.install(program);
    stopped.leave(installed.err());
    // It has its answer, whatever that is.
    installed
}

impl Stopped {
    /// Lets the call, which the kernel does not know, go on, and stops the caller behind it.
    fn on_the_way_out(caller: &Caller) -> Result<Stopped, Errno> {
        let tid = caller.tid();
        // Under a debugger it has a tracer already.
        sys::trace(tid)?;
        if caller.still_there().is_err() {
            sys::stop_tracing(tid);
            return Err(Errno::SRCH);
        }
        caller.go_on();
        let mut again = false;
        loop {
            match sys::wait_for_stop(tid, LONG)? {
                Stop::Other => break,
                // A handler is to run first: the call is made again after it.
                Stop::Signal(signal) => {
                    if let Ok(mut registers) = sys::registers_of(tid) {
                        registers.rax = (-i64::from(Errno::RESTARTNOINTR.0)) as u64;
                        again = sys::set_registers_of(tid, &registers).is_ok();
                    }
                    sys::let_go(tid, signal);
                    return Err(if again { Errno::RESTARTNOINTR } else { Errno::AGAIN });
                }
                Stop::Call => sys::go_to_next_stop(tid)?,
            }
        }
        let made = (|| {
            let (registers, signals) = (sys::registers_of(tid)?, sys::signal_mask_of(tid)?);
            sys::set_signal_mask_of(tid, ALL_SIGNALS)?;
            Ok(Stopped { tid, registers, signals })
        })();
        if made.is_err() {
            sys::let_go(tid, 0);
        }
        made
    }

    /// Has it make a call.
    fn call(&self, number: libc::c_long, args: [u64; 6]) -> Result<u64, Errno> {
        let mut registers = self.registers;
        // The instruction by which it made the one that it is in.
        registers.rip = registers.rip.wrapping_sub(2);
        registers.orig_rax = u64::MAX;
        registers.rax = number as u64;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9] = args;
        sys::set_registers_of(self.tid, &registers)?;
        let deadline = Instant::now() + LONG;
        // At its entry, and at its end.
        for _ in 0..2 {
            loop {
                sys::go_to_next_stop(self.tid)?;
                match sys::wait_for_stop(self.tid, deadline.saturating_duration_since(Instant::now()))? {
                    Stop::Call => break,
                    // All signals are blocked; what comes all the same is a fault, or SIGSTOP.
                    Stop::Signal(_) | Stop::Other if Instant::now() >= deadline => return Err(Errno::AGAIN),
                    Stop::Signal(_) | Stop::Other => {}
                }
            }
        }
        let result = sys::registers_of(self.tid)?.rax as i64;
        match i32::try_from(-result) {
            Ok(errno @ 1..4096) => Err(Errno(errno)),
            _ => Ok(result as u64),
        }
    }

    fn install(&self, program: &[filter::Insn]) -> Result<(), Errno> {
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let instructions: Vec<u8> = program.iter().flat_map(sys::bytes_of).copied().collect();
        let header = std::mem::size_of::<Fprog>();
        let size = (header + instructions.len()) as u64;
        let memory = self.call(libc::SYS_mmap, [0, size, protection, flags, u64::MAX, 0])?;
        let installed = (|| {
            let fprog = Fprog::at(program.len(), memory + header as u64);
            sys::write_memory(self.tid, memory, &[&fprog, instructions.as_slice()].concat())?;
            let args = [
                u64::from(libc::SECCOMP_SET_MODE_FILTER),
                libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
                memory,
                0,
                0,
                0,
            ];
            self.call(libc::SYS_seccomp, args).map(drop)
        })();
        // Nothing is left of it.
        let _ = self.call(libc::SYS_munmap, [memory, size, 0, 0, 0, 0]);
        installed
    }

    /// Lets it go, out of the call that it made.
    fn leave(self, failed: Option<Errno>) {
        let mut registers = self.registers;
        registers.orig_rax = u64::MAX;
        registers.rax = failed.map_or(0, |errno| -i64::from(errno.0)) as u64;
        let _ = sys::set_registers_of(self.tid, &registers);
        let _ = sys::set_signal_mask_of(self.tid, self.signals);
        sys::let_go(self.tid, 0);
    }
}
