//! Limited descriptors in messages: they arrive as limited as they were sent, or not at all.

use crate::call;
use crate::letters::*;
use crate::stage::*;
use pimento::{FcntlRights, Right, Rights};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const READ: Rights = Rights::of(&[Right::READ]);
const KINDS: [i32; 3] = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET];

fn memory(text: &[u8]) -> OwnedFd {
    let fd = own(call!(SYS_memfd_create, c"memory".as_ptr(), 0).unwrap());
    assert_eq!(call!(SYS_write, fd.as_raw_fd(), text.as_ptr(), text.len()), Ok(text.len() as i64));
    call!(SYS_lseek, fd.as_raw_fd(), 0, libc::SEEK_SET).unwrap();
    fd
}

fn write(fd: &impl AsRawFd) -> Result<i64, i32> {
    call!(SYS_write, fd.as_raw_fd(), b"x".as_ptr(), 1)
}

fn read(fd: &impl AsRawFd) -> Result<i64, i32> {
    call!(SYS_read, fd.as_raw_fd(), [0u8; 1].as_mut_ptr(), 1)
}

fn inode(fd: &impl AsRawFd) -> u64 {
    let mut stat = [0u64; 18];
    call!(SYS_fstat, fd.as_raw_fd(), stat.as_mut_ptr()).unwrap();
    stat[1]
}

fn is_cloexec(fd: &impl AsRawFd) -> bool {
    call!(SYS_fcntl, fd.as_raw_fd(), libc::F_GETFD) == Ok(libc::FD_CLOEXEC.into())
}

#[test]
fn a_limited_descriptor_arrives_limited() {
    play_each(|_| {
        enter();
        for kind in KINDS {
            let [from, to] = pair(kind);
            let (full, limited) = (memory(b"full"), memory(b"limited"));
            pimento::limit(&limited, READ.union(&Rights::of(&[Right::FSTAT, Right::IOCTL, Right::FCNTL])))
                .unwrap();
            pimento::limit_ioctls(&limited, [0x5401, 0x541b]).unwrap();
            pimento::limit_fcntls(&limited, FcntlRights::GETFL).unwrap();
            let fds = [limited.as_raw_fd(), full.as_raw_fd(), limited.as_raw_fd()];
            assert_eq!(send(&from, b"three", &fds), Ok(5));
            let letter = receive(&to, 0).unwrap();
            assert_eq!((letter.data.as_slice(), letter.flags), (b"three".as_slice(), 0));
            assert_eq!((letter.fds.len(), letter.controllen), (3, 32));
            assert_eq!(pimento::rights(&letter.fds[1]).unwrap(), Rights::ALL);
            assert_eq!(inode(&letter.fds[1]), inode(&full));
            for at in [0, 2] {
                let got = &letter.fds[at];
                assert_eq!(pimento::rights(got), pimento::rights(&limited));
                assert_eq!(pimento::ioctls(got), pimento::ioctls(&limited));
                assert_eq!(pimento::fcntls(got), pimento::fcntls(&limited));
                assert_eq!(inode(got), inode(&limited));
                assert_eq!(write(got), Err(ENOTCAPABLE));
                assert!(!is_cloexec(got));
            }
            assert_eq!(read(&letter.fds[0]), Ok(1));
            // Sent on, it is no more than it was.
            assert_eq!(send(&to, b"back", &[letter.fds[0].as_raw_fd()]), Ok(4));
            let back = receive(&from, libc::MSG_CMSG_CLOEXEC).unwrap();
            assert_eq!(back.flags, libc::MSG_CMSG_CLOEXEC);
            assert_eq!(pimento::rights(&back.fds[0]), pimento::rights(&limited));
            assert!(is_cloexec(&back.fds[0]));
            assert_eq!(write(&back.fds[0]), Err(ENOTCAPABLE));
        }
    });
}

#[test]
fn a_child_receives_what_its_parent_limited() {
    play_each(|_| {
        enter();
        let [from, to] = pair(libc::SOCK_STREAM);
        let told = Cue::new();
        // In capability mode a child cannot be waited for: it says that it is content.
        child(|| {
            // It waits before there is something.
            let letter = receive(&to, 0).unwrap();
            assert_eq!(pimento::rights(&letter.fds[0]).unwrap(), READ);
            assert_eq!(write(&letter.fds[0]), Err(ENOTCAPABLE));
            told.give();
        });
        thread::sleep(Duration::from_millis(30));
        let limited = memory(b"text");
        pimento::limit(&limited, READ).unwrap();
        assert_eq!(send(&from, b"x", &[limited.as_raw_fd()]), Ok(1));
        told.take();
    });
}

