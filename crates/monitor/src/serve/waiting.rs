//! poll and select. What they wait for is in memory, so they go on only while no descriptor of the caller's lacks CAP_EVENT
//! (`unread`). Else the monitor waits, on copies of the descriptors that may be waited for. It keeps those until the wait is over, as the
//! kernel does: closing a descriptor that another thread waits for ends nothing.
//!
//! Neither poll nor select is restarted after a handler, whatever SA_RESTART says; after a stop they go on, for as long as
//! they would have. ppoll and pselect6 let signals through that are blocked otherwise, and only for the time of the call, so
//! that a handler runs under a mask which the monitor cannot give it: then the caller makes the call itself, without
//! descriptors, which the signal ends.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::{Status, as_monitor};
use crate::inject;
use crate::listener::Answer;
use crate::sys::{self, Sets, SignalSet};
use crate::unread::Names;
use rights::{Right, Rights};
use std::collections::{HashMap, hash_map};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

const EVENT: Rights = Rights::of(&[Right::EVENT]);
/// So many entries are waited for at a time: they are kept meanwhile, and many callers may wait.
const ENTRIES_MOST: u64 = 1 << 16;
/// `struct pollfd`: the descriptor, the events asked for, and those that came.
const ENTRY: usize = 8;
const CAME_AT: u64 = 6;
const NANOS: i64 = 1_000_000_000;
const MICROS: i64 = 1_000_000;

/// How long a call waits.
struct Patience {
    /// None: for as long as it takes.
    until: Option<Instant>,
    /// Whether it does not wait at all.
    at_once: bool,
    /// Where the caller is told how much is left, and whether in microseconds.
    told: Option<(u64, bool)>,
}

/// The mask of signals of a call that has one.
struct Mask {
    set: SignalSet,
    /// The arguments by which the call waits under this mask, and for nothing else.
    without_descriptors: [u64; 6],
}

/// A descriptor that is to be waited for.
enum Watched {
    Copy(OwnedFd),
    /// There is none.
    Closed,
    /// It lacks CAP_EVENT.
    Lacking,
}

/// How a wait ended.
enum Waited {
    /// So many are ready.
    Ready(usize),
    /// A signal is there for the caller, or may be.
    Interrupted,
}

impl Patience {
    const FOREVER: Patience = Patience { until: None, at_once: false, told: None };

    fn of(time: Duration) -> Patience {
        // Longer than there is time is for ever.
        Patience { until: Instant::now().checked_add(time), at_once: time.is_zero(), told: None }
    }

    fn left(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// How much is left, and where the caller is told.
    fn left_to_tell(&self) -> Option<(u64, [u8; 16])> {
        let ((address, micro), left) = (self.told?, self.left()?);
        let part = if micro { left.subsec_micros() } else { left.subsec_nanos() };
        let mut told = [0; 16];
        told[..8].copy_from_slice(&left.as_secs().to_ne_bytes());
        told[8..].copy_from_slice(&u64::from(part).to_ne_bytes());
        Some((address, told))
    }
}

/// A `struct timespec`, or with `micro` a `struct timeval`, of which the kernel lets the second part be more than a second.
fn time_of([seconds, part]: [u64; 2], micro: bool) -> Option<Duration> {
    let (mut seconds, mut part) = (seconds.cast_signed(), part.cast_signed());
    if micro {
        seconds = seconds.checked_add(part / MICROS)?;
        part = part % MICROS * (NANOS / MICROS);
    }
    let part = u32::try_from(part).ok().filter(|&part| i64::from(part) < NANOS)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, part))
}

