//! What a monitor tells of the processes that are under it, to those outside who may see them: `pimento ps` and
//! `pimento fds`.
//!
//! A monitor listens on an abstract Unix socket. What is asked is the address that the asker's own socket is bound to, so
//! that an accepted connection is a question: nobody waits for what an asker sends, and the answer, one record of bounded
//! size, is put into a connection that is closed at once. What does not fit into one is asked for again from where it ended.
//!
//! - `teller`: the monitor's end
//! - [`asker`]: the other end: finding monitors, believing them or not, asking them

pub mod asker;
mod teller;

pub(crate) use teller::Teller;

use crate::attach::options;
use crate::identity;
use rights::Limits;
use rustix::net::SocketAddrUnix;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;

/// An answer is no longer than this, and a page of one ends before it is much longer than half of it.
const LONGEST: usize = 32 << 10;

/// What the names of monitors' sockets begin with: the pid namespace follows, and the monitor's number in it.
const MONITOR: &str = "pimento/monitor/";
/// What those of askers' begin with: a random word follows, and the question.
const ASKER: &str = "pimento/asker/";
/// In the place of the pid namespace, of a monitor that has no procfs to tell it.
const NO_NAMESPACE: &str = "-";

/// How a process is under a monitor.
///
/// ```
/// use monitor::telling::Mode;
/// assert_eq!(Mode::Hosted.name(), "hosted");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It has entered capability mode by itself.
    Capability,
    /// It has limited descriptors, and is in ordinary mode.
    Ordinary,
    /// It is in capability mode under `pimento run`.
    Hosted,
}

impl Mode {
    const ALL: [Mode; 3] = [Mode::Capability, Mode::Ordinary, Mode::Hosted];

    /// A word for it.
    ///
    /// ```
    /// assert_eq!(monitor::telling::Mode::Capability.name(), "capability");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Capability => "capability",
            Mode::Ordinary => "ordinary",
            Mode::Hosted => "hosted",
        }
    }

    fn named(name: &str) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Which processes there are, from this number on.
    Processes { from: u32 },
    /// What a process's descriptors may be used for, from this number on.
    Descriptors { process: u32, from: i32 },
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// Processes; and the number from which on to ask again, if there may be more.
    Processes { processes: Vec<(u32, Mode)>, next: Option<u32> },
    /// Of a process's descriptors those that are limited, and numbers that only seem to be open; likewise.
    Descriptors { mode: Mode, limits: Vec<(i32, Limits)>, parked: Vec<i32>, next: Option<i32> },
    /// There is no such process here, or not for this asker.
    Unknown,
    /// Not now.
    Busy,
}

impl Question {
    fn words(self) -> String {
        match self {
            Question::Processes { from } => format!("processes/{from}"),
            Question::Descriptors { process, from } => format!("descriptors/{process}/{from}"),
        }
    }

    /// The question that an asker's address is.
    fn of_address(address: &SocketAddrUnix) -> Option<Question> {
        let name = std::str::from_utf8(address.abstract_name()?).ok()?;
        let (_, words) = name.strip_prefix(ASKER)?.split_once('/')?;
        let words: Vec<&str> = words.split('/').collect();
        match words.as_slice() {
            ["processes", from] => Some(Question::Processes { from: from.parse().ok()? }),
            ["descriptors", process, from] => {
                let from = from.parse().ok().filter(|&from: &i32| from >= 0)?;
                Some(Question::Descriptors { process: process.parse().ok()?, from })
            }
            _ => None,
        }
    }
}

impl Answer {
    fn text(&self) -> String {
        let mut text = String::new();
        let next = match self {
            Answer::Processes { processes, next } => {
                text.push_str("processes\n");
                for (process, mode) in processes {
                    let _ = writeln!(text, "process {process} {}", mode.name());
                }
                next.map(i64::from)
            }
            Answer::Descriptors { mode, limits, parked, next } => {
                let _ = writeln!(text, "descriptors {}", mode.name());
                for (number, limits) in limits {
                    let _ = writeln!(text, "limit {}", options::written(*number, limits));
                }
                for number in parked {
                    let _ = writeln!(text, "parked {number}");
                }
                next.map(i64::from)
            }
            Answer::Unknown => return "unknown\n".into(),
            Answer::Busy => return "busy\n".into(),
        };
        if let Some(next) = next {
            let _ = writeln!(text, "next {next}");
        }
        text
    }

