//! What only the caller itself can do: installing a filter on its threads, getting a signal. For the time of that it is traced,
//! and made to do it in the place of the call that it waits in.

use crate::caller::Caller;
use crate::errno::Errno;
use crate::listener::Answer;
use crate::sys::{self, Fprog, Registers, Stop};
use std::time::{Duration, Instant};

/// How long one call of the caller's may take.
const LONG: Duration = Duration::from_secs(2);
/// How long it may take a thread to stop that has been asked to.
const LONG_TO_STOP: Duration = Duration::from_secs(10);
/// All of `sigset_t`.
const ALL_SIGNALS: u64 = u64::MAX;

/// A caller that is stopped on its way out of its call.
struct Stopped {
    tid: u32,
    registers: Registers,
    signals: u64,
}

/// What becomes of the call in whose place a filter is installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It has succeeded.
    Succeeds,
    /// It is made again.
    IsRepeated,
}

/// Has the caller install a filter on all threads of its process, and answers its call. On failure it is still to be answered
/// if it has not been let go.
pub fn filter(caller: &Caller, program: &[filter::Insn], then: Then) -> Result<(), Errno> {
    let stopped = Stopped::on_the_way_out(caller)?;
    let installed = stopped.install(program, then);
    stopped.leave(installed.err(), then);
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
                Stop::Call | Stop::Made => sys::go_to_next_stop(tid)?,
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
        let expected = Registers { rip: self.registers.rip, orig_rax: number as u64, ..registers };
        let deadline = Instant::now() + LONG;
        for is_end in [false, true] {
            loop {
                sys::go_to_next_stop(self.tid)?;
                match sys::wait_for_stop(self.tid, deadline.saturating_duration_since(Instant::now()))? {
                    Stop::Call => break,
                    // All signals are blocked; what comes all the same is a fault, or SIGSTOP.
                    _ if Instant::now() >= deadline => return Err(Errno::AGAIN),
                    Stop::Signal(_) | Stop::Made | Stop::Other => {}
                }
            }
            // Whatever instruction was there before, the kernel has got this call.
            if !is_end && !is_call(&sys::registers_of(self.tid)?, &expected) {
                return Err(Errno::AGAIN);
            }
        }
        let result = sys::registers_of(self.tid)?.rax as i64;
        match i32::try_from(-result) {
            Ok(errno @ 1..4096) => Err(Errno(errno)),
            _ => Ok(result as u64),
        }
    }

    fn install(&self, program: &[filter::Insn], then: Then) -> Result<(), Errno> {
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
            let before = filters_of(self.tid);
            self.call(libc::SYS_seccomp, args)?;
            // What it has come to, an earlier filter of the program's own may have said without its being made.
            match (before, filters_of(self.tid)) {
                (Some(before), Some(after)) if after == before + 1 => Ok(()),
                // Nobody else can tell: to limit itself less than it says is its own affair.
                (None, None) if then == Then::Succeeds => Ok(()),
                _ => Err(Errno::BUSY),
            }
        })();
        // Nothing is left of it.
        let _ = self.call(libc::SYS_munmap, [memory, size, 0, 0, 0, 0]);
        installed
    }

    /// Lets it go, out of the call that it made.
    fn leave(self, failed: Option<Errno>, then: Then) {
        let mut registers = self.registers;
        match (failed, then) {
            (None, Then::IsRepeated) => {
                registers.rax = registers.orig_rax;
                registers.rip = registers.rip.wrapping_sub(2);
            }
            (failed, _) => registers.rax = failed.map_or(0, |errno| -i64::from(errno.0)) as u64,
        }
        registers.orig_rax = u64::MAX;
        let _ = sys::set_registers_of(self.tid, &registers);
        let _ = sys::set_signal_mask_of(self.tid, self.signals);
        sys::let_go(self.tid, 0);
    }
}

/// Whether a thread at the entry of a call is in the one that is meant.
fn is_call(is: &Registers, meant: &Registers) -> bool {
    let of = |one: &Registers| [one.orig_rax, one.rip, one.rdi, one.rsi, one.rdx, one.r10, one.r8, one.r9];
    of(is) == of(meant)
}

/// How many filters a thread is under, if procfs tells.
fn filters_of(tid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"))?.trim().parse().ok()
}

