//! Connections for which there is no room yet.

use crate::stage::*;
use crate::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_millis(300);

/// A server with room for one connection, which is taken.
fn full(dir: RawFd, kind: i32) -> (OwnedFd, OwnedFd) {
    let server = socket(kind);
    bind(dir, &server, "server").unwrap();
    call!(SYS_listen, server.as_raw_fd(), 0).unwrap();
    let first = socket(kind);
    connect(dir, &first, "server").unwrap();
    (server, first)
}

static HANDLED: AtomicU32 = AtomicU32::new(0);
extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_socket_that_does_not_wait_is_told_to_try_again() {
    for kind in [STREAM, SEQUENCED] {
        play_each_mode(&MODES, |mode, dir| {
            let (server, _first) = full(dir, kind);
            mode.begin(dir);
            let client = socket(kind | libc::SOCK_NONBLOCK);
            assert_eq!(connect(dir, &client, "server"), Err(libc::EAGAIN), "{mode:?}");
            drop(accept(&server));
            connect(dir, &client, "server").unwrap();
        });
    }
}

#[test]
fn a_connection_waits_for_room_and_delays_nobody_else() {
    play_each_mode(&MODES, |mode, dir| {
        let (server, _first) = full(dir, STREAM);
        let _other = crate::server(dir, STREAM, "other");
        mode.begin(dir);
        std::thread::scope(|scope| {
            let waits = [(); 3].map(|()| {
                scope.spawn(move || {
                    let client = socket(STREAM);
                    (connect(dir, &client, "server"), Instant::now())
                })
            });
            std::thread::sleep(LONG / 3);
            let begun = Instant::now();
            for _ in 0..8 {
                connect(dir, &socket(STREAM), "other").unwrap();
            }
            assert!(begun.elapsed() < LONG, "{mode:?}: {:?}", begun.elapsed());
            std::thread::sleep(LONG / 3);
            assert!(waits.iter().all(|wait| !wait.is_finished()), "{mode:?}");
            let room = Instant::now();
            for _ in 0..4 {
                drop(accept(&server));
            }
            for wait in waits {
                let (connected, at) = wait.join().unwrap();
                assert_eq!(connected, Ok(()), "{mode:?}");
                assert!(at >= room);
            }
        });
    });
}

#[test]
fn a_handled_signal_ends_the_wait_or_begins_it_anew() {
    for restarts in [false, true] {
        play_each_mode(&MODES, |mode, dir| {
            let (server, _first) = full(dir, STREAM);
            handle(libc::SIGUSR2, count, if restarts { libc::SA_RESTART } else { 0 });
            mode.begin(dir);
            let me = [call!(SYS_getpid), call!(SYS_gettid)].map(Result::unwrap);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(LONG / 3);
                    call!(SYS_tgkill, me[0], me[1], libc::SIGUSR2).unwrap();
                    std::thread::sleep(LONG / 3);
                    drop(accept(&server));
                });
                let client = socket(STREAM);
                let connected = connect(dir, &client, "server");
                assert_eq!(HANDLED.load(Ordering::SeqCst), 1, "{mode:?}");
                assert_eq!(connected, if restarts { Ok(()) } else { Err(libc::EINTR) }, "{mode:?}");
            });
        });
    }
}

#[test]
fn a_wait_ends_after_the_time_for_sending() {
    play_each_mode(&MODES, |mode, dir| {
        let (_server, _first) = full(dir, STREAM);
        mode.begin(dir);
        let client = socket(STREAM);
        let time = libc::timeval { tv_sec: 0, tv_usec: 100_000 };
        let (level, option) = (libc::SOL_SOCKET, libc::SO_SNDTIMEO);
        call!(SYS_setsockopt, client.as_raw_fd(), level, option, &raw const time, 16).unwrap();
        let begun = Instant::now();
        assert_eq!(connect(dir, &client, "server"), Err(libc::EAGAIN), "{mode:?}");
        assert!(begun.elapsed() >= Duration::from_millis(90) && begun.elapsed() < LONG * 10, "{mode:?}");
    });
}

#[test]
fn who_dies_while_waiting_leaves_nothing_behind() {
    for mode in MODES {
        judged(|| {
            let scratch = Scratch::new(User::Own);
            let outer = scratch.open();
            let (server, _first) = full(outer.as_raw_fd(), STREAM);
            let (begun, over) = (Cue::new(), Cue::new());
            let player = Player::start(User::Own, || {
                let dir = scratch.open();
                mode.begin(dir.as_raw_fd());
                // The player lives on, and with it the monitor.
                if let Forked::Child = fork() {
                    begun.give();
                    let soon = [[0i64, 0], [0, 100_000]];
                    call!(SYS_setitimer, libc::ITIMER_REAL, soon.as_ptr(), 0).unwrap();
                    let _ = connect(dir.as_raw_fd(), &socket(STREAM), "server");
                    exit(1);
                }
                over.take();
            });
            begun.take();
            std::thread::sleep(LONG);
            // Its connection does not come when there is room.
            drop(accept(&server));
            let mut ready = libc::pollfd { fd: server.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            assert_eq!(call!(SYS_poll, &raw mut ready, 1, 100), Ok(0), "{mode:?}");
            over.give();
            player.join();
        });
    }
}
