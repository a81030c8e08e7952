//! The monitor's end: it answers between what its thread does anyway, which is to wait. Everything here is over soon, so
//! that this is never late: nothing is read from an asker, nothing waited for, and at most a fifth of the time is spent on
//! askers, whoever they are and however many.

use super::{Answer, LONGEST, MONITOR, Mode, Question, is_a_user, namespace, random};
use crate::errno::Errno;
use crate::identity::{self, Status};
use crate::monitor::Monitor;
use crate::sys::{self, PeerCredentials};
use crate::tables::{Busy, Told};
use rights::Limits;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, acceptfrom_with, bind, listen, send,
    socket_with,
};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

/// So many askers may wait.
const BACKLOG: i32 = 64;
/// Names that are tried: the monitor's number alone, and with a word that nobody could have taken before.
const NAMES: usize = 3;
/// For each moment spent on an asker so many without.
const REST: u32 = 4;
/// How long nobody is looked for when an asker could not be taken on.
const FAILED: Duration = Duration::from_millis(10);
/// So many processes are looked at for an answer, and so many descriptors.
const PROCESSES: usize = 256;
const DESCRIPTORS: usize = 256;
/// More closed numbers than a filter lets anything through of are never kept from use.
const PARKED: usize = 1024;
/// So many processes are looked for at all.
const PROCESSES_MOST: usize = 1 << 14;

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// The monitor's ear and mouth. Where it can have none, the monitor does without.
#[derive(Debug)]
pub struct Teller {
    may_listen: bool,
    socket: Option<OwnedFd>,
    /// Until then nobody is answered.
    rests: Instant,
}

/// Whether this process may use sockets. A seccomp filter from before could kill it for that, and with it everything that
/// it stands for; so where there is one, a child tries. For a process with one thread.
fn may_listen() -> bool {
    const NONE: usize = 0;
    sys::prctl(libc::PR_GET_SECCOMP, 0) == Ok(NONE) || sys::survives(&listen_at_once)
}

/// Every call that is made here on sockets and none before.
fn listen_at_once() {
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, FLAGS, None) else { return };
    if let Ok(address) = SocketAddrUnix::new_abstract_name(format!("{MONITOR}try/{}", random()).as_bytes()) {
        let _ = bind(&socket, &address);
    }
    let _ = listen(&socket, BACKLOG);
    let _ = acceptfrom_with(&socket, FLAGS);
    let _ = sys::peer_credentials(socket.as_fd());
    let _ = send(&socket, &[], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

fn named_socket() -> Option<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, FLAGS, None).ok()?;
    let name = format!("{MONITOR}{}/{}", namespace(), std::process::id());
    let mut names =
        (0..NAMES).map(|nth| if nth == 0 { name.clone() } else { format!("{name}.{}", random()) });
    names.find(|name| {
        SocketAddrUnix::new_abstract_name(name.as_bytes())
            .is_ok_and(|address| bind(&socket, &address).is_ok())
    })?;
    listen(&socket, BACKLOG).ok()?;
    Some(socket)
}

impl Teller {
    /// For a process that has one thread yet.
    pub fn new() -> Teller {
        Teller { may_listen: may_listen(), socket: None, rests: Instant::now() }
    }

    /// From now on there may be askers.
    pub fn listen(&mut self) {
        self.socket = self.may_listen.then(named_socket).flatten();
    }

