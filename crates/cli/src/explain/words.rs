//! Conditions, needs and verdicts as one would say them.

use policy::{Arg, Call, Cond, Namespace, Need, Op, Verdict};
use rights::Rights;

/// What an argument is.
pub fn kind(arg: &Arg) -> &'static str {
    match arg {
        Arg::Fd(_) => "descriptor",
        Arg::Dir => "directory",
        Arg::Path(_) => "path",
        Arg::Pid => "process",
        Arg::Flags => "flags",
        Arg::Mode => "mode",
        Arg::Command => "command",
        Arg::Int => "number",
        Arg::Size => "length",
        Arg::In => "pointer, read",
        Arg::Out => "pointer, written",
        Arg::InOut => "pointer, read and written",
        Arg::Addr(_) => "socket address",
    }
}

/// Its numbers, in parentheses.
pub fn numbers(call: &Call) -> String {
    let number = |arch: &str, number: Option<u32>| {
        number.map(|number| match number {
            0x4341_5000.. => format!("{arch} {number:#x}"),
            _ => format!("{arch} {number}"),
        })
    };
    let numbers = [number("x86_64", call.x86_64), number("aarch64", call.aarch64)];
    let numbers: Vec<String> = numbers.into_iter().flatten().collect();
    if numbers.is_empty() { String::new() } else { format!(" ({})", numbers.join(", ")) }
}

/// A command's value: in hexadecimal where that is how one knows it.
pub fn value(namespace: &Namespace, value: u64) -> String {
    match namespace.key.len() {
        1 if value < 0x400 => value.to_string(),
        1 => format!("{value:#x}"),
        _ => {
            let parts = (0..namespace.key.len()).rev().map(|i| (value >> (32 * i) & 0xffff_ffff).to_string());
            parts.collect::<Vec<_>>().join(":")
        }
    }
}

/// The names of a set.
pub fn rights(rights: &Rights) -> String {
    if *rights == Rights::ALL {
        return "all rights".into();
    }
    let names: Vec<String> = rights.names().iter().map(|row| row.name.to_owned()).collect();
    crate::text::listed(&names, "and")
}

fn errno(errno: i32) -> String {
    match errno {
        rights::ECAPMODE => "ECAPMODE".into(),
        rights::ENOTCAPABLE => "ENOTCAPABLE".into(),
        libc::ENOSYS => "ENOSYS".into(),
        libc::EPERM => "EPERM".into(),
        libc::EACCES => "EACCES".into(),
        libc::EINVAL => "EINVAL".into(),
        libc::ENOTTY => "ENOTTY".into(),
        other => format!("errno {other}"),
    }
}

/// A verdict in a line or more.
pub fn verdict(call: &Call, verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Allow => vec!["allowed".into()],
        Verdict::Deny(number) => vec![format!("refused with {}", errno(*number))],
        Verdict::Descriptors => {
            vec!["allowed where its descriptors carry the rights below, else ENOTCAPABLE".into()]
        }
        Verdict::Ask => vec!["asks the monitor".into()],
        Verdict::Command(_) => vec!["the command decides".into()],
        Verdict::When(rules, last) => {
            let rules = rules.iter().map(|rule| {
                format!("{} where {}", self::verdict(call, &rule.then).join("; "), conds(call, rule.when))
            });
            let last = format!("otherwise {}", self::verdict(call, last).join("; "));
            rules.chain([last]).collect()
        }
    }
}

/// A verdict in a word, for tables.
pub fn short(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny(rights::ECAPMODE) => "ECAPMODE",
        Verdict::Deny(rights::ENOTCAPABLE) => "ENOTCAPABLE",
        Verdict::Deny(libc::ENOSYS) => "ENOSYS",
        Verdict::Deny(_) => "refused",
        Verdict::Descriptors => "by rights",
        Verdict::Ask => "monitor",
        Verdict::When(..) => "depends",
        Verdict::Command(_) => "by command",
    }
}

/// What an argument needs, a line for each condition.
pub fn needs(call: &Call, needs: &[Need]) -> Vec<String> {
    let line = |need: &Need| {
        if need.when.is_empty() {
            format!("needs {}", rights(&need.rights))
        } else {
            format!("needs {} where {}", rights(&need.rights), conds(call, need.when))
        }
    };
    needs.iter().map(line).collect()
}

