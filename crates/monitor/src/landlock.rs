//! The second wall: a Landlock domain around everything that the monitor lets go on. Whatever a path in memory has
//! become by the time the kernel reads it, nothing is executed that is not held with CAP_FEXECVE, and nothing else is
//! opened, made, or connected to. Where Landlock can (Linux 6.12), no signal leaves the domain either.

use crate::errno::Errno;
use crate::features::Features;
use crate::held::Held;
use crate::sys::{self, RulesetAttr};
use rights::{Right, Rights};
use std::os::fd::{AsFd, OwnedFd};

const EXECUTE: u64 = 1;
const READ_FILE: u64 = 1 << 2;
/// TCP: bind and connect.
const NET: u64 = 0b11;
/// Abstract Unix sockets and signals.
const SCOPED: u64 = 0b11;

/// A domain, to be entered.
#[derive(Debug)]
pub struct Domain {
    ruleset: OwnedFd,
    /// Whether signals stay inside.
    pub confines_signals: bool,
}

impl Domain {
    /// For what is held. None: this kernel has no Landlock, or has it switched off.
    pub fn new(held: &Held, features: &Features) -> Result<Option<Domain>, Errno> {
        let abi = features.landlock;
        // Each version of the interface adds accesses, and then fields, to what a ruleset can handle.
        let bits = match abi {
            0 => return Ok(None),
            1 => 13,
            2 => 14,
            3 | 4 => 15,
            _ => 16,
        };
        let attr = RulesetAttr {
            fs: (1 << bits) - 1,
            net: if abi >= 4 { NET } else { 0 },
            scoped: if abi >= 6 { SCOPED } else { 0 },
        };
        let size = match abi {
            1..=3 => 8,
            4 | 5 => 16,
            _ => 24,
        };
        let ruleset = sys::landlock_ruleset(&attr, size)?;
        held.each_with(Rights::of(&[Right::FEXECVE]), &mut |executable| {
            sys::landlock_allow_beneath(ruleset.as_fd(), EXECUTE | READ_FILE, executable)
        })?;
        Ok(Some(Domain { ruleset, confines_signals: abi >= 6 }))
    }

    /// Puts this thread, and all that it starts, into it.
    pub fn enter(&self) -> Result<(), Errno> {
        sys::landlock_restrict_self(self.ruleset.as_fd())
    }
}
