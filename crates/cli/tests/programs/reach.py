# Reaches for everything that it was not given: argv names a directory outside, a process outside and its group, ports
# and sockets that somebody listens on. Every attempt has to fail, with exactly the errno that stands with it.
import ctypes, errno, fcntl, os, resource, signal, socket, struct, sys

ECAPMODE, ENOTCAPABLE = 1094, 1093
out, victim, tcp, udp, unix, abstract = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6]
libc = ctypes.CDLL(None, use_errno=True)
tries = wrong = 0

def refused(what, expected, attempt):
    global tries, wrong
    tries += 1
    try:
        result = attempt()
    except OSError as e:
        if e.errno == expected:
            return
        result = errno.errorcode.get(e.errno, e.errno)
    wrong += 1
    print(f"{what}: {result!r}, not {expected}")

def call(name, *args):
    result = getattr(libc, name)(*args)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result

def syscall(number, *args):
    return call("syscall", ctypes.c_long(number), *map(ctypes.c_long, args))

cwd = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
os.mkdir("sub")
sub = os.open("sub", os.O_RDONLY | os.O_DIRECTORY)
mine = "mine"
with open(mine, "w") as f:
    f.write("mine\n")
os.symlink("../out/secret", "link"); os.symlink(out + "/secret", "abslink"); os.symlink("../out", "dirlink")
os.symlink("../../out", "sub/up"); os.symlink("/proc/self/root" + out, "rootlink"); os.symlink("/", "slash")
path, missing = out + "/secret", out + "/new"