/// Answers the caller's call so that the kernel makes it again, or makes it EINTR, as the signal says that interrupts it.
/// The kernel asks that only of a thread that has a signal to look for. A signal of the process may have become another
/// thread's by now, and the caller would be told of an error that it cannot know: so then it is stopped, and looks.
pub fn restart(caller: &Caller, errno: Errno) -> Answer {
    let is_sure = caller.status().is_ok_and(|status| match status.threads {
        1 => status.signals.interrupting(None) != 0,
        _ => status.signals.surely_interrupting() != 0,
    });
    if is_sure {
        return Answer::Error(errno);
    }
    match stop_with(caller, errno) {
        Ok(true) => {
            sys::let_go(caller.tid(), 0);
            Answer::Given
        }
        Ok(false) => Answer::Given,
        // It has another tracer.
        Err(_) => Answer::Error(Errno::INTR),
    }
}

/// Has the caller make its call with other arguments, by which it only waits for a signal, under a mask of its own. Its registers
/// are then what they were, and the call is made again after the signal if that has no handler and it `restarts`, which is asked
/// while it is stopped. On failure it is still to be answered.
pub fn wait_for_signal(
    caller: &Caller,
    args: [u64; 6],
    restarts: impl FnOnce() -> bool,
) -> Result<(), Errno> {
    /// The signal is there, unless another thread has got it.
    const SOON: Duration = Duration::from_millis(20);
    let tid = caller.tid();
    if !stop_with(caller, Errno::RESTARTNOINTR)? {
        return Ok(());
    }
    let (Ok(registers), Ok(mask)) = (sys::registers_of(tid), sys::signal_mask_of(tid)) else {
        sys::let_go(tid, 0);
        return Ok(());
    };
    let mut other = registers;
    other.rip = other.rip.wrapping_sub(2);
    other.rax = registers.orig_rax;
    other.orig_rax = u64::MAX;
    [other.rdi, other.rsi, other.rdx, other.r10, other.r8, other.r9] = args;
    let begun = sys::set_signal_mask_of(tid, ALL_SIGNALS)
        .and_then(|()| sys::set_registers_of(tid, &other))
        .and_then(|()| sys::go_to_next_stop(tid))
        .and_then(|()| sys::wait_for_stop(tid, LONG));
    let signal = match begun {
        Ok(Stop::Call) => None,
        Ok(Stop::Signal(signal)) => Some(signal),
        Ok(Stop::Made | Stop::Other) | Err(_) => Some(0),
    };
    // Now the call is to find the mask that it puts back.
    let _ = sys::set_signal_mask_of(tid, mask);
    if let Some(signal) = signal {
        // It has not begun: a fault, or SIGSTOP, which cannot be blocked.
        let _ = sys::set_registers_of(tid, &registers);
        sys::let_go(tid, signal);
        return Ok(());
    }
    let mut stop = sys::go_to_next_stop(tid).and_then(|()| sys::stop_within(tid, SOON));
    while let Ok(None) = stop {
        sys::interrupt_traced(tid);
        // Before the signal looks at it, the monitor does: for that a worker is needed.
        stop = sys::stop_within(tid, SOON);
    }
    let signal = if let Ok(Some(Stop::Signal(signal))) = stop { signal } else { 0 };
    let result = sys::registers_of(tid).map_or(0, |registers| registers.rax as i64);
    let interrupted = [Errno::RESTARTSYS, Errno::RESTARTNOINTR, Errno::RESTARTNOHAND]
        .iter()
        .any(|errno| result == -i64::from(errno.0));
    let errno = if interrupted && restarts() { Errno::RESTARTNOHAND } else { Errno::INTR };
    let registers = Registers { rax: -i64::from(errno.0) as u64, ..registers };
    let _ = sys::set_registers_of(tid, &registers);
    sys::let_go(tid, signal);
    Ok(())
}

