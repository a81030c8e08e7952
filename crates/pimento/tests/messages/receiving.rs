//! That a message is received as it would be without a monitor, in all that has nothing to do with limits.

use crate::call;
use crate::letters::*;
use crate::stage::*;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const KINDS: [i32; 3] = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET];

/// Without room for ancillary data the kernel receives, with it the monitor: both say the same.
fn both(socket: &impl AsRawFd, room: usize, flags: i32, mut again: impl FnMut()) -> (usize, i32) {
    again();
    let native = receive_into(socket, room, 0, flags).unwrap();
    again();
    let ours = receive_into(socket, room, 64, flags).unwrap();
    assert_eq!((native.length, native.flags, &native.name), (ours.length, ours.flags, &ours.name));
    let len = native.data.len().min(room);
    assert_eq!(native.data[..len], ours.data[..len]);
    (ours.length, ours.flags)
}

#[test]
fn datagrams_are_cut_and_streams_are_not() {
    play_each(|_| {
        enter();
        for kind in KINDS {
            let [from, to] = pair(kind);
            let record = if kind == libc::SOCK_SEQPACKET { libc::MSG_EOR } else { 0 };
            let sends = || assert_eq!(send(&from, b"twelve bytes", &[]), Ok(12));
            let (length, flags) = both(&to, 100, 0, sends);
            assert_eq!((length, flags & !record), (12, 0));
            if kind == libc::SOCK_STREAM {
                assert_eq!(both(&to, 12, libc::MSG_TRUNC, sends), (12, 0));
                continue;
            }
            let (length, flags) = both(&to, 5, 0, sends);
            assert_eq!((length, flags & !record), (5, libc::MSG_TRUNC));
            let (length, flags) = both(&to, 5, libc::MSG_TRUNC, sends);
            assert_eq!((length, flags & !record), (12, libc::MSG_TRUNC));
            assert_eq!(both(&to, 0, 0, sends).0, 0);
            assert_eq!(both(&to, 20, 0, || assert_eq!(send(&from, b"", &[]), Ok(0))).0, 0);
        }
        let [from, to] = pair(libc::SOCK_STREAM);
        send(&from, b"some", &[]).unwrap();
        send(&from, b"more", &[]).unwrap();
        assert_eq!(receive_into(&to, 3, 64, 0).unwrap().data, b"som");
        assert_eq!(receive_into(&to, 64, 64, 0).unwrap().data, b"emore");
        drop(from);
        assert_eq!(receive(&to, 0).unwrap().length, 0, "the end");
    });
}

#[test]
fn what_comes_in_pieces_is_waited_for() {
    play_each(|_| {
        enter();
        let [from, to] = pair(libc::SOCK_STREAM);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1000 {
                    thread::sleep(Duration::from_micros(100));
                    assert_eq!(send(&from, &[7; 1000], &[]), Ok(1000));
                }
            });
            let letter = receive_into(&to, 1_000_000, 64, libc::MSG_WAITALL).unwrap();
            assert_eq!(letter.length, 1_000_000);
            assert!(letter.data.iter().all(|&byte| byte == 7));
        });
        // A descriptor ends a piece.
        send(&from, b"abc", &[]).unwrap();
        send(&from, b"def", &[0]).unwrap();
        send(&from, b"ghi", &[]).unwrap();
        let letter = receive_into(&to, 9, 64, libc::MSG_WAITALL).unwrap();
        assert_eq!((letter.data.as_slice(), letter.fds.len()), (b"abcdef".as_slice(), 1));
    });
}

