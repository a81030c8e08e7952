//! poll and select, where some descriptor lacks CAP_EVENT: the monitor waits then.

use crate::call;
use crate::stage::*;
use pimento::{Right, Rights};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A descriptor that may be read, and not waited for.
fn unwatched() -> OwnedFd {
    let fd = own(call!(SYS_memfd_create, c"quiet".as_ptr(), 0).unwrap());
    pimento::limit(&fd, Rights::of(&[Right::READ])).unwrap();
    fd
}

fn pipe() -> [OwnedFd; 2] {
    let mut pipe = [0i32; 2];
    call!(SYS_pipe2, pipe.as_mut_ptr(), libc::O_CLOEXEC).unwrap();
    pipe.map(|number| own(number.into()))
}

fn entry(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0x55 }
}

fn poll(fds: &mut [libc::pollfd], millis: i32) -> Result<i64, i32> {
    call!(SYS_poll, fds.as_mut_ptr(), fds.len(), millis)
}

fn came(fds: &[libc::pollfd]) -> Vec<i16> {
    fds.iter().map(|fd| fd.revents).collect()
}

/// A set of descriptors for select.
fn set_of(numbers: &[RawFd]) -> [u64; 16] {
    let mut set = [0; 16];
    for &number in numbers {
        set[number as usize / 64] |= 1 << (number % 64);
    }
    set
}

#[test]
fn an_entry_without_cap_event_is_invalid_and_ends_the_wait() {
    play_each(|_| {
        enter();
        let quiet = unwatched();
        let [read, write] = pipe();
        let mut fds = [
            entry(quiet.as_raw_fd(), libc::POLLIN),
            entry(-1, libc::POLLIN),
            entry(read.as_raw_fd(), libc::POLLIN),
            entry(write.as_raw_fd(), libc::POLLOUT),
            entry(777, libc::POLLIN),
            entry(quiet.as_raw_fd(), libc::POLLIN),
        ];
        assert_eq!(poll(&mut fds, -1), Ok(4));
        let invalid = libc::POLLNVAL;
        assert_eq!(came(&fds), [invalid, 0, 0, libc::POLLOUT, invalid, invalid]);
        let time = [100u64, 0];
        assert_eq!(call!(SYS_ppoll, fds.as_mut_ptr(), fds.len(), time.as_ptr(), 0, 0), Ok(4));
        // What the kernel says of wrong arguments.
        assert_eq!(call!(SYS_poll, 8, 1, 0), Err(libc::EFAULT));
        assert_eq!(call!(SYS_poll, fds.as_ptr(), 30_000, 0), Err(libc::EINVAL));
        assert_eq!(
            call!(SYS_ppoll, fds.as_ptr(), 1, [0u64, 1_000_000_000].as_ptr(), 0, 0),
            Err(libc::EINVAL)
        );
        assert_eq!(call!(SYS_ppoll, fds.as_ptr(), 1, 0, [0u64].as_ptr(), 4), Err(libc::EINVAL));
        assert_eq!(call!(SYS_ppoll, fds.as_ptr(), 1, 8, 0, 0), Err(libc::EFAULT));
    });
}

#[test]
fn select_of_what_lacks_cap_event_is_refused() {
    play_each(|_| {
        enter();
        let quiet = unwatched();
        let [read, write] = pipe();
        let (read, write, quiet) = (read.as_raw_fd(), write.as_raw_fd(), quiet.as_raw_fd());
        let (mut reading, mut writing) = (set_of(&[read]), set_of(&[write]));
        assert_eq!(call!(SYS_select, 1024, reading.as_mut_ptr(), writing.as_mut_ptr(), 0, 0), Ok(1));
        assert_eq!((reading, writing), (set_of(&[]), set_of(&[write])));
        let count = quiet.max(read).max(write) + 1;
        let asked = set_of(&[read, quiet]);
        for at in 0..3 {
            let mut sets = [set_of(&[write]); 3];
            sets[at] = asked;
            let [a, b, c] = sets.each_mut().map(|set| set.as_mut_ptr());
            assert_eq!(call!(SYS_select, count, a, b, c, 0), Err(ENOTCAPABLE));
            assert_eq!(call!(SYS_pselect6, count, a, b, c, 0, 0), Err(ENOTCAPABLE));
            assert_eq!(sets[at], asked, "unchanged");
        }
        // Not among those that are asked about.
        let mut reading = set_of(&[quiet]);
        let none = [0u64; 2];
        assert_eq!(call!(SYS_select, quiet, reading.as_mut_ptr(), 0, 0, none.as_ptr()), Ok(0));
        // Closed, and of a number that the table has room for.
        let closed = (3..64).find(|&number| call!(SYS_fcntl, number, libc::F_GETFD).is_err()).unwrap();
        let mut reading = set_of(&[closed]);
        assert_eq!(call!(SYS_select, 64, reading.as_mut_ptr(), 0, 0, 0), Err(libc::EBADF));
        assert_eq!(call!(SYS_select, -1i32, reading.as_mut_ptr(), 0, 0, 0), Err(libc::EINVAL));
        assert_eq!(call!(SYS_select, 64, 8, 0, 0, 0), Err(libc::EFAULT));
        assert_eq!(call!(SYS_select, 64, 0, 0, 0, [0, u64::MAX].as_ptr()), Err(libc::EINVAL));
    });
}

