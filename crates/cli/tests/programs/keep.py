# Reaches for changes in directories that it may only read: ./keep, which lies in the writable `.`, and argv[1].
import ctypes, errno, fcntl, mmap, os, struct, sys

ECAPMODE, ENOTCAPABLE = 1094, 1093
libc = ctypes.CDLL(None, use_errno=True)
wrong = 0

def refused(what, expected, attempt):
    global wrong
    try:
        result = attempt()
    except OSError as e:
        if e.errno == expected:
            return
        result = errno.errorcode.get(e.errno, e.errno)
    wrong += 1
    print(f"{what}: {result!r}, not {expected}")

def call(name, *args):
    if getattr(libc, name)(*args) == -1:
        raise OSError(ctypes.get_errno(), name)

mine = "mine"
os.mkdir("w"); open(mine, "w").close(); os.symlink("keep", "lk"); os.symlink("../keep/file", "w/lf"); os.symlink(os.getcwd() + "/keep", "w/abs")
for base in [sys.argv[1], "keep", "./w/../keep", "lk", "w/abs", "keep/dir/..", "/proc/self/cwd/keep", os.getcwd() + "/./keep"]:
    file, new = base + "/file", base + "/new"
    for what, attempt in {
        "open for writing": lambda: os.open(file, os.O_WRONLY),
        "open for both": lambda: os.open(file, os.O_RDWR),
        "open for reading, truncating": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
        "open to append": lambda: os.open(file, os.O_WRONLY | os.O_APPEND),
        "create": lambda: os.open(new, os.O_WRONLY | os.O_CREAT),
        "create for reading": lambda: os.open(new, os.O_RDONLY | os.O_CREAT),
        "create exclusively": lambda: os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
        "temporary": lambda: os.open(base, os.O_TMPFILE | os.O_RDWR),
        "mkdir": lambda: os.mkdir(new),
        "mkfifo": lambda: os.mkfifo(new),
        "symlink": lambda: os.symlink("x", new),
        "unlink": lambda: os.unlink(file),
        "rmdir": lambda: os.rmdir(base + "/dir"),
        "rename within": lambda: os.rename(file, new),
        "rename out": lambda: os.rename(file, "w/stolen"),
        "rename in": lambda: os.rename(mine, new),
        "rename over": lambda: os.rename(mine, file),
        "rename of a directory": lambda: os.rename(base + "/dir", "w/dir"),
        "link within": lambda: os.link(file, new),
        "link out": lambda: os.link(file, "w/stolen"),
        "link in": lambda: os.link(mine, new),
        "chmod": lambda: os.chmod(file, 0o777),
        "chmod of a directory": lambda: os.chmod(base + "/dir", 0o777),
        "chown": lambda: os.chown(file, os.getuid(), os.getgid()),
        "lchown": lambda: os.lchown(file, os.getuid(), os.getgid()),
        "utime": lambda: os.utime(file, (1, 1)),
        "utime now": lambda: os.utime(file),
        "truncate": lambda: os.truncate(file, 0),
        "setxattr": lambda: os.setxattr(file, "user.y", b"y"),
        "removexattr": lambda: os.removexattr(file, "user.x"),
    }.items():
        refused(f"{what} {base}", ENOTCAPABLE, attempt)
    assert open(file).read() == "keep\n" and os.listdir(base) and os.stat(file).st_size == 5
    assert os.getxattr(file, "user.x") == b"v"

    fd, dir = os.open(file, os.O_RDONLY), os.open(base, os.O_RDONLY)
    for what, attempt in {
        "fchmod": lambda: os.fchmod(fd, 0o777),
        "fchown": lambda: os.fchown(fd, os.getuid(), os.getgid()),
        "futimens": lambda: os.utime(fd, (1, 1)),
        "futimens now": lambda: os.utime(fd),
        "fsetxattr": lambda: os.setxattr(fd, "user.y", b"y"),
        "fremovexattr": lambda: os.removexattr(fd, "user.x"),
        "chmod by /proc/self/fd": lambda: os.chmod(f"/proc/self/fd/{fd}", 0o777),
        "truncate by /dev/fd": lambda: os.truncate(f"/dev/fd/{fd}", 0),
        "fchmod of the directory": lambda: os.fchmod(dir, 0o777),
        "unlinkat": lambda: os.unlink("file", dir_fd=dir),
        "openat": lambda: os.open("file", os.O_WRONLY, dir_fd=dir),
        "openat to create": lambda: os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=dir),
        "renameat": lambda: os.rename("file", "new", src_dir_fd=dir, dst_dir_fd=dir),
        "linkat": lambda: os.link("file", "w/stolen", src_dir_fd=dir),
        "mkdirat": lambda: os.mkdir("new", dir_fd=dir),
        "fchmodat": lambda: os.chmod("file", 0o777, dir_fd=dir),
        "utimensat": lambda: os.utime("file", (1, 1), dir_fd=dir),
        "inode flags": lambda: fcntl.ioctl(fd, 0x40086602, struct.pack("l", 0)),
    }.items():
        refused(f"{what} {base}", ENOTCAPABLE, attempt)
    # The kernel keeps these to what the descriptor was opened for; opening it again does not make it more.
    for what, attempt in {
        "write": lambda: os.write(fd, b"x"), "ftruncate": lambda: os.ftruncate(fd, 0),
        "fallocate": lambda: os.posix_fallocate(fd, 0, 10), "mmap": lambda: mmap.mmap(fd, 5),
        "open /proc/self/fd": lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR),
        "open /dev/fd": lambda: os.open(f"/dev/fd/{fd}", os.O_WRONLY),
        "open /dev/fd to truncate": lambda: os.open(f"/dev/fd/{fd}", os.O_RDONLY | os.O_TRUNC),
    }.items():
        try:
            attempt(); wrong += 1; print(what, base, "was done")
        except (OSError, ValueError) as e:
            assert e.errno in (errno.EBADF, errno.EACCES, errno.EINVAL, errno.EPERM, ENOTCAPABLE), (what, e)
    os.close(fd); os.close(dir)

# The name ./keep is there to stay, as that of a mount point is, and so is what leads to ./held/deep/keep.
for what, attempt in {
    "rename": lambda: os.rename("keep", "moved"), "rmdir": lambda: os.rmdir("keep"), "unlink": lambda: os.unlink("keep"),
    "rename over": lambda: os.rename("w", "keep"), "rename by ..": lambda: os.rename("w/../keep", "w/keep"),
    "rename by descriptor": lambda: os.rename("keep", "moved", src_dir_fd=os.open(".", os.O_RDONLY)),
    "exchange": lambda: call("renameat2", -100, b"keep", -100, b"w", 2),
    "rename of a directory around": lambda: os.rename("held", "moved"), "and deeper": lambda: os.rename("held/deep", "w/deep"),
    "rename of the innermost": lambda: os.rename("held/deep/keep", "w/keep"),
    "from within": lambda: (os.chdir("held"), os.rename("deep", "moved")),
}.items():
    refused(what, errno.EBUSY, attempt)
os.chdir("..")
refused("write deep", ENOTCAPABLE, lambda: open("held/deep/keep/file", "w"))
with open("held/deep/free", "w") as f:
    f.write("may be written\n")
os.rename("held/deep/free", "held/free"); os.unlink("w/abs"); os.unlink("w/lf"); os.unlink("lk"); os.rmdir("w"); os.unlink(mine)
print("done")
sys.exit(wrong > 0)
