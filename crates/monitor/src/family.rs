//! Who has which table and which memory. Nothing of it is guessed: whoever makes a process is watched while it does, so the
//! child is known before it runs, and so is whether a table was left, or another program started.
//!
//! Threads are made unseen, with the table of who makes them. Where a process's threads have different tables, kcmp(2) tells of
//! a thread that was not seen before with whom it shares; who shares with nobody that lives is believed to have nothing.

use crate::errno::Errno;
use crate::identity;
use crate::sys;
use crate::tables::{Files, Initial, Standing, lock};
use rights::Limits;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub struct Who<'w> {
    /// Its thread.
    pub thread: u32,
    /// Its process.
    pub process: u32,
    /// A descriptor of the process.
    pub pidfd: &'w Arc<OwnedFd>,
}

/// What is made.
#[derive(Debug, Clone, Copy)]
pub struct Making {
    /// It has the maker's table of descriptors.
    pub shares_files: bool,
    /// It has the maker's memory.
    pub shares_memory: bool,
    /// It is a thread of the maker's process.
    pub is_thread: bool,
}

/// Something that is being made. To be told to [`Family::is_born`], whatever becomes of it.
#[derive(Debug)]
#[must_use]
pub struct Birth(u64);

#[derive(Debug)]
struct Known {
    pidfd: Arc<OwnedFd>,
    standing: Standing,
    /// Where threads have different tables: those that have been seen.
    threads: Option<Vec<Holder>>,
    /// Whether it was let start another program, which closes descriptors.
    closes: bool,
}

/// A thread that has a table.
#[derive(Debug)]
struct Holder {
    thread: u32,
    /// When it was made: another may come to have its number.
    started: u64,
    files: Arc<Files>,
}

#[derive(Debug)]
struct Unborn {
    serial: u64,
    making: Making,
    parent: u32,
    from: Standing,
    to: Standing,
}

/// The processes under a monitor.
#[derive(Debug, Default)]
pub struct Family {
    known: HashMap<u32, Known>,
    unborn: Vec<Unborn>,
    serial: u64,
    /// What everything started with.
    initial: Vec<(i32, Limits)>,
    /// When that was.
    began: Option<u64>,
    sweep_at: usize,
}

impl Holder {
    fn of(thread: u32, files: &Arc<Files>) -> Option<Holder> {
        Some(Holder { thread, started: identity::started(thread)?, files: files.clone() })
    }

    fn is_there(&self) -> bool {
        identity::started(self.thread) == Some(self.started)
    }
}

impl Known {
    /// The table of one of its threads.
    fn files(&mut self, thread: u32) -> Arc<Files> {
        let Some(holders) = &mut self.threads else { return self.standing.files.clone() };
        let own = identity::started(thread);
        if let Some(seen) = holders.iter().find(|one| one.thread == thread && Some(one.started) == own) {
            return seen.files.clone();
        }
        holders.retain(Holder::is_there);
        // The other's number is still its own after it was asked.
        let like = holders
            .iter()
            .find(|one| sys::shares_files(thread, one.thread) == Ok(true) && one.is_there())
            .map(|one| one.files.clone());
        let files = like.unwrap_or_else(|| Arc::new(Files::unknown()));
        holders.extend(Holder::of(thread, &files));
        files
    }

    /// From now on its threads have different tables.
    fn holders(&mut self, process: u32) -> &mut Vec<Holder> {
        let files = &self.standing.files;
        self.threads.get_or_insert_with(|| {
            let threads = sys::threads(process).unwrap_or_default();
            threads.into_iter().filter_map(|thread| Holder::of(thread, files)).collect()
        })
    }

    /// A thread has another table.
    fn gives(&mut self, process: u32, thread: u32, files: &Arc<Files>) {
        let holders = self.holders(process);
        holders.retain(|one| one.thread != thread);
        holders.extend(Holder::of(thread, files));
        files.is_had_by(process, &self.pidfd);
        files.is_split();
        self.standing.files.is_split();
    }
}

