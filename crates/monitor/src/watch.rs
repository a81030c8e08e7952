//! Calls that may block in the monitor: opening a FIFO, sending to a full socket. While one does, another worker
//! takes its place, and it ends when its caller dies or has a signal to handle.

use crate::caller::Caller;
use crate::identity::Status;
use crate::sys;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The signal by which a blocked worker is interrupted.
pub const INTERRUPT: i32 = libc::SIGUSR1;
/// How often blocked calls are looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long after the last call that may block the watch keeps ticking, so that it is rarely woken.
const LINGER: Duration = Duration::from_secs(1);

/// The watch.
#[derive(Debug, Default)]
pub struct Watch {
    blocked: Mutex<Blocked>,
    awake: AtomicBool,
    wake: Condvar,
    next: AtomicU64,
    /// Workers that wait for a notification.
    pub idle: AtomicUsize,
}

#[derive(Debug, Default)]
struct Blocked {
    calls: Vec<BlockedCall>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct BlockedCall {
    key: u64,
    caller: u32,
    worker: u32,
    since: Instant,
    interrupted: bool,
}

/// A call that may block, until it is dropped or left.
pub struct Blocking<'a> {
    watch: &'a Watch,
    key: u64,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Blocked> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread is about to block for the caller.
    pub fn enter(&self, caller: &Caller) -> Blocking<'_> {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut blocked = self.lock();
        blocked.last = Some(now);
        blocked.calls.push(BlockedCall {
            key,
            caller: caller.tid(),
            worker: sys::gettid(),
            since: now,
            interrupted: false,
        });
        if !self.awake.swap(true, Ordering::SeqCst) {
            self.wake.notify_one();
        }
        Blocking { watch: self, key }
    }

    /// Watches, for as long as the monitor lives.
    pub fn run(&self) {
        sys::interrupt_by(INTERRUPT);
        let mut blocked = self.lock();
        loop {
            let idle = blocked.calls.is_empty() && blocked.last.is_none_or(|last| last.elapsed() > LINGER);
            if idle {
                self.awake.store(false, Ordering::SeqCst);
                blocked = self.wake.wait(blocked).unwrap_or_else(PoisonError::into_inner);
            } else {
                blocked = self.wake.wait_timeout(blocked, TICK).unwrap_or_else(PoisonError::into_inner).0;
            }
            for call in &mut blocked.calls {
                if call.since.elapsed() < TICK {
                    continue;
                }
                // A caller that is gone, or has a signal to handle. Again on each tick, for the signal may come
                // before the call that it is to interrupt.
                if Status::read(call.caller).map_or(true, |status| status.interrupting != 0) {
                    call.interrupted = true;
                    sys::signal_own_thread(call.worker, INTERRUPT);
                }
            }
        }
    }
}

impl Blocking<'_> {
    /// Whether the call was interrupted for its caller's sake.
    pub fn leave(self) -> bool {
        self.remove()
    }

    fn remove(&self) -> bool {
        let mut blocked = self.watch.lock();
        match blocked.calls.iter().position(|call| call.key == self.key) {
            Some(at) => blocked.calls.swap_remove(at).interrupted,
            None => false,
        }
    }
}

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
