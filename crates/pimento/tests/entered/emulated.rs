//! Calls that the monitor performs behave as the calls do.

use crate::call;
use crate::stage::*;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

static CAUGHT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    CAUGHT.fetch_add(1, Ordering::SeqCst);
}

/// A timer that sends SIGALRM again and again: one could come before the call has begun.
fn ring() {
    let every = [0u64, 30_000, 0, 30_000];
    call!(SYS_setitimer, libc::ITIMER_REAL, every.as_ptr(), 0).unwrap();
}

fn quiet() {
    call!(SYS_setitimer, libc::ITIMER_REAL, [0u64; 4].as_ptr(), 0).unwrap();
}

/// A play with a directory in which there is a FIFO, `fifo`.
fn with_fifo(act: impl Fn(RawFd)) {
    for &user in users() {
        play_in(user, |scratch| _ = scratch.fifo("fifo"), &act);
    }
}

// --- signals meanwhile ----------------------------------------------------------------------------------------

#[test]
fn a_handler_ends_an_open_that_blocks() {
    with_fifo(|dir| {
        handle(libc::SIGALRM, count, 0);
        enter();
        ring();
        for flags in [libc::O_RDONLY, libc::O_WRONLY] {
            let before = CAUGHT.load(Ordering::SeqCst);
            assert_eq!(open_at(dir, "fifo", flags).err(), Some(libc::EINTR));
            assert!(CAUGHT.load(Ordering::SeqCst) > before);
        }
    });
}

/// The process whom the handler tells.
static TELL: AtomicI32 = AtomicI32::new(-1);

extern "C" fn tell_after_three(_: i32) {
    if CAUGHT.fetch_add(1, Ordering::SeqCst) == 2 {
        let _ = call!(SYS_write, TELL.load(Ordering::SeqCst), [0u8].as_ptr(), 1);
    }
}

#[test]
fn with_restart_an_open_that_blocks_goes_on() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            let fifo = scratch.fifo("fifo");
            let mut pipe = [0i32; 2];
            call!(SYS_pipe2, pipe.as_mut_ptr(), libc::O_CLOEXEC).unwrap();
            TELL.store(pipe[1], Ordering::SeqCst);
            let player = Player::start(user, || {
                let dir = scratch.open();
                handle(libc::SIGALRM, tell_after_three, libc::SA_RESTART);
                enter();
                ring();
                let opened = read_at(dir.as_raw_fd(), "fifo");
                quiet();
                assert_eq!(opened.as_deref(), Ok("hello"));
                assert!(CAUGHT.load(Ordering::SeqCst) >= 3);
            });
            let mut byte = [0u8];
            assert_eq!(call!(SYS_read, pipe[0], byte.as_mut_ptr(), 1), Ok(1));
            fs::write(fifo, "hello").unwrap();
            player.join();
        });
    }
}

#[test]
fn an_alarm_without_a_handler_ends_the_process_in_its_call() {
    judged(|| {
        let scratch = Scratch::new(User::Own);
        scratch.fifo("fifo");
        let player = Player::start(User::Own, || {
            let dir = scratch.open();
            enter();
            ring();
            let _ = open_at(dir.as_raw_fd(), "fifo", libc::O_RDONLY);
        });
        let status = player.wait();
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGALRM, "{status:#x}");
    });
}

/// A pair of sockets of which the first has no room left.
fn full_pair(kind: i32) -> [RawFd; 2] {
    let mut pair = [0i32; 2];
    call!(SYS_socketpair, libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, pair.as_mut_ptr()).unwrap();
    let data = [1u8; 1000];
    let flags = libc::MSG_DONTWAIT;
    while call!(SYS_sendto, pair[0], data.as_ptr(), data.len(), flags, 0, 0).is_ok() {}
    pair
}

fn send(socket: RawFd, flags: i32) -> Result<i64, i32> {
    let data = [2u8; 10];
    let part = [data.as_ptr() as usize, data.len()];
    let message = [0, 0, part.as_ptr() as usize, 1, 0, 0, 0];
    call!(SYS_sendmsg, socket, message.as_ptr(), flags)
}

