// Every call that the monitor serves with wild pointers: null, unmapped, the kernel's, the end of a page, no access, nearly
// wrapping; and memory that another thread unmaps while the call goes on. Each fails, and the monitor serves on.
// stops: memory is read and written by process_vm_readv and writev, which fail where the program's own access would
#include "attack.h"
#include <poll.h>

static char *page;
static volatile int stop;

static void *unmapper(void *unused)
{
    while (!stop) {
        munmap(page, 4096);
        mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        strcpy(page, in("write/file"));
        mprotect(page, 4096, PROT_NONE);
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
        sched_yield();
    }
    return NULL;
}

// What each argument is: p a pointer, f a descriptor, d a directory, n a small number, z a size, - nothing.
static const struct { long call; const char *args; } CALLS[] = {
    { SYS_open, "pnn" }, { SYS_openat, "dpnn" }, { 437, "dppz" }, { SYS_creat, "pn" }, { SYS_stat, "pp" },
    { SYS_lstat, "pp" }, { SYS_newfstatat, "dppn" }, { SYS_newfstatat, "fppe" }, { 332, "dpnnp" }, { SYS_access, "pn" },
    { SYS_faccessat, "dpn" }, { 439, "dpnn" }, { SYS_readlink, "ppz" }, { SYS_readlinkat, "dppz" }, { SYS_statfs, "pp" },
    { SYS_mkdir, "pn" }, { SYS_mkdirat, "dpn" }, { SYS_mknod, "pnn" }, { SYS_mknodat, "dpnn" }, { SYS_unlink, "p" },
    { SYS_rmdir, "p" }, { SYS_unlinkat, "dpn" }, { SYS_rename, "pp" }, { SYS_renameat, "dpdp" }, { SYS_renameat2, "dpdpn" },
    { SYS_link, "pp" }, { SYS_linkat, "dpdpn" }, { SYS_linkat, "fpdpe" }, { SYS_symlink, "pp" }, { SYS_symlinkat, "pdp" },
    { SYS_chmod, "pn" }, { SYS_fchmodat, "dpn" }, { 452, "dpnn" }, { SYS_fchmod, "fn" }, { SYS_chown, "pnn" },
    { SYS_lchown, "pnn" }, { SYS_fchownat, "dpnnn" }, { SYS_utime, "pp" }, { SYS_utimes, "pp" }, { SYS_futimesat, "dpp" },
    { SYS_utimensat, "dppn" }, { SYS_truncate, "pn" }, { SYS_getxattr, "pppz" }, { SYS_lgetxattr, "pppz" },
    { SYS_fgetxattr, "fppz" }, { SYS_listxattr, "ppz" }, { SYS_llistxattr, "ppz" }, { SYS_flistxattr, "fpz" },
    { SYS_setxattr, "pppzn" }, { SYS_lsetxattr, "pppzn" }, { SYS_fsetxattr, "fppzn" }, { SYS_removexattr, "pp" },
    { SYS_lremovexattr, "pp" }, { SYS_fremovexattr, "fp" }, { SYS_chdir, "p" }, { SYS_getcwd, "pz" }, { SYS_execve, "ppp" },
    { SYS_execveat, "dpppn" }, { SYS_execveat, "fpppe" }, { SYS_inotify_add_watch, "fpn" }, { SYS_sendmsg, "fpn" },
    { SYS_sendmmsg, "fpzn" }, { SYS_ioctl, "fFp" }, { SYS_ioctl, "fXp" }, { SYS_fcntl, "fOp" }, { SYS_rt_sigqueueinfo, "nnp" },
    { SYS_rt_tgsigqueueinfo, "nnnp" }, { SYS_setgroups, "np" }, { SYS_capset, "pp" }, { SYS_prlimit64, "nnpp" },
    { SYS_sched_setaffinity, "nzp" }, { SYS_sched_getattr, "npnn" }, { 0x43415000, "p" }, { 0x43415001, "p" },
    { 0x43415002, "np" }, { 0x43415003, "nnp" },
};

