//! Threads that are watched while they make a process. One that makes none goes on unseen, and is seen again when it calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All such threads.
#[derive(Debug, Default)]
pub struct WatchList {
    threads: Mutex<HashMap<u32, Seen>>,
    changed: Condvar,
    /// How many there are.
    count: AtomicUsize,
}

/// Such a thread, until this is dropped.
#[derive(Debug)]
pub struct Watched<'l> {
    list: &'l WatchList,
    thread: u32,
}

#[derive(Debug, Default)]
struct Seen {
    /// It has made another call.
    is_over: bool,
    /// It will stop on its way out of that.
    is_interrupted: bool,
}

impl WatchList {
    fn threads(&self) -> MutexGuard<'_, HashMap<u32, Seen>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread is watched from now on.
    pub fn begin(&self, thread: u32) -> Watched<'_> {
        self.threads().insert(thread, Seen::default());
        self.count.fetch_add(1, Ordering::SeqCst);
        Watched { list: self, thread }
    }

    /// A thread has made a call: whether it is still watched for one before. If so, not before it has been asked to stop.
    pub fn is_over(&self, thread: u32) -> bool {
        /// As long as that may take.
        const LONG: Duration = Duration::from_secs(1);
        if self.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let mut threads = self.threads();
        let Some(seen) = threads.get_mut(&thread) else { return false };
        seen.is_over = true;
        let waits =
            |threads: &mut HashMap<u32, Seen>| threads.get(&thread).is_some_and(|seen| !seen.is_interrupted);
        let waited = self.changed.wait_timeout_while(threads, LONG, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.contains_key(&thread)
    }
}

impl Watched<'_> {
    /// Whether it has made another call.
    pub fn is_over(&self) -> bool {
        self.list.threads().get(&self.thread).is_some_and(|seen| seen.is_over)
    }

    /// It has been asked to stop.
    pub fn was_interrupted(&self) {
        if let Some(seen) = self.list.threads().get_mut(&self.thread) {
            seen.is_interrupted = true;
        }
        self.list.changed.notify_all();
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.list.threads().remove(&self.thread);
        self.list.count.fetch_sub(1, Ordering::SeqCst);
        self.list.changed.notify_all();
    }
}
