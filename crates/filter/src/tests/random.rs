//! Tables that nobody would write, and any call: what the compiler makes of each construct must not depend on which
//! of them today's policy happens to use.

use super::reference::expected;
use crate::compile::compile_table;
use crate::{Arch, Data, Profile, check, run};
use policy::{Arg, Call, Command, Cond, Namespace, Need, Op, Rule, Verdict};
use proptest::prelude::*;
use proptest::sample::select;
use rights::{FcntlRights, IoctlLimit, Limits, Right, Rights};

/// The table's types want what lives forever; a test may leak it.
fn forever<T>(items: Vec<T>) -> &'static [T] {
    Box::leak(items.into_boxed_slice())
}

/// Sets of rights, some of which hold others.
pub fn rights() -> impl Strategy<Value = Rights> {
    let some =
        [Right::READ, Right::WRITE, Right::SEEK, Right::PREAD, Right::FSTAT, Right::MMAP_RW, Right::IOCTL];
    prop_oneof![
        1 => Just(Rights::NONE),
        3 => Just(Rights::ALL),
        6 => prop::collection::vec(select(some.to_vec()), 1..4).prop_map(|set| Rights::of(&set)),
    ]
}

/// Any limits: of the rights, and of what remains of the commands.
pub fn limits() -> impl Strategy<Value = Limits> {
    let ioctls = prop_oneof![
        2 => Just(IoctlLimit::ALL),
        1 => Just(IoctlLimit::NONE),
        3 => prop::collection::vec(select(vec![0x5401u32, 0x541b, 0x5421, 0x5413, 0x8903, 0xc020_660b]), 0..4)
            .prop_map(|list| IoctlLimit::list(list).unwrap()),
    ];
    let fcntls = prop_oneof![2 => Just(0x78u32), 1 => (0u32..16).prop_map(|bits| bits << 3)];
    let rights = prop_oneof![
        2 => rights(),
        // Few things missing.
        1 => rights().prop_map(|rights| Rights::ALL.difference(&rights)),
        2 => prop::collection::vec(any::<bool>(), rights::RIGHTS.len()).prop_map(|held| {
            let rows = rights::RIGHTS.iter().zip(held).filter(|(_, held)| *held);
            Rights::of(&rows.map(|(row, _)| row.right).collect::<Vec<_>>())
        }),
    ];
    (rights, ioctls, fcntls).prop_map(|(rights, ioctls, fcntls)| {
        let mut limits = Limits::of(rights);
        // Where the right itself is gone, so are its commands, and there is nothing to take.
        let _ = limits.narrow_ioctls(ioctls);
        let _ = limits.narrow_fcntls(FcntlRights::from_bits(fcntls).unwrap());
        limits
    })
}

/// Any profile with up to six ranges, the borders at small numbers mostly.
pub fn profile() -> impl Strategy<Value = Profile> {
    let border = prop_oneof![6 => 1u32..12, 1 => 12u32..2000, 1 => Just(0x8000_0000), 1 => any::<u32>()];
    (any::<bool>(), any::<bool>(), rights(), prop::collection::btree_map(border, rights(), 0..6)).prop_map(
        |(hosted, audit, first, rest)| {
            let passes = std::iter::once((0, first)).chain(rest.into_iter().filter(|(from, _)| *from != 0));
            Profile { hosted, audit, passes: passes.collect() }
        },
    )
}

/// Few different words, so that conditions and arguments meet; in either half, or both.
fn word() -> impl Strategy<Value = u64> {
    let low = prop_oneof![8 => 0u64..6, 3 => select(vec![8u64, 0x10, 0x11, 0xf0, 0x8000_0000, 0xffff_ffff, 0xffff_ff9c])];
    let high = prop_oneof![4 => Just(0u64), 2 => select(vec![1u64, 2, 0x100, 0xffff_ffff])];
    (low, high).prop_map(|(low, high)| high << 32 | low)
}

fn cond() -> impl Strategy<Value = Cond> {
    let mask = prop_oneof![2 => Just(0xffff_ffffu64), 2 => Just(u64::MAX), 4 => word()];
    (0u8..6, mask, word(), any::<bool>(), 0..5u8).prop_map(|(arg, mask, is, not, wild)| {
        // Mostly what can hold: no bits outside the mask.
        Cond { arg, mask, is: if wild == 0 { is } else { is & mask }, not }
    })
}

