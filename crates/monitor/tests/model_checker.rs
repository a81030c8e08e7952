//! A(n) ⊆ R(n), in every order of events: a small kernel, with threads that limit, copy, close, fork and use descriptors at a
//! time, and the monitor's rules, as `tables.rs` and `serve/numbers.rs` have them. A model checker goes through all states that
//! can be reached, and finds none in which a call is carried out on a descriptor that lacks the right for it; and for each
//! rule, that without it there would be one.
//!
//! A call that was let go before its descriptor was limited counts as made before: what it finds there may since have lost the
//! right, but not have come without it.

use stateright::{Checker, HasDiscoveries, Model, Path, Property};

type Set = u8;
const READ: Set = 1;
const WRITE: Set = 2;
const ALL: Set = READ | WRITE;
const NONE: Set = 0;

/// What the first filter lets through, by number: one that is likely to be limited to reading, a low one, and one that the
/// monitor is always asked about.
const PASSES: [Set; NUMBERS] = [READ, ALL, NONE];
const NUMBERS: usize = 3;
/// Two threads of a process, and its child's.
const THREADS: usize = 3;
const CHILD: usize = 2;

/// The rules that can be left out.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// Nothing with fewer rights comes to a number that another thread's call may still be on its way to.
    wait_for_calls: bool,
    /// Before a number's limits are forgotten, there is nothing behind it any more that has them.
    placeholder_first: bool,
    /// What is limited while a table may be being copied, is limited in the copy.
    copies_follow: bool,
    /// No further filter while a table is being copied: the copy may be without it.
    no_filter_in_a_fork: bool,
    /// Nothing rests on a further filter that came while other threads may have been let through before.
    doubt_among_threads: bool,
    /// A filter for the sake of what is copied onto a low number, only where no other thread could have been let through.
    filter_when_alone: bool,
    /// The copy of a limited descriptor goes where the filter lets nothing through that it lacks.
    suited_numbers: bool,
}

const RULES: Rules = Rules {
    wait_for_calls: true,
    placeholder_first: true,
    copies_follow: true,
    no_filter_in_a_fork: true,
    doubt_among_threads: true,
    filter_when_alone: true,
    suited_numbers: true,
};

/// What is behind a number, in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Behind {
    Nothing,
    /// What keeps a number from being used.
    Placeholder,
    Descriptor {
        /// The rights that it came with.
        came: Set,
        /// Those that it has now.
        has: Set,
    },
}
use Behind::{Descriptor, Nothing, Placeholder};

/// A table of descriptors: the kernel's, and what the monitor knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Table {
    behind: [Behind; NUMBERS],
    /// R(n).
    limits: [Set; NUMBERS],
    /// What further filters leave, as far as the monitor knows.
    left: [Option<Set>; NUMBERS],
    /// Those of which that is not certain yet: other threads' calls were let through before.
    doubtful: [bool; NUMBERS],
    parked: [bool; NUMBERS],
}

/// A call that is in the kernel, or about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Call {
    what: What,
    /// What its descriptor had when it was let go.
    had: Set,
    /// Whether there has come something else to its number since.
    other: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Use(usize, Set),
    Limit(usize, Set),
    Close(usize),
    Dup(usize),
    DupTo(usize, usize),
    Fork,
    /// Opens something new, at the lowest free number.
    Open,
}
use What::{Close, Dup, DupTo, Fork, Limit, Open, Use};

impl What {
    /// The number whose descriptor it works on.
    fn number(self) -> Option<usize> {
        match self {
            Use(number, _) | Limit(number, _) | Close(number) | Dup(number) | DupTo(number, _) => {
                Some(number)
            }
            Fork | Open => None,
        }
    }
    /// The numbers that it names.
    fn names(self, number: usize) -> bool {
        self.number() == Some(number) || matches!(self, DupTo(_, to) if to == number)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// The process's, and its child's.
    tables: [Table; 2],
    /// A(n): what their filters let through.
    filters: [[Set; NUMBERS]; 2],
    calls: [Option<Call>; THREADS],
    /// Whose calls the monitor takes to be on their way, and to which numbers.
    going: [[bool; NUMBERS]; THREADS],
    /// Who has forked.
    forked: Option<usize>,
    /// Whether the child is there.
    child: bool,
    /// Whether its table follows its parent's.
    follows: bool,
    /// What was carried out without the right to it.
    wrong: Option<What>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    /// A thread makes a call; the filter and the monitor have their say.
    Makes(usize, What),
    /// The kernel carries out what was let go.
    IsCarriedOut(usize),
    /// The monitor sees the child, before that or its maker does anything.
    IsSeen,
}

/// The monitor, with its rules.
struct Monitor(Rules);

/// What becomes of a call.
enum Answer {
    /// It is over: it has failed, or the monitor has done it.
    Done,
    GoOn,
}

impl State {
    fn table(&self, thread: usize) -> usize {
        usize::from(thread == CHILD)
    }

