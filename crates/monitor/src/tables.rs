//! R(n): what each descriptor of each process may be used for, by number; and A(n): what the filters let through at a
//! number without asking. Everything here keeps A(n) ⊆ R(n), for whatever the kernel may have behind n at that moment.
//!
//! A table of descriptors is a [`Files`]. Threads share one, processes may, a fork copies it. Who has which is never guessed
//! ([`crate::family`]): but the kernel copies a table at a moment that the monitor does not see. So a *copy* is made when the
//! call is let go on, and until that is seen to be over, every change of the original narrows the copy too: it never permits
//! more than what was really copied.

use crate::errno::Errno;
use crate::family::{Birth, Family, Making, Who};
use crate::identity;
use crate::sys;
use crate::unread::{Names, Unread};
use rights::{Limits, Rights};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
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

/// The processes that have something: a table, or memory.
#[derive(Debug, Default)]
pub struct Owners {
    known: Vec<(u32, Arc<OwnedFd>)>,
    /// How many are being made.
    unborn: usize,
}

impl Owners {
    /// Whether no other process has it. Some may have left it unseen: the kernel says whether it `differs` between two.
    fn are_only(&self, process: u32, differs: impl Fn(u32, u32) -> bool) -> bool {
        let has = |(other, pidfd): &(u32, Arc<OwnedFd>)| {
            *other != process && !sys::has_ended(pidfd) && !differs(process, *other)
        };
        self.unborn == 0 && !self.known.iter().any(has)
    }

    /// A process has it.
    fn add(&mut self, process: u32, pidfd: &Arc<OwnedFd>) {
        self.remove(process);
        self.known.retain(|(_, other)| !sys::has_ended(other));
        self.known.push((process, pidfd.clone()));
    }

    /// A process has another.
    fn remove(&mut self, process: u32) {
        self.known.retain(|&(other, _)| other != process);
    }
}
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
    /// Numbers of which that is not certain: somebody could have had another filter put in its place.
    doubtful: BTreeSet<i32>,
    /// Closed numbers with a placeholder behind them.
    parked: BTreeSet<i32>,
    /// Calls that were let go on, and may not have happened yet.
    going: Vec<Going>,
    /// How many there have been.
    calls: u64,
    /// When there are so many, those of threads that have ended are looked for.
    sweep_going_at: usize,
    /// Calls that were let go on, and name descriptors in memory.
    unread: Vec<Unread>,
    /// When there are so many, those of threads that have ended are looked for.
    sweep_at: usize,
    /// How many wait for such calls to be over: no more of them is let go on meanwhile.
    holding: usize,
    /// Copies that are being made.
    copies: Vec<Arc<Files>>,
    /// Whether free low numbers have got placeholders.
    pub used_up: bool,
    /// Whether nothing is known of it: what is not known to have a right, has none.
    unknown: bool,
    /// Who has it.
    owners: Owners,
    /// Whether a process has it whose threads have different ones.
    split: bool,
}

/// A call that was let go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Going {
    /// Whose it is.
    pub thread: u32,
    number: i32,
    /// No two have the same.
    serial: u64,
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
#[derive(Debug, Default)]
pub struct Mappings {
    /// By inode, the protections that are not to be had. (Devices are not told apart: of some file systems they are others in
    /// /proc/PID/maps than for stat(2).)
    barred: Vec<(u64, i32)>,
    /// Copies that are being made.
    copies: Vec<Arc<Mutex<Mappings>>>,
    /// Whose memory it is.
    owners: Owners,
    /// Threads with a call let go on that changes mappings, and may not have happened yet; each time another number.
    pub going: Vec<(u32, u64)>,
    next: u64,
}

impl Mappings {
    /// From now on no mapping of the file is to be raised to these protections.
    pub fn bar(&mut self, inode: u64, bars: i32) {
        match self.barred.iter_mut().find(|(known, _)| *known == inode) {
            Some((_, barred)) => *barred |= bars,
            None => self.barred.push((inode, bars)),
        }
        for copy in &self.copies {
            lock(copy).bar(inode, bars);
        }
    }

