//! The policy's own table: any call with any arguments under any profile, and what the programs cost.

use super::random::profile;
use super::reference::{expected, passes};
use crate::compile::numbers_matter;
use crate::{Action, Arch, Data, Insn, Profile, check, compile_for, constant, run};
use policy::{Arg, Call, Cond, Namespace, Resolved, Verdict};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rights::{Right, Rights};

pub const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

pub fn table() -> Vec<&'static Call> {
    policy::all().collect()
}

fn profiles() -> Vec<Profile> {
    let passes = vec![(0, Rights::ALL)];
    [(false, false), (false, true), (true, false), (true, true)]
        .map(|(hosted, audit)| Profile { hosted, audit, passes: passes.clone() })
        .to_vec()
}

/// The standard streams limited to what they are for.
fn limited_streams(hosted: bool) -> Profile {
    let reading = Rights::of(&[Right::READ, Right::FSTAT]);
    let writing = Rights::of(&[Right::WRITE, Right::FSTAT]);
    Profile { hosted, audit: false, passes: vec![(0, reading), (1, writing), (3, Rights::ALL)] }
}

/// What the call's own conditions and commands speak of, argument by argument.
fn speaks_of(call: &Call) -> [Vec<u64>; 6] {
    fn conds(conds: &[Cond], words: &mut [Vec<u64>; 6]) {
        for cond in conds {
            let around = [cond.is, cond.mask, !cond.mask, cond.is ^ (cond.mask & cond.mask.wrapping_neg())];
            words[cond.arg as usize].extend(around);
        }
    }
    fn verdict(verdict_: &Verdict, words: &mut [Vec<u64>; 6]) {
        match verdict_ {
            Verdict::When(rules, last) => {
                for rule in *rules {
                    conds(rule.when, words);
                    verdict(&rule.then, words);
                }
                verdict(last, words);
            }
            Verdict::Command(Namespace { key, commands, .. }) => {
                for command in *commands {
                    for (i, &arg) in key.iter().rev().enumerate() {
                        words[arg as usize].push(command.value >> (32 * i) & 0xffff_ffff);
                    }
                    verdict(&command.verdict, words);
                    command.hosted.iter().for_each(|hosted| verdict(hosted, words));
                }
            }
            _ => {}
        }
    }
    let mut words: [Vec<u64>; 6] = Default::default();
    verdict(&call.verdict, &mut words);
    call.hosted.iter().for_each(|hosted| verdict(hosted, &mut words));
    for arg in call.args {
        if let Arg::Fd(needs) | Arg::Path(needs) = arg {
            needs.iter().for_each(|need| conds(need.when, &mut words));
        }
    }
    words
}

/// A number: of the table, near it, or wild.
#[derive(Debug, Clone)]
pub enum Number {
    Row(Index),
    X32(Index),
    Any(u32),
}

/// An argument: one that the call speaks of, a small number, or anything; and perhaps with garbage above a C int.
#[derive(Debug, Clone)]
pub struct Word {
    spoken: Option<Index>,
    other: u64,
    garbage: u32,
}

pub fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        20 => any::<Index>().prop_map(Number::Row),
        1 => any::<Index>().prop_map(Number::X32),
        1 => (0u32..700).prop_map(Number::Any),
        1 => (0x4341_4ff0u32..0x4341_5020).prop_map(Number::Any),
        1 => any::<u32>().prop_map(Number::Any),
    ]
}

pub fn word() -> impl Strategy<Value = Word> {
    let other = prop_oneof![
        8 => 0u64..12,
        2 => select(vec![-1i32 as u32 as u64, -100i32 as u32 as u64, -100i64 as u64, u64::MAX, 0x8000_0000]),
        1 => any::<u64>(),
    ];
    let garbage = prop_oneof![4 => Just(0u32), 1 => Just(u32::MAX), 1 => any::<u32>()];
    (prop::option::of(any::<Index>()), other, garbage).prop_map(|(spoken, other, garbage)| Word {
        spoken,
        other,
        garbage,
    })
}

pub fn data(arch: Arch, number: &Number, words: &[Word; 6]) -> Data {
    let table = table();
    let row = |index: &Index| arch.number(table[index.index(table.len())]).unwrap_or(u32::MAX);
    let nr = match number {
        Number::Row(index) => row(index),
        Number::X32(index) => row(index) | 0x4000_0000,
        Number::Any(nr) => *nr,
    };
    let spoken = table.iter().find(|call| arch.number(call) == Some(nr)).map(|call| speaks_of(call));
    let args = std::array::from_fn(|i| {
        let Word { spoken: choice, other, garbage } = &words[i];
        let word = match (&spoken, choice) {
            (Some(spoken), Some(index)) if !spoken[i].is_empty() => spoken[i][index.index(spoken[i].len())],
            _ => *other,
        };
        word ^ u64::from(*garbage) << 32
    });
    Data { nr, arch: arch.audit(), ip: 0, args }
}

