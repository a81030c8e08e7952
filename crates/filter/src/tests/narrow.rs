//! The program that limits one descriptor further, alone and on top of the other.

use super::random;
use super::real::{ARCHES, Number, Word, data, number, table, word};
use super::reference::narrowed;
use crate::narrow::narrow_table;
use crate::{
    Action, Arch, Data, Insn, Profile, check, compile, compile_for, constant, narrow, narrow_for, run,
};
use policy::{Arg, Call, Resolved};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rights::{FcntlRights, IoctlLimit, Limits, Right, Rights};

/// What the kernel makes of the answers of two filters: the stricter.
fn stricter(one: Action, other: Action) -> Action {
    let rank = |action| match action {
        Action::KillProcess => 0,
        Action::Errno(_) => 1,
        Action::Notify => 2,
        Action::Allow => 3,
        Action::Other(value) => panic!("{value:#x}"),
    };
    if rank(one) <= rank(other) { one } else { other }
}

/// Whether policy says that the descriptor with these limits carries what the call needs of it.
fn permits(call: &Call, fd: u32, to: &Limits, args: &[u64; 6]) -> bool {
    let first = call.first_fd();
    call.args.iter().enumerate().all(|(i, arg)| {
        if !matches!(arg, Arg::Fd(_)) || args[i] as u32 != fd {
            return true;
        }
        let command = args[1] as u32;
        let listed = match call.name {
            "ioctl" => to.ioctls().permits(command),
            "fcntl" => policy::fcntl_right(command).is_none_or(|right| to.fcntls().contains(right)),
            _ => true,
        };
        to.rights().contains(&call.needs(i, args)) && (first != Some(i) || listed)
    })
}

/// A call that more often than not is about this descriptor.
fn aimed(arch: Arch, fd: u32, number: &Number, words: &[Word; 6], at: &[Option<Index>; 2]) -> Data {
    let mut data = data(arch, number, words);
    let call = table().into_iter().find(|call| arch.number(call) == Some(data.nr));
    let fds: Vec<usize> = call.map_or(vec![], |call| {
        (0..call.args.len()).filter(|&i| matches!(call.args[i], Arg::Fd(_))).collect()
    });
    for index in at.iter().flatten() {
        if !fds.is_empty() {
            let arg = &mut data.args[fds[index.index(fds.len())]];
            *arg = *arg >> 32 << 32 | u64::from(fd);
        }
    }
    data
}

fn agrees_with_policy(
    programs: [&[Insn]; 2],
    arch: Arch,
    fd: u32,
    to: &Limits,
    data: &Data,
) -> Result<(), TestCaseError> {
    let [main, narrow] = programs.map(|program| run(program, data).action);
    let both = stricter(main, narrow);
    let table = table();
    let Some(call) = table.iter().find(|call| arch.number(call) == Some(data.nr)) else {
        prop_assert_eq!((narrow, both), (Action::Allow, main), "unknown: {:x?}", data);
        return Ok(());
    };
    let resolved = policy::resolve(call, false, &data.args);
    let permitted = permits(call, fd, to, &data.args);
    let expected = match resolved {
        Resolved::Descriptors if !permitted => Action::Errno(1093),
        _ => main,
    };
    prop_assert_eq!(both, expected, "{} {:?}: {:x?} with {:?}", call.name, resolved, data, to);
    // Sound: what needs something that is missing does not go through without being asked about.
    let through = both == Action::Allow && resolved != Resolved::Allow;
    prop_assert!(!through || permitted, "{}: {:x?} with {:?}", call.name, data, to);
    prop_assert_eq!(narrow, narrowed(arch, &table, fd, to, data), "{}: {:x?}", call.name, data);
    Ok(())
}

