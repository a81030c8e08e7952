//! The process's own settings, limits, scheduling, clocks, timers and memory; and what kind of machine it is on.

use crate::raw::{self, at, of, peek, poke, zeroed};
use crate::scene;
use crate::stage::{Recipe, Stage, absent, alike, denied, is, works};

pub const RECIPES: &[Recipe] = &[
    ("settings", settings),
    ("a further filter", further_filter),
    ("a further listener", further_listener),
    ("landlock", landlock),
    ("limits", limits),
    ("scheduling", scheduling),
    ("clocks", clocks),
    ("timers", timers),
    ("mapping", mapping),
    ("mapping files", mapping_files),
    ("paging", paging),
    ("nodes of memory", nodes),
    ("the machine", machine),
    ("uretprobe", |t| {
        t.enter();
        works!(t, uretprobe());
    }),
    ("uprobe", |t| {
        t.enter();
        works!(t, uprobe());
    }),
];

fn settings(t: &mut Stage) {
    t.enter();
    let mut out = [0u64; 64];
    // ARCH_GET_FS, ARCH_GET_CPUID.
    alike!(t, arch_prctl(0x1003, at(&mut out)));
    works!(t, arch_prctl(0x1011, 0));
    works!(t, arch_prctl(0x7777, 0));
    works!(t, personality(0xffff_ffff_u32));
    denied!(t, personality(0));
    denied!(t, personality(libc::ADDR_NO_RANDOMIZE));
    // SECCOMP_GET_ACTION_AVAIL of SECCOMP_RET_ERRNO.
    works!(t, seccomp(2, 0, of(&0x0005_0000u32)));
    works!(t, seccomp(2, 0, of(&0x1234_0000u32)));
    let mut size = 512u32;
    works!(t, lsm_get_self_attr(100, at(&mut out), at(&mut size), 0));
    t.see("size", size);
    size = 512;
    works!(t, lsm_list_modules(at(&mut out), at(&mut size), 0));
    t.see("modules", (size, out));
    denied!(t, lsm_set_self_attr(100, of(&out), 512, 0));
    denied!(t, lsm_set_self_attr(100, 0, 0, 0));
}

/// `struct sock_fprog` of a filter that allows everything: one instruction.
fn allow_all(instruction: &[u64; 1]) -> [u64; 2] {
    [1, of(instruction)]
}
const ALLOW: [u64; 1] = [0x7fff_0000_0000_0006];

fn further_filter(t: &mut Stage) {
    let dir = scene::dir();
    t.enter();
    works!(t, seccomp(1, 0, of(&allow_all(&ALLOW))));
    works!(t, seccomp(1, 1, of(&allow_all(&ALLOW))));
    works!(t, seccomp(1, 0, 16));
    works!(t, openat(dir, c"file", libc::O_RDONLY));
    denied!(t, open(c"file", libc::O_RDONLY));
}

/// The kernel has room for one listener, which is the monitor's.
fn further_listener(t: &mut Stage) {
    t.enter();
    is!(t, -i64::from(libc::EBUSY), seccomp(1, 8, of(&allow_all(&ALLOW))));
}

fn landlock(t: &mut Stage) {
    let access = [1u64; 1];
    let set = scene::perhaps(libc::SYS_landlock_create_ruleset, &[of(&access), 8, 0]);
    let rule = [1u64, scene::dir() as u64];
    t.enter();
    absent!(t, landlock_create_ruleset(0, 0, 1));
    absent!(t, landlock_create_ruleset(of(&access), 8, 0));
    absent!(t, landlock_add_rule(set, 1, of(&rule), 0));
    absent!(t, landlock_restrict_self(set, 0));
}

