//! No trace of entering is left in the process but what the documentation says: no_new_privs, that it is dumpable, and
//! that it writes no core.

use crate::call;
use crate::stage::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// A process as others see it: each aspect by its name.
fn seen_from_outside(pid: i32) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let at = |name: &str| format!("/proc/{pid}/{name}");
    for line in fs::read_to_string(at("status")).unwrap().lines() {
        let (name, value) = line.split_once(':').unwrap();
        // Memory, what the scheduler did, and the signals of all the processes of the user. What is left but for
        // no_new_privs tells of the filter itself.
        let varies =
            ["Vm", "Rss", "Hugetlb", "voluntary_", "nonvoluntary_", "State", "Seccomp", "NoNewPrivs", "SigQ"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
        if !varies {
            seen.insert(format!("status {name}"), value.to_owned());
        }
    }
    for name in ["environ", "cmdline", "comm", "cgroup", "oom_score_adj", "personality", "timers"] {
        seen.insert(name.into(), String::from_utf8_lossy(&fs::read(at(name)).unwrap_or_default()).into());
    }
    for name in ["cwd", "root", "exe"] {
        seen.insert(name.into(), fs::read_link(at(name)).unwrap().display().to_string());
    }
    for dir in ["fd", "ns"] {
        for entry in fs::read_dir(at(dir)).unwrap().flatten() {
            let link = fs::read_link(entry.path()).unwrap();
            seen.insert(format!("{dir} {:?}", entry.file_name()), link.display().to_string());
        }
    }
    for entry in fs::read_dir(at("fdinfo")).unwrap().flatten() {
        seen.insert(format!("fdinfo {:?}", entry.file_name()), fs::read_to_string(entry.path()).unwrap());
    }
    let tasks: Vec<String> = fs::read_dir(at("task"))
        .unwrap()
        .flatten()
        .map(|task| task.file_name().into_string().unwrap())
        .collect();
    seen.insert("threads".into(), format!("{tasks:?}"));
    seen.insert("children".into(), format!("{:?}", children_of(pid as u32)));
    // After the name in parentheses: parent, group, session, terminal and its group; and nice.
    let stat = fs::read_to_string(at("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    seen.insert("stat".into(), format!("{:?} nice {}", &fields[1..6], fields[16]));
    let maps = fs::read_to_string(at("maps")).unwrap();
    seen.insert("files that are mapped".into(), {
        let mut paths: Vec<&str> = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
        paths.sort_unstable();
        paths.dedup();
        paths.join(" ")
    });
    // Neighbours count as one: of the allocator's, more or less may be in use.
    let anonymous = maps.lines().filter(|line| line.split_whitespace().nth(5).is_none());
    let mut ends: Vec<&str> = Vec::new();
    for (start, end) in anonymous.filter_map(|line| line.split(' ').next()?.split_once('-')) {
        match ends.last_mut() {
            Some(last) if *last == start => *last = end,
            _ => ends.push(end),
        }
    }
    seen.insert("anonymous mappings".into(), ends.len().to_string());
    seen
}

/// What only the process itself can ask.
fn seen_from_within() -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for signal in 1..=64 {
        let mut action = [0u64; 4];
        call!(SYS_rt_sigaction, signal, 0, action.as_mut_ptr(), 8).unwrap();
        seen.insert(format!("action of {signal}"), format!("{action:x?}"));
    }
    let mut mask = 0u64;
    call!(SYS_rt_sigprocmask, 0, 0, &raw mut mask, 8).unwrap();
    seen.insert("mask".into(), format!("{mask:x}"));
    let mut pending = 0u64;
    call!(SYS_rt_sigpending, &raw mut pending, 8).unwrap();
    seen.insert("pending".into(), format!("{pending:x}"));
    let mut stack = [0u64; 3];
    call!(SYS_sigaltstack, 0, stack.as_mut_ptr()).unwrap();
    seen.insert("signal stack".into(), format!("{stack:x?}"));
    for (name, option) in
        [("death signal", libc::PR_GET_PDEATHSIG), ("child subreaper", libc::PR_GET_CHILD_SUBREAPER)]
    {
        let mut value = 0i32;
        call!(SYS_prctl, option, &raw mut value, 0, 0, 0).unwrap();
        seen.insert(name.into(), value.to_string());
    }
    for (name, option) in [
        ("keep capabilities", libc::PR_GET_KEEPCAPS),
        ("securebits", libc::PR_GET_SECUREBITS),
        ("timer slack", libc::PR_GET_TIMERSLACK),
    ] {
        seen.insert(name.into(), format!("{:?}", call!(SYS_prctl, option, 0, 0, 0, 0)));
    }
    seen.insert("umask".into(), {
        let mask = call!(SYS_umask, 0o777).unwrap();
        call!(SYS_umask, mask).unwrap();
        mask.to_string()
    });
    for resource in (0..16).filter(|&resource| resource != libc::RLIMIT_CORE) {
        let mut limit = [0u64; 2];
        call!(SYS_getrlimit, resource, limit.as_mut_ptr()).unwrap();
        seen.insert(format!("limit {resource}"), format!("{limit:?}"));
    }
    seen
}

/// What differs, but for some of the names.
fn differences(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    documented: &[&str],
) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| !documented.contains(&name.as_str()) && before.get(*name) != after.get(*name))
        .map(|name| format!("{name}: {:?} -> {:?}", before.get(name), after.get(name)))
        .collect()
}

