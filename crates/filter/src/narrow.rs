//! A descriptor's limits as a small program of their own, for descriptors that are limited after the filter is in.

use crate::arch::Arch;
use crate::assemble::assemble;
use crate::compile::{HOT, errno};
use crate::graph::{Graph, NodeId, Ranges, Test, Word};
use crate::insn::{Action, Insn};
use policy::{Arg, Call, Command, IOCTL, Namespace, Need, Verdict};
use rights::{ENOTCAPABLE, Limits};
use std::collections::HashSet;

/// The program to stack on [`compile`]d ones when the descriptor at this number, of which they let more through than
/// that, is limited.
///
/// It refuses with ENOTCAPABLE what capability mode leaves to the descriptor's rights and these limits lack, and has
/// nothing to say about anything else: what is denied or asked about stays so, as the kernel follows the strictest of
/// its filters. It can't be taken back, nor made to ask: the number is limited for good.
///
/// ```
/// use filter::{Action, Data};
/// use rights::{Limits, Right, Rights};
///
/// let program = filter::narrow(5, &Limits::of(Rights::of(&[Right::READ])));
/// let of = |name, fd| {
///     let number = filter::Arch::NATIVE.number(policy::by_name(name).unwrap()).unwrap();
///     filter::run(&program, &Data::call(number, [fd, 0, 0, 0, 0, 0])).action
/// };
/// assert_eq!(of("write", 5), Action::Errno(1093));
/// assert_eq!((of("write", 6), of("read", 5)), (Action::Allow, Action::Allow));
/// ```
///
/// [`compile`]: crate::compile
pub fn narrow(number: u32, to: &Limits) -> Vec<Insn> {
    narrow_for(Arch::NATIVE, number, to)
}

/// The program for an architecture. A call of another is let through: the first filter refuses it.
///
/// ```
/// use filter::{Action, Arch, Data};
/// use rights::{Limits, Rights};
///
/// let program = filter::narrow_for(Arch::Aarch64, 5, &Limits::of(Rights::NONE));
/// let read = |arch: Arch| Data { nr: 63, arch: arch.audit(), ip: 0, args: [5, 0, 0, 0, 0, 0] };
/// assert_eq!(filter::run(&program, &read(Arch::Aarch64)).action, Action::Errno(1093));
/// assert_eq!(filter::run(&program, &read(Arch::X86_64)).action, Action::Allow);
/// ```
pub fn narrow_for(arch: Arch, number: u32, to: &Limits) -> Vec<Insn> {
    narrow_table(arch, &policy::all().collect::<Vec<_>>(), number, to)
}

/// The program for a table.
pub(crate) fn narrow_table(arch: Arch, calls: &[&Call], number: u32, to: &Limits) -> Vec<Insn> {
    let mut graph = Graph::default();
    let allow = graph.leaf(Action::Allow);
    let refuse = graph.leaf(errno(ENOTCAPABLE));
    // Whose numbers these are matters only where something is refused: nothing before is slowed down by it.
    let refuse = graph.branch(Word::ARCH, Test::Is(arch.audit()), refuse, allow);
    let mut narrow = Narrow { graph, number, to, allow, refuse };
    let root = narrow.program(arch, calls);
    assemble(&narrow.graph, root)
}

/// An argument that is the descriptor, with what it needs; `first` if a command's needs are about it.
#[derive(Debug, Clone, Copy)]
struct Named {
    needs: &'static [Need],
    first: bool,
}

struct Narrow<'a> {
    graph: Graph,
    number: u32,
    to: &'a Limits,
    allow: NodeId,
    refuse: NodeId,
}

