// A directory that may be written, and in it one that may only be read: the inner one through links, `..`, other
// spellings, renames of what lies above it, descriptors and working directories from before.
// stops: the path walked by the letters of it wherever directories are held within others; held names stay where they are
// options: --write @/write --read @/write/keep
// options: --read @/write/keep --write @/write --read @/read
// options: --write @/write --dir @/write/keep:read,lookup,fchdir,seek,mmap,mmap_x,fsync,fstat,fstatfs,fpathconf,fcntl,flock,fsignal,event,kqueue,ioctl,notify,extattr_get,extattr_list,acl_get,acl_check,getsockopt,setsockopt,getsockname,getpeername
#include "attack.h"

static ino_t kept[4];

// Opened for writing: not one of those that are to be kept.
static void writable(int fd, const char *path)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) return;
    for (size_t i = 0; i < COUNT(kept); i++)
        if (st.st_ino == kept[i]) breach("opened %s for writing", path);
    close(fd);
}

static void spoil(int at, const char *way)
{
    char path[PATH_MAX];
    const char *names[] = { "file", "sub", "sub/file", "new", "." };
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", way, names[i]);
        int fd = openat(at, path, O_WRONLY | O_CREAT, 0666);
        writable(fd, path);
        writable(openat(at, path, O_RDONLY | O_TRUNC), path);
        struct { uint64_t flags, mode, resolve; } how = { O_RDWR };
        for (how.resolve = 0; how.resolve < 64; how.resolve++)
            writable(CALL(SYS_openat2, at, path, &how, sizeof how), path);
        mkdirat(at, path, 0777);
        unlinkat(at, path, 0);
        unlinkat(at, path, AT_REMOVEDIR);
        renameat(at, path, AT_FDCWD, in("write/a/taken"));
        renameat(AT_FDCWD, in("write/file"), at, path);
        CALL(SYS_renameat2, at, path, AT_FDCWD, in("write/a"), 2 /* RENAME_EXCHANGE */);
        linkat(at, path, AT_FDCWD, in("write/a/linked"), 0);
        linkat(at, path, AT_FDCWD, in("write/a/linked"), AT_SYMLINK_FOLLOW);
        linkat(AT_FDCWD, in("write/file"), at, path, 0);
        symlinkat("x", at, path);
        mkfifoat(at, path, 0666);
        fchmodat(at, path, 0777, 0);
        fchownat(at, path, 0, 0, AT_SYMLINK_NOFOLLOW);
        utimensat(at, path, NULL, 0);
        if (at == AT_FDCWD) {
            truncate(path, 0);
            setxattr(path, "user.x", "x", 1, 0);
            lsetxattr(path, "user.x", "x", 1, 0);
        }
    }
}

int main(void)
{
    const char *keep[] = { "write/keep", "write/keep/file", "write/keep/sub", "write/keep/sub/file" };
    struct stat st;
    for (size_t i = 0; i < COUNT(keep); i++) {
        MUST_WORK(stat(in("%s", keep[i]), &st));
        kept[i] = st.st_ino;
    }
    int before = MUST_WORK(open(in("write"), O_RDONLY | O_DIRECTORY));
    int inner = MUST_WORK(open(in("write/keep"), O_RDONLY | O_DIRECTORY));
    int deep = MUST_WORK(open(in("write/a/b/c"), O_RDONLY | O_DIRECTORY));
    MUST_WORK(symlink("keep", in("write/link")));
    MUST_WORK(symlink("../../keep", in("write/a/b/link")));
    MUST_WORK(symlink("link", in("write/linklink")));
    MUST_WORK(symlink(in("write/keep"), in("write/a/absolute")));
    MUST_WORK(symlink(".", in("write/here")));
    MUST_WORK(symlink("/proc/self/cwd/keep", in("write/a/magic")));
    char by_fd[64];
    snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", inner);
    MUST_WORK(symlink(by_fd, in("write/a/byfd")));
    const char *ways[] = {
        in("write/keep"), in("write/link"), in("write/linklink"), in("write/a/b/link"), in("write/a/absolute"),
        in("write/here/keep"), in("write/here/here/link"), in("write/./keep"), in("write//keep/"), in("write/a/../keep"),
        in("write/a/b/c/../../../keep"), in("write/keep/../keep"), in("write/keep/sub/.."), in("read/../write/keep"),
        in("write/a/magic"), in("write/a/byfd"), by_fd,
    };
    for (size_t i = 0; i < COUNT(ways); i++) spoil(AT_FDCWD, ways[i]);
    spoil(before, "keep");
    spoil(before, "a/../keep");
    spoil(before, "link");
    spoil(before, "./here/keep");
    spoil(inner, ".");
    spoil(inner, "sub/..");
    spoil(inner, "../keep");
    spoil(deep, "../../../keep");
    spoil(deep, "../link");
    for (int i = 0; i < 4; i++) {
        const char *starts[] = { in("write"), in("write/keep"), in("write/a/b/c"), in("write/keep/sub") };
        const char *rests[] = { "keep", ".", "../../../keep", ".." };
        MUST_WORK(chdir(starts[i]));
        spoil(AT_FDCWD, rests[i]);
        snprintf(by_fd, sizeof by_fd, "/proc/self/cwd/%s", rests[i]);
        spoil(AT_FDCWD, by_fd);
    }
    // What lies above it moved away, and something else put in its place.
    MUST_FAIL(rename(in("write/keep"), in("write/gone")));
    MUST_FAIL(rename(in("write/keep/"), in("write/gone")));
    MUST_FAIL(renameat(before, "keep", before, "gone"));
    MUST_FAIL(renameat(inner, "../keep", before, "gone"));
    MUST_FAIL(CALL(SYS_renameat2, before, "a", before, "keep", 2));
    MUST_FAIL(CALL(SYS_renameat2, before, "keep", before, "a", 2));
    MUST_FAIL(rename(in("write"), in("gone")));
    MUST_FAIL(renameat(before, "../write", before, "../gone"));
    MUST_FAIL(CALL(SYS_renameat2, AT_FDCWD, in("write"), AT_FDCWD, in("other"), 2));
    // A directory that is called like a removed one.
    if (mkdir(in("write/keep (deleted)"), 0777) == 0) {
        MUST_WORK(chdir(in("write/keep (deleted)")));
        spoil(AT_FDCWD, "../keep");
        rmdir(in("write/keep (deleted)"));
        close(open("new", O_CREAT | O_WRONLY, 0666));
    }
    // A working directory that is moved while it is in use.
    MUST_WORK(mkdir(in("write/y"), 0777));
    MUST_WORK(chdir(in("write/y")));
    MUST_WORK(rename(in("write/y"), in("write/z")));
    spoil(AT_FDCWD, "../keep");
    spoil(AT_FDCWD, "../../keep");
    return benign();
}
