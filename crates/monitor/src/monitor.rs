//! The loop: workers that take notifications, serve them and answer.

use crate::caller::{Caller, Processes};
use crate::errno::Errno;
use crate::listener::{Answer, Listener};
use crate::report::Report;
use crate::serve::{self, Guard};
use crate::sys::{self, Notif};
use crate::watch::{self, INTERRUPT, Watch};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Small, for there may be many: nothing of a worker's is deep.
const STACK: usize = 256 << 10;
/// Workers that wait to be needed; more than these end.
const SPARE: usize = 2;
/// The most workers. Beyond, calls wait for one that blocks.
const MOST: usize = 2048;
/// The most workers called at a time.
const MOST_CALLED: u64 = 64;
/// How often the watch looks, while there are calls: so long can a call that blocks delay another.
const TICK: Duration = Duration::from_millis(5);
/// How long after the last call the watch keeps looking. Waking it costs more than its looks do.
const LINGER: u32 = 200;

/// A monitor.
#[derive(Debug)]
pub struct Monitor {
    /// Where the calls come from.
    pub listener: Listener,
    /// What it guards.
    pub guard: Guard,
    /// Who is under it.
    pub processes: Processes,
    /// What was refused, if it is counted.
    pub report: Option<Report>,
    /// What blocks.
    pub watch: Watch,
    crew: Arc<Crew>,
}

/// The workers. One receives: its answer to a call and its wait for the next are then on the CPU that the caller ran
/// on, which is what makes a round trip cheap. When it has been at a call for long, the watch puts another in its
/// place, and it steps back when it is done.
#[derive(Debug, Default)]
struct Crew {
    /// How many wait for a notification.
    receiving: AtomicUsize,
    /// How many notifications have been taken.
    taken: AtomicU64,
    /// How many blocked, and nobody sat to take their place.
    missed: AtomicU64,
    /// Whether the watch looks.
    watching: AtomicBool,
    bench: Mutex<Bench>,
    called: Condvar,
    watched: Condvar,
}

/// Workers that wait to be needed.
#[derive(Debug, Default)]
struct Bench {
    sitting: usize,
    called: usize,
    workers: usize,
}

/// The first threads, made before there is anything to serve: afterwards it would be too late to say that there are none
/// to be had.
#[derive(Debug)]
pub struct Staff {
    watch: Sender<Arc<Monitor>>,
    worker: Sender<Arc<Monitor>>,
}

impl Staff {
    /// Makes them.
    pub fn hire() -> io::Result<Staff> {
        watch::interrupt_blocked_workers();
        let (watch, monitor) = mpsc::channel::<Arc<Monitor>>();
        spawn("watch", move || {
            if let Ok(monitor) = monitor.recv() {
                monitor.keep_watch();
            }
        })?;
        let (worker, monitor) = mpsc::channel::<Arc<Monitor>>();
        spawn("worker", move || {
            if let Ok(monitor) = monitor.recv() {
                monitor.work_to_the_end();
            }
        })?;
        Ok(Staff { watch, worker })
    }