fn limits(t: &mut Stage) {
    let (me, other) = (std::process::id() as i32, scene::process(t));
    t.enter();
    let mut limit = [0u64; 2];
    works!(t, getrlimit(libc::RLIMIT_NOFILE, at(&mut limit)));
    t.see("limit", limit);
    works!(t, setrlimit(libc::RLIMIT_NOFILE, of(&[1002u64, 1010])));
    works!(t, getrlimit(libc::RLIMIT_CORE, at(&mut limit)));
    works!(t, prlimit64(0, libc::RLIMIT_CORE, 0, at(&mut limit)));
    absent!(t, setrlimit(libc::RLIMIT_CORE, of(&[0u64, 0])));
    absent!(t, prlimit64(0, libc::RLIMIT_CORE, of(&[0u64, 0]), 0));
    absent!(t, prlimit64(me, libc::RLIMIT_CORE, of(&[0u64, 0]), 0));
    for pid in [0, me] {
        works!(t, prlimit64(pid, libc::RLIMIT_NOFILE, 0, at(&mut limit)));
        t.see("limit", limit);
        works!(t, prlimit64(pid, libc::RLIMIT_NOFILE, of(&[1001u64, 1009]), at(&mut limit)));
        t.see("limit", limit);
    }
    works!(t, getrlimit(99, at(&mut limit)));
    for pid in [other, 1, -1, i32::MAX] {
        denied!(t, prlimit64(pid, libc::RLIMIT_NOFILE, 0, at(&mut limit)));
    }
    for pid in [other, i32::MAX] {
        denied!(t, prlimit64(pid, libc::RLIMIT_NOFILE, of(&[1001u64, 1009]), 0));
    }
    let mut usage: libc::rusage = zeroed();
    works!(t, getrusage(libc::RUSAGE_SELF, at(&mut usage)));
    works!(t, getrusage(libc::RUSAGE_CHILDREN, at(&mut usage)));
    works!(t, getrusage(99, at(&mut usage)));
    let mut times: libc::tms = zeroed();
    alike!(t, times(at(&mut times)));
}

fn scheduling(t: &mut Stage) {
    let (me, other) = (std::process::id() as i32, scene::process(t));
    const PROCESS: u32 = libc::PRIO_PROCESS;
    t.enter();
    let mut attributes = [0u32; 14];
    let (mut cpus, mut time) = ([0u64; 16], [0i64; 2]);
    works!(t, sched_yield());
    for pid in [0, me] {
        works!(t, getpriority(PROCESS, pid));
        works!(t, setpriority(PROCESS, pid, 1));
        works!(t, getpriority(PROCESS, pid));
        works!(t, ioprio_get(1, pid));
        works!(t, ioprio_set(1, pid, (2 << 13) | 5));
        works!(t, ioprio_get(1, pid));
        let mut parameter = 7i32;
        works!(t, sched_getparam(pid, at(&mut parameter)));
        t.see("parameter", parameter);
        works!(t, sched_setparam(pid, of(&0i32)));
        works!(t, sched_setparam(pid, of(&99i32)));
        works!(t, sched_getscheduler(pid));
        works!(t, sched_setscheduler(pid, libc::SCHED_BATCH, of(&0i32)));
        works!(t, sched_getscheduler(pid));
        works!(t, sched_getattr(pid, at(&mut attributes), 56, 0));
        t.see("attributes", attributes[..6].to_vec());
        works!(t, sched_setattr(pid, of(&attributes), 0));
        works!(t, sched_getaffinity(pid, 128, at(&mut cpus)));
        t.see("processors", cpus);
        works!(t, sched_setaffinity(pid, 128, of(&cpus)));
        alike!(t, sched_rr_get_interval(pid, at(&mut time)));
    }
    works!(t, setpriority(PROCESS, me, -5));
    works!(t, sched_get_priority_max(libc::SCHED_FIFO));
    works!(t, sched_get_priority_min(libc::SCHED_FIFO));
    let mut processor = 0u32;
    works!(t, getcpu(at(&mut processor), 0, 0));
    // What changes a process is only ever aimed at one that the recipe has made: outside it is done.
    for pid in [other, 1, i32::MAX] {
        denied!(t, getpriority(PROCESS, pid));
        denied!(t, ioprio_get(1, pid));
        denied!(t, sched_getparam(pid, at(&mut time)));
        denied!(t, sched_getscheduler(pid));
        denied!(t, sched_getattr(pid, at(&mut attributes), 56, 0));
        denied!(t, sched_getaffinity(pid, 128, at(&mut cpus)));
        denied!(t, sched_rr_get_interval(pid, at(&mut time)));
        let (mut list, mut len) = (0u64, 0u64);
        denied!(t, get_robust_list(pid, at(&mut list), at(&mut len)));
        denied!(t, move_pages(pid, 0, 0, 0, 0, 0));
    }
    for pid in [other, i32::MAX] {
        denied!(t, setpriority(PROCESS, pid, 5));
        denied!(t, ioprio_set(1, pid, (2 << 13) | 6));
        denied!(t, sched_setparam(pid, of(&0i32)));
        denied!(t, sched_setscheduler(pid, libc::SCHED_OTHER, of(&0i32)));
        denied!(t, sched_setattr(pid, of(&attributes), 0));
        denied!(t, sched_setaffinity(pid, 128, of(&cpus)));
        denied!(t, migrate_pages(pid, 2, of(&[1u64]), of(&[1u64])));
    }
    // Groups and users: of nobody, should it be done.
    for which in [libc::PRIO_PGRP, libc::PRIO_USER, 7] {
        denied!(t, getpriority(which, 0));
        denied!(t, setpriority(which, i32::MAX, 3));
    }
    for which in [2, 3, 7] {
        denied!(t, ioprio_get(which, 0));
        denied!(t, ioprio_set(which, i32::MAX, (2 << 13) | 6));
    }
}

