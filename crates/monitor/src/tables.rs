//! R(n): what each descriptor of each process may be used for, by number; and A(n): what the filters let through at a
//! number without asking. Everything here keeps A(n) ⊆ R(n), for whatever the kernel may have behind n at that moment.
//!
//! A table of descriptors is a [`Files`]. Threads share one, a fork copies it, and both happen in the kernel at a moment that
//! the monitor does not see: a *copy* is made when the call is let go on, and until its owner shows itself, every change of
//! the original narrows the copy too. So a copy never permits more than what was really copied.
//!
//! Nothing here makes a system call but to ask who is whose child, and whether two threads share a table.

use crate::errno::Errno;
use crate::sys;
use crate::unread::{Names, Unread};
use rights::{Limits, Rights};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// How a monitor begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initial {
    /// What the filter lets through: from each number up to the next entry's, these rights.
    pub passes: Vec<(u32, Rights)>,
    /// The first process's limits.
    pub limits: Vec<(i32, Limits)>,
    /// Whether it is in ordinary mode: it has limited descriptors, but has not entered capability mode.
    pub ordinary: bool,
}

impl Default for Initial {
    /// Nothing is limited, and nothing asked about.
    fn default() -> Initial {
        Initial { passes: vec![(0, Rights::ALL)], limits: Vec::new(), ordinary: false }
    }
}

/// So many filters are stacked for numbers that were limited late; then no descriptor gets such a number any more.
const NARROWED_MOST: usize = 8;
/// So many copies without an owner are kept apart.
const COPIES_MOST: usize = 1024;

/// A table of descriptors.
#[derive(Debug, Default)]
pub struct Files {
    state: Mutex<State>,
}

/// What a table's numbers may be used for.
#[derive(Debug, Default)]
pub struct State {
    /// R(n), where it is less than all.
    limits: BTreeMap<i32, Limits>,
    /// What a further filter has left of A(n). There is something behind such a number at all times, so that nothing with
    /// more rights gets it.
    narrowed: BTreeMap<i32, Limits>,
    /// Closed numbers with a placeholder behind them.
    parked: BTreeSet<i32>,
    /// Calls that were let go on: by which thread, with which number. They may not have happened yet.
    going: Vec<(u32, i32)>,
    /// Calls that were let go on, and name descriptors in memory.
    unread: Vec<Unread>,
    /// When there are so many, those of threads that have ended are looked for.
    sweep_at: usize,
    /// How many wait for such calls to be over: no more of them is let go on meanwhile.
    holding: usize,
    /// Copies whose owner has not shown itself.
    copies: Vec<Arc<Files>>,
    /// Whether free low numbers have got placeholders.
    pub used_up: bool,
    /// Whether several processes have it.
    shared: bool,
}

/// Who calls: its table, and whether it is in capability mode.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its descriptors.
    pub files: Arc<Files>,
    /// Whether it is in capability mode.
    pub entered: bool,
    /// Its shared mappings of files that it may not map for more.
    pub mappings: Arc<Mutex<Mappings>>,
}

/// What shared mappings of a process's memory are not to be raised to.
#[derive(Debug, Default, Clone)]
pub struct Mappings {
    /// By inode, the protections that are not to be had. (Devices are not told apart: of some file systems they are others in
    /// /proc/PID/maps than for stat(2).)
    pub barred: Vec<(u64, i32)>,
    /// Threads with a call let go on that changes mappings, and may not have happened yet; each time another number.
    pub going: Vec<(u32, u64)>,
    next: u64,
}

impl Mappings {
    /// A thread's call is let go on.
    pub fn goes(&mut self, thread: u32) {
        self.next += 1;
        self.is_over(thread);
        self.going.push((thread, self.next));
    }

    /// A thread's calls are over.
    fn is_over(&mut self, thread: u32) {
        self.going.retain(|&(one, _)| one != thread);
    }
}

/// What there is to tell of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whether it is in capability mode.
    pub entered: bool,
    /// R(n) of its first thread's table, where it is less than all.
    pub limits: BTreeMap<i32, Limits>,
    /// Numbers that are closed, though there is something behind them.
    pub parked: BTreeSet<i32>,
}