#[test]
fn what_is_only_looked_at_comes_again() {
    play_each(|_| {
        enter();
        for kind in KINDS {
            let [from, to] = pair(kind);
            let limited = memory(b"text");
            pimento::limit(&limited, READ).unwrap();
            send(&from, b"peek", &[limited.as_raw_fd()]).unwrap();
            for flags in [libc::MSG_PEEK, libc::MSG_PEEK, 0] {
                let letter = receive(&to, flags).unwrap();
                assert_eq!(letter.data, b"peek");
                assert_eq!(pimento::rights(&letter.fds[0]).unwrap(), READ);
                assert_eq!(write(&letter.fds[0]), Err(ENOTCAPABLE));
                assert_eq!(read(&letter.fds[0]), Ok(1));
            }
            assert_eq!(receive(&to, libc::MSG_DONTWAIT).unwrap_err(), libc::EAGAIN);
        }
    });
}

#[test]
fn there_come_as_many_as_there_is_room_for() {
    play_each(|_| {
        enter();
        let [from, to] = pair(libc::SOCK_STREAM);
        let limited = memory(b"text");
        pimento::limit(&limited, READ).unwrap();
        let fds = [limited.as_raw_fd(); 5];
        for (room, count) in [(16 + 8, 2), (16 + 4, 1), (16, 0), (8, 0), (16 + 20, 5), (40, 5)] {
            send(&from, b"x", &fds).unwrap();
            let letter = receive_into(&to, 1, room, 0).unwrap();
            assert_eq!(letter.fds.len(), count, "with room for {room}");
            assert_eq!(letter.flags & libc::MSG_CTRUNC != 0, count < 5);
            assert!(letter.fds.iter().all(|fd| pimento::rights(fd).unwrap() == READ));
            assert_eq!(
                letter.controllen,
                if count == 0 { 0 } else { (16 + count * 4).next_multiple_of(8).min(room) }
            );
        }
        // And as many as the process may have.
        let mut old = [0u64; 2];
        call!(SYS_getrlimit, libc::RLIMIT_NOFILE, old.as_mut_ptr()).unwrap();
        let full = memory(b"full");
        send(&from, b"x", &[full.as_raw_fd(); 3]).unwrap();
        let free = call!(SYS_fcntl, full.as_raw_fd(), libc::F_DUPFD, 0).unwrap();
        call!(SYS_close, free).unwrap();
        call!(SYS_setrlimit, libc::RLIMIT_NOFILE, [free as u64 + 2, old[1]].as_ptr()).unwrap();
        let letter = receive(&to, 0).unwrap();
        call!(SYS_setrlimit, libc::RLIMIT_NOFILE, old.as_ptr()).unwrap();
        assert_eq!((letter.fds.len(), letter.controllen), (2, 24));
        assert_ne!(letter.flags & libc::MSG_CTRUNC, 0);
    });
}

/// Whether nobody has the end to write to of the pipe any more.
fn has_ended(end: &OwnedFd) -> bool {
    let mut fd = [libc::pollfd { fd: end.as_raw_fd(), events: 0, revents: 0 }];
    call!(SYS_poll, fd.as_mut_ptr(), 1, 0) == Ok(1)
}

/// … within a moment: what is received is closed at once, what is dropped when the monitor hears of it.
fn ends(end: &OwnedFd) -> bool {
    (0..200).any(|_| {
        thread::sleep(Duration::from_millis(5));
        has_ended(end)
    })
}

#[test]
fn what_is_in_flight_is_open_no_longer_than_its_message_is_there() {
    play_each(|_| {
        enter();
        let limited = || {
            let [end, write] = pipe();
            pimento::limit(&write, Rights::of(&[Right::WRITE])).unwrap();
            (end, write)
        };
        for kind in KINDS {
            // Received.
            let [from, to] = pair(kind);
            let (end, write) = limited();
            send(&from, b"x", &[write.as_raw_fd()]).unwrap();
            drop(write);
            assert!(!has_ended(&end), "it is in flight");
            let letter = receive(&to, 0).unwrap();
            assert!(!has_ended(&end), "it is here");
            assert_eq!(call!(SYS_write, letter.fds[0].as_raw_fd(), b"x".as_ptr(), 1), Ok(1));
            assert_eq!(read(&end), Ok(1));
            drop(letter);
            assert!(has_ended(&end), "{kind}");
            // Never received.
            let (end, write) = limited();
            send(&from, b"x", &[write.as_raw_fd()]).unwrap();
            drop(write);
            drop(to);
            assert!(ends(&end), "{kind}");
            // Received without room for it.
            let [from, to] = pair(kind);
            let (end, write) = limited();
            send(&from, b"x", &[write.as_raw_fd()]).unwrap();
            drop(write);
            receive_into(&to, 8, 0, 0).unwrap();
            assert!(ends(&end), "{kind}");
            // Not sent at all.
            let (end, write) = limited();
            drop(to);
            call!(SYS_rt_sigaction, libc::SIGPIPE, [1u64, 0, 0, 0].as_ptr(), 0, 8).unwrap();
            assert!(send(&from, b"x", &[write.as_raw_fd()]).is_err());
            drop(write);
            assert!(ends(&end), "{kind}");
        }
    });
}