proptest! {
    // Two programs are compiled for each case, and run for many calls.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn a_narrowed_descriptor_does_what_its_limits_permit_and_others_what_they_did(
        arch in select(&ARCHES[..]),
        fd in prop_oneof![4 => 0u32..12, 1 => 12u32..5000, 1 => Just(0x7fff_ffff)],
        to in random::limits(),
        rest in prop_oneof![Just(Rights::ALL), random::rights()],
        attempts in prop::collection::vec(
            (number(), prop::array::uniform6(word()), prop::array::uniform2(prop::option::weighted(0.6, any::<Index>()))),
            200,
        ),
    ) {
        let passes = vec![(0, rest), (fd, Rights::ALL), (fd + 1, rest)];
        let main = compile_for(arch, &Profile { hosted: false, audit: false, passes });
        let program = narrow_for(arch, fd, &to);
        prop_assert_eq!(check(&program), Ok(()));
        for (number, words, at) in &attempts {
            agrees_with_policy([&main, &program], arch, fd, &to, &aimed(arch, fd, number, words, at))?;
        }
    }

    #[test]
    fn a_narrowed_table_decides_as_the_table_read_directly(
        calls in prop::collection::vec(random::call(), 0..16),
        arch in select(&ARCHES[..]),
        fd in prop_oneof![8 => 0u32..6, 1 => Just(0x8000_0000), 1 => Just(u32::MAX)],
        to in random::limits(),
        attempts in prop::collection::vec(random::data(), 64),
    ) {
        let calls: Vec<&Call> = calls.iter().collect();
        let program = narrow_table(arch, &calls, fd, &to);
        prop_assert_eq!(check(&program), Ok(()));
        for data in attempts {
            let expected = narrowed(arch, &calls, fd, &to, &data);
            prop_assert_eq!(run(&program, &data).action, expected, "{:x?}\n{}", data, crate::describe(&program));
        }
    }

    #[test]
    fn a_call_of_another_architecture_is_left_to_the_first_filter(
        to in random::limits(),
        nr in prop_oneof![3 => 0u32..80, 1 => 0u32..600, 1 => any::<u32>()],
        foreign in prop_oneof![Just(0x4000_0003u32), Just(Arch::Aarch64.audit()), any::<u32>()],
        args in prop_oneof![3 => Just([3; 6]), 1 => prop::array::uniform6(0u64..8)],
    ) {
        prop_assume!(foreign != Arch::X86_64.audit());
        let program = narrow_for(Arch::X86_64, 3, &to);
        prop_assert_eq!(run(&program, &Data { nr, arch: foreign, ip: 0, args }).action, Action::Allow);
    }
}

#[test]
fn every_call_and_command_on_a_narrowed_descriptor_is_decided_as_policy_resolves_it() {
    let some = |rights: &[Right]| Limits::of(Rights::of(rights));
    let mut listed = some(&[Right::READ, Right::IOCTL, Right::FCNTL]);
    listed.narrow_ioctls(IoctlLimit::list([0x5401, 0x5413]).unwrap()).unwrap();
    listed.narrow_fcntls(FcntlRights::GETFL).unwrap();
    for to in [some(&[]), some(&[Right::READ, Right::FSTAT]), listed, Limits::ALL] {
        for arch in ARCHES {
            let all = Profile { hosted: false, audit: false, passes: vec![(0, Rights::ALL)] };
            let (main, program) = (compile_for(arch, &all), narrow_for(arch, 3, &to));
            for call in table() {
                let Some(nr) = arch.number(call) else { continue };
                let of = |args| Data { nr, arch: arch.audit(), ip: 0, args };
                for args in [[3; 6], [3, 0, 0, 0, 3, 0], [4; 6], [3, 0, 3, 0, 0, 0], [0, 3, 0, 0, 0, 0]] {
                    agrees_with_policy([&main, &program], arch, 3, &to, &of(args)).unwrap();
                }
                for command in call.namespace().into_iter().flat_map(|namespace| namespace.commands) {
                    let key = call.namespace().unwrap().key;
                    for fd in [3, 4] {
                        let mut args = [fd, 0, 0, 0, 0, 0];
                        for (i, &arg) in key.iter().rev().enumerate() {
                            args[arg as usize] = command.value >> (32 * i) & 0xffff_ffff;
                        }
                        agrees_with_policy([&main, &program], arch, 3, &to, &of(args)).unwrap();
                    }
                }
            }
        }
    }
}

