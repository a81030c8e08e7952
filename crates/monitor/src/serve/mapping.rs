//! Mappings: what a descriptor does not allow, is not to be had by raising the protection of what it was mapped for.
//! The kernel knows only how the file was opened.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::{self, as_monitor};
use crate::listener::Answer;
use crate::sys;
use crate::tables::Mappings;
use rights::Right;
use std::os::fd::AsFd;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
const PROT_ALL: i32 = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
/// How long another thread's call is waited for.
const LONG: Duration = Duration::from_secs(1);

impl Service<'_> {
    fn mappings(&self) -> Option<MutexGuard<'_, Mappings>> {
        let standing = self.caller.standing()?;
        Some(standing.mappings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `mmap` of a shared file, of one that is not to be read at first, or of one that the filter does not vouch for.
    pub(super) fn map(&self) -> Served {
        let Some(mut files) = self.caller.files() else { return Ok(Answer::GoOn) };
        self.check_descriptors(&files)?;
        let (flags, number) = (self.arg(3), self.int(4));
        let limits = files.limits(number);
        self.goes(&mut files);
        if flags & MAP_ANONYMOUS != 0 || limits.is_all() {
            return Ok(Answer::GoOn);
        }
        // A private mapping that is written to changes nothing but itself.
        let written = if flags & MAP_SHARED != 0 { libc::PROT_WRITE } else { 0 };
        let bars =
            [(Right::MMAP_R, libc::PROT_READ), (Right::MMAP_W, written), (Right::MMAP_X, libc::PROT_EXEC)]
                .into_iter()
                .filter(|(right, _)| !limits.rights().is_set(*right))
                .fold(0, |bars, (_, protection)| bars | protection);
        if bars == 0 {
            return Ok(Answer::GoOn);
        }
        let fd = self.caller.descriptor(number)?;
        let inode = sys::stat(fd.as_fd())?.st_ino;
        drop(files);
        let mut mappings = self.alone()?;
        mappings.bar(inode, bars);
        Ok(Answer::GoOn)
    }

    /// `mprotect` and `pkey_mprotect`.
    pub(super) fn protect(&self) -> Served {
        let wanted = self.int(2);
        self.unless_barred(|shared, barred| {
            let counts = match (shared, wanted & libc::PROT_WRITE != 0) {
                (true, _) => wanted,
                // What can be written can be read, and is the process's own.
                (false, true) => wanted & !libc::PROT_WRITE | libc::PROT_READ,
                (false, false) => wanted,
            };
            barred & counts & if shared { PROT_ALL } else { PROT_ALL & !libc::PROT_WRITE } != 0
        })
    }

    /// `madvise` with MADV_REMOVE: it writes zeroes.
    pub(super) fn punch(&self) -> Served {
        self.unless_barred(|shared, barred| shared && barred & libc::PROT_WRITE != 0)
    }

    /// `mremap`: a mapping moves.
    pub(super) fn remap(&self) -> Served {
        self.unless_barred(|_, _| false)
    }

    /// Refused if the addresses of the call (the first argument, the second its length) hold a mapping of which that is not to
    /// be had.
    fn unless_barred(&self, refused: impl Fn(bool, i32) -> bool) -> Served {
        let Some(mut mappings) = self.mappings() else { return Ok(Answer::GoOn) };
        if mappings.barred().is_empty() {
            // A mapping that is to be barred from now on waits until this is over.
            mappings.goes(self.caller.tid());
            return Ok(Answer::GoOn);
        }
        drop(mappings);
        let mappings = self.alone()?;
        let (start, length) = (self.arg(0), self.arg(1));
        let (start, end) = (start & !0xfff, start.saturating_add(length).saturating_add(0xfff));
        let maps = as_monitor(|| std::fs::read(format!("/proc/{}/maps", self.caller.process())));
        let maps = maps.map_err(|_| Errno::ACCES)?;
        self.caller.still_there()?;
        for line in maps.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let mapped = Mapped::of(line).ok_or(Errno::ACCES)?;
            let refused = |&(inode, barred)| mapped.inode == inode && refused(mapped.shared, barred);
            if mapped.start < end && mapped.end > start && mappings.barred().iter().any(refused) {
                // mprotect(2), of what the descriptor was not open for.
                return Err(Errno::ACCES.into());
            }
        }
        Ok(Answer::GoOn)
    }

    /// With no other thread's call under way that changes what is mapped where, and the caller's to be let go on.
    fn alone(&self) -> Result<MutexGuard<'_, Mappings>, Fail> {
        let own = self.caller.tid();
        let start = Instant::now();
        while start.elapsed() < LONG {
            let mut mappings = self.mappings().ok_or(Errno::NOSYS)?;
            let Some(&(thread, serial)) = mappings.going.iter().find(|(thread, _)| *thread != own) else {
                mappings.goes(own);
                return Ok(mappings);
            };
            drop(mappings);
            // Not with the lock held, which it may wait for.
            if identity::is_running(thread) && as_monitor(|| sys::see_out_of_call(thread)).is_err() {
                continue;
            }
            let mut mappings = self.mappings().ok_or(Errno::NOSYS)?;
            mappings.going.retain(|&going| going != (thread, serial));
        }
        // The kernel says so where memory is locked.
        Err(Errno::AGAIN.into())
    }
}

/// A line of /proc/PID/maps.
struct Mapped {
    start: u64,
    end: u64,
    shared: bool,
    inode: u64,
}

impl Mapped {
    /// `start-end access offset major:minor inode path`
    fn of(line: &[u8]) -> Option<Mapped> {
        let line = line.split(|&byte| byte == b'/').next()?;
        let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let shared = words.next()?.ends_with('s');
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some(Mapped { start: hex(start)?, end: hex(end)?, shared, inode: words.nth(2)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_read() {
        let shared = Mapped::of(b"7f00-8000 r--s 00000000 08:01 42                         /a b").unwrap();
        assert_eq!((shared.start, shared.end, shared.shared, shared.inode), (0x7f00, 0x8000, true, 42));
        assert!(!Mapped::of(b"7f00-7f10 rw-p 00000000 00:00 0 ").unwrap().shared);
        assert!(Mapped::of(b"what is this").is_none());
    }
}
