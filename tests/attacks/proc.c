// procfs: the monitor, the bystander, init and their memory, descriptors, roots and environments, by every spelling; magic
// links; one's own memory and descriptors by other names; through links in what may be written, with /proc held or not.
// stops: procfs is never followed by the kernel: the monitor walks it and shows a program its own and its kin's entries
// options: --read @/read --write @/write --read @/write/keep
// options: --read @/read --write @/write --read /proc
// options: --read @/read --write @/write --read /proc --report
// options: --read / --write @/write
#include "attack.h"

static const char *ENTRIES[] = {
    "environ", "mem", "maps", "smaps", "cmdline", "auxv", "exe", "cwd", "root", "fd", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/10",
    "fdinfo/3", "task", "ns/mnt", "ns/pid", "map_files", "pagemap", "stack", "syscall", "personality", "status", "stat", "io", "wchan",
    "cwd/secret", "root/etc/passwd", "net/unix", "attr/current", "timers", "comm", "oom_score_adj", "clear_refs",
};

static void look(const char *directory, int stranger)
{
    char path[PATH_MAX];
    struct stat st;
    for (size_t i = 0; i < COUNT(ENTRIES); i++) {
        snprintf(path, sizeof path, "%s/%s", directory, ENTRIES[i]);
        int flags[] = { O_RDONLY, O_RDWR, O_WRONLY, O_PATH, O_RDONLY | O_DIRECTORY };
        for (size_t f = 0; f < COUNT(flags); f++) {
            int fd = open(path, flags[f] | O_NONBLOCK);
            if (fd < 0) continue;
            if (stranger) breach("opened %s", path);
            if (flags[f] == O_RDONLY && strcmp(ENTRIES[i], "environ")) {
                // Not what this program prints itself.
                char text[4096];
                ssize_t len = pread(fd, text, sizeof text - 1, 0);
                if (len > 0 && stranger) (void)!write(1, text, len);
            }
            close(fd);
        }
        if (stranger && readlink(path, path + 2048, 1000) > 0) breach("read the link %s", path);
        if (stranger && stat(path, &st) == 0) breach("stat of %s", path);
        if (stranger && access(path, F_OK) == 0) breach("access to %s", path);
    }
    if (stranger && stat(directory, &st) == 0) breach("stat of %s", directory);
    if (stranger && chdir(directory) == 0) breach("in %s", directory);
}

static void strangers(long pid)
{
    const char *ways[] = { "/proc/%ld", "/proc/self/../%ld", "/proc/thread-self/../../../%ld", "/proc/self/task/../../%ld",
                           "/proc/./%ld", "/proc//%ld", "/proc/+%ld", "/proc/0%ld", "/proc/self/fd/../../%ld",
                           "/proc/%ld/task/../.", "/proc/self/cwd/../../../../../../proc/%ld", "/proc/self/root/proc/%ld",
                           "/dev/fd/../../%ld", "/proc/net/../../%ld", "/proc/sys/../%ld" };
    char path[PATH_MAX];
    for (size_t i = 0; i < COUNT(ways); i++) {
        snprintf(path, sizeof path, ways[i], pid);
        look(path, 1);
        unlink(in("write/magic"));
        if (symlink(path, in("write/magic")) == 0) look(in("write/magic"), 1);
    }
    snprintf(path, sizeof path, "/proc/%ld/task/%ld", pid, pid);
    look(path, 1);
    int self = open("/proc/self", O_RDONLY | O_DIRECTORY);
    if (self >= 0) {
        snprintf(path, sizeof path, "../%ld/environ", pid);
        int fd = openat(self, path, O_RDONLY);
        if (fd >= 0) breach("opened %s", path), show(fd);
        struct { uint64_t flags, mode, resolve; } how = { O_RDONLY };
        for (how.resolve = 0; how.resolve < 64; how.resolve++)
            if ((fd = CALL(437, self, path, &how, sizeof how)) >= 0) breach("opened %s", path), show(fd);
    }
}

int main(void)
{
    long monitor = getppid();
    char stat_path[64], text[4096] = "";
    strangers(monitor);
    strangers(number("ATTACK_BYSTANDER"));
    strangers(1);
    // The front: the monitor's parent, most likely the number before.
    for (long pid = monitor - 3; pid < monitor; pid++) {
        snprintf(stat_path, sizeof stat_path, "/proc/%ld/environ", pid);
        reach(stat_path);
        snprintf(stat_path, sizeof stat_path, "/proc/%ld/cmdline", pid);
        if (access(stat_path, F_OK) == 0) breach("%s", stat_path);
    }
    // The monitor's threads.
    for (long tid = monitor; tid < monitor + 12; tid++) {
        if (tid == getpid()) continue;
        snprintf(stat_path, sizeof stat_path, "/proc/%ld/mem", tid);
        int fd = open(stat_path, O_RDWR);
        if (fd >= 0) breach("%s", stat_path);
        snprintf(stat_path, sizeof stat_path, "/proc/self/task/%ld/environ", tid);
        reach(stat_path);
    }
    // Its own: what changes it or leads away stays shut.
    look("/proc/self", 0);
    look("/proc/thread-self", 0);
    const char *own[] = { "/proc/self/mem", "/proc/self/root/etc/shadow", "/proc/self/map_files", "/proc/self/clear_refs",
                          "/proc/self/pagemap", "/proc/self/ns/user", "/proc/self/uid_map", "/proc/self/setgroups",
                          "/proc/self/attr/current", "/proc/self/coredump_filter", "/proc/self/oom_score_adj", "/proc/sysrq-trigger",
                          "/proc/self/root/dev/mem", "/proc/self/task/self/mem", "/proc/sys/kernel/core_pattern", "/proc/self/comm" };
    for (size_t i = 0; i < COUNT(own); i++) {
        int fd = open(own[i], O_RDWR);
        if (fd >= 0) breach("opened %s for writing", own[i]);
        fd = open(own[i], O_WRONLY);
        if (fd >= 0) breach("opened %s for writing", own[i]);
    }
    int fd = open("/proc/self/mem", O_RDONLY);
    if (fd >= 0) breach("opened its memory");
    // `self` is never the monitor.
    fd = open("/proc/self/cmdline", O_RDONLY);
    if (fd >= 0 && read(fd, text, sizeof text) > 0 && !strstr(text, "/proc")) breach("cmdline is %s", text);
    fd = open("/proc/self/stat", O_RDONLY);
    if (fd >= 0 && read(fd, text, sizeof text) > 0 && atoi(text) != getpid()) breach("stat is of %s", text);
    symlink("/proc/self/environ", in("write/environ"));
    fd = open(in("write/environ"), O_RDONLY);
    if (fd >= 0) show(fd);
    symlink("/proc/self/root", in("write/rootlink"));
    reach(in("write/rootlink/%s", in("outside/secret") + 1));
    int dir = open(in("write"), O_RDONLY | O_DIRECTORY);
    snprintf(text, sizeof text, "/proc/self/fd/%d/../outside/secret", dir);
    reach(text);
    snprintf(text, sizeof text, "/proc/self/fd/%d/../../outside/secret", dir);
    reach(text);
    chdir(in("write"));
    reach("/proc/self/cwd/../outside/secret");
    chdir("/");
    return benign();
}