# Outside: by its absolute name it is no name at all, by a way that leaves what is held it is not permitted.
for name, expected in [
    (path, ECAPMODE), ("../out/secret", ENOTCAPABLE), ("sub/../../out/secret", ENOTCAPABLE),
    ("link", ENOTCAPABLE), ("abslink", ENOTCAPABLE), ("dirlink/secret", ENOTCAPABLE), ("sub/up/secret", ENOTCAPABLE),
    ("slash" + path, ENOTCAPABLE), ("rootlink/secret", ENOTCAPABLE), ("/proc/self/root" + path, ENOTCAPABLE),
    ("/proc/self/cwd/../out/secret", ENOTCAPABLE), (f"/proc/self/fd/{cwd}/../out/secret", ENOTCAPABLE),
    (f"/dev/fd/{cwd}/link", ENOTCAPABLE), (f"/proc/self/task/{os.getpid()}/cwd/link", ENOTCAPABLE),
    ("/usr/.." + path, ENOTCAPABLE), ("/../../.." + path, ENOTCAPABLE), ("//" + path, ECAPMODE),
]:
    def each(what, attempt, name=name, expected=expected):
        refused(f"{what} {name}", expected, attempt)
    each("open", lambda: os.open(name, os.O_RDONLY))
    each("open for writing", lambda: os.open(name, os.O_WRONLY))
    each("open to truncate", lambda: os.open(name, os.O_RDWR | os.O_TRUNC))
    each("open or create", lambda: os.open(name, os.O_WRONLY | os.O_CREAT, 0o600))
    each("open a handle", lambda: os.open(name, os.O_PATH))
    each("openat", lambda: os.open(name, os.O_RDONLY, dir_fd=cwd))
    each("stat", lambda: os.stat(name))
    each("access", lambda: call("access", name.encode(), 0))
    each("chmod", lambda: os.chmod(name, 0o777))
    each("chown", lambda: os.chown(name, os.getuid(), os.getgid()))
    each("utime", lambda: os.utime(name, (1, 1)))
    each("truncate", lambda: os.truncate(name, 0))
    each("getxattr", lambda: os.getxattr(name, "user.x"))
    each("setxattr", lambda: os.setxattr(name, "user.x", b"x"))
    each("listxattr", lambda: os.listxattr(name))
    each("removexattr", lambda: os.removexattr(name, "user.x"))
    each("statvfs", lambda: os.statvfs(name))
    each("chdir", lambda: os.chdir(name + "/.."))
    each("listdir", lambda: os.listdir(name + "/.."))
    each("execve", lambda: os.execv(name, ["x"]))
    each("link what it leads to", lambda: call("linkat", -100, name.encode(), -100, b"stolen", 0x400))
    if name.endswith("/secret"):
        # Where the name itself lies outside, and not only what it leads to.
        new = name[:-len("secret")] + "new"
        each("unlink", lambda: os.unlink(name))
        each("lstat", lambda: os.lstat(name))
        each("readlink", lambda: os.readlink(name))
        each("create", lambda: os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        each("mkdir", lambda: os.mkdir(new))
        each("mkfifo", lambda: os.mkfifo(new))
        each("symlink", lambda: os.symlink("x", new))
        each("rename to", lambda: os.rename(mine, new))
        each("rename from", lambda: os.rename(name, "stolen"))
        each("rename over", lambda: os.rename(mine, name))
        each("link to", lambda: os.link(mine, new))
        each("link from itself", lambda: os.link(name, "stolen", follow_symlinks=False))
        each("rmdir", lambda: os.rmdir(name[:-len("secret")] + "dir"))

# By a descriptor: not even of `..`, which can be looked at.
for name in ["../../out/secret", "up/secret", "../../../.." + path, "../link"]:
    refused("openat sub " + name, ENOTCAPABLE, lambda: os.open(name, os.O_RDONLY, dir_fd=sub))
refused("inotify", ECAPMODE, lambda: call("inotify_add_watch", call("inotify_init1", 0), path.encode(), 2))
refused("list ..", ENOTCAPABLE, lambda: os.listdir(".."))
refused("create in ..", ENOTCAPABLE, lambda: os.mkdir("../new"))
refused("list /", ENOTCAPABLE, lambda: os.listdir("/"))
os.chdir("..")
refused("open from ..", ECAPMODE, lambda: open("out/secret"))
refused("list from ..", ENOTCAPABLE, lambda: os.listdir("."))
os.fchdir(cwd)
# A directory moved away from under a descriptor or the working directory leads nowhere new.
os.mkdir("a"); os.mkdir("a/b"); os.chdir("a/b"); inner = os.open(".", os.O_RDONLY); os.rename("../../a/b", "../../b")
refused("up after a rename", ENOTCAPABLE, lambda: open("../../out/secret"))
refused("up by descriptor after a rename", ENOTCAPABLE, lambda: os.open("../../out/secret", os.O_RDONLY, dir_fd=inner))
os.fchdir(cwd)
# openat2, as it would be used to leave.
how, name = ctypes.create_string_buffer(struct.pack("QQQ", os.O_RDONLY, 0, 0)), ctypes.create_string_buffer(path.encode())
refused("openat2", ECAPMODE, lambda: syscall(437, cwd, ctypes.addressof(name), ctypes.addressof(how), 24))
refused("open_by_handle_at", ECAPMODE, lambda: syscall(304, cwd, 0, 0))
refused("name_to_handle_at", ECAPMODE, lambda: syscall(303, cwd, 0, 0, 0, 0))

# Other processes' entries in /proc, the monitor's among them.
monitor = os.getppid()
for pid in [1, victim, monitor]:
    for entry in ["environ", "mem", "maps", "status", "cmdline", "fd", "fd/0", "cwd/secret", "root/etc/passwd", "exe", "stat", "ns/mnt", "task", "comm", ""]:
        refused(f"/proc/{pid}/{entry}", ECAPMODE, lambda: os.open(f"/proc/{pid}/{entry}", os.O_RDONLY))
        refused(f"/proc/self/../{pid}/{entry}", ECAPMODE, lambda: os.open(f"/proc/self/../{pid}/{entry}", os.O_RDONLY))
    refused(f"write to /proc/{pid}/mem", ECAPMODE, lambda: os.open(f"/proc/{pid}/mem", os.O_RDWR))
for entry in ["mem", "ns/user", "attr/current", "pagemap", "clear_refs", "map_files"]:
    refused(f"/proc/self/{entry}", ECAPMODE, lambda: os.open(f"/proc/self/{entry}", os.O_RDONLY))
for entry in ["/proc/kcore", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/net/tcp", "/proc/keys", "/proc/1/../2/stat", "/sys/kernel", "/dev/mem", "/dev/kmsg", "/dev/shm", "/dev/ptmx"]:
    refused(entry, ECAPMODE, lambda: os.open(entry, os.O_RDONLY))
refused("/proc/self/oom_score_adj", ENOTCAPABLE, lambda: os.open("/proc/self/oom_score_adj", os.O_WRONLY))

# Other processes.
for pid in [victim, monitor, 1]:
    refused(f"kill {pid}", ECAPMODE, lambda: os.kill(pid, signal.SIGKILL))
    refused(f"kill 0 {pid}", ECAPMODE, lambda: os.kill(pid, 0))
    refused(f"tgkill {pid}", ECAPMODE, lambda: syscall(234, pid, pid, signal.SIGKILL))
    refused(f"tkill {pid}", ECAPMODE, lambda: syscall(200, pid, signal.SIGKILL))
    refused(f"sigqueue {pid}", ECAPMODE, lambda: call("sigqueue", pid, signal.SIGTERM, None))
    refused(f"pidfd_open {pid}", ECAPMODE, lambda: os.pidfd_open(pid))
    refused(f"ptrace attach {pid}", ECAPMODE, lambda: call("ptrace", 16, pid, None, None))
    refused(f"ptrace seize {pid}", ECAPMODE, lambda: call("ptrace", 0x4206, pid, None, None))
    refused(f"process_vm_readv {pid}", ECAPMODE, lambda: syscall(310, pid, 0, 0, 0, 0, 0))
    refused(f"process_vm_writev {pid}", ECAPMODE, lambda: syscall(311, pid, 0, 0, 0, 0, 0))
    refused(f"kcmp {pid}", ECAPMODE, lambda: syscall(312, pid, os.getpid(), 0, 0, 0))
    refused(f"setpriority {pid}", ECAPMODE, lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
    refused(f"sched_setaffinity {pid}", ECAPMODE, lambda: os.sched_setaffinity(pid, {0}))
    refused(f"sched_setscheduler {pid}", ECAPMODE, lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))
    refused(f"prlimit {pid}", ECAPMODE, lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (10, 10)))
    refused(f"prlimit, asking {pid}", ECAPMODE, lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE))
    refused(f"getsid {pid}", ECAPMODE, lambda: os.getsid(pid))
    refused(f"F_SETOWN {pid}", ECAPMODE, lambda: fcntl.fcntl(cwd, fcntl.F_SETOWN, pid))
