//! The tables know everything that the machine's own headers define. The values come from the C compiler, so that
//! the headers speak for themselves. Without a compiler or headers these tests say so and pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use policy::{CALLS, Namespace};

const X86_64: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
const GENERIC: &str = "/usr/include/asm-generic/unistd.h";

/// What of asm-generic/unistd.h aarch64 asks for.
const AARCH64_WANTS: &[&str] = &[
    "-D__ARCH_WANT_RENAMEAT",
    "-D__ARCH_WANT_NEW_STAT",
    "-D__ARCH_WANT_SET_GET_RLIMIT",
    "-D__ARCH_WANT_TIME32_SYSCALLS",
    "-D__ARCH_WANT_SYS_CLONE3",
    "-D__ARCH_WANT_MEMFD_SECRET",
];

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn cc(args: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("cc").args(args).output().ok()?;
    assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// The macros that these headers define, of those that `wanted` takes, with their values. `None` where the machine
/// has no compiler or lacks the headers.
fn values(
    id: &str,
    headers: &[&str],
    flags: &[&str],
    wanted: impl Fn(&str) -> bool,
) -> Option<BTreeMap<String, u64>> {
    let includes: String = headers
        .iter()
        .map(|header| format!("#if __has_include(<{header}>)\n#include <{header}>\n#endif\n"))
        .collect();
    let (source, program) = (scratch(&format!("{id}.c")), scratch(id));
    std::fs::write(&source, &includes).unwrap();
    let source = source.to_str().unwrap();
    let Some(macros) = cc(&[&["-E", "-dM", source], flags].concat()) else {
        eprintln!("SKIPPED: no C compiler: {id} is not compared with the headers");
        return None;
    };
    let names: Vec<String> = String::from_utf8(macros)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.contains('(') && wanted(name))
        .collect();
    if names.is_empty() {
        eprintln!("SKIPPED: no kernel headers: {id} is not compared with them");
        return None;
    }
    let prints: String =
        names.iter().map(|name| format!("printf(\"{name} %u\\n\", (unsigned)({name}));\n")).collect();
    std::fs::write(
        source,
        format!("{includes}#include <stdio.h>\nint main(void) {{\n{prints}return 0; }}\n"),
    )
    .unwrap();
    cc(&[&["-w", source, "-o", program.to_str().unwrap()], flags].concat())?;
    let output = Command::new(program).output().unwrap();
    let values = String::from_utf8(output.stdout).unwrap();
    Some(
        values
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(n, v)| (n.to_owned(), v.parse().unwrap()))
            .collect(),
    )
}

