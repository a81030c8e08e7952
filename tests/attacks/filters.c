// Filters of the program's own: a listener, notifications without one, traces, filters that say yes, and handlers for traps.
// stops: one listener for a chain; the strictest answer of all filters counts; nobody traces
#include "attack.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

static int install(unsigned action, unsigned flags)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { COUNT(code), code };
    return CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void outside(const char *when)
{
    int fd = open(in("outside/secret"), O_RDONLY);
    if (fd >= 0) breach("%s", when), show(fd);
    fd = CALL(SYS_open, in("outside/secret"), O_RDONLY);
    if (fd >= 0) breach("%s", when), show(fd);
    fd = open(in("write/keep/file"), O_WRONLY);
    if (fd >= 0) breach("%s", when);
}

static void trapped(int signal, siginfo_t *info, void *context) { outside("in a handler"); }

int main(void)
{
    unsigned actions[] = { SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_TRACE | 1, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRAP,
                           SECCOMP_RET_ERRNO | 1, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE };
    unsigned flags[] = { 0, SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                         SECCOMP_FILTER_FLAG_NEW_LISTENER };
    struct sigaction handler = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
    sigaction(SIGSYS, &handler, NULL);
    for (size_t a = 0; a < COUNT(actions); a++)
        for (size_t f = 0; f < COUNT(flags); f++)
            IN_CHILD(
                int listener = install(actions[a], flags[f]);
                if (flags[f] == SECCOMP_FILTER_FLAG_NEW_LISTENER && listener >= 0) breach("a listener");
                if (actions[a] != SECCOMP_RET_ERRNO) outside("under a filter of its own");
                for (int i = 0; i < 50; i++) install(SECCOMP_RET_ALLOW, 0);
                if (actions[a] != SECCOMP_RET_ERRNO) outside("under many");
            );
    // Its own dispatcher.
    static char selector = 1;
    IN_CHILD(prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector); outside("with user dispatch"));
    IN_CHILD(CALL(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL); CALL(SYS_exit, 0));
    return benign();
}
