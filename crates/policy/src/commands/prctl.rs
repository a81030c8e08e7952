//! The settings of prctl(2): the process's own, but for a few.

use crate::{Command, Cond, Namespace, Verdict, Verdict::*, rows::*};

/// An undumpable process can't be reached by its monitor, which must keep its access first.
const DUMPABLE: Verdict = When(&[rule(&[null(1)], Ask)], &Allow);
/// PR_CAP_AMBIENT_IS_SET only asks.
const AMBIENT: Verdict = When(&[rule(&[Cond::is(1, u64::MAX, 1)], Allow)], &Ask);

/// The settings of prctl(2).
pub static PRCTL: Namespace = Namespace { name: "prctl", key: &[0], commands: COMMANDS, unknown: DENY };

const COMMANDS: &[Command] = commands! {
    // Reach to other processes, or theirs to this one.
    PR_SET_PTRACER 0x59616d61 [DENY] "lets another process trace it; the monitor sees to its own access";
    PR_SCHED_CORE 62 [DENY] "shares a core's scheduling cookie with other processes";
    PR_SET_MM 35 [DENY] "rewrites what /proc says of the process, and its program by descriptor";

    // What the monitor must know of.
    PR_SET_DUMPABLE 4 [DUMPABLE] "undumpable, it would take the monitor's access away";
    PR_SET_KEEPCAPS 8 [Ask] "its own credentials: the monitor acts with the same ones";
    PR_CAPBSET_DROP 24 [Ask] "its own credentials: the monitor acts with the same ones";
    PR_SET_SECUREBITS 28 [Ask] "its own credentials: the monitor acts with the same ones";
    PR_CAP_AMBIENT 47 [AMBIENT] "its own credentials: the monitor acts with the same ones";

    // Identity and end.
    PR_GET_DUMPABLE 3 [Allow] "the process's own";
    PR_GET_KEEPCAPS 7 [Allow] "the process's own";
    PR_CAPBSET_READ 23 [Allow] "the process's own";
    PR_GET_SECUREBITS 27 [Allow] "the process's own";
    PR_SET_PDEATHSIG 1 [Allow] "a signal to itself";
    PR_GET_PDEATHSIG 2 [Allow] "the process's own";
    PR_SET_NAME 15 [Allow] "the thread's own";
    PR_GET_NAME 16 [Allow] "the thread's own";
    PR_SET_CHILD_SUBREAPER 36 [Allow] "orphans of its own descendants come to it";
    PR_GET_CHILD_SUBREAPER 37 [Allow] "the process's own";
    PR_GET_TID_ADDRESS 40 [Allow] "the thread's own";
    PR_GET_AUXV 0x41555856 [Allow] "the process's own";

    // Narrowing.
    PR_SET_NO_NEW_PRIVS 38 [Allow] "can only narrow";
    PR_GET_NO_NEW_PRIVS 39 [Allow] "the process's own";
    PR_SET_SECCOMP 22 [Allow] "a further filter can only narrow";
    PR_GET_SECCOMP 21 [Allow] "the process's own";
    PR_SET_SYSCALL_USER_DISPATCH 59 [Allow] "turns its own calls into signals to itself";
    PR_SET_MDWE 65 [Allow] "can only narrow";
    PR_GET_MDWE 66 [Allow] "the process's own";
    PR_SET_TSC 26 [Allow] "can only narrow";
    PR_GET_TSC 25 [Allow] "the process's own";

    // Memory and scheduling.
    PR_SET_VMA 0x53564d41 [Allow] "names its own memory";
    PR_SET_THP_DISABLE 41 [Allow] "its own memory";
    PR_GET_THP_DISABLE 42 [Allow] "its own memory";
    PR_SET_MEMORY_MERGE 67 [Allow] "its own memory";
    PR_GET_MEMORY_MERGE 68 [Allow] "its own memory";
    PR_MPX_ENABLE_MANAGEMENT 43 [Allow] "its own memory; no more in the kernel";
    PR_MPX_DISABLE_MANAGEMENT 44 [Allow] "its own memory; no more in the kernel";
    PR_SET_TIMERSLACK 29 [Allow] "the thread's own";
    PR_GET_TIMERSLACK 30 [Allow] "the thread's own";
    PR_SET_TIMING 14 [Allow] "the process's own";
    PR_GET_TIMING 13 [Allow] "the process's own";
    PR_TIMER_CREATE_RESTORE_IDS 77 [Allow] "the process's own";
    PR_SET_IO_FLUSHER 57 [Allow] "the process's own";
    PR_GET_IO_FLUSHER 58 [Allow] "the process's own";
    PR_MCE_KILL 33 [Allow] "the thread's own";
    PR_MCE_KILL_GET 34 [Allow] "the thread's own";
    PR_TASK_PERF_EVENTS_DISABLE 31 [Allow] "counters that it made itself";
    PR_TASK_PERF_EVENTS_ENABLE 32 [Allow] "counters that it made itself";
    PR_FUTEX_HASH 78 [Allow] "its own futexes";
    PR_RSEQ_SLICE_EXTENSION 79 [Allow] "the thread's own";

    // The processor's state, of several architectures.
    PR_GET_SPECULATION_CTRL 52 [Allow] "the thread's own";
    PR_SET_SPECULATION_CTRL 53 [Allow] "the thread's own";
    PR_GET_SHADOW_STACK_STATUS 74 [Allow] "the thread's own";
    PR_SET_SHADOW_STACK_STATUS 75 [Allow] "the thread's own";
    PR_LOCK_SHADOW_STACK_STATUS 76 [Allow] "the thread's own";
    PR_GET_UNALIGN 5 [Allow] "the thread's own";
    PR_SET_UNALIGN 6 [Allow] "the thread's own";
    PR_GET_FPEMU 9 [Allow] "the thread's own";
    PR_SET_FPEMU 10 [Allow] "the thread's own";
    PR_GET_FPEXC 11 [Allow] "the thread's own";
    PR_SET_FPEXC 12 [Allow] "the thread's own";
    PR_GET_ENDIAN 19 [Allow] "the thread's own";
    PR_SET_ENDIAN 20 [Allow] "the thread's own";
    PR_SET_FP_MODE 45 [Allow] "the thread's own";
    PR_GET_FP_MODE 46 [Allow] "the thread's own";
    PR_SVE_SET_VL 50 [Allow] "the thread's own";
    PR_SVE_GET_VL 51 [Allow] "the thread's own";
    PR_SME_SET_VL 63 [Allow] "the thread's own";
    PR_SME_GET_VL 64 [Allow] "the thread's own";
    PR_PAC_RESET_KEYS 54 [Allow] "the thread's own";
    PR_PAC_SET_ENABLED_KEYS 60 [Allow] "the thread's own";
    PR_PAC_GET_ENABLED_KEYS 61 [Allow] "the thread's own";
    PR_SET_TAGGED_ADDR_CTRL 55 [Allow] "the thread's own";
    PR_GET_TAGGED_ADDR_CTRL 56 [Allow] "the thread's own";
    PR_RISCV_V_SET_CONTROL 69 [Allow] "the thread's own";
    PR_RISCV_V_GET_CONTROL 70 [Allow] "the thread's own";
    PR_RISCV_SET_ICACHE_FLUSH_CTX 71 [Allow] "the thread's own";
    PR_PPC_GET_DEXCR 72 [Allow] "the thread's own";
    PR_PPC_SET_DEXCR 73 [Allow] "the thread's own";
};
