//! The asker's end: finds the monitors, asks them, and believes only those that can know. Anyone may take a name like a
//! monitor's: a monitor is the process whose number its name says, as the kernel tells it, and is root's or of the user
//! whose process it speaks of. What a user's own monitor says of that user's processes is that user's word.

use super::{ASKER, Answer, LONGEST, MONITOR, Mode, NO_NAMESPACE, Question, is_a_user, namespace, random};
use crate::identity::Status;
use crate::sys;
use rights::Limits;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, recv, socket_with,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long all that are asked at a time may be silent. Those that are stopped never answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long they may speak.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(30);
/// So many are asked at a time.
const AT_A_TIME: usize = 128;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(2);

/// A process that is under a monitor.
///
/// ```
/// let sight = monitor::telling::asker::processes()?;
/// assert!(sight.found.iter().all(|process| process.monitor != process.pid));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// How it is under it.
    pub mode: Mode,
    /// The monitor's number.
    pub monitor: u32,
    /// How many of its descriptors are limited; None: the monitor has not said.
    pub limited: Option<usize>,
}

/// What the descriptors of a process may be used for.
///
/// ```
/// // Nobody watches over this example.
/// let sight = monitor::telling::asker::descriptors(std::process::id())?;
/// assert!(sight.found.is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptors {
    /// The monitor's number.
    pub monitor: u32,
    /// How the process is under it.
    pub mode: Mode,
    /// Those whose rights are less than all.
    pub limits: BTreeMap<i32, Limits>,
    /// Numbers that only seem to be open: the monitor keeps them from being used.
    pub parked: BTreeSet<i32>,
}

/// What was found out.
///
/// ```
/// // Monitors that have not answered, such as stopped ones, are told too.
/// let sight = monitor::telling::asker::processes()?;
/// println!("{} processes; {} monitors are silent", sight.found.len(), sight.silent.len());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight<T> {
    /// This.
    pub found: T,
    /// Monitors that did not answer, which may have known more.
    pub silent: Vec<u32>,
}

/// A socket with a monitor's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    pid: u32,
    name: String,
}

/// What to do after an answer.
enum Then {
    /// Ask that one this, too.
    Ask(Vec<Question>),
    /// Ask nobody any more.
    End,
}

/// The processes under monitors, of those that this one may see.
///
/// ```
/// for process in monitor::telling::asker::processes()?.found {
///     println!("{} {}", process.pid, process.mode.name());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When procfs cannot be read, or there are no sockets to be had.
pub fn processes() -> io::Result<Sight<Vec<Process>>> {
    let own = rustix::process::geteuid().as_raw();
    // Others know of none that this one may see.
    let concerns = |uid| own == 0 || uid == 0 || uid == own;
    let mut all: BTreeMap<u32, Process> = BTreeMap::new();
    let first = Question::Processes { from: 0 };
    let silent =
        ask(candidates()?, first, concerns, |monitor, uid, question, answer| match (question, answer) {
            (_, Answer::Processes { processes, next }) => {
                let mut more: Vec<Question> =
                    next.map(|from| Question::Processes { from }).into_iter().collect();
                for (pid, mode) in processes {
                    if knows(uid, pid) {
                        all.insert(pid, Process { pid, mode, monitor, limited: None });
                        more.push(Question::Descriptors { process: pid, from: 0 });
                    }
                }
                Then::Ask(more)
            }
            (Question::Descriptors { process, .. }, Answer::Descriptors { limits, next, .. }) => {
                if let Some(process) = all.get_mut(&process).filter(|process| process.monitor == monitor) {
                    process.limited = Some(process.limited.unwrap_or(0) + limits.len());
                }
                Then::Ask(next.map(|from| Question::Descriptors { process, from }).into_iter().collect())
            }
            _ => Then::Ask(Vec::new()),
        })?;
    Ok(Sight { found: all.into_values().collect(), silent })
}

/// What the descriptors of a process may be used for. None: no monitor that can be found knows it.
///
/// ```
/// use monitor::telling::asker;
/// for process in asker::processes()?.found {
///     let descriptors = asker::descriptors(process.pid)?.found;
///     println!("{}: {}", process.pid, descriptors.map_or(0, |descriptors| descriptors.limits.len()));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When procfs cannot be read, or there are no sockets to be had.
pub fn descriptors(process: u32) -> io::Result<Sight<Option<Descriptors>>> {
    let mut found: Option<Descriptors> = None;
    let mut candidates = candidates()?;
    if !is_filtered(process) {
        candidates.clear();
    }
    let question = |from| Question::Descriptors { process, from };
    let mut is_whole = false;
    let concerns = |uid| knows(uid, process);
    let silent = ask(candidates, question(0), concerns, |monitor, _, _, answer| {
        let Answer::Descriptors { mode, limits, parked, next } = answer else { return Then::Ask(Vec::new()) };
        let all = found.get_or_insert_with(|| Descriptors {
            monitor,
            mode,
            limits: BTreeMap::new(),
            parked: BTreeSet::new(),
        });
        if all.monitor != monitor {
            return Then::Ask(Vec::new());
        }
        all.limits.extend(limits);
        all.parked.extend(parked);
        is_whole = next.is_none();
        next.map_or(Then::End, |from| Then::Ask(vec![question(from)]))
    })?;
    // Of what is missing all rights would be told.
    Ok(Sight { found: found.filter(|_| is_whole), silent })
}

