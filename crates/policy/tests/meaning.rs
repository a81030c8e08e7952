//! What the tables mean, line by line of the semantics.

use policy::Resolved::{self, *};
use policy::{by_name, open_needs, resolve};
use rights::{ECAPMODE, Right, Rights};

fn mode(name: &str, args: [u64; 6]) -> Resolved {
    resolve(by_name(name).unwrap(), false, &args)
}
fn hosted(name: &str, args: [u64; 6]) -> Resolved {
    resolve(by_name(name).unwrap(), true, &args)
}
fn needs(name: &str, arg: usize, args: [u64; 6]) -> Rights {
    by_name(name).unwrap().needs(arg, &args)
}
fn set(rights: &[Right]) -> Rights {
    Rights::of(rights)
}

const REFUSED: Resolved = Deny(ECAPMODE);
/// -1 and AT_FDCWD as a C int leaves them in a register.
const MINUS_ONE: u64 = u32::MAX as u64;
const AT_FDCWD: u64 = 0xffff_ff9c;

/// Flags of open(2), as x86_64 has them.
mod o {
    pub const RDONLY: u64 = 0;
    pub const WRONLY: u64 = 1;
    pub const RDWR: u64 = 2;
    pub const CREAT: u64 = 0x40;
    pub const TRUNC: u64 = 0x200;
    pub const APPEND: u64 = 0x400;
    pub const DSYNC: u64 = 0x1000;
    pub const SYNC: u64 = 0x10_1000;
    pub const PATH: u64 = 0x20_0000;
    pub const TMPFILE: u64 = 0x41_0000;
    pub const CLOEXEC: u64 = 0x8_0000;
}
use o::*;

#[test]
fn opening_asks_the_directory_for_what_the_flags_say() {
    let lookup = Right::LOOKUP;
    for (flags, rights) in [
        (RDONLY, set(&[lookup, Right::READ])),
        (RDONLY | CLOEXEC, set(&[lookup, Right::READ])),
        (WRONLY, set(&[lookup, Right::WRITE, Right::SEEK])),
        (WRONLY | APPEND, set(&[lookup, Right::WRITE])),
        (WRONLY | TRUNC, set(&[lookup, Right::WRITE, Right::FTRUNCATE])),
        (WRONLY | APPEND | CREAT, set(&[lookup, Right::WRITE, Right::CREATE])),
        (RDWR, set(&[lookup, Right::READ, Right::WRITE, Right::SEEK])),
        (3, set(&[lookup, Right::READ, Right::WRITE, Right::SEEK])),
        (RDONLY | TRUNC, set(&[lookup, Right::READ, Right::FTRUNCATE])),
        (RDONLY | SYNC, set(&[lookup, Right::READ, Right::FSYNC])),
        (RDONLY | DSYNC, set(&[lookup, Right::READ, Right::FSYNC])),
        (TMPFILE | RDWR, set(&[lookup, Right::READ, Right::WRITE, Right::SEEK, Right::CREATE])),
        (PATH, set(&[lookup])),
        (PATH | RDWR | CREAT | TRUNC | SYNC, set(&[lookup])),
    ] {
        assert_eq!(open_needs(flags), rights, "{flags:#x}");
        assert_eq!(needs("openat", 1, [3, 0, flags, 0, 0, 0]), rights, "openat {flags:#x}");
        assert_eq!(needs("open", 0, [0, flags, 0, 0, 0, 0]), rights, "open {flags:#x}");
    }
    assert_eq!(needs("creat", 0, [0; 6]), open_needs(CREAT | WRONLY | TRUNC));
}

