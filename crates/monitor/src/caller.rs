//! The thread whose call is being served: its memory, its descriptors, its process and its kin.

use crate::errno::Errno;
use crate::fail::Fail;
use crate::family::Who;
use crate::flight::Flights;
use crate::identity::{self, Identity, Status, as_monitor};
use crate::listener::{Answer, Listener};
use crate::sys::{self, Notif};
use crate::tables::{Initial, Standing, State, Tables};
use crate::unread::Made;
use crate::watched::{WatchList, Watched};
use rights::{Limits, Rights};
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A process under the monitor, as far as it is known. Kept for speed alone: everything in it can be read anew.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    tgid: u32,
    /// A descriptor of it: as long as it is held, the number is known to be the same process or a dead one.
    pidfd: Arc<OwnedFd>,
    cwd: Mutex<Option<WorkingDirectory>>,
    /// The thread whose chdir was let go on and may not have happened yet; 0: none; [`SEVERAL`].
    moving: AtomicU32,
}

/// More threads than one have changed directory at a time: of such a process nothing is remembered.
const SEVERAL: u32 = u32::MAX;

/// A thread under the monitor.
#[derive(Debug, Clone)]
struct Thread {
    process: Arc<Process>,
    /// A descriptor of it, if it is not its process's first and the kernel has such (Linux 6.9): its table of
    /// descriptors may be its own, and outlive the first thread's.
    own: Option<Arc<OwnedFd>>,
}

#[derive(Debug, Clone)]
struct WorkingDirectory {
    dir: Arc<OwnedFd>,
    path: Vec<u8>,
    epoch: u64,
}

/// The processes under a monitor.
#[derive(Debug)]
pub struct Processes {
    threads: Mutex<Threads>,
    /// Grows whenever a working directory or its name may have changed.
    epoch: AtomicU64,
    /// Whether any process has changed its credentials.
    credentials_vary: AtomicBool,
    /// Whether working directories and umasks are shared otherwise than among a process's threads.
    directories_vary: AtomicBool,
    /// The numbers that processes under the monitor have or have had.
    seen: Mutex<HashSet<u32>>,
    /// How many threads are remembered at most.
    most: usize,
    /// The identity that everything started with.
    own: Identity,
    /// The monitor's number, if every process under it descends from it; None: those that entered by themselves know
    /// nobody but themselves.
    monitor: Option<u32>,
    session: usize,
    /// The umask that everything started with.
    umask: u32,
    /// The process that everything started with, if that is known.
    first: AtomicU32,
    /// What their descriptors may be used for.
    tables: Tables,
    /// Whether that is kept by number: always, but under `pimento run` only if it was asked for.
    keep_limits: bool,
    /// The limited descriptors that they send each other.
    flights: Flights,
    /// Those that are watched making a process.
    watched: WatchList,
}

#[derive(Debug, Default)]
struct Threads {
    by_tid: HashMap<u32, Thread>,
    /// The size at which the dead are next looked for.
    sweep_at: usize,
}

/// A thread that waits for its call to be answered.
pub struct Caller<'a> {
    listener: &'a Listener,
    processes: &'a Processes,
    thread: Thread,
    standing: Option<Standing>,
    notif: Notif,
}

