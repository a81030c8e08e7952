// The monitor of a process that entered by itself, whose number a message tells: signals to it, every other call that names a
// process, descriptors of it that a message brings, its priority and limits, and garbage to every descriptor.
// stops: a pid names the caller itself; a descriptor of the monitor signals nobody
// enters: write=@/write +credentials +pidfd
// enters: write=@/write proc=/proc +credentials +pidfd
#include "attack.h"
#include <linux/seccomp.h>

struct control { struct cmsghdr head; char data[256]; };

static long send_plain(int fd)
{
    struct iovec iov = { "x", 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    return sendmsg(fd, &message, MSG_DONTWAIT);
}

int main(void)
{
    // Who sent it, as the kernel says: the monitor.
    pid_t monitor = 0;
    int pidfd = -1;
    for (int which = 0; which < 2; which++) {
        int pair = which ? held("pidfd") : held("credentials");
        MUST_WORK(send_plain(pair));
        char byte;
        struct iovec iov = { &byte, 1 };
        static struct control control;
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        MUST_WORK(recvmsg(pair + 1, &message, MSG_DONTWAIT));
        for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
            if (head->cmsg_type == SCM_CREDENTIALS) monitor = *(pid_t *)CMSG_DATA(head);
            if (head->cmsg_type == 4 /* SCM_PIDFD */) pidfd = *(int *)CMSG_DATA(head);
        }
    }
    printf("the sender is %d, a descriptor of it is %d, this is %d\n", monitor, pidfd, getpid());
    if (monitor <= 1 || monitor == getpid()) breach("the monitor is not known, which proves nothing");
    for (int signal = 1; signal <= 64; signal++) {
        MUST_FAIL(kill(monitor, signal));
        MUST_FAIL(kill(-monitor, signal));
        MUST_FAIL(CALL(SYS_tkill, monitor, signal));
        MUST_FAIL(CALL(SYS_tgkill, monitor, monitor, signal));
        MUST_FAIL(CALL(SYS_tgkill, getpid(), monitor, signal));
        siginfo_t info = { .si_code = SI_QUEUE, .si_signo = signal };
        MUST_FAIL(CALL(SYS_rt_sigqueueinfo, monitor, signal, &info));
        MUST_FAIL(CALL(SYS_rt_tgsigqueueinfo, monitor, monitor, signal, &info));
        // Its threads' numbers are near its own.
        for (pid_t near = monitor + 1; near < monitor + 6; near++)
            if (near != getpid()) MUST_FAIL(CALL(SYS_tkill, near, signal) & kill(near, signal));
    }
    MUST_FAIL(kill(-1, SIGTERM));
    MUST_FAIL(kill(0, SIGTERM));
    if (pidfd >= 0) {
        for (int signal = 64; signal >= 0; signal--) {
            // (Should it not be refused, it is not to hang.)
            if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) continue;
            MUST_FAIL(CALL(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
            MUST_FAIL(CALL(SYS_pidfd_send_signal, pidfd, signal, NULL, 1));
            MUST_FAIL(CALL(SYS_pidfd_send_signal, pidfd, signal, NULL, 2));
            MUST_FAIL(CALL(SYS_pidfd_send_signal, pidfd, signal, NULL, 4));
        }
        for (int fd = 0; fd < 20; fd++) MUST_FAIL(CALL(SYS_pidfd_getfd, pidfd, fd, 0));
        struct iovec iov = { &iov, 16 };
        MUST_FAIL(CALL(SYS_process_madvise, pidfd, &iov, 1, MADV_PAGEOUT, 0));
        MUST_FAIL(CALL(SYS_process_mrelease, pidfd, 0));
        MUST_FAIL(CALL(SYS_setns, pidfd, 0x7e020000));
        for (unsigned command = 0xff01; command < 0xff20; command++) MUST_FAIL(ioctl(pidfd, command, 0));
        siginfo_t info;
        MUST_FAIL(waitid(3, pidfd, &info, WEXITED | WNOHANG));
        reach_at(pidfd, "mem");
        MUST_FAIL(openat(pidfd, "mem", O_RDONLY));
        // A race for it: the number is one's own child's while it is looked at.
        int child = -1;
        fork_with(&child) == 0 ? pause(), _exit(0) : (void)0;
        CALL(SYS_pidfd_send_signal, child, SIGKILL, NULL, 0);
        wait_with(child);
    }
    pid_t names[] = { monitor, monitor + 1, monitor - 1, 1, number("ATTACK_BYSTANDER"), -monitor };
    for (size_t i = 0; i < COUNT(names); i++) {
        pid_t pid = names[i];
        if (pid == getpid()) continue;
        char room[64];
        struct iovec iov = { room, sizeof room };
        struct sched_param param = { 0 };
        struct rlimit64 { uint64_t soft, hard; } none = { 0, 0 }, was;
        MUST_FAIL(CALL(SYS_ptrace, 16 /* ATTACH */, pid, 0, 0));
        MUST_FAIL(CALL(SYS_ptrace, 0x4206 /* SEIZE */, pid, 0, 0));
        MUST_FAIL(CALL(SYS_process_vm_readv, pid, &iov, 1, &iov, 1, 0));
        MUST_FAIL(CALL(SYS_process_vm_writev, pid, &iov, 1, &iov, 1, 0));
        MUST_FAIL(CALL(SYS_kcmp, getpid(), pid, 0, 0, 0));
        MUST_FAIL(CALL(SYS_pidfd_open, pid, 0));
        MUST_FAIL(CALL(SYS_setpriority, PRIO_PROCESS, pid, 19));
        MUST_FAIL(CALL(SYS_setpriority, PRIO_PGRP, pid, 19));
        MUST_FAIL(CALL(SYS_setpriority, PRIO_USER, getuid(), 19));
        MUST_FAIL(CALL(SYS_getpriority, PRIO_PROCESS, pid));
        MUST_FAIL(CALL(SYS_ioprio_set, 1, pid, 3 << 13));
        MUST_FAIL(CALL(SYS_ioprio_set, 3, getuid(), 3 << 13));
        MUST_FAIL(CALL(SYS_sched_setscheduler, pid, 5, &param));
        MUST_FAIL(CALL(SYS_sched_setparam, pid, &param));
        MUST_FAIL(CALL(SYS_sched_setaffinity, pid, 8, &(long) { 1 }));
        MUST_FAIL(CALL(SYS_sched_getaffinity, pid, 8, room));
        MUST_FAIL(CALL(SYS_sched_setattr, pid, room, 0));
        for (int resource = 0; resource < 16; resource++) MUST_FAIL(CALL(SYS_prlimit64, pid, resource, &none, NULL) & CALL(SYS_prlimit64, pid, resource, NULL, &was));
        MUST_FAIL(CALL(SYS_migrate_pages, pid, 1, room, room));
        MUST_FAIL(CALL(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0));
        MUST_FAIL(CALL(SYS_get_robust_list, pid, room, room + 8));
        MUST_FAIL(CALL(SYS_setpgid, pid, 0));
        MUST_FAIL(CALL(SYS_setpgid, 0, pid));
        MUST_FAIL(CALL(SYS_getpgid, pid));
        MUST_FAIL(CALL(SYS_getsid, pid));
        MUST_FAIL(CALL(SYS_wait4, pid, NULL, WNOHANG, NULL));
        uint32_t header[2] = { 0x20080522, pid };
        MUST_FAIL(CALL(SYS_capget, header, room));
        // CPU clocks of it.
        struct timespec time;
        if (pid > 0) for (int kind = 0; kind < 8; kind++) MUST_FAIL(clock_gettime(~(unsigned)pid << 3 | kind, &time));
        timer_t timer;
        if (pid > 0) MUST_FAIL(CALL(SYS_timer_create, ~(unsigned)pid << 3 | 2, NULL, &timer));
        struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGKILL, ._sigev_un._tid = pid };
        MUST_FAIL(CALL(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
        int pair[2];
        MUST_WORK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        MUST_FAIL(fcntl(pair[0], F_SETOWN, pid));
        MUST_FAIL(fcntl(pair[0], F_SETOWN, -pid));
        for (int kind = 0; kind < 3; kind++) MUST_FAIL(fcntl(pair[0], F_SETOWN_EX, &(struct f_owner_ex) { kind, pid }));
        MUST_FAIL(ioctl(pair[0], 0x8901, &pid));
        MUST_FAIL(ioctl(pair[0], 0x8902, &pid));
        close(pair[0]);
        close(pair[1]);
    }
    // No descriptor here is the listener, nor of the monitor.
    for (int fd = 0; fd < 1024; fd++) {
        char room[128] = { 0 };
        MUST_FAIL(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, room));
        MUST_FAIL(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, room));
        MUST_FAIL(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, room));
        MUST_FAIL(ioctl(fd, 0x40082104, 1));
    }
    int listener = CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &(struct { unsigned short len; void *code; }) {
        1, &(struct { unsigned short code; char t, f; unsigned k; }) { 6, 0, 0, 0x7fc00000 } });
    if (listener >= 0) breach("a listener of its own");
    return benign();
}