#[test]
fn paths_need_a_directory_unless_hosted() {
    for name in
        ["open", "stat", "unlink", "execve", "chdir", "getcwd", "statfs", "rename", "inotify_add_watch"]
    {
        assert_eq!(mode(name, [0; 6]), REFUSED, "{name}");
        assert_eq!(hosted(name, [0; 6]), Ask, "{name}");
    }
    for name in ["openat", "openat2", "newfstatat", "statx", "unlinkat", "execveat", "utimensat"] {
        assert_eq!(mode(name, [AT_FDCWD, 0, 0, 0, 0, 0]), REFUSED, "{name}");
        assert_eq!(mode(name, [3, 0, 0, 0, 0, 0]), Ask, "{name}");
        assert_eq!(hosted(name, [AT_FDCWD, 0, 0, 0, 0, 0]), Ask, "{name}");
    }
    assert_eq!(mode("renameat", [3, 0, AT_FDCWD, 0, 0, 0]), REFUSED);
    assert_eq!(mode("renameat", [3, 0, 3, 0, 0, 0]), Ask);
    assert_eq!(mode("symlinkat", [0, AT_FDCWD, 0, 0, 0, 0]), REFUSED);
    assert_eq!(mode("fchdir", [3, 0, 0, 0, 0, 0]), REFUSED);
    assert_eq!(hosted("fchdir", [3, 0, 0, 0, 0, 0]), Ask);
}

#[test]
fn a_node_needs_the_right_of_its_type() {
    for (kind, right) in [
        (0o020000, Right::MKNODAT),
        (0o060000, Right::MKNODAT),
        (0o010000, Right::MKFIFOAT),
        (0o100000, Right::CREATE),
        (0, Right::CREATE),
        (0o140000, Right::BIND),
    ] {
        let rights = set(&[Right::LOOKUP, right]);
        assert_eq!(needs("mknodat", 1, [3, 1, kind | 0o644, 0, 0, 0]), rights, "{kind:o}");
        assert_eq!(needs("mknod", 0, [1, kind | 0o644, 0, 0, 0, 0]), rights, "{kind:o}");
    }
}

#[test]
fn two_directories_are_asked_for_a_right_each() {
    let args = [3, 1, 4, 1, 0, 0];
    assert_eq!(needs("renameat2", 1, args), set(&[Right::RENAMEAT_SOURCE]));
    assert_eq!(needs("renameat2", 3, args), set(&[Right::RENAMEAT_TARGET]));
    assert_eq!(needs("linkat", 1, args), set(&[Right::LINKAT_SOURCE]));
    assert_eq!(needs("linkat", 3, args), set(&[Right::LINKAT_TARGET]));
    let both = set(&[Right::RENAMEAT_SOURCE, Right::RENAMEAT_TARGET]);
    let exchange = [3, 1, 4, 1, 2, 0];
    assert_eq!((needs("renameat2", 1, exchange), needs("renameat2", 3, exchange)), (both, both));
}

#[test]
fn futimens_looks_nothing_up() {
    assert_eq!(needs("utimensat", 1, [3, 0, 0, 0, 0, 0]), set(&[Right::FUTIMES]));
    assert_eq!(needs("utimensat", 1, [3, 1, 0, 0, 0, 0]), set(&[Right::FUTIMESAT]));
}

#[test]
fn an_offset_is_a_seek() {
    assert_eq!(needs("read", 0, [0; 6]), set(&[Right::READ]));
    assert_eq!(needs("pread64", 0, [0; 6]), set(&[Right::PREAD]));
    assert_eq!(needs("preadv2", 0, [3, 1, 1, u64::MAX, 0, 0]), set(&[Right::READ]));
    assert_eq!(needs("preadv2", 0, [3, 1, 1, 0, 0, 0]), set(&[Right::PREAD]));
    assert_eq!(needs("pwritev2", 0, [3, 1, 1, u64::MAX, 0, 0]), set(&[Right::WRITE]));
    let noappend = [3, 1, 1, u64::MAX, 0, 0x20];
    assert_eq!(needs("pwritev2", 0, noappend), set(&[Right::PWRITE]), "CAP_WRITE alone may be to append");
    assert_eq!(needs("sendfile", 0, [1, 0, 0, 9, 0, 0]), set(&[Right::WRITE]));
    assert_eq!(needs("sendfile", 1, [1, 0, 0, 9, 0, 0]), set(&[Right::READ]));
    assert_eq!(needs("sendfile", 1, [1, 0, 0x1000, 9, 0, 0]), set(&[Right::PREAD]));
    assert_eq!(needs("splice", 2, [1, 0, 2, 0x1000, 9, 0]), set(&[Right::PWRITE]));
    // lseek(fd, 0, SEEK_CUR) tells; any other offset or whence moves.
    assert_eq!(needs("lseek", 0, [0, 0, 1, 0, 0, 0]), set(&[Right::SEEK_TELL]));
    assert_eq!(needs("lseek", 0, [0, 1 << 40, 1, 0, 0, 0]), set(&[Right::SEEK]));
    assert_eq!(needs("lseek", 0, [0, 0, 0, 0, 0, 0]), set(&[Right::SEEK]));
    assert_eq!(needs("lseek", 0, [0, 0, 2, 0, 0, 0]), set(&[Right::SEEK]));
}