    /// Something else comes behind a number.
    fn put(&mut self, table: usize, number: usize, behind: Behind) {
        self.tables[table].behind[number] = behind;
        for thread in 0..THREADS {
            let is_there = self.table(thread) == table;
            if let Some(call) = &mut self.calls[thread]
                && is_there
                && call.what.number() == Some(number)
            {
                call.other = true;
            }
        }
    }

    fn lowest(&self, table: usize) -> Option<usize> {
        (0..NUMBERS).find(|&number| self.tables[table].behind[number] == Nothing)
    }

    /// R(n) becomes this.
    fn set(&mut self, rules: Rules, table: usize, number: usize, limits: Set) {
        self.tables[table].limits[number] = limits;
        self.tables[table].parked[number] = false;
        if self.follows && rules.copies_follow && table == 0 {
            self.tables[1].limits[number] &= limits;
            self.tables[1].parked[number] = false;
        }
    }

    fn lets_through(&self, table: usize, number: usize) -> Set {
        match self.tables[table].left[number] {
            Some(left) if !self.tables[table].doubtful[number] => PASSES[number] & left,
            _ => PASSES[number],
        }
    }

    fn narrow(&mut self, rules: Rules, table: usize, number: usize, limits: Set) {
        // The child has one thread.
        self.tables[table].doubtful[number] = rules.doubt_among_threads && table == 0;
        let left = self.tables[table].left[number].unwrap_or(ALL) & limits;
        self.tables[table].left[number] = Some(left);
        self.filters[table][number] &= limits;
    }

    fn is_gone_for(&self, table: usize, number: usize, own: usize) -> bool {
        (0..THREADS).any(|other| other != own && self.table(other) == table && self.going[other][number])
    }

    fn is_being_copied(&self, table: usize) -> bool {
        self.follows && table == 0
    }

    /// The thread has made another call than those that were let go before.
    fn arrives(&mut self, thread: usize) {
        self.going[thread] = [false; NUMBERS];
    }

    /// What the monitor does with a call.
    fn serve(&mut self, rules: Rules, thread: usize, what: What) -> Answer {
        self.arrives(thread);
        let at = self.table(thread);
        let answer = match what {
            Open => Answer::GoOn,
            Use(number, right) if self.tables[at].limits[number] & right == 0 => Answer::Done,
            Use(..) => Answer::GoOn,
            Limit(number, to) => self.limit(rules, at, number, to),
            Close(number) => self.close(rules, at, number),
            Dup(number) => self.dup(rules, thread, number),
            DupTo(from, to) => self.dup_to(rules, thread, from, to),
            Fork => {
                self.tables[1] = self.tables[0].clone();
                self.forked = Some(thread);
                self.follows = true;
                Answer::GoOn
            }
        };
        if matches!(answer, Answer::GoOn) {
            for (number, going) in self.going[thread].iter_mut().enumerate() {
                *going |= what.names(number) && PASSES[number] != ALL;
            }
        }
        answer
    }

    fn limit(&mut self, rules: Rules, at: usize, number: usize, to: Set) -> Answer {
        let limits = self.tables[at].limits[number] & to;
        if self.tables[at].parked[number] || self.tables[at].behind[number] == Nothing {
            return Answer::Done;
        }
        if limits == self.tables[at].limits[number] {
            self.lose(at, number, to);
            return Answer::Done;
        }
        let takes_filter = self.lets_through(at, number) & !limits != 0;
        // EBUSY.
        if takes_filter && self.is_being_copied(at) && rules.no_filter_in_a_fork {
            return Answer::Done;
        }
        self.set(rules, at, number, limits);
        if takes_filter {
            self.narrow(rules, at, number, limits);
        }
        self.lose(at, number, to);
        Answer::Done
    }

    /// What is behind the number has no more than this.
    fn lose(&mut self, at: usize, number: usize, to: Set) {
        if let Descriptor { has, .. } = &mut self.tables[at].behind[number] {
            *has &= to;
        }
    }

