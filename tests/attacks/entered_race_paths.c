// The text of a path changed by another thread, or by another process that shares the page, between a name beneath a held
// directory and what is outside (by `..`, absolute, through a link), while every call that takes a directory is made with it.
// stops: the monitor copies a path once, and looks it up strictly beneath the directory
// enters: write=@/write read=@/read
#include "attack.h"

static struct flips *shared;
static int dir;

static void try_all(double from, double share)
{
    char *path = shared->path, text[256];
    struct stat st;
    struct statx stx;
    while (going(from, share)) {
        int fd = openat(dir, path, O_RDONLY | O_NONBLOCK);
        if (fd >= 0) {
            if (fstat(fd, &st) == 0) told(&st, "openat");
            show(fd);
        }
        close(fd);
        struct { uint64_t flags, mode, resolve; } how = { O_RDONLY | O_NONBLOCK };
        fd = CALL(SYS_openat2, dir, path, &how, sizeof how);
        if (fd >= 0) show(fd);
        close(fd);
        close(openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0666));
        if (fstatat(dir, path, &st, 0) == 0) told(&st, "fstatat");
        if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0) told(&st, "fstatat");
        if (statx(dir, path, 0, STATX_ALL, &stx) == 0 && stx.stx_ino == (uint64_t)number("ATTACK_INODE"))
            breach("statx tells of the secret");
        fchmodat(dir, path, 0646, 0);
        fchownat(dir, path, getuid(), getgid(), 0);
        utimensat(dir, path, NULL, 0);
        readlinkat(dir, path, text, sizeof text);
        linkat(dir, path, dir, "linked", 0);
        reach_at(dir, "linked");
        linkat(dir, path, dir, "followed", AT_SYMLINK_FOLLOW);
        reach_at(dir, "followed");
        unlinkat(dir, "linked", 0);
        unlinkat(dir, "followed", 0);
        renameat(dir, path, dir, "moved");
        reach_at(dir, "moved");
        renameat(dir, "moved", dir, path);
        unlinkat(dir, path, 0);
        mkdirat(dir, path, 0777);
        unlinkat(dir, path, AT_REMOVEDIR);
        symlinkat("x", dir, path);
        unlinkat(dir, path, 0);
        mkfifoat(dir, path, 0600);
        unlinkat(dir, path, 0);
        renameat(dir, "other", dir, path);
        CALL(SYS_renameat2, dir, path, dir, "other", 2 /* RENAME_EXCHANGE */);
        close(openat(dir, "other", O_WRONLY | O_CREAT | O_NONBLOCK, 0666));
    }
}

int main(void)
{
    dir = held("write");
    shared = shared_memory(sizeof *shared);
    // write/out is a link to the secret.
    const char *targets[] = { "../outside/secret", in("outside/secret"), "out", "a/b/../../../outside/secret", "" };
    shared->inside = "target";
    strcpy(shared->path, shared->inside);
    for (size_t turn = 0; turn < 2 * COUNT(targets); turn++) {
        shared->outside = targets[turn / 2];
        if (shared->outside == targets[2]) {
            unlinkat(dir, "out", 0);
            symlinkat("../outside/secret", dir, "out");
        }
        shared->over = 0;
        int child = -1;
        pthread_t other = 0;
        if (turn % 2) other = thread(flip, shared);
        else if (fork_with(&child) == 0) {
            flip(shared);
            _exit(0);
        }
        try_all(now(), 0.5 / COUNT(targets));
        shared->over = 1;
        if (child >= 0) wait_with(child);
        else pthread_join(other, NULL);
    }
    return benign();
}