    /// None: nothing that a monitor says.
    fn parse(text: &[u8]) -> Option<Answer> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let first = lines.next()?;
        match first.split_once(' ') {
            None if first == "unknown" => Some(Answer::Unknown),
            None if first == "busy" => Some(Answer::Busy),
            None if first == "processes" => {
                let (mut processes, mut next) = (Vec::new(), None);
                for line in lines {
                    match line.split_once(' ')? {
                        ("process", words) => {
                            let (process, mode) = words.split_once(' ')?;
                            processes.push((process.parse().ok()?, Mode::named(mode)?));
                        }
                        ("next", number) => next = Some(number.parse().ok()?),
                        _ => return None,
                    }
                }
                Some(Answer::Processes { processes, next })
            }
            Some(("descriptors", mode)) => {
                let (mut limits, mut parked, mut next) = (Vec::new(), Vec::new(), None);
                for line in lines {
                    match line.split_once(' ')? {
                        ("limit", limit) => limits.push(options::limit(limit)?),
                        ("parked", number) => parked.push(number.parse().ok()?),
                        ("next", number) => next = Some(number.parse().ok()?),
                        _ => return None,
                    }
                }
                Some(Answer::Descriptors { mode: Mode::named(mode)?, limits, parked, next })
            }
            _ => None,
        }
    }
}

/// The pid namespace, by which numbers of processes in one are told from those in another.
fn namespace() -> String {
    let inode = std::fs::metadata("/proc/self/ns/pid").ok().filter(|_| identity::has_proc());
    inode.map_or_else(|| NO_NAMESPACE.to_owned(), |meta| meta.ino().to_string())
}

/// A word that nobody could have guessed.
fn random() -> String {
    let mut bytes = [0u8; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

/// Whether a user's number is a user's: of those who have none in this user namespace all have the same, which may be
/// somebody's too.
fn is_a_user(uid: u32) -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().any(|line| {
        let mut words = line.split_whitespace().map(str::parse::<u64>);
        match (words.next(), words.next(), words.next()) {
            (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) => {
                (first..first.saturating_add(count)).contains(&uid.into())
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rights::{IOCTLS_MAX, IoctlLimit, Right, Rights};

    fn longest_limit() -> Limits {
        let mut limits = Limits::of(Rights::of(&[Right::IOCTL]));
        let all = IoctlLimit::list((0..IOCTLS_MAX as u32).map(|i| u32::MAX - i)).unwrap();
        limits.narrow_ioctls(all).unwrap();
        limits
    }

    #[test]
    fn what_is_told_is_understood() {
        let limits = vec![(0, Limits::of(Rights::of(&[Right::READ]))), (i32::MAX, longest_limit())];
        for answer in [
            Answer::Unknown,
            Answer::Busy,
            Answer::Processes { processes: Vec::new(), next: None },
            Answer::Processes {
                processes: vec![(1, Mode::Hosted), (u32::MAX, Mode::Ordinary)],
                next: Some(7),
            },
            Answer::Descriptors { mode: Mode::Capability, limits, parked: vec![3, 5], next: Some(6) },
            Answer::Descriptors { mode: Mode::Hosted, limits: Vec::new(), parked: Vec::new(), next: None },
        ] {
            assert_eq!(Answer::parse(answer.text().as_bytes()), Some(answer));
        }
    }

    #[test]
    fn what_no_monitor_says_is_not_understood() {
        for text in [
            "",
            "\n",
            "unknown",
            "processes",
            "processes \n",
            "processes\nprocess\n",
            "processes\nprocess 1 odd\n",
            "processes\nprocess x hosted\n",
            "descriptors\n",
            "descriptors odd\n",
            "descriptors hosted\nlimit 1\n",
            "descriptors hosted\nnext -x\n",
            "descriptors hosted\n\n",
            "processes\nlimit 3:0,0::0\n",
            "x\0\n",
        ] {
            assert_eq!(Answer::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Answer::parse(b"\xff\n"), None);
    }

    #[test]
    fn a_question_is_an_address() {
        let asked =
            |name: &str| Question::of_address(&SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap());
        for question in
            [Question::Processes { from: 7 }, Question::Descriptors { process: u32::MAX, from: i32::MAX }]
        {
            assert_eq!(asked(&format!("{ASKER}{}/{}", random(), question.words())), Some(question));
        }
        for name in [
            "",
            "pimento/asker/",
            "pimento/asker/1/",
            "pimento/asker/1/processes",
            "pimento/asker/1/processes/",
            "pimento/asker/1/processes/-1",
            "pimento/asker/1/processes/1/2",
            "pimento/asker/1/descriptors/1",
            "pimento/asker/1/descriptors/1/-1",
            "pimento/asker/1/descriptors/4294967296/0",
            "processes/1",
        ] {
            assert_eq!(asked(name), None, "{name:?}");
        }
        let path = SocketAddrUnix::new("/pimento/asker/1/processes/1").unwrap();
        assert_eq!(Question::of_address(&path), None);
    }

    #[test]
    fn the_longest_limit_fits_into_half_an_answer() {
        let answer = Answer::Descriptors {
            mode: Mode::Capability,
            limits: vec![(i32::MAX, longest_limit())],
            parked: vec![i32::MAX],
            next: Some(i32::MAX),
        };
        assert!(answer.text().len() < LONGEST / 2);
    }
}
