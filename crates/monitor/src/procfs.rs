//! procfs, where a path means something else for whoever resolves it: `self` would be the monitor, and the links
//! of a process's directory lead anywhere. So nothing here is followed by the kernel: a caller sees its own entries
//! and its kin's, of those that are harmless, and what the machine tells everyone, if /proc is held.

use crate::caller::Caller;
use crate::errno::Errno;
use crate::fail::Fail;
use crate::held::components;
use crate::identity::as_monitor;
use crate::lookup::Opened;
use crate::sys::{self, OpenHow};
use rights::{Right, Rights};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};

/// What a caller may do with its own entries, whatever is held.
pub const OWN: Rights = Rights::of(&[
    Right::LOOKUP,
    Right::FSTAT,
    Right::READ,
    Right::SEEK,
    Right::FSTATFS,
    Right::FCNTL,
    Right::EVENT,
]);

/// A process's own entries that tell nothing of others and change nothing.
const OWN_ENTRIES: &[&str] = &[
    "auxv",
    "cgroup",
    "cmdline",
    "comm",
    "coredump_filter",
    "cpuset",
    "environ",
    "gid_map",
    "io",
    "limits",
    "loginuid",
    "maps",
    "mountinfo",
    "mounts",
    "numa_maps",
    "oom_adj",
    "oom_score",
    "oom_score_adj",
    "personality",
    "sched",
    "schedstat",
    "sessionid",
    "setgroups",
    "smaps",
    "smaps_rollup",
    "stat",
    "statm",
    "status",
    "timerslack_ns",
    "uid_map",
    "wchan",
];

/// What the machine tells everyone, readable in the default set even where /proc is not held.
const MACHINE_ENTRIES: &[&str] = &[
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "stat",
    "uptime",
    "version",
    "sys/crypto/fips_enabled",
    "sys/kernel/cap_last_cap",
    "sys/kernel/hostname",
    "sys/kernel/ngroups_max",
    "sys/kernel/osrelease",
    "sys/kernel/ostype",
    "sys/kernel/pid_max",
    "sys/kernel/random/boot_id",
    "sys/kernel/random/uuid",
    "sys/kernel/threads-max",
    "sys/kernel/version",
    "sys/vm/max_map_count",
    "sys/vm/mmap_min_addr",
    "sys/vm/overcommit_memory",
    "sys/fs/pipe-max-size",
    "sys/kernel/seccomp/actions_avail",
];

/// Something of procfs.
pub enum Entry {
    /// A file or directory at this path beneath the mount, with what may be done with it.
    At { path: String, own: bool },
    /// A link with this text.
    Link { path: String, text: Vec<u8> },
    /// A descriptor of the caller's: `fd/N`.
    Descriptor { number: i32, path: String },
}

/// What a path within procfs leads to.
pub enum Resolved {
    /// This.
    Entry(Entry),
    /// An absolute path: it goes on from there.
    Elsewhere(Vec<u8>),
    /// The directory that the mount is in, and these components from there.
    Above(Vec<Vec<u8>>),
}