impl Service<'_> {
    pub(super) fn poll(&self) -> Served {
        // The kernel takes an unsigned int.
        let (address, count) = (self.arg(0), self.arg(1) & 0xffff_ffff);
        let is_ppoll = self.call.name == "ppoll";
        let mut patience = Patience::FOREVER;
        if !is_ppoll {
            if let Ok(millis) = u64::try_from(self.int(2)) {
                patience = Patience::of(Duration::from_millis(millis));
            }
            patience.until = self.watch.waits_until(self.caller).or(patience.until);
        }
        if count == 0 || self.goes_unread(patience.until, |service| service.polled(address, count)) {
            return Ok(Answer::GoOn);
        }
        let mut mask = None;
        if is_ppoll {
            let (time, set, size) = (self.arg(2), self.arg(3), self.arg(4));
            patience = self.patience(time, false)?;
            mask = self.mask(set, size, [0, 0, 0, set, size, 0])?;
        }
        if as_monitor(|| sys::descriptor_limit_of(self.caller.process())).is_ok_and(|limit| count > limit) {
            return Err(Errno::INVAL.into());
        }
        let polled = self.in_entries(address, count, &patience, mask.as_ref());
        let told = self.tell(&patience);
        match polled? {
            Waited::Ready(ready) => Ok(Answer::Value(ready as i64)),
            Waited::Interrupted => self.interrupted(&patience, mask, told),
        }
    }

    /// Waits for what the entries name, and puts there what came.
    fn in_entries(
        &self,
        address: u64,
        count: u64,
        patience: &Patience,
        mask: Option<&Mask>,
    ) -> Result<Waited, Fail> {
        let entries = self.entries(address, count)?;
        let mut copies = HashMap::new();
        let mut came = vec![0; entries.len()];
        let (mut places, mut fds) = (Vec::new(), Vec::new());
        for (at, &(number, events)) in entries.iter().enumerate().filter(|(_, entry)| entry.0 >= 0) {
            if let hash_map::Entry::Vacant(new) = copies.entry(number) {
                new.insert(self.watched(number)?);
            }
            if let Some(Watched::Copy(fd)) = copies.get(&number) {
                places.push(at);
                fds.push(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
            } else {
                came[at] = libc::POLLNVAL;
            }
        }
        let invalid = came.iter().filter(|&&came| came != 0).count();
        let patience = Patience { at_once: patience.at_once || invalid > 0, ..*patience };
        let waited = match self.wait(&patience, mask, |time| sys::poll_for(&mut fds, time))? {
            Waited::Ready(ready) => Waited::Ready(ready + invalid),
            Waited::Interrupted => Waited::Interrupted,
        };
        drop(copies);
        for (&at, fd) in places.iter().zip(&fds) {
            came[at] = fd.revents;
        }
        let addresses: Vec<u64> =
            (0..count).map(|at| address.wrapping_add(at * ENTRY as u64 + CAME_AT)).collect();
        let came: Vec<[u8; 2]> = came.into_iter().map(i16::to_ne_bytes).collect();
        self.caller.scatter(&addresses, 2, came.as_flattened())?;
        Ok(waited)
    }

    pub(super) fn select(&self) -> Served {
        let [count, reading, writing, except, time, mask] = *self.caller.args();
        let is_pselect = self.call.name == "pselect6";
        let addresses = [reading, writing, except];
        let room = usize::try_from(count as i32).unwrap_or(0);
        if addresses == [0; 3] || self.goes_unread(None, |service| service.selected(room, addresses)) {
            return Ok(Answer::GoOn);
        }
        let patience = self.patience(time, !is_pselect)?;
        let mask = if is_pselect && mask != 0 {
            let [set, size] = self.caller.read_words(mask)?;
            self.mask(set, size, [0, 0, 0, 0, 0, mask])?
        } else {
            None
        };
        let count = usize::try_from(count as i32).map_err(|_| Errno::INVAL)?;
        let selected = self.in_sets(count, addresses, &patience, mask.as_ref());
        let told = self.tell(&patience);
        match selected? {
            Waited::Ready(ready) => Ok(Answer::Value(ready as i64)),
            Waited::Interrupted => self.interrupted(&patience, mask, told),
        }
    }

    /// Waits for what is in the sets, and puts there what is ready.
    fn in_sets(
        &self,
        count: usize,
        addresses: [u64; 3],
        patience: &Patience,
        mask: Option<&Mask>,
    ) -> Result<Waited, Fail> {
        let (count, sets) = self.sets(count, addresses)?;
        let mut copies = Vec::new();
        for number in numbers_in(&sets, count) {
            match self.watched(number)? {
                Watched::Copy(fd) => copies.push((number as usize, fd)),
                Watched::Closed => return Err(Errno::BADF.into()),
                Watched::Lacking => return Err(Fail::lacking(format!("descriptor {number}"), EVENT)),
            }
        }
        let numbers: Vec<(usize, usize)> =
            copies.iter().map(|(number, fd)| (*number, fd.as_raw_fd() as usize)).collect();
        let own_count = numbers.iter().map(|(_, own)| own + 1).max().unwrap_or(0);
        let asked = sets.each_ref().map(|set| {
            let set = set.as_ref()?;
            let mut own = vec![0; own_count.div_ceil(64)];
            for &(_, copy) in numbers.iter().filter(|(number, _)| is_in(set, *number)) {
                own[copy / 64] |= 1 << (copy % 64);
            }
            Some(own)
        });
        let mut ready = asked.clone();
        let waited = self.wait(patience, mask, |time| {
            ready.clone_from(&asked);
            sys::select_for(own_count, &mut ready, time)
        })?;
        drop(copies);
        if let Waited::Ready(_) = waited {
            for (address, ready) in addresses.into_iter().zip(&ready) {
                let Some(ready) = ready else { continue };
                let mut set = vec![0u64; count.div_ceil(64)];
                for &(number, _) in numbers.iter().filter(|(_, copy)| is_in(ready, *copy)) {
                    set[number / 64] |= 1 << (number % 64);
                }
                let set: Vec<[u8; 8]> = set.into_iter().map(u64::to_ne_bytes).collect();
                self.caller.write(address, set.as_flattened())?;
            }
        }
        Ok(waited)
    }

    /// Lets the call go on, if there is no descriptor that is not to be waited for. One that is closed, though there is a
    /// placeholder behind its number, `named` tells of: by what is in memory, for nothing else than an error depends on it.
    fn goes_unread(&self, until: Option<Instant>, named: impl Fn(&Self) -> Vec<i32>) -> bool {
        let Some(mut files) = self.caller.files() else { return true };
        if files.has_parked() && files.may_go_unread(Names::Watched) {
            drop(files);
            let named = named(self);
            let Some(again) = self.caller.files() else { return true };
            files = again;
            if named.into_iter().any(|number| files.is_parked(number)) {
                return false;
            }
        }
        self.goes_unread_among(&mut files, Names::Watched, until)
    }

    /// The descriptors of poll's entries, as far as they can be read.
    fn polled(&self, address: u64, count: u64) -> Vec<i32> {
        let entries = self.entries(address, count.min(ENTRIES_MOST)).unwrap_or_default();
        entries.into_iter().map(|(number, _)| number).collect()
    }

    /// Those in select's sets.
    fn selected(&self, count: usize, addresses: [u64; 3]) -> Vec<i32> {
        self.sets(count, addresses).map_or(Vec::new(), |(count, sets)| numbers_in(&sets, count).collect())
    }

    /// poll's entries: descriptors and what is asked of them.
    fn entries(&self, address: u64, count: u64) -> Result<Vec<(i32, i16)>, Fail> {
        if count > ENTRIES_MOST {
            return Err(Errno::NOMEM.into());
        }
        let mut bytes = vec![0; count as usize * ENTRY];
        self.caller.read(address, &mut bytes)?;
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        let entry = |&[a, b, c, d, e, f, _, _]: &[u8; ENTRY]| {
            (i32::from_ne_bytes([a, b, c, d]), i16::from_ne_bytes([e, f]))
        };
        Ok(entries.iter().map(entry).collect())
    }

    /// select's sets, and how many descriptors they are about: of numbers that the caller's table has no room for, the kernel
    /// takes no notice.
    fn sets(&self, count: usize, addresses: [u64; 3]) -> Result<(usize, Sets), Fail> {
        let room = self.caller.status().map_or(ENTRIES_MOST as usize, |status| status.fd_size as usize);
        let count = count.min(room);
        let mut sets = [None, None, None];
        for (set, address) in sets.iter_mut().zip(addresses).filter(|(_, address)| *address != 0) {
            let mut bytes = vec![0; count.div_ceil(64) * 8];
            self.caller.read(address, &mut bytes)?;
            let (words, _) = bytes.as_chunks::<8>();
            *set = Some(words.iter().map(|word| u64::from_ne_bytes(*word)).collect());
        }
        Ok((count, sets))
    }

    /// A copy of a descriptor, if it may be waited for.
    fn watched(&self, number: i32) -> Result<Watched, Fail> {
        match self.caller.limited(number) {
            Ok((_, limits)) if !limits.rights().contains(&EVENT) => Ok(Watched::Lacking),
            Ok((fd, _)) => Ok(Watched::Copy(fd)),
            Err(Errno::BADF) => Ok(Watched::Closed),
            // As the kernel, when it has no room for what it waits with.
            Err(Errno::MFILE | Errno::NFILE) => Err(Errno::NOMEM.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// How long a call waits whose time is in memory: a `struct timespec`, or with `micro` a `struct timeval`.
    fn patience(&self, address: u64, micro: bool) -> Result<Patience, Fail> {
        if address == 0 {
            return Ok(Patience::FOREVER);
        }
        let time = time_of(self.caller.read_words(address)?, micro).ok_or(Errno::INVAL)?;
        let told = (!time.is_zero()).then_some((address, micro));
        Ok(Patience { told, ..Patience::of(time) })
    }

    /// The mask at an address.
    fn mask(&self, at: u64, size: u64, without_descriptors: [u64; 6]) -> Result<Option<Mask>, Fail> {
        if at == 0 {
            return Ok(None);
        }
        if size != size_of::<SignalSet>() as u64 {
            return Err(Errno::INVAL.into());
        }
        let [set] = self.caller.read_words(at)?;
        let set = set & !(sys::signal_bit(libc::SIGKILL) | sys::signal_bit(libc::SIGSTOP));
        Ok(Some(Mask { set, without_descriptors }))
    }

    /// Tells the caller how much is left of its time. False: it cannot be told.
    fn tell(&self, patience: &Patience) -> bool {
        patience.left_to_tell().is_none_or(|(address, left)| self.caller.write(address, &left).is_ok())
    }

    /// Waits by `once`, which waits for that long and tells how many are ready.
    fn wait(
        &self,
        patience: &Patience,
        mask: Option<&Mask>,
        mut once: impl FnMut(Option<Duration>) -> Result<usize, Errno>,
    ) -> Result<Waited, Fail> {
        let ready = loop {
            match once(Some(Duration::ZERO)) {
                Err(Errno::INTR) => {}
                ready => break ready?,
            }
        };
        if ready > 0 || patience.at_once {
            return Ok(Waited::Ready(ready));
        }
        let mask = mask.map(|mask| mask.set);
        // What was blocked until now may be there.
        if Status::read(self.caller.tid()).is_ok_and(|status| status.signals.interrupting(mask) != 0) {
            return Ok(Waited::Interrupted);
        }
        if !self.watch.has_room() {
            return Err(Errno::NOMEM.into());
        }
        let blocking = self.watch.enter_with(self.caller, mask);
        blocking.for_long();
        loop {
            match once(patience.left()) {
                Err(Errno::INTR) if blocking.is_interrupted() => return Ok(Waited::Interrupted),
                Err(Errno::INTR) => {}
                ready => return Ok(Waited::Ready(ready?)),
            }
        }
    }

    /// A signal is there for the caller. With `told` it waits for the rest of its time if that has no handler.
    fn interrupted(&self, patience: &Patience, mask: Option<Mask>, told: bool) -> Served {
        if let Some(mask) = mask {
            // It is made again if it can be told how long it still waits.
            let tell = || {
                patience.left_to_tell().is_none_or(|(address, left)| {
                    sys::write_memory(self.caller.tid(), address, &left) == Ok(left.len())
                })
            };
            let waits = || inject::wait_for_signal(self.caller, mask.without_descriptors, tell);
            // Without reach (it has another tracer) the signal stays blocked, as the kernel has it after EINTR.
            return as_monitor(waits).map(|()| Answer::Given).or(Err(Errno::INTR.into()));
        }
        if !told {
            return Err(Errno::INTR.into());
        }
        if let (None, Some(until)) = (patience.told, patience.until) {
            let signals = self.caller.status().map(|status| status.signals).unwrap_or_default();
            // After a handler it is EINTR, and the next call has all of its time.
            if !signals.are_caught(signals.surely_interrupting()) {
                self.watch.waits_again(self.caller.tid(), self.caller.made(), until, signals.stop());
            }
        }
        Err(Errno::RESTARTNOHAND.into())
    }
}

fn is_in(set: &[u64], number: usize) -> bool {
    set.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
}

/// The descriptors that are in one of the sets.
fn numbers_in(sets: &Sets, count: usize) -> impl Iterator<Item = i32> {
    (0..count)
        .filter(|&number| sets.iter().flatten().any(|set| is_in(set, number)))
        .map(|number| number as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_the_kernel_takes() {
        assert_eq!(time_of([1, 5], false), Some(Duration::new(1, 5)));
        assert_eq!(time_of([1, NANOS as u64], false), None, "a whole second is none of nanoseconds");
        assert_eq!(time_of([1, 1_500_000], true), Some(Duration::new(2, 500_000_000)), "but of microseconds");
        assert_eq!(time_of([u64::MAX, 0], false), None);
        assert_eq!(time_of([5, u64::MAX], true), None);
        assert_eq!(time_of([u64::MAX, 2_000_000], true), Some(Duration::from_secs(1)));
        assert_eq!(time_of([i64::MAX as u64, 1_000_000], true), None);
    }

    #[test]
    fn more_time_than_there_is_is_for_ever() {
        assert!(Patience::of(Duration::MAX).left().is_none());
        assert!(Patience::of(Duration::ZERO).at_once);
    }

    #[test]
    fn sets_are_read_by_bits() {
        let sets = [Some(vec![1, 1 << 63]), None, Some(vec![2, 0])];
        assert_eq!(numbers_in(&sets, 128).collect::<Vec<_>>(), [0, 1, 127]);
        assert_eq!(numbers_in(&sets, 127).collect::<Vec<_>>(), [0, 1], "no further than asked");
    }
}
