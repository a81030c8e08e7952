//! The model: FreeBSD's rules, from capsicum(4), rights(4), cap_rights_limit(2), cap_ioctls_limit(2), cap_fcntls_limit(2),
//! and dup(2), close(2), fork(2), execve(2). Rights belong to a descriptor; whatever copies the descriptor copies them.
//!
//! What is Pimento's own, and written down as a deviation, is in the part of that name.

use crate::stage::ENOTCAPABLE;
use libc::{EBADF, EBUSY, EINVAL};
use pimento::{Right, Rights};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// What is open: one open file, whoever has descriptors of it.
#[derive(Debug)]
pub struct Object {
    /// The judge's own descriptor of it, which nobody limits: what the kernel says of the file it says to that too.
    pub copy: OwnedFd,
    /// What it is, for those who read of it.
    pub what: String,
    /// Whether connections come to it.
    pub listens: bool,
}

/// What a descriptor may be used for.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub rights: Rights,
    /// None: any.
    pub ioctls: Option<BTreeSet<u32>>,
    pub fcntls: u32,
}

/// CAP_FCNTL_GETFL and the others: a bit each, by the commands' numbers on FreeBSD.
pub const GETFL: u32 = 1 << 3;
pub const SETFL: u32 = 1 << 4;
pub const GETOWN: u32 = 1 << 5;
pub const SETOWN: u32 = 1 << 6;
/// CAP_FCNTL_ALL.
pub const FCNTLS: u32 = GETFL | SETFL | GETOWN | SETOWN;

/// What a use of a descriptor takes.
#[derive(Debug, Clone)]
pub struct Needs {
    pub rights: Rights,
    pub ioctl: Option<u32>,
    pub fcntl: u32,
}

impl Needs {
    pub fn of(rights: &[Right]) -> Needs {
        Needs { rights: Rights::of(rights), ioctl: None, fcntl: 0 }
    }
}

impl Limits {
    pub fn all() -> Limits {
        Limits { rights: Rights::ALL, ioctls: None, fcntls: FCNTLS }
    }

    /// The rights alone limited.
    pub fn of(rights: Rights) -> Limits {
        let mut limits = Limits::all();
        // Of all, everything is a part.
        let _ = limits.limit(rights);
        limits
    }

    /// cap_rights_limit(2). Without CAP_IOCTL no ioctl is left, without CAP_FCNTL no fcntl.
    pub fn limit(&mut self, to: Rights) -> Result<(), i32> {
        if !self.rights.contains(&to) {
            return Err(ENOTCAPABLE);
        }
        self.rights = to;
        if !to.is_set(Right::IOCTL) {
            self.ioctls = Some(BTreeSet::new());
        }
        if !to.is_set(Right::FCNTL) {
            self.fcntls = 0;
        }
        Ok(())
    }

    /// cap_ioctls_limit(2).
    pub fn limit_ioctls(&mut self, to: &BTreeSet<u32>) -> Result<(), i32> {
        if self.ioctls.as_ref().is_some_and(|held| !held.is_superset(to)) {
            return Err(ENOTCAPABLE);
        }
        self.ioctls = Some(to.clone());
        Ok(())
    }

    /// cap_fcntls_limit(2).
    pub fn limit_fcntls(&mut self, to: u32) -> Result<(), i32> {
        if to & !self.fcntls != 0 {
            return Err(ENOTCAPABLE);
        }
        self.fcntls = to;
        Ok(())
    }

    pub fn permit(&self, needs: &Needs) -> bool {
        self.rights.contains(&needs.rights)
            && needs
                .ioctl
                .is_none_or(|command| self.ioctls.as_ref().is_none_or(|held| held.contains(&command)))
            && needs.fcntl & !self.fcntls == 0
    }

    /// What may be done whatever the command is.
    pub fn whatever_command(&self) -> Rights {
        let mut rights = self.rights;
        if self.ioctls.is_some() {
            rights = rights.difference(&Right::IOCTL.into());
        }
        if self.fcntls != FCNTLS {
            rights = rights.difference(&Right::FCNTL.into());
        }
        rights
    }

    pub fn is_all(&self) -> bool {
        *self == Limits::all()
    }

    fn contain(&self, other: &Limits) -> bool {
        let ioctls = match (&self.ioctls, &other.ioctls) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own.is_superset(other),
        };
        ioctls && self.rights.contains(&other.rights) && other.fcntls & !self.fcntls == 0
    }

    fn intersection(&self, other: &Limits) -> Limits {
        let ioctls = match (&self.ioctls, &other.ioctls) {
            (None, ioctls) | (ioctls, None) => ioctls.clone(),
            (Some(own), Some(other)) => Some(own & other),
        };
        let fcntls = self.fcntls & other.fcntls;
        Limits { rights: self.rights.intersection(&other.rights), ioctls, fcntls }
    }
}

