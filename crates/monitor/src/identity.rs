//! Whose identity an act is done with: the caller's. A monitor's thread has the identity that its process started
//! with; while it acts for a caller that has another, it takes that one's file system user and group, groups and
//! capabilities, and puts its own back afterwards.

use crate::errno::Errno;
use crate::sys;

/// Who a thread is, for the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    fsuid: u32,
    fsgid: u32,
    /// The real user, by which access(2) goes.
    uid: u32,
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
    /// Signals pending for the thread or its process that would interrupt a call.
    pub interrupting: u64,
    /// Who it is.
    pub identity: Identity,
}

impl Status {
    /// Reads that of a thread.
    pub fn read(tid: u32) -> Result<Status, Errno> {
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
            interrupting: 0,
            identity: Identity { fsuid: 0, fsgid: 0, uid: 0, groups: Vec::new(), capabilities: 0 },
        };
        let (mut pending, mut blocked, mut ignored, mut caught) = (0, 0, 0, 0);
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
                b"Uid" => (status.identity.uid, status.identity.fsuid) = (number(0), number(3)),
                b"Gid" => status.identity.fsgid = number(3),
                b"Groups" => {
                    status.identity.groups =
                        value.split_whitespace().filter_map(|word| word.parse().ok()).collect();
                }
                b"CapEff" => status.identity.capabilities = hex(),
                b"SigPnd" | b"ShdPnd" => pending |= hex(),
                b"SigBlk" => blocked = hex(),
                b"SigIgn" => ignored = hex(),
                b"SigCgt" => caught = hex(),
                _ => {}
            }
        }
        // Those with no handler whose default is to be ignored interrupt nothing.
        let ignored_by_default = [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH]
            .map(sys::signal_bit)
            .iter()
            .fold(0, |set, bit| set | bit);
        status.interrupting = pending & !blocked & !ignored & (caught | !ignored_by_default);
        status
    }
}

/// While it lives, the thread has another's identity.
#[must_use]
pub struct Assumed<'a> {
    own: &'a Identity,
}

impl Identity {
    /// This thread's.
    pub fn own() -> Result<Identity, Errno> {
        Ok(Status::read(sys::gettid())?.identity)
    }

    /// Whether access(2), which goes by the real user, asks for the same as an access by the file system user.
    pub fn is_uniform(&self) -> bool {
        self.uid == self.fsuid
    }

    /// The real user.
    pub fn real_user(&self) -> u32 {
        self.uid
    }

    /// Whether files are made with this group.
    pub fn has_group(&self, group: u32) -> bool {
        self.fsgid == group
    }

    /// Takes this identity. `own` is the one to go back to.
    pub fn assume<'a>(&self, own: &'a Identity) -> Result<Option<Assumed<'a>>, Errno> {
        if self == own {
            return Ok(None);
        }
        // From here on the guard puts everything back, whatever fails.
        let assumed = Assumed { own };
        if self.groups != own.groups {
            sys::setgroups(&self.groups)?;
        }
        sys::setfsgid(self.fsgid);
        // Moves the file capabilities out of the effective set if it leaves root.
        sys::setfsuid(self.fsuid);
        sys::set_effective_capabilities(self.capabilities & own.capabilities)?;
        Ok(Some(assumed))
    }
}

impl Drop for Assumed<'_> {
    fn drop(&mut self) {
        let restored = sys::set_effective_capabilities(self.own.capabilities);
        sys::setfsuid(self.own.fsuid);
        sys::setfsgid(self.own.fsgid);
        let groups = sys::setgroups(&self.own.groups);
        let capabilities = sys::set_effective_capabilities(self.own.capabilities);
        // A thread stuck in another's identity must serve nobody. setgroups may be refused where groups never differed.
        if restored.is_err() || capabilities.is_err() || (groups.is_err() && self.own.capabilities != 0) {
            eprintln!(
                "pimento: the monitor cannot take its identity back; ending, its processes fail closed"
            );
            std::process::abort();
        }
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
    }

    #[test]
    fn pending_signals_interrupt_unless_blocked_or_ignored() {
        let text = b"SigPnd:\t0000000000000001\nShdPnd:\t0000000000010000\nSigBlk:\t0000000000000000\nSigIgn:\t0\nSigCgt:\t0\n";
        assert_eq!(Status::parse(text).interrupting, 1, "SIGHUP interrupts, an unhandled SIGCHLD does not");
        let text = b"SigPnd:\t0000000000000001\nSigBlk:\t0000000000000001\n";
        assert_eq!(Status::parse(text).interrupting, 0);
    }
}