/// Beyond so many, the numbers of processes that have ended are forgotten.
const SEEN_MOST: usize = 1 << 16;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Processes {
    /// None yet. The monitor may have `descriptors` open; the filter lets `passes` through.
    pub fn new(descriptors: u64, hosted: bool, passes: Vec<(u32, Rights)>) -> Result<Processes, Errno> {
        Ok(Processes {
            threads: Mutex::new(Threads { by_tid: HashMap::new(), sweep_at: 64 }),
            epoch: AtomicU64::new(0),
            credentials_vary: AtomicBool::new(false),
            directories_vary: AtomicBool::new(false),
            seen: Mutex::default(),
            most: usize::try_from(descriptors / 4).unwrap_or(usize::MAX),
            own: Identity::own()?,
            monitor: hosted.then(std::process::id),
            session: sys::getsid(0)?,
            umask: sys::own_umask(),
            first: AtomicU32::new(0),
            keep_limits: !hosted || passes.len() > 1,
            tables: Tables::new(passes),
            flights: Flights::new(descriptors),
            watched: WatchList::default(),
        })
    }

    /// The thread of this number, which `valid` says is still the one meant.
    fn thread(&self, tid: u32, valid: impl Fn() -> bool) -> Result<Thread, Errno> {
        let known = lock(&self.threads).by_tid.get(&tid).cloned();
        if let Some(thread) = known
            && thread.is(tid)
        {
            return Ok(thread);
        }
        let tgid = self.process_of(tid)?;
        let first = lock(&self.threads).by_tid.get(&tgid).filter(|first| first.is(tgid)).cloned();
        let process = match first {
            Some(first) => first.process,
            None => {
                let pidfd = match self.tables.pidfd(tgid).filter(|pidfd| sys::is_alive(pidfd)) {
                    Some(pidfd) => pidfd,
                    None => Arc::new(self.open(|| sys::pidfd_open(tgid))?),
                };
                Arc::new(Process { tgid, pidfd, cwd: Mutex::new(None), moving: AtomicU32::new(0) })
            }
        };
        let own = if tid == tgid {
            None
        } else {
            match self.open(|| sys::pidfd_open_thread(tid)) {
                Ok(own) => Some(Arc::new(own)),
                // A kernel that has no such descriptors.
                Err(Errno::INVAL) => None,
                Err(errno) => return Err(errno),
            }
        };
        if !valid() {
            return Err(Errno::SRCH);
        }
        let thread = Thread { process: process.clone(), own };
        let mut seen = lock(&self.seen);
        if seen.len() >= SEEN_MOST {
            seen.clear();
        }
        seen.insert(tgid);
        drop(seen);
        let mut threads = lock(&self.threads);
        if threads.by_tid.len() >= threads.sweep_at.min(self.most) {
            threads.sweep();
        }
        // Each is a descriptor, and lookups need some too: of more processes than there is room for, those beyond
        // are opened at each call.
        if threads.by_tid.len() < self.most {
            threads.by_tid.insert(tgid, Thread { process, own: None });
            threads.by_tid.insert(tid, thread.clone());
        }
        Ok(thread)
    }

    /// The process of a thread. Without procfs a process's first thread is known by that only such have a descriptor, and
    /// another by whom it belongs to of those that are known.
    fn process_of(&self, tid: u32) -> Result<u32, Errno> {
        if identity::has_proc() {
            return Ok(Status::read(tid)?.tgid);
        }
        if self.open(|| sys::pidfd_open(tid)).is_ok() {
            return Ok(tid);
        }
        let mut known: HashSet<u32> =
            lock(&self.threads).by_tid.values().map(|thread| thread.process.tgid).collect();
        known.insert(self.first.load(Ordering::Relaxed));
        known.into_iter().find(|&tgid| sys::is_thread_of(tgid, tid)).ok_or(Errno::SRCH)
    }

    /// Opens a descriptor of a process; if there is no room for one, after those of the dead are closed.
    fn open(&self, open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
        match open() {
            Err(Errno::MFILE | Errno::NFILE) => {
                lock(&self.threads).sweep();
                open()
            }
            result => result,
        }
    }

    /// Forgets the working directories: some name has changed.
    pub fn names_changed(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether this is `pimento run`; else a process that entered by itself, and what it started.
    pub fn are_hosted(&self) -> bool {
        self.monitor.is_some()
    }

    /// Whether every thread of the first process has the monitor's identity. Not before the filter is on them, or they may
    /// change it unseen. Without procfs it cannot be told, nor what to do about it.
    pub fn are_like_us(&self) -> bool {
        if !identity::has_proc() {
            return true;
        }
        let first = self.first.load(Ordering::Relaxed);
        let Ok(threads) = std::fs::read_dir(format!("/proc/{first}/task")) else { return false };
        threads.flatten().all(|thread| {
            let tid = thread.file_name().to_str().and_then(|tid| tid.parse().ok());
            tid.and_then(|tid| Status::read(tid).ok()).is_some_and(|status| status.identity == self.own)
        })
    }

    /// From now on credentials are read for each call.
    pub fn credentials_vary(&self) {
        self.credentials_vary.store(true, Ordering::SeqCst);
    }

    /// This process, with these limits on its descriptors, is the first.
    pub fn begin_with(&self, process: u32, initial: &Initial) -> Result<(), Errno> {
        self.first.store(process, Ordering::Relaxed);
        self.tables.begin_with(process, Arc::new(sys::pidfd_open(process)?), initial);
        Ok(())
    }

    /// The process that everything started with.
    pub fn first(&self) -> u32 {
        self.first.load(Ordering::Relaxed)
    }

    /// What their descriptors may be used for.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// A thread has made a call. True: it is still watched for one before, which has made nothing. It will stop when it leaves the
    /// kernel, and is to make the call again then.
    pub fn is_to_call_again(&self, tid: u32) -> bool {
        self.watched.is_over(tid)
    }

    /// The limited descriptors that they send each other.
    pub fn flights(&self) -> &Flights {
        &self.flights
    }

    /// The monitor's own identity.
    pub fn own_identity(&self) -> &Identity {
        &self.own
    }

    /// The process of this number, if it descends from the monitor.
    pub fn kin(&self, pid: u32) -> Option<OwnedFd> {
        let monitor = self.monitor?;
        let process = sys::pidfd_open(pid).ok()?;
        let (mut at, mut here) = (pid, process.try_clone().ok()?);
        // Deeper than any tree of processes that a machine has.
        for _ in 0..100_000 {
            let parent = parent_of(at)?;
            // It lives, so the number was its own when its parent was read.
            if !sys::is_alive(&here) {
                return None;
            }
            if parent == monitor {
                return sys::is_alive(&process).then_some(process);
            }
            if parent <= 1 {
                return None;
            }
            // The parent's, if it still is the parent after its descriptor was opened.
            let pidfd = sys::pidfd_open(parent).ok()?;
            if parent_of(at)? == parent && sys::is_alive(&here) && sys::is_alive(&pidfd) {
                (at, here) = (parent, pidfd);
            }
        }
        None
    }

    /// Whether a process under the monitor once had this number, and nobody has it now.
    pub fn has_ended(&self, pid: u32) -> bool {
        self.are_hosted()
            && lock(&self.seen).contains(&pid)
            && matches!(sys::pidfd_open(pid), Err(Errno::SRCH))
    }
}

/// The parent of a process.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    identity::split_stat(&stat)?.1.nth(1)?.parse().ok()
}