/// Whether a monitor of this user can know of a process, which at least is under some filter.
fn knows(uid: u32, process: u32) -> bool {
    is_filtered(process)
        && (uid == 0
            || Status::read(process).is_ok_and(|status| status.identity.is_only(uid)) && is_a_user(uid))
}

/// Whether a process is under a seccomp filter, whoever's.
fn is_filtered(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
}

/// The sockets here that have names like monitors' of this pid namespace.
fn candidates() -> io::Result<Vec<Candidate>> {
    let sockets = std::fs::read("/proc/net/unix")?;
    let namespace = namespace();
    let candidate = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let name = line.split_whitespace().nth(7)?.strip_prefix('@')?;
        let (of, number) = name.strip_prefix(MONITOR)?.split_once('/')?;
        let pid = number.split('.').next()?.parse().ok()?;
        (of == namespace || of == NO_NAMESPACE).then(|| Candidate { pid, name: name.to_owned() })
    };
    let mut all: Vec<Candidate> = sockets.split(|&byte| byte == b'\n').filter_map(candidate).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// A connection to a monitor that has been asked something.
struct Asked {
    monitor: u32,
    uid: u32,
    socket: OwnedFd,
}

/// Asks all of them the same at first, then what follows from their answers. Returns those that are monitors, whose user
/// `concerns` us, and have not answered everything.
fn ask(
    candidates: Vec<Candidate>,
    first: Question,
    concerns: impl Fn(u32) -> bool,
    mut take: impl FnMut(u32, u32, Question, Answer) -> Then,
) -> io::Result<Vec<u32>> {
    let mut silent = BTreeSet::new();
    for some in candidates.chunks(AT_A_TIME) {
        let last = Instant::now() + PATIENCE_IN_ALL;
        let mut end = Instant::now() + PATIENCE;
        let mut todo: VecDeque<(&Candidate, Question)> = some.iter().map(|one| (one, first)).collect();
        // Those that have answered, or were busy: no others are monitors for sure.
        let mut known = BTreeSet::new();
        let mut waiting: Vec<(&Candidate, Question, Asked)> = Vec::new();
        while !(todo.is_empty() && waiting.is_empty()) && Instant::now() < end.min(last) {
            let mut later = Vec::new();
            while waiting.len() < AT_A_TIME
                && let Some((one, question)) = todo.pop_front()
            {
                match one.ask(question, &concerns) {
                    Ok(Some(asked)) => waiting.push((one, question, asked)),
                    // Its end, or somebody else's socket.
                    Ok(None) | Err(Errno::CONNREFUSED | Errno::NOENT) => {}
                    // Many are asking.
                    Err(Errno::AGAIN) => later.push((one, question)),
                    Err(errno) => return Err(errno.into()),
                }
            }
            let pollfd = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut fds: Vec<libc::pollfd> =
                waiting.iter().map(|(_, _, asked)| pollfd(asked.socket.as_raw_fd())).collect();
            let left = end.saturating_duration_since(Instant::now());
            let _ = sys::poll_for(&mut fds, Some(if later.is_empty() { left } else { PAUSE.min(left) }));
            let mut ready = fds.iter().map(|fd| fd.revents != 0);
            let (said, rest): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|_| ready.next() == Some(true));
            waiting = rest;
            for (one, question, asked) in said {
                known.insert(one.pid);
                match asked.answer() {
                    Some(Answer::Busy) => later.push((one, question)),
                    Some(answer) => match take(asked.monitor, asked.uid, question, answer) {
                        Then::Ask(more) => {
                            end = Instant::now() + PATIENCE;
                            todo.extend(more.into_iter().map(|question| (one, question)));
                        }
                        Then::End => return Ok(Vec::new()),
                    },
                    // It has ended, which shows when it is asked again.
                    None => later.push((one, question)),
                }
            }
            if !later.is_empty() {
                sleep(PAUSE);
            }
            todo.extend(later);
        }
        silent.extend(waiting.iter().map(|(one, ..)| one.pid));
        silent.extend(todo.iter().map(|(one, _)| one.pid).filter(|pid| known.contains(pid)));
    }
    Ok(silent.into_iter().collect())
}

impl Candidate {
    /// Asks it. None: it is no monitor, or none that concerns us.
    fn ask(&self, question: Question, concerns: impl Fn(u32) -> bool) -> Result<Option<Asked>, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let own = format!("{ASKER}{}/{}", random(), question.words());
        bind(&socket, &SocketAddrUnix::new_abstract_name(own.as_bytes())?)?;
        match connect(&socket, &SocketAddrUnix::new_abstract_name(self.name.as_bytes())?) {
            // Of another kind.
            Err(Errno::PROTOTYPE) => return Ok(None),
            result => result?,
        }
        let Ok(peer) = sys::peer_credentials(socket.as_fd()) else { return Ok(None) };
        if peer.pid != self.pid || !concerns(peer.uid) || !is_named_so(peer.pid) {
            return Ok(None);
        }
        Ok(Some(Asked { monitor: peer.pid, uid: peer.uid, socket }))
    }
}

impl Asked {
    fn answer(&self) -> Option<Answer> {
        let mut bytes = vec![0; 2 * LONGEST];
        let (len, _) = recv(&self.socket, &mut bytes[..], RecvFlags::DONTWAIT).ok()?;
        Answer::parse(&bytes[..len])
    }
}

/// Whether a process calls itself a monitor, where that can be read.
fn is_named_so(process: u32) -> bool {
    std::fs::read(format!("/proc/{process}/comm")).is_ok_and(|name| name == b"pimento-monitor\n")
}
