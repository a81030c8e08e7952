//! What the table means: what becomes of a call with these arguments, and the rights that it needs. The filter is
//! tested against this, and the monitor decides by it.

use crate::{Arg, Call, Command, Namespace, Need, Op, Verdict};
use rights::Rights;

/// What becomes of a call with given arguments: [`Verdict`] with its conditions and commands worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolved {
    /// It goes through.
    Allow,
    /// It fails with this errno.
    Deny(i32),
    /// It goes through if each descriptor carries what [`Call::needs`] says of its argument, else ENOTCAPABLE.
    Descriptors,
    /// The monitor is asked.
    Ask,
}

/// What becomes of this call with these arguments.
pub fn resolve(call: &Call, hosted: bool, args: &[u64; 6]) -> Resolved {
    resolve_verdict(call.in_column(hosted), hosted, args)
}

fn resolve_verdict(verdict: Verdict, hosted: bool, args: &[u64; 6]) -> Resolved {
    match verdict {
        Verdict::Allow => Resolved::Allow,
        Verdict::Deny(errno) => Resolved::Deny(errno),
        Verdict::Descriptors => Resolved::Descriptors,
        Verdict::Ask => Resolved::Ask,
        // The tables nest no `When` in a `When` and no `Command` in a `Command`, so this ends.
        Verdict::When(rules, last) => {
            let rule = rules.iter().find(|rule| rule.when.iter().all(|cond| cond.holds(args)));
            resolve_verdict(rule.map_or(*last, |rule| rule.then), hosted, args)
        }
        Verdict::Command(namespace) => {
            let verdict = match namespace.find(namespace.value(args)) {
                Some(command) => command.in_column(hosted),
                None => namespace.unknown,
            };
            resolve_verdict(verdict, hosted, args)
        }
    }
}

/// The union of the needs that apply.
pub(crate) const fn union_of(needs: &[Need], args: &[u64; 6]) -> Rights {
    let mut rights = Rights::NONE;
    let mut i = 0;
    while i < needs.len() {
        let mut applies = true;
        let mut j = 0;
        while j < needs[i].when.len() {
            applies = applies && needs[i].when[j].holds(args);
            j += 1;
        }
        if applies {
            rights = rights.union(&needs[i].rights);
        }
        i += 1;
    }
    rights
}

impl Call {
    /// Whether it changes which limits belong to which number, or names descriptors in memory: what a monitor that keeps
    /// limits by number has to be asked about, also under `pimento run`.
    pub const fn follows_numbers(&self) -> bool {
        matches!(
            self.op,
            Op::Close
                | Op::CloseRange
                | Op::Dup
                | Op::DupTo
                | Op::Fcntl
                | Op::Accept
                | Op::Poll
                | Op::Select
                | Op::Fork
                | Op::Unshare
                | Op::ReceiveMessage
                | Op::ReceiveMessages
                | Op::SubmitIo
                | Op::Map
                | Op::Protect
                | Op::Remap
                | Op::Punch
        )
    }

    /// The verdict of one column: capability mode, or hosted.
    pub const fn in_column(&self, hosted: bool) -> Verdict {
        match self.hosted {
            Some(verdict) if hosted => verdict,
            _ => self.verdict,
        }
    }

    /// The namespace of the commands behind it, if it is such a call.
    pub const fn namespace(&self) -> Option<&'static Namespace> {
        match self.verdict {
            Verdict::Command(namespace) => Some(namespace),
            _ => None,
        }
    }

    /// Which of its arguments is its first [`Arg::Fd`]: the one that a command's own needs are about.
    pub fn first_fd(&self) -> Option<usize> {
        self.args.iter().position(|arg| matches!(arg, Arg::Fd(_)))
    }

    /// The rights that this argument needs in a call with these arguments: an [`Arg::Fd`] on the descriptor itself,
    /// an [`Arg::Path`] or [`Arg::Addr`] on the directory that it starts from; no rights for every other kind. What a command of a
    /// namespace needs is included, on the first descriptor. Without any needs that apply, a descriptor argument
    /// is not looked at: it may be no descriptor at all (mmap's with MAP_ANONYMOUS).
    pub fn needs(&self, arg: usize, args: &[u64; 6]) -> Rights {
        let own = match self.args.get(arg) {
            Some(Arg::Fd(needs) | Arg::Path(needs) | Arg::Addr(needs)) => union_of(needs, args),
            _ => Rights::NONE,
        };
        match self.namespace() {
            Some(namespace) if self.first_fd() == Some(arg) => {
                namespace.find(namespace.value(args)).map_or(own, |command| own.union(&command.needs))
            }
            _ => own,
        }
    }
}

impl Command {
    /// The verdict of one column: capability mode, or hosted.
    pub const fn in_column(&self, hosted: bool) -> Verdict {
        match self.hosted {
            Some(verdict) if hosted => verdict,
            _ => self.verdict,
        }
    }
}

impl Namespace {
    /// The value of the command in a call's arguments.
    pub fn value(&self, args: &[u64; 6]) -> u64 {
        self.key.iter().fold(0, |value, &arg| value << 32 | args[arg as usize] & 0xffff_ffff)
    }

    /// The command of this value.
    pub fn find(&self, value: u64) -> Option<&Command> {
        self.commands.iter().find(|command| command.value == value)
    }
}