/// Resolves the components after the mount. With `keep`, a last link is not followed.
pub fn resolve(
    caller: &Caller,
    mount: BorrowedFd,
    rights: Rights,
    path: &[Vec<u8>],
    keep: bool,
    whole: &[u8],
) -> Result<Resolved, Fail> {
    // Up to a link out of procfs nothing on the way is one, so `..` can be taken by the letter.
    let mut names: Vec<&str> = Vec::new();
    for (index, name) in path.iter().enumerate() {
        if name == b".." && !leads_out(&names) {
            if names.pop().is_none() {
                return Ok(Resolved::Above(path[index + 1..].to_vec()));
            }
        } else {
            names.push(std::str::from_utf8(name).map_err(|_| Errno::NOENT)?);
        }
    }
    let entry = |entry| Ok(Resolved::Entry(entry));
    let (&head, rest) = match names.split_first() {
        None => return entry(Entry::At { path: ".".into(), own: false }),
        Some((&"mounts", [])) if !keep => (&"self", &["mounts"][..]),
        Some(split) => split,
    };
    let text = |text: String, path: &str| entry(Entry::Link { path: path.into(), text: text.into_bytes() });
    let (pid, rest) = match head {
        "self" if rest.is_empty() && keep => return text(caller.process().to_string(), head),
        "thread-self" if rest.is_empty() && keep => {
            return text(format!("{}/task/{}", caller.process(), caller.tid()), head);
        }
        "self" => (caller.process(), rest.to_vec()),
        "thread-self" => {
            let task = caller.tid().to_string();
            return own(caller, mount, caller.process(), &["task", &task], rest, keep, whole);
        }
        "net" if rights.contains(&OWN) => {
            let net = format!("{}/net", caller.process());
            return entry(Entry::At { path: beneath(&net, rest), own: false });
        }
        _ => match head.parse::<u32>() {
            Ok(pid) if pid == caller.process() || caller.is_kin(pid) => (pid, rest.to_vec()),
            Ok(_) => return Err(Fail::outside(whole)),
            Err(_) => {
                let path = names.join("/");
                let own = MACHINE_ENTRIES.iter().any(|open| {
                    *open == path || open.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/'))
                });
                if !own && !rights.contains(&OWN) {
                    return Err(Fail::outside(whole));
                }
                return entry(Entry::At { path, own });
            }
        },
    };
    own(caller, mount, pid, &[], &rest, keep, whole)
}

/// Whether a process's link, to its working directory or the like, is among the names: `..` behind it is not ours.
fn leads_out(names: &[&str]) -> bool {
    let entry = match names {
        [_, "task", _, entry @ ..] | [_, entry @ ..] => entry,
        [] => return false,
    };
    let process = names[0] == "self" || names[0] == "thread-self" || names[0].parse::<u32>().is_ok();
    process && matches!(entry, ["exe" | "cwd" | "root", ..] | ["fd", _, ..])
}

fn beneath(directory: &str, rest: &[&str]) -> String {
    rest.iter().fold(directory.to_owned(), |path, name| path + "/" + name)
}

/// An entry of a process's directory, or of that of one of its threads.
fn own(
    caller: &Caller,
    mount: BorrowedFd,
    pid: u32,
    task: &[&str],
    rest: &[&str],
    keep: bool,
    whole: &[u8],
) -> Result<Resolved, Fail> {
    let directory = beneath(&pid.to_string(), task);
    let at = |rest: &[&str]| Resolved::Entry(Entry::At { path: beneath(&directory, rest), own: true });
    let link = |name: &str| -> Result<Vec<u8>, Errno> {
        let path = CString::new(format!("{directory}/{name}")).map_err(|_| Errno::INVAL)?;
        if pid == caller.process() {
            return as_monitor(|| sys::link_text(mount, &path));
        }
        // Another's as far as the kernel lets the caller's user, and if it is still kin's.
        let text = sys::link_text(mount, &path)?;
        if caller.is_kin(pid) { Ok(text) } else { Err(Errno::NOENT) }
    };
    match rest {
        [] => Ok(at(rest)),
        [name @ ("exe" | "cwd" | "root"), more @ ..] => {
            let text = link(name)?;
            if more.is_empty() && keep {
                return Ok(Resolved::Entry(Entry::Link { path: format!("{directory}/{name}"), text }));
            }
            let mut path = text;
            for name in more {
                path.push(b'/');
                path.extend_from_slice(name.as_bytes());
            }
            Ok(Resolved::Elsewhere(path))
        }
        ["fd"] | ["fdinfo"] | ["fdinfo", _] => Ok(at(rest)),
        ["task"] if task.is_empty() => Ok(at(rest)),
        ["task", tid, more @ ..] if task.is_empty() && tid.parse::<u32>().is_ok() => {
            own(caller, mount, pid, &["task", tid], more, keep, whole)
        }
        ["fd", number, more @ ..] => {
            let number: i32 = number.parse().map_err(|_| Errno::NOENT)?;
            let path = format!("{directory}/fd/{number}");
            if more.is_empty() && keep {
                let text = link(&format!("fd/{number}"))?;
                return Ok(Resolved::Entry(Entry::Link { path, text }));
            }
            if pid != caller.process() {
                return Err(Fail::outside(whole));
            }
            if more.is_empty() {
                return Ok(Resolved::Entry(Entry::Descriptor { number, path }));
            }
            // A path through one's own directory descriptor: by its place, as any other.
            let mut path = link(&format!("fd/{number}"))?;
            for name in more {
                path.push(b'/');
                path.extend_from_slice(name.as_bytes());
            }
            Ok(Resolved::Elsewhere(path))
        }
        [name] if OWN_ENTRIES.contains(name) => Ok(at(rest)),
        _ => Err(Fail::outside(whole)),
    }
}