/// Somebody is at it: ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

#[derive(Debug)]
struct Known {
    pidfd: Arc<OwnedFd>,
    standing: Standing,
    /// Threads with tables of their own.
    apart: HashMap<u32, Arc<Files>>,
    /// Whether some thread may have one.
    is_split: bool,
    /// Threads with a call let go on that closes descriptors which are not known: another program is started, for one.
    closes: Vec<u32>,
}

/// A copy on its way to its owner.
#[derive(Debug)]
struct Fork {
    parent: u32,
    thread: u32,
    /// Whether the new one is a thread of the same process.
    within: bool,
    /// Whether it is a child of somebody else than who made it.
    elsewhere: bool,
    /// Whether the thread has been seen again: the copy has been made then.
    settled: bool,
    standing: Standing,
}

/// A thread that has its table to itself from now on, unless that fails.
#[derive(Debug)]
struct Split {
    thread: u32,
    /// A thread that keeps the table.
    witness: u32,
    was: Arc<Files>,
}

#[derive(Debug, Default)]
struct Registry {
    known: HashMap<u32, Known>,
    /// What everything started with.
    initial: Vec<(i32, Limits)>,
    forks: Vec<Fork>,
    splits: Vec<Split>,
    sweep_at: usize,
}

/// All tables under a monitor.
#[derive(Debug)]
pub struct Tables {
    passes: Vec<(u32, Rights)>,
    registry: Mutex<Registry>,
    /// Whether there are copies on their way, or splits.
    moving: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Busy> {
    match mutex.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(Busy),
    }
}

impl Files {
    fn of(limits: &[(i32, Limits)]) -> Files {
        let limits = limits.iter().filter(|(_, limits)| !limits.is_all()).cloned().collect();
        Files { state: Mutex::new(State { limits, ..State::default() }) }
    }

    /// The table, to look at and to change. Whoever has it knows that no number of it comes to have fewer rights behind it
    /// meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// A copy that follows what becomes of this table, until it is settled.
    fn copy(&self) -> Arc<Files> {
        let mut state = self.lock();
        let copy = Arc::new(Files {
            state: Mutex::new(State {
                limits: state.limits.clone(),
                narrowed: state.narrowed.clone(),
                parked: state.parked.clone(),
                used_up: state.used_up,
                ..State::default()
            }),
        });
        state.copies.push(copy.clone());
        copy
    }

    /// The copy has been made: from now on it goes its own way.
    fn settle(&self, copy: &Arc<Files>) {
        self.lock().copies.retain(|one| !Arc::ptr_eq(one, copy));
    }

    /// Permits no more than either.
    fn narrow_to(&self, other: &Files) {
        if std::ptr::eq(self, other) {
            return;
        }
        let (limits, narrowed, parked) = {
            let other = other.lock();
            (other.limits.clone(), other.narrowed.clone(), other.parked.clone())
        };
        let mut own = self.lock();
        for (number, limits) in limits {
            own.meet(number, &limits);
        }
        // What is surely left is what either has.
        own.narrowed.retain(|number, _| narrowed.contains_key(number));
        for (number, limits) in narrowed {
            if let Some(own) = own.narrowed.get_mut(&number)
                && !own.contains(&limits)
            {
                *own = if limits.contains(own) { limits } else { Limits::ALL };
            }
        }
        own.parked.extend(parked);
    }
}

impl State {
    /// R(n).
    pub fn limits(&self, number: i32) -> Limits {
        self.limits.get(&number).cloned().unwrap_or(Limits::ALL)
    }

    /// Whether the number's rights are less than all.
    pub fn is_limited(&self, number: i32) -> bool {
        self.limits.contains_key(&number)
    }

    /// The numbers whose rights are less than all.
    pub fn limited(&self) -> impl Iterator<Item = (i32, &Limits)> {
        self.limits.iter().map(|(&number, limits)| (number, limits))
    }

