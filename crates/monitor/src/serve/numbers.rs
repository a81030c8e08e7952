//! Copying and closing descriptors, and what copies or shares them all. What carries no limits is the kernel's to do; what does
//! is done here, so that nothing limited is ever behind a number of which more is believed.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::family::Making;
use crate::identity::{self, as_monitor};
use crate::inject::{self, Then};
use crate::listener::Answer;
use crate::sys;
use crate::tables::State;
use crate::unread::{Names, Unread};
use rights::Limits;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

const CLONE_VM: u64 = 0x100;
const CLONE_FILES: u64 = 0x400;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_UNTRACED: u64 = 0x80_0000;
const CLOSE_RANGE_UNSHARE: u64 = 2;
const CLOSE_RANGE_CLOEXEC: u64 = 4;

/// As deep as free numbers are looked for.
const TRIES: usize = 4096;

/// What is put behind a number that is not to be used: nothing can be read from it or written to it.
fn placeholder() -> Result<OwnedFd, Errno> {
    // By an access mode that says so.
    const NEITHER: i32 = 3;
    sys::open_path(c"/dev/null", NEITHER, 0).or_else(|_| sys::epoll())
}

impl Service<'_> {
    /// Gives the caller a descriptor with these limits, at a number of which the filter lets no more through.
    pub(super) fn install(&self, fd: &OwnedFd, limits: &Limits, cloexec: bool) -> Served {
        let Some(mut files) = self.files_for(limits)? else {
            return Ok(Answer::Value(self.caller.install(fd, cloexec)? as i64));
        };
        self.install_from(&mut files, 0, fd, limits, cloexec)
    }

    /// The caller's numbers, with no other thread's call under way that names descriptors in memory, and could name one with
    /// these limits.
    pub(super) fn files_for(&self, limits: &Limits) -> Result<Option<MutexGuard<'_, State>>, Fail> {
        /// How long other threads' calls are waited for.
        const LONG: Duration = Duration::from_secs(1);
        let own = self.caller.tid();
        let (Some(mut files), start) = (self.files_to_change(), Instant::now()) else { return Ok(None) };
        if files.unread(limits, own).is_none() {
            return Ok(Some(files));
        }
        files.hold();
        while let Some(call) = files.unread(limits, own).cloned() {
            drop(files);
            // Not with the lock held, which its thread may wait for by now.
            let ended = as_monitor(|| call.end());
            if let (Ok(true), Some((until, made))) = (&ended, call.until) {
                self.watch.waits_again(call.thread, made, until, false);
            }
            let Some(again) = self.files_to_change() else { return Ok(None) };
            files = again;
            match ended {
                Ok(_) => files.is_over(&call),
                Err(Errno::AGAIN | Errno::SRCH) if start.elapsed() < LONG => {}
                // It has another tracer.
                Err(_) => {
                    files.release();
                    return Err(Errno::BUSY.into());
                }
            }
        }
        files.release();
        Ok(Some(files))
    }

    /// The caller's numbers, where no other thread is about to copy them by a fork: whether the copy has what is done now, is not
    /// left to chance.
    pub(super) fn files_to_change(&self) -> Option<MutexGuard<'_, State>> {
        /// As long as a fork may take.
        const LONG: Duration = Duration::from_secs(1);
        const A_MOMENT: Duration = Duration::from_micros(50);
        let start = Instant::now();
        loop {
            let files = self.caller.files()?;
            if !files.is_being_copied() || start.elapsed() > LONG {
                return Some(files);
            }
            drop(files);
            std::thread::sleep(A_MOMENT);
        }
    }

    /// The caller's numbers, before something limited is copied from one to another: calls of other threads that may be on their way
    /// to what is there are seen to be over, if they do not take long.
    fn files_to_replace(&self, from: i32, to: i32) -> Option<MutexGuard<'_, State>> {
        let mut seen = Vec::new();
        loop {
            let mut files = self.files_to_change()?;
            let is_limited = from != to && files.is_limited(from);
            let Some(call) = files
                .gone_for(to, self.caller.tid())
                .filter(|call| is_limited && !seen.contains(&call.thread))
            else {
                return Some(files);
            };
            drop(files);
            seen.push(call.thread);
            if as_monitor(|| sys::see_out_of_call(call.thread)).is_ok() {
                self.caller.files()?.has_happened(call);
            }
        }
    }

    /// Lets the caller's call go on, which names descriptors in memory, unless there is one that is not for it.
    pub(super) fn goes_unread_among(&self, files: &mut State, names: Names, until: Option<Instant>) -> bool {
        let goes = files.may_go_unread(names);
        if goes {
            let until = until.map(|until| (until, self.caller.made()));
            let (thread, process) = (self.caller.tid(), self.caller.process());
            files.goes_unread(Unread { thread, process, names, until });
        }
        goes
    }

    /// The same, at a number not below `least` if it is limited.
    pub(super) fn install_from(
        &self,
        files: &mut State,
        least: i32,
        fd: &OwnedFd,
        limits: &Limits,
        cloexec: bool,
    ) -> Served {
        if limits.is_all() {
            let number = self.caller.install(fd, cloexec)?;
            // What was behind that number before was closed when another program was started.
            files.clear(number as i32);
            return Ok(Answer::Value(number as i64));
        }
        let number = self.free_number(files, least, limits)?;
        // Never is it there with more.
        files.meet(number, limits);
        if let Err(errno) = self.caller.put(fd, number, cloexec) {
            files.set(number, Limits::ALL);
            // A number beyond what its resource limit allows.
            return Err(if errno == Errno::BADF { Errno::MFILE } else { errno }.into());
        }
        files.set(number, limits.clone());
        Ok(Answer::Value(number.into()))
    }

    /// A number that nothing is behind, and where something with these limits may be.
    fn free_number(&self, files: &mut State, least: i32, limits: &Limits) -> Result<i32, Errno> {
        let tables = self.caller.processes().tables();
        let suited: Vec<i32> = tables.suited(files, least.max(0), limits).take(TRIES).collect();
        let own = self.caller.tid();
        for number in suited {
            if self.is_closed(number) && files.gone_for(number, own).is_none() {
                return Ok(number);
            }
        }
        Err(Errno::MFILE)
    }

    /// Whether nothing is behind a number.
    fn is_closed(&self, number: i32) -> bool {
        !self.caller.is_open(number)
    }

    /// The caller is let make the call itself.
    fn let_go(&self, files: &mut State) -> Served {
        self.goes(files);
        Ok(Answer::GoOn)
    }

    pub(super) fn dup(&self) -> Served {
        self.copy(0, false)
    }

    /// `dup`, and `fcntl` with F_DUPFD: to a number not below `least`.
    pub(super) fn copy(&self, least: i32, cloexec: bool) -> Served {
        let number = self.int(0);
        let Some(mut files) = self.files_to_change() else { return Ok(Answer::GoOn) };
        if files.is_parked(number) {
            return Err(Errno::BADF.into());
        }
        if !files.is_limited(number) {
            return self.let_go(&mut files);
        }
        let fd = self.caller.descriptor(number)?;
        if least < 0 {
            return Err(Errno::INVAL.into());
        }
        let limits = files.limits(number);
        self.install_from(&mut files, least, &fd, &limits, cloexec)
    }

    pub(super) fn dup_to(&self) -> Served {
        let (from, to) = (self.int(0), self.int(1));
        let flags = self.int_if(2);
        let Some(mut files) = self.files_to_replace(from, to) else { return Ok(Answer::GoOn) };
        let known = flags & !libc::O_CLOEXEC == 0;
        if files.is_parked(from) {
            let is_wrong = !known || self.call.name == "dup3" && from == to;
            return Err(if is_wrong { Errno::INVAL } else { Errno::BADF }.into());
        }
        if from == to || !known || to < 0 || self.caller.descriptor(from).is_err() {
            // It changes nothing, and the kernel knows which error it is.
            return self.let_go(&mut files);
        }
        let limits = files.limits(from);
        // A filter says what this number may be used for, whatever is behind it: that would be less than was meant.
        if files.refuses(to, &limits) {
            return Err(Errno::BUSY.into());
        }
        if limits.is_all() && !files.is_limited(to) && !files.is_parked(to) {
            return self.let_go(&mut files);
        }
        // dup2(2) knows this error, of a race between threads.
        if !limits.is_all() && files.gone_for(to, self.caller.tid()).is_some() {
            return Err(Errno::BUSY.into());
        }
        let tables = self.caller.processes().tables();
        if !limits.contains(&tables.lets_through(&files, to)) {
            // Calls of other threads that the filter has let through already may still be on their way, with more than is left.
            if !files.is_only_of(self.caller.process()) || !self.has_own_memory() {
                return Err(Errno::BUSY.into());
            }
            // What is there now may still be used until the call is made again.
            self.narrow(&mut files, to, &limits, Then::IsRepeated)?;
            return Ok(Answer::Given);
        }
        let fd = self.caller.descriptor(from)?;
        let was = files.limits(to);
        files.meet(to, &limits);
        if let Err(errno) = self.caller.put(&fd, to, flags & libc::O_CLOEXEC != 0) {
            files.set(to, was);
            return Err(errno.into());
        }
        files.set(to, limits);
        Ok(Answer::Value(to.into()))
    }

    pub(super) fn close(&self) -> Served {
        let number = self.int(0);
        let Some(mut files) = self.files_to_change() else { return Ok(Answer::GoOn) };
        self.use_up_low_numbers(&mut files);
        if files.is_parked(number) {
            return Err(Errno::BADF.into());
        }
        let tables = self.caller.processes().tables();
        let stays = files.is_narrowed(number) || files.is_saturated() && tables.is_native(number);
        if !stays && !files.is_limited(number) {
            return self.let_go(&mut files);
        }
        // EBADF, if so.
        self.caller.descriptor(number)?;
        self.replace(&mut files, number)?;
        if stays {
            files.park(number);
            return Ok(Answer::Value(0));
        }
        // Now there is nothing behind it that was ever limited, and the caller closes that.
        files.clear(number);
        self.let_go(&mut files)
    }

    /// Closes what is behind a number, which stays taken.
    fn replace(&self, _files: &mut State, number: i32) -> Result<(), Fail> {
        Ok(self.caller.put(&placeholder()?, number, false)?)
    }

    /// If so many filters are stacked that low numbers, which would need more of them, are not to be used again: sees to that.
    pub(super) fn use_up_low_numbers(&self, files: &mut State) {
        if !files.is_saturated() || std::mem::replace(&mut files.used_up, true) {
            return;
        }
        let tables = self.caller.processes().tables();
        let Ok(placeholder) = placeholder() else { return };
        // At the lowest free number each: one that is found to be free may be another thread's by the time it is used.
        while let Ok(number) = self.caller.install(&placeholder, false) {
            let Ok(number) = i32::try_from(number) else { return };
            files.park(number);
            if number >= tables.first_asked() {
                return;
            }
        }
    }

    pub(super) fn close_range(&self) -> Served {
        let (first, last) = (self.arg(0) as u32, self.arg(1) as u32);
        let flags = self.arg(2) & 0xffff_ffff;
        if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || first > last {
            return Err(Errno::INVAL.into());
        }
        let range = i32::try_from(first).unwrap_or(i32::MAX)..=i32::try_from(last).unwrap_or(i32::MAX);
        let closed = (flags & CLOSE_RANGE_CLOEXEC == 0).then(|| range.clone());
        if flags & CLOSE_RANGE_UNSHARE != 0
            && let Some(answer) = self.leave_table(closed.clone())?
        {
            return Ok(answer);
        }
        let Some(mut files) = self.files_to_change().filter(|_| closed.is_some()) else {
            return Ok(Answer::GoOn);
        };
        let limited: Vec<i32> =
            files.limited().map(|(number, _)| number).filter(|number| range.contains(number)).collect();
        for number in limited {
            if self.caller.descriptor(number).is_ok() {
                self.replace(&mut files, number)?;
            }
            files.clear(number);
        }
        // Numbers that are kept from being used are free then, and what is put there can be used for less than it might.
        files.unpark(range);
        files.used_up = false;
        Ok(Answer::GoOn)
    }

    /// A new process, or a thread with something of its own.
    pub(super) fn fork(&self) -> Served {
        let flags = if self.call.name == "clone" { self.arg(0) } else { 0 };
        if self.caller.is_hosted() {
            self.split_directories()?;
        }
        if self.caller.standing().is_none() {
            return Ok(Answer::GoOn);
        }
        let making = Making {
            shares_files: flags & CLONE_FILES != 0,
            shares_memory: self.call.name == "vfork" || flags & CLONE_VM != 0,
            is_thread: flags & CLONE_THREAD != 0,
        };
        if making.is_thread && making.shares_files {
            return Ok(Answer::GoOn);
        }
        let is_odd = making.shares_files
            || making.is_thread
            || flags & (CLONE_VM | CLONE_VFORK) == CLONE_VM
            || flags & CLONE_UNTRACED != 0;
        // One process, one table and one memory under `pimento run`; and nobody makes a process that cannot be watched.
        if is_odd && self.caller.is_hosted()
            || flags & CLONE_UNTRACED != 0
            || making.is_thread && !identity::has_proc()
        {
            return Err(Errno::INVAL.into());
        }
        let tables = self.caller.processes().tables();
        let birth = tables.makes(&self.caller.who(), making);
        let seen = as_monitor(|| inject::see_made(self.caller, |made| tables.is_born(birth, made)));
        // Under a debugger nobody else can watch it: fork(2) knows this error.
        seen.map_err(|_| Errno::AGAIN)?;
        Ok(Answer::Given)
    }

    pub(super) fn unshare(&self) -> Served {
        if self.caller.is_hosted() {
            self.split_directories()?;
        }
        if self.caller.standing().is_some() && self.arg(0) & CLONE_FILES != 0 {
            return Ok(self.leave_table(None)?.unwrap_or(Answer::GoOn));
        }
        Ok(Answer::GoOn)
    }

    /// The call is let go on, by which the caller gets its table of descriptors to itself, and closes these numbers there. None:
    /// it has it already.
    fn leave_table(&self, closes: Option<RangeInclusive<i32>>) -> Result<Option<Answer>, Fail> {
        let Some(standing) = self.caller.standing() else { return Ok(None) };
        let who = self.caller.who();
        let is_only_thread = sys::threads(who.process)?.len() == 1;
        if is_only_thread && standing.files.lock().is_only_of(who.process) {
            return Ok(None);
        }
        if self.caller.is_hosted() {
            return Err(Errno::INVAL.into());
        }
        let tables = self.caller.processes().tables();
        let copy = tables.leaves(&who);
        let tell = |has| {
            tables.has_left(&who, &standing.files, copy.clone(), has);
            if let Some(range) = closes {
                copy.lock().closes(range);
            }
        };
        // Under a debugger nobody else can watch it.
        as_monitor(|| inject::see_end(self.caller, tell)).map_err(|_| Errno::NOMEM)?;
        Ok(Some(Answer::Given))
    }

    /// Its own copy of the connection that comes, with the rights of the socket that it comes to.
    pub(super) fn accept(&self) -> Served {
        let needs = self.call.needs(0, self.caller.args());
        {
            let Some(mut files) = self.caller.files() else { return Ok(Answer::GoOn) };
            self.check_descriptors(&files)?;
            if !files.is_limited(self.int(0)) {
                return self.let_go(&mut files);
            }
        }
        let (socket, limits) = self.limited(self.int(0), needs)?;
        let flags = self.int_if(3);
        if flags & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) != 0 {
            return Err(Errno::INVAL.into());
        }
        let blocking = self.watch.enter(self.caller);
        if sys::poll(socket.as_fd(), libc::POLLIN, 0) == Ok(0) {
            blocking.for_long();
        }
        let accepted = sys::accept(socket.as_fd(), flags | libc::SOCK_CLOEXEC);
        let interrupted = blocking.leave();
        let (connection, address) = match accepted {
            Err(Errno::INTR) if interrupted => return Err(Errno::RESTARTSYS.into()),
            accepted => accepted?,
        };
        if self.arg(1) != 0 {
            self.write_address(self.arg(1), self.arg(2), &address)?;
        }
        self.install(&connection, &limits, flags & libc::SOCK_CLOEXEC != 0)
    }

    /// An address to where the caller wants it, and its length.
    pub(super) fn write_address(&self, to: u64, len_at: u64, address: &[u8]) -> Result<(), Fail> {
        let mut room = [0; 4];
        self.caller.read(len_at, &mut room)?;
        let room = usize::try_from(i32::from_ne_bytes(room)).map_err(|_| Errno::INVAL)?;
        self.caller.write(to, &address[..address.len().min(room)])?;
        self.caller.write(len_at, &(address.len() as u32).to_ne_bytes())
    }

    /// Reads and writes on descriptors that are named in memory, at some time.
    pub(super) fn submit_io(&self) -> Served {
        let Some(mut files) = self.caller.files() else { return Ok(Answer::GoOn) };
        if self.goes_unread_among(&mut files, Names::Unlimited, None) {
            return Ok(Answer::GoOn);
        }
        // As if the kernel could not: libraries read and write without. (It is about to be limited: AGAIN.)
        let is_limited = files.has_limited();
        Err(if is_limited { Errno::NOSYS } else { Errno::AGAIN }.into())
    }
}
