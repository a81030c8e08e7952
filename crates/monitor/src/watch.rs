//! Calls that may block in the monitor: opening a FIFO, sending to a full socket. Such a call ends when its caller
//! dies or has a signal to handle.

use crate::caller::Caller;
use crate::identity::Status;
use crate::sys::{self, SignalSet};
use crate::unread::Made;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The signal by which a blocked worker is interrupted.
pub const INTERRUPT: i32 = libc::SIGUSR1;
/// A call that has taken this long blocks.
const LONG: Duration = Duration::from_millis(10);
/// So many calls may block that can fail instead: some workers are to be left for others.
const BLOCKED_MOST: usize = 1792;
/// So many callers are remembered whose call is to be made again.
const AGAIN_MOST: usize = 4096;
/// The kernel makes a call again within this time, unless its process is stopped.
const SOON: Duration = Duration::from_secs(1);

/// Makes the signal interrupt what a worker blocks in.
pub fn interrupt_blocked_workers() {
    sys::interrupt_by(INTERRUPT);
}

/// The calls.
#[derive(Debug)]
pub struct Watch {
    relief: Relief,
    blocked: Mutex<Vec<BlockedCall>>,
    next: AtomicU64,
    /// Until when a thread's call was to wait that the kernel makes again, and which call that is.
    again: Mutex<HashMap<u32, Again>>,
}

/// Puts another worker in the place of one that is about to block.
struct Relief(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Relief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relief")
    }
}

#[derive(Debug)]
struct Again {
    made: Made,
    until: Instant,
    /// Not after this.
    expires: Option<Instant>,
}

#[derive(Debug)]
struct BlockedCall {
    key: u64,
    caller: u32,
    worker: u32,
    /// What it blocks for the time of its call, if that is not what it blocks otherwise.
    mask: Option<SignalSet>,
    since: Instant,
    interrupted: bool,
}

/// A call that may block, until it is dropped or left.
pub struct Blocking<'a> {
    watch: &'a Watch,
    key: u64,
}

impl Watch {
    /// Over no calls yet. `relieve` puts another worker in the place of one that is about to block.
    pub fn new(relieve: impl Fn() + Send + Sync + 'static) -> Watch {
        Watch {
            relief: Relief(Box::new(relieve)),
            blocked: Mutex::default(),
            next: AtomicU64::new(0),
            again: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BlockedCall>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread is about to block for the caller.
    pub fn enter(&self, caller: &Caller) -> Blocking<'_> {
        self.enter_with(caller, None)
    }

    /// The same, for a caller whose call has a mask of signals.
    pub fn enter_with(&self, caller: &Caller, mask: Option<SignalSet>) -> Blocking<'_> {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let call = BlockedCall {
            key,
            caller: caller.tid(),
            worker: sys::gettid(),
            mask,
            since: Instant::now(),
            interrupted: false,
        };
        self.lock().push(call);
        Blocking { watch: self, key }
    }

    /// A thread's call has been interrupted, and is to wait no longer than until then when the kernel makes it again: at
    /// once, or after a stop.
    pub fn waits_again(&self, thread: u32, made: Made, until: Instant, stops: bool) {
        let expires = (!stops).then(|| Instant::now() + SOON);
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        if again.len() >= AGAIN_MOST {
            // Most of them are gone; the others wait for longer.
            again.clear();
        }
        again.insert(thread, Again { made, until, expires });
    }

    /// Until when the caller's call is to wait, if the kernel makes it again.
    pub fn waits_until(&self, caller: &Caller) -> Option<Instant> {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner).remove(&caller.tid())?;
        let is_that = again.made == caller.made() && again.expires.is_none_or(|at| Instant::now() < at);
        is_that.then_some(again.until)
    }

    /// Whether another call may block.
    pub fn has_room(&self) -> bool {
        self.lock().len() < BLOCKED_MOST
    }

    /// Whether nothing may block.
    pub fn is_clear(&self) -> bool {
        self.lock().is_empty()
    }

    /// Interrupts what blocks for a caller that is gone, or has a signal to handle. To be called again and again, for
    /// the interruption may come before the call that it is meant for.
    pub fn look(&self) {
        // Not with the lock held, for whoever is about to block takes it.
        let long: Vec<(u64, u32, Option<SignalSet>)> = self
            .lock()
            .iter()
            .filter(|call| call.since.elapsed() >= LONG)
            .map(|call| (call.key, call.caller, call.mask))
            .collect();
        for (key, caller, mask) in long {
            if Status::read(caller).is_ok_and(|status| status.signals.interrupting(mask) == 0) {
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
    /// It does block, as far as can be seen: another worker takes the calls that come meanwhile.
    pub fn for_long(&self) {
        (self.watch.relief.0)();
    }

    /// Whether the call has been interrupted for its caller's sake so far.
    pub fn is_interrupted(&self) -> bool {
        self.watch.lock().iter().any(|call| call.key == self.key && call.interrupted)
    }

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