    /// By inode, the protections that are not to be had.
    pub fn barred(&self) -> &[(u64, i32)] {
        &self.barred
    }

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

/// All tables under a monitor.
#[derive(Debug)]
pub struct Tables {
    passes: Vec<(u32, Rights)>,
    family: Mutex<Family>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
    /// That of a process of which this much is known.
    pub fn of(limits: &[(i32, Limits)]) -> Files {
        let limits = limits.iter().filter(|(_, limits)| !limits.is_all()).cloned().collect();
        Files { state: Mutex::new(State { limits, ..State::default() }) }
    }

    /// One of which nothing is known.
    pub fn unknown() -> Files {
        Files { state: Mutex::new(State { unknown: true, ..State::default() }) }
    }

    /// A process has it.
    pub fn is_had_by(&self, process: u32, pidfd: &Arc<OwnedFd>) {
        self.lock().owners.add(process, pidfd);
    }

    /// A process has another.
    pub fn is_left_by(&self, process: u32) {
        self.lock().owners.remove(process);
    }

    /// A process has it whose threads have different ones.
    pub fn is_split(&self) {
        self.lock().split = true;
    }

    /// A process is being made that will have it, or (`false`) that is over.
    pub fn is_to_be_shared(&self, begins: bool) {
        let owners = &mut self.lock().owners;
        owners.unborn = if begins { owners.unborn + 1 } else { owners.unborn.saturating_sub(1) };
    }

    /// The table, to look at and to change. Whoever has it knows that no number of it comes to have fewer rights behind it
    /// meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// A copy that follows what becomes of this table, until it is settled.
    pub fn copy(&self) -> Arc<Files> {
        let mut state = self.lock();
        let copy = Arc::new(Files {
            state: Mutex::new(State {
                limits: state.limits.clone(),
                narrowed: state.narrowed.clone(),
                doubtful: state.doubtful.clone(),
                parked: state.parked.clone(),
                used_up: state.used_up,
                unknown: state.unknown,
                ..State::default()
            }),
        });
        state.copies.push(copy.clone());
        copy
    }

    /// The copy has been made: from now on it goes its own way.
    pub fn settle(&self, copy: &Arc<Files>) {
        self.lock().copies.retain(|one| !Arc::ptr_eq(one, copy));
    }
}

impl State {
    /// R(n).
    pub fn limits(&self, number: i32) -> Limits {
        let unknown = || if self.unknown { Limits::of(Rights::NONE) } else { Limits::ALL };
        self.limits.get(&number).cloned().unwrap_or_else(unknown)
    }

    /// Whether the number's rights are less than all.
    pub fn is_limited(&self, number: i32) -> bool {
        self.limits.get(&number).map_or(self.unknown, |limits| !limits.is_all())
    }

    /// The numbers that are known to have less rights than all.
    pub fn limited(&self) -> impl Iterator<Item = (i32, &Limits)> {
        let limited = self.limits.iter().filter(|(_, limits)| !limits.is_all());
        limited.map(|(&number, limits)| (number, limits))
    }

    /// Whether there may be such.
    pub fn has_limited(&self) -> bool {
        self.unknown || self.limited().next().is_some()
    }

    /// Whether all threads of this process have the table, and nobody else.
    pub fn is_only_of(&self, process: u32) -> bool {
        !self.split && self.owners.are_only(process, |_, _| false)
    }