    /// Whether a call that names descriptors in memory may be let go on: there is none that is not for it.
    pub fn may_go_unread(&self, names: Names) -> bool {
        self.holding == 0 && !self.limits.values().any(|limits| names.excludes(limits))
    }

    /// Such a call is let go on.
    pub fn goes_unread(&mut self, call: Unread) {
        if self.unread.len() >= self.sweep_at.max(64) {
            self.unread.retain(|call| sys::is_thread_of(call.process, call.thread));
            self.sweep_at = self.unread.len() * 2;
        }
        self.unread.push(call);
    }

    /// Another thread's such call, for which a descriptor with these limits is not.
    pub fn unread(&self, limits: &Limits, own: u32) -> Option<&Unread> {
        self.unread.iter().find(|call| call.thread != own && call.names.excludes(limits))
    }

    /// Such a call is over.
    pub fn is_over(&mut self, call: &Unread) {
        self.unread.retain(|one| one != call);
    }

    /// From now on no such call is let go on, until it is released.
    pub fn hold(&mut self) {
        self.holding += 1;
    }

    /// They may go on again.
    pub fn release(&mut self) {
        self.holding -= 1;
    }

    /// Whether the number has a filter of its own.
    pub fn is_narrowed(&self, number: i32) -> bool {
        self.narrowed.contains_key(&number)
    }

    /// Whether a filter of the number's own refuses what these limits permit.
    pub fn refuses(&self, number: i32, limits: &Limits) -> bool {
        self.narrowed.get(&number).is_some_and(|left| !left.contains(limits))
    }

    /// Whether the number is closed, though there is a placeholder behind it.
    pub fn is_parked(&self, number: i32) -> bool {
        self.parked.contains(&number)
    }

    /// Whether there are such numbers.
    pub fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Whether no more filters are to be stacked, but low numbers not used again.
    pub fn is_saturated(&self) -> bool {
        self.narrowed.len() >= NARROWED_MOST
    }

    /// From now on these are the limits of what is behind the number.
    pub fn set(&mut self, number: i32, limits: Limits) {
        // A copy that is being made may have either.
        for copy in &self.copies {
            let mut copy = copy.lock();
            copy.meet(number, &limits);
            copy.parked.remove(&number);
        }
        self.parked.remove(&number);
        if limits.is_all() {
            self.limits.remove(&number);
        } else {
            self.limits.insert(number, limits);
        }
    }

    /// Until the number has got what is to be behind it, what both permit.
    pub fn meet(&mut self, number: i32, limits: &Limits) {
        let both = self.limits(number).intersection(limits);
        if !both.is_all() {
            self.limits.insert(number, both.clone());
        }
        for copy in &self.copies {
            copy.lock().meet(number, &both);
        }
    }

    /// Nothing is behind the number any more, or nothing that the monitor knows of.
    pub fn clear(&mut self, number: i32) {
        self.limits.remove(&number);
    }

    /// A further filter has been put on the number, which lets through no more than this.
    pub fn narrow(&mut self, number: i32, to: &Limits) {
        // A copy that is being made may be without it.
        let left = self.narrowed.get(&number).map_or_else(|| to.clone(), |left| left.intersection(to));
        self.narrowed.insert(number, left);
    }

    /// The number is closed, and kept from being used again.
    pub fn park(&mut self, number: i32) {
        self.limits.remove(&number);
        self.parked.insert(number);
    }

    /// Closed numbers in this range are free for use again.
    pub fn unpark(&mut self, range: std::ops::RangeInclusive<i32>) {
        self.parked.retain(|number| !range.contains(number));
    }

    /// A thread's call with this number is let go on.
    pub fn goes(&mut self, thread: u32, number: i32) {
        if !self.going.contains(&(thread, number)) {
            self.going.push((thread, number));
        }
    }

    /// Whether another thread's call with this number may not have happened yet.
    pub fn is_gone_for(&mut self, number: i32, own: u32) -> bool {
        self.going.retain(|&(thread, _)| sys::is_thread(thread));
        self.going.iter().any(|&(thread, going)| going == number && thread != own)
    }
}

