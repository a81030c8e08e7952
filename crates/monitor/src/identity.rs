//! Whose identity an act is done with: the caller's. A monitor's thread has the identity that its process started
//! with; while it acts for a caller that has another, it takes that one's file system user and group, groups and
//! capabilities, and puts its own back afterwards.

use crate::errno::Errno;
use crate::features::Features;
use crate::lookup;
use crate::sys::{self, SignalSet};
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who a thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The real user, by which access(2) goes.
    uid: u32,
    euid: u32,
    suid: u32,
    fsuid: u32,
    egid: u32,
    fsgid: u32,
    groups: Vec<u32>,
    capabilities: u64,
}

/// What /proc/TID/status tells that the monitor needs.
#[derive(Debug, Clone)]
pub struct Status {
    /// The process.
    pub tgid: u32,
    /// Its parent.
    pub ppid: u32,
    /// Its umask.
    pub umask: u32,
    /// How many threads it has.
    pub threads: u32,
    /// For so many numbers its table of descriptors has room as it is.
    pub fd_size: u32,
    /// Its signals.
    pub signals: Signals,
    /// Its inheritable, permitted and effective capabilities.
    pub capabilities: [u64; 3],
    /// Who it is.
    pub identity: Identity,
}

/// The signals of a thread, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// Pending for the thread.
    own: SignalSet,
    /// Pending for its process: any of its threads may get them.
    shared: SignalSet,
    blocked: SignalSet,
    ignored: SignalSet,
    caught: SignalSet,
}

impl Signals {
    /// Without a handler these do nothing.
    const HARMLESS: SignalSet = sys::signal_bit(libc::SIGCHLD)
        | sys::signal_bit(libc::SIGCONT)
        | sys::signal_bit(libc::SIGURG)
        | sys::signal_bit(libc::SIGWINCH);

    /// Those pending that would interrupt a call, if the thread blocked `mask` for its time. None: those that it blocks.
    pub fn interrupting(&self, mask: Option<SignalSet>) -> SignalSet {
        let blocked = mask.unwrap_or(self.blocked);
        (self.own | self.shared) & !blocked & !self.ignored & (self.caught | !Signals::HARMLESS)
    }

    /// Those of them that no other thread can get.
    pub fn surely_interrupting(&self) -> SignalSet {
        self.interrupting(None) & self.own
    }

    /// Whether one is there that stops the process.
    pub fn stop(&self) -> bool {
        let stops = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
        let stops = stops.iter().fold(0, |set, &signal| set | sys::signal_bit(signal));
        self.interrupting(None) & stops & !self.caught != 0
    }

    /// Whether one of these has a handler.
    pub fn are_caught(&self, set: SignalSet) -> bool {
        set & self.caught != 0
    }
}

/// Whether /proc is no procfs of ours, as in a chroot.
static NO_PROC: AtomicBool = AtomicBool::new(false);

/// Looks whether /proc is a procfs, for what else may be there, others may have written; and that of our pid namespace,
/// for in another's our callers' numbers are strangers'.
pub fn look_for_proc(features: &Features) {
    let found = sys::open_path(c"/proc", libc::O_PATH | libc::O_DIRECTORY, 0)
        .and_then(|proc| lookup::is_in_procfs(proc.as_fd()))
        .unwrap_or(false);
    NO_PROC.store(!found || !is_own_namespace() || !features.proc, Ordering::SeqCst);
}

/// Whether a process's numbers begin with the one that it has in its own namespace: from the procfs's namespace on there is
/// one in each.
fn is_own_namespace() -> bool {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let numbers = text.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    numbers.split_whitespace().count() == 1
}

/// Whether /proc is a procfs.
pub fn has_proc() -> bool {
    !NO_PROC.load(Ordering::Relaxed)
}

/// Whether there is a thread of this number that has not ended.
pub fn is_running(tid: u32) -> bool {
    if !has_proc() {
        return sys::is_thread(tid);
    }
    let stat = std::fs::read(format!("/proc/{tid}/stat")).unwrap_or_default();
    split_stat(&stat).and_then(|(_, mut after)| after.next()).is_some_and(|state| !matches!(state, "Z" | "X"))
}

/// When a process, or a thread, was made: in ticks since the machine was started.
pub fn started(tid: u32) -> Option<u64> {
    if !has_proc() {
        return None;
    }
    let stat = std::fs::read(format!("/proc/{tid}/stat")).ok()?;
    // Behind the state, and eighteen numbers.
    split_stat(&stat)?.1.nth(19)?.parse().ok()
}