    /// Whether a copy is being made, of which nobody knows yet when.
    pub fn is_being_copied(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Whether a call that names descriptors in memory may be let go on: there is none that is not for it.
    pub fn may_go_unread(&self, names: Names) -> bool {
        let unknown = self.unknown && names.excludes(&Limits::of(Rights::NONE));
        self.holding == 0 && !unknown && !self.limits.values().any(|limits| names.excludes(limits))
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
        if limits.is_all() && !self.unknown {
            self.limits.remove(&number);
        } else {
            self.limits.insert(number, limits);
        }
    }

    /// Until the number has got what is to be behind it, what both permit.
    pub fn meet(&mut self, number: i32, limits: &Limits) {
        let both = self.limits(number).intersection(limits);
        if !both.is_all() || self.unknown {
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

    /// All numbers in the range are closed.
    pub fn closes(&mut self, range: std::ops::RangeInclusive<i32>) {
        self.limits.retain(|number, _| !range.contains(number));
        self.unpark(range);
        self.used_up = false;
    }

    /// Of numbers that have been closed unseen nothing is known any more.
    fn forget_closed(&mut self, is_open: impl Fn(i32) -> bool) {
        let closed: Vec<i32> =
            self.limited().map(|(number, _)| number).filter(|&number| !is_open(number)).collect();
        for number in closed {
            self.clear(number);
        }
    }

    /// A further filter has been put on the number, which lets through no more than this: for certain (`is_sure`), or if nobody
    /// had another put in its place.
    pub fn narrow(&mut self, number: i32, to: &Limits, is_sure: bool) {
        if is_sure {
            self.doubtful.remove(&number);
        } else {
            self.doubtful.insert(number);
        }
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
        self.going.retain(|call| (call.thread, call.number) != (thread, number));
        // Of threads that have ended something may be left.
        if self.going.len() >= self.sweep_going_at.max(64) {
            self.going.retain(|call| identity::is_running(call.thread));
            self.sweep_going_at = self.going.len() * 2;
        }
        self.calls += 1;
        self.going.push(Going { thread, number, serial: self.calls });
    }

    /// Another thread's call with this number that may not have happened yet.
    pub fn gone_for(&mut self, number: i32, own: u32) -> Option<Going> {
        let found = self.going.iter().find(|call| call.number == number && call.thread != own);
        if found.is_none_or(|call| identity::is_running(call.thread)) {
            return found.copied();
        }
        self.going.retain(|call| identity::is_running(call.thread));
        self.going.iter().find(|call| call.number == number && call.thread != own).copied()
    }

    /// The call has happened.
    pub fn has_happened(&mut self, call: Going) {
        self.going.retain(|one| *one != call);
    }
}

impl Tables {
    /// None yet; the filter lets this through.
    pub fn new(passes: Vec<(u32, Rights)>) -> Tables {
        Tables { passes, family: Mutex::default() }
    }

    /// The first process.
    pub fn begin_with(&self, process: u32, pidfd: Arc<OwnedFd>, initial: &Initial) {
        lock(&self.family).begin_with(process, pidfd, initial);
    }

    /// The filter is on: who has been forked by then has what everything started with, and nobody later. The first process's
    /// threads have been in calls since before; where something is limited these are ended. Threads that have a table of their own
    /// keep it, but for one that has `keeper`'s, and is about to end.
    pub fn filter_is_on(&self, process: u32, keeper: u32) -> Result<(), Errno> {
        let threads = lock(&self.family).filter_is_on(process, keeper)?;
        for (thread, files) in threads {
            let call = Unread { thread, process, names: Names::Unlimited, until: None };
            let mut files = files.lock();
            if files.may_go_unread(call.names) || call.end().is_err() {
                files.goes_unread(call);
            }
        }
        Ok(())
    }

    /// A(n) of the filter that everything is under.
    fn passes(&self, number: i32) -> Rights {
        let Ok(number) = u32::try_from(number) else { return Rights::ALL };
        self.passes.iter().rev().find(|(from, _)| *from <= number).map_or(Rights::NONE, |(_, rights)| *rights)
    }

    /// A(n).
    pub fn lets_through(&self, state: &State, number: i32) -> Limits {
        let passes = Limits::of(self.passes(number));
        match state.narrowed.get(&number) {
            Some(left) if !state.doubtful.contains(&number) => passes.intersection(left),
            _ => passes,
        }
    }

    /// Whether the number is among the first, of which the filter lets everything through.
    pub fn is_native(&self, number: i32) -> bool {
        self.passes(number) == Rights::ALL
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
        lock(&self.family).pidfd(process)
    }

    /// A thread has made a call: whose tables it has. Numbers that may have been closed when its process became another program
    /// are asked for with `is_open`.
    pub fn arrives(&self, who: &Who, is_open: impl Fn(i32) -> bool) -> Standing {
        let (standing, closes) = lock(&self.family).arrives(who);
        // Who has a table locked may be at it for long.
        let thread = who.thread;
        let mut files = standing.files.lock();
        if closes {
            files.forget_closed(is_open);
        }
        if !files.going.is_empty() {
            files.going.retain(|call| call.thread != thread);
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
        lock(&self.family).enters(process);
    }

    /// The caller is let make a process, or a thread with a table of its own. To be told of what became of it.
    pub fn makes(&self, who: &Who, making: Making) -> Birth {
        lock(&self.family).makes(who, making)
    }

    /// The number of what was made, before it or its maker does anything; None: nothing was.
    pub fn is_born(&self, birth: Birth, child: Option<u32>) {
        lock(&self.family).is_born(birth, child);
    }

    /// The caller is let leave its table for a copy.
    pub fn leaves(&self, who: &Who) -> Arc<Files> {
        lock(&self.family).files(who).copy()
    }

    /// It has, or not.
    pub fn has_left(&self, who: &Who, from: &Files, copy: Arc<Files>, has: bool) {
        from.settle(&copy);
        if has {
            lock(&self.family).has_left(who, copy);
        }
    }

    /// The caller is let start another program, which closes descriptors: nobody will say when.
    pub fn starts_program(&self, who: &Who) {
        lock(&self.family).starts_program(who.process);
    }

    /// Its process has become another program, which has not run yet; with the copy of its table if that was not its alone.
    pub fn has_started(&self, who: &Who, copy: Option<Arc<Files>>, is_open: impl Fn(i32) -> bool) {
        let files = lock(&self.family).has_started(who, copy);
        files.lock().forget_closed(is_open);
    }
}

/// For who asks from outside. Whoever is at a table may wait for its owner, so these wait for nobody.
impl Tables {
    /// The processes that are known and live, and those that may have children which are not known yet.
    pub fn processes(&self) -> Result<(Vec<u32>, Vec<u32>), Busy> {
        let family = try_lock(&self.family)?;
        Ok((family.processes().collect(), family.parents().map(|(parent, _)| parent).collect()))
    }

    /// What there is to tell of a process, whose parent is this. None: it is not under the monitor, or not known to be.
    /// Of one that has not called since it was forked, what all permit that it may be.
    pub fn told(&self, process: u32, parent: u32) -> Result<Option<Told>, Busy> {
        let family = try_lock(&self.family)?;
        if let Some(standing) = family.standing(process) {
            return standing.told().map(Some);
        }
        let mut all: Option<Told> = None;
        for (_, standing) in family.parents().filter(|(other, _)| parent != 0 && *other == parent) {
            let one = standing.told()?;
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
    pub fn unknown() -> Standing {
        Standing { files: Arc::new(Files::unknown()), entered: true, mappings: Arc::default() }
    }

    /// Its table and memory are this process's.
    pub fn is_had_by(&self, process: u32, pidfd: &Arc<OwnedFd>) {
        self.files.is_had_by(process, pidfd);
        lock(&self.mappings).owners.add(process, pidfd);
    }
}

impl Mappings {
    /// A copy that follows what is barred, until it is settled.
    pub fn copy(&mut self) -> Arc<Mutex<Mappings>> {
        let copy = Arc::new(Mutex::new(Mappings { barred: self.barred.clone(), ..Mappings::default() }));
        self.copies.push(copy.clone());
        copy
    }

    /// The copy has been made.
    pub fn settle(&mut self, copy: &Arc<Mutex<Mappings>>) {
        self.copies.retain(|one| !Arc::ptr_eq(one, copy));
    }

    /// A process is being made that will have this memory, or (`false`) that is over.
    pub fn is_to_be_shared(&mut self, begins: bool) {
        let unborn = self.owners.unborn;
        self.owners.unborn = if begins { unborn + 1 } else { unborn.saturating_sub(1) };
    }

    /// A process has other memory.
    pub fn is_left_by(&mut self, process: u32) {
        self.owners.remove(process);
    }

    /// Whether nobody but this process has the memory.
    pub fn is_only_of(&self, process: u32) -> bool {
        self.owners.are_only(process, |one, other| sys::shares_memory(one, other) == Ok(false))
    }
}