/// The name of an act, as words: `ChangeModeFd` is "change mode fd".
pub fn op(op: Op) -> String {
    let mut words = String::new();
    for c in format!("{op:?}").chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

/// Conditions that must all hold.
pub fn conds(call: &Call, conds: &[Cond]) -> String {
    conds.iter().map(|cond| self::cond(call, cond)).collect::<Vec<_>>().join(" and ")
}

const INT: u64 = 0xffff_ffff;
const AT_FDCWD: u64 = -100i32 as u32 as u64;

fn cond(call: &Call, cond: &Cond) -> String {
    let Cond { arg, mask, is, not } = *cond;
    let family = family(call, arg);
    let subject = family.subject.map_or_else(|| subject(call, arg), str::to_owned);
    let (are, have, lack) =
        if subject == "the flags" { ("are", "have", "lack") } else { ("is", "has", "lacks") };
    let negation = if not { "not " } else { "" };
    if let Some((_, name, values)) = family.fields.iter().find(|(field, _, _)| *field == mask) {
        let value = values.iter().find(|(value, _)| *value == is);
        let value = value.map_or_else(|| format!("{is:#o}"), |(_, name)| (*name).to_owned());
        return format!("{name} is {negation}{value}");
    }
    let pointer = matches!(
        call.args.get(arg as usize),
        Some(Arg::Path(_) | Arg::In | Arg::Out | Arg::InOut | Arg::Addr(_))
    );
    match (mask, is) {
        (INT, AT_FDCWD) if matches!(call.args.get(arg as usize), Some(Arg::Dir)) => {
            format!("{subject} is {negation}AT_FDCWD")
        }
        (u64::MAX, 0) if pointer => format!("{subject} is {negation}null"),
        (INT | u64::MAX, _) => {
            let name =
                family.values.iter().find(|(value, _)| *value == is).map(|(_, name)| (*name).to_owned());
            let number = if mask == INT { is as u32 as i32 as i64 } else { is as i64 };
            format!("{subject} is {negation}{}", name.unwrap_or_else(|| number.to_string()))
        }
        (_, 0) if mask.count_ones() > 32 => {
            format!("{subject} {are} {negation}nothing but {}", bits(&family, !mask, ", "))
        }
        (_, 0) if not => format!("{subject} {have} {}", bits(&family, mask, " or ")),
        (_, 0) => format!("{subject} {have} no {}", bits(&family, mask, " or ")),
        (_, _) if mask == is && not => format!("{subject} {lack} {}", bits(&family, mask, " or ")),
        (_, _) if mask == is => format!("{subject} {have} {}", bits(&family, mask, " and ")),
        _ => format!("{subject} & {mask:#x} is {negation}{is:#x}"),
    }
}

/// An argument as the subject of a sentence: "the flags", or "argument 2" where there are several of its kind.
fn subject(call: &Call, arg: u8) -> String {
    let Some(what) = call.args.get(arg as usize) else { return format!("argument {arg}") };
    let name = match what {
        Arg::Fd(_) => "the descriptor",
        Arg::Dir => "the directory",
        Arg::Path(_) => "the path",
        Arg::Pid => "the process",
        Arg::Flags => "the flags",
        Arg::Mode => "the mode",
        Arg::Command => "the command",
        Arg::Addr(_) => "the address",
        _ => return format!("argument {arg}"),
    };
    let alike = |other: &&Arg| std::mem::discriminant(*other) == std::mem::discriminant(what);
    if call.args.iter().filter(alike).count() > 1 { format!("argument {arg}") } else { name.into() }
}

/// The names of bits; those that have none as a number.
fn bits(family: &Family, mask: u64, join: &str) -> String {
    let mut rest = mask;
    let mut names = Vec::new();
    for (bits, name) in family.bits {
        if *bits & rest == *bits {
            names.push((*name).to_owned());
            rest &= !bits;
        }
    }
    if rest != 0 {
        let noun = if rest.is_power_of_two() { "bit" } else { "bits" };
        names.push(format!("{noun} {rest:#x}"));
    }
    names.join(join)
}

/// The kernel's names for what an argument may be.
struct Family {
    /// What it is called, where its kind does not say.
    subject: Option<&'static str>,
    /// Single bits, and several that go by one name before the single ones.
    bits: Names,
    /// Fields of more than one bit: mask, name, values.
    fields: &'static [(u64, &'static str, Names)],
    /// Whole values.
    values: Names,
}

type Names = &'static [(u64, &'static str)];

