//! The commands of ioctl(2), fcntl(2), prctl(2) and setsockopt(2), every one of them, on descriptors that fit.
//!
//! What is denied is listed here by name, and not taken from the policy. The denied commands of ioctl are made in capability
//! mode only, and on descriptors of which they would change nothing: outside some would freeze a file system.

use crate::raw::{at, of, word};
use crate::scene::{self, before};
use crate::stage::{Recipe, Stage, Want, alike, denied, is, works};
use policy::Namespace;

pub const RECIPES: &[Recipe] = &[
    ("fcntl: numbers, flags, owners", fcntl_flags),
    ("fcntl: locks", fcntl_locks),
    ("fcntl: leases and watches", fcntl_leases),
    ("fcntl: pipes, memory files, hints", fcntl_pipes),
    ("fcntl that is not known", |t| {
        let file = scene::file();
        t.enter();
        for command in [99, 1041, 2000, -1, 12, 13, 14] {
            denied!(t, fcntl(file, command, 0));
        }
    }),
    ("prctl", prctl),
    ("prctl: reach", prctl_reach),
    ("prctl: dumpable", prctl_dumpable),
    ("prctl: capabilities", prctl_capabilities),
    ("prctl: a filter", prctl_filter),
    ("setsockopt", setsockopt),
    ("ioctl denied", ioctl_denied),
    ("ioctl on files", ioctl_files),
    ("ioctl on sockets and pipes", ioctl_sockets),
    ("ioctl on terminals", ioctl_terminals),
    ("ioctl on devices", ioctl_devices),
    ("a terminal's settings", terminal_settings),
    ("flags of files", file_flags),
    ("ioctl that is not known", |t| {
        let file = scene::file();
        t.enter();
        for command in [0u32, 0x1234_5678, 0xffff_ffff, 0x5413_0000] {
            denied!(t, ioctl(file, command, 0));
        }
        // The command is an int: the upper half of its register does not count.
        denied!(t, ioctl(file, 0x1_0000_0000_u64 | u64::from(TIOCSTI), of(b"x")));
    }),
];

const TIOCSTI: u32 = 0x5412;
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;
const FIDEDUPERANGE: u32 = 0xc018_9436;

fn fcntl_flags(t: &mut Stage) {
    let (file, pair) = (scene::file(), scene::pair(libc::SOCK_STREAM));
    let (me, other) = (std::process::id() as i32, scene::process(t));
    let group = scene::group();
    t.enter();
    works!(t, fcntl(file, libc::F_DUPFD, 50));
    works!(t, fcntl(file, libc::F_DUPFD_CLOEXEC, 50));
    works!(t, fcntl(50, libc::F_GETFD));
    works!(t, fcntl(51, libc::F_GETFD));
    works!(t, fcntl(51, libc::F_SETFD, 0));
    works!(t, fcntl(51, libc::F_GETFD));
    works!(t, fcntl(51, 1027, 50));
    works!(t, fcntl(51, 1027, pair[0]));
    works!(t, fcntl(file, 1028));
    works!(t, fcntl(file, libc::F_GETFL));
    works!(t, fcntl(file, libc::F_SETFL, libc::O_APPEND | libc::O_NONBLOCK));
    works!(t, fcntl(50, libc::F_GETFL));
    works!(t, fcntl(99, libc::F_GETFL));
    let socket = pair[0];
    works!(t, fcntl(socket, libc::F_GETOWN));
    works!(t, fcntl(socket, libc::F_SETOWN, me));
    alike!(t, fcntl(socket, libc::F_GETOWN));
    let mut owner = [9i32; 2];
    works!(t, fcntl(socket, 16, at(&mut owner)));
    t.see("its own", (owner[0], owner[1] == me));
    works!(t, fcntl(socket, libc::F_SETOWN, 0));
    for mine in [[0, me], [1, me], [1, 0]] {
        works!(t, fcntl(socket, 15, of(&mine)));
        works!(t, fcntl(socket, 16, at(&mut owner)));
        t.see("its own", (owner[0], owner[1] == me));
    }
    works!(t, fcntl(socket, libc::F_SETFL, libc::O_ASYNC | libc::O_RDWR));
    works!(t, fcntl(socket, libc::F_GETFL));
    works!(t, fcntl(socket, libc::F_SETFL, libc::O_RDWR));
    let mut users = [9u32; 2];
    works!(t, fcntl(socket, 17, at(&mut users)));
    t.see("users", users);
    works!(t, fcntl(socket, 11));
    works!(t, fcntl(socket, 10, libc::SIGUSR1));
    works!(t, fcntl(socket, 11));
    works!(t, fcntl(socket, 10, 99));
    for pid in [other, i32::MAX, -group] {
        denied!(t, fcntl(socket, libc::F_SETOWN, pid));
        denied!(t, fcntl(socket, 15, of(&[0, pid])));
        denied!(t, fcntl(socket, 15, of(&[1, pid])));
    }
    denied!(t, fcntl(socket, 15, of(&[2, group])));
    works!(t, fcntl(socket, 15, 16));
}

