//! Calls that name descriptors in memory and went on when nothing spoke against it: what is limited later is not for them.

use crate::call;
use crate::letters::*;
use crate::stage::*;
use pimento::{Limits, Right, Rights};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const READ: Rights = Rights::of(&[Right::READ]);
/// A number that the monitor is asked about.
const HIGH: RawFd = 600;

fn entry(fd: RawFd) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}

fn give(end: &OwnedFd) {
    call!(SYS_write, end.as_raw_fd(), b"x".as_ptr(), 1).unwrap();
}

fn memory() -> OwnedFd {
    own(call!(SYS_memfd_create, c"memory".as_ptr(), 0).unwrap())
}

fn asleep() {
    thread::sleep(Duration::from_millis(60));
}

/// A limited end of a pipe from which there is something to read.
fn ready_and_limited() -> (OwnedFd, OwnedFd) {
    let [read, write] = pipe();
    give(&write);
    pimento::limit(&read, READ).unwrap();
    (read, write)
}

/// poll looks at its numbers again whenever it wakes.
#[test]
fn a_number_that_is_waited_for_becomes_another_descriptor() {
    play_each(|_| {
        // Having waited since before, or from then on.
        for before in [false, true] {
            let enters = child(|| {
                if !before {
                    enter();
                }
                let [read, write] = pipe();
                let [nothing, _nobody] = pipe();
                call!(SYS_dup2, nothing.as_raw_fd(), HIGH).unwrap();
                thread::scope(|scope| {
                    let waits = scope.spawn(|| {
                        let mut fds = [entry(HIGH), entry(read.as_raw_fd())];
                        call!(SYS_poll, fds.as_mut_ptr(), 2, -1i32).unwrap();
                        fds.map(|fd| fd.revents)
                    });
                    asleep();
                    if before {
                        enter();
                    }
                    let (limited, _write) = ready_and_limited();
                    assert_eq!(call!(SYS_dup2, limited.as_raw_fd(), HIGH), Ok(HIGH.into()));
                    give(&write);
                    let came = waits.join().unwrap();
                    assert!(came[0] & libc::POLLIN == 0, "{came:?} {before}");
                });
            });
            assert_eq!(wait_for(enters), 0, "{before}");
        }
    });
}

/// Its array is read again when it goes on after a stop.
#[test]
fn what_is_read_again_names_another_descriptor() {
    for &user in users() {
        judged(|| {
            let (ready, stopped) = (Cue::new(), Cue::new());
            let player = Player::start(user, || {
                enter();
                // An end to write to, with no room left.
                let [read, write] = pipe();
                let room = call!(SYS_fcntl, write.as_raw_fd(), libc::F_GETPIPE_SZ).unwrap() as usize;
                let mut bytes = vec![0u8; room];
                call!(SYS_write, write.as_raw_fd(), bytes.as_ptr(), room).unwrap();
                let mut fds = [entry(write.as_raw_fd())];
                fds[0].events |= libc::POLLOUT;
                let at = fds.as_mut_ptr() as usize;
                thread::scope(|scope| {
                    scope.spawn(|| assert_eq!(call!(SYS_poll, at, 1, -1i32), Ok(1)));
                    asleep();
                    let (limited, _write) = ready_and_limited();
                    // SAFETY: the array is there until the scope is left, and the kernel's alone to read.
                    unsafe { (at as *mut i32).write_volatile(limited.as_raw_fd()) };
                    ready.give();
                    stopped.take();
                    call!(SYS_read, read.as_raw_fd(), bytes.as_mut_ptr(), room).unwrap();
                });
                assert!(fds[0].revents & libc::POLLIN == 0, "{}", fds[0].revents);
            });
            ready.take();
            call!(SYS_kill, player.pid, libc::SIGSTOP).unwrap();
            asleep();
            call!(SYS_kill, player.pid, libc::SIGCONT).unwrap();
            asleep();
            stopped.give();
            player.join();
        });
    }
}