    /// Has them serve.
    pub fn start(self, monitor: &Arc<Monitor>) {
        monitor.crew.bench().workers += 1;
        // They wait for nothing else.
        let _ = self.worker.send(monitor.clone());
        let _ = self.watch.send(monitor.clone());
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(STACK).spawn(body).map(drop)
}

impl Crew {
    fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that receives no more for now has another that sits do so, rather than have calls wait for the watch.
    fn relieve(&self) {
        if self.receiving.load(Ordering::SeqCst) > 0 {
            return;
        }
        let mut bench = self.bench();
        if bench.sitting > bench.called {
            bench.called += 1;
            self.called.notify_one();
        } else {
            self.missed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Monitor {
    /// Over a listener.
    pub fn new(listener: Listener, guard: Guard, report: bool, processes: Processes) -> Monitor {
        let crew = Arc::<Crew>::default();
        Monitor {
            listener,
            guard,
            processes,
            report: report.then(Report::default),
            watch: Watch::new({
                let crew = crew.clone();
                move || crew.relieve()
            }),
            crew,
        }
    }

    /// Starts serving.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        Staff::hire().map(|staff| staff.start(self))
    }

    fn hire(self: &Arc<Self>) -> io::Result<()> {
        let monitor = self.clone();
        self.crew.bench().workers += 1;
        let hired = spawn("worker", move || monitor.work_to_the_end());
        if hired.is_err() {
            self.crew.bench().workers -= 1;
        }
        hired
    }

    fn work_to_the_end(&self) {
        self.work();
        self.crew.bench().workers -= 1;
    }

    /// Looks after the workers for as long as the monitor lives.
    fn keep_watch(self: Arc<Self>) {
        let crew = &self.crew;
        let (mut seen, mut quiet, mut called) = (0, 0, 0);
        loop {
            if quiet >= LINGER {
                crew.watching.store(false, Ordering::SeqCst);
                let bench = crew.bench();
                // A call that came before this was seen by nobody, one that comes after it wakes the watch.
                if crew.taken.load(Ordering::SeqCst) == seen && crew.receiving.load(Ordering::SeqCst) > 0 {
                    drop(crew.watched.wait(bench).unwrap_or_else(PoisonError::into_inner));
                }
                crew.watching.store(true, Ordering::SeqCst);
                quiet = 0;
            }
            thread::sleep(TICK);
            self.watch.look();
            let taken = crew.taken.load(Ordering::SeqCst);
            // Where those that were called block as well, many calls do, and wait for their turn to: twice as many then.
            let stuck = crew.receiving.load(Ordering::SeqCst) == 0 && taken - seen <= called;
            called = if stuck { (called * 2).clamp(1, MOST_CALLED) } else { 0 };
            // One for each would block as well, and the rest wait for the next time.
            let missed = self.crew.missed.swap(0, Ordering::SeqCst) * 2;
            for _ in 0..called.max(missed.min(MOST_CALLED)) {
                self.call_another();
            }
            quiet = if taken == seen && !stuck && self.watch.is_clear() { quiet + 1 } else { 0 };
            seen = taken;
        }
    }

    /// Puts a worker in the place of one that has been at a call for long.
    fn call_another(self: &Arc<Self>) {
        let mut bench = self.crew.bench();
        if bench.sitting > bench.called {
            bench.called += 1;
            self.crew.called.notify_one();
        } else if bench.workers < MOST {
            drop(bench);
            // If the system has no thread to give, calls wait.
            let _ = self.hire();
        }
    }

    fn work(&self) {
        // All signals but the one that ends a blocking call are the main thread's.
        sys::block_signals(!sys::signal_bit(INTERRUPT));
        // Without a umask of its own a worker could make files with another caller's.
        while sys::unshare_fs().is_err() {
            thread::sleep(TICK);
        }
        loop {
            self.crew.receiving.fetch_add(1, Ordering::SeqCst);
            let notif = self.listener.next();
            self.crew.receiving.fetch_sub(1, Ordering::SeqCst);
            let Some(notif) = notif else { return };
            self.crew.taken.fetch_add(1, Ordering::SeqCst);
            if !self.crew.watching.load(Ordering::SeqCst) {
                let _bench = self.crew.bench();
                self.crew.watched.notify_one();
            }
            self.serve(notif);
            if self.crew.receiving.load(Ordering::SeqCst) > 0 && !self.sit() {
                return;
            }
        }
    }

    /// Waits to be needed. False: there are enough others.
    fn sit(&self) -> bool {
        let mut bench = self.crew.bench();
        if bench.sitting >= SPARE {
            return false;
        }
        bench.sitting += 1;
        while bench.called == 0 {
            bench = self.crew.called.wait(bench).unwrap_or_else(PoisonError::into_inner);
        }
        bench.called -= 1;
        bench.sitting -= 1;
        true
    }

    fn serve(&self, notif: Notif) {
        let (id, nr) = (notif.id, notif.nr);
        // A worker that panics is a fault of ours: the call fails, and its caller does not hang.
        let served = panic::catch_unwind(AssertUnwindSafe(|| {
            if self.processes.is_to_call_again(notif.tid) {
                return Ok((Answer::Error(Errno::RESTARTNOINTR), None));
            }
            match Caller::new(&self.listener, &self.processes, notif) {
                Ok(caller) => serve::serve(&self.guard, &caller, &self.watch, nr),
                Err(_) => Err(()),
            }
        }))
        .unwrap_or(Err(()));
        match served {
            Ok((answer, None)) => self.listener.answer(id, answer),
            Ok((answer, Some(refused))) => {
                if let Some(report) = &self.report {
                    let call = u32::try_from(nr).ok().and_then(policy::by_number_x86_64);
                    report.count(call.map_or("unknown", |call| call.name), refused);
                }
                self.listener.answer(id, answer);
            }
            // Nobody waits any more; should somebody after all, the call fails.
            Err(()) => self.listener.answer(id, Answer::Error(Errno::CAPMODE)),
        }
    }
}