#[test]
fn to_a_receiver_without_this_monitor_it_is_of_no_use() {
    for &user in users() {
        judged(|| {
            let [from, to] = pair(libc::SOCK_STREAM);
            let player = Player::start(user, || {
                let memory = memory(b"secret");
                enter();
                let own = memory.as_raw_fd();
                pimento::limit(&memory, READ).unwrap();
                send(&from, b"x", &[own]).unwrap();
                // Until the judge has looked.
                assert_eq!(receive(&from, 0).unwrap().data, b"y");
            });
            let letter = receive(&to, 0).unwrap();
            let mut byte = [0u8];
            assert_eq!(call!(SYS_read, letter.fds[0].as_raw_fd(), byte.as_mut_ptr(), 1), Err(libc::EBADF));
            let mut stat = [0u64; 18];
            call!(SYS_fstat, letter.fds[0].as_raw_fd(), stat.as_mut_ptr()).unwrap();
            assert_eq!(stat[3] as u32 & libc::S_IFMT, libc::S_IFIFO);
            // Another monitor does not know it either.
            Player::start(user, || {
                enter();
                let [a, b] = pair(libc::SOCK_DGRAM);
                send(&a, b"x", &[letter.fds[0].as_raw_fd()]).unwrap();
                let again = receive(&b, 0).unwrap();
                assert_eq!(read(&again.fds[0]), Err(libc::EBADF));
            })
            .join();
            send(&to, b"y", &[]).unwrap();
            player.join();
        });
    }
}

#[test]
fn sockets_travel_with_their_limits() {
    play_each(|_| {
        enter();
        let [from, to] = pair(libc::SOCK_STREAM);
        let [other, end] = pair(libc::SOCK_DGRAM);
        pimento::limit(&end, READ).unwrap();
        send(&from, b"x", &[end.as_raw_fd()]).unwrap();
        let letter = receive(&to, 0).unwrap();
        assert_eq!(send(&letter.fds[0], b"x", &[]), Err(ENOTCAPABLE));
        send(&other, b"hello", &[other.as_raw_fd()]).unwrap();
        assert_eq!(receive(&letter.fds[0], 0).unwrap().data, b"hello");
        // CAP_READ is what receiving takes, whatever else is wrong.
        pimento::limit(&letter.fds[0], Rights::NONE).unwrap();
        assert_eq!(receive(&letter.fds[0], 0).unwrap_err(), ENOTCAPABLE);
        assert_eq!(receive_into(&letter.fds[0], 1, 0, 0).unwrap_err(), ENOTCAPABLE);
        assert_eq!(call!(SYS_recvmsg, letter.fds[0].as_raw_fd(), 8, 0), Err(ENOTCAPABLE));
        assert_eq!(call!(SYS_recvmmsg, letter.fds[0].as_raw_fd(), 8, 1, 0, 0), Err(ENOTCAPABLE));
    });
}

/// A thread changes the number in the message while it is sent: whatever arrives, nothing of it is more than was limited.
#[test]
fn a_number_that_changes_while_it_is_sent_gains_nothing() {
    play_each(|_| {
        enter();
        let [from, to] = pair(libc::SOCK_DGRAM);
        let (full, limited) = (memory(b"full"), memory(b"limited"));
        pimento::limit(&limited, Rights::of(&[Right::FSTAT])).unwrap();
        let numbers: [RawFd; 2] = [full.as_raw_fd(), limited.as_raw_fd()];
        let mut control = rights_of(&numbers[..1]);
        let at = control[16..].as_mut_ptr() as usize;
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for number in numbers {
                        // SAFETY: the number in the message, which nobody else writes, and only the monitor reads.
                        unsafe { (at as *mut i32).write_volatile(number) };
                    }
                }
            });
            for _ in 0..2000 {
                let data = [b"x".as_ptr() as usize, 1];
                let message = [0, 0, data.as_ptr() as usize, 1, at - 16, 24, 0];
                call!(SYS_sendmsg, from.as_raw_fd(), message.as_ptr(), 0).unwrap();
                let letter = receive(&to, 0).unwrap();
                let got = &letter.fds[0];
                if inode(got) == inode(&limited) {
                    assert_eq!(pimento::rights(got).unwrap(), Rights::of(&[Right::FSTAT]));
                    assert_eq!(write(got), Err(ENOTCAPABLE));
                } else {
                    assert_eq!(pimento::rights(got).unwrap(), Rights::ALL);
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        drop(control);
    });
}