/// The clock of a process's CPU time (2), of a thread's (6), of a device (3).
fn clock_of(number: i32, kind: i32) -> i32 {
    (!number << 3) | kind
}

fn clocks(t: &mut Stage) {
    let (me, file) = (std::process::id() as i32, scene::file());
    let other = scene::process(t);
    t.enter();
    let mut time = [0i64; 2];
    let short = [0i64, 1_000_000];
    let (now, mut timer) = ([0i64; 2], 0i32);
    let mut event: libc::sigevent = zeroed();
    event.sigev_notify = libc::SIGEV_NONE;
    for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC, libc::CLOCK_BOOTTIME, libc::CLOCK_TAI, 77] {
        works!(t, clock_gettime(clock, at(&mut time)));
        works!(t, clock_getres(clock, at(&mut time)));
        works!(t, clock_nanosleep(clock, 0, of(&short), at(&mut time)));
        alike!(t, timer_create(clock, of(&event), at(&mut timer)));
    }
    // Its own, and its threads'.
    for clock in [2, 3, clock_of(0, 2), clock_of(0, 6), clock_of(me, 6)] {
        works!(t, clock_gettime(clock, at(&mut time)));
        works!(t, clock_getres(clock, at(&mut time)));
        works!(t, clock_nanosleep(clock, libc::TIMER_ABSTIME, of(&now), at(&mut time)));
        alike!(t, timer_create(clock, of(&event), at(&mut timer)));
    }
    // A process's by number, its own too, which a filter cannot compare; a device's by descriptor.
    for clock in [clock_of(other, 2), clock_of(1, 2), clock_of(me, 2), clock_of(file, 3)] {
        denied!(t, clock_gettime(clock, at(&mut time)));
        denied!(t, clock_getres(clock, at(&mut time)));
        denied!(t, clock_nanosleep(clock, libc::TIMER_ABSTIME, of(&now), at(&mut time)));
        denied!(t, timer_create(clock, of(&event), at(&mut timer)));
    }
    works!(t, clock_gettime(clock_of(other, 6), at(&mut time)));
    works!(t, gettimeofday(at(&mut time), 0));
    alike!(t, time(0));
    works!(t, nanosleep(of(&short), 0));
    works!(t, nanosleep(of(&[0i64, -1]), 0));
}

