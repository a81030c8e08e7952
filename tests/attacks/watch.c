// Names of what is outside, and what happens to it, from inotify, dnotify, fanotify, leases and directory lists: of the
// directories above what is held, and of those that lead to them.
// stops: watching and listing a directory need more than the right to pass through it
#include "attack.h"
#include <sys/inotify.h>

static void list(int fd)
{
    char room[8192];
    ssize_t len;
    while ((len = CALL(SYS_getdents64, fd, room, sizeof room)) > 0)
        for (ssize_t at = 0; at < len;) {
            struct { uint64_t ino, off; unsigned short len; unsigned char type; char name[]; } *entry = (void *)(room + at);
            printf("listed %s\n", entry->name);
            at += entry->len;
        }
}

int main(void)
{
    int watch = MUST_WORK(inotify_init1(IN_NONBLOCK));
    const char *above[] = { "/", "/tmp", given("ATTACK_DIR"), in("."), in("read/.."), in("outside"), in("hidden"), "/etc",
                            "/usr", "/usr/lib", "/lib", "/proc", "/dev", "/home", "/root" };
    MUST_WORK(inotify_add_watch(watch, in("read"), IN_ALL_EVENTS));
    for (size_t i = 0; i < COUNT(above); i++) {
        if (inotify_add_watch(watch, above[i], IN_ALL_EVENTS) >= 0) breach("watches %s", above[i]);
        if (inotify_add_watch(watch, above[i], IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW) >= 0)
            breach("watches %s", above[i]);
        MUST_FAIL(CALL(SYS_fanotify_init, 0, O_RDONLY));
        MUST_FAIL(CALL(SYS_fanotify_mark, watch, 1, 0x20ull, AT_FDCWD, above[i]));
        int flags[] = { O_RDONLY, O_RDONLY | O_DIRECTORY, O_PATH, O_PATH | O_DIRECTORY };
        for (size_t f = 0; f < COUNT(flags); f++) {
            int fd = open(above[i], flags[f]);
            if (fd < 0) continue;
            // The processes' own directories are its own to list.
            if (strcmp(above[i], "/proc")) list(fd);
            if (fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT) == 0 && strcmp(above[i], "/proc"))
                breach("is notified of %s", above[i]);
            fcntl(fd, 1039 /* F_SETDELEG */, above);
            close(fd);
        }
        if (chdir(above[i]) == 0) {
            int fd = open(".", O_RDONLY);
            if (fd >= 0 && strcmp(above[i], "/proc")) list(fd);
            close(fd);
            if (inotify_add_watch(watch, ".", IN_ALL_EVENTS) >= 0) breach("watches . in %s", above[i]);
        }
        MUST_FAIL(mkdir(in("new"), 0777));
        char value[100];
        MUST_FAIL(getxattr(above[i], "user.x", value, sizeof value));
    }
    reach(in("read/out"));
    reach(in("write/out"));
    MUST_FAIL(inotify_add_watch(watch, in("read/out"), IN_ALL_EVENTS));
    MUST_FAIL(inotify_add_watch(watch, in("write/out"), IN_ALL_EVENTS));
    return benign();
}
