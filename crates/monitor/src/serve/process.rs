//! Signals and other processes, by number. A number names the caller, its threads, or its kin: the processes that
//! descend from the same start. Kin can be signalled and asked about, not changed.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::{Status, as_monitor};
use crate::listener::Answer;
use crate::sys;
use policy::{Arg, Op};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// As the kernel, after it has looked for the process.
fn is_signal(number: i32) -> Result<(), Errno> {
    if (0..=64).contains(&number) { Ok(()) } else { Err(Errno::INVAL) }
}

impl Service<'_> {
    /// Not the caller's kin. Of its own that has ended it is told so, as wait and kill go together; of others nothing.
    fn stranger(&self, pid: i32) -> Fail {
        if pid > 0 && self.caller.processes().has_ended(pid as u32) {
            return Errno::SRCH.into();
        }
        Fail::outside(format!("process {pid}"))
    }

    pub(super) fn kill(&self) -> Served {
        let (pid, signal) = (self.int(0), self.int(1));
        if pid == self.caller.process() as i32 {
            return Ok(Answer::GoOn);
        }
        match pid {
            1.. => {
                let kin = self.caller.kin(pid as u32).ok_or_else(|| self.stranger(pid))?;
                is_signal(signal)?;
                if self.guard.signals_confined {
                    // Should the number pass to a stranger meanwhile, Landlock keeps the signal from it.
                    return Ok(Answer::GoOn);
                }
                self.signal(pid as u32, kin.as_fd(), signal)?;
                Ok(Answer::Value(0))
            }
            _ => self.kill_group(pid, signal),
        }
    }

    fn signal(&self, pid: u32, process: BorrowedFd, signal: i32) -> Result<(), Fail> {
        let mine = self.caller.status()?.identity;
        if !mine.may_signal(&Status::read(pid)?.identity) {
            return Err(Errno::PERM.into());
        }
        let sender = (signal != 0).then_some((self.caller.process(), mine.real_user()));
        Ok(as_monitor(|| sys::pidfd_signal(process, signal, sender))?)
    }

    /// 0: the caller's group; -1: everyone it may signal; else the group of that number. Those outside of it stay
    /// out of it.
    fn kill_group(&self, pid: i32, signal: i32) -> Served {
        let group = match pid {
            0 => Some(sys::getpgid(self.caller.process())?),
            -1 => None,
            group => Some(group.unsigned_abs() as usize),
        };
        let mut members = Vec::new();
        for entry in std::fs::read_dir("/proc").map_err(|_| Errno::SRCH)?.flatten() {
            let Some(member) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let is_meant = match group {
                Some(group) => sys::getpgid(member) == Ok(group),
                None => member != self.caller.process(),
            };
            if is_meant && let Some(kin) = self.caller.kin(member) {
                members.push((member, kin));
            }
        }
        if members.is_empty() {
            return Err(self.stranger(pid));
        }
        is_signal(signal)?;
        if self.guard.signals_confined {
            return Ok(Answer::GoOn);
        }
        for (pid, member) in &members {
            // One that has ended, or belongs to another user, keeps the signal from nobody else.
            if let Err(Fail::Gone) = self.signal(*pid, member.as_fd(), signal) {
                return Err(Fail::Gone);
            }
        }
        Ok(Answer::Value(0))
    }

    /// A signal to a process or thread by number goes on if it is the caller's own, or kin and confined.
    pub(super) fn kill_thread(&self) -> Served {
        let pid = self.int(0);
        let confined = self.guard.signals_confined && pid > 0 && self.caller.is_kin(pid as u32);
        // These two live for as long as the call does.
        let safe = [self.caller.process() as i32, self.caller.tid() as i32].contains(&pid);
        if confined || safe && (self.call.op == Op::KillTask || pid == self.caller.process() as i32) {
            Ok(Answer::GoOn)
        } else if !self.is_own(pid) {
            Err(self.stranger(pid))
        } else if self.guard.signals_confined {
            Ok(Answer::GoOn)
        } else if self.call.op == Op::KillThread {
            // No process has a number that is a thread's; should that end, one might.
            Err(Errno::SRCH.into())
        } else {
            self.kill_own_thread(pid as u32)
        }
    }

    /// Another thread of the caller's might end, and its number pass to a stranger, before the kernel looks: so the signal
    /// goes to it and no other.
    fn kill_own_thread(&self, tid: u32) -> Served {
        let signal = self.int(1);
        is_signal(signal)?;
        let thread = match as_monitor(|| sys::pidfd_open_thread(tid)) {
            // A kernel without descriptors of threads.
            Err(Errno::INVAL) => {
                sys::signal_thread(self.caller.process(), tid, signal);
                return Ok(Answer::Value(0));
            }
            opened => opened?,
        };
        if !sys::is_thread_of(self.caller.process(), tid) {
            return Err(Errno::SRCH.into());
        }
        // Of one's own process one may signal every thread, whoever it is.
        let sender =
            (signal != 0).then_some((self.caller.process(), self.caller.status()?.identity.real_user()));
        as_monitor(|| sys::pidfd_signal(thread.as_fd(), signal, sender))?;
        Ok(Answer::Value(0))
    }

    /// By descriptor, on a copy: a number can be given to another descriptor once this one has been looked at. Whoever
    /// holds one of a process may signal it, but for the monitor: of that a message that it has sent can bring one.
    pub(super) fn signal_fd(&self) -> Served {
        let (signal, flags) = (self.int(1), self.arg(3) as u32);
        let process = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        // PIDFD_SIGNAL_THREAD and PIDFD_SIGNAL_THREAD_GROUP, of which there can be one.
        if flags > 2 {
            return Err(Errno::INVAL.into());
        }
        let told =
            as_monitor(|| std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())))
                .map_err(|_| Errno::SRCH)?;
        let pid: i32 = told
            .lines()
            .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
            .ok_or(Errno::BADF)?;
        if pid <= 0 {
            // It has ended, or is out of sight.
            return Err(Errno::SRCH.into());
        }
        if sys::is_thread_of(std::process::id(), pid as u32) {
            return Err(Fail::outside(format!("process {pid}")));
        }
        is_signal(signal)?;
        let mine = self.caller.status()?.identity;
        if !mine.may_signal(&Status::read(pid as u32)?.identity) {
            return Err(Errno::PERM.into());
        }
        let mut info = [0; 128];
        if self.arg(2) == 0 {
            info = sys::signal_info(signal, self.caller.process(), mine.real_user());
        } else {
            self.caller.read(self.arg(2), &mut info)?;
        }
        as_monitor(|| sys::pidfd_signal_with(process.as_fd(), signal, &info, flags))?;
        Ok(Answer::Value(0))
    }

    /// Whether it is the caller's process or one of its threads.
    fn is_own(&self, pid: i32) -> bool {
        let process = self.caller.process();
        pid > 0 && (pid as u32 == process || sys::is_thread_of(process, pid as u32))
    }

    pub(super) fn of_process(&self) -> Served {
        let mut named =
            self.call.args.iter().enumerate().filter(|(_, arg)| matches!(arg, Arg::Pid)).map(|(at, _)| at);
        let pid = self.int(named.next().ok_or(Errno::NOSYS)?);
        // The group that setpgid is to put it in.
        if let Some(other) =
            named.map(|at| self.int(at)).find(|&pid| pid != 0 && pid != self.caller.process() as i32)
        {
            return Err(self.stranger(other));
        }
        if pid == 0 || self.is_own(pid) {
            return Ok(Answer::GoOn);
        }
        if self.only_asks() && pid > 0 && self.caller.is_kin(pid as u32) {
            return Ok(Answer::GoOn);
        }
        Err(self.stranger(pid))
    }

    /// Whether the call changes nothing of the process that it names: then it is harmless should that have ended
    /// and its number be another's.
    fn only_asks(&self) -> bool {
        // prlimit64's new limit, where there is none.
        let mut new = self.call.args.iter().enumerate().filter(|(_, arg)| matches!(arg, Arg::In));
        self.call.op == Op::AboutProcess || new.any(|(at, _)| self.arg(at) == 0)
    }

    pub(super) fn open_process(&self) -> Served {
        let (pid, flags) = (self.int(0), self.arg(1) as i32);
        if flags & !libc::O_NONBLOCK != 0 || pid <= 0 {
            return Err(Errno::INVAL.into());
        }
        let kin = self.caller.kin(pid as u32).ok_or_else(|| self.stranger(pid))?;
        if flags != 0 {
            sys::fcntl(kin.as_fd(), libc::F_SETFL, flags as u64)?;
        }
        Ok(Answer::Value(self.caller.install(&kin, true)? as i64))
    }

    /// The header has a version and a pid, the data a triple of 32-bit sets for each 32 capabilities.
    pub(super) fn capabilities(&self) -> Served {
        const VERSIONS: [(u32, usize); 3] = [(0x1998_0330, 1), (0x2007_1026, 2), (0x2008_0522, 2)];
        let [header]: [u64; 1] = self.caller.read_words(self.arg(0))?;
        let (version, pid) = (header as u32, (header >> 32) as i32);
        let data = self.arg(1);
        let Some((_, words)) = VERSIONS.into_iter().find(|(known, _)| *known == version) else {
            // Told the version that it should speak, which is no error if that was all it asked.
            self.caller.write(self.arg(0), &VERSIONS[2].0.to_ne_bytes())?;
            return if data == 0 { Ok(Answer::Value(0)) } else { Err(Errno::INVAL.into()) };
        };
        if pid < 0 {
            return Err(Errno::INVAL.into());
        }
        let status = if pid == 0 || pid as u32 == self.caller.tid() {
            self.caller.status()?
        } else if self.is_own(pid) || self.caller.is_kin(pid as u32) {
            Status::read(pid as u32)?
        } else {
            return Err(self.stranger(pid));
        };
        if data == 0 {
            return Ok(Answer::Value(0));
        }
        let [inheritable, permitted, effective] = status.capabilities;
        let bytes: Vec<u8> = (0..words)
            .flat_map(|word| [effective, permitted, inheritable].map(|set| (set >> (32 * word)) as u32))
            .flat_map(u32::to_ne_bytes)
            .collect();
        self.caller.write(data, &bytes)?;
        Ok(Answer::Value(0))
    }

    pub(super) fn split_directories(&self) -> Served {
        self.caller.splits_directories();
        Ok(Answer::GoOn)
    }

    pub(super) fn credentials(&self) -> Served {
        self.caller.changes_credentials();
        Ok(Answer::GoOn)
    }
}
