//! The tables are well formed: what the types can't say.

use std::collections::HashSet;

use policy::{
    Arg, Call, Cond, FCNTL, IOCTL, Need, Op, PRCTL, SETSOCKOPT, Verdict, all, by_name, by_number_x86_64,
};
use policy::{Namespace, resolve};

const NAMESPACES: [&Namespace; 4] = [&IOCTL, &FCNTL, &PRCTL, &SETSOCKOPT];

/// The verdicts that a verdict can end in, commands not followed.
fn leaves(verdict: Verdict) -> Vec<Verdict> {
    match verdict {
        Verdict::When(rules, last) => rules.iter().map(|rule| rule.then).chain([*last]).collect(),
        verdict => vec![verdict],
    }
}

/// Every verdict that the call can end in, in either column, commands followed.
fn ends(call: &Call) -> Vec<Verdict> {
    let mut ends = Vec::new();
    for verdict in [Some(call.verdict), call.hosted].into_iter().flatten() {
        ends.extend(leaves(verdict));
    }
    for command in call.namespace().into_iter().flat_map(|namespace| namespace.commands) {
        for verdict in [Some(command.verdict), command.hosted].into_iter().flatten() {
            ends.extend(leaves(verdict));
        }
    }
    ends
}

fn asks(call: &Call) -> bool {
    ends(call).iter().any(|end| matches!(end, Verdict::Ask))
}

fn conditions(verdict: Verdict) -> Vec<Cond> {
    match verdict {
        Verdict::When(rules, _) => rules.iter().flat_map(|rule| rule.when).copied().collect(),
        _ => Vec::new(),
    }
}

fn needs(call: &Call) -> impl Iterator<Item = &'static Need> {
    call.args.iter().flat_map(|arg| match arg {
        Arg::Fd(needs) | Arg::Path(needs) | Arg::Addr(needs) => *needs,
        _ => &[],
    })
}

fn is_at_fdcwd(cond: &Cond) -> bool {
    !cond.not && cond.mask == 0xffff_ffff && cond.is == 0xffff_ff9c
}

#[test]
fn names_and_numbers_are_given_once() {
    let (mut names, mut x86_64, mut aarch64) = (HashSet::new(), HashSet::new(), HashSet::new());
    for call in all() {
        assert!(names.insert(call.name), "{} twice", call.name);
        assert!(call.x86_64.is_some() || call.aarch64.is_some(), "{} has no number", call.name);
        assert!(call.x86_64.is_none_or(|number| x86_64.insert(number)), "{}: number taken", call.name);
        assert!(call.aarch64.is_none_or(|number| aarch64.insert(number)), "{}: number taken", call.name);
    }
}

#[test]
fn a_call_is_found_by_its_name_and_number() {
    for call in all() {
        assert!(std::ptr::eq(by_name(call.name).unwrap(), call));
        if let Some(number) = call.x86_64 {
            assert!(std::ptr::eq(by_number_x86_64(number).unwrap(), call), "{}", call.name);
        }
    }
    for number in [337, 423, 471, 512, 0x4341_4fff, 0x4341_5010, 0x4000_0000, u32::MAX] {
        assert!(by_number_x86_64(number).is_none(), "{number}");
    }
}

#[test]
fn every_row_says_why() {
    let rows = all().map(|call| (call.name, call.why));
    let commands =
        NAMESPACES.iter().flat_map(|names| names.commands).map(|command| (command.name, command.why));
    for (name, why) in rows.chain(commands) {
        assert!(!why.is_empty() && !why.ends_with('.'), "{name}: {why:?}");
    }
}

#[test]
fn refusals_are_ecapmode_or_enosys() {
    for call in all() {
        for end in ends(call) {
            if let Verdict::Deny(errno) = end {
                assert!([rights::ECAPMODE, policy::ENOSYS].contains(&errno), "{}: {errno}", call.name);
            }
        }
    }
    for namespace in NAMESPACES {
        assert!(matches!(namespace.unknown, Verdict::Deny(rights::ECAPMODE)), "{}", namespace.name);
    }
}