impl Family {
    pub fn begin_with(&mut self, process: u32, pidfd: Arc<OwnedFd>, initial: &Initial) {
        self.initial = initial.limits.clone();
        let files = Arc::new(Files::of(&initial.limits));
        let standing = Standing { files, entered: !initial.ordinary, mappings: Arc::default() };
        self.remember(process, pidfd, standing);
    }

    /// The threads of the first process, each with its table. Those with tables of their own from before got their limits all
    /// the same: which table these were meant for is not known.
    pub fn filter_is_on(&mut self, process: u32, keeper: u32) -> Result<Vec<(u32, Arc<Files>)>, Errno> {
        self.began = sys::ticks_since_start();
        let known = self.known.get_mut(&process).ok_or(Errno::SRCH)?;
        let threads = sys::threads(process).unwrap_or_default();
        let mut tables = vec![(process, known.standing.files.clone())];
        for &thread in threads.iter().filter(|&&thread| thread != process) {
            if sys::shares_files(thread, keeper) == Ok(true) {
                continue;
            }
            let of = |other| sys::shares_files(thread, other);
            match tables.iter().find_map(|(other, files)| match of(*other) {
                Ok(false) | Err(Errno::SRCH) => None,
                // Where the kernel does not tell, they are taken to have one table, and none gets another.
                Ok(true) | Err(_) => Some(files.clone()),
            }) {
                Some(files) => tables.push((thread, files)),
                None => {
                    let own = Arc::new(Files::of(&self.initial));
                    known.gives(process, thread, &own);
                    tables.push((thread, own));
                }
            }
        }
        if known.threads.is_some() {
            for (thread, files) in &tables {
                known.gives(process, *thread, files);
            }
        }
        Ok(tables)
    }

    pub fn pidfd(&self, process: u32) -> Option<Arc<OwnedFd>> {
        self.known.get(&process).map(|known| known.pidfd.clone())
    }

    /// The caller's standing, and whether its process may have closed descriptors unseen.
    pub fn arrives(&mut self, who: &Who) -> (Standing, bool) {
        let is_known = self.known.get(&who.process).is_some_and(|known| {
            // A number that was another process's before.
            Arc::ptr_eq(&known.pidfd, who.pidfd) || sys::is_alive(&known.pidfd)
        });
        if !is_known {
            let standing = self.of_stranger(who.process);
            self.remember(who.process, who.pidfd.clone(), standing);
        }
        let Some(known) = self.known.get_mut(&who.process) else { return (Standing::unknown(), false) };
        let files = known.files(who.thread);
        let closes = known.closes && who.thread == who.process;
        known.closes &= !closes;
        (Standing { files, ..known.standing.clone() }, closes)
    }

    /// Of one that nobody was seen to make: it was being forked when the filter came.
    fn of_stranger(&self, process: u32) -> Standing {
        let was_before = matches!((identity::started(process), self.began), (Some(it), Some(we)) if it <= we);
        if !was_before {
            return Standing::unknown();
        }
        let entered = self.known.values().all(|known| known.standing.entered);
        Standing { files: Arc::new(Files::of(&self.initial)), entered, mappings: Arc::default() }
    }

    fn remember(&mut self, process: u32, pidfd: Arc<OwnedFd>, standing: Standing) {
        if self.known.len() >= self.sweep_at.max(64) {
            self.forget_dead();
            self.sweep_at = self.known.len() * 2;
        }
        standing.is_had_by(process, &pidfd);
        self.known.insert(process, Known { pidfd, standing, threads: None, closes: false });
    }

    fn forget_dead(&mut self) {
        self.known.retain(|_, known| sys::is_alive(&known.pidfd));
    }

    pub fn files(&mut self, who: &Who) -> Arc<Files> {
        self.known.get_mut(&who.process).map_or_else(Arc::default, |known| known.files(who.thread))
    }

    pub fn enters(&mut self, process: u32) {
        if let Some(known) = self.known.get_mut(&process) {
            known.standing.entered = true;
        }
        // It may be made after.
        for unborn in self.unborn.iter_mut().filter(|unborn| unborn.parent == process) {
            unborn.to.entered = true;
        }
    }