/// `struct flock` of an exclusive lock on some bytes.
fn lock(kind: i32, from: u64, len: u64) -> [u64; 4] {
    [kind as u64, from, len, 0]
}

fn fcntl_locks(t: &mut Stage) {
    let (file, again) = (scene::file(), scene::opened(c"file", libc::O_RDWR));
    t.enter();
    for (get, set, wait) in [(5, 6, 7), (36, 37, 38)] {
        works!(t, fcntl(file, set, of(&lock(libc::F_WRLCK, 0, 4))));
        works!(t, fcntl(file, wait, of(&lock(libc::F_WRLCK, 8, 4))));
        let mut found = lock(libc::F_WRLCK, 0, 1);
        works!(t, fcntl(again, get, at(&mut found)));
        t.see("lock", found);
        works!(t, fcntl(again, set, of(&lock(libc::F_WRLCK, 0, 1))));
        works!(t, fcntl(file, set, of(&lock(libc::F_UNLCK, 0, 0))));
        works!(t, fcntl(again, set, of(&lock(libc::F_UNLCK, 0, 0))));
        works!(t, fcntl(file, set, 16));
    }
    works!(t, fcntl(file, 1029, 0));
}

fn fcntl_leases(t: &mut Stage) {
    let (file, dir) = (scene::opened(c"file", libc::O_RDONLY), scene::dir());
    let me = std::process::id();
    t.enter();
    works!(t, fcntl(file, 1025));
    works!(t, fcntl(file, 1024, i32::from(libc::F_RDLCK as i16)));
    works!(t, fcntl(file, 1025));
    works!(t, fcntl(file, 1024, i32::from(libc::F_UNLCK as i16)));
    // `struct delegation`: flags, kind.
    let mut delegation = [0u64; 2];
    works!(t, fcntl(dir, 1039, at(&mut delegation)));
    works!(t, fcntl(dir, 1040, of(&delegation)));
    scene::counted(libc::SIGIO);
    works!(t, fcntl(dir, 1026, 4));
    works!(t, mkdirat(dir, c"seen", 0o700));
    works!(t, kill(me, 0));
    t.see("told", scene::handled());
}

fn fcntl_pipes(t: &mut Stage) {
    let (pipe, file) = (scene::pipe(), scene::file());
    let memory = before(libc::SYS_memfd_create, &[word(c"m"), libc::MFD_ALLOW_SEALING.into()]) as i32;
    t.enter();
    works!(t, fcntl(pipe[0], 1032));
    works!(t, fcntl(pipe[0], 1031, 8192));
    works!(t, fcntl(pipe[1], 1032));
    works!(t, fcntl(file, 1032));
    works!(t, fcntl(memory, 1034));
    works!(t, fcntl(memory, 1033, libc::F_SEAL_GROW));
    works!(t, fcntl(memory, 1034));
    works!(t, ftruncate(memory, 100));
    works!(t, fcntl(memory, 1033, libc::F_SEAL_SEAL));
    works!(t, fcntl(memory, 1033, libc::F_SEAL_WRITE));
    for (get, set) in [(1035, 1036), (1037, 1038)] {
        let mut hint = 9u64;
        works!(t, fcntl(file, get, at(&mut hint)));
        t.see("hint", hint);
        works!(t, fcntl(file, set, of(&2u64)));
        works!(t, fcntl(file, get, at(&mut hint)));
        t.see("hint", hint);
    }
}

/// The value of a command, by its name.
fn value(t: &Stage, namespace: &Namespace, name: &str) -> u64 {
    match namespace.commands.iter().find(|command| command.name == name) {
        Some(command) => command.value,
        None => {
            t.fail(&format!("{} has no {name}", namespace.name));
            0
        }
    }
}