/// Lets the caller's call go on, which makes a process or a thread, and tells which, once, before that or the caller runs; None:
/// it has made nothing. On failure the call is still to be answered.
pub fn see_made(caller: &Caller, tell: impl FnOnce(Option<u32>)) -> Result<(), Errno> {
    /// One that has made nothing goes on unseen: then it is stopped.
    const LONG: Duration = Duration::from_millis(100);
    const A_MOMENT: Duration = Duration::from_millis(1);
    let tid = caller.tid();
    let watched = caller.is_watched();
    // Under a debugger it has a tracer already.
    let traced = sys::trace_making(tid).and_then(|()| {
        caller.still_there().inspect_err(|_| {
            sys::interrupt_traced(tid);
            sys::stop_tracing(tid);
        })
    });
    if traced.is_err() {
        tell(None);
        return traced;
    }
    caller.go_on();
    let (start, mut is_interrupted) = (Instant::now(), false);
    let stop = loop {
        match sys::stop_within(tid, A_MOMENT) {
            Ok(None) if is_interrupted && start.elapsed() > LONG + LONG_TO_STOP => {
                sys::kill_child(tid, libc::SIGKILL);
                break Err(Errno::SRCH);
            }
            // Who waits for its children may have been told that it has stopped.
            Ok(None) if start.elapsed() > LONG && sys::made_by(tid).is_ok() => {
                let has_made = sys::made_by(tid).is_ok_and(|made| made != 0);
                break Ok(if has_made { Stop::Made } else { Stop::Other });
            }
            Ok(None) if !is_interrupted && (watched.is_over() || start.elapsed() > LONG) => {
                sys::interrupt_traced(tid);
                watched.was_interrupted();
                is_interrupted = true;
            }
            Ok(None) => {}
            Ok(Some(stop)) => break Ok(stop),
            Err(errno) => break Err(errno),
        }
    };
    let made = match &stop {
        Ok(Stop::Made) => sys::made_by(tid).ok(),
        _ => None,
    };
    if let Some(made) = made {
        // Whether it is there yet, or not any more.
        let _ = sys::stop_within(made, LONG_TO_STOP);
    }
    // Somebody has killed the caller, but not what it made.
    let made = made.or_else(|| if stop.is_ok() { None } else { sys::stray() });
    tell(made);
    // From here on it may call again.
    drop(watched);
    if let Some(made) = made {
        sys::let_go(made, 0);
    }
    sys::let_go(tid, if let Ok(Stop::Signal(signal)) = stop { signal } else { 0 });
    Ok(())
}

/// Lets the caller's call go on, and tells once, before the caller leaves the kernel, whether it came to 0. On failure it is
/// still to be answered.
pub fn see_end(caller: &Caller, tell: impl FnOnce(bool)) -> Result<(), Errno> {
    let tid = caller.tid();
    let traced = sys::trace(tid).and_then(|()| caller.still_there().inspect_err(|_| sys::stop_tracing(tid)));
    if traced.is_err() {
        tell(false);
        return traced;
    }
    caller.go_on();
    let signal = loop {
        match sys::wait_for_stop(tid, LONG) {
            Ok(Stop::Signal(signal)) => break Some(signal),
            Ok(Stop::Other) => break Some(0),
            Ok(Stop::Call | Stop::Made) if sys::go_to_next_stop(tid).is_ok() => {}
            Ok(Stop::Call | Stop::Made) | Err(_) => break None,
        }
    };
    tell(sys::traced_result(tid) == Ok(0));
    if let Some(signal) = signal {
        sys::let_go(tid, signal);
    }
    Ok(())
}

/// Answers the caller's call with an error, and stops the caller before it leaves the kernel. False: a signal came first.
fn stop_with(caller: &Caller, errno: Errno) -> Result<bool, Errno> {
    let tid = caller.tid();
    // Before, so that it is hardly ever another; and then, so that it is none.
    caller.still_there()?;
    sys::trace(tid)?;
    if caller.still_there().is_err() {
        sys::stop_tracing(tid);
        return Err(Errno::SRCH);
    }
    caller.answer(Answer::Error(errno));
    loop {
        match sys::wait_for_stop(tid, LONG) {
            Ok(Stop::Other) => return Ok(true),
            Ok(Stop::Signal(signal)) => {
                sys::let_go(tid, signal);
                return Ok(false);
            }
            Ok(Stop::Call | Stop::Made) if sys::go_to_next_stop(tid).is_ok() => {}
            // It has died, or is being killed.
            Ok(Stop::Call | Stop::Made) | Err(_) => return Ok(false),
        }
    }
}