impl Threads {
    /// Forgets the dead.
    fn sweep(&mut self) {
        self.by_tid.retain(|&tid, thread| thread.is(tid));
        // Not before as many again have come, for a sweep asks after each.
        self.sweep_at = self.by_tid.len() + 64.max(self.by_tid.len());
    }
}

impl Thread {
    /// Whether this is still the thread of that number.
    fn is(&self, tid: u32) -> bool {
        match &self.own {
            Some(own) => sys::is_alive(own),
            None => {
                sys::is_alive(&self.process.pidfd)
                    && (self.process.tgid == tid || sys::is_thread_of(self.process.tgid, tid))
            }
        }
    }
}

impl<'a> Caller<'a> {
    /// The thread that a notification came from.
    pub fn new(listener: &'a Listener, processes: &'a Processes, notif: Notif) -> Result<Caller<'a>, Fail> {
        let thread = processes.thread(notif.tid, || listener.is_valid(notif.id)).map_err(|_| Fail::Gone)?;
        // This thread calls again, so its chdir is over.
        let _ = thread.process.moving.compare_exchange(notif.tid, 0, Ordering::SeqCst, Ordering::SeqCst);
        let mut caller = Caller { listener, processes, thread, standing: None, notif };
        if processes.keep_limits {
            caller.standing = Some(processes.tables.arrives(&caller.who(), |number| caller.is_open(number)));
            // What was found of it is of whoever has its number now.
            caller.valid()?;
        }
        Ok(caller)
    }

    /// What it may use its descriptors for; None under `pimento run`, where the place of what is behind one says that.
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// Its numbers of descriptors, of which none comes to have fewer rights behind it for as long as this is held.
    pub fn files(&self) -> Option<MutexGuard<'_, State>> {
        self.standing.as_ref().map(|standing| standing.files.lock())
    }

    /// Whether it is in capability mode.
    pub fn is_entered(&self) -> bool {
        self.standing.as_ref().is_none_or(|standing| standing.entered)
    }

    /// The call's arguments.
    pub fn args(&self) -> &[u64; 6] {
        &self.notif.args
    }

    /// Its thread.
    pub fn tid(&self) -> u32 {
        self.notif.tid
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.thread.process.tgid
    }

    /// Whose tables and memory are its.
    pub fn who(&self) -> Who<'_> {
        Who { thread: self.tid(), process: self.process(), pidfd: &self.thread.process.pidfd }
    }

    /// From now on, until that is dropped, it is watched making a process.
    pub fn is_watched(&self) -> Watched<'_> {
        self.processes.watched.begin(self.tid())
    }

    /// The processes under this monitor.
    pub fn processes(&self) -> &'a Processes {
        self.processes
    }

    /// Whether it still waits: what was read of it was its own, not that of a thread which got its number since.
    pub fn still_there(&self) -> Result<(), Errno> {
        if self.listener.is_valid(self.notif.id) { Ok(()) } else { Err(Errno::SRCH) }
    }

    /// Whether it is under `pimento run`: paths are looked up in what is held. Else it entered by itself: a descriptor is what
    /// it is, wherever it lies, and a lookup from it stays strictly beneath it.
    pub fn is_hosted(&self) -> bool {
        self.processes.are_hosted()
    }

    /// Lets the call go on, before its service is over.
    pub fn go_on(&self) {
        self.answer(Answer::GoOn);
    }

    /// Answers the call, before its service is over.
    pub fn answer(&self, answer: Answer) {
        self.listener.answer(self.notif.id, answer);
    }

    /// Where the call was made, and with which arguments: the same of one that the kernel makes again.
    pub fn made(&self) -> Made {
        (self.notif.instruction, self.notif.args)
    }

    /// A path at `address`, without its NUL.
    pub fn path(&self, address: u64) -> Result<Vec<u8>, Fail> {
        self.string(address, libc::PATH_MAX as usize, Errno::NAMETOOLONG)
    }

    /// A string at `address`, without its NUL, which has to come within `max` bytes.
    pub fn string(&self, address: u64, max: usize, too_long: Errno) -> Result<Vec<u8>, Fail> {
        let mut bytes = Vec::with_capacity(256);
        let mut chunk = [0u8; 4096];
        while bytes.len() < max {
            let at = address.wrapping_add(bytes.len() as u64);
            // Not over the end of a page: the next need not be there.
            let len = (4096 - (at as usize & 4095))
                .min(if bytes.is_empty() { 512 } else { 4096 })
                .min(max - bytes.len());
            let len = self.read_some(at, &mut chunk[..len])?;
            match chunk[..len].iter().position(|&byte| byte == 0) {
                Some(end) => {
                    bytes.extend_from_slice(&chunk[..end]);
                    self.valid()?;
                    return Ok(bytes);
                }
                None => bytes.extend_from_slice(&chunk[..len]),
            }
        }
        Err(too_long.into())
    }

    fn read_some(&self, address: u64, into: &mut [u8]) -> Result<usize, Fail> {
        match as_monitor(|| sys::read_memory(self.notif.tid, address, into)) {
            Ok(0) | Err(Errno::FAULT) => Err(Errno::FAULT.into()),
            Ok(len) => Ok(len),
            // The memory cannot be had (its process has become unreadable): fail closed.
            Err(_) => self.valid().and(Err(Errno::FAULT.into())),
        }
    }

    fn valid(&self) -> Result<(), Fail> {
        self.still_there().map_err(|_| Fail::Gone)
    }

    /// Exactly `into.len()` bytes at `address`.
    pub fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Fail> {
        let mut done = 0;
        while done < into.len() {
            done += self.read_some(address.wrapping_add(done as u64), &mut into[done..])?;
        }
        self.valid()
    }

    /// Numbers at `address`.
    pub fn read_words<const N: usize>(&self, address: u64) -> Result<[u64; N], Fail> {
        let mut bytes = vec![0; N * 8];
        self.read(address, &mut bytes)?;
        let mut words = [0; N];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(chunk.try_into().unwrap_or_default());
        }
        Ok(words)
    }

    /// Writes all of `from` at `address`.
    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), Fail> {
        // The thread is named by its number: the later this is asked, the less can come between.
        self.valid()?;
        match as_monitor(|| sys::write_memory(self.notif.tid, address, from)) {
            Ok(len) if len == from.len() => Ok(()),
            _ => Err(Errno::FAULT.into()),
        }
    }

    /// Writes `from` in pieces of `size` bytes, at these addresses.
    pub fn scatter(&self, addresses: &[u64], size: usize, from: &[u8]) -> Result<(), Fail> {
        self.valid()?;
        match as_monitor(|| sys::scatter_memory(self.notif.tid, addresses, size, from)) {
            Ok(len) if len == from.len() => Ok(()),
            _ => Err(Errno::FAULT.into()),
        }
    }

    /// A copy of its descriptor.
    pub fn descriptor(&self, number: i32) -> Result<OwnedFd, Errno> {
        if number < 0 {
            return Err(Errno::BADF);
        }
        let pidfd = self.thread.own.as_ref().unwrap_or(&self.thread.process.pidfd);
        as_monitor(|| sys::pidfd_getfd(pidfd.as_fd(), number))
    }

    /// Whether something is behind the number.
    pub fn is_open(&self, number: i32) -> bool {
        !matches!(self.descriptor(number), Err(Errno::BADF))
    }

    /// The same of its process's first thread, which it is when it has started a program.
    pub fn is_open_in_process(&self, number: i32) -> bool {
        let pidfd = self.thread.process.pidfd.as_fd();
        !matches!(as_monitor(|| sys::pidfd_getfd(pidfd, number)), Err(Errno::BADF))
    }

    /// A copy of its descriptor, and what may be done with it.
    pub fn limited(&self, number: i32) -> Result<(OwnedFd, Limits), Errno> {
        let Some(files) = self.files() else { return Ok((self.descriptor(number)?, Limits::ALL)) };
        if files.is_parked(number) {
            return Err(Errno::BADF);
        }
        Ok((self.descriptor(number)?, files.limits(number)))
    }

    /// Installs a copy of `fd` among its descriptors.
    pub fn install(&self, fd: &OwnedFd, cloexec: bool) -> Result<usize, Errno> {
        as_monitor(|| self.listener.install(self.notif.id, self.notif.tid, fd.as_fd(), None, cloexec))
    }

    /// Puts a copy of `fd` behind one of its numbers, whatever is there.
    pub fn put(&self, fd: &OwnedFd, number: i32, cloexec: bool) -> Result<(), Errno> {
        let put = || self.listener.install(self.notif.id, self.notif.tid, fd.as_fd(), Some(number), cloexec);
        as_monitor(put).map(drop)
    }

    /// Its working directory, and where that lies.
    pub fn working_directory(&self) -> Result<(Arc<OwnedFd>, Vec<u8>), Fail> {
        let epoch = self.processes.epoch.load(Ordering::SeqCst);
        let mut cached = lock(&self.thread.process.cwd);
        if let Some(cwd) = &*cached
            && cwd.epoch == epoch
            && !self.directories_vary()
        {
            return Ok((cwd.dir.clone(), cwd.path.clone()));
        }
        let dir = Arc::new(self.kernel_directory()?);
        let path = crate::lookup::location(dir.as_fd())?.ok_or(Errno::NOENT)?;
        if self.thread.process.moving.load(Ordering::SeqCst) == 0 && !self.directories_vary() {
            *cached = Some(WorkingDirectory { dir: dir.clone(), path: path.clone(), epoch });
        }
        Ok((dir, path))
    }

    /// A handle of its working directory, from the kernel.
    pub fn kernel_directory(&self) -> Result<OwnedFd, Fail> {
        let link = CString::new(format!("/proc/{}/cwd", self.notif.tid)).map_err(|_| Errno::INVAL)?;
        let dir = as_monitor(|| sys::open_path(&link, libc::O_PATH | libc::O_DIRECTORY, 0))?;
        self.valid()?;
        Ok(dir)
    }

    fn directories_vary(&self) -> bool {
        self.processes.directories_vary.load(Ordering::SeqCst)
    }

    /// Its working directory and umask are about to be shared otherwise than among its threads: from now on they are
    /// read for each call.
    pub fn splits_directories(&self) {
        self.processes.directories_vary.store(true, Ordering::SeqCst);
    }

    /// Its working directory is about to change: the call is let go on.
    pub fn moves(&self) {
        let moving = &self.thread.process.moving;
        if moving.compare_exchange(0, self.notif.tid, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            moving.store(SEVERAL, Ordering::SeqCst);
        }
        *lock(&self.thread.process.cwd) = None;
        self.processes.names_changed();
    }

    /// Its status, read anew.
    pub fn status(&self) -> Result<Status, Fail> {
        let status = as_monitor(|| Status::read(self.notif.tid))?;
        self.valid()?;
        Ok(status)
    }

    /// Its umask. Read anew: threads that change it at a time leave no order to remember it by.
    /// Without procfs it is the one that its process entered with.
    pub fn umask(&self) -> Result<u32, Fail> {
        if identity::has_proc() { Ok(self.status()?.umask) } else { Ok(self.processes.umask) }
    }

    /// Its identity; None: the monitor's own. Without procfs nothing is done for those who may have changed theirs.
    pub fn identity(&self) -> Result<Option<Identity>, Fail> {
        match (self.processes.credentials_vary.load(Ordering::SeqCst), identity::has_proc()) {
            (false, _) => Ok(None),
            (true, true) => Ok(Some(self.status()?.identity)),
            (true, false) => Err(Fail::lacking("credentials, which only procfs tells", Rights::NONE)),
        }
    }

    /// It is about to change its credentials: from now on they are read for each call.
    pub fn changes_credentials(&self) {
        self.processes.credentials_vary();
    }

    /// It is about to become another program. That may leave it with other credentials than it has, if those are not plain.
    pub fn starts_program(&self) {
        if self.processes.own.is_changed_by_exec() {
            self.changes_credentials();
        }
    }

    /// The process of this number, if it is under the same monitor.
    pub fn kin(&self, pid: u32) -> Option<OwnedFd> {
        as_monitor(|| self.processes.kin(pid))
    }

    /// Whether `pid` is a process under the same monitor.
    pub fn is_kin(&self, pid: u32) -> bool {
        self.kin(pid).is_some()
    }

    /// Whether the monitor's controlling terminal is its too.
    pub fn shares_terminal(&self) -> bool {
        sys::getsid(self.thread.process.tgid) == Ok(self.processes.session)
    }
}