impl Known {
    fn files(&self, thread: u32) -> &Arc<Files> {
        self.apart.get(&thread).unwrap_or(&self.standing.files)
    }
}

impl Tables {
    /// None yet; the filter lets this through.
    pub fn new(passes: Vec<(u32, Rights)>) -> Tables {
        Tables { passes, registry: Mutex::default(), moving: AtomicBool::new(false) }
    }

    /// The first process.
    pub fn begin_with(&self, process: u32, pidfd: Arc<OwnedFd>, initial: &Initial) {
        let standing = Standing {
            files: Arc::new(Files::of(&initial.limits)),
            entered: !initial.ordinary,
            mappings: Arc::default(),
        };
        let mut registry = lock(&self.registry);
        registry.initial = initial.limits.clone();
        registry.known.insert(process, Known::new(pidfd, standing));
    }

    /// Finds the calls that threads of the first process have been in since before there was a filter. Where something is
    /// limited they are ended.
    pub fn finds_unread(&self, process: u32) {
        let registry = lock(&self.registry);
        let Some(known) = registry.known.get(&process) else { return };
        for thread in sys::threads(process).unwrap_or_default() {
            let call = Unread { thread, process, names: Names::Unlimited, until: None };
            let mut files = known.files(thread).lock();
            if files.may_go_unread(call.names) || call.end().is_err() {
                files.goes_unread(call);
            }
        }
    }

    /// Finds the threads of the first process that have had tables of their own from before it had a monitor; but for the one
    /// that has `keeper`'s, and is about to end. Which of the tables its limits are for is not known: they hold in all. From
    /// then on each is for itself. Not before the filter is on them, or they may make more of them unseen.
    pub fn finds_split(&self, process: u32, keeper: u32) {
        let mut threads = sys::threads(process).unwrap_or_default();
        // Where the kernel does not tell, they are taken to have one table, and none gets another.
        threads.retain(|&thread| {
            sys::shares_files(thread, process) == Ok(false) && sys::shares_files(thread, keeper) == Ok(false)
        });
        if threads.is_empty() {
            return;
        }
        let mut registry = lock(&self.registry);
        let Some(known) = registry.known.get_mut(&process) else { return };
        known.is_split = true;
        for thread in threads {
            registry.find_apart(thread, process);
        }
        self.moving.store(true, Ordering::Relaxed);
    }

    /// A(n) of the filter that everything is under.
    fn passes(&self, number: i32) -> Rights {
        let Ok(number) = u32::try_from(number) else { return Rights::ALL };
        self.passes.iter().rev().find(|(from, _)| *from <= number).map_or(Rights::NONE, |(_, rights)| *rights)
    }

    /// A(n).
    pub fn lets_through(&self, state: &State, number: i32) -> Limits {
        let passes = Limits::of(self.passes(number));
        state.narrowed.get(&number).map_or_else(|| passes.clone(), |left| passes.intersection(left))
    }

    /// Whether the number is among the first, of which the filter lets everything through.
    pub fn is_native(&self, number: i32) -> bool {
        self.passes(number) == Rights::ALL
    }