#[test]
fn a_handler_ends_a_send_that_blocks() {
    play_each(|_| {
        handle(libc::SIGALRM, count, 0);
        enter();
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
            let [socket, _] = full_pair(kind);
            assert_eq!(send(socket, libc::MSG_DONTWAIT), Err(libc::EAGAIN));
            ring();
            let before = CAUGHT.load(Ordering::SeqCst);
            assert_eq!(send(socket, 0), Err(libc::EINTR));
            quiet();
            assert!(CAUGHT.load(Ordering::SeqCst) > before);
        }
    });
}

static DRAIN: AtomicI32 = AtomicI32::new(-1);

extern "C" fn drain_after_three(_: i32) {
    if CAUGHT.fetch_add(1, Ordering::SeqCst) >= 2 {
        let mut taken = [0u8; 1000];
        let from = DRAIN.load(Ordering::SeqCst);
        let flags = libc::MSG_DONTWAIT;
        while call!(SYS_recvfrom, from, taken.as_mut_ptr(), taken.len(), flags, 0, 0).is_ok() {}
    }
}

#[test]
fn with_restart_a_send_that_blocks_goes_on() {
    play_each(|_| {
        handle(libc::SIGALRM, drain_after_three, libc::SA_RESTART);
        enter();
        let [socket, other] = full_pair(libc::SOCK_STREAM);
        DRAIN.store(other, Ordering::SeqCst);
        ring();
        assert_eq!(send(socket, 0), Ok(10));
        quiet();
        assert!(CAUGHT.load(Ordering::SeqCst) >= 3);
    });
}

#[test]
fn a_send_to_nobody_is_a_broken_pipe() {
    for &user in users() {
        play(user, || {
            handle(libc::SIGPIPE, count, 0);
            enter();
            let mut pair = [0i32; 2];
            call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()).unwrap();
            call!(SYS_close, pair[1]).unwrap();
            assert_eq!(send(pair[0], libc::MSG_NOSIGNAL), Err(libc::EPIPE));
            assert_eq!(CAUGHT.load(Ordering::SeqCst), 0);
            assert_eq!(send(pair[0], 0), Err(libc::EPIPE));
            assert_eq!(CAUGHT.load(Ordering::SeqCst), 1);
        });
    }
}

#[test]
fn a_fifo_without_a_peer_opens_without_blocking() {
    with_fifo(|dir| {
        enter();
        assert_eq!(open_at(dir, "fifo", libc::O_WRONLY | libc::O_NONBLOCK).err(), Some(libc::ENXIO));
        let read = open_at(dir, "fifo", libc::O_RDONLY | libc::O_NONBLOCK).unwrap();
        let write = open_at(dir, "fifo", libc::O_WRONLY | libc::O_NONBLOCK).unwrap();
        assert_eq!(call!(SYS_write, write.as_raw_fd(), [5u8].as_ptr(), 1), Ok(1));
        let mut byte = [0u8];
        assert_eq!(call!(SYS_read, read.as_raw_fd(), byte.as_mut_ptr(), 1), Ok(1));
        let flags = call!(SYS_fcntl, read.as_raw_fd(), libc::F_GETFL).unwrap() as i32;
        assert_eq!(flags & libc::O_NONBLOCK, libc::O_NONBLOCK);
    });
}

/// Two of its threads meet at a FIFO: neither waits for the other's call to be over.
#[test]
fn threads_meet_at_a_fifo() {
    with_fifo(|dir| {
        enter();
        let other = std::thread::spawn(move || read_at(dir, "fifo").unwrap());
        let write = open_at(dir, "fifo", libc::O_WRONLY).unwrap();
        assert_eq!(call!(SYS_write, write.as_raw_fd(), b"met".as_ptr(), 3), Ok(3));
        drop(write);
        assert_eq!(other.join().unwrap(), "met");
    });
}

// --- descriptors ----------------------------------------------------------------------------------------------