/// A descriptor.
#[derive(Debug, Clone)]
pub struct Descriptor {
    pub object: Rc<Object>,
    pub limits: Limits,
    pub cloexec: bool,
}

/// A table of descriptors.
#[derive(Debug, Clone)]
pub struct Table {
    pub open: BTreeMap<i32, Descriptor>,
    /// No number is as high.
    pub end: i32,
    /// What Pimento does otherwise.
    pub own: Own,
}

/// Where a new descriptor may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the lowest free number.
    Lowest(i32),
    /// At any free one from here on: what is limited is put where the filter lets nothing through that it lacks.
    Free(i32),
}

impl Table {
    pub fn limits(&self, number: i32) -> Result<&Limits, i32> {
        self.open.get(&number).map(|descriptor| &descriptor.limits).ok_or(EBADF)
    }

    /// Whether a new descriptor could get the number.
    pub fn is_free(&self, number: i32) -> bool {
        (0..self.end).contains(&number)
            && !self.open.contains_key(&number)
            && !self.own.parked.contains(&number)
    }

    fn lowest(&self, least: i32) -> i32 {
        (least..self.end).find(|&number| self.is_free(number)).unwrap_or(self.end)
    }

    /// Where a new descriptor with these limits comes.
    pub fn place(&self, limits: &Limits, least: i32) -> Result<Place, i32> {
        match self.lowest(least) {
            lowest if lowest == self.end => Err(libc::EMFILE),
            lowest if limits.is_all() => Ok(Place::Lowest(lowest)),
            _ => Ok(Place::Free(least)),
        }
    }

    /// What a use of the descriptor comes to before the kernel looks at it. What the filter answers for (`native`), it may refuse
    /// by itself.
    pub fn permit(&self, number: i32, needs: &Needs, native: bool) -> Result<(), i32> {
        if native && self.refuses(number, needs) {
            return Err(ENOTCAPABLE);
        }
        if self.limits(number)?.permit(needs) { Ok(()) } else { Err(ENOTCAPABLE) }
    }

    /// One of the calls that limit.
    pub fn limit(
        &mut self,
        number: i32,
        threads: Threads,
        narrow: impl FnOnce(&mut Limits) -> Result<(), i32>,
    ) -> Result<(), i32> {
        let was = self.limits(number)?;
        let mut limits = was.clone();
        narrow(&mut limits)?;
        if limits != *was {
            self.narrow(number, threads, &limits)?;
        }
        if let Some(descriptor) = self.open.get_mut(&number) {
            descriptor.limits = limits;
        }
        Ok(())
    }

    /// dup(2), and F_DUPFD: what the copy has, and where it comes.
    pub fn dup(&self, from: i32, least: i32) -> Result<(Descriptor, Place), i32> {
        let copied = self.open.get(&from).ok_or(EBADF)?;
        if !(0..self.end).contains(&least) {
            return Err(EINVAL);
        }
        let place = self.place(&copied.limits, least)?;
        Ok((copied.clone(), place))
    }

    /// dup2(2), or dup3(2) with these flags. None: nothing happens.
    pub fn dup_to(
        &mut self,
        from: i32,
        to: i32,
        flags: Option<i32>,
        threads: Threads,
    ) -> Result<Option<Descriptor>, i32> {
        match flags {
            Some(_) if from == to => return Err(EINVAL),
            None if from == to => return self.limits(from).map(|_| None),
            _ => {}
        }
        let copied = self.open.get(&from).filter(|_| (0..self.end).contains(&to)).ok_or(EBADF)?.clone();
        self.make_way(&copied.limits, to, threads)?;
        Ok(Some(Descriptor { cloexec: flags.unwrap_or(0) & libc::O_CLOEXEC != 0, ..copied }))
    }

    /// A descriptor comes.
    pub fn put(&mut self, number: i32, descriptor: Descriptor) {
        self.own.parked.remove(&number);
        self.open.insert(number, descriptor);
    }

    /// close(2).
    pub fn close(&mut self, number: i32) -> Result<(), i32> {
        if self.own.parked.contains(&number) {
            return Err(EBADF);
        }
        self.use_up();
        self.open.remove(&number).ok_or(EBADF)?;
        self.park(number);
        Ok(())
    }

    /// close_range(2), in a table that the caller may have to itself by now.
    pub fn close_range(&mut self, first: i32, last: i32, flags: u32) {
        let range = first..=last;
        if flags & libc::CLOSE_RANGE_CLOEXEC != 0 {
            let within = self.open.range_mut(range);
            within.for_each(|(_, descriptor)| descriptor.cloexec = true);
            return;
        }
        self.open.retain(|number, _| !range.contains(number));
        self.own.parked.retain(|number| !range.contains(number));
        self.own.used_up = false;
    }