#[test]
fn other_ancillary_data_comes_too() {
    play_each(|_| {
        let [from, to] = pair(libc::SOCK_DGRAM);
        let one = 1i32;
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PASSCRED);
        call!(SYS_setsockopt, to.as_raw_fd(), level, option, &raw const one, 4).unwrap();
        // A descriptor of the sender, which is the monitor.
        const SO_PASSPIDFD: i32 = 76;
        let passes = call!(SYS_setsockopt, to.as_raw_fd(), level, SO_PASSPIDFD, &raw const one, 4).is_ok();
        send(&from, b"before", &[0, 1]).unwrap();
        enter();
        let own = std::process::id() as i32;
        let letter = receive(&to, 0).unwrap();
        assert_eq!((letter.data.as_slice(), letter.fds.len()), (b"before".as_slice(), 2));
        let credentials = |letter: &Letter| letter.others[0].1[..4].to_vec();
        assert_eq!(
            (letter.others[0].0, credentials(&letter)),
            (libc::SCM_CREDENTIALS, own.to_ne_bytes().to_vec())
        );
        if passes {
            let (kind, number) = &letter.others[1];
            let number = i32::from_ne_bytes(number[..].try_into().unwrap());
            assert_eq!(*kind, 4);
            assert_eq!(call!(SYS_fcntl, number, libc::F_GETFD), Ok(1), "close-on-exec, as ever");
            assert_eq!(call!(SYS_pidfd_send_signal, number, 0, 0, 0), Ok(0));
        }
        send(&from, b"after", &[2]).unwrap();
        let letter = receive(&to, 0).unwrap();
        assert_eq!(letter.fds.len(), 1);
        if passes {
            assert_eq!(letter.others[1].1, (-libc::ESRCH).to_ne_bytes(), "no descriptor of the monitor");
        }
    });
}

#[test]
fn what_is_wrong_is_told_as_ever() {
    play_each(|_| {
        enter();
        let [_from, to] = pair(libc::SOCK_DGRAM);
        let mut control = [0u8; 64];
        let at = control.as_mut_ptr() as usize;
        let data = [at, 8];
        let receive = |socket: RawFd, message: [usize; 7], flags: i32| {
            call!(SYS_recvmsg, socket, message.as_ptr(), flags | libc::MSG_DONTWAIT)
        };
        let (to, parts) = (to.as_raw_fd(), data.as_ptr() as usize);
        assert_eq!(receive(to, [0, 0, parts, 1, at, 64, 0], 0), Err(libc::EAGAIN));
        assert_eq!(receive(777, [0, 0, parts, 1, at, 64, 0], 0), Err(libc::EBADF));
        assert_eq!(receive(0, [0, 0, parts, 1, at, 64, 0], 0), Err(libc::ENOTSOCK));
        assert_eq!(receive(to, [0, 0, parts, 1025, at, 64, 0], 0), Err(libc::EMSGSIZE));
        assert_eq!(receive(to, [0, 0, 8, 1, at, 64, 0], 0), Err(libc::EFAULT));
        assert_eq!(receive(to, [at, usize::MAX, parts, 1, at, 64, 0], 0), Err(libc::EINVAL));
        assert_eq!(receive(to, [0, 0, parts, 1, at, 64, 0], libc::MSG_OOB), Err(libc::EOPNOTSUPP));
        assert_eq!(call!(SYS_recvmsg, to, 8, 0), Err(libc::EFAULT));
        let [from, to] = pair(libc::SOCK_DGRAM);
        send(&from, b"x", &[0]).unwrap();
        // The message is gone then, and its descriptors with it.
        let before = call!(SYS_dup, 0).unwrap();
        assert_eq!(receive(to.as_raw_fd(), [0, 0, parts, 1, 8, 64, 0], 0), Err(libc::EFAULT));
        call!(SYS_close, before).unwrap();
        assert_eq!(call!(SYS_dup, 0), Ok(before));
        let stream = own(call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap());
        assert_eq!(receive(stream.as_raw_fd(), [0, 0, parts, 1, at, 64, 0], 0), Err(libc::EINVAL));
    });
}

static CAUGHT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    CAUGHT.fetch_add(1, Ordering::SeqCst);
}

/// Alarms, so often: one may come before what it is to interrupt.
fn ring_every(millis: u64) {
    let time = [0, millis * 1000];
    call!(SYS_setitimer, libc::ITIMER_REAL, [time, time].as_ptr(), 0).unwrap();
}

