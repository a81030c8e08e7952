//! What should become of a call, by walking the table as it is written. No graph, no search, no sharing.

use crate::compile::numbers_matter;
use crate::{Action, Arch, Data, Profile};
use policy::{Arg, Call, Command, Verdict};
use rights::{ECAPMODE, Limits, Rights};

/// What the program for this table and profile has to return.
pub fn expected(arch: Arch, calls: &[&Call], profile: &Profile, data: &Data) -> Action {
    let refused = Action::Errno(1094);
    if data.arch != arch.audit() {
        return refused;
    }
    match calls.iter().find(|call| arch.number(call) == Some(data.nr)) {
        Some(call) => {
            let verdict = column(call, profile, &call.verdict, &call.hosted);
            decide(call, verdict, Rights::NONE, profile, &data.args)
        }
        None if data.nr >= 0x4000_0000 => refused,
        None => denied(profile),
    }
}

/// The rights that the filter lets through on this number.
pub fn passes(profile: &Profile, number: u32) -> Rights {
    let covering = profile.passes.iter().rfind(|(from, _)| *from <= number);
    covering.map_or(Rights::NONE, |&(_, rights)| rights)
}

fn column<'a>(
    call: &Call,
    profile: &Profile,
    verdict: &'a Verdict,
    hosted: &'a Option<Verdict>,
) -> &'a Verdict {
    if profile.hosted && !(numbers_matter(profile) && call.follows_numbers()) {
        hosted.as_ref().unwrap_or(verdict)
    } else {
        verdict
    }
}

fn denied(profile: &Profile) -> Action {
    if profile.audit { Action::Notify } else { Action::Errno(1094) }
}

fn decide(call: &Call, verdict: &Verdict, extra: Rights, profile: &Profile, args: &[u64; 6]) -> Action {
    match verdict {
        Verdict::Allow => Action::Allow,
        Verdict::Deny(ECAPMODE) => denied(profile),
        Verdict::Deny(errno) => Action::Errno(*errno as u16),
        Verdict::Ask => Action::Notify,
        Verdict::When(rules, last) => {
            let rule = rules.iter().find(|rule| rule.when.iter().all(|cond| cond.holds(args)));
            decide(call, rule.map_or(last, |rule| &rule.then), extra, profile, args)
        }
        Verdict::Command(namespace) => {
            let value = namespace
                .key
                .iter()
                .fold(0u64, |value, &arg| value << 32 | u64::from(args[arg as usize] as u32));
            match namespace.commands.iter().find(|command| command.value == value) {
                Some(command) => {
                    let verdict = column(call, profile, &command.verdict, &command.hosted);
                    decide(call, verdict, command.needs, profile, args)
                }
                None => decide(call, &namespace.unknown, Rights::NONE, profile, args),
            }
        }
        Verdict::Descriptors => {
            let mut extra = extra;
            for (i, arg) in call.args.iter().enumerate() {
                let needs = match arg {
                    Arg::Fd(needs) => needs,
                    Arg::Dir | Arg::Path(_) => return Action::Notify,
                    _ => continue,
                };
                let mut needed = std::mem::replace(&mut extra, Rights::NONE);
                for need in needs.iter().filter(|need| need.when.iter().all(|cond| cond.holds(args))) {
                    needed = needed.union(&need.rights);
                }
                if !passes(profile, args[i] as u32).contains(&needed) {
                    return Action::Notify;
                }
            }
            if extra.is_empty() { Action::Allow } else { Action::Notify }
        }
    }
}

/// What the program that limits this descriptor further has to return.
pub fn narrowed(arch: Arch, calls: &[&Call], number: u32, to: &Limits, data: &Data) -> Action {
    let call = calls.iter().find(|call| arch.number(call) == Some(data.nr));
    match call {
        Some(call)
            if data.arch == arch.audit() && lacks(call, &call.verdict, None, number, to, &data.args) =>
        {
            Action::Errno(1093)
        }
        _ => Action::Allow,
    }
}

/// Whether these limits on this descriptor lack what the call needs on it.
fn lacks(
    call: &Call,
    verdict: &Verdict,
    command: Option<(u64, &Command)>,
    number: u32,
    to: &Limits,
    args: &[u64; 6],
) -> bool {
    match verdict {
        Verdict::Allow | Verdict::Deny(_) | Verdict::Ask => false,
        Verdict::When(rules, last) => {
            let rule = rules.iter().find(|rule| rule.when.iter().all(|cond| cond.holds(args)));
            lacks(call, rule.map_or(last, |rule| &rule.then), command, number, to, args)
        }
        Verdict::Command(namespace) => {
            let value = namespace.value(args);
            match namespace.find(value) {
                Some(command) => lacks(call, &command.verdict, Some((value, command)), number, to, args),
                None => lacks(call, &namespace.unknown, None, number, to, args),
            }
        }
        Verdict::Descriptors => {
            if call.args.iter().any(|arg| matches!(arg, Arg::Dir | Arg::Path(_))) {
                return false;
            }
            let first = call.args.iter().position(|arg| matches!(arg, Arg::Fd(_)));
            call.args.iter().enumerate().any(|(i, arg)| {
                let Arg::Fd(needs) = arg else { return false };
                if args[i] as u32 != number || number > i32::MAX as u32 {
                    return false;
                }
                let own = needs
                    .iter()
                    .filter(|need| need.when.iter().all(|cond| cond.holds(args)))
                    .any(|need| !to.rights().contains(&need.rights));
                let of_command = first == Some(i)
                    && command.is_some_and(|(value, command)| {
                        !to.rights().contains(&command.needs)
                            || command.fcntl.is_some_and(|right| !to.fcntls().contains(right))
                            || call.name == "ioctl" && !to.ioctls().permits(value as u32)
                    });
                own || of_command
            })
        }
    }
}