#[test]
fn mmap_needs_what_its_protection_asks_for() {
    let of = |prot, flags| needs("mmap", 4, [0, 4096, prot, flags, 3, 0]);
    let (shared, private, anonymous) = (1, 2, 0x20);
    assert_eq!(of(0, shared), set(&[Right::MMAP]));
    assert_eq!(of(1, shared), set(&[Right::MMAP_R]));
    assert_eq!(of(3, shared), set(&[Right::MMAP_RW]));
    assert_eq!(of(3, 3), set(&[Right::MMAP_RW]), "MAP_SHARED_VALIDATE");
    assert_eq!(of(3, private), set(&[Right::MMAP_R]), "a private page is written to nobody");
    assert_eq!(of(2, private), set(&[Right::MMAP_R]), "a private page that can be written can be read");
    assert_eq!(of(5, private), set(&[Right::MMAP_RX]));
    assert!(of(7, private | anonymous).is_empty());
    assert_eq!(mode("mmap", [0, 4096, 3, private | anonymous, MINUS_ONE, 0]), Descriptors);
    assert_eq!(mode("mmap", [0, 4096, 3, shared | anonymous, MINUS_ONE, 0]), Descriptors);
}

#[test]
fn sockets_of_the_three_families_that_are_not_raw() {
    let cloexec = 0x8_0000;
    for name in ["socket", "socketpair"] {
        for family in [1, 2, 10] {
            for (kind, protocol) in [(1, 0), (2, 0), (1, 6), (2, 17)] {
                if family == 1 || protocol == 0 || (kind == 1) == (protocol == 6) {
                    let socket = [family, kind | cloexec, protocol, 0, 0, 0];
                    assert_eq!(mode(name, socket), Allow, "{family} {kind} {protocol}");
                }
            }
            // SEQPACKET is a kind of Unix socket; of the internet's it is SCTP's, whose options connect.
            let seqpacket = mode(name, [family, 5, 0, 0, 0, 0]);
            assert_eq!(seqpacket, if family == 1 { Allow } else { REFUSED }, "{family}");
            if family != 1 {
                assert_eq!(mode(name, [family, 1, 132, 0, 0, 0]), REFUSED, "SCTP over {family}");
            }
            assert_eq!(mode(name, [family, 3, 0, 0, 0, 0]), REFUSED, "raw {family}");
        }
        for family in [15, 16, 17, 38, 40, 44] {
            assert_eq!(mode(name, [family, 2, 0, 0, 0, 0]), REFUSED, "{family}");
        }
    }
}

#[test]
fn an_address_is_a_global_name() {
    for name in ["bind", "connect"] {
        assert_eq!((mode(name, [3, 1, 1, 0, 0, 0]), hosted(name, [3, 1, 1, 0, 0, 0])), (REFUSED, REFUSED));
    }
    assert_eq!(mode("sendto", [3, 1, 1, 0, 0, 0]), Descriptors);
    assert_eq!(mode("sendto", [3, 1, 1, 0, 1 << 40, 16]), REFUSED);
    assert_eq!(mode("sendmsg", [3, 1, 0, 0, 0, 0]), Ask);
    // SO_PEERPIDFD is a stranger's process descriptor; SO_ERROR is not.
    assert_eq!(mode("getsockopt", [3, 1, 77, 1, 1, 0]), REFUSED);
    assert_eq!(mode("getsockopt", [3, 1, 4, 1, 1, 0]), Descriptors);
    // TCP_ZEROCOPY_RECEIVE receives, though it is got.
    assert_eq!(needs("getsockopt", 0, [3, 6, 35, 1, 1, 0]), set(&[Right::GETSOCKOPT, Right::READ]));
    assert_eq!(needs("getsockopt", 0, [3, 6, 1, 1, 1, 0]), set(&[Right::GETSOCKOPT]));
    // SCTP_SOCKOPT_CONNECTX3 connects, though it is got.
    assert_eq!(mode("getsockopt", [3, 132, 111, 1, 1, 0]), REFUSED);
    // Hosted, the monitor looks whether the socket has an address; FreeBSD's kernel would give it one.
    assert_eq!(
        (mode("listen", [3, 1, 0, 0, 0, 0]), hosted("listen", [3, 1, 0, 0, 0, 0])),
        (Descriptors, Ask)
    );
}

