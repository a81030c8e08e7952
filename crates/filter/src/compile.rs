//! The policy's table as a decision graph.

use crate::arch::Arch;
use crate::assemble::assemble;
use crate::graph::{Graph, NodeId, Ranges, Test, Word};
use crate::insn::{Action, Insn, MAX_INSNS};
use policy::{Arg, Call, Command, Namespace, Need, Verdict};
use rights::{ECAPMODE, Rights};
use std::collections::HashSet;

/// What to compile the policy for.
///
/// ```
/// use rights::{Right, Rights};
/// // Reads on 0, writes on 1 and 2, everything on what is opened later.
/// let profile = filter::Profile {
///     hosted: true,
///     audit: false,
///     passes: vec![
///         (0, Rights::of(&[Right::READ])),
///         (1, Rights::of(&[Right::WRITE])),
///         (3, Rights::ALL),
///     ],
/// };
/// assert!(filter::compile(&profile).len() <= filter::MAX_INSNS);
/// ```
#[derive(Debug, Clone)]
pub struct Profile {
    /// Which column of the policy. Hosted, where descriptors let different rights through, what says which limits belong to
    /// which number ([`policy::Call::follows_numbers`]) is by the other one.
    pub hosted: bool,
    /// Ask the monitor about what is denied too, so that it can be counted.
    pub audit: bool,
    /// A(n), what descriptors let through without asking: from each number up to the next entry's, these rights.
    /// Sorted; the first is for 0.
    pub passes: Vec<(u32, Rights)>,
}

/// Calls worth comparing the number with first, in this order, when what becomes of them depends on their arguments.
/// (What depends on the number alone, the kernel remembers by number, and runs no program.)
pub(crate) const HOT: &[&str] = &["read", "write", "lseek", "pread64", "pwrite64", "fstat"];

/// How many comparisons a hot call's check may have to get a copy of its own, which saves a jump.
const HOT_COPY: usize = 16;

/// Numbers from here up belong to x86_64's other table (x32), or to nobody, or are our pseudo calls.
const FOREIGN: u32 = 0x4000_0000;

/// The program for this profile on this architecture.
///
/// It never exceeds [`MAX_INSNS`]: where so many different limits would make it longer, it lets less through without
/// asking than it might.
///
/// ```
/// use filter::{Action, Data, Profile};
/// use rights::{Right, Rights};
///
/// let only_0 = Profile { hosted: false, audit: false, passes: vec![(0, Rights::ALL), (1, Rights::NONE)] };
/// let program = filter::compile(&only_0);
/// let read = filter::Arch::NATIVE.number(policy::by_name("read").unwrap()).unwrap();
/// assert_eq!(filter::run(&program, &Data::call(read, [0; 6])).action, Action::Allow);
/// assert_eq!(filter::run(&program, &Data::call(read, [1, 0, 0, 0, 0, 0])).action, Action::Notify);
/// ```
pub fn compile(profile: &Profile) -> Vec<Insn> {
    compile_for(Arch::NATIVE, profile)
}

/// The program for this profile on an architecture.
///
/// ```
/// use filter::{Action, Arch, Data, Profile};
/// use rights::Rights;
///
/// let profile = Profile { hosted: false, audit: false, passes: vec![(0, Rights::ALL)] };
/// let program = filter::compile_for(Arch::Aarch64, &profile);
/// let read = Data { nr: 63, arch: Arch::Aarch64.audit(), ..Data::default() };
/// assert_eq!(filter::run(&program, &read).action, Action::Allow);
/// ```
pub fn compile_for(arch: Arch, profile: &Profile) -> Vec<Insn> {
    compile_table(arch, &policy::all().collect::<Vec<_>>(), profile)
}