static unsigned long wild[12];

static void call(long number, const char *args, unsigned seed, int fds[3])
{
    unsigned long value[6] = { 0 };
    for (int i = 0; args[i]; i++) {
        switch (args[i]) {
        case 'p': value[i] = wild[seed % COUNT(wild)]; seed = seed / COUNT(wild) + seed * 7 + 3; break;
        case 'f': value[i] = fds[seed % 3]; break;
        case 'd': value[i] = seed % 3 ? AT_FDCWD : fds[2]; break;
        case 'z': value[i] = ((unsigned long[]) { 0, 1, 24, 4096, 65536, SIZE_MAX, 1ul << 31, 1ul << 40 })[seed % 8]; break;
        case 'e': value[i] = AT_EMPTY_PATH; break;
        case 'F': value[i] = FS_IOC_SETFLAGS; break;
        case 'X': value[i] = 0x401c5820; break;
        case 'O': value[i] = 15; break;
        default: value[i] = (seed * 2654435761u >> 16) & ((unsigned[]) { 0, 1, 3, 0x1000, 0xffffffff, 0x42 })[seed % 6];
        }
    }
    // Signals to itself would end it.
    if (number == SYS_rt_sigqueueinfo || number == SYS_rt_tgsigqueueinfo) value[number == SYS_rt_sigqueueinfo] = 0, value[2] = 0;
    if (number == SYS_open || number == SYS_creat) value[1] |= O_NONBLOCK;
    if (number == SYS_openat) value[2] |= O_NONBLOCK;
    if (number == SYS_sendmsg || number == SYS_sendmmsg) value[number == SYS_sendmsg ? 2 : 3] |= MSG_DONTWAIT;
    syscall(number, value[0], value[1], value[2], value[3], value[4], value[5]);
}

static void round_(int rounds)
{
    int pair[2];
    MUST_WORK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    int fds[3] = { open(in("write/file"), O_RDWR), pair[0], open(in("write"), O_RDONLY) };
    for (int r = 0; r < rounds; r++)
        for (size_t i = 0; i < COUNT(CALLS); i++) call(CALLS[i].call, CALLS[i].args, r * 31 + i, fds);
}

int main(void)
{
    page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 'a', 2 * 4096);
    munmap(page + 2 * 4096, 4096);
    char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *readable = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // A mapping of a file that has no such page.
    char *beyond = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, open(in("write/file"), O_RDWR), 0);
    unsigned long all[] = { 0, 1, (unsigned long)page + 8191, (unsigned long)page + 8185, (unsigned long)none,
                            (unsigned long)readable, (unsigned long)beyond + 4096, 0xffff888000000000, 0xffffffffff600000,
                            ULONG_MAX, ULONG_MAX - 4095, 0x8000000000000000 };
    memcpy(wild, all, sizeof wild);
    int top = MUST_WORK(open(in("write"), O_RDONLY | O_DIRECTORY));
    // A path without an end.
    MUST_FAIL(open(page, O_RDONLY));
    MUST_FAIL(mkdir((char *)wild[2], 0777));
    struct stat st;
    MUST_FAIL(stat(in("write/file"), (void *)wild[7]));
    MUST_FAIL(stat(in("write/file"), (void *)wild[2]));
    MUST_FAIL(stat(in("write/file"), (void *)readable));
    MUST_FAIL(CALL(SYS_getcwd, readable, 4096));
    MUST_FAIL(readlink(in("write/out"), readable, 100));
    IN_CHILD(round_(60));
    // And while it comes and goes.
    wild[2] = wild[3] = wild[4] = wild[7] = wild[9] = (unsigned long)page;
    strcpy(page, in("write/file"));
    pid_t child = fork();
    if (child == 0) {
        thread(unmapper, NULL);
        double from = now();
        while (going(from, 0.7)) round_(1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    MUST_WORK(fchmod(top, 0755));
    MUST_WORK(stat(in("write/."), &st));
    unlink(in("write/file"));
    return benign();
}