#[test]
fn aimed_at_itself_or_the_monitor_is_asked() {
    for name in ["sched_getaffinity", "prlimit64", "getsid", "getpgid", "setpgid", "get_robust_list"] {
        assert_eq!(mode(name, [0; 6]), Allow, "{name}");
        assert_eq!(mode(name, [1; 6]), Ask, "{name}");
    }
    // PRIO_PROCESS is 0 and IOPRIO_WHO_PROCESS is 1; groups and users are others.
    assert_eq!(mode("setpriority", [0, 0, 5, 0, 0, 0]), Allow);
    assert_eq!(mode("setpriority", [0, 7, 5, 0, 0, 0]), Ask);
    assert_eq!(mode("setpriority", [1, 0, 5, 0, 0, 0]), REFUSED);
    assert_eq!(mode("ioprio_set", [1, 0, 5, 0, 0, 0]), Allow);
    assert_eq!(mode("ioprio_set", [1, 7, 5, 0, 0, 0]), Ask);
    assert_eq!(mode("ioprio_set", [2, 0, 5, 0, 0, 0]), REFUSED);
    assert_eq!(mode("kill", [1, 9, 0, 0, 0, 0]), Ask);
    assert_eq!(hosted("setpgid", [1; 6]), Allow);
    assert_eq!((mode("setpgid", [0; 6]), mode("setpgid", [0, 7, 0, 0, 0, 0])), (Allow, Ask));
}

#[test]
fn waiting_is_by_process_descriptor_or_hosted() {
    assert_eq!((mode("wait4", [MINUS_ONE, 0, 0, 0, 0, 0]), hosted("wait4", [0; 6])), (REFUSED, Allow));
    let p_pidfd = [3, 5, 0, 4, 0, 0];
    assert_eq!((mode("waitid", p_pidfd), hosted("waitid", p_pidfd)), (Descriptors, Descriptors));
    assert_eq!(needs("waitid", 1, p_pidfd), set(&[Right::PDWAIT]));
    assert_eq!((mode("waitid", [0; 6]), hosted("waitid", [0; 6])), (REFUSED, Allow));
    assert!(needs("waitid", 1, [1, 5, 0, 4, 0, 0]).is_empty(), "a pid is no descriptor");
    assert_eq!(mode("pidfd_send_signal", [5, 9, 0, 0, 0, 0]), Ask, "it might be the monitor's");
    assert_eq!(mode("pidfd_send_signal", [5, 9, 0, 4, 0, 0]), REFUSED, "a whole group");
}

#[test]
fn children_but_no_namespaces() {
    let (sigchld, thread) = (17, 0x3d_0f00);
    assert_eq!(mode("clone", [thread, 0, 0, 0, 0, 0]), Allow);
    // Another process, or a thread with descriptors of its own: the monitor must know.
    let (files, a_thread, vm) = (0x400, 0x1_0000, 0x100);
    for flags in [sigchld, sigchld | files, sigchld | vm | files, thread & !files, thread & !a_thread] {
        let clone = [flags, 0, 0, 0, 0, 0];
        assert_eq!((mode("clone", clone), hosted("clone", clone)), (Ask, hosted_clone(flags)), "{flags:#x}");
    }
    for name in ["fork", "vfork"] {
        assert_eq!((mode(name, [0; 6]), hosted(name, [0; 6])), (Ask, Allow), "{name}");
    }
    for new in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x8000] {
        assert_eq!(mode("clone", [sigchld | new, 0, 0, 0, 0, 0]), REFUSED, "{new:#x}");
        assert_eq!(hosted("clone", [sigchld | new, 0, 0, 0, 0, 0]), REFUSED, "{new:#x}");
    }
    assert_eq!(mode("clone3", [0; 6]), Deny(policy::ENOSYS));
    assert_eq!(mode("unshare", [0x200, 0, 0, 0, 0, 0]), Allow);
    assert_eq!(
        (mode("unshare", [0x400, 0, 0, 0, 0, 0]), hosted("unshare", [0x400, 0, 0, 0, 0, 0])),
        (Ask, Allow)
    );
    assert_eq!(mode("unshare", [0x600, 0, 0, 0, 0, 0]), Ask);
    for new in [0x80, 0x2_0000, 0x200_0000, 0x1000_0000, 1 << 40] {
        assert_eq!(mode("unshare", [0x600 | new, 0, 0, 0, 0, 0]), REFUSED, "{new:#x}");
    }
}