/// The program for a table.
pub(crate) fn compile_table(arch: Arch, calls: &[&Call], profile: &Profile) -> Vec<Insn> {
    let mut passes = Passes::new(&profile.passes);
    loop {
        let mut compiler = Compiler::new(profile, &passes);
        let root = compiler.program(arch, calls);
        let program = assemble(&compiler.graph, root);
        if program.len() <= MAX_INSNS || passes.0.len() == 1 {
            return program;
        }
        passes = passes.coarser();
    }
}

/// A(n): sorted, the first for 0, no two neighbours alike.
#[derive(Debug)]
struct Passes(Vec<(u32, Rights)>);

impl Passes {
    /// Whatever order the entries came in, and nothing for numbers that none covers.
    fn new(entries: &[(u32, Rights)]) -> Passes {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|&(from, _)| from);
        if entries.first().is_none_or(|&(from, _)| from != 0) {
            entries.insert(0, (0, Rights::NONE));
        }
        entries.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.intersection(&next.1);
            }
            same
        });
        entries.dedup_by(|next, kept| next.1 == kept.1);
        Passes(entries)
    }

    /// Fewer ranges, none of which lets more through than before. Those of the standard streams and the last one,
    /// which most descriptors are in, are the last to go.
    fn coarser(&self) -> Passes {
        let kept = if self.0.len() > 5 { 3 } else { 0 };
        let (first, rest) = self.0.split_at(kept);
        let (middle, last) = rest.split_at(rest.len() - kept.min(1));
        let pairs = middle.chunks(2).map(|pair| {
            let common = pair.iter().fold(Rights::ALL, |common, entry| common.intersection(&entry.1));
            (pair[0].0, common)
        });
        Passes::new(&first.iter().copied().chain(pairs).chain(last.iter().copied()).collect::<Vec<_>>())
    }
}

/// Whether descriptors let different rights through.
pub(crate) fn numbers_matter(profile: &Profile) -> bool {
    Passes::new(&profile.passes).0.len() > 1
}

struct Compiler<'a> {
    graph: Graph,
    hosted: bool,
    numbers_matter: bool,
    passes: &'a Passes,
    allow: NodeId,
    ask: NodeId,
    /// Where [`ECAPMODE`] leads: with audit, to the monitor.
    denied: NodeId,
}