#[test]
fn those_who_wait_notice_nothing() {
    play_each(|_| {
        enter();
        let [read, write] = pipe();
        let number = read.as_raw_fd();
        let (from, to) = (memory(), memory());
        type Wait = fn(RawFd) -> Result<i64, i32>;
        let waits: [Wait; 4] = [
            |number| call!(SYS_poll, [entry(number)].as_mut_ptr(), 1, 500),
            |number| {
                call!(SYS_ppoll, [entry(number)].as_mut_ptr(), 1, [0u64, 500_000_000].as_mut_ptr(), 0, 8)
            },
            |number| {
                let mut set = [0u64; 16];
                set[number as usize / 64] |= 1 << (number % 64);
                call!(SYS_select, number + 1, set.as_mut_ptr(), 0, 0, [0u64, 500_000].as_mut_ptr())
            },
            |number| {
                let mut set = [0u64; 16];
                set[number as usize / 64] |= 1 << (number % 64);
                call!(SYS_pselect6, number + 1, set.as_mut_ptr(), 0, 0, [0u64, 500_000_000].as_mut_ptr(), 0)
            },
        ];
        thread::scope(|scope| {
            for wait in waits {
                scope.spawn(move || {
                    let start = Instant::now();
                    assert_eq!(wait(number), Ok(0));
                    let took = start.elapsed().as_millis();
                    assert!((495..2000).contains(&took), "{took}");
                });
                scope.spawn(move || {
                    // For ever, and other things.
                    let mut fds = [entry(number)];
                    assert_eq!(call!(SYS_poll, fds.as_mut_ptr(), 1, 550), Ok(0));
                });
            }
            let epoll = own(call!(SYS_epoll_create1, 0).unwrap());
            scope.spawn(move || {
                let mut event = [0u64; 2];
                assert_eq!(call!(SYS_epoll_wait, epoll.as_raw_fd(), event.as_mut_ptr(), 1, 500), Ok(0));
            });
            asleep();
            // Each time anew: as soon as none is limited they go on again.
            for _ in 0..5 {
                pimento::limit(&from, READ).unwrap();
                thread::sleep(Duration::from_millis(40));
            }
        });
        give(&write);
        drop(to);
    });
}

static SENT: AtomicU32 = AtomicU32::new(0);

/// In ordinary mode messages are sent natively as long as nothing is limited: of several the later are read later.
#[test]
fn a_message_that_is_not_read_yet_carries_nothing_limited() {
    for &user in users() {
        judged(|| {
            let [from, to] = pair(libc::SOCK_DGRAM);
            // The sender's process receives nothing, and sees that it does.
            Player::start(user, || {
                let own_memory = memory();
                let limited = memory();
                // From here on there is a monitor, and nothing is limited.
                Limits::new().fd(&limited, READ).limit().unwrap();
                drop(limited);
                let number = call!(SYS_dup, own_memory.as_raw_fd()).unwrap() as RawFd;
                let control = rights_of(&[number]);
                let data = [b"x".as_ptr() as usize, 1];
                let parts = data.as_ptr() as usize;
                let message = [0, 0, parts, 1, control.as_ptr() as usize, control.len(), 0, 0];
                // More than the socket takes at a time.
                let mut messages = vec![message; 500];
                let at = messages.as_mut_ptr() as usize;
                thread::scope(|scope| {
                    let sends = scope.spawn(|| {
                        let mut sent = 0;
                        while sent < 500 {
                            let rest = at + sent * 64;
                            sent +=
                                call!(SYS_sendmmsg, from.as_raw_fd(), rest, 500 - sent, 0).unwrap() as usize;
                        }
                        SENT.store(1, Ordering::SeqCst);
                    });
                    asleep();
                    let limited = own(number.into());
                    pimento::limit(&limited, READ).unwrap();
                    let start = Instant::now();
                    let mut usable = 0;
                    while SENT.load(Ordering::SeqCst) == 0 && start.elapsed() < Duration::from_secs(20) {
                        let Ok(letter) = receive(&to, libc::MSG_DONTWAIT) else { continue };
                        let full = pimento::rights(&letter.fds[0]).unwrap() == Rights::ALL;
                        usable += u32::from(full);
                    }
                    sends.join().unwrap();
                    // Those that were in the socket already.
                    assert!(usable < 400, "{usable}");
                });
            })
            .join();
        });
    }
}