    /// The numbers of which the filter lets everything through.
    pub fn native(&self) -> impl Iterator<Item = i32> + '_ {
        let end = self.first_asked();
        (0..end).filter(|&number| self.is_native(number))
    }

    /// The first number from which on everything is asked about.
    pub fn first_asked(&self) -> i32 {
        match self.passes.last() {
            Some((from, rights)) if rights.is_empty() => i32::try_from(*from).unwrap_or(i32::MAX),
            _ => i32::MAX,
        }
    }

    /// The first numbers, from `least` on, at which something with these limits can be put, whatever is there now.
    pub fn suited<'s>(
        &'s self,
        state: &'s State,
        least: i32,
        limits: &'s Limits,
    ) -> impl Iterator<Item = i32> + 's {
        let asked = self.first_asked();
        // Where the kernel will come to later than to others, when it looks for a free number.
        let far = asked.saturating_mul(2).max(least);
        (least..asked).chain(far..i32::MAX).filter(|&number| {
            !state.is_limited(number)
                && !state.is_narrowed(number)
                && !state.is_parked(number)
                && limits.contains(&Limits::of(self.passes(number)))
        })
    }

    /// The descriptor of a known process.
    pub fn pidfd(&self, process: u32) -> Option<Arc<OwnedFd>> {
        lock(&self.registry).known.get(&process).map(|known| known.pidfd.clone())
    }

    /// A thread has made a call: whose tables it has. Numbers that may have been closed when its process became another program
    /// are asked for with `is_open`.
    pub fn arrives(
        &self,
        thread: u32,
        process: u32,
        pidfd: &Arc<OwnedFd>,
        parent: impl Fn() -> u32,
        is_open: impl Fn(i32) -> bool,
    ) -> Standing {
        let mut registry = lock(&self.registry);
        let moving = self.moving.load(Ordering::Relaxed);
        if moving {
            registry.thread_is_back(thread, process);
        }
        let is_known = registry.known.get(&process).is_some_and(|known| {
            // A number that was another process's before.
            Arc::ptr_eq(&known.pidfd, pidfd) || sys::is_alive(&known.pidfd)
        });
        if !is_known {
            let parent = if moving { parent() } else { 0 };
            let standing = registry.claim(process, parent);
            registry.remember(process, pidfd.clone(), standing);
        }
        if moving {
            registry.find_apart(thread, process);
            self.moving.store(registry.is_moving(), Ordering::Relaxed);
        }
        let Some(known) = registry.known.get_mut(&process) else {
            // Just remembered; but to be safe, nothing.
            return Standing::nothing();
        };
        let standing = Standing { files: known.files(thread).clone(), ..known.standing.clone() };
        let closes = known.closes.contains(&thread);
        known.closes.retain(|&one| one != thread);
        // Who has a table locked may be at it for long.
        drop(registry);
        if closes {
            let mut files = standing.files.lock();
            let closed: Vec<i32> =
                files.limited().map(|(number, _)| number).filter(|&number| !is_open(number)).collect();
            for number in closed {
                files.clear(number);
            }
        }
        let mut files = standing.files.lock();
        if !files.going.is_empty() {
            files.going.retain(|&(one, _)| one != thread);
        }
        if !files.unread.is_empty() {
            files.unread.retain(|call| call.thread != thread);
        }
        drop(files);
        lock(&standing.mappings).is_over(thread);
        standing
    }

    /// The process enters capability mode.
    pub fn enters(&self, process: u32) {
        let mut registry = lock(&self.registry);
        if let Some(known) = registry.known.get_mut(&process) {
            known.standing.entered = true;
        }
        // A child that is being made may be made after.
        for fork in registry.forks.iter_mut().filter(|fork| fork.parent == process && !fork.settled) {
            fork.standing.entered = true;
        }
    }

    /// The thread, which is let have its table to itself, is let close these numbers there.
    pub fn closes_apart(&self, process: u32, thread: u32, range: std::ops::RangeInclusive<i32>) {
        let mut registry = lock(&self.registry);
        let Some(known) = registry.known.get_mut(&process) else { return };
        // What the others make of the old table meanwhile, the new one follows.
        known.closes.push(thread);
        let mut files = known.files(thread).lock();
        files.limits.retain(|number, _| !range.contains(number));
        files.unpark(range);
        files.used_up = false;
    }

    /// Threads of other processes that have the thread's table, or may have; and whether these are all that there are.
    pub fn sharers(&self, process: u32, thread: u32) -> (Vec<u32>, bool) {
        lock(&self.registry).sharers(process, thread)
    }

    /// The process is let start another program, with a table of its own then.
    pub fn starts_program(&self, process: u32, thread: u32) {
        let mut registry = lock(&self.registry);
        let (sharers, _) = registry.sharers(process, thread);
        let witness = sharers.into_iter().find(|&other| sys::shares_files(thread, other) == Ok(true));
        let Some(known) = registry.known.get_mut(&process) else { return };
        known.closes.push(process);
        if let Some(witness) = witness {
            let was = known.files(thread).clone();
            let copy = was.copy();
            known.standing.files = copy;
            known.apart.clear();
            registry.splits.push(Split { thread: process, witness, was });
            self.moving.store(true, Ordering::Relaxed);
        }
    }

    /// The thread is let make a new process, or (`within`) a thread with a table of its own. With `shares` it shares its table,
    /// with `memory` its memory.
    pub fn forks(
        &self,
        thread: u32,
        process: u32,
        within: bool,
        elsewhere: bool,
        shares: bool,
        memory: bool,
    ) {
        let mut registry = lock(&self.registry);
        let Some(known) = registry.known.get_mut(&process) else { return };
        known.is_split |= within;
        let files = known.files(thread).clone();
        let mut standing = known.standing.clone();
        standing.files = if shares {
            files.lock().shared = true;
            files
        } else {
            files.copy()
        };
        if !memory {
            // What is mapped until it is over may be in the copy, too.
            lock(&standing.mappings).goes(thread);
            let barred = lock(&standing.mappings).barred.clone();
            standing.mappings = Arc::new(Mutex::new(Mappings { barred, ..Mappings::default() }));
        }
        registry.forks.push(Fork { parent: process, thread, within, elsewhere, settled: false, standing });
        registry.bound_forks();
        self.moving.store(true, Ordering::Relaxed);
    }

    /// The thread is let have its table to itself. `witness` is another that keeps it.
    pub fn splits(&self, thread: u32, process: u32, witness: u32) {
        let mut registry = lock(&self.registry);
        let Some(known) = registry.known.get_mut(&process) else { return };
        let was = known.files(thread).clone();
        known.apart.insert(thread, was.copy());
        known.is_split = true;
        registry.splits.push(Split { thread, witness, was });
        self.moving.store(true, Ordering::Relaxed);
    }

    /// Whether the threads of a process have the thread's table, and nobody else has it.
    pub fn is_alone(&self, process: u32, thread: u32) -> bool {
        let registry = lock(&self.registry);
        let Some(known) = registry.known.get(&process).filter(|known| !known.is_split) else { return false };
        if !known.files(thread).lock().shared {
            return true;
        }
        let (sharers, are_all) = registry.sharers(process, thread);
        let has = |other| !matches!(sys::shares_files(thread, other), Ok(false) | Err(Errno::SRCH));
        are_all && !sharers.into_iter().any(has)
    }
}