    /// Waits until `other` has `events`, or its end, and answers askers meanwhile.
    pub fn wait_for(&mut self, monitor: &Monitor, other: BorrowedFd, events: i16) {
        loop {
            let rest = self.rests.saturating_duration_since(Instant::now());
            let resting = (self.socket.is_some() && !rest.is_zero()).then_some(rest);
            let listening = self.socket.as_ref().filter(|_| resting.is_none());
            let pollfd = |fd, events| libc::pollfd { fd, events, revents: 0 };
            let listening = listening.map_or(-1, AsRawFd::as_raw_fd);
            let mut fds = [pollfd(other.as_raw_fd(), events), pollfd(listening, libc::POLLIN)];
            match sys::poll_for(&mut fds, resting) {
                Err(Errno::INTR) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            if fds[0].revents != 0 {
                return;
            }
            if fds[1].revents != 0 {
                let start = Instant::now();
                // A fault of ours is not to end everything that the monitor stands for.
                let answered = panic::catch_unwind(AssertUnwindSafe(|| self.answer_one(monitor)));
                let now = Instant::now();
                self.rests = now + if answered.unwrap_or(false) { (now - start) * REST } else { FAILED };
            }
        }
    }

    /// False: there was nobody.
    fn answer_one(&self, monitor: &Monitor) -> bool {
        let Some((asker, address)) =
            self.socket.as_ref().and_then(|socket| acceptfrom_with(socket, FLAGS).ok())
        else {
            return false;
        };
        let question = address
            .and_then(|address| SocketAddrUnix::try_from(address).ok())
            .and_then(|address| Question::of_address(&address));
        if let (Some(question), Ok(credentials)) = (question, sys::peer_credentials(asker.as_fd())) {
            let answer = answer(monitor, question, credentials).unwrap_or(Answer::Busy);
            // It fits into an empty socket, and nobody else is to wait for one that does not take it.
            let _ = send(&asker, answer.text().as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
        true
    }
}

/// Whoever asks.
struct Asker<'m> {
    monitor: &'m Monitor,
    credentials: PeerCredentials,
    /// If it is under this monitor itself.
    inside: Option<Mode>,
}

fn answer(monitor: &Monitor, question: Question, credentials: PeerCredentials) -> Result<Answer, Busy> {
    let inside = mode_of(monitor, credentials.pid)?;
    let asker = Asker { monitor, credentials, inside };
    match question {
        Question::Processes { from } => asker.processes(from),
        Question::Descriptors { process, from } => asker.descriptors(process, from),
    }
}

/// How a process is under the monitor; None: not at all.
fn mode_of(monitor: &Monitor, process: u32) -> Result<Option<Mode>, Busy> {
    let processes = &monitor.processes;
    if processes.are_hosted() {
        return Ok(processes.kin(process).map(|_| Mode::Hosted));
    }
    Ok(told(monitor, process)?.map(|told| if told.entered { Mode::Capability } else { Mode::Ordinary }))
}

fn told(monitor: &Monitor, process: u32) -> Result<Option<Told>, Busy> {
    let parent = Status::read(process).map_or(0, |status| status.ppid);
    monitor.processes.tables().told(process, parent)
}

impl Asker<'_> {
    /// Whether it may see a process: one of its own user, whoever that process would like to be, and root any. What is in a
    /// sandbox sees nothing of it.
    fn may_see(&self, process: u32) -> bool {
        let PeerCredentials { pid, uid } = self.credentials;
        match self.inside {
            Some(Mode::Ordinary) if pid != process => return false,
            Some(Mode::Capability | Mode::Hosted) => return false,
            // What somebody has made the monitor itself send.
            _ if pid == std::process::id() => return false,
            _ => {}
        }
        uid == 0 || Status::read(process).is_ok_and(|status| status.identity.is_only(uid)) && is_a_user(uid)
    }

    fn processes(&self, from: u32) -> Result<Answer, Busy> {
        let all = all_processes(self.monitor)?;
        let mut from_there = all.range(from..);
        let mut processes = Vec::new();
        for &process in from_there.by_ref().take(PROCESSES) {
            if self.may_see(process)
                && let Some(mode) = mode_of(self.monitor, process)?
            {
                processes.push((process, mode));
            }
        }
        Ok(Answer::Processes { processes, next: from_there.next().copied() })
    }

    fn descriptors(&self, process: u32, from: i32) -> Result<Answer, Busy> {
        if !self.may_see(process) {
            return Ok(Answer::Unknown);
        }
        let Some(mode) = mode_of(self.monitor, process)? else { return Ok(Answer::Unknown) };
        let told = told(self.monitor, process)?;
        let (by_number, parked) = told.map(|told| (told.limits, told.parked)).unwrap_or_default();
        let (limits, next) = match mode {
            Mode::Hosted => match hosted_limits(self.monitor, process, from, &by_number) {
                Ok(page) => page,
                Err(_) => return Ok(Answer::Unknown),
            },
            _ => page(by_number.range(from..).map(|(&number, limits)| (number, limits.clone()))),
        };
        let parked = parked.range(from..next.unwrap_or(i32::MAX)).take(PARKED).copied().collect();
        Ok(Answer::Descriptors { mode, limits, parked, next })
    }
}

/// What of a list goes into an answer, and the number that is to come next.
type Page = (Vec<(i32, Limits)>, Option<i32>);

/// As many as an answer has room for, and the first that it has not.
fn page(all: impl Iterator<Item = (i32, Limits)>) -> Page {
    let (mut some, mut size) = (Vec::new(), 0);
    for (number, limits) in all {
        if some.len() >= DESCRIPTORS || size > LONGEST / 2 {
            return (some, Some(number));
        }
        // A number, two words, the fcntls; a number for each command.
        size += 64 + limits.ioctls().commands().map_or(0, |commands| commands.len() * 9);
        some.push((number, limits));
    }
    (some, None)
}

/// Under `pimento run` what a descriptor may be used for goes by where its object lies, and by its number if that was limited.
fn hosted_limits(
    monitor: &Monitor,
    process: u32,
    from: i32,
    by_number: &BTreeMap<i32, Limits>,
) -> Result<Page, Errno> {
    let pidfd = monitor.processes.kin(process).ok_or(Errno::SRCH)?;
    let numbers = sys::descriptors(process)?;
    let mut numbers = numbers.range(from..);
    let mut limited = Vec::new();
    for &number in numbers.by_ref().take(DESCRIPTORS) {
        let by_place = match sys::pidfd_getfd(pidfd.as_fd(), number) {
            Ok(fd) => monitor.guard.rights_of(&fd)?.0,
            // Closed meanwhile.
            Err(Errno::BADF) => continue,
            // What is asked about cannot be done with it then, and the rest is not asked about.
            Err(_) => monitor.guard.passes,
        };
        let mut limits = Limits::of(by_place);
        if let Some(more) = by_number.get(&number) {
            limits = limits.intersection(more);
        }
        if !limits.is_all() {
            limited.push((number, limits));
        }
    }
    let next = numbers.next().copied();
    let (limits, full) = page(limited.into_iter());
    Ok((limits, full.or(next)))
}

/// The processes under a monitor.
fn all_processes(monitor: &Monitor) -> Result<BTreeSet<u32>, Busy> {
    let processes = &monitor.processes;
    if processes.are_hosted() {
        return Ok(descendants(std::process::id()));
    }
    let (known, forking) = processes.tables().processes()?;
    // One by one: sorting them, as collecting does, is code that is nowhere else in the monitor.
    let mut all = BTreeSet::new();
    all.extend(known);
    if identity::has_proc() {
        all.extend(forking.into_iter().flat_map(children));
    }
    Ok(all)
}

fn children(process: u32) -> Vec<u32> {
    let threads = sys::threads(process).unwrap_or_default();
    threads.into_iter().flat_map(|thread| sys::children(process, thread).unwrap_or_default()).collect()
}

fn descendants(process: u32) -> BTreeSet<u32> {
    let (mut all, mut todo) = (BTreeSet::new(), vec![process]);
    while let Some(process) = todo.pop() {
        for child in children(process) {
            if all.len() < PROCESSES_MOST && all.insert(child) {
                todo.push(child);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use rights::{Right, Rights};
    use rustix::net::getsockname;

    fn name_of(socket: &OwnedFd) -> String {
        let address = SocketAddrUnix::try_from(getsockname(socket).unwrap()).unwrap();
        String::from_utf8(address.abstract_name().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_name_that_is_taken_does_not_keep_a_monitor_from_telling() {
        let first = named_socket().unwrap();
        let second = named_socket().unwrap();
        let third = named_socket().unwrap();
        let name = name_of(&first);
        assert_eq!(name, format!("{MONITOR}{}/{}", namespace(), std::process::id()));
        for other in [&second, &third] {
            assert!(name_of(other).starts_with(&format!("{name}.")), "{}", name_of(other));
        }
        assert_ne!(name_of(&second), name_of(&third));
    }

    #[test]
    fn a_page_ends_before_it_is_too_long() {
        let limits = Limits::of(Rights::of(&[Right::READ]));
        let all = |count: i32| (0..count).map(|number| (number, limits.clone())).collect::<Vec<_>>();
        assert_eq!(page(all(3).into_iter()), (all(3), None));
        let (some, next) = page(all(1000).into_iter());
        assert_eq!(next, Some(some.len() as i32));
        let mut with_commands = Limits::of(Rights::of(&[Right::IOCTL]));
        let commands = rights::IoctlLimit::list((0..256).map(|nth| u32::MAX - nth)).unwrap();
        with_commands.narrow_ioctls(commands).unwrap();
        let (limits, next) = page((1_000_000..1_001_000).map(|number| (number, with_commands.clone())));
        let answer = Answer::Descriptors { mode: Mode::Capability, limits, parked: Vec::new(), next };
        assert!(answer.text().len() < LONGEST, "{}", answer.text().len());
    }
}
