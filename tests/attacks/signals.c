// Signals to the monitor, the front, the bystander, init, by pid, group, thread, queue, descriptor and to all.
// stops: a pid names the program, its threads and its kin; beyond that Landlock keeps signals inside the domain
#include "attack.h"

static void at(long pid, int signal)
{
    siginfo_t info = { .si_signo = signal, .si_code = SI_QUEUE };
    MUST_FAIL(kill(pid, signal));
    MUST_FAIL(CALL(SYS_tkill, pid, signal));
    MUST_FAIL(CALL(SYS_tgkill, pid, pid, signal));
    MUST_FAIL(CALL(SYS_rt_sigqueueinfo, pid, signal, &info));
    MUST_FAIL(CALL(SYS_rt_tgsigqueueinfo, pid, pid, signal, &info));
    // Through one's own number as the process, and the other's as the thread.
    MUST_FAIL(CALL(SYS_tgkill, getpid(), pid, signal));
    MUST_FAIL(CALL(SYS_tgkill, pid, getpid(), signal));
    MUST_FAIL(CALL(SYS_rt_tgsigqueueinfo, getpid(), pid, signal, &info));
    long fd = CALL(SYS_pidfd_open, pid, 0);
    if (fd >= 0) {
        breach("a descriptor of %ld", pid);
        CALL(SYS_pidfd_send_signal, fd, signal, NULL, 0);
    }
    MUST_FAIL(CALL(SYS_pidfd_open, pid, 04000));
    MUST_FAIL(CALL(SYS_pidfd_open, pid, 0200 /* PIDFD_THREAD */));
    MUST_FAIL(setpgid(pid, pid));
    MUST_FAIL(setpgid(0, number("ATTACK_BYSTANDER")));
    MUST_FAIL(setpriority(PRIO_PROCESS, pid, 19));
    MUST_FAIL(setpriority(PRIO_PGRP, pid, 19));
    MUST_FAIL(setpriority(PRIO_USER, getuid(), 19));
    struct rlimit none = { 0, 0 };
    MUST_FAIL(prlimit(pid, RLIMIT_NOFILE, &none, NULL));
    MUST_FAIL(prlimit(pid, RLIMIT_NOFILE, NULL, &none));
    unsigned long set = 1;
    MUST_FAIL(CALL(SYS_sched_setaffinity, pid, sizeof set, &set));
    struct sched_param param = { 1 };
    MUST_FAIL(CALL(SYS_sched_setscheduler, pid, SCHED_FIFO, &param));
    MUST_FAIL(CALL(SYS_ioprio_set, 1, pid, 3 << 13));
    MUST_FAIL(CALL(SYS_ioprio_set, 3, getuid(), 3 << 13));
    MUST_FAIL(CALL(SYS_ptrace, 16, pid, 0, 0));
    MUST_FAIL(CALL(SYS_ptrace, 0x4206, pid, 0, 0));
    MUST_FAIL(CALL(SYS_kcmp, getpid(), pid, 0, 0, 0));
    MUST_FAIL(CALL(SYS_process_vm_readv, pid, NULL, 0, NULL, 0, 0));
    MUST_FAIL(CALL(SYS_process_vm_writev, pid, NULL, 0, NULL, 0, 0));
    MUST_FAIL(CALL(SYS_get_robust_list, pid, &set, &set));
    MUST_FAIL(CALL(SYS_migrate_pages, pid, 64, &set, &set));
    MUST_FAIL(CALL(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0));
    // Of a thread of one's own the kernel's word is 3; of another process's clock there is none.
    struct timespec time;
    MUST_FAIL(clock_gettime((~(clockid_t)pid << 3) | 2, &time));
}

int main(void)
{
    int signals[] = { SIGKILL, SIGSTOP, SIGUSR1, SIGCONT, 0, SIGRTMIN };
    long monitor = getppid();
    for (int i = 1; i < 65; i++)
        if (i != SIGKILL && i != SIGSTOP) signal(i, SIG_IGN);
    for (size_t i = 0; i < COUNT(signals); i++) {
        at(monitor, signals[i]);
        at(number("ATTACK_BYSTANDER"), signals[i]);
        at(1, signals[i]);
        for (long tid = monitor - 2; tid < monitor + 8; tid++)
            if (tid != getpid()) {
                kill(tid, signals[i]);
                CALL(SYS_tkill, tid, signals[i]);
                CALL(SYS_tgkill, monitor, tid, signals[i]);
            }
    }
    // Groups: the program's own, which the monitor and the front are in too; the others; all.
    int group[] = { SIGUSR1, SIGTERM, SIGHUP, SIGALRM, SIGRTMIN + 3 };
    for (size_t i = 0; i < COUNT(group); i++) {
        kill(0, group[i]);
        kill(-getpgrp(), group[i]);
        kill(-1, group[i]);
        kill(-monitor, group[i]);
        kill(-getpgid(0), group[i]);
        MUST_FAIL(kill(INT_MIN, group[i]));
    }
    // The last resort, from a child in a group and a session of its own.
    IN_CHILD(kill(-1, SIGUSR2));
    IN_CHILD(setsid(); kill(0, SIGKILL));
    IN_CHILD(setpgid(0, 0); kill(0, SIGKILL));
    IN_CHILD(raise(SIGKILL));
    // kill(-1) spares the caller, and the monitor: here it spares the parent as well, by ending in a session without it.
    pid_t child = fork();
    if (child == 0) {
        pid_t inner = fork();
        if (inner == 0) {
            for (int i = 0; i < 20; i++) kill(getppid(), i % 2 ? SIGCONT : SIGSTOP);
            _exit(0);
        }
        waitpid(inner, NULL, 0);
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) kill(child, SIGCONT), usleep(1000);
    return benign();
}