#[test]
fn a_new_descriptor_has_the_lowest_number_and_the_flag_as_asked() {
    let furnish = |scratch: &Scratch| _ = scratch.file("file", "text", 0o644);
    play_in(User::Own, furnish, |dir| {
        enter();
        let low = own(call!(SYS_dup, dir).unwrap()).as_raw_fd();
        for (flags, expected) in [(0, 0), (libc::O_CLOEXEC, 1)] {
            for path in ["file", "."] {
                let opened = open_at(dir, path, flags).unwrap();
                assert_eq!(opened.as_raw_fd(), low);
                assert_eq!(call!(SYS_fcntl, low, libc::F_GETFD), Ok(expected), "{path} {flags:o}");
            }
        }
        // What is asked of the file stays with it.
        for asked in [libc::O_APPEND, libc::O_NONBLOCK, libc::O_RDWR, libc::O_SYNC, libc::O_NOATIME] {
            let opened = open_at(dir, "file", asked).unwrap();
            let flags = call!(SYS_fcntl, opened.as_raw_fd(), libc::F_GETFL).unwrap() as i32;
            assert_eq!(flags & !libc::O_LARGEFILE & !0x8000, asked, "{asked:o}");
        }
    });
}

#[test]
fn without_a_free_number_nothing_opens() {
    judged(|| {
        let scratch = Scratch::new(User::Own);
        scratch.file("file", "text", 0o644);
        Player::start(User::Own, || {
            let dir = scratch.open();
            enter();
            let dir = dir.as_raw_fd();
            let next = own(call!(SYS_dup, dir).unwrap()).as_raw_fd();
            let mut limit = [0u64; 2];
            call!(SYS_getrlimit, libc::RLIMIT_NOFILE, limit.as_mut_ptr()).unwrap();
            let low = [next as u64, limit[1]];
            call!(SYS_setrlimit, libc::RLIMIT_NOFILE, low.as_ptr()).unwrap();
            assert_eq!(open_at(dir, "file", 0).err(), Some(libc::EMFILE));
            let create = libc::O_CREAT | libc::O_WRONLY;
            assert_eq!(open_at(dir, "new", create).err(), Some(libc::EMFILE));
            call!(SYS_setrlimit, libc::RLIMIT_NOFILE, limit.as_ptr()).unwrap();
            assert!(open_at(dir, "file", 0).is_ok());
        })
        .join();
        // A file that was to be made is there, other than natively: that there is no number for it shows at the end.
        assert!(scratch.at("new").exists());
    });
}

// --- paths ----------------------------------------------------------------------------------------------------

#[test]
fn the_longest_paths_work_and_longer_ones_do_not() {
    let furnish = |scratch: &Scratch| _ = scratch.file("f", "text", 0o644);
    play_in(User::Own, furnish, |dir| {
        enter();
        let long = |len: usize| {
            let mut path = "./".repeat((len - 1) / 2);
            path.push_str(if len % 2 == 1 { "f" } else { "/f" });
            assert_eq!(path.len(), len);
            path
        };
        for len in [1, 4, 255, 256, 511, 512, 513, 4094, 4095] {
            assert_eq!(read_at(dir, long(len)).as_deref(), Ok("text"), "{len}");
        }
        for len in [4096, 4097, 10_000] {
            assert_eq!(open_at(dir, long(len), 0).err(), Some(libc::ENAMETOOLONG), "{len}");
        }
        assert_eq!(open_at(dir, "n".repeat(255), 0).err(), Some(libc::ENOENT));
        assert_eq!(open_at(dir, "n".repeat(256), 0).err(), Some(libc::ENAMETOOLONG));
        assert_eq!(open_at(dir, "", 0).err(), Some(libc::ENOENT));
        assert_eq!(call!(SYS_openat, dir, 16, 0), Err(libc::EFAULT));
        assert_eq!(call!(SYS_openat, dir, usize::MAX, 0), Err(libc::EFAULT));
        // A path at the end of what is mapped.
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = call!(SYS_mmap, 0, 8192, libc::PROT_READ | libc::PROT_WRITE, flags, -1i32, 0).unwrap();
        call!(SYS_munmap, page + 4096, 4096).unwrap();
        let end = std::ptr::with_exposed_provenance_mut::<u8>(page as usize + 4094);
        // SAFETY: the two last bytes of the page that is mapped.
        unsafe { end.write(b'f') };
        assert!(call!(SYS_openat, dir, end, 0).is_ok());
        // SAFETY: as above.
        unsafe { end.wrapping_add(1).write(b'f') };
        assert_eq!(call!(SYS_openat, dir, end, 0), Err(libc::EFAULT));
    });
}