#[test]
fn verdicts_do_not_nest() {
    for call in all() {
        for end in ends(call) {
            assert!(!matches!(end, Verdict::When(..)), "{}: When in When", call.name);
        }
        if let Verdict::When(..) = call.verdict {
            assert!(
                !leaves(call.verdict).iter().any(|end| matches!(end, Verdict::Command(_))),
                "{}",
                call.name
            );
        }
        assert!(
            call.hosted.is_none() || call.namespace().is_none(),
            "{}: the commands have columns",
            call.name
        );
    }
    for command in NAMESPACES.iter().flat_map(|names| names.commands) {
        for verdict in [Some(command.verdict), command.hosted].into_iter().flatten() {
            assert!(
                !leaves(verdict).iter().any(|end| matches!(end, Verdict::When(..) | Verdict::Command(_)))
            );
        }
    }
}

#[test]
fn hosted_is_given_only_where_it_differs() {
    for call in all() {
        if let Some(hosted) = call.hosted {
            assert_ne!(format!("{hosted:?}"), format!("{:?}", call.verdict), "{}", call.name);
        }
    }
    for command in NAMESPACES.iter().flat_map(|names| names.commands) {
        if let Some(hosted) = command.hosted {
            assert_ne!(format!("{hosted:?}"), format!("{:?}", command.verdict), "{}", command.name);
        }
    }
}

#[test]
fn conditions_are_about_arguments_that_can_carry_them() {
    for call in all() {
        assert!(call.args.len() <= 6, "{}", call.name);
        let verdicts = [Some(call.verdict), call.hosted].into_iter().flatten();
        let conds = verdicts
            .flat_map(conditions)
            .chain(needs(call).flat_map(|need| need.when).copied())
            .collect::<Vec<_>>();
        for cond in conds {
            let arg = call.args.get(cond.arg as usize);
            let arg = arg.unwrap_or_else(|| panic!("{}: no argument {}", call.name, cond.arg));
            let about_null = cond.mask == u64::MAX && cond.is == 0;
            let fits = match arg {
                Arg::In | Arg::Out | Arg::InOut | Arg::Addr(_) | Arg::Path(_) => about_null,
                Arg::Dir => is_at_fdcwd(&cond),
                Arg::Fd(_) | Arg::Pid | Arg::Flags | Arg::Mode | Arg::Int => !is_at_fdcwd(&cond),
                Arg::Command | Arg::Size => false,
            };
            assert!(fits, "{}: {cond:?} about {arg:?}", call.name);
            assert_eq!(cond.is & !cond.mask, 0, "{}: {cond:?} can never hold", call.name);
        }
    }
}