#[test]
fn a_wait_ends_with_what_it_waits_for() {
    play_each(|_| {
        enter();
        let _quiet = unwatched();
        let [read, write] = pipe();
        let number = read.as_raw_fd();
        let ends: [fn(RawFd); 4] = [
            |number| {
                let mut fds = [entry(number, libc::POLLIN)];
                assert_eq!(poll(&mut fds, -1), Ok(1));
                assert_eq!(came(&fds), [libc::POLLIN]);
            },
            |number| {
                let mut fds = [entry(number, libc::POLLIN)];
                let mut time = [5u64, 0];
                assert_eq!(call!(SYS_ppoll, fds.as_mut_ptr(), 1, time.as_mut_ptr(), 0, 8), Ok(1));
                assert!((1..5).contains(&time[0]) && time[1] < 1_000_000_000, "what is left: {time:?}");
            },
            |number| {
                let (mut reading, mut time) = (set_of(&[number]), [5u64, 0]);
                let (set, count) = (reading.as_mut_ptr(), number + 1);
                assert_eq!(call!(SYS_select, count, set, 0, 0, time.as_mut_ptr()), Ok(1));
                assert_eq!(reading, set_of(&[number]));
                assert!((1..5).contains(&time[0]) && time[1] < 1_000_000, "what is left: {time:?}");
            },
            |number| {
                let mut reading = set_of(&[number]);
                assert_eq!(call!(SYS_pselect6, number + 1, reading.as_mut_ptr(), 0, 0, 0, 0), Ok(1));
            },
        ];
        for end in ends {
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(50));
                    call!(SYS_write, write.as_raw_fd(), b"x".as_ptr(), 1).unwrap();
                });
                let start = Instant::now();
                end(number);
                assert!(start.elapsed() >= Duration::from_millis(40));
            });
            call!(SYS_read, number, [0u8].as_mut_ptr(), 1).unwrap();
        }
        // A hangup is no exception, so select does not end with it.
        drop(write);
        let (mut except, mut time) = (set_of(&[number]), [0u64, 50_000]);
        assert_eq!(call!(SYS_select, number + 1, 0, 0, except.as_mut_ptr(), time.as_mut_ptr()), Ok(0));
        assert_eq!((except, time), (set_of(&[]), [0, 0]));
    });
}

#[test]
fn a_wait_lasts_as_long_as_it_is_to() {
    play_each(|_| {
        enter();
        let _quiet = unwatched();
        let [read, _write] = pipe();
        let mut fds = [entry(read.as_raw_fd(), libc::POLLIN)];
        let timed = |wait: &mut dyn FnMut() -> Result<i64, i32>| {
            let start = Instant::now();
            assert_eq!(wait(), Ok(0));
            start.elapsed()
        };
        let poll_time = timed(&mut || poll(&mut fds, 60));
        assert!((60..1000).contains(&poll_time.as_millis()), "{poll_time:?}");
        assert_eq!(came(&fds), [0]);
        assert!(timed(&mut || poll(&mut fds, 0)).as_millis() < 500);
        // Not in milliseconds.
        let mut least = Duration::MAX;
        for _ in 0..20 {
            let mut time = [0u64, 200_000];
            least = least.min(timed(&mut || call!(SYS_ppoll, fds.as_mut_ptr(), 1, time.as_mut_ptr(), 0, 8)));
            assert_eq!(time, [0, 0]);
        }
        assert!(least >= Duration::from_micros(200) && least < Duration::from_millis(3), "{least:?}");
    });
}