    /// execve(2).
    pub fn exec(&mut self) {
        self.open.retain(|_, descriptor| !descriptor.cloexec);
    }
}

// --- what Pimento does otherwise ------------------------------------------------------------------------------

/// What docs/freebsd-compat.md says of limits: a filter once installed is never loosened, so a number of which it lets more
/// through than a descriptor has is not used for that, or not without a further filter.
#[derive(Debug, Clone)]
pub struct Own {
    /// What the first filter lets through without asking, by the first number of a range.
    pub passes: Rc<BTreeMap<i32, Rights>>,
    /// What the further filters of a number have left.
    left: BTreeMap<i32, Limits>,
    /// Those that came while another thread could have had something else put in the filter's place: nothing rests on them.
    doubtful: BTreeSet<i32>,
    /// Closed numbers that stay occupied.
    pub parked: BTreeSet<i32>,
    /// Whether low numbers that are free are occupied, since so many further filters are there.
    used_up: bool,
}

/// When further filters are on so many numbers, low numbers are not used any more.
const FILTERS_MOST: usize = 8;

/// How a process has its threads and tables, as far as that keeps it from getting a further filter.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    /// Whether it has only one.
    pub one: bool,
    /// Whether some have, or had, tables of their own.
    pub split: bool,
    /// Whether another process has the table too.
    pub shared: bool,
}

impl Own {
    pub fn new(passes: BTreeMap<i32, Rights>) -> Own {
        Own {
            passes: Rc::new(passes),
            left: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            parked: BTreeSet::new(),
            used_up: false,
        }
    }

    fn passed(&self, number: i32) -> Rights {
        self.passes.range(..=number).next_back().map_or(Rights::ALL, |(_, rights)| *rights)
    }

    fn lets_through(&self, number: i32) -> Limits {
        let passed = Limits::of(self.passed(number));
        let left = self.left.get(&number).filter(|_| !self.doubtful.contains(&number));
        left.map_or_else(|| passed.clone(), |left| passed.intersection(left))
    }

    fn is_saturated(&self) -> bool {
        self.left.len() >= FILTERS_MOST
    }
}

impl Table {
    /// A limit after which the filter would let too much through takes a further filter. That is on one process, whose
    /// threads all have it: where that is not who has the table, EBUSY.
    fn narrow(&mut self, number: i32, threads: Threads, to: &Limits) -> Result<(), i32> {
        if to.contain(&self.own.lets_through(number)) {
            return Ok(());
        }
        if threads.split || threads.shared {
            return Err(EBUSY);
        }
        self.use_up();
        let left = self.own.left.get(&number).map_or_else(|| to.clone(), |left| left.intersection(to));
        self.own.left.insert(number, left);
        if threads.one {
            self.own.doubtful.remove(&number);
        } else {
            self.own.doubtful.insert(number);
        }
        Ok(())
    }

    /// Onto a number with a further filter nothing is copied that has more. A further filter for the copy's sake there is only
    /// where no other thread may be using the number.
    fn make_way(&mut self, limits: &Limits, to: i32, threads: Threads) -> Result<(), i32> {
        let refused = self.own.left.get(&to).is_some_and(|left| !left.contain(limits));
        if refused || !threads.one && !limits.contain(&self.own.lets_through(to)) {
            return Err(EBUSY);
        }
        self.narrow(to, threads, limits)
    }

    /// A further filter of a number is there for good. What close_range(2) or execve(2) closed it says less of than it should:
    /// that it is not open, and then, of another descriptor there, what that has.
    fn refuses(&self, number: i32, needs: &Needs) -> bool {
        self.own.left.get(&number).is_some_and(|left| !left.permit(needs))
    }

    /// A closed number with a further filter stays occupied; when there are as many filters as there may be, each low one
    /// does.
    fn park(&mut self, number: i32) {
        let is_low = self.own.passed(number) == Rights::ALL;
        if self.own.left.contains_key(&number) || self.own.is_saturated() && is_low {
            self.own.parked.insert(number);
        }
    }

    fn use_up(&mut self) {
        if self.own.is_saturated() && !std::mem::replace(&mut self.own.used_up, true) {
            let asked = self.own.passes.last_key_value().map_or(i32::MAX, |(number, _)| *number);
            let free: Vec<i32> = (0..self.end).filter(|&number| self.is_free(number)).collect();
            // All low ones, and the one by which it is seen that there are no more.
            let low = free.iter().take_while(|&&number| number < asked).count();
            self.own.parked.extend(&free[..free.len().min(low + 1)]);
        }
    }
}