/// Whether what the descriptors let through covers what policy says that the call needs of them.
fn covered(call: &Call, profile: &Profile, args: &[u64; 6]) -> bool {
    call.args.iter().enumerate().all(|(i, arg)| {
        let needs = call.needs(i, args);
        match arg {
            Arg::Fd(_) => passes(profile, args[i] as u32).contains(&needs),
            _ => needs.is_empty(),
        }
    })
}

/// The property itself: sound, and exact.
fn agrees_with_policy(
    program: &[Insn],
    arch: Arch,
    profile: &Profile,
    data: &Data,
) -> Result<(), TestCaseError> {
    let action = run(program, data).action;
    let call = table().into_iter().find(|call| arch.number(call) == Some(data.nr));
    let name = call.map_or("unknown", |call| call.name);
    let Some(call) = call else {
        prop_assert!(
            action == Action::Errno(1094) || profile.audit && action == Action::Notify,
            "{:x?}",
            data
        );
        return Ok(());
    };
    let hosted = profile.hosted && !(numbers_matter(profile) && call.follows_numbers());
    let permitted: &[Action] = match policy::resolve(call, hosted, &data.args) {
        Resolved::Allow => &[Action::Allow],
        Resolved::Deny(1094) if profile.audit => &[Action::Notify],
        Resolved::Deny(errno) => &[Action::Errno(errno as u16)],
        Resolved::Ask => &[Action::Notify],
        Resolved::Descriptors if covered(call, profile, &data.args) => &[Action::Allow, Action::Notify],
        Resolved::Descriptors => &[Action::Notify],
    };
    prop_assert!(
        permitted.contains(&action),
        "{}: {:?} is none of {:?} for {:x?}",
        name,
        action,
        permitted,
        data
    );
    // The compiler's own promise is narrower: what the filter can know, it does not ask about.
    prop_assert_eq!(action, expected(arch, &table(), profile, data), "{}: {:x?}", name, data);
    Ok(())
}

proptest! {
    #[test]
    fn any_call_under_any_profile_is_decided_as_policy_resolves_it(
        profile in profile(),
        arch in select(&ARCHES[..]),
        attempts in prop::collection::vec((number(), prop::array::uniform6(word())), 200),
    ) {
        let program = compile_for(arch, &profile);
        prop_assert_eq!(check(&program), Ok(()));
        for (number, words) in &attempts {
            agrees_with_policy(&program, arch, &profile, &data(arch, number, words))?;
        }
    }

    #[test]
    fn a_call_of_another_architecture_is_refused(
        profile in profile(),
        nr in prop_oneof![0u32..600, any::<u32>()],
        foreign in prop_oneof![Just(0x4000_0003u32), Just(Arch::Aarch64.audit()), any::<u32>()],
        args in prop::array::uniform6(any::<u64>()),
    ) {
        prop_assume!(foreign != Arch::X86_64.audit());
        let program = compile_for(Arch::X86_64, &profile);
        let data = Data { nr, arch: foreign, ip: 0, args };
        prop_assert_eq!(run(&program, &data).action, Action::Errno(1094));
    }
}

#[test]
fn every_number_with_zero_arguments_is_decided_as_policy_resolves_it() {
    for arch in ARCHES {
        for profile in profiles().into_iter().chain([limited_streams(false), limited_streams(true)]) {
            let program = compile_for(arch, &profile);
            let pseudo = 0x4341_4ff0..0x4341_5020;
            let x32 = 0x4000_0000..0x4000_0258;
            for nr in (0..600).chain(pseudo).chain(x32).chain([u32::MAX, 0x7fff_ffff, 0x8000_0000]) {
                let data = Data { nr, arch: arch.audit(), ip: 0, args: [0; 6] };
                agrees_with_policy(&program, arch, &profile, &data).unwrap();
            }
        }
    }
}

#[test]
fn x32_and_unknown_numbers_are_refused_and_pseudo_calls_are_not() {
    for profile in profiles() {
        let program = compile_for(Arch::X86_64, &profile);
        let action = |nr| run(&program, &Data { nr, arch: Arch::X86_64.audit(), ..Data::default() }).action;
        assert_eq!(action(0x4000_0000 | 39), Action::Errno(1094), "x32 getpid");
        assert_eq!(action(1999), if profile.audit { Action::Notify } else { Action::Errno(1094) });
        assert_eq!(action(0x4341_5000), Action::Notify, "cap_enter");
        assert_eq!(action(0x4341_4fff), Action::Errno(1094));
        assert_eq!(action(435), Action::Errno(38), "clone3 does not exist, audit or not");
    }
}

#[test]
fn programs_are_short() {
    for arch in ARCHES {
        for profile in profiles().into_iter().chain([limited_streams(false), limited_streams(true)]) {
            let program = compile_for(arch, &profile);
            let Profile { hosted, audit, passes } = &profile;
            println!(
                "{arch:?} hosted {hosted} audit {audit} ranges {}: {} instructions",
                passes.len(),
                program.len()
            );
            assert_eq!(check(&program), Ok(()));
            assert!(program.len() <= 1200);
        }
    }
}

