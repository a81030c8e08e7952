//! Limited descriptors on their way in messages. The kernel hands on a descriptor without its limits, to whoever receives it. So
//! what is sent is a *stand-in*, the write end of a pipe that nobody reads from, and the descriptor waits here with its limits.
//! Whoever receives a stand-in by way of this monitor gets the descriptor in its place; who receives it otherwise (under
//! another monitor, or none) has an end of a pipe, which is of no use.
//!
//! A stand-in is as good as the descriptor, once there is a way to have it: one that was received natively and is sent on, is
//! still exchanged when it comes by way of this monitor. That gives nobody more than was sent to him.
//!
//! When the last copy of a stand-in is gone (the message was received, or dropped with its socket), the pipe hangs up, and
//! the descriptor is closed. A socket that waits in a message in its own queue would never go: of such there can be as many
//! as may be in flight. (The kernel looks for cycles of that kind among the sockets that it sees.)

use crate::errno::Errno;
use crate::identity::as_monitor;
use crate::sys;
use rights::Limits;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// As little as a pipe holds.
const PAGE: u64 = 4096;
const STACK: usize = 64 << 10;

/// The descriptors in flight.
#[derive(Debug)]
pub struct Flights {
    /// Nothing, until one is sent.
    waiting: OnceLock<Arc<Waiting>>,
    /// How many there may be.
    most: usize,
    /// Whether a thread waits for stand-ins to go.
    attended: AtomicBool,
}

/// The descriptors that wait for their stand-ins to arrive.
#[derive(Debug)]
struct Waiting {
    /// Tells whose stand-ins are gone.
    gone: OwnedFd,
    by_inode: Mutex<HashMap<u64, Flight>>,
}

#[derive(Debug)]
struct Flight {
    fd: Arc<OwnedFd>,
    limits: Limits,
    stand_in: Pipe,
    /// The end by which it is seen that the other is gone.
    _end: OwnedFd,
}

/// What tells a pipe from others. Inodes' numbers come again after 2^32 of them, but not at the same time, and the time of
/// change cannot be set. (Before Linux 6.15 it changes when somebody writes to the pipe, which then stands for nothing.)
#[derive(Debug, PartialEq, Eq)]
struct Pipe {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Pipe {
    fn of(fd: &OwnedFd) -> Result<Pipe, Errno> {
        let stat = sys::stat(fd.as_fd())?;
        #[allow(clippy::unnecessary_cast, reason = "its type is not the same with every C library")]
        let changed = (stat.st_ctime as i64, stat.st_ctime_nsec as i64);
        Ok(Pipe { device: stat.st_dev, inode: stat.st_ino, changed })
    }
}

impl Flights {
    /// None yet. The monitor may have `descriptors` open, of which each takes two; a message can bring 253.
    pub fn new(descriptors: u64) -> Flights {
        Flights {
            waiting: OnceLock::new(),
            most: usize::try_from(descriptors / 4).unwrap_or(usize::MAX),
            attended: AtomicBool::new(false),
        }
    }

    fn waiting(&self) -> Result<&Arc<Waiting>, Errno> {
        if let Some(waiting) = self.waiting.get() {
            return Ok(waiting);
        }
        let waiting = Waiting { gone: sys::epoll()?, by_inode: Mutex::default() };
        Ok(self.waiting.get_or_init(|| Arc::new(waiting)))
    }

    /// A descriptor with limits is to be sent: its stand-in.
    pub fn departs(&self, fd: OwnedFd, limits: Limits) -> Result<OwnedFd, Errno> {
        let waiting = self.waiting()?;
        waiting.sweep(0);
        let (end, stand_in) = sys::pipe()?;
        // A pipe of the usual size does as well.
        let _ = sys::fcntl(stand_in.as_fd(), libc::F_SETPIPE_SZ, PAGE);
        let pipe = Pipe::of(&stand_in)?;
        let inode = pipe.inode;
        let mut by_inode = waiting.lock();
        // The kernel says so of too many descriptors in messages.
        if by_inode.len() >= self.most || by_inode.contains_key(&inode) {
            return Err(Errno(libc::ETOOMANYREFS));
        }
        sys::epoll_add(waiting.gone.as_fd(), end.as_fd(), inode)?;
        by_inode.insert(inode, Flight { fd: Arc::new(fd), limits, stand_in: pipe, _end: end });
        drop(by_inode);
        self.attend(waiting);
        Ok(stand_in)
    }