#[test]
fn clocks_are_everybodys_or_its_own() {
    for clock in [0, 1, 7, 11, -6i32, -2, !1234 << 3 | 6] {
        assert_eq!(mode("clock_gettime", [clock as u32 as u64, 1, 0, 0, 0, 0]), Allow, "{clock}");
    }
    // Another process's CPU time, and a clock behind a descriptor.
    for clock in [!1i32 << 3 | 2, !1234 << 3 | 2, !0 << 3 | 3, !5 << 3 | 3] {
        assert_eq!(mode("clock_gettime", [clock as u32 as u64, 1, 0, 0, 0, 0]), REFUSED, "{clock}");
    }
    assert_eq!(mode("clock_settime", [0; 6]), REFUSED);
}

#[test]
fn ioctls_are_classified() {
    let (tcgets, tiocsti, tiocsctty, setflags) = (0x5401, 0x5412, 0x540e, 0x4008_6602);
    assert_eq!(mode("ioctl", [0, tcgets, 0, 0, 0, 0]), Descriptors);
    assert_eq!(
        mode("ioctl", [0, 0xffff_ffff_0000_0000 | tcgets, 0, 0, 0, 0]),
        Descriptors,
        "the low half counts"
    );
    assert_eq!(needs("ioctl", 0, [0, tcgets, 0, 0, 0, 0]), set(&[Right::IOCTL]));
    assert_eq!(mode("ioctl", [0, tiocsti, 0, 0, 0, 0]), REFUSED);
    assert_eq!(mode("ioctl", [0, 0xffff_ffff_0000_0000 | tiocsti, 0, 0, 0, 0]), REFUSED);
    assert_eq!(hosted("ioctl", [0, tiocsctty, 0, 0, 0, 0]), Descriptors);
    assert_eq!(hosted("ioctl", [0, tiocsctty, 1, 0, 0, 0]), REFUSED, "another session's terminal");
    assert_eq!(mode("ioctl", [0, setflags, 0, 0, 0, 0]), Ask);
    assert_eq!(needs("ioctl", 0, [0, setflags, 0, 0, 0, 0]), set(&[Right::IOCTL, Right::FCHFLAGS]));
    assert_eq!(mode("ioctl", [0, 0x1234_5678, 0, 0, 0, 0]), REFUSED, "unknown");
    // FICLONE, FICLONERANGE, FIDEDUPERANGE: a second descriptor.
    for (command, right) in
        [(0x4004_9409, Right::PWRITE), (0x4020_940d, Right::PWRITE), (0xc018_9436, Right::PREAD)]
    {
        let args = [0, command, 0, 0, 0, 0];
        assert_eq!((mode("ioctl", args), hosted("ioctl", args)), (Ask, REFUSED), "{command:#x}");
        assert_eq!(needs("ioctl", 0, args), set(&[Right::IOCTL, right]), "{command:#x}");
    }
}

#[test]
fn fcntls_are_classified() {
    for dupfd in [0, 1030] {
        let args = [0, dupfd, 0, 0, 0, 0];
        assert_eq!((mode("fcntl", args), hosted("fcntl", args)), (Ask, Allow), "F_DUPFD");
    }
    assert_eq!(mode("fcntl", [0, 2, 1, 0, 0, 0]), Allow, "F_SETFD");
    assert_eq!(needs("fcntl", 0, [0, 3, 0, 0, 0, 0]), set(&[Right::FCNTL]), "F_GETFL");
    assert_eq!(needs("fcntl", 0, [0, 6, 0, 0, 0, 0]), set(&[Right::FLOCK]), "F_SETLK");
    assert_eq!(needs("fcntl", 0, [0, 1024, 0, 0, 0, 0]), set(&[Right::FLOCK, Right::FSIGNAL]), "F_SETLEASE");
    assert_eq!(mode("fcntl", [0, 8, 0, 0, 0, 0]), Descriptors, "F_SETOWN nobody");
    assert_eq!(mode("fcntl", [0, 8, 1, 0, 0, 0]), Ask, "F_SETOWN somebody");
    assert_eq!(mode("fcntl", [0, 15, 0, 0, 0, 0]), Ask, "F_SETOWN_EX");
    assert_eq!(mode("fcntl", [0, 999, 0, 0, 0, 0]), REFUSED, "unknown");
}