#[test]
fn more_limits_than_fit_let_less_through_and_no_more() {
    let rights = [Right::READ, Right::WRITE, Right::PREAD, Right::PWRITE, Right::FSTAT, Right::MMAP_RX];
    let ranges = |n: u32| {
        let set = |i: u32| Rights::of(&[rights[i as usize % 6], rights[(i * 7 / 3) as usize % 6]]);
        (0..n).map(|i| (i * 2, set(i))).chain([(2 * n, Rights::ALL)]).collect()
    };
    let profile = Profile { hosted: true, audit: false, passes: ranges(2000) };
    let program = compile_for(Arch::X86_64, &profile);
    assert_eq!(check(&program), Ok(()));
    for fd in 0..4100u64 {
        for call in table() {
            let Some(nr) = call.x86_64 else { continue };
            let data = Data { nr, arch: Arch::X86_64.audit(), ip: 0, args: [fd, 0, 0, 0, fd, 0] };
            let action = run(&program, &data).action;
            let exact = expected(Arch::X86_64, &[call], &profile, &data);
            assert!(
                action == exact || (action, exact) == (Action::Notify, Action::Allow),
                "{} {fd}",
                call.name
            );
            assert!(fd < 4000 || action == exact, "the last range stays exact: {} {fd}", call.name);
        }
    }
}

#[test]
fn calls_that_are_always_allowed_are_cached_by_number() {
    for hosted in [false, true] {
        let unlimited =
            compile_for(Arch::NATIVE, &Profile { hosted, audit: false, passes: vec![(0, Rights::ALL)] });
        let limited = compile_for(Arch::NATIVE, &limited_streams(hosted));
        let constant = |program: &[Insn], name| {
            constant(program, Arch::NATIVE, Arch::NATIVE.number(policy::by_name(name).unwrap()).unwrap())
        };
        for name in ["getppid", "sched_yield", "futex", "munmap"] {
            assert_eq!(constant(&unlimited, name), Some(Action::Allow), "{name}");
            assert_eq!(constant(&limited, name), Some(Action::Allow), "{name}");
        }
        // No descriptor is limited: no program is run for these.
        for name in ["read", "write", "pread64", "lseek"] {
            assert_eq!(constant(&unlimited, name), Some(Action::Allow), "{name}");
            assert_eq!(constant(&limited, name), None, "{name}");
        }
    }
}

#[test]
fn hot_calls_on_limited_descriptors_take_few_instructions() {
    for hosted in [false, true] {
        let program = compile_for(Arch::NATIVE, &limited_streams(hosted));
        let executed = |name: &str, fd: u64| {
            let nr = Arch::NATIVE.number(policy::by_name(name).unwrap()).unwrap();
            let run = run(&program, &Data::call(nr, [fd, 0, 0, 0, 0, 0]));
            assert_eq!(run.action, Action::Allow);
            println!("hosted {hosted} {name}({fd}): {} instructions", run.executed);
            run.executed
        };
        assert!(executed("read", 0) <= 8);
        assert!(executed("read", 3) <= 8);
        assert!(executed("write", 1) <= 8);
        assert!(executed("write", 3) <= 8);
        for name in ["lseek", "pread64", "pwrite64"] {
            assert!(executed(name, 3) <= 12);
        }
    }
}

/// What a process that entered by itself has: streams for what they are for, everything on what it opens, nothing on the
/// numbers that are kept for what the monitor limits. And with some numbers of their own between.
fn entered() -> [Profile; 2] {
    let of = |more: &[Right]| Rights::of(&[&[Right::SEEK, Right::FSTAT], more].concat());
    let (reading, writing) = (of(&[Right::READ]), of(&[Right::WRITE]));
    let plain = vec![(0, reading), (1, writing), (3, Rights::ALL), (256, Rights::NONE)];
    let singles = [
        (5, reading),
        (6, Rights::ALL),
        (9, Rights::NONE),
        (10, Rights::ALL),
        (17, writing),
        (18, Rights::ALL),
    ];
    let more = [&plain[..3], &singles, &plain[3..]].concat();
    [plain, more].map(|passes| Profile { hosted: false, audit: false, passes })
}

#[test]
fn hot_calls_of_a_process_that_entered_take_few_instructions() {
    for (profile, most) in entered().iter().zip([9, 11]) {
        let program = compile_for(Arch::NATIVE, profile);
        println!("{} ranges: {} instructions", profile.passes.len(), program.len());
        for (name, fd) in [
            ("read", 0),
            ("write", 1),
            ("read", 3),
            ("write", 4),
            ("fstat", 3),
            ("lseek", 3),
            ("pread64", 3),
            ("pwrite64", 3),
        ] {
            let nr = Arch::NATIVE.number(policy::by_name(name).unwrap()).unwrap();
            let run = run(&program, &Data::call(nr, [fd, 0, 0, 0, 0, 0]));
            assert_eq!(run.action, Action::Allow);
            println!("  {name}({fd}): {}", run.executed);
            if ["read", "write"].contains(&name) {
                assert!(run.executed <= most);
            }
        }
    }
}