static CAUGHT: AtomicU32 = AtomicU32::new(0);
static MASK: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: i32) {
    let mut mask = 0u64;
    call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, 0, &raw mut mask, 8).unwrap();
    MASK.store(mask, Ordering::SeqCst);
    CAUGHT.fetch_add(1, Ordering::SeqCst);
}

/// SIGALRM, once, after so long.
fn ring_in(millis: u64) {
    let timer = [0, 0, millis / 1000, millis % 1000 * 1000];
    call!(SYS_setitimer, libc::ITIMER_REAL, timer.as_ptr(), 0).unwrap();
}

/// So often, until it is told otherwise: one may come before what it is to interrupt.
fn ring_every(millis: u64) {
    let time = [0, millis * 1000];
    call!(SYS_setitimer, libc::ITIMER_REAL, [time, time].as_ptr(), 0).unwrap();
}

fn block(mask: u64) {
    call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, 0, 8).unwrap();
}

const ALARM: u64 = 1 << (libc::SIGALRM - 1);
const USR1: u64 = 1 << (libc::SIGUSR1 - 1);

#[test]
fn a_handler_ends_a_wait_whatever_it_says_of_restarting() {
    play_each(|_| {
        handle(libc::SIGALRM, count, libc::SA_RESTART);
        enter();
        let _quiet = unwatched();
        let [read, _write] = pipe();
        let number = read.as_raw_fd();
        let mut fds = [entry(number, libc::POLLIN)];
        let mut reading = set_of(&[number]);
        ring_every(50);
        for _ in 0..3 {
            let before = CAUGHT.load(Ordering::SeqCst);
            assert_eq!(poll(&mut fds, -1), Err(libc::EINTR));
            let mut time = [9u64, 0];
            assert_eq!(call!(SYS_ppoll, fds.as_mut_ptr(), 1, time.as_mut_ptr(), 0, 8), Err(libc::EINTR));
            assert!((1..9).contains(&time[0]), "the rest of the time: {time:?}");
            assert_eq!(call!(SYS_select, number + 1, reading.as_mut_ptr(), 0, 0, 0), Err(libc::EINTR));
            assert!(CAUGHT.load(Ordering::SeqCst) >= before + 3);
        }
        ring_every(0);
    });
}

#[test]
fn a_mask_lets_a_signal_through_for_the_time_of_the_wait() {
    play_each(|_| {
        handle(libc::SIGALRM, count, libc::SA_RESTART);
        enter();
        let _quiet = unwatched();
        let [read, _write] = pipe();
        let number = read.as_raw_fd();
        let mut fds = [entry(number, libc::POLLIN)];
        let through = USR1;
        let pack = [&raw const through as u64, 8];
        block(ALARM | USR1);
        let mut expected = 0;
        for before in [true, false] {
            for call in ["ppoll", "pselect6"] {
                // It is there already, or comes while it is waited for.
                if before {
                    call!(SYS_tgkill, std::process::id(), call!(SYS_gettid).unwrap(), libc::SIGALRM).unwrap();
                } else {
                    ring_in(50);
                }
                let mut time = [9u64, 0];
                let mut reading = set_of(&[number]);
                let ended = if call == "ppoll" {
                    let (fds, time) = (fds.as_mut_ptr(), time.as_mut_ptr());
                    call!(SYS_ppoll, fds, 1, time, &raw const through, 8)
                } else {
                    let (set, time) = (reading.as_mut_ptr(), time.as_mut_ptr());
                    call!(SYS_pselect6, number + 1, set, 0, 0, time, pack.as_ptr())
                };
                assert_eq!(ended, Err(libc::EINTR), "{call} {before}");
                expected += 1;
                assert_eq!(CAUGHT.load(Ordering::SeqCst), expected, "{call} {before}");
                assert_eq!(MASK.load(Ordering::SeqCst), USR1 | ALARM, "the call's, and the signal's own");
                let mut mask = 0u64;
                call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, 0, &raw mut mask, 8).unwrap();
                assert_eq!(mask, ALARM | USR1, "as before");
                assert!((1..9).contains(&time[0]), "{time:?}");
            }
        }
        // What it does not let through does not end it.
        call!(SYS_tgkill, std::process::id(), call!(SYS_gettid).unwrap(), libc::SIGUSR1).unwrap();
        let mut time = [0u64, 80_000_000];
        assert_eq!(call!(SYS_ppoll, fds.as_mut_ptr(), 1, time.as_mut_ptr(), &raw const through, 8), Ok(0));
        // Nor does one without a handler that does nothing.
        block(u64::MAX);
        call!(SYS_tgkill, std::process::id(), call!(SYS_gettid).unwrap(), libc::SIGCHLD).unwrap();
        let none = 0u64;
        let but_usr1 = !none & USR1;
        let mut time = [0u64, 80_000_000];
        assert_eq!(call!(SYS_ppoll, fds.as_mut_ptr(), 1, time.as_mut_ptr(), &raw const but_usr1, 8), Ok(0));
    });
}

