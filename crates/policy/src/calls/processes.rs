//! Processes, threads, signals, credentials, scheduling, time.
//!
//! A pid is a global name: aimed at itself a call works, aimed at another process it is ECAPMODE. Hosted, the
//! program's own descendants count as its own.

use crate::{Arg::Command, Arg::*, Call, Cond, PRCTL, Verdict, Verdict::*, rows::*};

const OWN_SETTINGS: Verdict = Verdict::Command(&PRCTL);

/// 0 is the caller; of any other pid the monitor says whether it is.
pub(super) const PID: Verdict = When(&[rule(&[int(0, 0)], Allow)], &Ask);
/// The same where the first argument says what the second names: only one process (this value), no group, no user.
const PID_IF_0: Verdict = When(&[rule(&[int(0, 0), int(1, 0)], Allow), rule(&[int(0, 0)], Ask)], &DENY);
const PID_IF_1: Verdict = When(&[rule(&[int(0, 1), int(1, 0)], Allow), rule(&[int(0, 1)], Ask)], &DENY);

const RLIMIT_CORE: u32 = 4;

/// P_PIDFD, waitid's word for a process by descriptor.
const P_PIDFD: u32 = 3;

/// clone's flags that reach further than the caller: a new namespace of any kind (in clone's own flags
/// CLONE_NEWTIME's bit belongs to the exit signal), or a child for the caller's parent.
const CLONE_REACH: u64 = CLONE_NEW | CLONE_PARENT;
const CLONE_NEW: u64 = 0x7e02_0000;
const CLONE_PARENT: u64 = 0x8000;
/// One working directory and umask for both.
const CLONE_FS: u64 = 0x200;
/// One table of descriptors for both.
const CLONE_FILES: u64 = 0x400;
const CLONE_THREAD: u64 = 0x1_0000;
/// unshare's flags that only stop sharing: CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD,
/// CLONE_SYSVSEM.
const UNSHARE_OWN: u64 = 0x100 | CLONE_FS | CLONE_FILES | 0x800 | CLONE_THREAD | 0x4_0000;

/// Clocks of CPU time are named by number, and the number may be another process's, or a device's descriptor.
const CLOCK: Verdict = When(
    &[
        rule(&[clear(0, 0x8000_0000)], Allow),
        // A device's, by descriptor.
        rule(&[Cond::is(0, 0x8000_0007, 0x8000_0003)], DENY),
        // Pid 0: the caller.
        rule(&[set(0, 0xffff_fff8)], Allow),
        // By thread: the kernel takes only threads of the caller.
        rule(&[set(0, 0x8000_0004)], Allow),
    ],
    &DENY,
);

