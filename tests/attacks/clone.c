// New namespaces, children for another parent, exit signals at whoever gets the orphans, flags in memory.
// stops: clone and unshare by their flags in registers, clone3 not there, setns refused; reparenting resets the exit signal
#include "attack.h"
#include <linux/sched.h>

static void outside(const char *how)
{
    int fd = open(in("outside/secret"), O_RDONLY);
    if (fd >= 0) breach("%s", how), show(fd);
}

int main(void)
{
    unsigned long spaces[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
                               CLONE_NEWCGROUP, CLONE_NEWTIME, CLONE_NEWUSER | CLONE_NEWNS };
    for (size_t i = 0; i < COUNT(spaces); i++) {
        if (unshare(spaces[i]) == 0) breach("unshare %lx", spaces[i]);
        if (CALL(SYS_unshare, spaces[i] | 0xdead00000000) == 0) breach("unshare %lx", spaces[i]);
        long child = CALL(SYS_clone, spaces[i] | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) _exit(0);
        if (child > 0 && spaces[i] != CLONE_NEWTIME) breach("clone %lx", spaces[i]);
        struct clone_args args = { .flags = spaces[i], .exit_signal = SIGCHLD };
        child = CALL(SYS_clone3, &args, sizeof args);
        if (child == 0) _exit(0);
        if (child > 0) breach("clone3 %lx", spaces[i]);
    }
    struct clone_args args = { .flags = CLONE_PARENT };
    long child = CALL(SYS_clone3, &args, sizeof args);
    if (child == 0) _exit(0);
    if (child > 0) breach("clone3 with CLONE_PARENT");
    child = CALL(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    if (child > 0) breach("a child for the monitor");
    child = CALL(SYS_clone, CLONE_PARENT | SIGKILL, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    const char *ns[] = { "mnt", "user", "pid", "net" };
    for (size_t i = 0; i < COUNT(ns); i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/1/ns/%s", ns[i]);
        int fd = open(path, O_RDONLY);
        if (fd >= 0) breach("opened %s", path);
        MUST_FAIL(CALL(SYS_setns, fd, 0));
        snprintf(path, sizeof path, "/proc/self/ns/%s", ns[i]);
        fd = open(path, O_RDONLY);
        if (fd >= 0) MUST_FAIL(CALL(SYS_setns, fd, 0));
    }
    MUST_FAIL(CALL(SYS_setns, CALL(SYS_pidfd_open, getpid(), 0), CLONE_NEWNS));
    // Orphans whose end is to be told by a signal that kills or stops: the monitor inherits them.
    int signals[] = { SIGKILL, SIGSTOP, SIGTERM, SIGSEGV, SIGUSR1, SIGHUP, SIGRTMIN };
    for (size_t i = 0; i < COUNT(signals); i++)
        IN_CHILD(
            if (CALL(SYS_clone, signals[i], 0, 0, 0, 0) == 0) {
                usleep(20000);
                _exit(0);
            }
        );
    usleep(60000);
    // Threads and processes that share everything, or nothing, make calls as before.
    unsigned long shared[] = { SIGCHLD, CLONE_FILES | SIGCHLD, CLONE_FS | SIGCHLD, CLONE_FILES | CLONE_FS | SIGCHLD };
    for (size_t i = 0; i < COUNT(shared); i++) {
        child = CALL(SYS_clone, shared[i], 0, 0, 0, 0);
        if (child == 0) {
            outside("in a child");
            CALL(SYS_unshare, CLONE_FILES);
            CALL(SYS_unshare, CLONE_FS);
            outside("in a child by itself");
            _exit(0);
        }
        waitpid(child, NULL, __WALL);
    }
    return benign();
}
