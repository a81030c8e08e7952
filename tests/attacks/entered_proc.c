// procfs, held by a descriptor, and a root directory held: the monitor, the bystander, init and their memory, descriptors,
// roots and environments, by every spelling; magic links; one's own memory and descriptors by other names.
// stops: the monitor walks procfs by itself, and shows a process its own entries
// enters: write=@/write proc=/proc
// enters: write=@/write root=/
#include "attack.h"
#include <dirent.h>

static int proc;
static char prefix[16] = "";

static const char *path(const char *format, ...)
{
    static char room[8][PATH_MAX];
    static int next;
    char *text = room[next++ % 8];
    int len = snprintf(text, PATH_MAX, "%s", prefix);
    va_list list;
    va_start(list, format);
    vsnprintf(text + len, PATH_MAX - len, format, list);
    va_end(list);
    return text;
}

static void try_path(const char *name, const char *what)
{
    char text[PATH_MAX];
    struct stat st;
    int fd = openat(proc, name, O_RDONLY | O_NONBLOCK);
    if (fd >= 0) {
        breach("opened %s: %s", name, what);
        show(fd);
        close(fd);
    }
    if ((fd = openat(proc, name, O_WRONLY | O_NONBLOCK)) >= 0) breach("opened %s for writing: %s", name, what);
    if ((fd = openat(proc, name, O_RDWR | O_CREAT | O_NONBLOCK, 0600)) >= 0) breach("opened %s for both: %s", name, what);
    struct { uint64_t flags, mode, resolve; } how = { O_RDONLY | O_NONBLOCK };
    for (how.resolve = 0; how.resolve < 0x40; how.resolve++)
        if ((fd = CALL(SYS_openat2, proc, name, &how, sizeof how)) >= 0) breach("openat2 of %s, %lx: %s", name, how.resolve, what);
    if (fstatat(proc, name, &st, 0) == 0) breach("status of %s: %s", name, what);
    ssize_t len = readlinkat(proc, name, text, sizeof text);
    if (len > 0) breach("the link %s is %.*s: %s", name, (int)len, text, what);
    unlinkat(proc, name, 0);
    if (linkat(proc, name, held("write"), "linked", AT_SYMLINK_FOLLOW) == 0) breach("linked %s: %s", name, what);
    unlinkat(held("write"), "linked", 0);
    if (CALL(SYS_execveat, proc, name, NULL, NULL, 0) == 0) breach("executed");
}

