//! Decisions as a graph: questions about words of `struct seccomp_data`, and at the leaves what becomes of the
//! call. Equal nodes are one node, so that equal checks and equal tails of checks are compiled once.

use crate::insn::Action;
use policy::Cond;
use std::collections::{BTreeMap, HashMap};

/// A 32-bit word of `struct seccomp_data`, or some bits of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    /// Where it starts, in bytes.
    pub offset: u32,
    /// The bits that count.
    pub mask: u32,
}

impl Word {
    /// The call's number.
    pub const NUMBER: Word = Word::at(0);
    /// The architecture that the call was made for.
    pub const ARCH: Word = Word::at(4);

    const fn at(offset: u32) -> Word {
        Word { offset, mask: u32::MAX }
    }
    /// The low half of an argument.
    pub const fn low(arg: u8) -> Word {
        Word::at(16 + 8 * arg as u32)
    }
    /// The high half of an argument.
    pub const fn high(arg: u8) -> Word {
        Word::at(20 + 8 * arg as u32)
    }
    /// Only these bits of it.
    pub const fn masked(self, mask: u32) -> Word {
        Word { offset: self.offset, mask }
    }
}

/// A comparison of a word with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// They are equal.
    Is(u32),
    /// The word is at least this.
    AtLeast(u32),
    /// They have a bit in common.
    AnyOf(u32),
}

/// A node of a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// It is decided.
    Leaf(Action),
    /// It depends.
    Branch { word: Word, test: Test, yes: NodeId, no: NodeId },
}

/// Names a node of the graph that made it. A node's children have lower names than it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

impl NodeId {
    /// Its place among the graph's nodes.
    pub fn index(self) -> usize {
        self.0
    }
    /// Whether there is a question left.
    pub fn looks_further(self, graph: &Graph) -> bool {
        matches!(graph.node(self), Node::Branch { .. })
    }
}

/// Nodes, each only once.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    ids: HashMap<Node, NodeId>,
}

impl Graph {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node behind a name.
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id.0]
    }

    fn intern(&mut self, node: Node) -> NodeId {
        let nodes = &mut self.nodes;
        *self.ids.entry(node).or_insert_with(|| {
            nodes.push(node);
            NodeId(nodes.len() - 1)
        })
    }

    /// The end of a decision.
    pub fn leaf(&mut self, action: Action) -> NodeId {
        self.intern(Node::Leaf(action))
    }

    /// A question, unless the answer makes no difference.
    pub fn branch(&mut self, word: Word, test: Test, yes: NodeId, no: NodeId) -> NodeId {
        if yes == no { yes } else { self.intern(Node::Branch { word, test, yes, no }) }
    }

    /// The same decision in nodes of its own, unless it takes more than `limit` branches. What is shared must lie
    /// behind all that lead to it; a copy can lie right behind the one that does.
    pub fn copy(&mut self, id: NodeId, limit: usize) -> NodeId {
        /// Whether it takes no more than are left; counts no further.
        fn fits(graph: &Graph, id: NodeId, left: &mut usize) -> bool {
            let Node::Branch { yes, no, .. } = graph.node(id) else { return true };
            let Some(fewer) = left.checked_sub(1) else { return false };
            *left = fewer;
            fits(graph, yes, left) && fits(graph, no, left)
        }
        fn copy(graph: &mut Graph, id: NodeId) -> NodeId {
            let Node::Branch { word, test, yes, no } = graph.node(id) else { return id };
            let (yes, no) = (copy(graph, yes), copy(graph, no));
            graph.nodes.push(Node::Branch { word, test, yes, no });
            NodeId(graph.nodes.len() - 1)
        }
        if fits(self, id, &mut { limit }) { copy(self, id) } else { id }
    }

    /// Binary search of a word in a map of ranges.
    pub fn search(&mut self, word: Word, ranges: &Ranges) -> NodeId {
        let mut merged: Vec<(u32, NodeId)> = Vec::with_capacity(ranges.0.len());
        for (&from, &to) in &ranges.0 {
            if merged.last().is_none_or(|last| last.1 != to) {
                merged.push((from, to));
            }
        }
        self.split(word, &merged)
    }

    fn split(&mut self, word: Word, ranges: &[(u32, NodeId)]) -> NodeId {
        match *ranges {
            [(_, to)] => to,
            // Lone values within something else take a comparison each, not two. Up to three in a row are found as
            // fast as by searching, and with fewer comparisons in all.
            [(_, around), ..] if ranges.len() <= 7 && are_lone(ranges) => {
                let values = ranges.iter().skip(1).step_by(2).rev();
                values.fold(around, |no, &(value, there)| self.branch(word, Test::Is(value), there, no))
            }
            _ => {
                // Of an odd number the higher ranges get less depth: among descriptors, the last range is that of
                // all those that nobody limited.
                let (low, high) = ranges.split_at(ranges.len().div_ceil(2));
                let no = self.split(word, low);
                let yes = self.split(word, high);
                self.branch(word, Test::AtLeast(high[0].0), yes, no)
            }
        }
    }
}