    /// What a descriptor that has arrived stands for, if it is a stand-in.
    pub fn arrives(&self, fd: &OwnedFd) -> Option<(Arc<OwnedFd>, Limits)> {
        let waiting = self.waiting.get()?;
        let pipe = Pipe::of(fd).ok()?;
        let by_inode = waiting.lock();
        let flight = by_inode.get(&pipe.inode).filter(|flight| flight.stand_in == pipe)?;
        Some((flight.fd.clone(), flight.limits.clone()))
    }

    /// Closes what has no stand-in any more.
    pub fn sweep(&self) {
        if let Some(waiting) = self.waiting.get() {
            waiting.sweep(0);
        }
    }

    /// Has a thread do that, which waits for it.
    fn attend(&self, waiting: &Arc<Waiting>) {
        if self.attended.swap(true, Ordering::SeqCst) {
            return;
        }
        let waiting = waiting.clone();
        let spawned = as_monitor(|| {
            let thread = std::thread::Builder::new().name("flights".into()).stack_size(STACK);
            thread.spawn(move || {
                loop {
                    waiting.sweep(-1);
                }
            })
        });
        // Without, it is done whenever something is sent or received.
        self.attended.store(spawned.is_ok(), Ordering::SeqCst);
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Flight>> {
        self.by_inode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so many milliseconds (-1: as long as it takes) for stand-ins to be gone.
    fn sweep(&self, timeout: i32) {
        let Ok(gone) = sys::epoll_wait(self.gone.as_fd(), timeout) else { return };
        let mut by_inode = self.lock();
        let landed: Vec<Flight> = gone.into_iter().filter_map(|inode| by_inode.remove(&inode)).collect();
        drop(by_inode);
        // Closing may take its time.
        drop(landed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rights::{Right, Rights};
    use std::time::Duration;

    fn limits() -> Limits {
        Limits::of(Rights::of(&[Right::READ]))
    }

    fn flights() -> Flights {
        Flights::new(32)
    }

    fn number(flights: &Flights) -> usize {
        flights.waiting().unwrap().lock().len()
    }

    #[test]
    fn a_stand_in_stands_for_its_descriptor_wherever_it_is_copied_to() {
        let flights = flights();
        let (read, _write) = sys::pipe().unwrap();
        let inode = Pipe::of(&read).unwrap();
        let stand_in = flights.departs(read, limits()).unwrap();
        let copy = stand_in.try_clone().unwrap();
        drop(stand_in);
        let (fd, has) = flights.arrives(&copy).unwrap();
        assert_eq!((Pipe::of(&fd).unwrap(), has), (inode, limits()));
        assert!(flights.arrives(&fd).is_none(), "it is none itself");
        assert!(flights.arrives(&sys::epoll().unwrap()).is_none());
    }

    #[test]
    fn with_its_stand_in_a_descriptor_goes() {
        let flights = flights();
        let (read, write) = sys::pipe().unwrap();
        let stand_in = flights.departs(write, limits()).unwrap();
        flights.sweep();
        assert_eq!(number(&flights), 1);
        drop(stand_in);
        // By the thread that waits for that: nobody else looks.
        assert_eq!(sys::poll(read.as_fd(), libc::POLLIN, 5000), Ok(1), "a hangup");
        while number(&flights) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn there_may_be_so_many() {
        let flights = flights();
        let some = || sys::epoll().unwrap();
        let mut all: Vec<OwnedFd> = (0..8).map(|_| flights.departs(some(), limits()).unwrap()).collect();
        assert_eq!(flights.departs(some(), limits()).unwrap_err(), Errno(libc::ETOOMANYREFS));
        all.pop();
        assert!(flights.departs(some(), limits()).is_ok());
    }
}
