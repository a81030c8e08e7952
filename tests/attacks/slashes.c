// What an error tells of paths outside: a link out with a slash behind it, a link to a link, too many links, as source and
// as target of every call that takes a path. What is there and what is not must look the same.
// stops: the kernel never follows a link for the monitor that a lookup beneath has not vetted
// options: --read @/read --write @/write
// options: --read @/read --write @/write --read @/write/keep
#include "attack.h"
#include <sys/inotify.h>

static int results[2][200];
static int count;

static void note(int which, long result)
{
    results[which][count++] = result < 0 ? errno : 0;
}

static void all(int which, const char *name)
{
    char path[PATH_MAX], link[PATH_MAX];
    const char *ends[] = { "", "/", "/.", "//", "/..", "/../.." };
    struct stat st;
    char text[100];
    count = 0;
    int watch = inotify_init();
    snprintf(link, sizeof link, "%s", in("write/way"));
    unlink(link);
    MUST_WORK(symlink(name, link));
    for (size_t i = 0; i < COUNT(ends); i++) {
        snprintf(path, sizeof path, "%s%s", link, ends[i]);
        note(which, open(path, O_RDONLY));
        note(which, open(path, O_WRONLY | O_CREAT, 0666));
        note(which, open(path, O_WRONLY | O_CREAT | O_EXCL, 0666));
        note(which, open(path, O_RDONLY | O_DIRECTORY));
        note(which, stat(path, &st));
        note(which, access(path, R_OK));
        note(which, linkat(AT_FDCWD, path, AT_FDCWD, in("write/new"), 0));
        unlink(in("write/new"));
        note(which, linkat(AT_FDCWD, path, AT_FDCWD, in("write/new"), AT_SYMLINK_FOLLOW));
        unlink(in("write/new"));
        note(which, rename(in("write/a"), path));
        note(which, mkdir(path, 0777));
        note(which, rmdir(path));
        note(which, mkfifo(path, 0666));
        note(which, truncate(path, 0));
        note(which, chmod(path, 0777));
        note(which, utimensat(AT_FDCWD, path, NULL, 0));
        note(which, getxattr(path, "user.x", text, sizeof text));
        note(which, inotify_add_watch(watch, path, IN_CREATE));
        note(which, chdir(path));
        struct statfs fs;
        note(which, statfs(path, &fs));
        note(which, execl(path, path, NULL));
        if (*ends[i]) {
            note(which, unlink(path));
            note(which, rename(path, in("write/moved")));
            rename(in("write/moved"), link);
            note(which, symlink("x", path));
            note(which, linkat(AT_FDCWD, in("write/file"), AT_FDCWD, path, 0));
        }
        unlink(link);
        MUST_WORK(symlink(name, link));
    }
    close(watch);
}

int main(void)
{
    const char *there[] = { in("outside/sub"), in("outside/secret"), "../outside/sub", "../outside/secret", "/var/lib",
                            "/proc/1/root", "/proc/self/root/var" };
    const char *missing[] = { in("outside/no"), in("outside/no"), "../outside/no", "../outside/no", "/nothing-there",
                              "/proc/999999999/root", "/proc/self/root/no" };
    for (size_t i = 0; i < COUNT(there); i++) {
        all(0, there[i]);
        all(1, missing[i]);
        for (int at = 0; at < count; at++)
            if (results[0][at] != results[1][at])
                breach("%s tells: call %d fails with %d, for %s with %d", there[i], at, results[0][at], missing[i],
                       results[1][at]);
    }
    chdir("/");
    return benign();
}
