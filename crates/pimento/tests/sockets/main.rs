//! bindat, connectat and SHM_ANON: by the library and by number, in capability mode, in ordinary mode with limits, and without a
//! monitor.
//!
//! - `stage`: where the tests play, as those of `entered` do
//! - `binding`: what a socket is called, and where that may lie
//! - `connecting`: whom a socket reaches, and who the other side is told that it is
//! - `waiting`: connections for which there is no room yet
//! - `lacking`: rights that are missing, and other errors
//! - `racing`: names that somebody outside exchanges meanwhile
//! - `memory`: shared memory without a name
#![cfg(target_os = "linux")]

mod binding;
mod connecting;
mod lacking;
mod memory;
mod racing;
#[allow(dead_code, reason = "other tests need the rest of it")]
#[path = "../entered/stage.rs"]
mod stage;
mod waiting;

use pimento::{Limits, Right, Rights};
use stage::*;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

const STREAM: i32 = libc::SOCK_STREAM;
const DATAGRAM: i32 = libc::SOCK_DGRAM;
const SEQUENCED: i32 = libc::SOCK_SEQPACKET;
const KINDS: [i32; 3] = [STREAM, DATAGRAM, SEQUENCED];

const BINDAT: i64 = 0x4341_500e;
const CONNECTAT: i64 = 0x4341_500f;

/// Who binds and connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A process without a monitor.
    Alone,
    /// One in ordinary mode, of which the directory is limited.
    Ordinary,
    /// One in ordinary mode, of which something else is.
    Unlimited,
    /// One in capability mode.
    Entered,
}

const MODES: [Mode; 4] = [Mode::Alone, Mode::Ordinary, Mode::Unlimited, Mode::Entered];
/// The directory is looked up in strictly beneath.
const STRICT: [Mode; 2] = [Mode::Ordinary, Mode::Entered];

/// What a directory is limited to.
const BENEATH: Rights =
    Rights::of(&[Right::LOOKUP, Right::BINDAT, Right::CONNECTAT, Right::FSTATAT, Right::READ]);

impl Mode {
    fn begin(self, dir: RawFd) {
        let dir = borrow(dir);
        match self {
            Mode::Alone => {}
            Mode::Ordinary => pimento::limit(dir, BENEATH).unwrap(),
            Mode::Unlimited => pimento::limit(directory("/"), BENEATH).unwrap(),
            Mode::Entered => Limits::new().fd(&dir, BENEATH).enter().unwrap(),
        }
    }
}

fn borrow<'fd>(number: RawFd) -> BorrowedFd<'fd> {
    // SAFETY: the tests keep it open, or the kernel says that it is not.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// A play in each of these modes, with a directory that holds `sub`, `file` and links.
fn play_each_mode(modes: &[Mode], act: impl Fn(Mode, RawFd)) {
    for &mode in modes {
        play_in(User::Own, furnish, |dir| act(mode, dir));
    }
}

fn furnish(scratch: &Scratch) {
    scratch.dir("sub");
    scratch.file("file", "text", 0o644);
    for (name, text) in [
        ("out", ".."),
        ("in", "sub"),
        ("away", "/tmp"),
        ("dangling", "sub/made"),
        ("round", "sub/.."),
        ("beyond", "../made"),
    ] {
        std::os::unix::fs::symlink(text, scratch.at(name)).unwrap();
    }
}

fn socket(kind: i32) -> OwnedFd {
    own(call!(SYS_socket, libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0).unwrap())
}

fn errno_of(result: io::Result<()>) -> Result<(), i32> {
    result.map_err(|error| error.raw_os_error().unwrap())
}

fn bind(dir: RawFd, socket: &OwnedFd, path: &str) -> Result<(), i32> {
    errno_of(pimento::bind_at(borrow(dir), socket, path))
}

fn connect(dir: RawFd, socket: &OwnedFd, path: &str) -> Result<(), i32> {
    errno_of(pimento::connect_at(borrow(dir), socket, path))
}

/// A socket that others can connect to, by its name.
fn server(dir: RawFd, kind: i32, path: &str) -> OwnedFd {
    let server = socket(kind);
    bind(dir, &server, path).unwrap();
    if kind != DATAGRAM {
        call!(SYS_listen, server.as_raw_fd(), 8).unwrap();
    }
    server
}

fn accept(server: &OwnedFd) -> OwnedFd {
    own(call!(SYS_accept4, server.as_raw_fd(), 0, 0, libc::SOCK_CLOEXEC).unwrap())
}

/// `struct sockaddr_un`, with as much of a path as is given.
fn address(path: &[u8]) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes(), path].concat()
}

fn by_number(number: i64, dir: RawFd, socket: RawFd, address: &[u8]) -> Result<i64, i32> {
    numbered!(number, dir, socket, address.as_ptr(), address.len())
}

/// The path that a socket, or its peer, is bound to.
fn name_by(number: i64, socket: impl AsFd) -> String {
    let (mut name, mut len) = ([0u8; 128], [128u32]);
    numbered!(number, socket.as_fd().as_raw_fd(), name.as_mut_ptr(), len.as_mut_ptr()).unwrap();
    let path = &name[2..(len[0] as usize).max(2)];
    String::from_utf8(path.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()).unwrap()
}

fn name_of(socket: impl AsFd) -> String {
    name_by(libc::SYS_getsockname, socket)
}

fn peer_of(socket: impl AsFd) -> String {
    name_by(libc::SYS_getpeername, socket)
}

/// Passes a word from one socket to another, and tells where it came from, if that is told with it.
fn passes(from: &OwnedFd, to: &OwnedFd) -> String {
    assert_eq!(call!(SYS_write, from.as_raw_fd(), c"word".as_ptr(), 4), Ok(4));
    let (mut word, mut name, mut len) = ([0u8; 8], [0u8; 128], [128u32]);
    let (to, into, name_at) = (to.as_raw_fd(), word.as_mut_ptr(), name.as_mut_ptr());
    assert_eq!(call!(SYS_recvfrom, to, into, 8, 0, name_at, len.as_mut_ptr()), Ok(4));
    assert_eq!(&word[..4], b"word");
    let end = name.iter().skip(2).position(|&byte| byte == 0).unwrap();
    String::from_utf8(name[2..2 + end].to_vec()).unwrap()
}