const NOTHING: Family = Family { subject: None, bits: &[], fields: &[], values: &[] };

fn family(call: &Call, arg: u8) -> Family {
    let kind = call.args.get(arg as usize);
    match (call.name, arg, kind) {
        (_, _, Some(Arg::Flags)) if call.op == Op::Open => OPEN,
        (_, _, Some(Arg::Mode)) if call.op == Op::MakeNode => NODE,
        (_, _, Some(Arg::Flags)) if call.op == Op::Rename => RENAME,
        ("mmap" | "mprotect" | "pkey_mprotect", 2, _) => PROT,
        ("mmap", 3, _) => MAP,
        ("clone" | "unshare", 0, _) => CLONE,
        ("socket" | "socketpair", 0 | 1, _) => SOCKET,
        ("waitid", 0, _) => Family { subject: Some("the kind of id"), values: &[(3, "P_PIDFD")], ..NOTHING },
        ("lseek", 2, _) => Family { subject: Some("whence"), values: &[(1, "SEEK_CUR")], ..NOTHING },
        ("pidfd_send_signal", 3, _) => Family { bits: &[(4, "PIDFD_SIGNAL_PROCESS_GROUP")], ..NOTHING },
        ("madvise", 2, _) => Family {
            subject: Some("the advice"),
            values: &[(100, "MADV_HWPOISON"), (101, "MADV_SOFT_OFFLINE")],
            ..NOTHING
        },
        ("setpgid", 1, _) => Family { subject: Some("the group"), ..NOTHING },
        ("fcntl", 2, _) => Family { subject: Some("the argument"), bits: &[(0o20000, "O_ASYNC")], ..NOTHING },
        ("getsockopt", 1, _) => {
            Family { subject: Some("the level"), values: &[(1, "SOL_SOCKET")], ..NOTHING }
        }
        ("getsockopt", 2, _) => {
            Family { subject: Some("the option"), values: &[(77, "SO_PEERPIDFD")], ..NOTHING }
        }
        _ => NOTHING,
    }
}

const OPEN: Family = Family {
    subject: None,
    bits: &[
        (0o4010000, "O_SYNC"),
        (0o100, "O_CREAT"),
        (0o200, "O_EXCL"),
        (0o1000, "O_TRUNC"),
        (0o2000, "O_APPEND"),
        (0o10000, "O_DSYNC"),
        (0o10000000, "O_PATH"),
        (0o20000000, "O_TMPFILE"),
    ],
    fields: &[(3, "the access mode", &[(0, "O_RDONLY"), (1, "O_WRONLY"), (2, "O_RDWR")])],
    values: &[],
};
const NODE: Family = Family {
    fields: &[(
        0o170000,
        "the file type",
        &[
            (0, "none"),
            (0o010000, "S_IFIFO"),
            (0o020000, "S_IFCHR"),
            (0o060000, "S_IFBLK"),
            (0o100000, "S_IFREG"),
            (0o140000, "S_IFSOCK"),
        ],
    )],
    ..NOTHING
};
const RENAME: Family =
    Family { bits: &[(1, "RENAME_NOREPLACE"), (2, "RENAME_EXCHANGE"), (4, "RENAME_WHITEOUT")], ..NOTHING };
const PROT: Family = Family {
    subject: Some("the protection"),
    bits: &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")],
    ..NOTHING
};
const MAP: Family = Family { bits: &[(1, "MAP_SHARED"), (0x20, "MAP_ANONYMOUS")], ..NOTHING };
const CLONE: Family = Family {
    bits: &[
        (0x7e02_0000, "CLONE_NEW…"),
        (0x100, "CLONE_VM"),
        (0x200, "CLONE_FS"),
        (0x400, "CLONE_FILES"),
        (0x800, "CLONE_SIGHAND"),
        (0x8000, "CLONE_PARENT"),
        (0x1_0000, "CLONE_THREAD"),
        (0x4_0000, "CLONE_SYSVSEM"),
    ],
    ..NOTHING
};
const SOCKET: Family = Family {
    subject: Some("the family"),
    fields: &[(
        0xf,
        "the type",
        &[(1, "SOCK_STREAM"), (2, "SOCK_DGRAM"), (3, "SOCK_RAW"), (5, "SOCK_SEQPACKET")],
    )],
    values: &[(1, "AF_UNIX"), (2, "AF_INET"), (10, "AF_INET6")],
    ..NOTHING
};