/// For who asks from outside. Whoever is at a table may wait for its owner, so these wait for nobody.
impl Tables {
    /// The processes that are known and live, and those that may have children which are not known yet.
    pub fn processes(&self) -> Result<(Vec<u32>, Vec<u32>), Busy> {
        let registry = try_lock(&self.registry)?;
        let alive = registry.known.iter().filter(|(_, known)| sys::is_alive(&known.pidfd));
        let known = alive.map(|(&process, _)| process).collect();
        Ok((known, registry.forks.iter().filter(|fork| !fork.within).map(|fork| fork.parent).collect()))
    }

    /// What there is to tell of a process, whose parent is this. None: it is not under the monitor, or not known to be.
    /// Of one that has not called since it was forked, what all permit that it may be.
    pub fn told(&self, process: u32, parent: u32) -> Result<Option<Told>, Busy> {
        let registry = try_lock(&self.registry)?;
        if let Some(known) = registry.known.get(&process).filter(|known| sys::is_alive(&known.pidfd)) {
            return known.standing.told().map(Some);
        }
        let mut all: Option<Told> = None;
        for fork in registry.forks.iter().filter(|fork| parent != 0 && fork.parent == parent && !fork.within)
        {
            let one = fork.standing.told()?;
            all = Some(all.map_or(one.clone(), |all| all.and(one)));
        }
        Ok(all)
    }
}

impl Told {
    /// What both permit.
    fn and(mut self, other: Told) -> Told {
        self.entered |= other.entered;
        for (number, more) in other.limits {
            let both = self.limits.get(&number).unwrap_or(&Limits::ALL).intersection(&more);
            self.limits.insert(number, both);
        }
        // Of these something is told rather than not.
        self.parked.retain(|number| other.parked.contains(number));
        self
    }
}