/// The name in a line of /proc/PID/stat, and what follows it: the state, the parent, the group, …
pub fn split_stat(stat: &[u8]) -> Option<(&[u8], impl Iterator<Item = &str>)> {
    // The name in parentheses may hold anything; what follows the last one does not.
    let start = stat.iter().position(|&byte| byte == b'(')? + 1;
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let after = std::str::from_utf8(&stat[end + 1..]).ok()?;
    Some((stat.get(start..end)?, after.split_whitespace()))
}

impl Status {
    /// Reads that of a thread.
    pub fn read(tid: u32) -> Result<Status, Errno> {
        if !has_proc() {
            return Err(Errno::NOENT);
        }
        let text = std::fs::read(format!("/proc/{tid}/status"))
            .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
        Ok(Status::parse(&text))
    }

    fn parse(text: &[u8]) -> Status {
        let mut status = Status {
            tgid: 0,
            ppid: 0,
            umask: 0o022,
            threads: 1,
            fd_size: 64,
            signals: Signals::default(),
            capabilities: [0; 3],
            identity: Identity {
                uid: 0,
                euid: 0,
                suid: 0,
                fsuid: 0,
                egid: 0,
                fsgid: 0,
                groups: Vec::new(),
                capabilities: 0,
            },
        };
        for line in text.split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let value = String::from_utf8_lossy(&line[colon + 1..]);
            let value = value.trim();
            let number = |index: usize| {
                value.split_whitespace().nth(index).and_then(|word| word.parse().ok()).unwrap_or(0)
            };
            let hex = || u64::from_str_radix(value, 16).unwrap_or(0);
            match &line[..colon] {
                b"Tgid" => status.tgid = number(0),
                b"PPid" => status.ppid = number(0),
                b"Umask" => status.umask = u32::from_str_radix(value, 8).unwrap_or(0o022),
                b"Threads" => status.threads = number(0),
                b"FDSize" => status.fd_size = number(0),
                b"Uid" => {
                    let who = &mut status.identity;
                    [who.uid, who.euid, who.suid, who.fsuid] = [0, 1, 2, 3].map(number);
                }
                b"Gid" => (status.identity.egid, status.identity.fsgid) = (number(1), number(3)),
                b"Groups" => {
                    status.identity.groups =
                        value.split_whitespace().filter_map(|word| word.parse().ok()).collect();
                }
                b"CapInh" => status.capabilities[0] = hex(),
                b"CapPrm" => status.capabilities[1] = hex(),
                b"CapEff" => {
                    status.capabilities[2] = hex();
                    status.identity.capabilities = hex();
                }
                b"SigPnd" => status.signals.own = hex(),
                b"ShdPnd" => status.signals.shared = hex(),
                b"SigBlk" => status.signals.blocked = hex(),
                b"SigIgn" => status.signals.ignored = hex(),
                b"SigCgt" => status.signals.caught = hex(),
                _ => {}
            }
        }
        status
    }
}

thread_local! {
    /// Whose identity this thread has taken, and its own.
    static TAKEN: RefCell<Option<(Identity, Identity)>> = const { RefCell::new(None) };
}

/// While it lives, the thread has another's identity.
#[must_use]
pub struct Assumed(());

impl Identity {
    /// This thread's. Not from procfs, which need not be there.
    pub fn own() -> Result<Identity, Errno> {
        let ([uid, euid, suid], egid) = sys::users()?;
        Ok(Identity {
            uid,
            euid,
            suid,
            fsuid: sys::fsuid(),
            egid,
            fsgid: sys::fsgid(),
            groups: sys::groups()?,
            capabilities: sys::capabilities()?.effective,
        })
    }

    /// Whether access(2), which goes by the real user, asks for the same as an access by the file system user.
    pub fn is_uniform(&self) -> bool {
        self.uid == self.fsuid
    }

    /// Whether a program that it starts may have another: capabilities go, or (root's) come, and users become one.
    pub fn is_changed_by_exec(&self) -> bool {
        let plain = self.uid == self.euid
            && self.euid == self.suid
            && self.euid == self.fsuid
            && self.egid == self.fsgid;
        !plain || (self.euid != 0 && self.capabilities != 0)
    }

    /// The real user.
    pub fn real_user(&self) -> u32 {
        self.uid
    }

    /// Whether it is this user's, and no other's that it could become again.
    pub fn is_only(&self, user: u32) -> bool {
        [self.uid, self.euid, self.suid] == [user; 3]
    }

    /// Whether files are made with this group.
    pub fn has_group(&self, group: u32) -> bool {
        self.fsgid == group
    }

    /// Whether it may send signals to a process of the other identity: kill(2)'s rule.
    pub fn may_signal(&self, other: &Identity) -> bool {
        const CAP_KILL: u64 = 1 << 5;
        let mine = [self.uid, self.euid];
        self.capabilities & CAP_KILL != 0 || mine.contains(&other.uid) || mine.contains(&other.suid)
    }

