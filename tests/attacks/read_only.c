// A descriptor of what may only be read: everything that Linux lets a reader do to a file, and every way to a descriptor
// that could do more.
// stops: the kernel, for what a descriptor open for reading cannot do; the monitor, by where the file lies, for the rest
#include "attack.h"
#include <linux/falloc.h>
#include <sys/statvfs.h>

#define FSSETXATTR _IOW('X', 32, char[28])

static void change(int fd, const char *what)
{
    struct timespec times[2] = { { 1, 1 }, { 1, 1 } };
    int flags = 0x10 /* immutable */, version = 7;
    char attr[28] = { 0x10 };
    MUST_FAIL(fchmod(fd, 0777));
    MUST_FAIL(fchown(fd, getuid(), getgid()));
    MUST_FAIL(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
    MUST_FAIL(CALL(SYS_fchmodat2, fd, "", 0777, AT_EMPTY_PATH));
    MUST_FAIL(futimens(fd, times));
    MUST_FAIL(futimens(fd, NULL));
    MUST_FAIL(CALL(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
    MUST_FAIL(CALL(SYS_futimesat, fd, NULL, NULL));
    MUST_FAIL(fsetxattr(fd, "user.x", "x", 1, 0));
    MUST_FAIL(fremovexattr(fd, "user.x"));
    MUST_FAIL(ftruncate(fd, 0));
    MUST_FAIL(fallocate(fd, 0, 0, 4096));
    MUST_FAIL(write(fd, "x", 1));
    MUST_FAIL(pwrite(fd, "x", 1, 0));
    MUST_FAIL(ioctl(fd, FS_IOC_SETFLAGS, &flags));
    MUST_FAIL(ioctl(fd, FSSETXATTR, attr));
    MUST_FAIL(ioctl(fd, _IOW('v', 2, long), &version));
    MUST_FAIL(ioctl(fd, FICLONE, fd));
    MUST_FAIL(ioctl(fd, FIDEDUPERANGE, attr));
    MUST_FAIL(ioctl(fd, FICLONERANGE, attr));
    // AT_EMPTY_PATH with a path that is not there at all.
    MUST_FAIL(CALL(SYS_fchownat, fd, NULL, 0, 0, AT_EMPTY_PATH));
    (void)what;
}

static void map(int fd)
{
    char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) return;
    MUST_FAIL(mprotect(page, 4096, PROT_READ | PROT_WRITE));
    MUST_FAIL(CALL(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_WRITE, -1));
    void *moved = mremap(page, 4096, 8192, MREMAP_MAYMOVE);
    if (moved != MAP_FAILED) MUST_FAIL(mprotect(moved, 4096, PROT_WRITE));
    MUST_FAIL(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0));
}

static void pour(int fd)
{
    int pipes[2], own = open(in("write/file"), O_RDWR);
    loff_t at = 0;
    MUST_WORK(pipe(pipes));
    MUST_WORK(write(pipes[1], "poured", 6));
    MUST_FAIL(splice(pipes[0], NULL, fd, &at, 6, 0));
    MUST_FAIL(splice(pipes[0], NULL, fd, NULL, 6, 0));
    MUST_FAIL(copy_file_range(own, &at, fd, &at, 6, 0));
    MUST_FAIL(sendfile(fd, own, &at, 6));
    struct iovec iov = { "x", 1 };
    MUST_FAIL(pwritev2(fd, &iov, 1, 0, 0));
    MUST_FAIL(CALL(SYS_io_uring_setup, 1, &iov));
}

static void again(int fd)
{
    char path[64];
    const char *ways[] = { "/proc/self/fd/%d", "/dev/fd/%d", "/proc/thread-self/fd/%d", "/proc/self/task/%d/fd/%d" };
    int modes[] = { O_WRONLY, O_RDWR, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND, O_ACCMODE };
    for (size_t w = 0; w < COUNT(ways); w++)
        for (size_t m = 0; m < COUNT(modes); m++) {
            if (w == 3) snprintf(path, sizeof path, ways[w], getpid(), fd);
            else snprintf(path, sizeof path, ways[w], fd);
            int other = open(path, modes[m]);
            if (other >= 0) {
                if (write(other, "again", 5) == 5) breach("written through %s", path);
                change(other, path);
                close(other);
            }
            other = open(path, O_RDONLY | O_TRUNC);
            if (other >= 0) change(other, path);
            close(other);
            truncate(path, 0);
            chmod(path, 0777);
            chown(path, 0, 0);
            setxattr(path, "user.x", "x", 1, 0);
            utimensat(AT_FDCWD, path, NULL, 0);
            linkat(AT_FDCWD, path, AT_FDCWD, in("write/linked"), AT_SYMLINK_FOLLOW);
        }
}

static void link_up(int fd, const char *path)
{
    // A second name where one may write: then it is opened by that.
    const char *name = in("write/second");
    MUST_FAIL(linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH));
    MUST_FAIL(linkat(AT_FDCWD, path, AT_FDCWD, name, 0));
    MUST_FAIL(linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
    MUST_FAIL(rename(path, name));
    MUST_FAIL(CALL(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, in("write/file"), RENAME_EXCHANGE));
    int other = open(name, O_RDWR | O_TRUNC);
    if (other >= 0) breach("a second name for %s", path);
}

static void pass(int fd)
{
    int pair[2], got = -1;
    char byte = 0, room[CMSG_SPACE(sizeof(int))];
    MUST_WORK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    *control = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd) };
    memcpy(CMSG_DATA(control), &fd, sizeof fd);
    MUST_WORK(sendmsg(pair[0], &message, 0));
    MUST_WORK(recvmsg(pair[1], &message, 0));
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    change(got, "passed");
    map(got);
    again(got);
    MUST_FAIL(linkat(got, "", AT_FDCWD, in("write/third"), AT_EMPTY_PATH));
    // And in a child, and as another number.
    IN_CHILD(change(got, "inherited"));
    change(dup(got), "copied");
    close(got);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const char *paths[] = { in("read/file"), in("write/keep/file"), in("read/sub"), in("write/keep") };
    for (size_t i = 0; i < COUNT(paths); i++) {
        int fd = MUST_WORK(open(paths[i], O_RDONLY));
        change(fd, paths[i]);
        if (i < 2) {
            map(fd);
            pour(fd);
        }
        again(fd);
        link_up(fd, paths[i]);
        pass(fd);
        MUST_FAIL(truncate(paths[i], 0));
        MUST_FAIL(chmod(paths[i], 0777));
        MUST_FAIL(lchown(paths[i], 0, 0));
        MUST_FAIL(setxattr(paths[i], "user.x", "x", 1, 0));
        MUST_FAIL(lsetxattr(paths[i], "user.x", "x", 1, 0));
        MUST_FAIL(utimensat(AT_FDCWD, paths[i], NULL, 0));
        MUST_FAIL(open(paths[i], O_RDONLY | O_TRUNC));
        MUST_FAIL(open(paths[i], O_RDWR));
        MUST_FAIL(open(paths[i], O_ACCMODE));
        MUST_FAIL(open(paths[i], O_RDONLY | O_CREAT, 0666));
        struct { uint64_t flags, mode, resolve; } how = { O_WRONLY | O_TRUNC };
        for (how.resolve = 0; how.resolve < 64; how.resolve++)
            MUST_FAIL(CALL(SYS_openat2, AT_FDCWD, paths[i], &how, sizeof how));
        if (i >= 2) {
            MUST_FAIL(openat(fd, "new", O_CREAT | O_WRONLY, 0666));
            MUST_FAIL(openat(fd, "file", O_WRONLY));
            MUST_FAIL(open(paths[i], O_TMPFILE | O_RDWR, 0666));
            MUST_FAIL(openat(fd, ".", O_TMPFILE | O_WRONLY, 0666));
            MUST_FAIL(mkdirat(fd, "new", 0777));
            MUST_FAIL(mkfifoat(fd, "new", 0777));
            MUST_FAIL(symlinkat("x", fd, "new"));
            MUST_FAIL(unlinkat(fd, "file", 0));
            MUST_FAIL(renameat(fd, "file", fd, "new"));
            MUST_FAIL(renameat(AT_FDCWD, in("write/file"), fd, "new"));
            MUST_FAIL(linkat(AT_FDCWD, in("write/file"), fd, "new", 0));
        }
        close(fd);
    }
    int fd = open(in("write"), O_TMPFILE | O_RDWR, 0600);
    if (fd >= 0) MUST_FAIL(linkat(fd, "", AT_FDCWD, in("read/new"), AT_EMPTY_PATH));
    return benign();
}