fn assert_calls(headers: &BTreeMap<String, u64>, number: impl Fn(&policy::Call) -> Option<u32>) {
    let mut wrong = Vec::new();
    for (name, &value) in headers {
        let ours = CALLS.iter().find(|call| call.name == name).and_then(&number);
        if ours.map(u64::from) != Some(value) {
            wrong.push(format!("{name} is {value}, the table says {ours:?}"));
        }
    }
    // And the other way round: where the headers have a number, the table has no other name for it.
    for call in CALLS {
        if let Some(number) = number(call)
            && headers.values().any(|&value| value == u64::from(number))
            && !headers.contains_key(call.name)
        {
            wrong.push(format!("{number} is not {}", call.name));
        }
    }
    assert!(headers.len() > 250, "only {} calls in the headers", headers.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn calls_of(id: &str, header: &str, flags: &[&str]) -> Option<BTreeMap<String, u64>> {
    if !Path::new(header).exists() {
        eprintln!("SKIPPED: no {header}");
        return None;
    }
    let macros = values(id, &[header], flags, |name| {
        name.starts_with("__NR_") && !["__NR_syscalls", "__NR_arch_specific_syscall"].contains(&name)
    })?;
    Some(macros.into_iter().map(|(name, value)| (name["__NR_".len()..].to_owned(), value)).collect())
}

#[test]
fn every_call_of_x86_64_is_known() {
    // Angle brackets take an absolute path, too.
    if let Some(calls) = calls_of("x86_64", X86_64, &[]) {
        assert_calls(&calls, |call| call.x86_64);
    }
}

#[test]
fn every_call_of_aarch64_is_known() {
    if let Some(calls) = calls_of("aarch64", GENERIC, AARCH64_WANTS) {
        assert_calls(&calls, |call| call.aarch64);
    }
}

/// Every macro's value is a command; a name that the table has too has the same value there.
fn assert_commands(namespace: &Namespace, level: u64, macros: &BTreeMap<String, u64>) {
    let mut wrong = Vec::new();
    for (name, &value) in macros {
        let value = level << 32 | value;
        if namespace.find(value).is_none() {
            wrong.push(format!("{name} {value:#x} is unknown"));
        }
        if let Some(ours) =
            namespace.commands.iter().find(|command| command.name == name && command.value != value)
        {
            wrong.push(format!("{name} is {value:#x}, the table says {:#x}", ours.value));
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", namespace.name);
}

#[test]
fn every_ioctl_is_known() {
    let headers = [
        "linux/types.h",
        "asm/ioctls.h",
        "asm/termbits.h",
        "linux/serial.h",
        "linux/sockios.h",
        "linux/fs.h",
        "linux/blkpg.h",
        "linux/blkzoned.h",
        "linux/blktrace_api.h",
        "linux/loop.h",
        "linux/if_tun.h",
        "linux/filter.h",
        "linux/nsfs.h",
        "linux/random.h",
        "linux/rtc.h",
        "linux/kd.h",
        "linux/vt.h",
        "linux/fiemap.h",
        "linux/fscrypt.h",
        "linux/fsverity.h",
        "linux/watchdog.h",
        "linux/ptp_clock.h",
        "linux/pps.h",
        "linux/seccomp.h",
        "linux/pidfd.h",
        // SIOCGSTAMP's value depends on struct timeval.
        "sys/time.h",
        "time.h",
    ];
    let prefixes = [
        "TCG",
        "TCSET",
        "TCSBRK",
        "TCXONC",
        "TCFLSH",
        "TIOC",
        "FIO",
        "FIBMAP",
        "FIGETBSZ",
        "FICLONE",
        "FIDEDUPE",
        "FIFREEZE",
        "FITHAW",
        "FITRIM",
        "SIOC",
        "FS_IOC",
        "BLK",
        "LOOP_",
        "TUN",
        "NS_GET_",
        "RND",
        "RTC_",
        "KD",
        "GIO_",
        "PIO_",
        "KIOC",
        "VT_",
        "WDIOC_",
        "PTP_",
        "PPS_",
        "SECCOMP_IOCTL_",
        "PIDFD_GET_",
    ];
    // Constants under the same prefixes that are no commands.
    let others = [
        "TIOCM_",
        "TIOCPKT_",
        "TIOCSER_",
        "SIOC_SGI",
        "BLK_",
        "BLKPG_",
        "BLKTRACE_",
        "LOOP_SET_STATUS_",
        "LOOP_CONFIGURE_",
        "TUN_",
        "KD_",
        "RTC_AF",
        "RTC_UF",
        "RTC_PF",
        "RTC_IRQF",
        "RTC_VL_DATA",
        "RTC_VL_BACKUP",
        "RTC_VL_ACCURACY",
        "RTC_FEATURE_",
        "RTC_PARAM_FEATURES",
        "RTC_PARAM_CORRECTION",
        "RTC_PARAM_BACKUP",
        "RTC_MAX_FREQ",
        "RTC_BSM_",
        "VT_AUTO",
        "VT_PROCESS",
        "VT_ACKACQ",
        "VT_EVENT_",
        "VT_MAX_EVENT",
        "PTP_CLK_MAGIC",
        "PTP_ENABLE_FEATURE",
        "PTP_RISING_EDGE",
        "PTP_FALLING_EDGE",
        "PTP_STRICT_FLAGS",
        "PTP_EXT_",
        "PTP_EXTTS_EVENT",
        "PTP_EXTTS_VALID",
        "PTP_EXTTS_V1",
        "PTP_EXTTS_EDGES",
        "PTP_PEROUT_ONE",
        "PTP_PEROUT_DUTY",
        "PTP_PEROUT_PHASE",
        "PTP_PEROUT_VALID",
        "PTP_PEROUT_V1",
        "PTP_MAX_SAMPLES",
        "PPS_API",
        "PPS_MAX",
        "PPS_VERSION",
        "PPS_CAPTURE",
        "PPS_OFFSET",
        "PPS_CAN",
        "PPS_ECHO",
        "PPS_TSFMT",
        "PPS_KC_HARDPPS",
        "PPS_TIME_INVALID",
        "TIOCSER_TEMT",
        "FIOASYNC_",
        "SIOCPROTO_",
    ];
    let wanted = |name: &str| {
        prefixes.iter().any(|prefix| name.starts_with(prefix))
            && !others.iter().any(|other| name.starts_with(other))
    };
    if let Some(macros) = values("ioctl", &headers, &[], wanted) {
        assert!(macros.len() > 300, "only {} commands in the headers", macros.len());
        assert_commands(&policy::IOCTL, 0, &macros);
    }
}

#[test]
fn every_fcntl_is_known() {
    let others =
        ["F_OWNER_", "F_SEAL_", "F_LINUX_SPECIFIC", "F_RDLCK", "F_WRLCK", "F_UNLCK", "F_EXLCK", "F_SHLCK"];
    let wanted = |name: &str| name.starts_with("F_") && !others.iter().any(|other| name.starts_with(other));
    if let Some(macros) = values("fcntl", &["linux/fcntl.h"], &[], wanted) {
        assert_commands(&policy::FCNTL, 0, &macros);
    }
}

#[test]
fn every_prctl_is_known() {
    // The settings' own values are under the same prefix; what follows names them.
    let values_of = [
        "PR_UNALIGN_",
        "PR_FPEMU_",
        "PR_FP_EXC_",
        "PR_FP_MODE_",
        "PR_TIMING_",
        "PR_ENDIAN_",
        "PR_TSC_",
        "PR_MCE_KILL_CLEAR",
        "PR_MCE_KILL_SET",
        "PR_MCE_KILL_LATE",
        "PR_MCE_KILL_EARLY",
        "PR_MCE_KILL_DEFAULT",
        "PR_SET_MM_",
        "PR_SET_PTRACER_ANY",
        "PR_CAP_AMBIENT_",
        "PR_SVE_SET_VL_",
        "PR_SVE_VL_",
        "PR_SME_SET_VL_",
        "PR_SME_VL_",
        "PR_SPEC_",
        "PR_PAC_AP",
        "PR_TAGGED_ADDR_",
        "PR_MTE_",
        "PR_PMLEN_",
        "PR_SYS_DISPATCH_",
        "PR_SCHED_CORE_",
        "PR_SET_VMA_",
        "PR_MDWE_",
        "PR_RISCV_V_V",
        "PR_RISCV_CTX_",
        "PR_RISCV_SCOPE_",
        "PR_PPC_DEXCR_",
        "PR_SHADOW_STACK_",
        "PR_TIMER_CREATE_RESTORE_IDS_",
        "PR_FUTEX_HASH_",
        "PR_RSEQ_SLICE_EXT_",
        "PR_THP_",
        "PR_RISCV_V_VSTATE",
    ];
    let wanted =
        |name: &str| name.starts_with("PR_") && !values_of.iter().any(|other| name.starts_with(other));
    if let Some(macros) = values("prctl", &["linux/prctl.h"], &[], wanted) {
        assert!(macros.len() > 50, "only {} settings in the headers", macros.len());
        assert_commands(&policy::PRCTL, 0, &macros);
    }
}

#[test]
fn every_socket_option_is_known() {
    let starts = |name: &str, with: &[&str], without: &[&str]| {
        with.iter().any(|prefix| name.starts_with(prefix))
            && !without.iter().any(|prefix| name.starts_with(prefix))
    };
    let socket =
        values("so", &["sys/types.h", "time.h", "asm/socket.h"], &[], |name| starts(name, &["SO_"], &[]));
    let tcp = values("tcp", &["linux/tcp.h"], &[], |name| {
        let others = [
            "TCP_MSS_",
            "TCP_REPAIR_O",
            "TCP_MD5SIG_MAX",
            "TCP_MD5SIG_FLAG",
            "TCP_RECEIVE_",
            "TCP_AO_KEYF",
            "TCP_AO_MAX",
            "TCPF_",
            "TCPI_",
        ];
        name == "TCP_REPAIR_OPTIONS" || starts(name, &["TCP_"], &others)
    });
    let ip = values("ip", &["linux/in.h"], &[], |name| {
        starts(
            name,
            &["IP_", "MCAST_"],
            &["IP_PMTUDISC_", "IP_DEFAULT_", "IP_MSFILTER_", "MCAST_EX", "MCAST_IN"],
        )
    });
    let ipv6 = values("ipv6", &["linux/in6.h"], &[], |name| {
        let others = [
            "IPV6_FL_",
            "IPV6_FLOWINFO_FLOWLABEL",
            "IPV6_FLOWINFO_PRIORITY",
            "IPV6_PRIORITY_",
            "IPV6_TLV_",
            "IPV6_PMTUDISC_",
            "IPV6_PREFER_",
            "IPV6_SRCRT_",
        ];
        starts(name, &["IPV6_"], &others)
    });
    let udp = values("udp", &["linux/udp.h"], &[], |name| starts(name, &["UDP_"], &["UDP_ENCAP_"]));
    for (level, macros) in [(1, socket), (6, tcp), (0, ip), (41, ipv6), (17, udp)] {
        if let Some(macros) = macros {
            assert_commands(&policy::SETSOCKOPT, level, &macros);
        }
    }
}