int main(void)
{
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    sigaction(SIGCHLD, &ignored, NULL);
    if (held("root")) {
        proc = held("root");
        strcpy(prefix, "proc/");
    } else proc = held("proc");
    long pid = getpid(), stranger = number("ATTACK_BYSTANDER");
    // Everyone that is there, by the list, which a held directory gives.
    int list = MUST_WORK(openat(proc, path("."), O_RDONLY | O_DIRECTORY));
    char room[65536];
    static const char *entries[] = { "", "/mem", "/maps", "/environ", "/cmdline", "/status", "/stat", "/exe", "/cwd", "/root", "/fd", "/fd/0",
        "/fd/3", "/fd/4", "/fdinfo/3", "/task", "/syscall", "/stack", "/auxv", "/map_files", "/ns/pid", "/ns/mnt", "/ns/net", "/oom_score_adj",
        "/clear_refs", "/comm", "/timers", "/attr/current", "/uid_map", "/root/etc/passwd", "/cwd/secret", "/fd/3/x", "/net/tcp", "/mounts" };
    int count = 0;
    for (ssize_t len; count < 60 && (len = CALL(SYS_getdents64, list, room, sizeof room)) > 0;)
        for (ssize_t at = 0; at < len; at += *(unsigned short *)(room + at + 16)) {
            long other = atol(room + at + 19);
            if (other <= 0 || other == pid) continue;
            // Init, the bystander, and the latest, among whom is the monitor.
            if (other != 1 && other != stranger && (other < pid - 6 || other > pid + 100)) continue;
            count++;
            for (size_t i = 0; i < COUNT(entries); i++) {
                try_path(path("%ld%s", other, entries[i]), "another process");
                try_path(path("./self/../%ld%s", other, entries[i]), "another process");
                try_path(path("sys/../%ld/task/%ld%s", other, other, entries[i]), "another process");
            }
        }
    printf("%d others\n", count);
    if (count < 2) breach("too few others were seen to prove anything");
    // One's own is one's own: the names say who is meant.
    char text[PATH_MAX] = "";
    int fd = MUST_WORK(openat(proc, path("self/status"), O_RDONLY));
    ssize_t len = read(fd, text, sizeof text - 1);
    char want[64];
    snprintf(want, sizeof want, "\nPid:\t%ld\n", pid);
    if (len <= 0 || !strstr(text, want)) breach("self is %.300s", text);
    close(fd);
    fd = openat(proc, path("thread-self/status"), O_RDONLY);
    len = read(fd, text, sizeof text - 1);
    if (len > 0 && !strstr(text, want)) breach("thread-self is %.300s", text);
    close(fd);
    len = readlinkat(proc, path("self"), text, sizeof text - 1);
    if (len > 0 && (text[len] = 0, atol(text) != pid)) breach("self leads to %s", text);
    // Its links lead nowhere, and its memory and its descriptors stay what they are.
    const char *own[] = { "self/cwd/etc/passwd", "self/root/etc/passwd", "self/root", "self/cwd", "self/exe", "self/fd/10", "self/fd/10/../outside/secret",
        "self/mem", "thread-self/root/etc/passwd", "self/task/../../1/environ", "self/map_files", "self/ns/mnt", "self/ns/user", "self/fd/../../1/environ", "self/attr/current",
        "self/task/1/environ", "self/clear_refs", "kcore", "kmem" };
    for (size_t i = 0; i < COUNT(own); i++) {
        fd = openat(proc, path("%s", own[i]), O_RDONLY | O_NONBLOCK);
        if (fd >= 0) breach("opened %s", own[i]);
        fd = openat(proc, path("%s", own[i]), O_RDWR | O_NONBLOCK);
        if (fd >= 0) breach("opened %s for both", own[i]);
        IN_CHILD(char *args[] = { "BREACH", NULL }; CALL(SYS_execveat, proc, path("%s", own[i]), args, args + 1, 0));
    }
    // Descriptors of procfs directories, gone on from.
    int self = openat(proc, path("self"), O_RDONLY | O_DIRECTORY), fds = openat(proc, path("self/fd"), O_RDONLY | O_DIRECTORY);
    const char *beyond[] = { "../1/environ", "../self/mem", "root/etc/passwd", "cwd", "fd/10", "mem", "../../etc/passwd", "task/../../1/status", "10/../outside/secret", "10", "0", "3", "../../1/environ" };
    for (size_t i = 0; i < COUNT(beyond); i++) {
        if (self >= 0 && openat(self, beyond[i], O_RDONLY | O_NONBLOCK) >= 0) breach("opened %s from self", beyond[i]);
        if (fds >= 0 && openat(fds, beyond[i], O_RDONLY | O_NONBLOCK) >= 0) breach("opened %s from self/fd", beyond[i]);
    }
    // A child's, once the child is gone and its number perhaps another's.
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        try_path(path("%d/environ", child), "a child's number");
    }
    // Links into it.
    const char *links[] = { "/proc/1/environ", "/proc/self/mem", "/proc/self/root/etc/passwd", "/dev/fd/10", "../../../../../../../proc/self/environ" };
    for (size_t i = 0; i < COUNT(links); i++) {
        symlinkat(links[i], held("write"), "to");
        reach_at(held("write"), "to");
        if (openat(held("write"), "to", O_RDONLY | O_NONBLOCK) >= 0) breach("followed a link to %s", links[i]);
        unlinkat(held("write"), "to", 0);
    }
    return benign();
}
