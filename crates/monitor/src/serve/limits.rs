//! What a descriptor may be used for: checking it, and FreeBSD's calls that limit it and tell it.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::as_monitor;
use crate::inject::{self, Then};
use crate::listener::Answer;
use crate::sys;
use crate::tables::{Standing, State, lock};
use policy::Arg;
use rights::{FcntlRights, IOCTLS_MAX, IoctlLimit, Limits, Rights};
use std::os::fd::OwnedFd;

/// What `cap_ioctls_get(2)` says of a descriptor without a limit: FreeBSD's CAP_IOCTLS_ALL.
const IOCTLS_ALL: i64 = i64::MAX;
/// Version 0 of `cap_rights_t`, the only one.
const VERSION: i32 = 0;

/// A descriptor as the report calls it.
fn named(number: i32) -> String {
    format!("descriptor {number}")
}

impl From<rights::NotCapable> for Fail {
    fn from(_: rights::NotCapable) -> Fail {
        Fail::Errno(Errno::NOTCAPABLE)
    }
}

impl Service<'_> {
    /// A copy of the caller's descriptor and its limits, if these permit so much.
    pub(super) fn limited(&self, number: i32, needs: Rights) -> Result<(OwnedFd, Limits), Fail> {
        let (fd, limits) = self.caller.limited(number)?;
        let has = limits.rights();
        if !has.contains(&needs) {
            return Err(Fail::lacking(named(number), needs.difference(&has)));
        }
        self.permits_command(&limits, number)?;
        Ok((fd, limits))
    }

    /// A call that is decided by its descriptors' limits alone.
    pub(super) fn check_limits(&self) -> Served {
        let Some(mut files) = self.caller.files() else { return Ok(Answer::GoOn) };
        self.check_descriptors(&files)?;
        self.goes(&mut files);
        drop(files);
        Ok(Answer::GoOn)
    }

    /// Whether all descriptors of the call have the rights.
    pub(super) fn check_descriptors(&self, files: &State) -> Result<(), Fail> {
        let args = self.caller.args();
        for (index, arg) in self.call.args.iter().enumerate() {
            let (needs, number) = (self.call.needs(index, args), self.int(index));
            if !matches!(arg, Arg::Fd(_)) || !files.is_limited(number) {
                continue;
            }
            let limits = files.limits(number);
            let refused = if limits.rights().contains(&needs) {
                match self.permits_command(&limits, number) {
                    Ok(()) => continue,
                    Err(fail) => fail,
                }
            } else {
                Fail::lacking(named(number), needs.difference(&limits.rights()))
            };
            // It may have been closed when another program was started.
            self.caller.descriptor(number)?;
            return Err(refused);
        }
        Ok(())
    }

    /// Whether the descriptor takes the command that the call is about, if it is about one.
    fn permits_command(&self, limits: &Limits, number: i32) -> Result<(), Fail> {
        if self.call.first_fd().is_none_or(|at| self.int(at) != number) {
            return Ok(());
        }
        let permits = match self.call.namespace().map(|namespace| namespace.name) {
            Some("ioctl") => limits.ioctls().permits(self.arg(1) as u32),
            Some("fcntl") => {
                policy::fcntl_right(self.arg(1) as u32).is_none_or(|right| limits.fcntls().contains(right))
            }
            _ => true,
        };
        if permits { Ok(()) } else { Err(Fail::lacking(named(number), Rights::NONE)) }
    }

    /// The call is let go on: where the filter does not vouch for a number, nothing with fewer rights is to get it until the
    /// call has been seen to be over.
    pub(super) fn goes(&self, files: &mut State) {
        let tables = self.caller.processes().tables();
        for (index, arg) in self.call.args.iter().enumerate() {
            let number = self.int(index);
            if matches!(arg, Arg::Fd(_) | Arg::Dir) && number >= 0 && !tables.is_native(number) {
                files.goes(self.caller.tid(), number);
            }
        }
    }

    /// A pseudo system call. Under `pimento run` the program is in capability mode already, and what descriptors may be used
    /// for is `run`'s to say.
    pub(super) fn capsicum(&self) -> Served {
        match self.call.name {
            "cap_enter" => {
                self.caller.processes().tables().enters(self.caller.process());
                Ok(Answer::Value(0))
            }
            "cap_getmode" => {
                self.caller.write(self.arg(0), &u32::from(self.caller.is_entered()).to_ne_bytes())?;
                Ok(Answer::Value(0))
            }
            "cap_rights_limit" => {
                let words = self.caller.read_words(self.arg(1))?;
                let to = Rights::from_words(words).map_err(|_| Errno::INVAL)?;
                self.limit(|limits| Ok(limits.narrow_rights(to)?))
            }
            "cap_ioctls_limit" => {
                let commands = self.ioctl_list()?;
                self.limit(|limits| Ok(limits.narrow_ioctls(commands.clone())?))
            }
            "cap_fcntls_limit" => {
                let to = FcntlRights::from_bits(self.arg(1) as u32).ok_or(Errno::INVAL)?;
                self.limit(|limits| Ok(limits.narrow_fcntls(to)?))
            }
            "__cap_rights_get" => {
                if self.int(0) != VERSION {
                    return Err(Errno::INVAL.into());
                }
                let words = self.caller.limited(self.int(1))?.1.rights().words();
                self.caller.write(self.arg(2), words.map(u64::to_ne_bytes).as_flattened())?;
                Ok(Answer::Value(0))
            }
            "cap_ioctls_get" => self.tell_ioctls(),
            "cap_fcntls_get" => {
                let fcntls = self.caller.limited(self.int(0))?.1.fcntls();
                self.caller.write(self.arg(1), &fcntls.bits().to_ne_bytes())?;
                Ok(Answer::Value(0))
            }
            _ => Err(Errno::NOSYS.into()),
        }
    }

    /// A list of ioctl commands, an unsigned long each.
    fn ioctl_list(&self) -> Result<IoctlLimit, Fail> {
        let count = self.arg(2);
        if count > IOCTLS_MAX as u64 {
            return Err(Errno::INVAL.into());
        }
        let mut bytes = vec![0; count as usize * 8];
        self.caller.read(self.arg(1), &mut bytes)?;
        let (words, _) = bytes.as_chunks::<8>();
        let commands = words.iter().map(|word| u64::from_ne_bytes(*word) as u32);
        Ok(IoctlLimit::list(commands).map_err(|_| Errno::INVAL)?)
    }

    fn tell_ioctls(&self) -> Served {
        let (_, limits) = self.caller.limited(self.int(0))?;
        let Some(commands) = limits.ioctls().commands() else { return Ok(Answer::Value(IOCTLS_ALL)) };
        let room = self.arg(2).min(commands.len() as u64) as usize;
        let bytes: Vec<u8> =
            commands[..room].iter().flat_map(|&command| u64::from(command).to_ne_bytes()).collect();
        if !bytes.is_empty() {
            self.caller.write(self.arg(1), &bytes)?;
        }
        Ok(Answer::Value(commands.len() as i64))
    }

    /// Limits the descriptor that the call names. What the filter would let through on it beyond that, a further filter is
    /// to refuse: the caller itself is made to install it.
    fn limit(&self, narrow: impl Fn(&mut Limits) -> Result<(), Fail>) -> Served {
        let number = self.int(0);
        let mut asked = Limits::ALL;
        let (mut files, was, limits) = loop {
            let Some(files) = self.files_for(&asked)? else { return Err(Errno::NOSYS.into()) };
            self.caller.descriptor(number)?;
            if files.is_parked(number) {
                return Err(Errno::BADF.into());
            }
            let was = files.limits(number);
            let mut limits = was.clone();
            narrow(&mut limits)?;
            if limits == was {
                return Ok(Answer::Value(0));
            }
            if files.unread(&limits, self.caller.tid()).is_none() {
                break (files, was, limits);
            }
            asked = limits;
        };
        let tables = self.caller.processes().tables();
        if limits.contains(&tables.lets_through(&files, number)) {
            files.set(number, limits);
            return Ok(Answer::Value(0));
        }
        if files.is_being_copied() || !files.is_only_of(self.caller.process()) {
            return Err(Errno::BUSY.into());
        }
        // Not later than the filter is there.
        files.set(number, limits.clone());
        if let Err(errno) = self.narrow(&mut files, number, &limits, Then::Succeeds) {
            // What the filter refuses, should it be there, was the caller's own wish.
            files.set(number, was);
            return Err(errno.into());
        }
        Ok(Answer::Given)
    }

    /// Whether the threads of the caller's process have its table, and nobody else.
    pub(super) fn is_alone(&self) -> bool {
        self.caller.files().is_none_or(|files| files.is_only_of(self.caller.process()))
    }

    /// Has the caller, who is alone, put a further filter on a number, which lets no more through than these limits. It has its
    /// answer then.
    pub(super) fn narrow(
        &self,
        files: &mut State,
        number: i32,
        limits: &Limits,
        then: Then,
    ) -> Result<(), Errno> {
        // Who can write to the caller's memory could have another filter installed, and be let through by that.
        let is_sure = self.has_own_memory();
        self.use_up_low_numbers(files);
        let filter = filter::narrow(number as u32, limits);
        as_monitor(|| inject::filter(self.caller, &filter, then))?;
        files.narrow(number, limits, is_sure);
        Ok(())
    }

    /// Whether nobody but the caller can write to its memory.
    pub(super) fn has_own_memory(&self) -> bool {
        let process = self.caller.process();
        let shares = |standing: &Standing| !lock(&standing.mappings).is_only_of(process);
        !self.caller.standing().is_some_and(shares) && sys::threads(process).is_ok_and(|all| all.len() == 1)
    }
}
