//! All or nothing: where entering fails, nothing has changed, and it can be tried again.

use crate::call;
use crate::stage::*;
use pimento::{EnterError, Mode};
use std::fs;
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;

/// What a failure leaves as it was.
#[derive(Debug, PartialEq, Eq)]
struct State {
    no_new_privs: i64,
    dumpable: i64,
    subreaper: i32,
    core: [u64; 2],
    mask: u64,
    descriptors: Vec<String>,
    threads: usize,
    children: Vec<i32>,
    mode: Mode,
    mappings: usize,
}

fn state() -> State {
    let prctl = |option| call!(SYS_prctl, option, 0, 0, 0, 0).unwrap();
    let (mut subreaper, mut mask, mut core) = (0, 0, [0; 2]);
    call!(SYS_getrlimit, libc::RLIMIT_CORE, core.as_mut_ptr()).unwrap();
    call!(SYS_prctl, libc::PR_GET_CHILD_SUBREAPER, &raw mut subreaper, 0, 0, 0).unwrap();
    call!(SYS_rt_sigprocmask, 0, 0, &raw mut mask, 8).unwrap();
    // Not through the C library's fopen: there may be no descriptor to be had.
    let descriptors = (0..64)
        .filter(|&fd| call!(SYS_fcntl, fd, libc::F_GETFD).is_ok())
        .map(|fd| format!("{fd}: {:?}", call!(SYS_fcntl, fd, libc::F_GETFD)))
        .collect();
    let entries = |path| fs::read_dir(path).map_or(0, Iterator::count);
    State {
        no_new_privs: prctl(libc::PR_GET_NO_NEW_PRIVS),
        dumpable: prctl(libc::PR_GET_DUMPABLE),
        subreaper,
        core,
        mask,
        descriptors,
        threads: entries("/proc/self/task"),
        children: children_of(std::process::id()),
        mode: pimento::mode(),
        mappings: fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count()),
    }
}

/// The state once that of a thread that has ended is gone: who waits for a thread, as pthread_join does, is told of its
/// end a little before.
fn state_after(before: &State) -> State {
    loop {
        let after = state();
        if after.threads == before.threads {
            // The heap may have grown, in place or in a mapping of its own.
            return State { mappings: after.mappings.min(before.mappings), ..after };
        }
        thread::yield_now();
    }
}

/// Tries, and if that fails, looks whether everything is as it was. The allocator is warmed up first.
fn try_to_enter() -> Result<(), EnterError> {
    drop(std::hint::black_box(vec![1u8; 1 << 20]));
    let before = state();
    let entered = pimento::enter();
    if let Err(error) = &entered {
        assert_eq!(state_after(&before), before, "{error}");
    }
    entered
}

// --- filters of others --------------------------------------------------------------------------------------

/// A filter that answers some calls, and lets the others go.
fn install_filter(answers: &[(i64, u32)], flags: u64) -> Result<i64, i32> {
    const LOAD: u16 = 0x20;
    const IS: u16 = 0x15;
    const RETURN: u16 = 0x06;
    #[repr(C)]
    struct Insn(u16, u8, u8, u32);
    let mut program = vec![Insn(LOAD, 0, 0, 0)];
    for &(number, answer) in answers {
        program.push(Insn(IS, 0, 1, number as u32));
        program.push(Insn(RETURN, 0, 0, answer));
    }
    program.push(Insn(RETURN, 0, 0, ALLOW));
    let program = (program.len() as u64, program.as_ptr());
    call!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
}

const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const fn error(errno: i32) -> u32 {
    0x5_0000 | errno as u32
}

/// Without this only root may install filters.
fn give_up_privileges() {
    call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).unwrap();
}