/// A thread makes room for descriptors when the call has gone on because there was none: what comes natively is of no use.
#[test]
fn room_that_is_made_while_it_is_received_gains_nothing() {
    play_each(|_| {
        enter();
        let [from, to] = pair(libc::SOCK_DGRAM);
        let limited = memory(b"limited");
        pimento::limit(&limited, Rights::of(&[Right::FSTAT])).unwrap();
        let file = inode(&limited);
        let (mut data, mut control) = ([0u8; 8], [0u64; 8]);
        let parts = [data.as_mut_ptr() as usize, 8];
        let at = control.as_mut_ptr() as usize;
        let mut message = [0, 0, parts.as_ptr() as usize, 1, at, 0, 0];
        let message = message.as_mut_ptr() as usize;
        let is_over = AtomicBool::new(false);
        let (mut came, mut natively) = (0, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for room in [0usize, 64] {
                        // SAFETY: the room in the message, which is there until the scope is left.
                        unsafe { ((message + 40) as *mut usize).write_volatile(room) };
                    }
                }
            });
            for _ in 0..3000 {
                send(&from, b"x", &[limited.as_raw_fd()]).unwrap();
                // SAFETY: as above; it tells how many came.
                let numbers = unsafe { (at as *mut [u64; 8]).as_mut().unwrap() };
                *numbers = [0; 8];
                call!(SYS_recvmsg, to.as_raw_fd(), message, libc::MSG_DONTWAIT).unwrap();
                if numbers[0] != 20 {
                    continue;
                }
                let got = own((numbers[2] as u32).into());
                came += 1;
                if inode(&got) == file {
                    assert_eq!(pimento::rights(&got).unwrap(), Rights::of(&[Right::FSTAT]));
                    assert_eq!((read(&got), write(&got)), (Err(ENOTCAPABLE), Err(ENOTCAPABLE)));
                } else {
                    natively += 1;
                    assert_eq!(read(&got), Err(libc::EBADF));
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(came > 0, "{came} {natively}");
    });
}

/// How many descriptors the one monitor has open.
fn of_monitor() -> usize {
    let monitor = monitors()[0];
    std::fs::read_dir(format!("/proc/{monitor}/fd")).unwrap().count()
}

#[test]
fn nothing_of_what_was_sent_is_left_with_the_monitor() {
    if !is_root() {
        return skipped("root alone sees what a monitor has open");
    }
    judged(|| {
        let (ready, begin, sent, over) = (Cue::new(), Cue::new(), Cue::new(), Cue::new());
        let player = Player::start(User::Own, || {
            enter();
            let limited = memory(b"text");
            pimento::limit(&limited, READ).unwrap();
            let number = limited.as_raw_fd();
            // Once, for what stays.
            let [from, to] = pair(libc::SOCK_STREAM);
            send(&from, b"x", &[number]).unwrap();
            drop(receive(&to, 0).unwrap());
            ready.give();
            begin.take();
            thread::scope(|scope| {
                for kind in [KINDS, KINDS].concat() {
                    scope.spawn(move || {
                        for round in 0..200 {
                            let [from, to] = pair(kind);
                            send(&from, b"some", &[number, number]).unwrap();
                            send(&from, b"more", &[number]).unwrap();
                            match round % 4 {
                                0 => drop(receive(&to, 0).unwrap()),
                                1 => drop(receive_into(&to, 4, 20, 0).unwrap()),
                                2 => drop(receive(&to, libc::MSG_PEEK).unwrap()),
                                _ => {}
                            }
                        }
                    });
                }
            });
            sent.give();
            over.take();
        });
        ready.take();
        let before = of_monitor();
        begin.give();
        sent.take();
        // Workers that look on take none with them.
        let least = (0..100)
            .map(|_| {
                thread::sleep(Duration::from_millis(20));
                of_monitor()
            })
            .min()
            .unwrap();
        // A thread of the program's may be known to it by one.
        assert!(least <= before + 12, "{before} {least}");
        over.give();
        player.join();
    });
}

/// As many as a message takes, also where the monitor may have few.
#[test]
fn as_many_as_a_message_takes() {
    play_each(|_| {
        let limits = [1024u64, 1024];
        call!(SYS_setrlimit, libc::RLIMIT_NOFILE, limits.as_ptr()).unwrap();
        enter();
        let limited = memory(b"text");
        pimento::limit(&limited, READ).unwrap();
        let [from, to] = pair(libc::SOCK_STREAM);
        send(&from, b"x", &[limited.as_raw_fd(); 253]).unwrap();
        let letter = receive_into(&to, 1, 2048, 0).unwrap();
        assert_eq!((letter.fds.len(), letter.flags), (253, 0));
        assert!(letter.fds.iter().all(|fd| write(fd) == Err(ENOTCAPABLE)));
        assert_eq!(send(&from, b"x", &[limited.as_raw_fd(); 254]), Err(libc::EINVAL));
    });
}
