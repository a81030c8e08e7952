//! Processes, threads, signals, identity.

use crate::raw::{self, at, of, word, zeroed};
use crate::scene::{self, before};
use crate::stage::{Recipe, Stage, Want, alike, denied, is, works};
use std::os::unix::fs::PermissionsExt;

pub const RECIPES: &[Recipe] = &[
    ("forking", forking),
    ("a child is in capability mode too", inherited),
    ("threads", threads),
    ("unsharing", unsharing),
    ("other namespaces", namespaces),
    ("the end of a thread", |t| {
        t.enter();
        works!(t, exit(3));
    }),
    ("the end of a process", |t| {
        t.enter();
        works!(t, exit_group(4));
    }),
    ("waiting", waiting),
    ("signals to itself", to_itself),
    ("signals to its threads", to_threads),
    ("signals by the C library", by_library),
    ("signals to others", to_others),
    ("signals to children", to_children),
    ("signals by descriptor", by_descriptor),
    ("its own signals", own_signals),
    ("pausing", pausing),
    ("abort", |t| {
        t.enter();
        std::process::abort();
    }),
    ("reaching into others", reaching),
    ("being traced", |t| {
        t.enter();
        denied!(t, ptrace(16, i32::MAX, 0, 0));
        denied!(t, ptrace(0, 0, 0, 0));
    }),
    ("groups and sessions", groups),
    ("a session of its own", |t| {
        t.enter();
        alike!(t, setsid());
        alike!(t, getsid(0));
        alike!(t, setsid());
    }),
    ("identity", identity),
    ("capabilities asked for", capget),
    ("setuid", |t| become_other(t, |t| works!(t, setuid(1000)))),
    ("setgid", |t| become_other(t, |t| works!(t, setgid(1000)))),
    ("setreuid", |t| become_other(t, |t| works!(t, setreuid(-1, 1000)))),
    ("setregid", |t| become_other(t, |t| works!(t, setregid(1000, 1000)))),
    ("setresuid", |t| become_other(t, |t| works!(t, setresuid(1000, 1001, 1002)))),
    ("setresgid", |t| become_other(t, |t| works!(t, setresgid(-1, 1001, 1002)))),
    ("setfsuid", |t| become_other(t, |t| works!(t, setfsuid(1000)))),
    ("setfsgid", |t| become_other(t, |t| works!(t, setfsgid(1000)))),
    ("setgroups", |t| become_other(t, |t| works!(t, setgroups(2, of(&[1000u32, 12345]))))),
    ("setgroups and setuid", |t| {
        become_other(t, |t| {
            works!(t, setgroups(0, 0));
            works!(t, setgid(1000));
            works!(t, setuid(1000));
            works!(t, setuid(0))
        });
    }),
    ("capset", |t| {
        become_other(t, |t| {
            let (header, none) = ([0x2008_0522u32, 0], [0u32; 6]);
            works!(t, capset(16, 0));
            works!(t, capset(of(&header), of(&none)))
        });
    }),
];

fn forking(t: &mut Stage) {
    t.enter();
    let sigchld = word(libc::SIGCHLD);
    t.spawn("fork", Want::Alike, &[]);
    t.spawn("vfork", Want::Alike, &[]);
    t.spawn("clone", Want::Alike, &[sigchld]);
    t.spawn("clone", Want::Alike, &[word(libc::CLONE_VM | libc::CLONE_VFORK) | sigchld]);
    t.spawn("clone", Want::Alike, &[word(libc::CLONE_FS | libc::CLONE_FILES) | sigchld]);
    let mut descriptor = -1i32;
    t.spawn("clone", Want::Alike, &[word(libc::CLONE_PIDFD) | sigchld, 0, at(&mut descriptor)]);
    t.see("descriptor", descriptor);
    t.spawn("clone", Want::Same, &[word(libc::CLONE_THREAD)]);
    for flag in [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_PARENT,
    ] {
        t.spawn("clone", Want::Is(-1094), &[word(flag) | sigchld]);
    }
    // `struct clone_args`: flags, descriptor, two numbers' places, signal, stack, its size, storage.
    let args = [0u64, 0, 0, 0, sigchld, 0, 0, 0];
    t.spawn("clone3", Want::Is(-38), &[of(&args), 64]);
    t.spawn("clone3", Want::Is(-38), &[0, 0]);
}