#[test]
fn under_another_listener_nothing_happens_until_that_is_gone() {
    play_each(|_| {
        give_up_privileges();
        let listener = install_filter(&[(libc::SYS_getppid, NOTIFY)], libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
        let listener = own(listener.unwrap());
        assert_eq!(try_to_enter(), Err(EnterError::OtherListener));
        assert_eq!(try_to_enter().unwrap_err().errno(), libc::EBUSY);
        drop(listener);
        assert_eq!(try_to_enter(), Ok(()));
        assert_eq!(pimento::mode(), Mode::Capability);
    });
}

#[test]
fn with_a_ring_that_the_kernel_polls_nothing_happens_until_that_is_gone() {
    play_each(|_| {
        const SQPOLL: u32 = 2;
        // `struct io_uring_params`: the sizes, and then the flags.
        let mut params = [0u32; 30];
        params[2] = SQPOLL;
        let Ok(ring) = call!(SYS_io_uring_setup, 4, params.as_mut_ptr()) else {
            // Some kernels have none, or not for everyone.
            return;
        };
        let ring = own(ring);
        assert_eq!(try_to_enter(), Err(EnterError::PolledRing));
        drop(ring);
        // Its thread ends a little later.
        while state().threads > 1 {
            thread::yield_now();
        }
        assert_eq!(try_to_enter(), Ok(()));
    });
}

#[test]
fn a_thread_with_a_filter_of_its_own_is_in_the_way() {
    play_each(|user| {
        if user != User::Own || !is_root() {
            give_up_privileges();
        }
        let (ready, is_ready) = mpsc::channel();
        let (end, is_end) = mpsc::channel::<()>();
        let filtered = thread::spawn(move || {
            install_filter(&[(libc::SYS_getppid, error(5))], 0).unwrap();
            ready.send(()).unwrap();
            let _ = is_end.recv();
        });
        is_ready.recv().unwrap();
        assert_eq!(try_to_enter(), Err(EnterError::OtherFilters));
        drop(end);
        filtered.join().unwrap();
        assert_eq!(try_to_enter(), Ok(()));
    });
}

/// From such a thread it works: the others get its filters too.
#[test]
fn own_filters_before_and_after_entering_work() {
    play_each(|_| {
        give_up_privileges();
        install_filter(&[(libc::SYS_getppid, error(5))], libc::SECCOMP_FILTER_FLAG_TSYNC).unwrap();
        let other = thread::spawn(|| {
            while !pimento::sandboxed() {
                thread::yield_now();
            }
            (call!(SYS_getppid), open_at(libc::AT_FDCWD, "/", 0).err())
        });
        enter();
        assert_eq!(other.join().unwrap(), (Err(5), Some(ECAPMODE)));
        assert_eq!(call!(SYS_getppid), Err(5));
        let root = c("/");
        install_filter(&[(libc::SYS_getuid, error(7)), (libc::SYS_chdir, ALLOW)], 0).unwrap();
        assert_eq!(call!(SYS_getuid), Err(7));
        assert_eq!(call!(SYS_chdir, root.as_ptr()), Err(ECAPMODE), "a later filter allows nothing more");
        assert_eq!(
            install_filter(&[], libc::SECCOMP_FILTER_FLAG_NEW_LISTENER),
            Err(libc::EBUSY),
            "there is one listener"
        );
        assert!(pimento::sandboxed());
    });
}

#[test]
fn an_own_filter_that_refuses_what_entering_takes_is_told_of() {
    for (number, step) in [
        (libc::SYS_memfd_create, "putting the monitor into memory"),
        (libc::SYS_socketpair, "making a socket"),
        (libc::SYS_execveat, "executing the monitor from memory"),
        (libc::SYS_setpgid, "starting the monitor"),
        (libc::SYS_seccomp, "installing the seccomp filter"),
        (libc::SYS_clone, "making a thread"),
    ] {
        play(User::Own, || {
            give_up_privileges();
            install_filter(&[(number, error(libc::EPERM))], 0).unwrap();
            assert_eq!(try_to_enter(), Err(EnterError::System { step, errno: libc::EPERM }));
        });
    }
}

/// The monitor is under the process's filters too. What it cannot do without it asks for at its start, when it is not too
/// late to say so: afterwards each call would fail, or wait for ever.
#[test]
fn under_an_own_filter_entering_works_or_is_told_to_fail() {
    for number in [
        libc::SYS_openat2,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_ioctl,
        libc::SYS_poll,
        libc::SYS_unshare,
        libc::SYS_tgkill,
        libc::SYS_ptrace,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_futex,
        libc::SYS_pidfd_send_signal,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_getaffinity,
        libc::SYS_fcntl,
        libc::SYS_openat,
        libc::SYS_statx,
        libc::SYS_newfstatat,
        libc::SYS_fstatfs,
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_prlimit64,
        libc::SYS_prctl,
        libc::SYS_capset,
        libc::SYS_umask,
        libc::SYS_madvise,
        libc::SYS_sigaltstack,
        libc::SYS_clone3,
        libc::SYS_wait4,
        libc::SYS_dup3,
        libc::SYS_close_range,
        libc::SYS_getsockopt,
        libc::SYS_setpgid,
        libc::SYS_chdir,
        libc::SYS_readlinkat,
        libc::SYS_faccessat2,
        libc::SYS_gettid,
        libc::SYS_clock_nanosleep,
    ] {
        judged(|| {
            let player = Player::start(User::Own, || {
                let dir = directory("/usr");
                call!(SYS_alarm, 30).unwrap();
                if !is_root() {
                    give_up_privileges();
                }
                install_filter(&[(number, error(libc::EPERM))], 0).unwrap();
                if pimento::enter().is_ok() {
                    assert!(pimento::sandboxed(), "{number}");
                    assert!(open_at(dir.as_raw_fd(), "bin", 0).is_ok(), "{number}");
                } else {
                    assert_eq!(pimento::mode(), Mode::Ordinary, "{number}");
                }
            });
            assert_eq!(player.wait(), 0, "{number}");
        });
    }
}

// --- limits -------------------------------------------------------------------------------------------------

/// Tries with a limit that starts at `first` and grows by `step`, until it is enough: every failure on the way is clean.
/// Returns how many there were.
fn until_enough(resource: u32, first: u64, step: u64) -> u32 {
    for failures in 0..200 {
        let mut was = [0u64; 2];
        call!(SYS_getrlimit, resource, was.as_mut_ptr()).unwrap();
        let soft = first + u64::from(failures) * step;
        let limit = [soft, was[1]];
        // What is asked about before and after takes descriptors and memory itself.
        drop(std::hint::black_box(vec![1u8; 1 << 20]));
        let before = state();
        call!(SYS_setrlimit, resource, limit.as_ptr()).unwrap();
        let entered = pimento::enter();
        call!(SYS_setrlimit, resource, was.as_ptr()).unwrap();
        match entered {
            Ok(()) => {
                assert!(pimento::sandboxed());
                return failures;
            }
            Err(EnterError::System { errno, .. }) => {
                assert_eq!(state_after(&before), before, "{entered:?} with {soft}");
                let expected = [libc::EAGAIN, libc::EMFILE, libc::ENOMEM, libc::ECHILD, libc::ENFILE];
                assert!(expected.contains(&errno), "{entered:?} with {soft}");
            }
            Err(error) => panic!("{error} with {soft}"),
        }
    }
    panic!("no limit is enough");
}

#[test]
fn as_few_descriptors_as_there_are_is_a_clean_failure() {
    play_each(|_| {
        assert!(until_enough(libc::RLIMIT_NOFILE, 0, 1) > 3);
    });
}

/// With the hard limit the monitor is under it too.
#[test]
fn few_descriptors_for_the_monitor_too_are_a_clean_failure() {
    play(User::Own, || {
        for most in 1..40u64 {
            let own = child(|| {
                let limit = [most, most];
                let before = state();
                call!(SYS_setrlimit, libc::RLIMIT_NOFILE, limit.as_ptr()).unwrap();
                match pimento::enter() {
                    Ok(()) => assert!(pimento::sandboxed()),
                    Err(_) => {
                        assert_eq!(call!(SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), Ok(0));
                        assert_eq!(pimento::mode(), Mode::Ordinary);
                        assert_eq!(before.children, [0; 0]);
                    }
                }
            });
            assert_eq!(wait_for(own), 0, "{most}");
        }
    });
}

/// A user of its own, for the limit counts all processes of the user.
const LONELY: u32 = 64_321;

#[test]
fn as_few_processes_as_there_are_is_a_clean_failure() {
    if !is_root() {
        return skipped("root alone can have a user with no other processes");
    }
    play(User::Id(LONELY), || {
        assert!(until_enough(libc::RLIMIT_NPROC, 0, 1) > 1);
    });
    for most in 1..12u64 {
        play(User::Id(LONELY), || {
            let limit = [most, most];
            call!(SYS_setrlimit, libc::RLIMIT_NPROC, limit.as_ptr()).unwrap();
            let entered = try_to_enter();
            assert_eq!(entered.is_ok(), pimento::sandboxed(), "{entered:?}");
        });
    }
}

#[test]
fn as_little_memory_as_there_is_is_a_clean_failure() {
    let in_use = || {
        let status = fs::read_to_string("/proc/self/statm").unwrap();
        status.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 4096
    };
    play_each(|_| {
        drop(std::hint::black_box(vec![1u8; 1 << 20]));
        let _ = state();
        let _ = pimento::mode();
        assert!(until_enough(libc::RLIMIT_AS, in_use() - (64 << 10), 32 << 10) > 2);
    });
    // The hard limit is the monitor's too.
    play(User::Own, || {
        for more in [0u64, 1 << 20, 2 << 20, 4 << 20, 8 << 20, 64 << 20] {
            let own = child(|| {
                let limit = [in_use() + more, in_use() + more];
                call!(SYS_setrlimit, libc::RLIMIT_AS, limit.as_ptr()).unwrap();
                let entered = try_to_enter();
                assert_eq!(entered.is_ok(), pimento::sandboxed(), "{entered:?}");
            });
            assert_eq!(wait_for(own), 0, "{more}");
        }
    });
}

// --- namespaces ---------------------------------------------------------------------------------------------

#[test]
fn a_process_whose_children_get_another_pid_namespace_does_not_enter() {
    if !is_root() {
        return skipped("root alone can unshare its pid namespace");
    }
    play(User::Own, || {
        call!(SYS_unshare, libc::CLONE_NEWPID).unwrap();
        assert_eq!(try_to_enter(), Err(EnterError::PidNamespace));
    });
    // With children in it, it is refused no less: the namespace's init has been there.
    play(User::Own, || {
        call!(SYS_unshare, libc::CLONE_NEWPID).unwrap();
        let init = child(|| {
            assert_eq!(std::process::id(), 1);
            enter();
            assert_eq!(open_at(libc::AT_FDCWD, "/", 0).err(), Some(ECAPMODE));
        });
        assert_eq!(wait_for(init), 0);
    });
}

// --- what others have used up -----------------------------------------------------------------------------------

/// How many descriptors may be in messages that nobody has received yet is limited for all of a user's processes.
#[test]
fn descriptors_on_their_way_are_not_in_the_way() {
    play_each(|_| {
        const MANY: usize = 200;
        let limit = [100u64, 100];
        call!(SYS_setrlimit, libc::RLIMIT_NOFILE, limit.as_ptr()).unwrap();
        let mut pair = [0i32; 2];
        call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()).unwrap();
        // `struct cmsghdr`, and the numbers two by two.
        let mut control = vec![0u64; 2 + MANY / 2];
        control[0] = (16 + 4 * MANY) as u64;
        control[1] = libc::SOL_SOCKET as u64 | (libc::SCM_RIGHTS as u64) << 32;
        let byte = 0u8;
        let data = [&raw const byte as usize, 1];
        let message = [0, 0, data.as_ptr() as usize, 1, control.as_ptr() as usize, 8 * control.len(), 0];
        call!(SYS_sendmsg, pair[0], message.as_ptr(), 0).unwrap();
        assert_eq!(try_to_enter(), Ok(()));
    });
}
