//! Limits on descriptors: that they hold, in and out of capability mode, go where the descriptor goes, and end where it ends.
//!
//! - `stage`: where the tests play, as those of `entered` do
//! - `unlimited`: a process without a monitor, and limits that are none
//! - `making`: making limits, and what that changes in the process
//! - `operations`: each operation by the rights that it takes
//! - `commands`: ioctl and fcntl commands, and mappings
//! - `copies`: where limits go: copies, children, threads, programs
//! - `numbers`: a number that is closed and used again
//! - `derived`: what is opened beneath a limited directory, and what connects to a limited socket
#![cfg(target_os = "linux")]

mod commands;
mod copies;
mod derived;
mod making;
mod numbers;
mod operations;
#[allow(dead_code, reason = "other tests need the rest of it")]
#[path = "../entered/stage.rs"]
mod stage;
mod unlimited;

use pimento::{Limits, Right, Rights};
use stage::*;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

const NONE: Rights = Rights::NONE;
const READ: Rights = Rights::of(&[Right::READ]);
const WRITE: Rights = Rights::of(&[Right::WRITE]);

/// How a process comes to have a limited descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By its first limit, in ordinary mode.
    Ordinary,
    /// By a limit in ordinary mode, after which it enters.
    Before,
    /// Together with entering.
    AtOnce,
    /// In capability mode.
    After,
}

const WAYS: [Way; 4] = [Way::Ordinary, Way::Before, Way::AtOnce, Way::After];

impl Way {
    /// Limits some descriptors, and enters, unless in the ordinary way.
    fn limit_all(self, limits: &[(&OwnedFd, Rights)]) {
        let each = || limits.iter().for_each(|(fd, rights)| pimento::limit(fd, *rights).unwrap());
        match self {
            Way::Ordinary => each(),
            Way::Before => {
                each();
                enter();
            }
            Way::AtOnce => {
                let all = limits.iter().fold(Limits::new(), |all, (fd, rights)| all.fd(*fd, *rights));
                all.enter().unwrap();
            }
            Way::After => {
                enter();
                each();
            }
        }
        assert_eq!(pimento::sandboxed(), self != Way::Ordinary);
    }

    fn limit(self, fd: &OwnedFd, rights: Rights) {
        self.limit_all(&[(fd, rights)]);
    }
}

/// A play for each way, with a directory that holds `file`, and `dir/file`.
fn play_each_way(act: impl Fn(Way, RawFd)) {
    for way in WAYS {
        play_in(User::Own, furnish, |dir| act(way, dir));
    }
}

const TEXT: &str = "what is in it";

fn furnish(scratch: &Scratch) {
    scratch.file("file", TEXT, 0o644);
    scratch.dir("dir");
    scratch.file("dir/file", TEXT, 0o644);
}

/// `file`, for reading and writing.
fn file(dir: RawFd) -> OwnedFd {
    open_at(dir, "file", libc::O_RDWR | libc::O_CLOEXEC).unwrap()
}

fn directory_in(dir: RawFd) -> OwnedFd {
    open_at(dir, "dir", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC).unwrap()
}

/// The descriptor of this number, for as long as it is open.
fn borrow<'fd>(number: RawFd) -> BorrowedFd<'fd> {
    // SAFETY: the tests ask about it at once; that nothing is behind it is an answer as well.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// What is left of a descriptor.
fn rights_of(fd: impl AsFd) -> Rights {
    pimento::rights(fd).unwrap()
}

fn read(fd: &impl AsRawFd) -> Result<i64, i32> {
    let mut bytes = [0u8; 4];
    call!(SYS_read, fd.as_raw_fd(), bytes.as_mut_ptr(), bytes.len())
}

fn write(fd: &impl AsRawFd) -> Result<i64, i32> {
    call!(SYS_write, fd.as_raw_fd(), b"text".as_ptr(), 4)
}

fn seek(fd: &impl AsRawFd, to: i64) -> Result<i64, i32> {
    call!(SYS_lseek, fd.as_raw_fd(), to, libc::SEEK_SET)
}

/// In a child, which does one thing. It is not waited for by its number, which capability mode has no use for.
fn alone(act: impl FnOnce()) {
    let done = Cue::new();
    child(|| {
        act();
        done.give();
    });
    done.take();
}

/// How many filters this process has, as its entry in procfs tells, of which `proc` is the directory.
fn filters(proc: RawFd) -> u32 {
    let status = read_at(proc, "self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
    line.expect("Linux 5.9").trim().parse().unwrap()
}
