//! The loop: workers that take notifications, serve them and answer.

use crate::caller::{Caller, Processes};
use crate::errno::Errno;
use crate::listener::{Answer, Listener};
use crate::report::Report;
use crate::serve::{self, Guard};
use crate::sys;
use crate::watch::{INTERRUPT, Watch};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Small, for there may be many: nothing of a worker's is deep.
const STACK: usize = 256 << 10;
/// Workers that wait; more than these end when they have nothing to do.
const SPARE: usize = 2;
/// The most workers. Beyond, calls wait for one that blocks.
const MOST: usize = 512;

/// A monitor.
#[derive(Debug)]
pub struct Monitor {
    /// Where the calls come from.
    pub listener: Listener,
    /// What it guards.
    pub guard: Guard,
    /// Who is under it.
    pub processes: Processes,
    /// What was refused.
    pub report: Report,
    /// What blocks.
    pub watch: Watch,
    workers: AtomicUsize,
}

impl Monitor {
    /// Over a listener.
    pub fn new(listener: Listener, guard: Guard) -> Result<Monitor, Errno> {
        Ok(Monitor {
            listener,
            guard,
            processes: Processes::new()?,
            report: Report::default(),
            watch: Watch::default(),
            workers: AtomicUsize::new(0),
        })
    }

    /// Starts serving.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let monitor = self.clone();
        thread::Builder::new().name("watch".into()).stack_size(STACK).spawn(move || monitor.watch.run())?;
        for _ in 0..SPARE {
            self.hire()?;
        }
        Ok(())
    }

    fn hire(self: &Arc<Self>) -> std::io::Result<()> {
        let monitor = self.clone();
        self.workers.fetch_add(1, Ordering::SeqCst);
        let hired = thread::Builder::new().name("worker".into()).stack_size(STACK).spawn(move || monitor.work());
        if hired.is_err() {
            self.workers.fetch_sub(1, Ordering::SeqCst);
        }
        hired.map(drop)
    }

    fn work(self: Arc<Self>) {
        // All signals but the one that ends a blocking call are the main thread's.
        sys::block_signals(!sys::signal_bit(INTERRUPT));
        if sys::unshare_fs().is_err() {
            // Without a umask of its own it could make files with another caller's.
            self.workers.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        loop {
            if self.watch.idle.fetch_add(1, Ordering::SeqCst) >= SPARE {
                self.watch.idle.fetch_sub(1, Ordering::SeqCst);
                break;
            }
            let notif = self.listener.next();
            let others = self.watch.idle.fetch_sub(1, Ordering::SeqCst) - 1;
            let Some(notif) = notif else { break };
            if others == 0 && self.workers.load(Ordering::SeqCst) < MOST {
                // Should this one block, another waits. Without one, calls are served one after another.
                let _ = self.hire();
            }
            let (id, nr) = (notif.id, notif.nr);
            let served = match Caller::new(&self.listener, &self.processes, notif) {
                Ok(caller) => serve::serve(&self.guard, &caller, &self.watch, nr),
                Err(_) => Err(()),
            };
            match served {
                Ok((answer, None)) => self.listener.answer(id, answer),
                Ok((answer, Some(refused))) => {
                    let call = u32::try_from(nr).ok().and_then(policy::by_number_x86_64);
                    self.report.count(call.map_or("unknown", |call| call.name), refused);
                    self.listener.answer(id, answer);
                }
                // Nobody waits any more; should somebody after all, the call fails.
                Err(()) => self.listener.answer(id, Answer::Error(Errno::CAPMODE)),
            }
        }
        self.workers.fetch_sub(1, Ordering::SeqCst);
    }
}