pub(super) const CALLS: &[Call] = calls! {
    // Starting and ending.
    fork 57 - () [Ask; hosted Allow; do Fork]
        "the child is in capability mode too; asked so that its descriptors have the limits of its parent's";
    vfork 58 - () [Ask; hosted Allow; do Fork]
        "the child is in capability mode too; asked so that its descriptors have the limits of its parent's";
    clone 56 220 (Flags, In, Out, Out, In)
        [When(&[
             rule(&[clear(0, CLONE_REACH), set(0, CLONE_THREAD | CLONE_FILES)], Allow),
             rule(&[clear(0, CLONE_REACH)], Ask)
         ], &DENY);
         hosted When(&[
             rule(&[clear(0, CLONE_REACH), Cond::is(0, CLONE_FS | CLONE_THREAD, CLONE_FS)], Ask),
             rule(&[clear(0, CLONE_REACH), Cond::is(0, CLONE_FS | CLONE_THREAD, CLONE_THREAD)], Ask),
             rule(&[clear(0, CLONE_REACH)], Allow)
         ], &DENY);
         do Fork]
        "threads and children, but no new namespace and no child for another parent; asked unless a thread with the \
         same descriptors, so that the monitor knows whose limits they are";
    clone3 435 435 (In, Size) [ABSENT] "its flags are in memory; every libc falls back to clone";
    unshare 272 97 (Flags)
        [When(&[
             rule(&[clear(0, !UNSHARE_OWN), set(0, CLONE_FILES)], Ask),
             rule(&[clear(0, !UNSHARE_OWN)], Allow)
         ], &DENY);
         hosted When(&[
             rule(&[clear(0, !UNSHARE_OWN), set(0, CLONE_FS)], Ask),
             rule(&[clear(0, !UNSHARE_OWN)], Allow)
         ], &DENY);
         do Unshare]
        "stops sharing with its own threads; no new namespace; asked so that the monitor knows of a table's copy";
    setns 308 268 (Fd(need!(SETNS)), Flags) [DENY] "enters another namespace";
    exit 60 93 (Int) [Allow] "ends the thread";
    exit_group 231 94 (Int) [Allow] "ends the process";

    // Waiting: pdwait's business, unless hosted, where only the program's own children can be waited for.
    wait4 61 260 (Pid, Out, Flags, Out) [DENY; hosted Allow] "waits by pid, group or any; pdwait instead";
    waitid 247 95 (Int, Fd(need!(; if int(0, P_PIDFD) => PDWAIT)), Out, Flags, Out)
        [When(&[rule(&[int(0, P_PIDFD)], Descriptors)], &DENY);
         hosted When(&[rule(&[int(0, P_PIDFD)], Descriptors)], &Allow)]
        "waits by process descriptor, or by pid, group or any";

    // Signals to others.
    kill 62 129 (Pid, Int) [Ask; do Kill] "itself only";
    tkill 200 130 (Pid, Int) [Ask; do KillTask] "its own threads only";
    tgkill 234 131 (Pid, Pid, Int) [Ask; do KillThread] "its own threads only";
    rt_sigqueueinfo 129 138 (Pid, Int, In) [Ask; do KillTask] "itself only";
    rt_tgsigqueueinfo 297 240 (Pid, Pid, Int, In) [Ask; do KillThread] "its own threads only";
    pidfd_send_signal 424 424 (Fd(need!(PDKILL)), Int, In, Flags)
        [When(&[rule(&[clear(3, 4)], Ask)], &DENY); hosted When(&[rule(&[clear(3, 4)], Descriptors)], &DENY);
         do SignalFd]
        "signals by process descriptor, but not (PIDFD_SIGNAL_PROCESS_GROUP) its whole group, nor the monitor";
    pidfd_open 434 434 (Pid, Flags) [DENY; hosted Ask; do OpenProcess] "a process by its global name";
    pidfd_getfd 438 438 (Fd(&[]), Int, Flags) [DENY] "takes another process's descriptors";

    // Signals to itself.
    rt_sigaction 13 134 (Int, In, Out, Size) [Allow] "the process's own";
    rt_sigprocmask 14 135 (Int, In, Out, Size) [Allow] "the process's own";
    rt_sigreturn 15 139 () [Allow] "the process's own";
    rt_sigpending 127 136 (Out, Size) [Allow] "the process's own";
    rt_sigtimedwait 128 137 (In, Out, In, Size) [Allow] "the process's own";
    rt_sigsuspend 130 133 (In, Size) [Allow] "the process's own";
    sigaltstack 131 132 (In, Out) [Allow] "the process's own";
    pause 34 - () [Allow] "the process's own";
    restart_syscall 219 128 () [Allow] "goes on with a call that was let through before";

    // Reaching into another process.
    ptrace 101 117 (Int, Pid, InOut, InOut) [DENY] "reaches into another process";
    process_vm_readv 310 270 (Pid, In, Size, In, Size, Flags) [DENY] "reaches into another process";
    process_vm_writev 311 271 (Pid, In, Size, In, Size, Flags) [DENY] "reaches into another process";
    process_madvise 440 440 (Fd(&[]), In, Size, Int, Flags) [DENY] "reaches into another process";
    process_mrelease 448 448 (Fd(&[]), Flags) [DENY] "reaches into another process";
    kcmp 312 272 (Pid, Pid, Int, Int, Int) [DENY] "compares processes by pid";

    // Groups and sessions.
    setpgid 109 154 (Pid, Pid)
        [When(&[rule(&[int(0, 0), int(1, 0)], Allow)], &Ask); hosted Allow; do OfProcess]
        "itself only, into a group of its own; hosted the kernel's own rule, itself and its children";
    getpgid 121 155 (Pid) [PID; do AboutProcess] "itself only";
    getsid 124 156 (Pid) [PID; do AboutProcess] "itself only";
    setsid 112 157 () [Allow] "a session of its own";
    getpgrp 111 - () [Allow] "the process's own";

    // Identity.
    getpid 39 172 () [Allow] "the process's own";
    getppid 110 173 () [Allow] "the process's own";
    gettid 186 178 () [Allow] "the process's own";
    getuid 102 174 () [Allow] "the process's own";
    geteuid 107 175 () [Allow] "the process's own";
    getgid 104 176 () [Allow] "the process's own";
    getegid 108 177 () [Allow] "the process's own";
    getresuid 118 148 (Out, Out, Out) [Allow] "the process's own";
    getresgid 120 150 (Out, Out, Out) [Allow] "the process's own";
    getgroups 115 158 (Size, Out) [Allow] "the process's own";
    capget 125 90 (InOut, Out) [Ask; do Capabilities] "its own: the pid is in memory";
    setuid 105 146 (Int) [Ask; do Credentials] "its own credentials: the monitor acts with the same ones";
    setgid 106 144 (Int) [Ask; do Credentials] "its own credentials: the monitor acts with the same ones";
    setreuid 113 145 (Int, Int) [Ask; do Credentials]
        "its own credentials: the monitor acts with the same ones";
    setregid 114 143 (Int, Int) [Ask; do Credentials]
        "its own credentials: the monitor acts with the same ones";
    setresuid 117 147 (Int, Int, Int) [Ask; do Credentials]
        "its own credentials: the monitor acts with the same ones";
    setresgid 119 149 (Int, Int, Int) [Ask; do Credentials]
        "its own credentials: the monitor acts with the same ones";
    setfsuid 122 151 (Int) [Ask; do Credentials] "its own credentials: the monitor acts with the same ones";
    setfsgid 123 152 (Int) [Ask; do Credentials] "its own credentials: the monitor acts with the same ones";
    setgroups 116 159 (Size, In) [Ask; do Credentials]
        "its own credentials: the monitor acts with the same ones";
    capset 126 91 (In, In) [Ask; do Credentials] "its own credentials: the monitor acts with the same ones";
    umask 95 166 (Mode) [Allow] "the process's own";

    // Settings.
    prctl 157 167 (Command, InOut, InOut, InOut, InOut) [OWN_SETTINGS; do Prctl] "each setting is classified";
    arch_prctl 158 - (Int, InOut) [Allow] "the thread's own registers";
    personality 135 92 (Int) [When(&[rule(&[int(0, u32::MAX)], Allow)], &DENY)] "may be asked, not changed";
    seccomp 317 277 (Int, Flags, InOut) [Allow] "a further filter can only narrow";
    landlock_create_ruleset 444 444 (In, Size, Flags) [ABSENT]
        "the monitor's lookups would be outside of the domain: a promise that is not kept is not made";
    landlock_add_rule 445 445 (Fd(&[]), Int, In, Flags) [ABSENT] "as landlock_create_ruleset";
    landlock_restrict_self 446 446 (Fd(&[]), Flags) [ABSENT] "as landlock_create_ruleset";
    lsm_get_self_attr 459 459 (Int, Out, InOut, Flags) [Allow] "the process's own";
    lsm_set_self_attr 460 460 (Int, In, Size, Flags) [DENY] "security labels are global names";
    lsm_list_modules 461 461 (Out, InOut, Flags) [Allow] "what kind of kernel this is";

    // Limits and usage.
    getrlimit 97 163 (Int, Out) [Allow] "the process's own";
    setrlimit 160 164 (Int, In) [When(&[rule(&[int(0, RLIMIT_CORE)], ABSENT)], &Allow)]
        "the process's own; but it has no dumps of core, which are written by a path";
    prlimit64 302 261 (Pid, Int, In, Out)
        [When(&[
             rule(&[int(1, RLIMIT_CORE), not_null(2)], ABSENT),
             rule(&[int(0, 0)], Allow)
         ], &Ask);
         do OfProcess]
        "itself only; but it has no dumps of core, which are written by a path";
    getrusage 98 165 (Int, Out) [Allow] "the process's own";
    times 100 153 (Out) [Allow] "the process's own";

    // Scheduling.
    sched_yield 24 124 () [Allow] "the process's own";
    getpriority 140 141 (Int, Pid) [PID_IF_0; do AboutProcess] "itself only: no group, no user";
    setpriority 141 140 (Int, Pid, Int) [PID_IF_0; do OfProcess] "itself only: no group, no user";
    ioprio_get 252 31 (Int, Pid) [PID_IF_1; do AboutProcess] "itself only: no group, no user";
    ioprio_set 251 30 (Int, Pid, Int) [PID_IF_1; do OfProcess] "itself only: no group, no user";
    sched_getparam 143 121 (Pid, Out) [PID; do AboutProcess] "itself only";
    sched_setparam 142 118 (Pid, In) [PID; do OfProcess] "itself only";
    sched_getscheduler 145 120 (Pid) [PID; do AboutProcess] "itself only";
    sched_setscheduler 144 119 (Pid, Int, In) [PID; do OfProcess] "itself only";
    sched_getattr 315 275 (Pid, Out, Size, Flags) [PID; do AboutProcess] "itself only";
    sched_setattr 314 274 (Pid, In, Flags) [PID; do OfProcess] "itself only";
    sched_getaffinity 204 123 (Pid, Size, Out) [PID; do AboutProcess] "itself only";
    sched_setaffinity 203 122 (Pid, Size, In) [PID; do OfProcess] "itself only";
    sched_rr_get_interval 148 127 (Pid, Out) [PID; do AboutProcess] "itself only";
    sched_get_priority_max 146 125 (Int) [Allow] "a constant";
    sched_get_priority_min 147 126 (Int) [Allow] "a constant";
    getcpu 309 168 (Out, Out, In) [Allow] "the thread's own";

    // Threads.
    futex 202 98 (InOut, Int, Int, In, InOut, Int) [Allow] "memory that the process already shares";
    futex_waitv 449 449 (In, Size, Flags, In, Int) [Allow] "memory that the process already shares";
    futex_wake 454 454 (InOut, Int, Int, Flags) [Allow] "memory that the process already shares";
    futex_wait 455 455 (InOut, Int, Int, Flags, In, Int) [Allow] "memory that the process already shares";
    futex_requeue 456 456 (In, Flags, Int, Int) [Allow] "memory that the process already shares";
    set_tid_address 218 96 (Out) [Allow] "the thread's own";
    set_robust_list 273 99 (In, Size) [Allow] "the thread's own";
    get_robust_list 274 100 (Pid, Out, Out) [PID; do AboutProcess] "itself only";
    rseq 334 293 (InOut, Size, Flags, Int) [Allow] "the thread's own";
    membarrier 324 283 (Int, Flags, Int) [Allow]
        "barriers for threads that share its memory, or (global) for all";
    set_thread_area 205 - (InOut) [ABSENT] "not a call of 64-bit kernels";
    get_thread_area 211 - (InOut) [ABSENT] "not a call of 64-bit kernels";

    // Clocks and timers.
    clock_gettime 228 113 (Int, Out) [CLOCK] "reads a clock, of its own CPU time or of all";
    clock_getres 229 114 (Int, Out) [CLOCK] "reads a clock's resolution";
    clock_nanosleep 230 115 (Int, Flags, In, Out) [CLOCK] "sleeps";
    clock_settime 227 112 (Int, In) [DENY] "the machine's clock";
    clock_adjtime 305 266 (Int, InOut) [DENY] "the machine's clock";
    adjtimex 159 171 (InOut) [DENY] "the machine's clock";
    gettimeofday 96 169 (Out, Out) [Allow] "reads a clock";
    settimeofday 164 170 (In, In) [DENY] "the machine's clock";
    time 201 - (Out) [Allow] "reads a clock";
    nanosleep 35 101 (In, Out) [Allow] "sleeps";
    alarm 37 - (Int) [Allow] "the process's own";
    getitimer 36 102 (Int, Out) [Allow] "the process's own";
    setitimer 38 103 (Int, In, Out) [Allow] "the process's own";
    timer_create 222 107 (Int, In, Out) [CLOCK] "signals only its own threads";
    timer_settime 223 110 (Int, Flags, In, Out) [Allow] "the process's own";
    timer_gettime 224 108 (Int, Out) [Allow] "the process's own";
    timer_getoverrun 225 109 (Int) [Allow] "the process's own";
    timer_delete 226 111 (Int) [Allow] "the process's own";
};