    fn close(&mut self, rules: Rules, at: usize, number: usize) -> Answer {
        let stays = self.tables[at].left[number].is_some();
        if self.tables[at].parked[number] || self.tables[at].behind[number] == Nothing {
            return Answer::Done;
        }
        if !stays && self.tables[at].limits[number] == ALL {
            return Answer::GoOn;
        }
        if stays || rules.placeholder_first {
            self.put(at, number, Placeholder);
        }
        self.tables[at].limits[number] = ALL;
        self.tables[at].parked[number] = stays;
        if stays { Answer::Done } else { Answer::GoOn }
    }

    fn dup(&mut self, rules: Rules, thread: usize, from: usize) -> Answer {
        let at = self.table(thread);
        let table = &self.tables[at];
        let (limits, behind) = (table.limits[from], table.behind[from]);
        if table.parked[from] || behind == Nothing {
            return Answer::Done;
        }
        if limits == ALL {
            return Answer::GoOn;
        }
        let free = (0..NUMBERS).find(|&number| {
            table.behind[number] == Nothing
                && table.limits[number] == ALL
                && table.left[number].is_none()
                && (!rules.suited_numbers || PASSES[number] & !limits == 0)
                && !(rules.wait_for_calls && self.is_gone_for(at, number, thread))
        });
        if let Some(to) = free {
            self.place(rules, at, from, to, limits);
        }
        Answer::Done
    }

    fn dup_to(&mut self, rules: Rules, thread: usize, from: usize, to: usize) -> Answer {
        let at = self.table(thread);
        let table = &self.tables[at];
        let limits = table.limits[from];
        let refuses = table.left[to].is_some_and(|left| limits & !left != 0);
        if table.parked[from] || table.behind[from] == Nothing || refuses {
            return Answer::Done;
        }
        if limits == ALL && table.limits[to] == ALL && !table.parked[to] {
            return Answer::GoOn;
        }
        // EBUSY.
        if limits != ALL && rules.wait_for_calls && self.is_gone_for(at, to, thread) {
            return Answer::Done;
        }
        if self.lets_through(at, to) & !limits != 0 {
            let alone = thread == CHILD;
            if !alone && rules.filter_when_alone {
                return Answer::Done;
            }
            self.narrow(rules, at, to, limits);
        }
        self.place(rules, at, from, to, limits);
        Answer::Done
    }

    /// The monitor puts a copy behind a number.
    fn place(&mut self, rules: Rules, at: usize, from: usize, to: usize, limits: Set) {
        let behind = match self.tables[at].behind[from] {
            Descriptor { has, .. } => Descriptor { came: has, has },
            other => other,
        };
        self.set(rules, at, to, limits);
        self.put(at, to, behind);
    }