impl<'a> Compiler<'a> {
    fn new(profile: &Profile, passes: &'a Passes) -> Compiler<'a> {
        let mut graph = Graph::default();
        let allow = graph.leaf(Action::Allow);
        let ask = graph.leaf(Action::Notify);
        let denied = if profile.audit { ask } else { graph.leaf(errno(ECAPMODE)) };
        Compiler {
            graph,
            hosted: profile.hosted,
            numbers_matter: numbers_matter(profile),
            passes,
            allow,
            ask,
            denied,
        }
    }

    /// The whole program.
    fn program(&mut self, arch: Arch, calls: &[&Call]) -> NodeId {
        // Another architecture's numbers mean other calls. Not even the monitor is to interpret those.
        let refused = self.graph.leaf(errno(ECAPMODE));
        let mut numbers = Ranges::all(self.denied);
        numbers.from(FOREIGN, refused);
        let mut hot = Vec::new();
        let mut seen = HashSet::new();
        for &call in calls {
            let Some(number) = arch.number(call) else { continue };
            // Of two rows with a number the first counts, as for whoever looks it up.
            if !seen.insert(number) {
                continue;
            }
            let decision = self.call(call);
            numbers.set(number, decision);
            if let Some(rank) = HOT.iter().position(|&name| name == call.name)
                && decision.looks_further(&self.graph)
            {
                hot.push((rank, number, decision));
            }
        }
        let mut decision = self.graph.search(Word::NUMBER, &numbers);
        hot.sort_by_key(|&(rank, ..)| rank);
        for &(_, number, to) in hot.iter().rev() {
            let to = self.graph.copy(to, HOT_COPY);
            decision = self.graph.branch(Word::NUMBER, Test::Is(number), to, decision);
        }
        self.graph.branch(Word::ARCH, Test::Is(arch.audit()), decision, refused)
    }

    fn call(&mut self, call: &Call) -> NodeId {
        let verdict =
            if self.is_hosted(call) { call.hosted.as_ref().unwrap_or(&call.verdict) } else { &call.verdict };
        self.verdict(call, verdict, Rights::NONE)
    }

    fn is_hosted(&self, call: &Call) -> bool {
        self.hosted && !(self.numbers_matter && call.follows_numbers())
    }

    /// `extra`: what the call's descriptor needs beside what its argument names, for the sake of a command.
    fn verdict(&mut self, call: &Call, verdict: &Verdict, extra: Rights) -> NodeId {
        match *verdict {
            Verdict::Allow => self.allow,
            Verdict::Deny(ECAPMODE) => self.denied,
            Verdict::Deny(error) => self.graph.leaf(errno(error)),
            Verdict::Ask => self.ask,
            Verdict::Descriptors => self.descriptors(call, extra),
            Verdict::When(rules, last) => {
                let last = self.verdict(call, last, extra);
                rules.iter().rev().fold(last, |otherwise, rule| {
                    let then = self.verdict(call, &rule.then, extra);
                    self.graph.all(rule.when, then, otherwise)
                })
            }
            Verdict::Command(namespace) => self.commands(call, namespace),
        }
    }

    fn commands(&mut self, call: &Call, namespace: &Namespace) -> NodeId {
        let unknown = self.verdict(call, &namespace.unknown, Rights::NONE);
        let mut decided: Vec<(u64, NodeId)> = Vec::with_capacity(namespace.commands.len());
        for command in namespace.commands.iter().rev() {
            let decision = self.command(call, command);
            decided.push((command.value, decision));
        }
        self.graph.keyed(namespace.key, &decided, unknown)
    }

    fn command(&mut self, call: &Call, command: &Command) -> NodeId {
        let verdict = if self.is_hosted(call) {
            command.hosted.as_ref().unwrap_or(&command.verdict)
        } else {
            &command.verdict
        };
        self.verdict(call, verdict, command.needs)
    }

    /// Allowed if what each descriptor lets through covers what is needed of it. Otherwise the monitor, which knows
    /// the exact rights, is asked.
    fn descriptors(&mut self, call: &Call, extra: Rights) -> NodeId {
        // Which directory a path leads to is not to be seen in registers.
        if call.args.iter().any(|arg| matches!(arg, Arg::Dir | Arg::Path(_))) {
            return self.ask;
        }
        let arguments: Vec<(u8, &[Need])> = (0..)
            .zip(call.args)
            .filter_map(|(i, arg)| match arg {
                Arg::Fd(needs) => Some((i, *needs)),
                _ => None,
            })
            .collect();
        if arguments.is_empty() && !extra.is_empty() {
            return self.ask;
        }
        // The command's needs are the first one's.
        arguments.iter().enumerate().rev().fold(self.allow, |then, (i, &(arg, needs))| {
            self.descriptor(arg, needs, if i == 0 { extra } else { Rights::NONE }, then)
        })
    }

    /// On to `then` if what this argument lets through covers its needs.
    fn descriptor(&mut self, arg: u8, needs: &[Need], extra: Rights, then: NodeId) -> NodeId {
        let passes = self.passes;
        let mut ranges = Ranges::all(self.ask);
        for (from, rights) in &passes.0 {
            let missing = |need: &&Need| !rights.contains(&need.rights);
            let decision = if rights.contains(&extra) {
                needs
                    .iter()
                    .filter(missing)
                    .fold(then, |then, need| self.graph.all(need.when, self.ask, then))
            } else {
                self.ask
            };
            ranges.from(*from, decision);
        }
        // A C int: its low half. A negative one is no descriptor, and falls into the last range.
        self.graph.search(Word::low(arg), &ranges)
    }
}

pub(crate) fn errno(error: i32) -> Action {
    // The kernel's own ceiling for an errno.
    Action::Errno(error.clamp(0, 4095) as u16)
}