#[test]
fn lookups_stay_beneath_their_directory() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.dir("in");
            scratch.dir("in/sub");
            scratch.file("secret", "secret", 0o644);
            scratch.file("in/file", "file", 0o644);
            for (text, name) in [
                ("../secret", "out"),
                ("/etc/passwd", "absolute"),
                ("sub/../file", "inside"),
                ("sub/../../in/file", "around"),
                ("/proc/self/root", "magic"),
            ] {
                std::os::unix::fs::symlink(text, scratch.at("in").join(name)).unwrap();
            }
            Player::start(user, || {
                let dir = directory(scratch.at("in"));
                enter();
                let dir = dir.as_raw_fd();
                for good in ["file", "sub/../file", "inside", "./sub/./../file", "sub//..//file"] {
                    assert_eq!(read_at(dir, good).as_deref(), Ok("file"), "{good}");
                }
                let whole = scratch.at("in/file").to_str().unwrap().to_owned();
                for bad in [
                    "../secret",
                    "sub/../../secret",
                    "..",
                    "sub/../..",
                    "out",
                    "absolute",
                    "around",
                    "magic",
                    "/",
                    &whole,
                ] {
                    assert_eq!(read_at(dir, bad).err(), Some(ENOTCAPABLE), "{bad}");
                    let mut status = [0u8; 256];
                    let name = c(bad);
                    assert_eq!(
                        call!(SYS_newfstatat, dir, name.as_ptr(), status.as_mut_ptr(), 0),
                        Err(ENOTCAPABLE),
                        "{bad}"
                    );
                }
                for bad in ["../new", "out/new", "sub/../../new", "/tmp/new-by-pimento-test"] {
                    let name = c(bad);
                    let made = call!(SYS_mkdirat, dir, name.as_ptr(), 0o700);
                    assert_eq!(made, Err(ENOTCAPABLE), "{bad}");
                }
                // A link that is not followed may be named.
                let mut text = [0u8; 100];
                let len = call!(SYS_readlinkat, dir, c"out".as_ptr(), text.as_mut_ptr(), 100).unwrap();
                assert_eq!(&text[..len as usize], b"../secret");
            })
            .join();
        });
    }
}

// --- the umask --------------------------------------------------------------------------------------------------

#[test]
fn the_umask_of_the_moment_counts() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            Player::start(user, || {
                let dir = scratch.open();
                let dir = dir.as_raw_fd();
                call!(SYS_umask, 0o022).unwrap();
                enter();
                let modes = |umask: u32, name: &str| {
                    let (file, sub) = (format!("{name}.file"), c(format!("{name}.dir")));
                    drop(open_at_mode(dir, &file, libc::O_CREAT | libc::O_WRONLY, 0o777).unwrap());
                    call!(SYS_mkdirat, dir, sub.as_ptr(), 0o777).unwrap();
                    assert_eq!(mode_of(dir, &file), 0o777 & !umask);
                    assert_eq!(mode_of(dir, sub.to_str().unwrap()), 0o777 & !umask);
                };
                modes(0o022, "entered");
                for umask in [0o077, 0, 0o177, 0o027] {
                    call!(SYS_umask, umask).unwrap();
                    modes(umask, &format!("{umask:o}"));
                }
                // Another thread's is the same, a child's its own.
                std::thread::scope(|scope| {
                    scope.spawn(|| call!(SYS_umask, 0o070).unwrap()).join().unwrap();
                });
                modes(0o070, "thread");
                let done = Cue::new();
                child(|| {
                    call!(SYS_umask, 0o007).unwrap();
                    modes(0o007, "child");
                    done.give();
                });
                done.take();
                modes(0o070, "parent");
            })
            .join();
        });
    }
}

fn mode_of(dir: RawFd, name: &str) -> u32 {
    let handle = open_at(dir, name, libc::O_PATH).or_else(|_| open_at(dir, name, libc::O_RDONLY));
    match handle {
        Ok(handle) => fs::File::from(handle).metadata().unwrap().mode() & 0o7777,
        // No permission to open: asked by name.
        Err(_) => {
            let mut stat = [0u32; 36];
            let name = c(name);
            call!(SYS_newfstatat, dir, name.as_ptr(), stat.as_mut_ptr(), 0).unwrap();
            stat[6] & 0o7777
        }
    }
}