/// ppoll with everything in registers that the C library may have left there, and what is in them afterwards.
fn ppoll_and_registers(fds: &mut libc::pollfd, mask: &u64) -> (i64, [u64; 6]) {
    let before = [std::ptr::from_mut(fds) as u64, 1, 0, std::ptr::from_ref(mask) as u64, 8, 0x1234_5678];
    let mut after = before;
    let result: i64;
    // SAFETY: a system call whose arguments are borrowed for its time.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_ppoll => result,
            inlateout("rdi") before[0] => after[0],
            inlateout("rsi") before[1] => after[1],
            inlateout("rdx") before[2] => after[2],
            inlateout("r10") before[3] => after[3],
            inlateout("r8") before[4] => after[4],
            inlateout("r9") before[5] => after[5],
            out("rcx") _,
            out("r11") _,
        );
    }
    assert_eq!(before, after);
    (result, after)
}

#[test]
fn registers_are_what_they_were_after_a_signal_under_a_mask() {
    play_each(|_| {
        handle(libc::SIGALRM, count, 0);
        enter();
        let _quiet = unwatched();
        let [read, _write] = pipe();
        let mut fds = entry(read.as_raw_fd(), libc::POLLIN);
        block(ALARM);
        for round in 1..=20 {
            ring_in(15);
            assert_eq!(ppoll_and_registers(&mut fds, &0).0, -i64::from(libc::EINTR));
            assert_eq!(CAUGHT.load(Ordering::SeqCst), round);
        }
    });
}

#[test]
fn a_stop_does_not_make_a_wait_longer() {
    for &user in users() {
        judged(|| {
            let waits: [fn(RawFd) -> Result<i64, i32>; 4] = [
                |number| poll(&mut [entry(number, libc::POLLIN)], 2000),
                |number| {
                    let mut fds = [entry(number, libc::POLLIN)];
                    call!(SYS_ppoll, fds.as_mut_ptr(), 1, [2u64, 0].as_mut_ptr(), 0, 8)
                },
                |number| {
                    let (mut fds, mask) = ([entry(number, libc::POLLIN)], 0u64);
                    let time = &mut [2u64, 0];
                    call!(SYS_ppoll, fds.as_mut_ptr(), 1, time.as_mut_ptr(), &raw const mask, 8)
                },
                |number| {
                    let mut reading = set_of(&[number]);
                    let time = &mut [2u64, 0];
                    call!(SYS_select, number + 1, reading.as_mut_ptr(), 0, 0, time.as_mut_ptr())
                },
            ];
            for wait in waits {
                let ready = Cue::new();
                let player = Player::start(user, || {
                    enter();
                    let _quiet = unwatched();
                    let [read, _write] = pipe();
                    ready.give();
                    let start = Instant::now();
                    assert_eq!(wait(read.as_raw_fd()), Ok(0));
                    let took = start.elapsed().as_millis();
                    // Anew after the last stop it would be more.
                    assert!((1995..2800).contains(&took), "{took}");
                });
                ready.take();
                for _ in 0..5 {
                    thread::sleep(Duration::from_millis(200));
                    call!(SYS_kill, player.pid, libc::SIGSTOP).unwrap();
                    thread::sleep(Duration::from_millis(30));
                    call!(SYS_kill, player.pid, libc::SIGCONT).unwrap();
                }
                player.join();
            }
        });
    }
}