impl Standing {
    fn told(&self) -> Result<Told, Busy> {
        let files = try_lock(&self.files.state)?;
        Ok(Told { entered: self.entered, limits: files.limits.clone(), parked: files.parked.clone() })
    }

    /// That of somebody of whom nothing is known: of no descriptor may anything be done.
    fn nothing() -> Standing {
        Standing { files: Arc::default(), entered: true, mappings: Arc::default() }
    }
}

impl Known {
    fn new(pidfd: Arc<OwnedFd>, standing: Standing) -> Known {
        Known { pidfd, standing, apart: HashMap::new(), is_split: false, closes: Vec::new() }
    }
}

impl Registry {
    fn is_moving(&self) -> bool {
        !self.forks.is_empty() || !self.splits.is_empty() || self.known.values().any(|known| known.is_split)
    }

    fn remember(&mut self, process: u32, pidfd: Arc<OwnedFd>, standing: Standing) {
        if self.known.len() >= self.sweep_at.max(64) {
            self.known.retain(|_, known| sys::is_alive(&known.pidfd));
            self.sweep_at = self.known.len() * 2;
        }
        self.known.insert(process, Known::new(pidfd, standing));
    }

    /// Calls of this thread that were let go on before are over.
    fn thread_is_back(&mut self, thread: u32, process: u32) {
        // Its child is there, if there is to be one: it is told apart from others by that it is this thread's.
        for at in (0..self.forks.len()).rev() {
            if self.forks[at].thread != thread || self.forks[at].settled {
                continue;
            }
            // A child that another thread made is this one's if that has ended.
            let may_be_of_another = self.forks.iter().enumerate().any(|(other, fork)| {
                other != at && (fork.settled || fork.elsewhere || !sys::is_running(fork.thread))
            });
            let fork = &mut self.forks[at];
            fork.settled = true;
            if let Some(known) = self.known.get(&fork.parent) {
                known.files(thread).settle(&fork.standing.files);
            }
            if fork.within || fork.elsewhere {
                continue;
            }
            let Ok(children) = sys::children(process, thread) else { continue };
            let new: Vec<u32> = children
                .into_iter()
                .filter(|child| self.known.get(child).is_none_or(|known| !sys::is_alive(&known.pidfd)))
                .collect();
            match new.as_slice() {
                // It has ended, or never was, or has called already.
                [] => {
                    self.forks.swap_remove(at);
                }
                &[child] if !may_be_of_another => {
                    if let Ok(pidfd) = sys::pidfd_open(child) {
                        let fork = self.forks.swap_remove(at);
                        self.remember(child, Arc::new(pidfd), fork.standing);
                    }
                }
                _ => {}
            }
        }
        for at in (0..self.splits.len()).rev() {
            if self.splits[at].thread != thread {
                continue;
            }
            let split = self.splits.swap_remove(at);
            let Some(known) = self.known.get_mut(&process) else { continue };
            let own = known.files(thread).clone();
            split.was.settle(&own);
            match sys::shares_files(thread, split.witness) {
                Ok(false) => {}
                // It has failed: nothing has changed.
                Ok(true) if known.apart.contains_key(&thread) => {
                    known.apart.insert(thread, split.was);
                }
                Ok(true) => known.standing.files = split.was,
                // Nobody is left to tell: it may be either.
                Err(_) => own.narrow_to(&split.was),
            }
        }
    }