/// Runs something in a child, and waits until that has ended; meanwhile only the child tells.
fn child(t: &mut Stage, body: impl FnOnce(&mut Stage)) -> i32 {
    let ends = scene::pipe();
    match raw::fork() {
        None => {
            body(t);
            raw::exit(0)
        }
        Some(pid) => {
            before(libc::SYS_close, &[word(ends[1])]);
            before(libc::SYS_read, &[word(ends[0]), at(&mut [0u8; 1]), 1]);
            before(libc::SYS_close, &[word(ends[0])]);
            pid
        }
    }
}

fn inherited(t: &mut Stage) {
    let dir = scene::dir();
    t.enter();
    child(t, |t| {
        denied!(t, open(c"file", libc::O_RDONLY));
        denied!(t, kill(std::os::unix::process::parent_id(), 0));
        is!(t, 0, cap_enter());
        let file = works!(t, openat(dir, c"file", libc::O_RDONLY));
        let mut bytes = [0u8; 4];
        works!(t, read(file, at(&mut bytes), 4));
        t.see("read", bytes);
        child(t, |t| {
            denied!(t, open(c"file", libc::O_RDONLY));
            works!(t, mkdirat(dir, c"by a grandchild", 0o700));
        });
    });
    let thread =
        std::thread::spawn(move || raw::syscall(libc::SYS_chdir as u32, [word(c"."), 0, 0, 0, 0, 0]));
    let value = thread.join().unwrap_or_default();
    t.see("a thread's chdir", if pimento::sandboxed() { value == -1094 } else { value == 0 });
}

fn threads(t: &mut Stage) {
    t.enter();
    let mut here = 1u32;
    let stack = raw::pages(4).expose_provenance() as u64 + 4 * 4096;
    let flags = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_CHILD_CLEARTID;
    t.spawn("clone", Want::Alike, &[word(flags), stack, 0, at(&mut here)]);
    // It clears its number as it ends, and wakes who waits for it.
    let time = [5i64, 0];
    loop {
        let value = raw::peek(at(&mut here));
        if value == 0 {
            break;
        }
        raw::syscall(libc::SYS_futex as u32, [at(&mut here), 0, value.into(), of(&time), 0, 0]);
    }
    t.see("ended", here);
    works!(t, futex(at(&mut here), libc::FUTEX_WAKE, 1, 0, 0, 0));
    works!(t, futex(at(&mut here), libc::FUTEX_WAIT, 1, 0, 0, 0));
    works!(t, futex(at(&mut here), libc::FUTEX_WAIT, 0, of(&[0i64, 1000]), 0, 0));
    // `struct futex_waitv`: value, address, flags (FUTEX2_SIZE_U32).
    let wait = [[1u64, at(&mut here), 2]];
    works!(t, futex_waitv(of(&wait), 1, 0, 0, 0));
    works!(t, futex_wake(at(&mut here), -1, 1, 2));
    works!(t, futex_wait(at(&mut here), 1, -1, 2, 0, 0));
    let two = [wait[0], wait[0]];
    works!(t, futex_requeue(of(&two), 0, 1, 1));
    alike!(t, set_tid_address(at(&mut here)));
    let mut head = [0u64; 3];
    head[0] = at(&mut head);
    works!(t, set_robust_list(of(&head), 24));
    works!(t, set_robust_list(of(&head), 23));
    let (mut list, mut len) = (0u64, 0u64);
    let me = std::process::id();
    for pid in [0, me] {
        works!(t, get_robust_list(pid, at(&mut list), at(&mut len)));
        t.see("robust list", (list == of(&head), len));
    }
    works!(t, rseq(0, 0, 0, 0));
    works!(t, membarrier(0, 0, 0));
    works!(t, membarrier(1, 0, 0));
    works!(t, set_robust_list(0, 24));
}

