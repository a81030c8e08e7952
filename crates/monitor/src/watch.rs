//! Calls that may block in the monitor: opening a FIFO, sending to a full socket. Such a call ends when its caller
//! dies or has a signal to handle.

use crate::caller::Caller;
use crate::identity::Status;
use crate::sys;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The signal by which a blocked worker is interrupted.
pub const INTERRUPT: i32 = libc::SIGUSR1;
/// A call that has taken this long blocks.
const LONG: Duration = Duration::from_millis(10);

/// Makes the signal interrupt what a worker blocks in.
pub fn interrupt_blocked_workers() {
    sys::interrupt_by(INTERRUPT);
}

/// The calls.
#[derive(Debug, Default)]
pub struct Watch {
    blocked: Mutex<Vec<BlockedCall>>,
    next: AtomicU64,
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
    fn lock(&self) -> MutexGuard<'_, Vec<BlockedCall>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread is about to block for the caller.
    pub fn enter(&self, caller: &Caller) -> Blocking<'_> {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let call = BlockedCall {
            key,
            caller: caller.tid(),
            worker: sys::gettid(),
            since: Instant::now(),
            interrupted: false,
        };
        self.lock().push(call);
        Blocking { watch: self, key }
    }

    /// Whether nothing may block.
    pub fn is_clear(&self) -> bool {
        self.lock().is_empty()
    }

    /// Interrupts what blocks for a caller that is gone, or has a signal to handle. To be called again and again, for
    /// the interruption may come before the call that it is meant for.
    pub fn look(&self) {
        // Not with the lock held, for whoever is about to block takes it.
        let long: Vec<(u64, u32)> = self
            .lock()
            .iter()
            .filter(|call| call.since.elapsed() >= LONG)
            .map(|call| (call.key, call.caller))
            .collect();
        for (key, caller) in long {
            if Status::read(caller).is_ok_and(|status| status.interrupting == 0) {
                continue;
            }
            // Still at it, so the worker is at this call and no other.
            if let Some(call) = self.lock().iter_mut().find(|call| call.key == key) {
                call.interrupted = true;
                sys::signal_own_thread(call.worker, INTERRUPT);
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
        match blocked.iter().position(|call| call.key == self.key) {
            Some(at) => blocked.swap_remove(at).interrupted,
            None => false,
        }
    }
}

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