    /// What a process has that has not been seen before.
    fn claim(&mut self, _process: u32, parent: u32) -> Standing {
        let of_parent: Vec<usize> = (0..self.forks.len())
            .filter(|&at| self.forks[at].parent == parent && !self.forks[at].within)
            .collect();
        let candidates: Vec<usize> = if of_parent.is_empty() {
            // Its parent has ended.
            (0..self.forks.len()).filter(|&at| !self.forks[at].within).collect()
        } else {
            of_parent
        };
        let Some((&first, rest)) = candidates.split_first() else {
            // It was forked at the very moment of the start.
            let files = Arc::new(Files::of(&self.initial));
            return Standing { files, entered: self.all_entered(), mappings: Arc::default() };
        };
        if rest.is_empty() && parent != 0 && self.forks[first].parent == parent {
            let fork = self.forks.swap_remove(first);
            if let Some(known) = self.known.get(&fork.parent) {
                known.files(fork.thread).settle(&fork.standing.files);
            }
            return fork.standing;
        }
        // One of several: what all permit.
        let mut standing = Standing::nothing();
        standing.entered = candidates.iter().any(|&at| self.forks[at].standing.entered);
        let mut barred = Vec::new();
        for &at in &candidates {
            standing.files.narrow_to(&self.forks[at].standing.files);
            barred.extend(lock(&self.forks[at].standing.mappings).barred.iter().copied());
        }
        lock(&standing.mappings).barred = barred;
        standing
    }

    fn all_entered(&self) -> bool {
        self.known.values().all(|known| known.standing.entered)
    }

    /// Of a process whose threads have different tables, finds the table of one that is not known.
    fn find_apart(&mut self, thread: u32, process: u32) {
        let Some(known) = self.known.get_mut(&process) else { return };
        if !known.is_split || known.apart.contains_key(&thread) || thread == process {
            return;
        }
        known.apart.retain(|&one, _| sys::is_thread(one));
        let like = known.apart.iter().find(|(one, _)| sys::shares_files(thread, **one) == Ok(true));
        if let Some((_, files)) = like {
            let files = files.clone();
            known.apart.insert(thread, files);
            return;
        }
        if sys::shares_files(thread, process) == Ok(true) {
            return;
        }
        // One with a table of its own, made so; or that of a first thread which has ended.
        let own = Files::default();
        own.narrow_to(&known.standing.files);
        for fork in self.forks.iter().filter(|fork| fork.within && fork.parent == process) {
            own.narrow_to(&fork.standing.files);
        }
        known.apart.insert(thread, Arc::new(own));
    }

    /// Threads of other processes that have the thread's table, or may have; and whether these are all that there are.
    fn sharers(&self, process: u32, thread: u32) -> (Vec<u32>, bool) {
        let Some(known) = self.known.get(&process) else { return (Vec::new(), false) };
        let files = known.files(thread);
        if !files.lock().shared {
            return (Vec::new(), true);
        }
        let has = |other: &Arc<Files>| Arc::ptr_eq(other, files);
        let (mut sharers, mut are_all) = (Vec::new(), true);
        for (&other, known) in self.known.iter().filter(|&(&other, _)| other != process) {
            if !has(&known.standing.files) && !known.apart.values().any(has) {
                continue;
            }
            match sys::threads(other) {
                Ok(threads) => sharers.extend(threads),
                Err(_) => are_all &= !sys::is_alive(&known.pidfd),
            }
        }
        // And those that have not called yet.
        for fork in self.forks.iter().filter(|fork| has(&fork.standing.files)) {
            sharers.extend(sys::children(fork.parent, fork.thread).unwrap_or_default());
            are_all = false;
        }
        (sharers, are_all)
    }

    /// Of too many copies without an owner, one that permits what all permit.
    fn bound_forks(&mut self) {
        if self.forks.len() <= COPIES_MOST {
            return;
        }
        let (settled, going): (Vec<Fork>, Vec<Fork>) =
            std::mem::take(&mut self.forks).into_iter().partition(|fork| fork.settled);
        self.forks = going;
        let mut settled = settled.into_iter();
        if let Some(mut first) = settled.next() {
            for other in settled {
                first.standing.files.narrow_to(&other.standing.files);
                let barred = lock(&other.standing.mappings).barred.clone();
                lock(&first.standing.mappings).barred.extend(barred);
                first.standing.entered |= other.standing.entered;
                // Of nobody's children in particular.
                first.parent = 0;
            }
            self.forks.push(first);
        }
    }
}