refused("kill a group", ECAPMODE, lambda: os.killpg(victim, signal.SIGKILL))
refused("ptrace traceme", ECAPMODE, lambda: call("ptrace", 0, 0, None, None))

# The network, by every way to name an address.
s = socket.socket()
refused("connect", ECAPMODE, lambda: s.connect(("127.0.0.1", tcp)))
refused("connect, not blocking", ECAPMODE, lambda: (s.setblocking(False), s.connect(("127.0.0.1", tcp))))
refused("bind", ECAPMODE, lambda: s.bind(("127.0.0.1", 0)))
refused("fast open", ECAPMODE, lambda: socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", tcp)))
refused("sendmsg, fast open", ECAPMODE, lambda: socket.socket().sendmsg([b"x"], [], 0x20000000, ("127.0.0.1", tcp)))
d = socket.socket(type=socket.SOCK_DGRAM)
refused("sendto", ECAPMODE, lambda: d.sendto(b"x", ("127.0.0.1", udp)))
refused("sendmsg", ECAPMODE, lambda: d.sendmsg([b"x"], [], 0, ("127.0.0.1", udp)))
refused("connect a datagram socket", ECAPMODE, lambda: d.connect(("127.0.0.1", udp)))
for name in [unix, "\0" + abstract]:
    refused(f"connect {name!r}", ECAPMODE, lambda: socket.socket(socket.AF_UNIX).connect(name))
    u = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    refused(f"sendto {name!r}", ECAPMODE, lambda: u.sendto(b"x", name))
    refused(f"sendmsg {name!r}", ECAPMODE, lambda: u.sendmsg([b"x"], [], 0, name))
refused("packet socket", ECAPMODE, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))

# The kernel's other global names.
for name, number, args in [
    ("mount", 165, (0, 0, 0, 0, 0)), ("umount2", 166, (0, 0)), ("pivot_root", 155, (0, 0)), ("chroot", 161, (0,)),
    ("unshare a user namespace", 272, (0x10000000,)), ("setns", 308, (cwd, 0)), ("bpf", 321, (0, 0, 0)),
    ("perf_event_open", 298, (0, 0, -1, -1, 0)), ("init_module", 175, (0, 0, 0)), ("kexec_load", 246, (0, 0, 0, 0)),
    ("reboot", 169, (0, 0, 0, 0)), ("sethostname", 170, (0, 0)), ("settimeofday", 164, (0, 0)), ("swapon", 167, (0, 0)),
    ("add_key", 248, (0, 0, 0, 0, 0)), ("keyctl", 250, (0, 0, 0, 0, 0)), ("shmget", 29, (1, 1, 0)), ("msgget", 68, (1, 0)),
    ("semget", 64, (1, 1, 0)), ("mq_open", 240, (0, 0, 0, 0)), ("acct", 163, (0,)), ("io_uring_setup", 425, (1, 0)),
    ("userfaultfd", 323, (0,)), ("syslog", 103, (3, 0, 0)), ("fanotify_init", 300, (0, 0)), ("pidfd_getfd", 438, (cwd, 0, 0)),
    ("no such call", 9999, ()),
]:
    refused(name, ECAPMODE, lambda: syscall(number, *args))

# Programs that it may read, and may not start.
refused("execve of its own file", ENOTCAPABLE, lambda: os.execv("./tool", ["tool"]))
refused("fexecve", ENOTCAPABLE, lambda: os.execve(os.open("tool", os.O_RDONLY), ["tool"], {}))
refused("execve outside", ECAPMODE, lambda: os.execv(out + "/tool", ["tool"]))
refused("posix_spawn outside", ECAPMODE, lambda: os.posix_spawn(out + "/tool", ["tool"], {}))

print("tried", "all" if tries > 500 else tries)
sys.exit(wrong > 0)