/// Conditions and keys, as the policy writes them.
impl Graph {
    /// Searches by one argument of the key after another. Of two entries with a value, the last counts.
    pub fn keyed(&mut self, key: &[u8], decided: &[(u64, NodeId)], unknown: NodeId) -> NodeId {
        let Some((&arg, rest)) = key.split_first() else { return unknown };
        let shift = 32 * rest.len() as u32;
        let word = |value: u64| u32::try_from(value >> shift).ok();
        let mut ranges = Ranges::all(unknown);
        for (i, &(value, decision)) in decided.iter().enumerate() {
            let Some(first) = word(value) else { continue };
            let decision = if rest.is_empty() {
                decision
            } else if decided[..i].iter().any(|&(other, _)| word(other) == Some(first)) {
                continue;
            } else {
                let below = (1 << shift) - 1;
                let group: Vec<_> = decided
                    .iter()
                    .filter(|&&(other, _)| word(other) == Some(first))
                    .map(|&(other, decision)| (other & below, decision))
                    .collect();
                self.keyed(rest, &group, unknown)
            };
            ranges.set(first, decision);
        }
        self.search(Word::low(arg), &ranges)
    }

    /// To `yes` if all conditions hold, else to `no`.
    pub fn all(&mut self, conditions: &[Cond], yes: NodeId, no: NodeId) -> NodeId {
        conditions.iter().rev().fold(yes, |yes, condition| {
            if condition.not { self.equal(condition, no, yes) } else { self.equal(condition, yes, no) }
        })
    }

    /// To `yes` if the argument's masked value is the condition's.
    fn equal(&mut self, condition: &Cond, yes: NodeId, no: NodeId) -> NodeId {
        let &Cond { arg, mask, is, .. } = condition;
        let high = self.word(Word::high(arg), (mask >> 32) as u32, (is >> 32) as u32, yes, no);
        self.word(Word::low(arg), mask as u32, is as u32, high, no)
    }

    fn word(&mut self, word: Word, mask: u32, is: u32, yes: NodeId, no: NodeId) -> NodeId {
        if is & !mask != 0 {
            no
        } else if mask == 0 {
            yes
        } else if is == 0 && mask != u32::MAX {
            // Bits can be tested in place, without masking them out.
            self.branch(word, Test::AnyOf(mask), no, yes)
        } else if mask.is_power_of_two() {
            self.branch(word, Test::AnyOf(mask), yes, no)
        } else {
            self.branch(word.masked(mask), Test::Is(is), yes, no)
        }
    }
}

/// Whether every second range is of one number, and the others are all alike.
fn are_lone(ranges: &[(u32, NodeId)]) -> bool {
    ranges.iter().step_by(2).all(|&(_, around)| around == ranges[0].1)
        && ranges.len() % 2 == 1
        && ranges[1..].chunks(2).all(|pair| pair[0].0.checked_add(1) == Some(pair[1].0))
}

/// A total map from 32-bit numbers to decisions: from each number up to the next one's, this one.
#[derive(Debug, Clone)]
pub(crate) struct Ranges(BTreeMap<u32, NodeId>);

impl Ranges {
    /// The same for every number.
    pub fn all(to: NodeId) -> Ranges {
        Ranges(BTreeMap::from([(0, to)]))
    }
    /// From this number up, something else, up to what has been set above it.
    pub fn from(&mut self, number: u32, to: NodeId) {
        self.0.insert(number, to);
    }
    /// For this number alone, something else.
    pub fn set(&mut self, number: u32, to: NodeId) {
        if let Some(next) = number.checked_add(1) {
            let above = self.0.range(..=next).next_back().map(|(_, &node)| node);
            // There is always one, as 0 has an entry.
            if let Some(above) = above {
                self.0.entry(next).or_insert(above);
            }
        }
        self.0.insert(number, to);
    }
}