fn timers(t: &mut Stage) {
    scene::counted(libc::SIGUSR1);
    t.enter();
    let mut event: libc::sigevent = zeroed();
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGUSR1;
    let mut timer = 0i32;
    works!(t, timer_create(libc::CLOCK_MONOTONIC, of(&event), at(&mut timer)));
    let (soon, mut old) = ([0i64, 0, 0, 1_000_000], [0i64; 4]);
    works!(t, timer_settime(timer, 0, of(&soon), at(&mut old)));
    for _ in 0..1000 {
        if scene::handled() > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    t.see("handled", scene::handled());
    works!(t, timer_gettime(timer, at(&mut old)));
    t.see("disarmed", old);
    works!(t, timer_getoverrun(timer));
    works!(t, timer_delete(timer));
    works!(t, timer_delete(timer));
}

const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE;
const ANONYMOUS: i32 = libc::MAP_ANONYMOUS;

fn mapping(t: &mut Stage) {
    t.enter();
    let memory = alike!(t, mmap(0, 4 * 4096, READ | WRITE, PRIVATE | ANONYMOUS, -1, 0));
    poke(memory as u64, 42);
    works!(t, mprotect(memory, 4096, READ));
    works!(t, mprotect(memory, 4096, READ | libc::PROT_EXEC));
    works!(t, mprotect(memory + 1, 4096, READ));
    works!(t, pkey_mprotect(memory + 4096, 4096, READ, -1));
    works!(t, mprotect(memory + 3 * 4096, 4096, libc::PROT_NONE));
    works!(t, pkey_mprotect(memory + 3 * 4096, 4096, libc::PROT_NONE, -1));
    let key = works!(t, pkey_alloc(0, 0));
    works!(t, pkey_free(key));
    let moved = alike!(t, mremap(memory, 4096, 8192, libc::MREMAP_MAYMOVE, 0));
    t.see("moved", peek(moved as u64));
    works!(t, munmap(moved, 8192));
    works!(t, munmap(1, 4096));
    works!(t, remap_file_pages(memory, 4096, 0, 0, 0));
    alike!(t, brk(0));
    alike!(t, mmap(0, 4096, READ | WRITE | libc::PROT_EXEC, PRIVATE | ANONYMOUS, -1, 0));
    let shared = alike!(t, mmap(0, 4096, READ | WRITE, libc::MAP_SHARED | ANONYMOUS, -1, 0));
    works!(t, munmap(shared, 4096));
    alike!(t, mmap(0, 0, READ, PRIVATE | ANONYMOUS, -1, 0));
    alike!(t, map_shadow_stack(0, 4096, 0));
    let mut table = [0u8; 16];
    works!(t, modify_ldt(0, at(&mut table), 16));
    works!(t, modify_ldt(2, at(&mut table), 16));
    let sealed = alike!(t, mmap(0, 4096, READ, PRIVATE | ANONYMOUS, -1, 0));
    works!(t, mseal(sealed, 4096, 0));
    works!(t, munmap(sealed, 4096));
}

fn mapping_files(t: &mut Stage) {
    let (file, read_only) = (scene::file(), scene::opened(c"program", libc::O_RDONLY));
    let pipe = scene::pipe();
    t.enter();
    let shared = alike!(t, mmap(0, 4096, READ | WRITE, libc::MAP_SHARED, file, 0));
    t.see("mapped", peek(shared as u64));
    poke(shared as u64, b'M');
    works!(t, msync(shared, 4096, libc::MS_SYNC));
    works!(t, mincore(shared, 4096, at(&mut [0u8; 1])));
    let own = alike!(t, mmap(0, 4096, READ | WRITE, PRIVATE, read_only, 0));
    t.see("mapped", peek(own as u64));
    poke(own as u64, 0);
    alike!(t, mmap(0, 4096, READ | libc::PROT_EXEC, PRIVATE, read_only, 0));
    alike!(t, mmap(0, 4096, libc::PROT_NONE, PRIVATE, read_only, 0));
    alike!(t, mmap(0, 4096, READ | WRITE, libc::MAP_SHARED, read_only, 0));
    alike!(t, mmap(0, 4096, READ, PRIVATE, pipe[0], 0));
    alike!(t, mmap(0, 4096, READ, PRIVATE, 99, 0));
}

fn paging(t: &mut Stage) {
    let memory = raw::pages(8).expose_provenance() as u64;
    t.enter();
    poke(memory, 1);
    works!(t, madvise(memory, 4096, libc::MADV_REMOVE));
    works!(t, madvise(memory, 4096, libc::MADV_DONTNEED));
    t.see("gone", peek(memory));
    works!(t, madvise(memory, 4096, 999));
    // Whether the machine has the page; of none at all, lest it be done.
    denied!(t, madvise(memory, 0, libc::MADV_HWPOISON));
    denied!(t, madvise(memory, 0, libc::MADV_SOFT_OFFLINE));
    works!(t, mlock(memory, 4096));
    works!(t, mlock2(memory, 4096, 1));
    works!(t, munlock(memory, 4096));
    works!(t, mlockall(libc::MCL_FUTURE));
    works!(t, munlockall());
    let mut resident = [9u8; 2];
    works!(t, mincore(memory, 4096, at(&mut resident)));
    works!(t, msync(memory, 4096, libc::MS_ASYNC));
}

fn nodes(t: &mut Stage) {
    let memory = raw::pages(8).expose_provenance() as u64;
    let me = std::process::id();
    poke(memory, 1);
    t.enter();
    works!(t, mbind(memory, 4096, 0, 0, 0, 0));
    works!(t, set_mempolicy(0, 0, 0));
    let mut policy = 9u32;
    works!(t, get_mempolicy(at(&mut policy), 0, 0, 0, 0));
    t.see("policy", policy);
    works!(t, set_mempolicy_home_node(memory, 4096, 0, 0));
    let node = [1u64];
    let (page, mut status) = ([memory], [9i32]);
    for pid in [0, me] {
        works!(t, migrate_pages(pid, 2, of(&node), of(&node)));
        works!(t, move_pages(pid, 1, of(&page), 0, at(&mut status), 0));
        t.see("node", status);
    }
}

fn machine(t: &mut Stage) {
    t.enter();
    let mut name = [0u8; 390];
    works!(t, uname(at(&mut name)));
    t.see("name", name.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    let mut info: libc::sysinfo = zeroed();
    works!(t, sysinfo(at(&mut info)));
    t.see("memory", info.totalram);
    let mut random = [0u8; 32];
    works!(t, getrandom(at(&mut random), 32, 0));
    t.see("random", random.iter().any(|&byte| byte != 0));
    works!(t, getrandom(at(&mut random), 32, 0x100));
}