static CHILDREN_TOLD: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_child(_: i32) {
    CHILDREN_TOLD.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn nothing(_: i32) {}

/// Gives a process something of everything.
fn furnish(scratch: &Scratch) {
    handle(libc::SIGCHLD, count_child, libc::SA_RESTART);
    handle(libc::SIGUSR1, nothing, libc::SA_NODEFER);
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGQUIT, libc::SIG_IGN) };
    let blocked = 1u64 << (libc::SIGUSR2 - 1) | 1 << (libc::SIGTERM - 1);
    call!(SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const blocked, 0, 8).unwrap();
    call!(SYS_kill, std::process::id(), libc::SIGUSR2).unwrap();
    call!(SYS_umask, 0o027).unwrap();
    std::env::set_current_dir(&scratch.path).unwrap();
    // A table with a gap.
    let file = scratch.open().into_raw_fd();
    call!(SYS_dup3, file, 140, libc::O_CLOEXEC).unwrap();
    call!(SYS_dup3, file, 117, 0).unwrap();
    let limit = [1000u64, 1000];
    call!(SYS_setrlimit, libc::RLIMIT_NOFILE, limit.as_ptr()).unwrap();
    // The allocator has what entering takes by then.
    drop(std::hint::black_box(vec![1u8; 1 << 20]));
}

#[test]
fn nothing_of_the_process_changes() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            let (ready, go, done, end) = (Cue::new(), Cue::new(), Cue::new(), Cue::new());
            let player = Player::start(user, || {
                furnish(&scratch);
                let before = seen_from_within();
                ready.give();
                go.take();
                pimento::enter().unwrap();
                done.give();
                end.take();
                assert!(pimento::sandboxed());
                assert_eq!(differences(&before, &seen_from_within(), &[]), [""; 0]);
                assert_eq!(CHILDREN_TOLD.load(Ordering::SeqCst), 0, "of no child's end");
            });
            ready.take();
            let before = seen_from_outside(player.pid);
            go.give();
            done.take();
            let after = seen_from_outside(player.pid);
            assert_eq!(differences(&before, &after, &[]), [""; 0]);
            assert_eq!(after["children"], "[]");
            end.give();
            player.join();
        });
    }
}

#[test]
fn no_new_privs_dumpable_and_the_size_of_cores_are_what_changes() {
    play_each(|_| {
        call!(SYS_prctl, libc::PR_SET_DUMPABLE, 0, 0, 0, 0).unwrap();
        assert_eq!(call!(SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), Ok(0));
        enter();
        assert_eq!(call!(SYS_prctl, libc::PR_GET_DUMPABLE, 0, 0, 0, 0), Ok(1));
        assert_eq!(call!(SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), Ok(1));
        let mut limit = [1u64; 2];
        call!(SYS_getrlimit, libc::RLIMIT_CORE, limit.as_mut_ptr()).unwrap();
        assert_eq!(limit[0], 0);
    });
}

/// A process that adopts orphans, as an init does, adopts none of entering's.
#[test]
fn a_subreaper_adopts_nothing() {
    judged(|| {
        let (done, end) = (Cue::new(), Cue::new());
        let player = Player::start(User::Own, || {
            call!(SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0).unwrap();
            enter();
            let mut reaps = 0i32;
            call!(SYS_prctl, libc::PR_GET_CHILD_SUBREAPER, &raw mut reaps, 0, 0, 0).unwrap();
            assert_eq!(reaps, 1);
            done.give();
            end.take();
        });
        done.take();
        assert_eq!(children_of(player.pid as u32), [0; 0]);
        assert_eq!(monitors().len(), 1);
        end.give();
        player.join();
    });
}

/// Threads that wait for children, one of them already there, get that one and no other.
#[test]
fn a_thread_that_waits_for_any_child_sees_none_of_entering() {
    judged(|| {
        let (end, ended) = (Cue::new(), Cue::new());
        let player = Player::start(User::Own, || {
            let own = child(|| end.take());
            let waits = std::thread::spawn(|| {
                let mut status = 0;
                call!(SYS_wait4, -1i32, &raw mut status, 0, 0)
            });
            until_asleep_in(libc::SYS_wait4);
            enter();
            end.give();
            assert_eq!(waits.join().unwrap(), Ok(own.into()));
            ended.give();
        });
        ended.take();
        player.join();
    });
}

/// Waits until some other thread of this process is in a system call.
fn until_asleep_in(number: i64) {
    loop {
        for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
            let call = fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
            if call.split_whitespace().next() == Some(&number.to_string()) {
                return;
            }
        }
        std::thread::yield_now();
    }
}

/// Standard streams that are closed stay so, and their numbers are not taken for anything else.
#[test]
fn a_process_without_standard_streams_enters() {
    for closed in [&[0][..], &[1, 2], &[0, 1, 2]] {
        judged(|| {
            let (done, end) = (Cue::new(), Cue::new());
            let player = Player::start(User::Own, || {
                for &fd in closed {
                    call!(SYS_close, fd).unwrap();
                }
                enter();
                done.give();
                end.take();
                for &fd in closed {
                    assert_eq!(call!(SYS_fcntl, fd, libc::F_GETFD), Err(libc::EBADF));
                }
                let made = own(call!(SYS_dup, end.number()).unwrap());
                assert_eq!(made.as_raw_fd(), closed[0], "the lowest number is free");
            });
            done.take();
            end.give();
            player.join();
        });
    }
}