impl Entry {
    /// The text, if it is a link.
    pub fn text(&self, caller: &Caller, mount: BorrowedFd) -> Result<Vec<u8>, Errno> {
        match self {
            Entry::Link { text, .. } => Ok(text.clone()),
            Entry::Descriptor { path, .. } | Entry::At { path, .. } => {
                let path = CString::new(path.as_str()).map_err(|_| Errno::INVAL)?;
                let text = as_monitor(|| sys::link_text(mount, &path))?;
                caller.still_there()?;
                Ok(text)
            }
        }
    }

    /// Opens it.
    pub fn open(
        &self,
        caller: &Caller,
        mount: BorrowedFd,
        rights: Rights,
        flags: i32,
        needs: Rights,
        whole: &[u8],
    ) -> Result<Opened, Fail> {
        let path = match self {
            Entry::Descriptor { number, .. } => {
                let none = |errno| if errno == Errno::BADF { Errno::NOENT } else { errno };
                let (own, limits) = caller.limited(*number).map_err(none)?;
                if !limits.is_all() {
                    // It would be another descriptor, without the limits.
                    return Err(Fail::lacking(whole, needs));
                }
                if flags & libc::O_PATH == 0 {
                    let status = sys::fcntl(own.as_fd(), libc::F_GETFL, 0)? as i32;
                    let (has, wants) = (status & libc::O_ACCMODE, flags & libc::O_ACCMODE);
                    if status & libc::O_PATH == 0 && has != libc::O_RDWR && has != wants {
                        return Err(Errno::ACCES.into());
                    }
                    if flags & libc::O_DIRECTORY != 0
                        && sys::stat(own.as_fd())?.st_mode & libc::S_IFMT != libc::S_IFDIR
                    {
                        return Err(Errno::NOTDIR.into());
                    }
                }
                return Ok(Opened::Own(own));
            }
            Entry::At { path, own } => {
                let has = if *own { rights.union(&OWN) } else { rights };
                if !has.contains(&needs) {
                    return Err(Fail::lacking(whole, needs.difference(&has)));
                }
                path
            }
            Entry::Link { .. } if flags & libc::O_PATH == 0 => return Err(Errno::LOOP.into()),
            Entry::Link { path, .. } => path,
        };
        debug_assert!(components(path.as_bytes()).all(|name| name != b".."));
        let flags = (flags | libc::O_CLOEXEC) as u64;
        let mut how = OpenHow {
            flags,
            mode: 0,
            resolve: libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_XDEV,
        };
        if flags & (libc::O_CREAT as u64) != 0 {
            how.mode = 0o600;
        }
        let path = CString::new(path.as_str()).map_err(|_| Errno::INVAL)?;
        let fd = sys::openat2(mount, &path, &how)?;
        // Its process has not ended meanwhile and left its number to another.
        caller.still_there()?;
        Ok(Opened::New(fd))
    }
}
