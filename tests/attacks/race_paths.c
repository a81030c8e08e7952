// The text of a path changed by another thread, or by another process that shares the page, between what may be reached and
// what may not, while calls are made with it.
// stops: the monitor copies a path once and acts on its copy; only execve and chdir are let go on (see race_exec.c)
// options: --read @/read --write @/write
// options: --read @/read --write @/write --read @/write/keep
#include "attack.h"

static struct flips *shared;

static void try_all(double from, double share)
{
    char *path = shared->path, text[256];
    struct stat st;
    struct statx stx;
    while (going(from, share)) {
        int fd = open(path, O_RDONLY | O_NONBLOCK);
        if (fd >= 0) {
            if (fstat(fd, &st) == 0) told(&st, "open");
            show(fd);
        }
        close(fd);
        struct { uint64_t flags, mode, resolve; } how = { O_RDONLY | O_NONBLOCK };
        fd = CALL(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
        if (fd >= 0) show(fd);
        close(fd);
        close(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0666));
        if (stat(path, &st) == 0) told(&st, "stat");
        if (lstat(path, &st) == 0) told(&st, "lstat");
        if (fstatat(AT_FDCWD, path, &st, 0) == 0) told(&st, "fstatat");
        if (statx(AT_FDCWD, path, 0, STATX_ALL, &stx) == 0 && stx.stx_ino == (uint64_t)number("ATTACK_INODE"))
            breach("statx tells of the secret");
        truncate(path, 1);
        chmod(path, 0646);
        chown(path, getuid(), getgid());
        utimensat(AT_FDCWD, path, NULL, 0);
        setxattr(path, "user.x", "x", 1, 0);
        removexattr(path, "user.x");
        if (readlink(path, text, sizeof text) > 0 && *text != 'x') breach("reads a link");
        linkat(AT_FDCWD, path, AT_FDCWD, in("write/linked"), 0);
        reach(in("write/linked"));
        unlink(in("write/linked"));
        rename(path, in("write/moved"));
        reach(in("write/moved"));
        rename(in("write/moved"), path);
        unlink(path);
        mkdir(path, 0777);
        rmdir(path);
        symlink("x", path);
        unlink(path);
        mkfifo(path, 0600);
        unlink(path);
        rename(in("write/other"), path);
        close(open(in("write/other"), O_WRONLY | O_CREAT | O_NONBLOCK, 0666));
    }
}



int main(void)
{
    shared = shared_memory(sizeof *shared);
    shared->inside = in("write/target");
    const char *targets[] = { in("outside/secret"), in("read/file") };
    strcpy(shared->path, shared->inside);
    for (int turn = 0; turn < 4; turn++) {
        shared->outside = targets[turn / 2];
        shared->over = 0;
        pid_t child = 0;
        pthread_t other = 0;
        if (turn % 2) other = thread(flip, shared);
        else if ((child = fork()) == 0) {
            flip(shared);
            _exit(0);
        }
        try_all(now(), 0.25);
        shared->over = 1;
        if (child) waitpid(child, NULL, 0);
        else pthread_join(other, NULL);
    }
    return benign();
}