/// Settings that work, with the arguments that they are made with. `BUFFER` is the address of one.
const PRCTLS: &[(&str, &[[u64; 4]])] = &[
    ("PR_GET_DUMPABLE", &[[0; 4]]),
    ("PR_SET_DUMPABLE", &[[1, 0, 0, 0], [2, 0, 0, 0]]),
    ("PR_GET_KEEPCAPS", &[[0; 4]]),
    ("PR_CAPBSET_READ", &[[0; 4], [21, 0, 0, 0], [99, 0, 0, 0]]),
    ("PR_GET_SECUREBITS", &[[0; 4]]),
    ("PR_CAP_AMBIENT", &[[1, 0, 0, 0], [1, 99, 0, 0]]),
    ("PR_SET_PDEATHSIG", &[[10, 0, 0, 0], [99, 0, 0, 0]]),
    ("PR_GET_PDEATHSIG", &[[BUFFER, 0, 0, 0], [16, 0, 0, 0]]),
    ("PR_SET_PDEATHSIG", &[[0; 4]]),
    ("PR_SET_NAME", &[[BUFFER, 0, 0, 0], [16, 0, 0, 0]]),
    ("PR_GET_NAME", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_CHILD_SUBREAPER", &[[1, 0, 0, 0]]),
    ("PR_GET_CHILD_SUBREAPER", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_CHILD_SUBREAPER", &[[0; 4]]),
    ("PR_GET_TID_ADDRESS", &[[ADDRESS, 0, 0, 0]]),
    ("PR_GET_AUXV", &[[16, 8, 0, 0]]),
    ("PR_SET_NO_NEW_PRIVS", &[[1, 0, 0, 0], [0; 4]]),
    ("PR_GET_NO_NEW_PRIVS", &[[0; 4]]),
    ("PR_SET_SYSCALL_USER_DISPATCH", &[[0; 4], [7, 0, 0, 0]]),
    ("PR_GET_MDWE", &[[0; 4]]),
    ("PR_SET_MDWE", &[[99, 0, 0, 0]]),
    ("PR_GET_TSC", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_TSC", &[[1, 0, 0, 0], [9, 0, 0, 0]]),
    ("PR_SET_VMA", &[[0, 0, 0, 0], [9, 0, 0, 0]]),
    ("PR_SET_THP_DISABLE", &[[1, 0, 0, 0]]),
    ("PR_GET_THP_DISABLE", &[[0; 4]]),
    ("PR_SET_THP_DISABLE", &[[0; 4]]),
    ("PR_SET_MEMORY_MERGE", &[[0; 4]]),
    ("PR_GET_MEMORY_MERGE", &[[0; 4]]),
    ("PR_MPX_ENABLE_MANAGEMENT", &[[0; 4]]),
    ("PR_MPX_DISABLE_MANAGEMENT", &[[0; 4]]),
    ("PR_SET_TIMERSLACK", &[[100_000, 0, 0, 0]]),
    ("PR_GET_TIMERSLACK", &[[0; 4]]),
    ("PR_SET_TIMING", &[[0; 4], [1, 0, 0, 0]]),
    ("PR_GET_TIMING", &[[0; 4]]),
    ("PR_TIMER_CREATE_RESTORE_IDS", &[[2, 0, 0, 0], [1, 0, 0, 0], [0; 4]]),
    ("PR_SET_IO_FLUSHER", &[[0; 4]]),
    ("PR_GET_IO_FLUSHER", &[[0; 4]]),
    ("PR_MCE_KILL", &[[1, 1, 0, 0], [0; 4]]),
    ("PR_MCE_KILL_GET", &[[0; 4]]),
    ("PR_TASK_PERF_EVENTS_DISABLE", &[[0; 4]]),
    ("PR_TASK_PERF_EVENTS_ENABLE", &[[0; 4]]),
    ("PR_FUTEX_HASH", &[[2, 0, 0, 0], [99, 0, 0, 0]]),
    ("PR_RSEQ_SLICE_EXTENSION", &[[1, 0, 0, 0]]),
    ("PR_GET_SPECULATION_CTRL", &[[0; 4], [99, 0, 0, 0]]),
    ("PR_SET_SPECULATION_CTRL", &[[99, 0, 0, 0]]),
    ("PR_GET_SHADOW_STACK_STATUS", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_SHADOW_STACK_STATUS", &[[0; 4]]),
    ("PR_LOCK_SHADOW_STACK_STATUS", &[[0; 4]]),
    ("PR_GET_UNALIGN", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_UNALIGN", &[[1, 0, 0, 0]]),
    ("PR_GET_FPEMU", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_FPEMU", &[[1, 0, 0, 0]]),
    ("PR_GET_FPEXC", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_FPEXC", &[[1, 0, 0, 0]]),
    ("PR_GET_ENDIAN", &[[BUFFER, 0, 0, 0]]),
    ("PR_SET_ENDIAN", &[[0; 4]]),
    ("PR_SET_FP_MODE", &[[0; 4]]),
    ("PR_GET_FP_MODE", &[[0; 4]]),
    ("PR_SVE_SET_VL", &[[0; 4]]),
    ("PR_SVE_GET_VL", &[[0; 4]]),
    ("PR_SME_SET_VL", &[[0; 4]]),
    ("PR_SME_GET_VL", &[[0; 4]]),
    ("PR_PAC_RESET_KEYS", &[[0; 4]]),
    ("PR_PAC_SET_ENABLED_KEYS", &[[0; 4]]),
    ("PR_PAC_GET_ENABLED_KEYS", &[[0; 4]]),
    ("PR_SET_TAGGED_ADDR_CTRL", &[[0; 4]]),
    ("PR_GET_TAGGED_ADDR_CTRL", &[[0; 4]]),
    ("PR_RISCV_V_SET_CONTROL", &[[0; 4]]),
    ("PR_RISCV_V_GET_CONTROL", &[[0; 4]]),
    ("PR_RISCV_SET_ICACHE_FLUSH_CTX", &[[0; 4]]),
    ("PR_PPC_GET_DEXCR", &[[0; 4]]),
    ("PR_PPC_SET_DEXCR", &[[0; 4]]),
];
const BUFFER: u64 = u64::MAX;
/// The address of one that is not looked at.
const ADDRESS: u64 = u64::MAX - 1;

fn prctl(t: &mut Stage) {
    t.enter();
    for (name, all) in PRCTLS {
        let command = value(t, &policy::PRCTL, name);
        for args in *all {
            let (mut buffer, mut address) = ([0u32; 8], [0u32; 8]);
            buffer[0] = u32::from_ne_bytes(*b"name");
            let args = args.map(|arg| match arg {
                BUFFER => at(&mut buffer),
                ADDRESS => at(&mut address),
                arg => arg,
            });
            if *name == "PR_FUTEX_HASH" {
                // Entering makes a thread, and with its first thread a process gets a table.
                alike!(t, prctl(command, args[0], args[1], args[2], args[3]));
                continue;
            }
            works!(t, prctl(command, args[0], args[1], args[2], args[3]));
            t.see("buffer", buffer);
        }
    }
    for command in [17u64, 48, 1000, 0, u64::from(u32::MAX)] {
        denied!(t, prctl(command, 0, 0, 0, 0));
    }
}

fn prctl_reach(t: &mut Stage) {
    let other = scene::process(t);
    t.enter();
    for (name, first, second) in [
        ("PR_SET_PTRACER", u64::MAX, 0),
        ("PR_SET_PTRACER", 0, 0),
        ("PR_SET_PTRACER", other as u64, 0),
        ("PR_SCHED_CORE", 0, 0),
        ("PR_SCHED_CORE", 1, other as u64),
        ("PR_SET_MM", 13, 99),
        ("PR_SET_MM", 0, 0),
    ] {
        let command = value(t, &policy::PRCTL, name);
        denied!(t, prctl(command, first, second, 0, 0));
    }
}

/// Undumpable, it would be out of its monitor's reach.
fn prctl_dumpable(t: &mut Stage) {
    let dir = scene::dir();
    t.enter();
    is!(t, 0, prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0));
    is!(t, 1, prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0));
    works!(t, openat(dir, c"file", libc::O_RDONLY));
}

fn prctl_capabilities(t: &mut Stage) {
    let dir = scene::dir();
    t.enter();
    works!(t, prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0));
    works!(t, prctl(libc::PR_GET_KEEPCAPS, 0, 0, 0, 0));
    works!(t, prctl(libc::PR_SET_KEEPCAPS, 7, 0, 0, 0));
    // CAP_SYS_BOOT, which nothing here needs.
    works!(t, prctl(libc::PR_CAPBSET_DROP, 22, 0, 0, 0));
    works!(t, prctl(libc::PR_CAPBSET_READ, 22, 0, 0, 0));
    works!(t, prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    works!(t, prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, 22, 0, 0));
    // SECBIT_NO_SETUID_FIXUP.
    works!(t, prctl(libc::PR_SET_SECUREBITS, 4, 0, 0, 0));
    works!(t, prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0));
    let (mut header, mut sets) = ([0x2008_0522u32, 0], [0u32; 6]);
    works!(t, capget(at(&mut header), at(&mut sets)));
    t.see("sets", sets);
    works!(t, setuid(1000));
    works!(t, capget(at(&mut header), at(&mut sets)));
    t.see("sets", sets);
    works!(t, mkdirat(dir, c"made", 0o700));
}

fn prctl_filter(t: &mut Stage) {
    t.enter();
    is!(t, 2, prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0));
    let allow = [0x7fff_0000_0000_0006u64];
    works!(t, prctl(libc::PR_SET_SECCOMP, 2, of(&[1, of(&allow)]), 0, 0));
    works!(t, prctl(libc::PR_SET_SECCOMP, 9, 0, 0, 0));
    works!(t, getpgid(0));
}

/// Options that reach a global name, or load or forge something.
const OPTIONS_DENIED: &[&str] = &[
    "SO_BINDTODEVICE",
    "SO_ATTACH_FILTER",
    "SO_MARK",
    "SO_ATTACH_BPF",
    "SO_ATTACH_REUSEPORT_CBPF",
    "SO_ATTACH_REUSEPORT_EBPF",
    "SO_BINDTOIFINDEX",
    "SO_PASSPIDFD",
    "SO_PEERPIDFD",
    "SO_DEVMEM_LINEAR",
    "SO_DEVMEM_DMABUF",
    "SO_DEVMEM_DONTNEED",
    "TCP_MD5SIG",
    "TCP_REPAIR",
    "TCP_REPAIR_QUEUE",
    "TCP_QUEUE_SEQ",
    "TCP_REPAIR_OPTIONS",
    "TCP_TIMESTAMP",
    "TCP_REPAIR_WINDOW",
    "TCP_ULP",
    "TCP_MD5SIG_EXT",
    "TCP_AO_ADD_KEY",
    "TCP_AO_DEL_KEY",
    "TCP_AO_INFO",
    "TCP_AO_GET_KEYS",
    "TCP_AO_REPAIR",
    "UDP_ENCAP",
    "IP_HDRINCL",
    "IP_OPTIONS",
    "IP_ROUTER_ALERT",
    "IP_FREEBIND",
    "IP_IPSEC_POLICY",
    "IP_XFRM_POLICY",
    "IP_TRANSPARENT",
    "IP_NODEFRAG",
    "IP_MULTICAST_IF",
    "IP_ADD_MEMBERSHIP",
    "IP_DROP_MEMBERSHIP",
    "IP_UNBLOCK_SOURCE",
    "IP_BLOCK_SOURCE",
    "IP_ADD_SOURCE_MEMBERSHIP",
    "IP_DROP_SOURCE_MEMBERSHIP",
    "IP_MSFILTER",
    "MCAST_JOIN_GROUP",
    "MCAST_BLOCK_SOURCE",
    "MCAST_UNBLOCK_SOURCE",
    "MCAST_LEAVE_GROUP",
    "MCAST_JOIN_SOURCE_GROUP",
    "MCAST_LEAVE_SOURCE_GROUP",
    "MCAST_MSFILTER",
    "IP_UNICAST_IF",
    "IPV6_ADDRFORM",
    "IPV6_2292PKTOPTIONS",
    "IPV6_CHECKSUM",
    "IPV6_NEXTHOP",
    "IPV6_AUTHHDR",
    "IPV6_MULTICAST_IF",
    "IPV6_ADD_MEMBERSHIP",
    "IPV6_DROP_MEMBERSHIP",
    "IPV6_ROUTER_ALERT",
    "IPV6_JOIN_ANYCAST",
    "IPV6_LEAVE_ANYCAST",
    "IPV6_ROUTER_ALERT_ISOLATE",
    "IPV6_FLOWLABEL_MGR",
    "IPV6_IPSEC_POLICY",
    "IPV6_XFRM_POLICY",
    "IPV6_HDRINCL",
    "IPV6_PKTINFO",
    "IPV6_HOPOPTS",
    "IPV6_RTHDRDSTOPTS",
    "IPV6_RTHDR",
    "IPV6_DSTOPTS",
    "IPV6_TRANSPARENT",
    "IPV6_UNICAST_IF",
    "IPV6_FREEBIND",
];

fn setsockopt(t: &mut Stage) {
    let (_listening, port) = scene::listening();
    let tcp = scene::connected(port);
    let udp = scene::socket(libc::AF_INET, libc::SOCK_DGRAM);
    let six = scene::socket(libc::AF_INET6, libc::SOCK_DGRAM);
    let pair = scene::pair(libc::SOCK_DGRAM);
    t.enter();
    for name in OPTIONS_DENIED {
        value(t, &policy::SETSOCKOPT, name);
    }
    for command in policy::SETSOCKOPT.commands {
        let (level, option) = ((command.value >> 32) as i32, command.value as u32 as i32);
        let sockets: &[i32] = match level {
            libc::SOL_SOCKET => &[tcp, udp, pair[0]],
            libc::IPPROTO_IP => &[tcp, udp],
            libc::IPPROTO_TCP => &[tcp],
            libc::IPPROTO_UDP => &[udp],
            _ => &[six],
        };
        for &socket in sockets {
            // A number, a pair of them for times and SO_LINGER, a text for TCP_CONGESTION.
            for (set, len) in [([1u64, 0], 4), ([1, 0], 16), ([u64::from_ne_bytes(*b"reno\0\0\0\0"), 0], 5)] {
                if OPTIONS_DENIED.contains(&command.name) {
                    denied!(t, setsockopt(socket, level, option, of(&set), len));
                    continue;
                }
                works!(t, setsockopt(socket, level, option, of(&set), len));
            }
            if OPTIONS_DENIED.contains(&command.name) {
                denied!(t, setsockopt(99, level, option, 0, 0));
                continue;
            }
            let (mut got, mut len) = ([0u32; 64], 256u32);
            if policy::by_name("getsockopt").is_some_and(|call| {
                let args = [socket as u64, level as u64, option as u64, 0, 0, 0];
                matches!(policy::resolve(call, false, &args), policy::Resolved::Descriptors)
            }) {
                works!(t, getsockopt(socket, level, option, at(&mut got), at(&mut len)));
                // What is about processes, ports, time and memory may differ.
                let differs =
                    ["SO_COOKIE", "SO_INCOMING_CPU", "SO_NETNS_COOKIE", "SO_PEERCRED", "IP_PROTOCOL"];
                if len <= 16 && !differs.contains(&command.name) {
                    t.see("option", (command.name, got[..4].to_vec(), len));
                }
            }
        }
    }
    // Netfilter's, SCTP's, raw's, ALG's, and options that no kernel has.
    for (level, option) in [(0, 64), (41, 64), (132, 110), (255, 1), (279, 1), (1, 9999), (6, 9999), (284, 1)]
    {
        denied!(t, setsockopt(tcp, level, option, of(&1u32), 4));
    }
}

/// Commands that are denied, by the beginnings of their names; `=` for the whole of it.
const IOCTLS_DENIED: &[&str] = &[
    "=FIOSETOWN",
    "=SIOCSPGRP",
    "=TIOCSLCKTRMIOS",
    "=TIOCSETD",
    "=TIOCSSERIAL",
    "=TIOCSRS485",
    "=TIOCSISO7816",
    "=TIOCSERCONFIG",
    "=TIOCSERGWILD",
    "=TIOCSERSWILD",
    "=TIOCSERGSTRUCT",
    "=TIOCSERGETMULTI",
    "=TIOCSERSETMULTI",
    "=TIOCSPGRP",
    "=TIOCSCTTY",
    "=TIOCNOTTY",
    "=TIOCSTI",
    "=TIOCLINUX",
    "=TIOCCONS",
    "=TIOCVHANGUP",
    "=TIOCGPTPEER",
    "=FIBMAP",
    "=FS_IOC_SETFSLABEL",
    "=FIFREEZE",
    "=FITHAW",
    "=FITRIM",
    "=FS_IOC_SET_ENCRYPTION_POLICY",
    "=FS_IOC_GET_ENCRYPTION_PWSALT",
    "=FS_IOC_GET_ENCRYPTION_KEY_STATUS",
    "FS_IOC_ADD_",
    "FS_IOC_REMOVE_",
    "=FS_IOC_ENABLE_VERITY",
    "=SIOCGSKNS",
    "SIOCADD",
    "SIOCDEL",
    "=SIOCRTMSG",
    "SIOCGIF",
    "SIOCSIF",
    "=SIOCDIFADDR",
    "=SIOCETHTOOL",
    "SIOCGMII",
    "SIOCSMII",
    "=SIOCWANDEV",
    "=SIOCDARP",
    "=SIOCGARP",
    "=SIOCSARP",
    "=SIOCDRARP",
    "=SIOCGRARP",
    "=SIOCSRARP",
    "SIOCBOND",
    "SIOCBR",
    "=SIOCSHWTSTAMP",
    "=SIOCGHWTSTAMP",
    "=SIOCPROTOPRIVATE",
    "=SIOCDEVPRIVATE",
    "=TUNGETDEVNETNS",
    "=TUNGETFILTER",
    "TUNSET",
    "=TUNATTACHFILTER",
    "=TUNDETACHFILTER",
    "PIDFD_GET_CGROUP",
    "PIDFD_GET_IPC",
    "PIDFD_GET_MNT",
    "PIDFD_GET_NET",
    "PIDFD_GET_PID",
    "PIDFD_GET_TIME",
    "PIDFD_GET_USER",
    "PIDFD_GET_UTS",
    "NS_GET_",
    "SECCOMP_IOCTL_",
    "=BLKROSET",
    "=BLKRRPART",
    "=BLKFLSBUF",
    "=BLKRASET",
    "=BLKFRASET",
    "=BLKSECTSET",
    "=BLKPG",
    "=BLKBSZSET",
    "BLKTRACE",
    "=BLKDISCARD",
    "=BLKSECDISCARD",
    "=BLKZEROOUT",
    "=BLKRESETZONE",
    "=BLKOPENZONE",
    "=BLKCLOSEZONE",
    "=BLKFINISHZONE",
    "LOOP_",
    "RNDADD",
    "=RNDGETPOOL",
    "=RNDZAPENTCNT",
    "=RNDCLEARPOOL",
    "=RNDRESEEDCRNG",
    "RTC_AIE_",
    "RTC_UIE_",
    "RTC_PIE_",
    "RTC_WIE_",
    "=RTC_ALM_SET",
    "=RTC_SET_TIME",
    "=RTC_IRQP_SET",
    "=RTC_EPOCH_SET",
    "=RTC_WKALM_SET",
    "=RTC_PLL_SET",
    "=RTC_PARAM_SET",
    "=RTC_VL_CLR",
    "PTP_EXTTS",
    "PTP_PEROUT",
    "PTP_ENABLE",
    "PTP_PIN_SETFUNC",
    "=PPS_SETPARAMS",
    "=PPS_KC_BIND",
    "=WDIOC_SETOPTIONS",
    "=WDIOC_KEEPALIVE",
    "=WDIOC_SETTIMEOUT",
    "=WDIOC_SETPRETIMEOUT",
    "KIOCSOUND",
    "KD",
    "GIO_",
    "PIO_",
    "VT_",
];

fn is_denied(name: &str) -> bool {
    IOCTLS_DENIED.iter().any(|denied| match denied.strip_prefix('=') {
        Some(whole) => whole == name,
        None => name.starts_with(denied),
    })
}

/// On descriptors that have no such command: should they be let through, nothing comes of it.
fn ioctl_denied(t: &mut Stage) {
    let memory = before(libc::SYS_memfd_create, &[word(c"m"), 0]) as i32;
    let (pair, pipe) = (scene::pair(libc::SOCK_STREAM), scene::pipe());
    let [_master, slave] = scene::terminal();
    t.enter();
    for command in policy::IOCTL.commands.iter().filter(|command| is_denied(command.name)) {
        let harmless = ["TIOCSTI", "TIOCSPGRP", "TIOCNOTTY", "TIOCSCTTY"].contains(&command.name);
        let fits = match command.name {
            name if name.starts_with("SIOC") || name.starts_with("FIO") => pair[0],
            _ if harmless => slave,
            _ => memory,
        };
        let mut argument = [0u64; 64];
        for fd in [fits, pipe[0], 99] {
            t.inside("ioctl", Want::Is(-1094), &[word(fd), command.value, 0]);
            t.inside("ioctl", Want::Is(-1094), &[word(fd), command.value, at(&mut argument)]);
        }
        t.see("nothing written", argument == [0; 64]);
    }
    for denied in IOCTLS_DENIED {
        if !policy::IOCTL
            .commands
            .iter()
            .any(|command| command.name.starts_with(denied.trim_start_matches('=')))
        {
            t.fail(&format!("no command is {denied}"));
        }
    }
    // Those that would work, and are harmless.
    denied!(t, ioctl(slave, libc::TIOCSTI, of(b"x")));
    denied!(t, ioctl(slave, libc::TIOCSETD, of(&0u32)));
    let mut interfaces = [64u64, of(&[0u64; 8])];
    denied!(t, ioctl(pair[0], libc::SIOCGIFCONF, at(&mut interfaces)));
    let mut interface = [0u64; 5];
    interface[0] = u64::from_ne_bytes(*b"lo\0\0\0\0\0\0");
    denied!(t, ioctl(pair[0], libc::SIOCGIFFLAGS, at(&mut interface)));
    denied!(t, ioctl(pair[0], 0x8901, of(&std::process::id())));
    denied!(t, ioctl(pair[0], 0x894c, 0));
}

/// What a command wrote may differ from child to child: numbers, addresses, generations, times.
const DIFFER: &[&str] = &[
    "TIOCGPTN",
    "TIOCGDEV",
    "FS_IOC_GETVERSION",
    "FS_IOC32_GETVERSION",
    "PIDFD_GET_INFO",
    "RTC_RD_TIME",
    "RNDGETENTCNT",
    "PROCMAP_QUERY",
    "FS_IOC_FIEMAP",
    "FIOQSIZE",
];

/// Every command that works, on this descriptor: most descriptors have few.
fn each(t: &mut Stage, fd: i32, what: &str) {
    for command in policy::IOCTL.commands.iter().filter(|command| !is_denied(command.name)) {
        // One waits for a modem; the other, with no flags, is about how a file lies on disk: see `file_flags`.
        if (command.name, what) == ("TIOCMIWAIT", "terminal")
            || (command.name, what) == ("FS_IOC_SETFLAGS", "file")
        {
            continue;
        }
        let mut argument = [0u64; 512];
        let value = works!(t, ioctl(fd, command.value, at(&mut argument)));
        if value >= 0 && !DIFFER.contains(&command.name) {
            let sum = argument.iter().fold(7u64, |sum, word| sum.wrapping_mul(31).wrapping_add(*word));
            t.see("argument", (command.name, sum, argument[0]));
        }
        works!(t, ioctl(fd, command.value, 16));
    }
}

fn ioctl_files(t: &mut Stage) {
    let (file, other, dir) = (scene::file(), scene::other(), scene::dir());
    let maps = scene::opened(c"/proc/self/maps", libc::O_RDONLY);
    let process = scene::process_descriptor(std::process::id() as i32);
    t.enter();
    each(t, file, "file");
    each(t, dir, "directory");
    each(t, maps, "maps");
    each(t, process, "process");
    // Other files are their sources, or their destinations.
    let whole = |source: i32| [source as u64, 0, 0, 0];
    for (from, to) in [(other, file), (99, file), (other, 99), (dir, file)] {
        works!(t, ioctl(to, FICLONE, from));
        works!(t, ioctl(to, FICLONERANGE, of(&whole(from))));
        works!(t, ioctl(from, FIDEDUPERANGE, of(&[0u64, 5, 1, to as u64, 0, 0, 0])));
    }
    works!(t, ioctl(file, FICLONERANGE, 16));
    works!(t, ioctl(file, FIDEDUPERANGE, 16));
    works!(t, read(file, 0, 0));
}

fn ioctl_sockets(t: &mut Stage) {
    let (_listening, port) = scene::listening();
    let (tcp, pipe) = (scene::connected(port), scene::full_pipe(b"five!"));
    let (pair, event) = (scene::pair(libc::SOCK_STREAM), before(libc::SYS_eventfd2, &[0, 0]) as i32);
    before(libc::SYS_write, &[word(pair[0]), of(b"seven!!"), 7]);
    t.enter();
    for fd in [tcp, pipe[0], pair[1], event, 99] {
        each(t, fd, "socket");
    }
}

fn ioctl_terminals(t: &mut Stage) {
    let [master, slave] = scene::terminal();
    t.enter();
    each(t, slave, "terminal");
    each(t, master, "terminal");
}

fn ioctl_devices(t: &mut Stage) {
    let random = scene::opened(c"/dev/urandom", libc::O_RDONLY);
    let null = scene::opened(c"/dev/null", libc::O_RDWR);
    let root = before(libc::SYS_geteuid, &[]) == 0;
    let mut devices = vec![random, null];
    // A block device that is nothing; the clock; a tunnel to nowhere.
    for path in [c"/dev/loop7", c"/dev/rtc0", c"/dev/net/tun"] {
        if root && std::fs::metadata(path.to_string_lossy().as_ref()).is_ok() {
            devices.push(scene::opened(path, libc::O_RDONLY));
        }
    }
    t.enter();
    for device in devices {
        each(t, device, "device");
    }
}

fn terminal_settings(t: &mut Stage) {
    let [master, slave] = scene::terminal();
    t.enter();
    let mut settings = [0u8; 64];
    works!(t, ioctl(slave, libc::TCGETS, at(&mut settings)));
    t.see("settings", settings);
    // ECHO, in the last of four words.
    settings[12] ^= 8;
    works!(t, ioctl(slave, libc::TCSETS, of(&settings)));
    let mut again = [0u8; 64];
    works!(t, ioctl(master, libc::TCGETS, at(&mut again)));
    t.see("settings", again);
    let size = [24u16, 80, 0, 0];
    works!(t, ioctl(master, libc::TIOCSWINSZ, of(&size)));
    let mut seen = [0u16; 4];
    works!(t, ioctl(slave, libc::TIOCGWINSZ, at(&mut seen)));
    t.see("size", seen);
    works!(t, write(master, of(b"line\n"), 5));
    // It takes a moment through.
    let mut entry = libc::pollfd { fd: slave, events: libc::POLLIN, revents: 0 };
    works!(t, poll(at(&mut entry), 1, 5000));
    let mut count = 0u32;
    works!(t, ioctl(slave, libc::FIONREAD, at(&mut count)));
    t.see("to be read", count);
    let mut line = [0u8; 8];
    works!(t, read(slave, at(&mut line), 8));
    t.see("line", line);
    works!(t, ioctl(slave, libc::FIOCLEX, 0));
    works!(t, fcntl(slave, libc::F_GETFD));
    works!(t, ioctl(slave, libc::FIONCLEX, 0));
    works!(t, ioctl(slave, libc::FIONBIO, of(&1u32)));
    works!(t, fcntl(slave, libc::F_GETFL));
    works!(t, read(slave, at(&mut line), 8));
}

fn file_flags(t: &mut Stage) {
    let (file, dir) = (scene::file(), scene::opened(c"sub", libc::O_RDONLY));
    t.enter();
    const GET: u64 = 0x8008_6601;
    const SET: u64 = 0x4008_6602;
    for fd in [file, dir] {
        let mut flags = [0u32; 2];
        works!(t, ioctl(fd, GET, at(&mut flags)));
        t.see("flags", flags);
        // Without a dump, without times of access.
        flags[0] |= 0xc0;
        works!(t, ioctl(fd, SET, of(&flags)));
        works!(t, ioctl(fd, GET, at(&mut flags)));
        t.see("flags", flags);
        works!(t, ioctl(fd, SET, 16));
        // `struct fsxattr`.
        let mut extended = [0u32; 7];
        works!(t, ioctl(fd, 0x801c_581f_u64, at(&mut extended)));
        t.see("extended", extended);
        works!(t, ioctl(fd, 0x401c_5820_u64, of(&extended)));
        works!(t, ioctl(fd, 0x4004_6602_u64, of(&flags)));
        works!(t, ioctl(fd, 0x4008_7602_u64, of(&1u64)));
        works!(t, ioctl(fd, 0x4004_7602_u64, of(&1u64)));
    }
}