#[test]
fn a_path_follows_its_directory_and_needs_lookup() {
    for call in all() {
        for (index, arg) in call.args.iter().enumerate() {
            match arg {
                Arg::Dir => {
                    let is_path = matches!(call.args.get(index + 1), Some(Arg::Path(_)));
                    let is_address = matches!(call.args.get(index + 2), Some(Arg::Addr(_)));
                    assert!(is_path || is_address, "{}", call.name);
                }
                Arg::Addr(_) if !call.args.iter().any(|arg| matches!(arg, Arg::Dir)) => {}
                Arg::Path(_) | Arg::Addr(_) => {
                    let lookup = rights::Rights::of(&[rights::Right::LOOKUP]);
                    // A path that is there, and nothing else.
                    let mut args = [0; 6];
                    args[index] = 1;
                    assert!(call.needs(index, &args).contains(&lookup), "{} without CAP_LOOKUP", call.name);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_working_directory_is_a_global_name() {
    for call in all() {
        let dirs: Vec<_> = (0..call.args.len()).filter(|&arg| matches!(call.args[arg], Arg::Dir)).collect();
        let paths = call.args.iter().filter(|arg| matches!(arg, Arg::Path(_))).count();
        for &dir in &dirs {
            // Whatever the upper half of the register says: the kernel does not look at it.
            for upper in [0, 0xffff_ffff_0000_0000, 0x1234_5678_0000_0000] {
                let mut args = [3; 6];
                args[dir] = upper | 0xffff_ff9c;
                assert!(matches!(resolve(call, false, &args), policy::Resolved::Deny(_)), "{}", call.name);
            }
        }
        if paths > dirs.len() {
            assert!(
                matches!(call.verdict, Verdict::Deny(rights::ECAPMODE)),
                "{} takes a bare path",
                call.name
            );
        }
    }
}

#[test]
fn whoever_is_asked_knows_what_to_do() {
    for call in all() {
        let descriptors = ends(call).iter().any(|end| matches!(end, Verdict::Descriptors));
        if asks(call) {
            assert_ne!(call.op, Op::Check, "{}: asks for nothing", call.name);
        } else if call.op != Op::Capsicum {
            assert!(descriptors || call.op == Op::Check, "{}: {:?} is never asked for", call.name, call.op);
        }
    }
}

#[test]
fn descriptors_are_checked_for_something() {
    for call in all() {
        let Some(namespace) = call.namespace() else {
            if ends(call).iter().any(|end| matches!(end, Verdict::Descriptors)) {
                let fds = call.args.iter().any(|arg| matches!(arg, Arg::Fd(needs) if !needs.is_empty()));
                assert!(fds, "{}: no descriptor to check", call.name);
            }
            continue;
        };
        let own = call.first_fd().map(|arg| call.needs(arg, &[0; 6]));
        for command in namespace.commands {
            let any = own.is_some_and(|own| !own.is_empty()) || !command.needs.is_empty();
            assert!(own.is_some() || command.needs.is_empty(), "{}: needs on no descriptor", command.name);
            for end in leaves(command.verdict).into_iter().chain(command.hosted.into_iter().flat_map(leaves))
            {
                match end {
                    Verdict::Allow => assert!(!any, "{} goes through unchecked", command.name),
                    Verdict::Descriptors => assert!(any, "{}: nothing to check", command.name),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_pid_is_never_let_through_unseen() {
    // In capability mode. 1 is somebody else, whatever the call.
    for call in all() {
        let Some(pid) = call.args.iter().position(|arg| matches!(arg, Arg::Pid)) else { continue };
        for first in 0..4 {
            let mut args = [0; 6];
            args[0] = first;
            args[pid] = 1;
            let resolved = resolve(call, false, &args);
            assert!(matches!(resolved, policy::Resolved::Deny(_) | policy::Resolved::Ask), "{}", call.name);
        }
    }
}

#[test]
fn what_fcntls_can_be_limited_to_needs_cap_fcntl() {
    let cap_fcntl = rights::Rights::of(&[rights::Right::FCNTL]);
    for namespace in NAMESPACES {
        for command in namespace.commands.iter().filter(|command| command.fcntl.is_some()) {
            assert_eq!(namespace.name, "fcntl", "{}", command.name);
            assert!(command.needs.contains(&cap_fcntl), "{}", command.name);
        }
    }
}

#[test]
fn commands_are_told_apart() {
    for namespace in NAMESPACES {
        let (mut names, mut values) = (HashSet::new(), HashSet::new());
        for command in namespace.commands {
            assert!(names.insert(command.name), "{} twice", command.name);
            assert!(values.insert(command.value), "{}: value taken", command.name);
            assert!(command.value >> (32 * namespace.key.len() as u32).min(63) == 0, "{}", command.name);
        }
        let call = by_name(namespace.name).unwrap();
        assert!(std::ptr::eq(call.namespace().unwrap(), namespace));
        for &arg in namespace.key {
            assert!(matches!(call.args[arg as usize], Arg::Command), "{}", call.name);
        }
        for command in namespace.commands {
            for cond in conditions(command.verdict).iter().chain(&command.hosted.map_or(vec![], conditions)) {
                assert!((cond.arg as usize) < call.args.len(), "{}", command.name);
                assert!(!namespace.key.contains(&cond.arg), "{}: conditions on itself", command.name);
            }
        }
    }
}