#[test]
fn who_waits_for_a_message_is_interrupted() {
    for restart in [false, true] {
        play_each(|_| {
            handle(libc::SIGALRM, count, if restart { libc::SA_RESTART } else { 0 });
            enter();
            let [from, to] = pair(libc::SOCK_STREAM);
            thread::scope(|scope| {
                // Alarms come to the first thread.
                scope.spawn(|| {
                    // Long after the alarm, also where nobody has time.
                    thread::sleep(Duration::from_millis(if restart { 150 } else { 1000 }));
                    send(&from, b"at last", &[]).unwrap();
                });
                ring_every(30);
                let got = receive(&to, 0);
                if restart {
                    assert_eq!(got.unwrap().data, b"at last");
                } else {
                    assert_eq!(got.unwrap_err(), libc::EINTR);
                }
                assert!(CAUGHT.load(Ordering::SeqCst) > 0);
                ring_every(0);
            });
            let [_from, to] = pair(libc::SOCK_STREAM);
            let time = [0u64, 120_000];
            let (level, option) = (libc::SOL_SOCKET, libc::SO_RCVTIMEO);
            call!(SYS_setsockopt, to.as_raw_fd(), level, option, time.as_ptr(), 16).unwrap();
            let start = Instant::now();
            assert_eq!(receive(&to, 0).unwrap_err(), libc::EAGAIN);
            assert!((115..1000).contains(&start.elapsed().as_millis()));
            // With a time of its own it does not begin anew.
            call!(SYS_setsockopt, to.as_raw_fd(), level, option, [9u64, 0].as_ptr(), 16).unwrap();
            ring_every(30);
            assert_eq!(receive(&to, 0).unwrap_err(), libc::EINTR);
            ring_every(0);
        });
    }
}

#[test]
fn several_messages_are_received_at_once() {
    play_each(|_| {
        enter();
        let [from, to] = pair(libc::SOCK_DGRAM);
        for data in [b"one", b"two", b"six"] {
            send(&from, data, &[0]).unwrap();
        }
        let (mut data, mut control) = ([[0u8; 8]; 4], [[0u64; 4]; 4]);
        let parts: Vec<[usize; 2]> = data.iter_mut().map(|data| [data.as_mut_ptr() as usize, 8]).collect();
        let mut messages: Vec<[usize; 8]> = (0..4)
            .map(|at| [0, 0, parts[at].as_ptr() as usize, 1, control[at].as_mut_ptr() as usize, 32, 0, 0])
            .collect();
        let at = messages.as_mut_ptr();
        let flags = libc::MSG_WAITFORONE;
        assert_eq!(call!(SYS_recvmmsg, to.as_raw_fd(), at, 4, flags, 0), Ok(3));
        assert_eq!(
            data.map(|data| data[..3].to_vec()),
            [b"one", b"two", b"six", b"\0\0\0"].map(|text| text.to_vec())
        );
        for message in 0..3 {
            assert_eq!((messages[message][7], messages[message][5]), (3, 24));
            assert!(own((control[message][2] as u32).into()).as_raw_fd() > 2);
        }
        // A time is looked at when a message has come.
        for message in &mut messages {
            message[5] = 32;
        }
        send(&from, b"one", &[0]).unwrap();
        let mut time = [0u64, 20_000_000];
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                send(&from, b"two", &[0]).unwrap();
            });
            let got = call!(SYS_recvmmsg, to.as_raw_fd(), messages.as_mut_ptr(), 4, 0, time.as_mut_ptr());
            assert_eq!(got, Ok(2));
        });
        assert_eq!(time, [0, 0]);
        let wrong = [0u64, 1_000_000_000];
        let at = messages.as_mut_ptr();
        assert_eq!(call!(SYS_recvmmsg, to.as_raw_fd(), at, 4, 0, wrong.as_ptr()), Err(libc::EINVAL));
        let flags = libc::MSG_DONTWAIT;
        assert_eq!(call!(SYS_recvmmsg, to.as_raw_fd(), at, 4, flags, 0), Err(libc::EAGAIN));
    });
}
