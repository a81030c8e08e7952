//! The decision graph as instructions.
//!
//! Each branch becomes a block: load the word, mask it, compare. Jumps in classic BPF only go forward, and those of
//! a comparison skip at most 255 instructions, so the program is written from its end: wherever a block is being
//! written, all that it can jump to is already in place, and what is too far away gets a step in between.

use crate::graph::{Graph, Node, NodeId, Test, Word};
use crate::insn::{Action, Insn, op};
use std::collections::{HashMap, HashSet};

/// How far a comparison may jump, less room for the two steps that may be put between it and its targets.
const REACH: usize = 255 - 2;

/// The program that decides as the graph does from `root`.
pub(crate) fn assemble(graph: &Graph, root: NodeId) -> Vec<Insn> {
    let order = order(graph, root);
    let mut assembly = Assembly { needs: needs(graph, root, &order), ..Assembly::default() };
    if let Node::Leaf(action) = graph.node(root) {
        assembly.leaf(action);
    }
    for &id in order.iter().rev() {
        assembly.block(graph, id);
    }
    assembly.backwards.reverse();
    assembly.backwards
}

/// The branches under `root`, every one before those that it leads to, and right before its `yes` where that can be.
fn order(graph: &Graph, root: NodeId) -> Vec<NodeId> {
    fn visit(graph: &Graph, id: NodeId, seen: &mut HashSet<NodeId>, finished: &mut Vec<NodeId>) {
        if let Node::Branch { yes, no, .. } = graph.node(id)
            && seen.insert(id)
        {
            visit(graph, no, seen, finished);
            visit(graph, yes, seen, finished);
            finished.push(id);
        }
    }
    let mut finished = Vec::new();
    visit(graph, root, &mut HashSet::new(), &mut finished);
    finished.reverse();
    finished
}

/// Where a block can be entered, by what the accumulator holds on the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Entry {
    /// Its very word: at the comparison.
    Compare,
    /// Its word, unmasked: at the mask.
    Mask,
    /// Something else: at the load.
    Load,
}

/// Where to enter the block of a branch on `word`, coming from one on `from`.
fn entry(from: Word, word: Word) -> Entry {
    if from == word {
        Entry::Compare
    } else if from == word.masked(u32::MAX) {
        Entry::Mask
    } else {
        Entry::Load
    }
}

/// The earliest entry that each block must have.
fn needs(graph: &Graph, root: NodeId, order: &[NodeId]) -> HashMap<NodeId, Entry> {
    let mut needs = HashMap::from([(root, Entry::Load)]);
    for &id in order {
        let Node::Branch { word: from, yes, no, .. } = graph.node(id) else { continue };
        for to in [yes, no] {
            if let Node::Branch { word, .. } = graph.node(to) {
                let need = needs.entry(to).or_insert(Entry::Compare);
                *need = entry(from, word).max(*need);
            }
        }
    }
    needs
}

/// A place to jump to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    Leaf(Action),
    Block(NodeId, Entry),
}

#[derive(Debug, Default)]
struct Assembly {
    /// The program, last instruction first.
    backwards: Vec<Insn>,
    needs: HashMap<NodeId, Entry>,
    /// Where in `backwards` the latest instruction is that is this place, or jumps there.
    places: HashMap<Target, usize>,
}

impl Assembly {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> usize {
        self.backwards.push(Insn { code, jt, jf, k });
        self.backwards.len() - 1
    }

    /// Instructions between the one about to be written and that at `place`.
    fn distance(&self, place: usize) -> usize {
        self.backwards.len() - 1 - place
    }

    fn leaf(&mut self, action: Action) -> usize {
        let place = self.push(op::RET_K, 0, 0, action.into());
        self.places.insert(Target::Leaf(action), place);
        place
    }

    /// A place within a comparison's reach that is, or leads to, the target.
    fn reach(&mut self, target: Target) -> usize {
        let known = self.places.get(&target).copied();
        match (target, known) {
            (_, Some(place)) if self.distance(place) <= REACH => place,
            // A return is no longer than a jump to one.
            (Target::Leaf(action), _) => self.leaf(action),
            (Target::Block(..), place) => {
                let place = place.expect("a block is written after those that it leads to");
                let skip = self.distance(place) as u32;
                let step = self.push(op::JA, 0, 0, skip);
                self.places.insert(target, step);
                step
            }
        }
    }

    /// Where to go from a branch on `from`.
    fn target(graph: &Graph, from: Word, to: NodeId) -> Target {
        match graph.node(to) {
            Node::Leaf(action) => Target::Leaf(action),
            Node::Branch { word, .. } => Target::Block(to, entry(from, word)),
        }
    }

    fn block(&mut self, graph: &Graph, id: NodeId) {
        let Node::Branch { word, test, yes, no } = graph.node(id) else { return };
        let yes = self.reach(Assembly::target(graph, word, yes));
        let no = self.reach(Assembly::target(graph, word, no));
        let (code, k) = match test {
            Test::Is(k) => (op::JEQ, k),
            Test::AtLeast(k) => (op::JGE, k),
            Test::AnyOf(k) => (op::JSET, k),
        };
        // Both fit, by REACH.
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        let mut place = self.push(code, jt, jf, k);
        self.places.insert(Target::Block(id, Entry::Compare), place);

        let need = self.needs.get(&id).copied().unwrap_or(Entry::Load);
        if need >= Entry::Mask && word.mask != u32::MAX {
            place = self.push(op::AND, 0, 0, word.mask);
        }
        self.places.insert(Target::Block(id, Entry::Mask), place);
        if need == Entry::Load {
            place = self.push(op::LD_ABS, 0, 0, word.offset);
        }
        self.places.insert(Target::Block(id, Entry::Load), place);
    }
}