#[test]
fn a_signal_that_another_thread_gets_is_nobody_else_s_error() {
    play_each(|_| {
        handle(libc::SIGALRM, count, libc::SA_RESTART);
        enter();
        let _quiet = unwatched();
        let [read, write] = pipe();
        let waits = || {
            loop {
                let mut fds = [entry(read.as_raw_fd(), libc::POLLIN)];
                match poll(&mut fds, -1) {
                    Err(libc::EINTR) => {}
                    ended => return assert_eq!(ended, Ok(1)),
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(waits);
            }
            scope.spawn(|| {
                thread::sleep(Duration::from_secs(2));
                call!(SYS_write, write.as_raw_fd(), b"x".as_ptr(), 1).unwrap();
            });
            // The first thread gets it, if it can, and the others see that it is there.
            call!(SYS_setitimer, libc::ITIMER_REAL, [0u64, 23_000, 0, 23_000].as_ptr(), 0).unwrap();
            waits();
        });
        ring_in(0);
        assert!(CAUGHT.load(Ordering::SeqCst) > 20);
    });
}

#[test]
fn what_is_waited_for_is_let_go_with_the_process() {
    for &user in users() {
        judged(|| {
            let [read, write] = pipe();
            let ready = Cue::new();
            let player = Player::start(user, || {
                enter();
                let _quiet = unwatched();
                ready.give();
                let mut fds = [entry(write.as_raw_fd(), 0)];
                let _ = poll(&mut fds, -1);
            });
            ready.take();
            drop(write);
            thread::sleep(Duration::from_millis(30));
            call!(SYS_kill, player.pid, libc::SIGKILL).unwrap();
            let start = Instant::now();
            assert_eq!(call!(SYS_read, read.as_raw_fd(), [0u8].as_mut_ptr(), 1), Ok(0), "the end");
            assert!(start.elapsed() < Duration::from_millis(500));
            player.wait();
        });
    }
}

/// Where the monitor is not told of signals it has the call made again and again.
#[test]
fn without_procfs_a_wait_ends_as_ever() {
    if !is_root() {
        return skipped("chroot is root's");
    }
    judged(|| {
        let scratch = Scratch::new(User::Own);
        let bare = scratch.dir("bare");
        for own in [None, Some(0u64)] {
            let player = Player::start(User::Own, || {
                std::os::unix::fs::chroot(&bare).unwrap();
                std::env::set_current_dir("/").unwrap();
                handle(libc::SIGALRM, count, 0);
                enter();
                let _quiet = unwatched();
                let [read, write] = pipe();
                let number = read.as_raw_fd();
                let mut fds = [entry(number, libc::POLLIN)];
                let mask = own.as_ref().map_or(0, |mask| std::ptr::from_ref(mask) as usize);
                let mut wait = |nanos: u64| {
                    let mut time = [0, nanos];
                    call!(SYS_ppoll, fds.as_mut_ptr(), 1, time.as_mut_ptr(), mask, 8)
                };
                let start = Instant::now();
                assert_eq!(wait(200_000_000), Ok(0));
                assert!((200..1500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
                if own.is_some() {
                    block(ALARM);
                }
                ring_every(60);
                assert_eq!(wait(999_000_000), Err(libc::EINTR));
                ring_every(0);
                assert!(CAUGHT.load(Ordering::SeqCst) > 0);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        thread::sleep(Duration::from_millis(100));
                        call!(SYS_write, write.as_raw_fd(), b"x".as_ptr(), 1).unwrap();
                    });
                    assert_eq!(wait(999_000_000), Ok(1));
                });
                call!(SYS_read, number, [0u8; 1].as_mut_ptr(), 1).unwrap();
                let start = Instant::now();
                assert_eq!(poll(&mut [entry(number, libc::POLLIN)], 150), Ok(0));
                assert!((150..1500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
                // A message that is waited for.
                let [from, to] = crate::letters::pair(libc::SOCK_STREAM);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        thread::sleep(Duration::from_millis(100));
                        crate::letters::send(&from, b"x", &[read.as_raw_fd()]).unwrap();
                    });
                    assert_eq!(crate::letters::receive(&to, 0).unwrap().fds.len(), 1);
                });
            });
            player.join();
        }
    });
}