fn unsharing(t: &mut Stage) {
    t.enter();
    works!(t, unshare(0));
    works!(t, unshare(libc::CLONE_FILES));
    works!(t, unshare(libc::CLONE_FS));
    works!(t, unshare(libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SYSVSEM));
    let alone = libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_VM;
    // The thread that entering took may not have quite ended.
    for _ in 0..1000 {
        if raw::syscall(libc::SYS_unshare as u32, [word(alone), 0, 0, 0, 0, 0]) == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    works!(t, unshare(alone));
    for flag in [
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWPID,
        0x80,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWUSER | libc::CLONE_FS,
    ] {
        denied!(t, unshare(flag));
    }
    denied!(t, unshare(1));
}

fn namespaces(t: &mut Stage) {
    let uts = scene::opened(c"/proc/self/ns/uts", libc::O_RDONLY);
    t.enter();
    denied!(t, setns(uts, 0));
    denied!(t, setns(uts, libc::CLONE_NEWUTS));
    denied!(t, setns(99, 0));
}

fn waiting(t: &mut Stage) {
    let children = [scene::ended(t), scene::ended(t), scene::ended(t), scene::ended(t)];
    let descriptor = scene::process_descriptor(children[0]);
    let mut info: libc::siginfo_t = zeroed();
    let mut status = 7i32;
    t.enter();
    works!(t, waitid(libc::P_PIDFD, descriptor, at(&mut info), libc::WEXITED, 0));
    t.see("ended", (info.si_signo, info.si_code));
    works!(t, waitid(libc::P_PIDFD, descriptor, at(&mut info), libc::WEXITED, 0));
    denied!(t, waitid(libc::P_PID, children[2], at(&mut info), libc::WEXITED, 0));
    denied!(t, wait4(children[1], at(&mut status), 0, 0));
    denied!(t, wait4(-1, at(&mut status), libc::WNOHANG, 0));
    denied!(t, wait4(0, 0, libc::WNOHANG, 0));
    denied!(t, wait4(1, 0, libc::WNOHANG, 0));
    denied!(t, waitid(libc::P_ALL, 0, at(&mut info), libc::WEXITED | libc::WNOHANG, 0));
    denied!(t, waitid(libc::P_PGID, 0, at(&mut info), libc::WEXITED | libc::WNOHANG, 0));
    t.see("nothing written", status == 7 || !pimento::sandboxed());
}

/// `siginfo_t` of SI_QUEUE, from this process.
fn queued() -> [u32; 32] {
    let mut info = [0u32; 32];
    info[2] = -1i32 as u32;
    info[4] = std::process::id();
    info
}

fn to_itself(t: &mut Stage) {
    let me = std::process::id();
    scene::counted(libc::SIGUSR1);
    t.enter();
    works!(t, kill(me, 0));
    works!(t, kill(me, libc::SIGUSR1));
    t.see("handled", scene::handled());
    t.mark("rt_sigreturn", "each handler's return");
    works!(t, kill(me, 65));
    works!(t, tkill(me, libc::SIGUSR1));
    works!(t, tgkill(me, me, libc::SIGUSR1));
    works!(t, rt_sigqueueinfo(me, libc::SIGUSR1, of(&queued())));
    works!(t, rt_tgsigqueueinfo(me, me, libc::SIGUSR1, of(&queued())));
    t.see("handled", scene::handled());
}

fn to_threads(t: &mut Stage) {
    let me = std::process::id();
    scene::counted(libc::SIGUSR1);
    let (told, tell) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = told.send(before(libc::SYS_gettid, &[]));
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    });
    let thread = tell.recv().unwrap_or_default();
    let handled = |t: &Stage, count: u32| {
        for _ in 0..1000 {
            if scene::handled() == count {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        t.see("handled", scene::handled());
    };
    t.enter();
    works!(t, tkill(thread, libc::SIGUSR1));
    handled(t, 1);
    works!(t, tgkill(me, thread, libc::SIGUSR1));
    handled(t, 2);
    works!(t, rt_sigqueueinfo(thread, libc::SIGUSR1, of(&queued())));
    handled(t, 3);
    works!(t, rt_tgsigqueueinfo(me, thread, libc::SIGUSR1, of(&queued())));
    handled(t, 4);
    alike!(t, getsid(thread));
    alike!(t, getpgid(thread));
    works!(t, getpriority(libc::PRIO_PROCESS, thread));
    works!(t, sched_getscheduler(thread));
}

fn by_library(t: &mut Stage) {
    scene::counted(libc::SIGUSR1);
    t.enter();
    t.see("raise", (raw::raise(libc::SIGUSR1), raw::signal_own_thread(libc::SIGUSR1), scene::handled()));
}

/// Every way to a process, group, or all.
fn to_others(t: &mut Stage) {
    let (other, me, group) = (scene::process(t), std::process::id() as i32, scene::group());
    t.enter();
    // The signal is none: nobody is told.
    for pid in [other, std::os::unix::process::parent_id() as i32, 1, 0, -1, -group, i32::MAX, i32::MIN] {
        denied!(t, kill(pid, 0));
    }
    for pid in [other, 1, 0, -1, i32::MAX] {
        denied!(t, tkill(pid, 0));
        denied!(t, tgkill(pid, pid, 0));
        denied!(t, rt_sigqueueinfo(pid, 0, of(&queued())));
        denied!(t, rt_tgsigqueueinfo(pid, pid, 0, of(&queued())));
    }
    denied!(t, tgkill(other, me, 0));
    denied!(t, kill(other, libc::SIGCONT));
    denied!(t, kill(1, 65));
    denied!(t, pidfd_open(other, 0));
    denied!(t, pidfd_open(me, 0));
    denied!(t, pidfd_open(0, 0));
}

/// Also its own children, which it may have descriptors of.
fn to_children(t: &mut Stage) {
    t.enter();
    let ended = child(t, |_| {});
    denied!(t, kill(ended, 0));
    denied!(t, getpgid(ended));
    denied!(t, pidfd_open(ended, 0));
    denied!(t, setpgid(ended, 0));
    let mut limit = [0u64; 2];
    denied!(t, prlimit64(ended, libc::RLIMIT_NOFILE, 0, at(&mut limit)));
    denied!(t, wait4(ended, 0, 0, 0));
}

fn by_descriptor(t: &mut Stage) {
    let me = std::process::id() as i32;
    let other = scene::process(t);
    // It leads a group, of which it is all.
    before(libc::SYS_setpgid, &[0, 0]);
    let (own, other, dead) = (
        scene::process_descriptor(me),
        scene::process_descriptor(other),
        scene::process_descriptor(scene::ended(t)),
    );
    let file = scene::file();
    scene::counted(libc::SIGUSR1);
    t.enter();
    works!(t, pidfd_send_signal(own, libc::SIGUSR1, 0, 0));
    works!(t, pidfd_send_signal(own, libc::SIGUSR1, 0, 1));
    works!(t, pidfd_send_signal(own, libc::SIGUSR1, 0, 2));
    t.see("handled", scene::handled());
    works!(t, pidfd_send_signal(other, 0, 0, 0));
    works!(t, pidfd_send_signal(other, libc::SIGCONT, 0, 0));
    works!(t, pidfd_send_signal(dead, 0, 0, 0));
    works!(t, pidfd_send_signal(file, 0, 0, 0));
    denied!(t, pidfd_send_signal(own, 0, 0, 4));
    denied!(t, pidfd_getfd(own, file, 0));
    denied!(t, pidfd_getfd(99, 0, 0));
}

fn own_signals(t: &mut Stage) {
    let me = std::process::id();
    let usr1 = 1u64 << (libc::SIGUSR1 - 1);
    scene::counted(libc::SIGUSR1);
    t.enter();
    let mut old = [0u64; 4];
    works!(t, rt_sigaction(libc::SIGUSR2, 0, at(&mut old), 8));
    t.see("action", old);
    works!(t, rt_sigaction(libc::SIGUSR2, of(&[1u64, 0, 0, 0]), 0, 8));
    works!(t, kill(me, libc::SIGUSR2));
    works!(t, rt_sigaction(libc::SIGKILL, of(&[1u64, 0, 0, 0]), 0, 8));
    let mut mask = 0u64;
    works!(t, rt_sigprocmask(libc::SIG_BLOCK, of(&usr1), at(&mut mask), 8));
    t.see("mask", mask);
    works!(t, kill(me, libc::SIGUSR1));
    works!(t, rt_sigpending(at(&mut mask), 8));
    t.see("pending", mask);
    let mut info = [0u32; 32];
    let time = [5i64, 0];
    works!(t, rt_sigtimedwait(of(&usr1), at(&mut info), of(&time), 8));
    t.see("signal", (info[0], info[4] == me));
    works!(t, kill(me, libc::SIGUSR1));
    t.see("handled", scene::handled());
    works!(t, rt_sigsuspend(of(&0u64), 8));
    t.see("handled", scene::handled());
    works!(t, rt_sigtimedwait(of(&usr1), 0, of(&[0i64, 1000]), 8));
    let (mut stack, mut now) = ([raw::pages(4).expose_provenance() as u64, 0, 16384], [0u64; 3]);
    works!(t, sigaltstack(at(&mut stack), 0));
    works!(t, sigaltstack(0, at(&mut now)));
    t.see("stack", now == stack);
}

fn pausing(t: &mut Stage) {
    scene::counted(libc::SIGALRM);
    t.enter();
    // Again and again, in case that the first comes before it waits.
    let (often, mut old) = ([0i64, 10_000, 0, 10_000], [0i64; 4]);
    works!(t, setitimer(libc::ITIMER_REAL, of(&often), 0));
    works!(t, pause());
    works!(t, getitimer(libc::ITIMER_REAL, at(&mut old)));
    t.see("interval", old[1]);
    works!(t, setitimer(libc::ITIMER_REAL, of(&[0i64; 4]), at(&mut old)));
    works!(t, alarm(100));
    works!(t, alarm(0));
    works!(t, restart_syscall());
}

fn reaching(t: &mut Stage) {
    let (me, other) = (std::process::id() as i32, scene::process(t));
    let (own, dead) = (scene::process_descriptor(me), scene::process_descriptor(scene::ended(t)));
    let (mut to, from) = ([0u8; 4], *b"from");
    let (local, remote) = ([[at(&mut to), 4]], [[of(&from), 4]]);
    let memory = [[raw::pages(1).expose_provenance() as u64, 4096]];
    t.enter();
    for pid in [me, other, i32::MAX] {
        denied!(t, process_vm_readv(pid, of(&local), 1, of(&remote), 1, 0));
        denied!(t, process_vm_writev(pid, of(&remote), 1, of(&local), 1, 0));
        denied!(t, kcmp(pid, me, 1, 0, 0));
    }
    denied!(t, process_madvise(own, of(&memory), 1, libc::MADV_COLD, 0));
    denied!(t, process_mrelease(dead, 0));
    denied!(t, process_mrelease(own, 0));
}

fn groups(t: &mut Stage) {
    let (me, other) = (std::process::id() as i32, scene::process(t));
    t.enter();
    for pid in [0, me] {
        alike!(t, getpgid(pid));
        alike!(t, getsid(pid));
    }
    works!(t, setpgid(0, 0));
    works!(t, setpgid(me, me));
    works!(t, setpgid(0, me));
    alike!(t, getpgrp());
    denied!(t, setpgid(me, 1));
    denied!(t, setpgid(0, 1));
    denied!(t, setpgid(0, other));
    for pid in [other, 1, -1] {
        denied!(t, getpgid(pid));
        denied!(t, getsid(pid));
        denied!(t, setpgid(pid, 0));
    }
}

fn identity(t: &mut Stage) {
    let me = std::process::id();
    t.enter();
    let same = |t: &Stage, pid: i64| t.see("its own", pid == i64::from(me));
    let pid = alike!(t, getpid());
    same(t, pid);
    let pid = alike!(t, gettid());
    same(t, pid);
    works!(t, getppid());
    works!(t, getuid());
    works!(t, geteuid());
    works!(t, getgid());
    works!(t, getegid());
    let mut ids = [9u32; 3];
    works!(t, getresuid(at(&mut ids[0]), at(&mut ids[1]), at(&mut ids[2])));
    t.see("users", ids);
    works!(t, getresgid(at(&mut ids[0]), at(&mut ids[1]), at(&mut ids[2])));
    t.see("groups", ids);
    let mut all = [0u32; 64];
    works!(t, getgroups(64, at(&mut all)));
    t.see("groups", all);
    works!(t, umask(0o027));
    works!(t, umask(0o022));
}

fn capget(t: &mut Stage) {
    let (me, other) = (std::process::id(), scene::process(t));
    t.enter();
    let mut sets = [7u32; 6];
    for pid in [0, me] {
        let mut header = [0x2008_0522, pid];
        works!(t, capget(at(&mut header), at(&mut sets)));
        t.see("sets", sets);
    }
    let mut header = [0x1998_0330u32, 0];
    works!(t, capget(at(&mut header), at(&mut sets)));
    header = [0, 0];
    works!(t, capget(at(&mut header), 0));
    t.see("version", header[0]);
    works!(t, capget(at(&mut header), 16));
    works!(t, capget(16, at(&mut sets)));
    for pid in [other as u32, 1, u32::MAX >> 1] {
        let mut header = [0x2008_0522, pid];
        denied!(t, capget(at(&mut header), at(&mut sets)));
    }
}

/// Changes who it is; from there on it opens, and makes, as that.
fn become_other(t: &mut Stage, change: fn(&mut Stage) -> i64) {
    let mode = |name: &str, mode| {
        std::fs::set_permissions(name, std::fs::Permissions::from_mode(mode)).expect("it is its own");
    };
    mode("empty", 0o777);
    mode("file", 0o600);
    mode("other", 0o640);
    let (dir, file) = (scene::dir(), scene::file());
    t.enter();
    change(t);
    let mut ids = [9u32; 6];
    works!(t, getresuid(at(&mut ids[0]), at(&mut ids[1]), at(&mut ids[2])));
    works!(t, getresgid(at(&mut ids[3]), at(&mut ids[4]), at(&mut ids[5])));
    t.see("ids", ids);
    for name in [c"file", c"other", c"sub/inner"] {
        works!(t, openat(dir, name, libc::O_RDONLY));
        works!(t, faccessat(dir, name, libc::W_OK));
        works!(t, faccessat2(dir, name, libc::R_OK, libc::AT_EACCESS));
    }
    works!(t, openat(dir, c"empty/made", libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o644));
    works!(t, mkdirat(dir, c"empty/directory", 0o755));
    works!(t, symlinkat(c"anywhere", dir, c"empty/link"));
    works!(t, mkdirat(dir, c"directory", 0o755));
    works!(t, fchmodat(dir, c"file", 0o644));
    works!(t, fchown(file, 1000, 1000));
    works!(t, unlinkat(dir, c"other", 0));
    denied!(t, open(c"file", libc::O_RDONLY));
    let mut header = [0x2008_0522u32, 0];
    let mut sets = [7u32; 6];
    works!(t, capget(at(&mut header), at(&mut sets)));
    t.see("capabilities", sets);
    child(t, |t| {
        works!(t, openat(dir, c"empty/by a child", libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o644));
        denied!(t, open(c"file", libc::O_RDONLY));
    });
}