#[test]
fn fcntls_have_rights_of_their_own() {
    use rights::FcntlRights as Fcntls;
    for (command, right) in [
        (3, Some(Fcntls::GETFL)),
        (4, Some(Fcntls::SETFL)),
        (9, Some(Fcntls::GETOWN)),
        (16, Some(Fcntls::GETOWN)),
        (17, Some(Fcntls::GETOWN)),
        (8, Some(Fcntls::SETOWN)),
        (15, Some(Fcntls::SETOWN)),
        (1035, None), // F_GET_RW_HINT: CAP_FCNTL only
        (6, None),    // F_SETLK
        (0, None),
        (999, None),
    ] {
        assert_eq!(policy::fcntl_right(command), right, "{command}");
    }
}

#[test]
fn settings_and_options_are_classified() {
    assert_eq!(mode("prctl", [4, 0, 0, 0, 0, 0]), Ask, "PR_SET_DUMPABLE 0");
    assert_eq!(mode("prctl", [4, 1, 0, 0, 0, 0]), Allow, "PR_SET_DUMPABLE 1");
    assert_eq!(mode("prctl", [0x5961_6d61, 1, 0, 0, 0, 0]), REFUSED, "PR_SET_PTRACER");
    assert_eq!(mode("prctl", [9999, 0, 0, 0, 0, 0]), REFUSED, "unknown");
    assert_eq!(mode("setsockopt", [3, 1, 2, 0, 0, 0]), Descriptors, "SO_REUSEADDR");
    assert_eq!(mode("setsockopt", [3, 1, 25, 0, 0, 0]), REFUSED, "SO_BINDTODEVICE");
    assert_eq!(mode("setsockopt", [3, 0, 64, 0, 0, 0]), REFUSED, "iptables");
    assert_eq!(mode("setsockopt", [3, 6, 1, 0, 0, 0]), Descriptors, "TCP_NODELAY");
    assert_eq!(mode("setsockopt", [3, 6, 31, 0, 0, 0]), REFUSED, "TCP_ULP");
}