fn conds() -> impl Strategy<Value = &'static [Cond]> {
    prop::collection::vec(cond(), 0..3).prop_map(forever)
}

fn needs() -> impl Strategy<Value = &'static [Need]> {
    let need = (conds(), rights()).prop_map(|(when, rights)| Need { when, rights });
    prop::collection::vec(need, 0..4).prop_map(forever)
}

fn arg() -> impl Strategy<Value = Arg> {
    prop_oneof![
        6 => needs().prop_map(Arg::Fd),
        6 => Just(Arg::Int),
        1 => Just(Arg::Dir),
        1 => needs().prop_map(Arg::Path),
    ]
}

fn simple() -> BoxedStrategy<Verdict> {
    prop_oneof![
        1 => Just(Verdict::Allow),
        1 => select(vec![1094, 38, 1]).prop_map(Verdict::Deny),
        1 => Just(Verdict::Ask),
        3 => Just(Verdict::Descriptors),
    ]
    .boxed()
}

fn when(then: BoxedStrategy<Verdict>) -> BoxedStrategy<Verdict> {
    let rule = (conds(), then.clone()).prop_map(|(when, then)| Rule { when, then });
    (prop::collection::vec(rule, 0..4), then)
        .prop_map(|(rules, last)| Verdict::When(forever(rules), Box::leak(Box::new(last))))
        .boxed()
}

fn command() -> BoxedStrategy<Verdict> {
    let verdict = prop_oneof![2 => simple(), 1 => when(simple())].boxed();
    let fcntl = prop::option::of(select(vec![FcntlRights::GETFL, FcntlRights::SETOWN]));
    let command = (word(), verdict.clone(), prop::option::of(verdict), rights(), fcntl).prop_map(
        |(value, verdict, hosted, needs, fcntl)| Command {
            name: "",
            value,
            verdict,
            hosted,
            needs,
            fcntl,
            why: "",
        },
    );
    let key = select(vec![&[1u8][..], &[0], &[1, 2], &[2, 1]]);
    (key, prop::collection::vec(command, 0..10), simple())
        .prop_map(|(key, commands, unknown)| {
            let namespace = Namespace { name: "", key, commands: forever(commands), unknown };
            Verdict::Command(Box::leak(Box::new(namespace)))
        })
        .boxed()
}

fn verdict() -> BoxedStrategy<Verdict> {
    let inner = prop_oneof![simple(), command()].boxed();
    prop_oneof![simple(), command(), when(inner)].boxed()
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![20 => 0u32..24, 2 => 0x4341_5000..0x4341_5004u32, 1 => 0x4000_0000..0x4000_0003u32, 1 => any::<u32>()]
}

pub fn call() -> impl Strategy<Value = Call> {
    (
        select(vec!["", "read", "write", "lseek", "fstat"]),
        prop::option::weighted(0.9, number()),
        prop::option::weighted(0.9, number()),
        prop::collection::vec(arg(), 0..6).prop_map(forever),
        verdict(),
        prop::option::of(verdict()),
    )
        .prop_map(|(name, x86_64, aarch64, args, verdict, hosted)| Call {
            name,
            x86_64,
            aarch64,
            args,
            verdict,
            hosted,
            op: Op::Check,
            why: "",
        })
}

pub fn data() -> impl Strategy<Value = Data> {
    let arch = prop_oneof![
        8 => Just(Arch::X86_64.audit()),
        8 => Just(Arch::Aarch64.audit()),
        1 => Just(0x4000_0003u32), // i386
        1 => any::<u32>(),
    ];
    (number(), arch, any::<u64>(), prop::array::uniform6(word())).prop_map(|(nr, arch, ip, args)| Data {
        nr,
        arch,
        ip,
        args,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_compiled_table_decides_as_the_table_read_directly(
        calls in prop::collection::vec(call(), 0..16),
        profile in profile(),
        arch in select(vec![Arch::X86_64, Arch::Aarch64]),
        attempts in prop::collection::vec(data(), 64),
    ) {
        let calls: Vec<&Call> = calls.iter().collect();
        let program = compile_table(arch, &calls, &profile);
        prop_assert_eq!(check(&program), Ok(()));
        for data in attempts {
            let expected = expected(arch, &calls, &profile, &data);
            prop_assert_eq!(run(&program, &data).action, expected, "{:x?}\n{}", data, crate::describe(&program));
        }
    }
}