    /// Takes this identity on the calling thread, whose own is `own`.
    pub fn assume(&self, own: &Identity) -> Result<Option<Assumed>, Errno> {
        if self == own {
            return Ok(None);
        }
        // From here on the guard puts everything back, whatever fails.
        TAKEN.set(Some((self.clone(), own.clone())));
        let assumed = Assumed(());
        self.take(own)?;
        Ok(Some(assumed))
    }

    /// The effective and file system ids, groups and capabilities. The real and saved ids stay the monitor's: by them
    /// the thread gets back, and nobody whose identity it takes can signal it.
    fn take(&self, own: &Identity) -> Result<(), Errno> {
        if self.groups != own.groups {
            sys::setgroups(&self.groups)?;
        }
        if self.egid != own.egid {
            sys::set_effective_group(self.egid)?;
        }
        sys::setfsgid(self.fsgid);
        if self.euid != own.euid {
            sys::set_effective_user(self.euid)?;
        }
        sys::setfsuid(self.fsuid);
        sys::set_effective_capabilities(self.capabilities & own.capabilities)?;
        // These two do not tell whether they did.
        if (sys::fsuid(), sys::fsgid()) == (self.fsuid, self.fsgid) { Ok(()) } else { Err(Errno::PERM) }
    }

    /// Puts this identity, the thread's own, in the place of `other`.
    fn put_back(&self, other: &Identity) -> Result<(), Errno> {
        if self.euid != other.euid {
            sys::set_effective_user(self.euid)?;
        }
        // With the user come the capabilities that setting groups takes.
        sys::set_effective_capabilities(self.capabilities)?;
        sys::setfsuid(self.fsuid);
        if self.egid != other.egid {
            sys::set_effective_group(self.egid)?;
        }
        sys::setfsgid(self.fsgid);
        if self.groups != other.groups {
            sys::setgroups(&self.groups)?;
        }
        sys::set_effective_capabilities(self.capabilities)?;
        if (sys::fsuid(), sys::fsgid()) == (self.fsuid, self.fsgid) { Ok(()) } else { Err(Errno::PERM) }
    }
}

/// Does something with the monitor's own identity, which another process's memory and descriptors take.
pub fn as_monitor<R>(act: impl FnOnce() -> R) -> R {
    let taken = TAKEN.take();
    let Some((theirs, own)) = taken else { return act() };
    or_end(own.put_back(&theirs));
    let result = act();
    or_end(theirs.take(&own));
    TAKEN.set(Some((theirs, own)));
    result
}

impl Drop for Assumed {
    fn drop(&mut self) {
        if let Some((theirs, own)) = TAKEN.take() {
            or_end(own.put_back(&theirs));
        }
    }
}

/// A thread that is stuck with the wrong identity must serve nobody.
fn or_end(changed: Result<(), Errno>) {
    if changed.is_err() {
        eprintln!("pimento: the monitor cannot change its identity; it ends, and its processes fail closed");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_of_this_thread_tells_its_process_and_groups() {
        let status = Status::read(sys::gettid()).unwrap();
        assert_eq!(status.tgid, std::process::id());
        assert!(status.threads >= 1);
        assert_eq!(status.identity, Identity::own().unwrap(), "as the kernel tells it by itself");
    }

    #[test]
    fn pending_signals_interrupt_unless_blocked_or_ignored() {
        let text = b"SigPnd:\t0000000000000001\nShdPnd:\t0000000000010000\nSigBlk:\t0000000000000000\nSigIgn:\t0\nSigCgt:\t0\n";
        let signals = Status::parse(text).signals;
        assert_eq!(signals.interrupting(None), 1, "SIGHUP interrupts, an unhandled SIGCHLD does not");
        assert_eq!(signals.interrupting(Some(1)), 0, "blocked for the time of the call");
        let text = b"SigPnd:\t0000000000000001\nSigBlk:\t0000000000000001\n";
        let signals = Status::parse(text).signals;
        assert_eq!(signals.interrupting(None), 0);
        assert_eq!(signals.interrupting(Some(2)), 1, "let through for the time of the call");
    }

    #[test]
    fn a_signal_of_the_process_is_not_surely_the_threads() {
        let signals = Status::parse(b"SigPnd:\t1\nShdPnd:\t4\nSigCgt:\t4\n").signals;
        assert_eq!((signals.interrupting(None), signals.surely_interrupting()), (5, 1));
        assert!(signals.are_caught(4) && !signals.are_caught(1));
    }
}