    /// The kernel carries a call out.
    fn carry_out(&mut self, thread: usize, call: Call) {
        let at = self.table(thread);
        let behind = call.what.number().map(|number| self.tables[at].behind[number]);
        // What the call finds: as it was when the call was let go, or when it came.
        let found = match behind {
            Some(Descriptor { came, .. }) => Some(if call.other { came } else { call.had }),
            _ => None,
        };
        match (call.what, found) {
            (Use(_, right), Some(has)) if has & right == 0 => self.wrong = Some(call.what),
            (Dup(_), Some(has)) => {
                if let Some(lowest) = self.lowest(at) {
                    self.put(at, lowest, Descriptor { came: has, has });
                }
            }
            (DupTo(from, to), Some(has)) if from != to => self.put(at, to, Descriptor { came: has, has }),
            (Close(number), _) => self.put(at, number, Nothing),
            (Open, _) => {
                if let Some(lowest) = self.lowest(at) {
                    self.put(at, lowest, Descriptor { came: ALL, has: ALL });
                }
            }
            (Fork, _) => {
                self.child = true;
                self.tables[1].behind = self.tables[0].behind;
                self.filters[1] = self.filters[0];
            }
            _ => {}
        }
    }
}

impl Model for Monitor {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let open = Descriptor { came: ALL, has: ALL };
        let table = Table {
            behind: [open, open, Nothing],
            limits: [ALL; NUMBERS],
            left: [None; NUMBERS],
            doubtful: [false; NUMBERS],
            parked: [false; NUMBERS],
        };
        vec![State {
            tables: [table.clone(), table],
            filters: [PASSES; 2],
            calls: [None; THREADS],
            going: [[false; NUMBERS]; THREADS],
            forked: None,
            child: false,
            follows: false,
            wrong: None,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.child && state.follows {
            steps.push(Step::IsSeen);
        }
        for thread in 0..THREADS {
            let is_stopped =
                state.child && state.follows && (thread == CHILD || state.forked == Some(thread));
            if is_stopped || thread == CHILD && !state.child {
                continue;
            }
            if state.calls[thread].is_some() {
                steps.push(Step::IsCarriedOut(thread));
                continue;
            }
            let mut all = vec![Open];
            for number in 0..NUMBERS {
                all.extend([READ, WRITE].map(|right| Use(number, right)));
                all.extend([Limit(number, READ), Close(number), Dup(number)]);
                all.extend((0..NUMBERS).filter(|to| *to != number).map(|to| DupTo(number, to)));
            }
            if state.forked.is_none() && thread != CHILD {
                all.push(Fork);
            }
            steps.extend(all.into_iter().map(|what| Step::Makes(thread, what)));
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Makes(thread, what) => {
                let at = state.table(thread);
                let native = match what {
                    Open => true,
                    Use(number, right) => state.filters[at][number] & right != 0,
                    _ => false,
                };
                let goes = native || matches!(state.serve(self.0, thread, what), Answer::GoOn);
                if goes {
                    let behind = what.number().map(|number| state.tables[at].behind[number]);
                    let had = if let Some(Descriptor { has, .. }) = behind { has } else { NONE };
                    state.calls[thread] = Some(Call { what, had, other: false });
                }
            }
            Step::IsSeen => state.follows = false,
            Step::IsCarriedOut(thread) => {
                let call = state.calls[thread].take()?;
                state.carry_out(thread, call);
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SOUND, |_, state: &State| state.wrong.is_none()),
            // What the filter lets through, and what the monitor would.
            Property::always(KNOWN, |_, state: &State| {
                let tables = if state.child { 2 } else { 1 };
                (0..tables).all(|at| {
                    (0..NUMBERS).all(|number| match state.tables[at].behind[number] {
                        Descriptor { has, .. } => {
                            let permitted = state.filters[at][number] | state.tables[at].limits[number];
                            permitted & !has == 0
                        }
                        Nothing | Placeholder => true,
                    })
                })
            }),
            // That it goes through what it is to: limited copies, and calls on their way to them.
            Property::sometimes("a limited copy at an asked number", |_, state: &State| {
                matches!(state.tables[0].behind[2], Descriptor { came: READ, .. })
            }),
            Property::sometimes("a child with a limited descriptor", |_, state: &State| {
                state.child && state.tables[1].behind.contains(&Descriptor { came: READ, has: READ })
            }),
        ]
    }
}

const SOUND: &str = "no call is carried out without the right to it";
const KNOWN: &str = "nothing is permitted that the descriptor lacks";

/// So many steps are taken from the first state on, calls made and calls carried out: a million states.
const DEPTH: usize = 9;

/// Goes through all those states; the way to the first that should not be, if there is one.
fn wrong(rules: Rules) -> Option<Path<State, Step>> {
    let found = HasDiscoveries::AnyOf([SOUND, KNOWN].into());
    let checker =
        Monitor(rules).checker().threads(2).finish_when(found).target_max_depth(DEPTH).spawn_bfs().join();
    if checker.discovery(SOUND).is_none() && checker.discovery(KNOWN).is_none() {
        checker.assert_properties();
    }
    checker.discovery(SOUND).or_else(|| checker.discovery(KNOWN))
}

#[test]
fn nothing_is_permitted_that_a_descriptor_lacks() {
    assert!(wrong(RULES).is_none_or(|path| panic!("{path}")));
}

/// Without any one of the rules something would be.
#[test]
fn every_rule_is_needed() {
    let without = [
        ("wait_for_calls", Rules { wait_for_calls: false, ..RULES }),
        ("placeholder_first", Rules { placeholder_first: false, ..RULES }),
        ("copies_follow", Rules { copies_follow: false, ..RULES }),
        ("no_filter_in_a_fork", Rules { no_filter_in_a_fork: false, ..RULES }),
        ("doubt_among_threads", Rules { doubt_among_threads: false, ..RULES }),
        ("filter_when_alone", Rules { filter_when_alone: false, ..RULES }),
        ("suited_numbers", Rules { suited_numbers: false, ..RULES }),
    ];
    for (rule, rules) in without {
        assert!(wrong(rules).is_some(), "{rule} is not needed");
    }
}
