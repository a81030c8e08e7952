// Signals by the back door: owners of descriptors, timers, deaths of parents, tracers, leases, queues.
// stops: an owner is the caller itself or nobody; a timer signals one's own threads; the rest is refused
#include "attack.h"
#include <sys/timerfd.h>

static void own(int fd, long pid)
{
    int number = pid, group = -pid, own_group = getpgrp() ? getpgrp() : 1; // (0: it began outside the pid namespace)
    struct { int type, pid; } ex[] = { { 0, pid }, { 1, pid }, { 2, pid }, { 2, own_group }, { 7, pid } };
    MUST_FAIL(fcntl(fd, F_SETOWN, pid));
    MUST_FAIL(fcntl(fd, F_SETOWN, -pid));
    MUST_FAIL(CALL(SYS_fcntl, fd, F_SETOWN, pid | 0xdead00000000));
    MUST_FAIL(CALL(SYS_fcntl, fd, F_SETOWN, -own_group));
    for (size_t i = 0; i < COUNT(ex); i++) MUST_FAIL(fcntl(fd, 15 /* F_SETOWN_EX */, &ex[i]));
    MUST_FAIL(ioctl(fd, 0x8901 /* FIOSETOWN */, &number));
    MUST_FAIL(ioctl(fd, 0x8902 /* SIOCSPGRP */, &number));
    MUST_FAIL(ioctl(fd, 0x8901, &group));
    MUST_FAIL(ioctl(fd, 0x8902, &group));
}

int main(void)
{
    int pair[2], pipes[2];
    signal(SIGIO, SIG_IGN);
    signal(SIGRTMIN, SIG_IGN);
    MUST_WORK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST_WORK(pipe(pipes));
    long pids[] = { getppid(), number("ATTACK_BYSTANDER"), 1 };
    for (size_t i = 0; i < COUNT(pids); i++) {
        own(pair[0], pids[i]);
        own(pipes[0], pids[i]);
        int file = open(in("write/file"), O_RDONLY);
        own(file, pids[i]);
        fcntl(file, F_SETSIG, SIGKILL);
        fcntl(file, F_SETLEASE, F_RDLCK);
        MUST_FAIL(prctl(0x59616d61 /* PR_SET_PTRACER */, pids[i], 0, 0, 0));
        struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGKILL };
        ((int *)&event)[4] = pids[i];
        timer_t timer;
        MUST_FAIL(CALL(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
        MUST_FAIL(CALL(SYS_mq_notify, pair[0], &event));
    }
    MUST_FAIL(prctl(0x59616d61, -1, 0, 0, 0));
    MUST_FAIL(prctl(62 /* PR_SCHED_CORE */, 2, getppid(), 1, 0));
    // Whoever is left as owner when data comes is this program, which ignores it.
    MUST_WORK(fcntl(pair[0], F_SETOWN, getpid()));
    fcntl(pair[0], F_SETSIG, SIGRTMIN);
    fcntl(pair[0], F_SETFL, O_ASYNC);
    for (int i = 0; i < 100; i++) (void)!write(pair[1], "x", 1);
    // A child owns it, and is gone when the signal is due; its number may be another's.
    IN_CHILD(fcntl(pair[1], F_SETOWN, getpid()); fcntl(pair[1], F_SETSIG, SIGKILL); fcntl(pair[1], F_SETFL, O_ASYNC));
    for (int i = 0; i < 100; i++) (void)!write(pair[0], "x", 1);
    // Deaths: of a parent whose children are then the monitor's.
    IN_CHILD(
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            usleep(1000);
            prctl(PR_SET_PDEATHSIG, SIGSTOP);
            _exit(0);
        }
    );
    return benign();
}