    pub fn makes(&mut self, who: &Who, making: Making) -> Birth {
        let (from, _) = self.arrives(who);
        let files = if making.shares_files { from.files.clone() } else { from.files.copy() };
        let mappings = if making.shares_memory { from.mappings.clone() } else { lock(&from.mappings).copy() };
        let to = Standing { files, mappings, entered: from.entered };
        self.serial += 1;
        let unborn = Unborn { serial: self.serial, making, parent: who.process, from, to };
        unborn.is_coming(true);
        self.unborn.push(unborn);
        Birth(self.serial)
    }

    /// What was made has this number; None: nothing was.
    pub fn is_born(&mut self, birth: Birth, child: Option<u32>) {
        let Some(at) = self.unborn.iter().position(|unborn| unborn.serial == birth.0) else { return };
        let unborn = self.unborn.swap_remove(at);
        match child {
            Some(thread) if unborn.making.is_thread => {
                if let Some(known) = self.known.get_mut(&unborn.parent) {
                    known.gives(unborn.parent, thread, &unborn.to.files);
                }
            }
            Some(child) => {
                let opened = sys::pidfd_open(child).or_else(|_| {
                    self.forget_dead();
                    sys::pidfd_open(child)
                });
                // Of one that is not remembered nothing will be known.
                if let Ok(pidfd) = opened {
                    self.remember(child, Arc::new(pidfd), unborn.to.clone());
                }
            }
            None => {}
        }
        unborn.is_coming(false);
    }

    pub fn has_left(&mut self, who: &Who, copy: Arc<Files>) {
        let Some(known) = self.known.get_mut(&who.process) else { return };
        if known.threads.is_some() || sys::threads(who.process).is_ok_and(|threads| threads.len() > 1) {
            known.gives(who.process, who.thread, &copy);
        } else {
            known.has_another(who.process, copy);
        }
    }

    pub fn starts_program(&mut self, process: u32) {
        if let Some(known) = self.known.get_mut(&process) {
            known.closes = true;
        }
    }

    /// Its memory is new, and so is its table if that was not its alone.
    pub fn has_started(&mut self, who: &Who, copy: Option<Arc<Files>>) -> Arc<Files> {
        let Some(known) = self.known.get_mut(&who.process) else { return Arc::default() };
        if let Some(copy) = copy {
            known.has_another(who.process, copy);
        }
        let was = &known.standing.mappings;
        lock(was).is_left_by(who.process);
        known.standing.mappings = Arc::default();
        known.standing.is_had_by(who.process, &known.pidfd);
        known.closes = false;
        known.standing.files.clone()
    }

    /// The processes that are known and live.
    pub fn processes(&self) -> impl Iterator<Item = u32> {
        let alive = self.known.iter().filter(|(_, known)| sys::is_alive(&known.pidfd));
        alive.map(|(&process, _)| process)
    }

    /// The standing of one.
    pub fn standing(&self, process: u32) -> Option<&Standing> {
        let known = self.known.get(&process).filter(|known| sys::is_alive(&known.pidfd));
        known.map(|known| &known.standing)
    }

    /// Those that are making another now, and its standing.
    pub fn parents(&self) -> impl Iterator<Item = (u32, &Standing)> {
        let processes = self.unborn.iter().filter(|unborn| !unborn.making.is_thread);
        processes.map(|unborn| (unborn.parent, &unborn.to))
    }
}

impl Known {
    /// The process has another table.
    fn has_another(&mut self, process: u32, files: Arc<Files>) {
        self.standing.files.is_left_by(process);
        for holder in self.threads.take().into_iter().flatten() {
            holder.files.is_left_by(process);
        }
        self.standing.files = files;
        self.standing.files.is_had_by(process, &self.pidfd);
    }
}

impl Unborn {
    /// Counts it among those who have what it shares, or (`false`) does so no more: its copies are its own then.
    fn is_coming(&self, is: bool) {
        if self.making.shares_files {
            self.from.files.is_to_be_shared(is);
        } else if !is {
            self.from.files.settle(&self.to.files);
        }
        let mut mappings = lock(&self.from.mappings);
        if self.making.shares_memory {
            mappings.is_to_be_shared(is);
        } else if !is {
            mappings.settle(&self.to.mappings);
        }
    }
}