impl Narrow<'_> {
    /// By the call's number, so that what does not depend on anything else stays in the kernel's cache of allowed
    /// numbers, and those that are called most in the fewest steps.
    fn program(&mut self, arch: Arch, calls: &[&Call]) -> NodeId {
        let mut numbers = Ranges::all(self.allow);
        let mut hot = Vec::new();
        let mut seen = HashSet::new();
        // Minus anything is no descriptor.
        if i32::try_from(self.number).is_err() {
            return self.allow;
        }
        for &call in calls {
            let Some(number) = arch.number(call) else { continue };
            if !seen.insert(number) {
                continue;
            }
            let decision = self.call(call);
            match HOT.iter().position(|&name| name == call.name) {
                // Also if there is nothing to ask, for the other filters may have to be run.
                Some(rank) => hot.push((rank, number, decision)),
                None => numbers.set(number, decision),
            }
        }
        let decision = self.graph.search(Word::NUMBER, &numbers);
        hot.sort_by_key(|&(rank, ..)| rank);
        hot.iter().rev().fold(decision, |otherwise, &(_, number, to)| {
            self.graph.branch(Word::NUMBER, Test::Is(number), to, otherwise)
        })
    }

    /// The descriptor is looked for before anything else: few calls name it.
    fn call(&mut self, call: &Call) -> NodeId {
        // Which directory a path leads to the monitor is asked in any case.
        if call.args.iter().any(|arg| matches!(arg, Arg::Dir | Arg::Path(_))) {
            return self.allow;
        }
        let first = call.first_fd();
        let mut decision = self.allow;
        for (arg, needs) in (0..call.args.len()).zip(call.args).rev().filter_map(|(i, arg)| match arg {
            Arg::Fd(needs) => Some((i, *needs)),
            _ => None,
        }) {
            let named = Named { needs, first: first == Some(arg) };
            let there = self.verdict(&call.verdict, named, None, decision);
            decision = self.graph.branch(Word::low(arg as u8), Test::Is(self.number), there, decision);
        }
        decision
    }

    /// What the verdict comes to where this argument is the descriptor; on to `then` if that has what it needs.
    fn verdict(
        &mut self,
        verdict: &Verdict,
        named: Named,
        command: Option<(&Namespace, &Command)>,
        then: NodeId,
    ) -> NodeId {
        match *verdict {
            // Whatever it is, it does not depend on rights, or the monitor looks at them.
            Verdict::Allow | Verdict::Deny(_) | Verdict::Ask => self.allow,
            Verdict::Descriptors => self.descriptor(named, command, then),
            Verdict::When(rules, last) => {
                let last = self.verdict(last, named, command, then);
                rules.iter().rev().fold(last, |otherwise, rule| {
                    let yes = self.verdict(&rule.then, named, command, then);
                    self.graph.all(rule.when, yes, otherwise)
                })
            }
            Verdict::Command(namespace) => {
                let unknown = self.verdict(&namespace.unknown, named, None, then);
                let mut decided = Vec::with_capacity(namespace.commands.len());
                for command in namespace.commands.iter().rev() {
                    let decision = self.verdict(&command.verdict, named, Some((namespace, command)), then);
                    decided.push((command.value, decision));
                }
                self.graph.keyed(namespace.key, &decided, unknown)
            }
        }
    }

    fn descriptor(&mut self, named: Named, command: Option<(&Namespace, &Command)>, then: NodeId) -> NodeId {
        if named.first && command.is_some_and(|(namespace, command)| !self.takes(namespace, command)) {
            return self.refuse;
        }
        let rights = self.to.rights();
        let missing = |need: &&Need| !rights.contains(&need.rights);
        named
            .needs
            .iter()
            .filter(missing)
            .fold(then, |then, need| self.graph.all(need.when, self.refuse, then))
    }

    /// Whether the limits have what the command needs, and do not leave it out.
    fn takes(&self, namespace: &Namespace, command: &Command) -> bool {
        // An ioctl's value has 32 bits: its key is one argument.
        let listed = !std::ptr::eq(namespace, &IOCTL) || self.to.ioctls().permits(command.value as u32);
        let fcntl = command.fcntl.is_none_or(|right| self.to.fcntls().contains(right));
        listed && fcntl && self.to.rights().contains(&command.needs)
    }
}
