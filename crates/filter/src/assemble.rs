//! The decision graph as instructions.
//!
//! Each branch becomes a block: load the word, mask it, compare. Jumps in classic BPF only go forward, and those of
//! a comparison skip at most 255 instructions, so the program is written from its end: wherever a block is being
//! written, all that it can jump to is already in place, and what is too far away gets a step in between.

use crate::graph::{Graph, Node, NodeId, Test, Word};
use crate::insn::{Action, Insn, op};
use std::collections::HashMap;

/// How far a comparison may jump, less room for the two steps that may be put between it and its targets.
const REACH: usize = 255 - 2;

/// The program that decides as the graph does from `root`.
pub(crate) fn assemble(graph: &Graph, root: NodeId) -> Vec<Insn> {
    let order = order(graph, root);
    let mut assembly = Assembly::new(graph, needs(graph, root, &order));
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
    fn visit(graph: &Graph, id: NodeId, seen: &mut [bool], finished: &mut Vec<NodeId>) {
        if let Node::Branch { yes, no, .. } = graph.node(id)
            && !std::mem::replace(&mut seen[id.index()], true)
        {
            visit(graph, no, seen, finished);
            visit(graph, yes, seen, finished);
            finished.push(id);
        }
    }
    let mut finished = Vec::new();
    visit(graph, root, &mut vec![false; graph.len()], &mut finished);
    finished.reverse();
    finished
}

/// Where a block can be entered, by what the accumulator holds on the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// The earliest entry that each block must have, by its index.
fn needs(graph: &Graph, root: NodeId, order: &[NodeId]) -> Vec<Entry> {
    let mut needs = vec![Entry::Compare; graph.len()];
    needs[root.index()] = Entry::Load;
    for &id in order {
        let Node::Branch { word: from, yes, no, .. } = graph.node(id) else { continue };
        for to in [yes, no] {
            if let Node::Branch { word, .. } = graph.node(to) {
                let need = &mut needs[to.index()];
                *need = entry(from, word).max(*need);
            }
        }
    }
    needs
}

/// A place to jump to.
#[derive(Debug, Clone, Copy)]
enum Target {
    Leaf(Action),
    Block(NodeId, Entry),
}

#[derive(Debug)]
struct Assembly {
    /// The program, last instruction first.
    backwards: Vec<Insn>,
    needs: Vec<Entry>,
    /// Where in `backwards` the latest instruction is that returns this.
    leaves: HashMap<Action, usize>,
    /// Where the latest instruction is that is this block's entry, or jumps there.
    blocks: Vec<[Option<usize>; 3]>,
}

impl Assembly {
    fn new(graph: &Graph, needs: Vec<Entry>) -> Assembly {
        Assembly {
            backwards: Vec::new(),
            needs,
            leaves: HashMap::new(),
            blocks: vec![[None; 3]; graph.len()],
        }
    }

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
        self.leaves.insert(action, place);
        place
    }

    /// A place within a comparison's reach that is, or leads to, the target.
    fn reach(&mut self, target: Target) -> usize {
        match target {
            Target::Leaf(action) => match self.leaves.get(&action) {
                Some(&place) if self.distance(place) <= REACH => place,
                // A return is no longer than a jump to one.
                _ => self.leaf(action),
            },
            Target::Block(id, entry) => {
                let place = self.blocks[id.index()][entry as usize]
                    .expect("a block is written after those that it leads to");
                if self.distance(place) <= REACH {
                    return place;
                }
                let step = self.push(op::JA, 0, 0, self.distance(place) as u32);
                self.blocks[id.index()][entry as usize] = Some(step);
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
        let compare = self.push(code, jt, jf, k);

        let need = self.needs[id.index()];
        let mut mask = compare;
        if need >= Entry::Mask && word.mask != u32::MAX {
            mask = self.push(op::AND, 0, 0, word.mask);
        }
        let mut load = mask;
        if need == Entry::Load {
            load = self.push(op::LD_ABS, 0, 0, word.offset);
        }
        // In the order of `Entry`. Those that are not needed are never asked for.
        self.blocks[id.index()] = [Some(compare), Some(mask), Some(load)];
    }
}
