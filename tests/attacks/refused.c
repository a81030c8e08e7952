// Calls that no program in capability mode has, each with arguments that would work: io_uring, tracing a child, mounts, roots,
// keys, probes, handles, clocks, other processes' memory.
// stops: the filter, by number
#include "attack.h"

#define DENIED(...)                                                                              \
    do {                                                                                         \
        errno = 0;                                                                               \
        if (CALL(__VA_ARGS__) != -1 || (errno != ECAPMODE && errno != ENOSYS))                   \
            breach("line %d: %s: errno %d", __LINE__, #__VA_ARGS__, errno);                      \
    } while (0)

int main(void)
{
    static char room[4096];
    char *secret = in("outside/secret");
    int top = MUST_WORK(open(in("write"), O_RDONLY | O_DIRECTORY));
    DENIED(SYS_io_uring_setup, 8, room);
    DENIED(SYS_io_uring_enter, 3, 1, 0, 0, 0, 0);
    DENIED(SYS_io_uring_register, 3, 0, room, 0);
    DENIED(SYS_userfaultfd, 0);
    DENIED(SYS_bpf, 0, room, 128);
    DENIED(SYS_perf_event_open, room, 0, -1, -1, 0);
    DENIED(SYS_chroot, in("write"));
    DENIED(SYS_pivot_root, in("write"), in("write/a"));
    DENIED(SYS_mount, in("outside"), in("write/a"), "none", 4096 /* MS_BIND */, 0);
    DENIED(SYS_umount2, in("write/a"), 0);
    DENIED(428 /* open_tree */, AT_FDCWD, in("outside"), 1);
    DENIED(429 /* move_mount */, top, "", AT_FDCWD, in("write/a"), 4);
    DENIED(430 /* fsopen */, "tmpfs", 0);
    DENIED(433 /* fspick */, top, "", 8);
    DENIED(442 /* mount_setattr */, top, "", 0, room, 32);
    DENIED(SYS_name_to_handle_at, top, "file", room, room + 512, 0);
    DENIED(SYS_name_to_handle_at, AT_FDCWD, secret, room, room + 512, 0);
    DENIED(SYS_name_to_handle_at, top, "", room, room + 512, AT_EMPTY_PATH);
    DENIED(SYS_open_by_handle_at, top, room, O_RDONLY);
    DENIED(SYS_fanotify_init, 0, 0);
    DENIED(SYS_acct, secret);
    DENIED(SYS_swapon, secret, 0);
    DENIED(SYS_quotactl, 0, secret, 0, room);
    DENIED(SYS_uselib, secret);
    DENIED(SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */);
    DENIED(SYS_sethostname, "x", 1);
    DENIED(SYS_reboot, 0xfee1dead, 672274793, 0, 0);
    DENIED(SYS_kexec_load, 0, 0, 0, 0);
    DENIED(SYS_init_module, room, 4096, "");
    DENIED(SYS_finit_module, top, "", 0);
    DENIED(SYS_syslog, 3, room, 4096);
    DENIED(SYS_settimeofday, room, 0);
    DENIED(SYS_clock_settime, 0, room);
    DENIED(SYS_adjtimex, room);
    DENIED(SYS_iopl, 3);
    DENIED(SYS_ioperm, 0, 1, 1);
    DENIED(SYS_keyctl, 0, -3, 0, 0, 0);
    DENIED(SYS_add_key, "user", "x", "x", 1, -3);
    DENIED(SYS_request_key, "user", "x", "x", -3);
    DENIED(SYS_shmget, 1, 4096, 01666);
    DENIED(SYS_semget, 1, 1, 01666);
    DENIED(SYS_msgget, 1, 01666);
    DENIED(SYS_mq_open, "x", O_CREAT | O_RDWR, 0666, 0);
    DENIED(SYS_setns, top, 0);
    DENIED(SYS_pidfd_getfd, 0, 0, 0);
    DENIED(SYS_vhangup);
    DENIED(SYS_process_madvise, 0, room, 1, 4, 0);
    DENIED(444 /* landlock_create_ruleset */, room, 8, 0);
    // A child of one's own is not one's own to trace.
    pid_t child = fork();
    if (child == 0) {
        CALL(SYS_ptrace, 0 /* TRACEME */, 0, 0, 0);
        pause();
        _exit(0);
    }
    DENIED(SYS_ptrace, 0, 0, 0, 0);
    DENIED(SYS_ptrace, 16, child, 0, 0);
    DENIED(SYS_ptrace, 0x4206, child, 0, 0);
    struct iovec iov = { room, 16 };
    DENIED(SYS_process_vm_readv, child, &iov, 1, &iov, 1, 0);
    DENIED(SYS_process_vm_writev, child, &iov, 1, &iov, 1, 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    umask(0);
    return benign();
}
