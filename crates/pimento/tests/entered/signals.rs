//! Signals: to oneself and one's own threads, and to nobody else.

use crate::call;
use crate::stage::*;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

static CAUGHT: AtomicU32 = AtomicU32::new(0);
static BY: AtomicUsize = AtomicUsize::new(0);

extern "C" fn catch(_: i32) {
    CAUGHT.fetch_add(1, Ordering::SeqCst);
    BY.store(call!(SYS_gettid).unwrap() as usize, Ordering::SeqCst);
}

/// How many signals an act has brought.
fn caught(act: impl FnOnce() -> Result<i64, i32>) -> u32 {
    let before = CAUGHT.load(Ordering::SeqCst);
    assert_eq!(act(), Ok(0));
    CAUGHT.load(Ordering::SeqCst) - before
}

#[test]
fn signals_to_oneself_work() {
    play_each(|_| {
        handle(libc::SIGUSR1, catch, 0);
        enter();
        let (pid, tid) = (std::process::id(), call!(SYS_gettid).unwrap());
        let info = {
            let mut info = [0u32; 32];
            info[0] = libc::SIGUSR1 as u32;
            info[2] = libc::SI_QUEUE as u32;
            (info[4], info[3]) = (0, pid);
            info
        };
        let usr1 = libc::SIGUSR1;
        // SAFETY: raise has no preconditions.
        assert_eq!(caught(|| Ok(unsafe { libc::raise(usr1) }.into())), 1);
        // SAFETY: kill, sigqueue have no preconditions.
        assert_eq!(caught(|| Ok(unsafe { libc::kill(pid as i32, usr1) }.into())), 1);
        let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
        // SAFETY: as above.
        assert_eq!(caught(|| Ok(unsafe { libc::sigqueue(pid as i32, usr1, value) }.into())), 1);
        assert_eq!(caught(|| call!(SYS_tgkill, pid, tid, usr1)), 1);
        assert_eq!(caught(|| call!(SYS_tkill, tid, usr1)), 1);
        assert_eq!(caught(|| call!(SYS_rt_sigqueueinfo, pid, usr1, info.as_ptr())), 1);
        assert_eq!(caught(|| call!(SYS_rt_tgsigqueueinfo, pid, tid, usr1, info.as_ptr())), 1);
        assert_eq!(caught(|| call!(SYS_kill, pid, 0)), 0, "signal 0 only asks");
        assert_eq!(call!(SYS_kill, pid, 65), Err(libc::EINVAL));
    });
}

#[test]
fn signals_to_own_threads_work() {
    play_each(|_| {
        handle(libc::SIGUSR1, catch, 0);
        let (ids, id) = mpsc::channel();
        let (end, is_end) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            // SAFETY: pthread_self has no preconditions.
            ids.send((call!(SYS_gettid).unwrap(), unsafe { libc::pthread_self() })).unwrap();
            let _ = is_end.recv();
        });
        let (tid, pthread) = id.recv().unwrap();
        enter();
        let pid = std::process::id();
        let until_caught = |by: &str| {
            while BY.swap(0, Ordering::SeqCst) != tid as usize {
                thread::yield_now();
            }
            assert!(!by.is_empty());
        };
        // SAFETY: the thread is there until it is told to end.
        assert_eq!(unsafe { libc::pthread_kill(pthread, libc::SIGUSR1) }, 0);
        until_caught("pthread_kill");
        assert_eq!(call!(SYS_tgkill, pid, tid, libc::SIGUSR1), Ok(0));
        until_caught("tgkill");
        assert_eq!(call!(SYS_tkill, tid, libc::SIGUSR1), Ok(0));
        until_caught("tkill");
        drop(end);
        other.join().unwrap();
    });
}

#[test]
fn abort_aborts() {
    for &user in users() {
        judged(|| {
            let status = Player::start(user, || {
                call!(SYS_setrlimit, libc::RLIMIT_CORE, [0u64; 2].as_ptr()).unwrap();
                enter();
                // SAFETY: abort has no preconditions.
                unsafe { libc::abort() };
            })
            .wait();
            assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT, "{status:#x}");
        });
    }
}

#[test]
fn signals_to_others_are_refused() {
    for &user in users() {
        judged(|| {
            let bystander = Player::start(user, || {
                let _ = call!(SYS_pause);
            });
            let before = Player::start(user, || {
                let (judge, own) = (call!(SYS_getppid).unwrap(), std::process::id());
                let _ = call!(SYS_setpgid, 0, 0);
                let old = child(|| _ = call!(SYS_pause));
                enter();
                let new = child(|| _ = call!(SYS_pause));
                let group = -i64::from(own);
                for pid in [0, -1, group, judge, 1, old.into(), new.into(), bystander.pid.into(), 4_000_000] {
                    for signal in [libc::SIGKILL, 0] {
                        assert_eq!(call!(SYS_kill, pid, signal), Err(ECAPMODE), "kill {pid} {signal}");
                    }
                    if pid > 0 {
                        assert_eq!(call!(SYS_tkill, pid, libc::SIGKILL), Err(ECAPMODE), "tkill {pid}");
                        assert_eq!(call!(SYS_tgkill, pid, pid, libc::SIGKILL), Err(ECAPMODE), "tgkill {pid}");
                        // The kernel's own word for what is none of its threads.
                        assert_eq!(call!(SYS_tgkill, own, pid, libc::SIGKILL), Err(libc::ESRCH), "{pid}");
                        let info = [libc::SIGKILL as u32, 0, libc::SI_QUEUE as u32, 0].map(u64::from);
                        assert_eq!(
                            call!(SYS_rt_sigqueueinfo, pid, libc::SIGKILL, info.as_ptr()),
                            Err(ECAPMODE)
                        );
                        assert_eq!(call!(SYS_pidfd_open, pid, 0), Err(ECAPMODE));
                    }
                }
                assert_eq!(call!(SYS_wait4, -1i32, 0, libc::WNOHANG, 0), Err(ECAPMODE));
            });
            before.join();
            // They live, the bystander and the two children: else they could not be ended.
            assert_eq!(end_orphans(), 3);
        });
    }
}
