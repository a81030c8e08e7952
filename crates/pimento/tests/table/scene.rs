//! What recipes make before they enter. Descriptors stay open until the child ends.

use crate::raw::{self, at, of, word};
use crate::stage::Stage;
use std::ffi::c_long;

/// Makes a call that must work, before entering.
pub fn before(number: c_long, args: &[u64]) -> i64 {
    let value = raw::syscall(number as u32, std::array::from_fn(|at| args.get(at).copied().unwrap_or(0)));
    assert!(value >= 0, "call {number} with {args:x?} before entering: errno {}", -value);
    value
}

/// Makes a call before entering that not every kernel has: its value, or the number of no descriptor.
pub fn perhaps(number: c_long, args: &[u64]) -> i32 {
    match raw::syscall(number as u32, std::array::from_fn(|at| args.get(at).copied().unwrap_or(0))) {
        value @ 0.. => value as i32,
        _ => 99,
    }
}

fn open(path: u64, flags: i32) -> i32 {
    before(libc::SYS_openat, &[word(libc::AT_FDCWD), path, word(flags | libc::O_CLOEXEC), 0o644]) as i32
}

/// The recipe's directory.
pub fn dir() -> i32 {
    open(word(c"."), libc::O_RDONLY | libc::O_DIRECTORY)
}
/// Another directory, which is not beneath it.
pub fn outside() -> i32 {
    open(word(c"../outside"), libc::O_RDONLY | libc::O_DIRECTORY)
}
/// A file of 16 bytes.
pub fn file() -> i32 {
    open(word(c"file"), libc::O_RDWR)
}
/// Another, of five.
pub fn other() -> i32 {
    open(word(c"other"), libc::O_RDWR)
}
/// Anything there is.
pub fn opened(path: &std::ffi::CStr, flags: i32) -> i32 {
    open(word(path), flags)
}
/// A pipe: its ends for reading and for writing.
pub fn pipe() -> [i32; 2] {
    let mut ends = [0; 2];
    before(libc::SYS_pipe2, &[at(&mut ends), libc::O_CLOEXEC as u64]);
    ends
}
/// A pipe with something in it.
pub fn full_pipe(text: &[u8]) -> [i32; 2] {
    let ends = pipe();
    before(libc::SYS_write, &[word(ends[1]), of(text), text.len() as u64]);
    ends
}
/// Two connected Unix sockets.
pub fn pair(kind: i32) -> [i32; 2] {
    let mut ends = [0; 2];
    before(libc::SYS_socketpair, &[word(libc::AF_UNIX), word(kind | libc::SOCK_CLOEXEC), 0, at(&mut ends)]);
    ends
}
/// A socket.
pub fn socket(family: i32, kind: i32) -> i32 {
    before(libc::SYS_socket, &[word(family), word(kind | libc::SOCK_CLOEXEC), 0]) as i32
}
/// The loopback address, with a port.
pub fn loopback(port: u16) -> libc::sockaddr_in {
    let mut address: libc::sockaddr_in = raw::zeroed();
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
    address
}
/// Binds to a free port of the loopback address, and tells which.
pub fn bound(socket: i32) -> u16 {
    let mut address = loopback(0);
    before(libc::SYS_bind, &[word(socket), of(&address), 16]);
    let mut len = 16u32;
    before(libc::SYS_getsockname, &[word(socket), at(&mut address), at(&mut len)]);
    u16::from_be(address.sin_port)
}
/// A socket that listens on the loopback address, and its port.
pub fn listening() -> (i32, u16) {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM);
    let port = bound(socket);
    before(libc::SYS_listen, &[word(socket), 8]);
    (socket, port)
}
/// A connection to it.
pub fn connected(port: u16) -> i32 {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM);
    before(libc::SYS_connect, &[word(socket), of(&loopback(port)), 16]);
    socket
}
/// A pseudo-terminal: master and slave.
pub fn terminal() -> [i32; 2] {
    let master = open(word(c"/dev/ptmx"), libc::O_RDWR | libc::O_NOCTTY);
    let mut number = 0u32;
    before(libc::SYS_ioctl, &[word(master), libc::TIOCSPTLCK, of(&0u32)]);
    before(libc::SYS_ioctl, &[word(master), libc::TIOCGPTN, at(&mut number)]);
    let path = std::ffi::CString::new(format!("/dev/pts/{number}")).expect("no NUL");
    [master, open(word(path.as_c_str()), libc::O_RDWR | libc::O_NOCTTY)]
}
/// Another process, of the same user, that waits until this one has ended.
pub fn process(t: &Stage) -> i32 {
    let me = std::process::id();
    match raw::fork() {
        Some(pid) => pid,
        None => {
            t.silent();
            before(libc::SYS_prctl, &[word(libc::PR_SET_PDEATHSIG), word(libc::SIGKILL)]);
            while before(libc::SYS_getppid, &[]) == i64::from(me) {
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
            raw::exit(0)
        }
    }
}
/// A child that has ended, with status 3.
pub fn ended(t: &Stage) -> i32 {
    match raw::fork() {
        Some(pid) => {
            let mut info: libc::siginfo_t = raw::zeroed();
            let how = word(libc::WEXITED | libc::WNOWAIT);
            before(libc::SYS_waitid, &[word(libc::P_PID), word(pid), at(&mut info), how, 0]);
            pid
        }
        None => {
            t.silent();
            raw::exit(3)
        }
    }
}
/// The process's group, which is not only its own; 1 where its number is not known (it began outside the pid namespace).
pub fn group() -> i32 {
    (before(libc::SYS_getpgrp, &[]) as i32).max(1)
}
/// A descriptor of a process.
pub fn process_descriptor(pid: i32) -> i32 {
    before(libc::SYS_pidfd_open, &[word(pid), 0]) as i32
}
/// A message queue, whose name is gone already.
pub fn queue() -> i32 {
    let name = std::ffi::CString::new(format!("pimento-table-{}", std::process::id())).expect("no NUL");
    let attributes = [0i64, 4, 32, 0, 0, 0, 0, 0];
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_NONBLOCK;
    let queue = before(libc::SYS_mq_open, &[word(name.as_c_str()), word(flags), 0o600, of(&attributes)]);
    before(libc::SYS_mq_unlink, &[word(name.as_c_str())]);
    queue as i32
}

/// How many signals were handled.
pub static HANDLED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
}
/// Counts a signal from here on.
pub fn counted(signal: i32) {
    raw::handle(signal, count);
}
/// How many signals have been handled.
pub fn handled() -> u32 {
    HANDLED.load(std::sync::atomic::Ordering::SeqCst)
}