#[test]
fn a_descriptor_that_is_not_there_needs_nothing() {
    assert!(needs("signalfd4", 0, [MINUS_ONE, 0, 0, 0, 0, 0]).is_empty());
    assert!(needs("signalfd4", 0, [u64::MAX, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(needs("signalfd4", 0, [3, 0, 0, 0, 0, 0]), set(&[Right::FSIGNAL]));
    assert_eq!(needs("timerfd_settime", 0, [3, 0, 1, 0, 0, 0]), set(&[Right::WRITE]));
    assert_eq!(needs("timerfd_settime", 0, [3, 0, 1, 1, 0, 0]), set(&[Right::WRITE, Right::READ]));
}

#[test]
fn the_machine_is_out_of_reach() {
    for name in [
        "reboot",
        "mount",
        "umount2",
        "setns",
        "bpf",
        "perf_event_open",
        "keyctl",
        "io_uring_setup",
        "userfaultfd",
        "ptrace",
        "process_vm_readv",
        "chroot",
        "pivot_root",
        "swapon",
        "syslog",
        "shmget",
        "mq_open",
        "acct",
        "open_by_handle_at",
        "fanotify_init",
        "settimeofday",
        "init_module",
        "kexec_load",
        "pidfd_getfd",
        "iopl",
    ] {
        assert_eq!((mode(name, [1; 6]), hosted(name, [1; 6])), (REFUSED, REFUSED), "{name}");
    }
    assert_eq!(mode("personality", [MINUS_ONE, 0, 0, 0, 0, 0]), Allow);
    assert_eq!(mode("personality", [0x4_0000, 0, 0, 0, 0, 0]), REFUSED);
}

/// What clone was before, and is when hosted: asked only for who shares the working directory.
fn hosted_clone(flags: u64) -> Resolved {
    let (fs, thread) = (flags & 0x200 != 0, flags & 0x1_0000 != 0);
    if fs == thread { Allow } else { Ask }
}

#[test]
fn the_monitor_knows_which_limits_are_at_which_number() {
    for (name, before) in [
        ("close", Allow),
        ("close_range", Allow),
        ("dup", Allow),
        ("dup2", Allow),
        ("dup3", Allow),
        ("accept", Descriptors),
        ("accept4", Descriptors),
        ("recvmsg", Descriptors),
        ("recvmmsg", Descriptors),
        ("poll", Allow),
        ("ppoll", Allow),
        ("select", Allow),
        ("pselect6", Allow),
        ("io_submit", Allow),
        ("mremap", Allow),
    ] {
        assert_eq!((mode(name, [3; 6]), hosted(name, [3; 6])), (Ask, before), "{name}");
    }
    // What makes an object that nobody has limited: natively.
    for name in
        ["pipe", "pipe2", "eventfd2", "timerfd_create", "epoll_create1", "memfd_create", "inotify_init1"]
    {
        assert_eq!((mode(name, [0; 6]), hosted(name, [0; 6])), (Allow, Allow), "{name}");
    }
    for name in ["io_setup", "io_destroy", "io_cancel", "io_getevents", "io_pgetevents", "munmap", "brk"] {
        assert_eq!((mode(name, [0; 6]), hosted(name, [0; 6])), (Allow, Allow), "{name}");
    }
}

#[test]
fn limits_are_there_in_capability_mode_alone() {
    let (absent, limited) = (Deny(policy::ENOSYS), Ask);
    for name in [
        "cap_rights_limit",
        "__cap_rights_get",
        "cap_ioctls_limit",
        "cap_ioctls_get",
        "cap_fcntls_limit",
        "cap_fcntls_get",
    ] {
        assert_eq!((mode(name, [0; 6]), hosted(name, [0; 6])), (limited, absent), "{name}");
    }
    for name in ["pdfork", "pdrfork", "pdkill", "pdgetpid", "pdwait4", "pdwait"] {
        assert_eq!((mode(name, [0; 6]), hosted(name, [0; 6])), (absent, absent), "{name}");
    }
    let working = [-100i64 as u64, 3, 4096, 110, 0, 0];
    for name in ["bindat", "connectat"] {
        assert_eq!((mode(name, [3; 6]), hosted(name, [3; 6])), (Ask, Ask), "{name}");
        assert_eq!((mode(name, working), hosted(name, working)), (REFUSED, Ask), "{name}");
    }
}

#[test]
fn a_mapping_is_not_raised_behind_the_monitors_back() {
    let (shared, validate, private, anonymous) = (1, 3, 2, 0x20);
    let map = |prot, flags| {
        let args = [0, 4096, prot, flags, 3, 0];
        assert_eq!(hosted("mmap", args), Descriptors);
        mode("mmap", args)
    };
    for prot in 0..8 {
        assert_eq!(map(prot, shared), Ask);
        assert_eq!(map(prot, validate), Ask);
        // What a private mapping shows of the file, mprotect shows too: a mapping that shows nothing yet is noted.
        assert_eq!(map(prot, private), if prot & 1 == 0 { Ask } else { Descriptors });
        assert_eq!(map(prot, private | anonymous), Descriptors);
        assert_eq!(map(prot, shared | anonymous), Descriptors);
        for name in ["mprotect", "pkey_mprotect"] {
            let args = [0x1000, 4096, prot, 0, 0, 0];
            assert_eq!((mode(name, args), hosted(name, args)), (if prot == 0 { Allow } else { Ask }, Allow));
        }
    }
    // MADV_REMOVE punches a hole into the file behind; MADV_DONTNEED does not.
    let advise =
        |advice| (mode("madvise", [0, 0, advice, 0, 0, 0]), hosted("madvise", [0, 0, advice, 0, 0, 0]));
    assert_eq!((advise(9), advise(4), advise(100)), ((Ask, Allow), (Allow, Allow), (REFUSED, REFUSED)));
}