fn native(name: &str) -> u32 {
    Arch::NATIVE.number(policy::by_name(name).unwrap()).unwrap()
}

/// Limits as programs have them, with a name for each.
fn usual() -> Vec<(&'static str, Limits)> {
    let of = |rights: &[Right]| Limits::of(Rights::of(rights));
    let mut listed = of(&[Right::READ, Right::WRITE, Right::FSTAT, Right::IOCTL, Right::FCNTL]);
    listed.narrow_ioctls(IoctlLimit::list([0x5401, 0x541b]).unwrap()).unwrap();
    listed.narrow_fcntls(FcntlRights::GETFL).unwrap();
    vec![
        ("everything", Limits::ALL),
        ("nothing", of(&[])),
        ("reading", of(&[Right::READ, Right::SEEK, Right::FSTAT])),
        ("writing", of(&[Right::WRITE, Right::FSTAT])),
        ("all but writing", Limits::of(Rights::ALL.difference(&Rights::of(&[Right::WRITE])))),
        ("all but ioctl", Limits::of(Rights::ALL.difference(&Rights::of(&[Right::IOCTL])))),
        ("reading, writing, some ioctls and fcntls", listed),
    ]
}

#[test]
fn narrow_programs_are_short() {
    for (what, to) in usual() {
        let program = narrow(5, &to);
        println!("{what}: {} instructions", program.len());
        assert!(program.len() <= 450);
    }
    assert_eq!(narrow(5, &Limits::ALL).len(), 1);
}

#[test]
fn what_a_narrowed_descriptor_does_not_concern_costs_few_instructions() {
    for (what, to) in usual() {
        let program = narrow(5, &to);
        for name in ["read", "write", "pread64", "pwrite64", "lseek", "fstat"] {
            let executed = run(&program, &Data::call(native(name), [6, 0, 0, 0, 0, 0])).executed;
            println!("{what}: {name} on another: {executed} instructions");
            assert!(executed <= 10);
        }
        // What no limit concerns stays in the kernel's cache of numbers that are allowed.
        for name in ["getppid", "sched_yield", "futex", "munmap", "openat", "close"] {
            assert_eq!(constant(&program, Arch::NATIVE, native(name)), Some(Action::Allow), "{what}: {name}");
        }
    }
    let reading = narrow(5, &usual()[2].1);
    assert_eq!(constant(&reading, Arch::NATIVE, native("read")), Some(Action::Allow));
    assert!(run(&narrow(5, &Limits::of(Rights::NONE)), &Data::call(native("read"), [6; 6])).executed <= 5);
}

#[test]
fn narrowed_descriptors_can_be_stacked_up() {
    // Each adds to what the others refuse; none takes back.
    let main = compile(&Profile { hosted: false, audit: false, passes: vec![(0, Rights::ALL)] });
    let read = Limits::of(Rights::of(&[Right::READ]));
    let filters =
        [main, narrow(5, &read), narrow(6, &Limits::of(Rights::NONE)), narrow(5, &Limits::of(Rights::NONE))];
    let action = |stack: &[Vec<Insn>], name, fd| {
        let data = Data::call(native(name), [fd, 0, 0, 0, 0, 0]);
        stack.iter().map(|program| run(program, &data).action).fold(Action::Allow, stricter)
    };
    assert_eq!(action(&filters[..3], "read", 5), Action::Allow);
    assert_eq!(action(&filters[..3], "write", 5), Action::Errno(1093));
    assert_eq!(action(&filters[..3], "read", 6), Action::Errno(1093));
    assert_eq!(action(&filters, "read", 5), Action::Errno(1093));
    assert_eq!(action(&filters, "read", 7), Action::Allow);
    // What the monitor is asked about reaches it, whatever is limited; what is denied stays denied as it was.
    assert_eq!(action(&filters, "close", 5), Action::Notify);
    assert_eq!(action(&filters, "bind", 5), Action::Errno(1094));
}
