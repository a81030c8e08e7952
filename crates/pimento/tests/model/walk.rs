//! One walk: each step is taken by an actor and by the model, and what comes of it is compared. What the rights permit is the
//! kernel's to answer: the judge asks it too, on a copy of its own of the same open file.

use crate::actor::{self, ACTORS, CLONE, Desk, MEMORY, Memory, ORDERS, Order, PROGRAM};
use crate::call;
use crate::ops::{self, Case, Limit, New, Op, Pick, Sharing, Step, Use};
use crate::rules::{Descriptor, GETFL, GETOWN, Limits, Needs, Object, Own, Place, SETFL, Table, Threads};
use crate::stage::{self, ECAPMODE, ENOTCAPABLE, Player, Scratch, c, own};
use crate::start;
use libc::{EAGAIN, EBADF};
use pimento::{Right, Rights};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// What FreeBSD's calls are at.
const CAP_ENTER: i64 = 0x4341_5000;
const CAP_GETMODE: i64 = 0x4341_5001;
const CAP_RIGHTS_LIMIT: i64 = 0x4341_5002;
const CAP_RIGHTS_GET: i64 = 0x4341_5003;
const CAP_IOCTLS_LIMIT: i64 = 0x4341_5004;
const CAP_IOCTLS_GET: i64 = 0x4341_5005;
const CAP_FCNTLS_LIMIT: i64 = 0x4341_5006;
const CAP_FCNTLS_GET: i64 = 0x4341_5007;

/// What a call came to.
type Result2 = Result<i64, i32>;
/// Why a walk ends early: a difference.
pub type Walked<T = ()> = Result<T, String>;

/// Who takes steps.
#[derive(Debug)]
struct Actor {
    tid: i64,
    handle: OwnedFd,
    process: usize,
    table: usize,
    /// Whether it has started another program.
    in_c: bool,
    name: String,
}

#[derive(Debug)]
struct Process {
    pid: i64,
    entered: bool,
    /// Whether its threads have, or had, different tables.
    split: bool,
    threads: usize,
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk<'s> {
    scratch: &'s Scratch,
    memory: &'s Memory,
    actors: [Option<Actor>; ACTORS],
    processes: Vec<Process>,
    tables: Vec<Table>,
    /// Numbers that something was done with lately.
    recent: VecDeque<i32>,
    /// Connections that nobody has accepted, and their other ends.
    pending: usize,
    peers: Vec<OwnedFd>,
    /// What has been done.
    said: Vec<String>,
    /// The first numbers that the monitor is asked everything about, and that it puts what is limited at.
    asked: i32,
}

/// An order for an actor, with what its pointers point to: `args` gets where that lies.
struct Asked<'a> {
    number: i64,
    args: Box<dyn Fn(u64) -> [u64; 6] + 'a>,
    bytes: Vec<u8>,
}

fn plain<'a>(number: i64, args: &[i64]) -> Asked<'a> {
    let mut six = [0; 6];
    for (place, arg) in six.iter_mut().zip(args) {
        *place = *arg as u64;
    }
    Asked { number, args: Box::new(move |_| six), bytes: Vec::new() }
}

fn result(order: &Order) -> Result2 {
    match order.result.load(Ordering::SeqCst) {
        errno @ -4095..0 => Err(-errno as i32),
        value => Ok(value),
    }
}

fn words(rights: Rights) -> Vec<u8> {
    rights.words().iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn name_of(errno: i32) -> String {
    match errno {
        ENOTCAPABLE => "ENOTCAPABLE".into(),
        ECAPMODE => "ECAPMODE".into(),
        libc::EBUSY => "EBUSY".into(),
        libc::EBADF => "EBADF".into(),
        libc::EINVAL => "EINVAL".into(),
        libc::EMFILE => "EMFILE".into(),
        libc::ENOSYS => "ENOSYS".into(),
        errno => format!("{}", std::io::Error::from_raw_os_error(errno)),
    }
}

fn told(result: Result2) -> String {
    result.map_or_else(name_of, |value| value.to_string())
}

fn differ<T>(what: &str, should: &str) -> Walked<T> {
    Err(format!("{what}, and should be {should}"))
}

/// What a use takes, by rights(4).
fn needs(how: Use) -> Needs {
    use Right as R;
    let fcntl = |right| Needs { fcntl: right, ..Needs::of(&[R::FCNTL]) };
    match how {
        Use::Read | Use::Entries => Needs::of(&[R::READ]),
        Use::Write => Needs::of(&[R::WRITE]),
        Use::Pread => Needs::of(&[R::PREAD]),
        Use::Pwrite => Needs::of(&[R::PWRITE]),
        Use::Seek => Needs::of(&[R::SEEK]),
        Use::Tell => Needs::of(&[R::SEEK_TELL]),
        Use::Stat => Needs::of(&[R::FSTAT]),
        Use::Truncate => Needs::of(&[R::FTRUNCATE]),
        Use::Map(protection, shared) => {
            let mut rights = vec![R::MMAP];
            if protection & libc::PROT_READ != 0 {
                rights.push(R::MMAP_R);
            }
            // What is private is written to nobody's file, but what can be written can be read.
            if protection & libc::PROT_WRITE != 0 {
                rights.push(if shared { R::MMAP_W } else { R::MMAP_R });
            }
            if protection & libc::PROT_EXEC != 0 {
                rights.push(R::MMAP_X);
            }
            Needs::of(&rights)
        }
        Use::GetFlags => fcntl(GETFL),
        Use::SetFlags => fcntl(SETFL),
        Use::GetOwner => fcntl(GETOWN),
        Use::Ioctl(command) => Needs { ioctl: Some(command), ..Needs::of(&[R::IOCTL]) },
        Use::Lock => Needs::of(&[R::FLOCK]),
        Use::SocketOption => Needs::of(&[R::GETSOCKOPT]),
    }
}

/// Whether the filter may answer for a use: a mapping that can be raised to more is always asked about.
fn is_native(how: Use) -> bool {
    !matches!(how, Use::Map(_, true))
        && !matches!(how, Use::Map(protection, _) if protection & libc::PROT_READ == 0)
}

/// The call of a use.
fn order_of<'a>(how: Use, fd: i32) -> Asked<'a> {
    let fd = fd as u32 as u64;
    let asked = |number, args: Box<dyn Fn(u64) -> [u64; 6] + 'a>| Asked { number, args, bytes: Vec::new() };
    // One, to whoever counts.
    let one = 1u64.to_ne_bytes().to_vec();
    match how {
        Use::Read => asked(libc::SYS_read, Box::new(move |at| [fd, at, 8, 0, 0, 0])),
        Use::Write => {
            Asked { bytes: one, ..asked(libc::SYS_write, Box::new(move |at| [fd, at, 8, 0, 0, 0])) }
        }
        Use::Pread => asked(libc::SYS_pread64, Box::new(move |at| [fd, at, 8, 0, 0, 0])),
        Use::Pwrite => {
            Asked { bytes: one, ..asked(libc::SYS_pwrite64, Box::new(move |at| [fd, at, 8, 0, 0, 0])) }
        }
        Use::Seek => asked(libc::SYS_lseek, Box::new(move |_| [fd, 0, libc::SEEK_SET as u64, 0, 0, 0])),
        Use::Tell => asked(libc::SYS_lseek, Box::new(move |_| [fd, 0, libc::SEEK_CUR as u64, 0, 0, 0])),
        Use::Stat => asked(libc::SYS_fstat, Box::new(move |at| [fd, at, 0, 0, 0, 0])),
        Use::Truncate => asked(libc::SYS_ftruncate, Box::new(move |_| [fd, 4096, 0, 0, 0, 0])),
        Use::Map(protection, shared) => {
            let flags = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE } as u64;
            asked(libc::SYS_mmap, Box::new(move |_| [0, 4096, protection as u64, flags, fd, 0]))
        }
        Use::GetFlags => asked(libc::SYS_fcntl, Box::new(move |_| [fd, libc::F_GETFL as u64, 0, 0, 0, 0])),
        Use::SetFlags => {
            let flags = libc::O_NONBLOCK as u64;
            asked(libc::SYS_fcntl, Box::new(move |_| [fd, libc::F_SETFL as u64, flags, 0, 0, 0]))
        }
        Use::GetOwner => asked(libc::SYS_fcntl, Box::new(move |_| [fd, libc::F_GETOWN as u64, 0, 0, 0, 0])),
        Use::Ioctl(command) => {
            asked(libc::SYS_ioctl, Box::new(move |at| [fd, u64::from(command), at, 0, 0, 0]))
        }
        Use::Lock => {
            let shared = (libc::LOCK_SH | libc::LOCK_NB) as u64;
            asked(libc::SYS_flock, Box::new(move |_| [fd, shared, 0, 0, 0, 0]))
        }
        Use::Entries => asked(libc::SYS_getdents64, Box::new(move |at| [fd, at, 96, 0, 0, 0])),
        Use::SocketOption => Asked {
            bytes: 4u32.to_ne_bytes().to_vec(),
            ..asked(
                libc::SYS_getsockopt,
                Box::new(move |at| [fd, libc::SOL_SOCKET as u64, libc::SO_TYPE as u64, at + 8, at, 0]),
            )
        },
    }
}

fn use_name(how: Use, fd: i32) -> String {
    match how {
        Use::Map(protection, shared) => {
            let letters = ["r", "w", "x"].iter().enumerate().filter(|(bit, _)| protection & 1 << bit != 0);
            let letters: String = letters.map(|(_, letter)| *letter).collect();
            format!("mmap({fd}, {letters:?}, {})", if shared { "shared" } else { "private" })
        }
        Use::Ioctl(command) => format!("ioctl({fd}, {command:#x})"),
        how => {
            let name = match how {
                Use::Read => "read",
                Use::Write => "write",
                Use::Pread => "pread",
                Use::Pwrite => "pwrite",
                Use::Seek => "lseek",
                Use::Tell => "lseek, to tell",
                Use::Stat => "fstat",
                Use::Truncate => "ftruncate",
                Use::GetFlags => "F_GETFL",
                Use::SetFlags => "F_SETFL",
                Use::GetOwner => "F_GETOWN",
                Use::Lock => "flock",
                Use::Entries => "getdents64",
                _ => "getsockopt",
            };
            format!("{name}({fd})")
        }
    }
}

/// Whether two results are the same, as far as it matters: who comes first reads what is there.
fn is_same(how: Use, one: Result2, other: Result2) -> bool {
    let matters = |result: Result2| match (how, result) {
        (Use::Read | Use::Write, Err(EAGAIN | libc::ECONNRESET)) => Ok(()),
        // Of a directory whose last entry has been read, before anything else: the offset is the largest that there is.
        (Use::Read, Err(libc::EISDIR)) => Err(libc::EINVAL),
        (_, result) => result.map(drop),
    };
    matters(one) == matters(other)
}

impl<'s> Walk<'s> {
    /// A player that has begun as the case says, and its model.
    pub fn begin(
        case: &Case,
        scratch: &'s Scratch,
        memory: &'s Memory,
        program: &OwnedFd,
        user: stage::User,
    ) -> Walk<'s> {
        for desk in &memory.shared().desks {
            desk.turn.store(0, Ordering::SeqCst);
        }
        let plan = start::plan(case);
        let player = Player::start(user, || start::play(&plan, scratch, memory, program));
        let handle = own(call!(SYS_pidfd_open, player.pid, 0).unwrap());
        let first =
            Actor { tid: player.pid.into(), handle, process: 0, table: 0, in_c: false, name: "p1".into() };
        let mut walk = Walk {
            scratch,
            memory,
            actors: Default::default(),
            processes: vec![Process {
                pid: player.pid.into(),
                entered: plan.enters(),
                split: false,
                threads: 1,
            }],
            tables: vec![Table { open: BTreeMap::new(), end: plan.end, own: Own::new(BTreeMap::new()) }],
            recent: VecDeque::new(),
            pending: 0,
            peers: Vec::new(),
            said: vec![plan.to_string()],
            asked: plan.asked(),
        };
        walk.actors[0] = Some(first);
        walk
    }

    /// What the model begins with, once the first process has begun.
    fn furnish(&mut self, case: &Case) -> Walked {
        let _ = self.order(0, plain(libc::SYS_getppid, &[]))?;
        let plan = start::plan(case);
        for (number, what, cloexec) in start::FURNITURE {
            let copy = self.fetch(0, *number)?;
            let object = Object { copy, what: (*what).into(), listens: *what == start::LISTENS };
            let descriptor = Descriptor { object: Rc::new(object), limits: Limits::all(), cloexec: *cloexec };
            self.tables[0].open.insert(*number, descriptor);
        }
        let modes = self.tables[0].open.iter().map(|(number, descriptor)| {
            let flags = call!(SYS_fcntl, descriptor.object.copy.as_raw_fd(), libc::F_GETFL).unwrap();
            (*number, flags as i32)
        });
        let passes = plan.passes(&modes.collect());
        self.tables[0].own = Own::new(passes);
        for (number, limit) in plan.made_with_the_monitor() {
            let descriptor = self.tables[0].open.get_mut(&number).ok_or("a limit of nothing")?;
            limit.make(&mut descriptor.limits).map_err(name_of)?;
            self.recent.push_front(number);
        }
        for (number, limit) in plan.made_after() {
            let threads = self.threads(0);
            let made = self.tables[0].limit(number, threads, |limits| limit.make(limits));
            made.map_err(name_of)?;
            self.recent.push_front(number);
        }
        Ok(())
    }

    /// All of it.
    pub fn take(&mut self, case: &Case) -> Walked {
        let walked = self.furnish(case);
        let walked = walked.and_then(|()| case.steps.iter().try_for_each(|step| self.step(step)));
        walked.and_then(|()| self.sweep()).map_err(|difference| self.failure(&difference))
    }

    fn failure(&self, difference: &str) -> String {
        let said: Vec<String> = self.said.iter().map(|line| format!("    {line}\n")).collect();
        format!("{}    {difference}", said.concat())
    }

    /// Ends everybody.
    pub fn end(self) {
        for actor in self.actors.iter().flatten() {
            let _ = call!(SYS_kill, self.processes[actor.process].pid, libc::SIGKILL);
        }
    }

    // --- orders --------------------------------------------------------------------------------------------

    fn actor(&self, at: usize) -> &Actor {
        self.actors[at].as_ref().expect("an actor that there is")
    }

    fn desk(&self, at: usize) -> &'static Desk {
        &self.memory.shared().desks[at]
    }

    /// Has an actor carry out orders, and waits until it has.
    fn orders(&self, at: usize, asked: &[Asked]) -> Walked<Vec<Result2>> {
        assert!(asked.len() <= ORDERS);
        let desk = self.desk(at);
        for (index, asked) in asked.iter().enumerate() {
            let order = desk.order(index);
            order.put(&asked.bytes);
            order.number.store(asked.number, Ordering::SeqCst);
            for (place, arg) in order.args.iter().zip((asked.args)(order.pointer())) {
                place.store(arg, Ordering::SeqCst);
            }
        }
        desk.tell(asked.len());
        self.wait_for(at)?;
        Ok((0..asked.len()).map(|index| result(desk.order(index))).collect())
    }

    fn wait_for(&self, at: usize) -> Walked {
        for _ in 0..500 {
            if self.desk(at).is_done() {
                return Ok(());
            }
            if self.has_ended(at) {
                return Err(format!("{} has died", self.actor(at).name));
            }
        }
        Err(format!("{} does not come back", self.actor(at).name))
    }

    fn has_ended(&self, at: usize) -> bool {
        let mut fds =
            [libc::pollfd { fd: self.actor(at).handle.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        call!(SYS_poll, fds.as_mut_ptr(), 1, 0) == Ok(1)
    }

    fn order(&self, at: usize, asked: Asked) -> Walked<Result2> {
        Ok(self.orders(at, &[asked])?[0])
    }

    /// A copy of an actor's descriptor.
    fn fetch(&self, at: usize, number: i32) -> Walked<OwnedFd> {
        let copy = call!(SYS_pidfd_getfd, self.actor(at).handle.as_raw_fd(), number, 0);
        copy.map(own).map_err(|errno| format!("there is nothing at {number}: {}", name_of(errno)))
    }

    fn table(&mut self, at: usize) -> &mut Table {
        let table = self.actor(at).table;
        &mut self.tables[table]
    }

    fn process(&mut self, at: usize) -> &mut Process {
        let process = self.actor(at).process;
        &mut self.processes[process]
    }

    fn threads(&self, at: usize) -> Threads {
        let (process, table) = (self.actor(at).process, self.actor(at).table);
        let shares = |other: &Actor| other.table == table && other.process != process;
        let shared = self.actors.iter().flatten().any(shares);
        Threads { one: self.processes[process].threads == 1, split: self.processes[process].split, shared }
    }

    // --- choices -------------------------------------------------------------------------------------------

    fn who(&self, choice: u8) -> usize {
        let there: Vec<usize> = (0..ACTORS).filter(|&at| self.actors[at].is_some()).collect();
        there[choice as usize % there.len()]
    }

    fn number(&mut self, at: usize, pick: Pick) -> i32 {
        let choice = pick.0 as usize;
        let table = &self.tables[self.actor(at).table];
        let open: Vec<i32> = table.open.keys().copied().filter(|number| !is_apart(*number)).collect();
        let number = match choice {
            0..110 if !self.recent.is_empty() => self.recent[choice % self.recent.len()],
            0..235 if !open.is_empty() => open[choice % open.len()],
            _ => {
                let parked = table.own.parked.first().copied().unwrap_or(-1);
                [-1, 5000, table.end - 1, 40, parked][choice % 5]
            }
        };
        self.touch(number);
        number
    }

    /// A number to copy something to.
    fn target(&mut self, at: usize, pick: Pick) -> i32 {
        let choice = i32::from(pick.0);
        let table = &self.tables[self.actor(at).table];
        let number = match choice {
            0..130 => return self.number(at, pick),
            130..150 => (0..table.end).find(|&number| table.is_free(number)).unwrap_or(-1),
            150..190 => self.asked - 2 + choice % 8,
            190..235 => self.asked * 2 + choice % 8,
            _ => [-1, table.end - 1, table.end, 20][choice as usize % 4],
        };
        self.touch(number);
        number
    }

    fn touch(&mut self, number: i32) {
        self.recent.retain(|other| *other != number);
        self.recent.push_front(number);
        self.recent.truncate(6);
    }

    // --- steps ---------------------------------------------------------------------------------------------

    fn say(&mut self, at: usize, what: impl AsRef<str>) {
        let line = format!("{:3}  {}: {}", self.said.len(), self.actor(at).name, what.as_ref());
        self.said.push(line);
    }

    /// What was asked for, and what it came to; and whether it should have.
    fn compare(&mut self, at: usize, what: &str, got: Result2, should: Result2) -> Walked {
        self.say(at, format!("{what} = {}", told(got)));
        if got == should {
            Ok(())
        } else {
            differ(what, &told(should)).map_err(|text| format!("{text}, not {}", told(got)))
        }
    }

    fn step(&mut self, step: &Step) -> Walked {
        let at = self.who(step.who);
        match &step.op {
            Op::Limit(fd, limit) => self.limit(at, *fd, *limit),
            Op::Dup(fd) => {
                let fd = self.number(at, *fd);
                let should = self.table(at).dup(fd, 0);
                let should = should.map(|(copy, place)| (Descriptor { cloexec: false, ..copy }, place));
                self.copy(at, &format!("dup({fd})"), plain(libc::SYS_dup, &[fd.into()]), should)
            }
            Op::DupFd(fd, least, cloexec) => {
                let (fd, least) = (self.number(at, *fd), [0, 10, self.asked + 8, -1][usize::from(*least)]);
                let (name, command) = match cloexec {
                    true => ("F_DUPFD_CLOEXEC", libc::F_DUPFD_CLOEXEC),
                    false => ("F_DUPFD", libc::F_DUPFD),
                };
                let should = self.table(at).dup(fd, least);
                let should = should.map(|(copy, place)| (Descriptor { cloexec: *cloexec, ..copy }, place));
                let asked = plain(libc::SYS_fcntl, &[fd.into(), command.into(), least.into()]);
                self.copy(at, &format!("fcntl({fd}, {name}, {least})"), asked, should)
            }
            Op::DupTo(fd, to, flags) => self.dup_to(at, *fd, *to, *flags),
            Op::Close(fd) => {
                let fd = self.number(at, *fd);
                let got = self.order(at, plain(libc::SYS_close, &[fd.into()]))?;
                let should = self.table(at).close(fd).map(|()| 0);
                self.compare(at, &format!("close({fd})"), got, should)?;
                self.look(at, &[fd])
            }
            Op::CloseRange(first, count, flags) => self.close_range(at, *first, *count, *flags),
            Op::SetCloexec(fd, cloexec) => {
                let fd = self.number(at, *fd);
                if self.is_parked(at, fd) {
                    return Ok(());
                }
                let asked = plain(libc::SYS_fcntl, &[fd.into(), libc::F_SETFD.into(), (*cloexec).into()]);
                let got = self.order(at, asked)?;
                let should = match self.table(at).open.get_mut(&fd) {
                    Some(descriptor) => {
                        descriptor.cloexec = *cloexec;
                        Ok(0)
                    }
                    None => Err(EBADF),
                };
                self.compare(at, &format!("fcntl({fd}, F_SETFD, {})", i32::from(*cloexec)), got, should)
            }
            Op::Open(dir, name, flags) => self.open(at, *dir, ops::NAMES[usize::from(*name)], *flags),
            Op::OpenPath => self.open_path(at),
            Op::Accept(fd, cloexec) => self.accept(at, *fd, *cloexec),
            Op::Make(new) => self.make(at, *new),
            Op::Use(fd, how) => {
                let fd = self.number(at, *fd);
                self.uses(at, &[(fd, *how)], true)
            }
            Op::Poll(fds) => {
                let fds = fds.map(|fd| self.number(at, fd));
                self.poll(at, fds)
            }
            Op::Clone(sharing) => self.clone_actor(at, *sharing),
            Op::Unshare if self.process(at).threads > 1 => Ok(()),
            Op::Unshare => {
                let got = self.order(at, plain(libc::SYS_unshare, &[libc::CLONE_FILES.into()]))?;
                self.compare(at, "unshare(CLONE_FILES)", got, Ok(0))?;
                self.separate(at);
                self.look(at, &[0])
            }
            Op::Exec => self.exec(at),
            Op::Exit => self.exit(at),
            Op::Enter => {
                let got = self.order(at, plain(CAP_ENTER, &[]))?;
                self.compare(at, "cap_enter()", got, Ok(0))?;
                self.process(at).entered = true;
                Ok(())
            }
            Op::Mode => {
                let asked = Asked {
                    number: CAP_GETMODE,
                    args: Box::new(|to| [to, 0, 0, 0, 0, 0]),
                    bytes: vec![9; 4],
                };
                let got = self.order(at, asked)?.map(|_| i64::from(self.desk(at).order(0).get(0, 1)[0]));
                let should = Ok(self.process(at).entered.into());
                self.compare(at, "cap_getmode()", got, should)
            }
        }
    }

    fn limit(&mut self, at: usize, fd: Pick, limit: Limit) -> Walked {
        let fd = self.number(at, fd);
        let held = self.table(at).limits(fd).cloned().unwrap_or_else(|_| Limits::all());
        let limit = start::Made::of(limit, &held);
        let threads = self.threads(at);
        let fd64 = fd as u32 as u64;
        let asked = match &limit {
            start::Made::Rights(rights) => Asked {
                number: CAP_RIGHTS_LIMIT,
                args: Box::new(move |words| [fd64, words, 0, 0, 0, 0]),
                bytes: words(*rights),
            },
            start::Made::Ioctls(commands) => {
                let count = commands.len() as u64;
                let words = commands.iter().flat_map(|command| u64::from(*command).to_ne_bytes());
                Asked {
                    number: CAP_IOCTLS_LIMIT,
                    args: Box::new(move |list| [fd64, list, count, 0, 0, 0]),
                    bytes: words.collect(),
                }
            }
            start::Made::Fcntls(fcntls) => plain(CAP_FCNTLS_LIMIT, &[fd.into(), (*fcntls).into()]),
        };
        let got = self.order(at, asked)?;
        let table = self.table(at);
        let should = limit.check().and_then(|()| table.limit(fd, threads, |limits| limit.make(limits)));
        let should = should.map(|()| 0);
        self.compare(at, &limit.called(fd), got, should)?;
        self.look(at, &[fd])
    }

    /// Whether a new descriptor has come where it may.
    fn placed(&mut self, at: usize, what: &str, number: i64, place: Place) -> Walked<i32> {
        let number = number as i32;
        let fits = match place {
            Place::Lowest(lowest) => number == lowest,
            Place::Free(least) => number >= least && self.table(at).is_free(number),
        };
        let should = match place {
            Place::Lowest(lowest) => lowest.to_string(),
            Place::Free(least) => format!("a free number from {least} on"),
        };
        if fits { Ok(number) } else { differ(&format!("{what} is {number}"), &should) }
    }

    fn copy(
        &mut self,
        at: usize,
        what: &str,
        asked: Asked,
        should: Result<(Descriptor, Place), i32>,
    ) -> Walked {
        let got = self.order(at, asked)?;
        match (got, should) {
            (Ok(number), Ok((copy, place))) => {
                self.say(at, format!("{what} = {number}"));
                let number = self.placed(at, what, number, place)?;
                self.table(at).put(number, copy);
                self.touch(number);
                self.look(at, &[number])
            }
            (got, should) => {
                let should = should.map(|(_, place)| match place {
                    Place::Lowest(number) | Place::Free(number) => number.into(),
                });
                self.compare(at, what, got, should)
            }
        }
    }

    fn dup_to(&mut self, at: usize, fd: Pick, to: Pick, flags: Option<bool>) -> Walked {
        let (fd, to) = (self.number(at, fd), self.target(at, to));
        if is_apart(to) {
            return Ok(());
        }
        let flags = flags.map(|cloexec| if cloexec { libc::O_CLOEXEC } else { 0 });
        let (what, asked) = match flags {
            None => (format!("dup2({fd}, {to})"), plain(libc::SYS_dup2, &[fd.into(), to.into()])),
            Some(flags) => {
                let args = [fd.into(), to.into(), flags.into()];
                (format!("dup3({fd}, {to}, {flags:#o})"), plain(libc::SYS_dup3, &args))
            }
        };
        let got = self.order(at, asked)?;
        let threads = self.threads(at);
        let table = self.actor(at).table;
        let has_others = self.actors.iter().flatten().filter(|other| other.table == table).count() > 1;
        if got == Err(libc::EBUSY) && has_others && to >= self.asked {
            // Another may be about to use the number: it has not called since.
            self.say(at, format!("{what} = EBUSY"));
            return self.look(at, &[fd, to]);
        }
        let should = self.table(at).dup_to(fd, to, flags, threads);
        self.compare(at, &what, got, should.as_ref().map(|_| to.into()).map_err(|errno| *errno))?;
        if let Ok(Some(copy)) = should {
            self.table(at).put(to, copy);
        }
        self.look(at, &[fd, to])
    }

    fn close_range(&mut self, at: usize, first: Pick, count: u8, flags: u32) -> Walked {
        let first = self.number(at, first).clamp(0, MEMORY - 1);
        let flags = if self.process(at).threads > 1 { flags & !libc::CLOSE_RANGE_UNSHARE } else { flags };
        // Few, or all that nobody is told to leave alone.
        let last = if count < 250 { first + i32::from(count % 12) } else { MEMORY }.min(MEMORY - 1);
        let asked = plain(libc::SYS_close_range, &[first.into(), last.into(), flags.into()]);
        let got = self.order(at, asked)?;
        if flags & libc::CLOSE_RANGE_UNSHARE != 0 {
            self.separate(at);
        }
        self.table(at).close_range(first, last, flags);
        self.compare(at, &format!("close_range({first}, {last}, {flags:#x})"), got, Ok(0))?;
        self.look(at, &[first, last])
    }

    /// From now on the actor has its table to itself.
    fn separate(&mut self, at: usize) {
        let (table, process) = (self.actor(at).table, self.actor(at).process);
        let sharers: Vec<usize> = self
            .actors
            .iter()
            .flatten()
            .filter(|other| other.table == table)
            .map(|other| other.process)
            .collect();
        if sharers.len() > 1 {
            self.processes[process].split |= sharers.iter().filter(|&&other| other == process).count() > 1;
            self.own_table(at);
        }
    }

    fn own_table(&mut self, at: usize) {
        let copy = self.table(at).clone();
        self.tables.push(copy);
        let table = self.tables.len() - 1;
        if let Some(actor) = &mut self.actors[at] {
            actor.table = table;
        }
    }

    fn open(&mut self, at: usize, dir: Pick, name: &str, flags: i32) -> Walked {
        let dir = self.number(at, dir);
        let flags = flags | libc::O_NONBLOCK;
        let path = c(name).into_bytes_with_nul();
        let asked = Asked {
            number: libc::SYS_openat,
            args: Box::new(move |path| [dir as u32 as u64, path, flags as u64, 0o666, 0, 0]),
            bytes: path,
        };
        let what = format!("openat({dir}, {name:?}, {flags:#o})");
        let should = self.opened(at, dir, name, flags);
        let got = self.order(at, asked)?;
        if self.is_parked(at, dir) {
            return self.is_refused(at, &what, got);
        }
        let should = should.map(|limits| (limits, flags & libc::O_CLOEXEC != 0));
        self.made(at, &what, got, should, &format!("{name} opened"))
    }

    /// What openat(2) leads to: the directory's limits, or an error.
    fn opened(&mut self, at: usize, dir: i32, name: &str, flags: i32) -> Result<Limits, i32> {
        let entered = self.process(at).entered;
        let mut rights = if entered { vec![Right::LOOKUP] } else { Vec::new() };
        if flags & libc::O_ACCMODE != libc::O_WRONLY {
            rights.push(Right::READ);
        }
        if flags & libc::O_ACCMODE != libc::O_RDONLY {
            rights.push(Right::WRITE);
            if flags & (libc::O_APPEND | libc::O_TRUNC) == 0 {
                rights.push(Right::SEEK);
            }
        }
        if flags & libc::O_CREAT != 0 {
            rights.push(Right::CREATE);
        }
        if flags & libc::O_TRUNC != 0 {
            rights.push(Right::FTRUNCATE);
        }
        self.table(at).permit(dir, &Needs::of(&rights), false)?;
        let directory = self.table(at).open.get(&dir).ok_or(EBADF)?;
        stage::open_at_mode(directory.object.copy.as_raw_fd(), name, flags, 0o666)?;
        Ok(directory.limits.clone())
    }

    fn open_path(&mut self, at: usize) -> Walked {
        let path = self.scratch.at("file");
        let bytes = c(&path).into_bytes_with_nul();
        let flags = libc::O_RDONLY | libc::O_NONBLOCK;
        let asked = Asked {
            number: libc::SYS_openat,
            args: Box::new(move |path| [libc::AT_FDCWD as u64, path, flags as u64, 0, 0, 0]),
            bytes,
        };
        let got = self.order(at, asked)?;
        let should = if self.process(at).entered { Err(ECAPMODE) } else { Ok((Limits::all(), false)) };
        self.made(at, "openat(AT_FDCWD, \"/…/file\", O_RDONLY)", got, should, "file opened by its path")
    }

    /// A new descriptor of something new, with these limits, closed on exec or not.
    fn made(
        &mut self,
        at: usize,
        what: &str,
        got: Result2,
        should: Result<(Limits, bool), i32>,
        object: &str,
    ) -> Walked {
        let should = should.and_then(|new| self.table(at).place(&new.0, 0).map(|place| (new, place)));
        match (got, should) {
            (Ok(number), Ok(((limits, cloexec), place))) => {
                self.say(at, format!("{what} = {number}"));
                let number = self.placed(at, what, number, place)?;
                self.add(at, number, limits, cloexec, object)
            }
            (got, should) => self.compare(at, what, got, should.map(|_| 0)),
        }
    }

    fn add(&mut self, at: usize, number: i32, limits: Limits, cloexec: bool, object: &str) -> Walked {
        let object = Object { copy: self.fetch(at, number)?, what: object.into(), listens: false };
        self.table(at).put(number, Descriptor { object: Rc::new(object), limits, cloexec });
        self.touch(number);
        self.look(at, &[number])
    }

    fn accept(&mut self, at: usize, fd: Pick, cloexec: bool) -> Walked {
        let fd = self.number(at, fd);
        let listens = self.table(at).open.get(&fd).is_some_and(|descriptor| descriptor.object.listens);
        let permitted = self.table(at).permit(fd, &Needs::of(&[Right::ACCEPT]), false);
        if listens && self.pending == 0 {
            self.peers.push(start::connect(self.scratch));
            self.pending += 1;
        }
        let flags = libc::SOCK_NONBLOCK | if cloexec { libc::SOCK_CLOEXEC } else { 0 };
        let what = format!("accept4({fd}, {flags:#o})");
        let got = self.order(at, plain(libc::SYS_accept4, &[fd.into(), 0, 0, flags.into()]))?;
        if self.is_parked(at, fd) {
            return self.is_refused(at, &what, got);
        }
        let should = permitted.and_then(|()| {
            let descriptor = self.table(at).open.get(&fd).ok_or(EBADF)?;
            if !listens {
                call!(SYS_accept4, descriptor.object.copy.as_raw_fd(), 0, 0, flags)?;
            }
            Ok((descriptor.limits.clone(), cloexec))
        });
        self.pending -= usize::from(listens && got.is_ok());
        self.made(at, &what, got, should, "a connection")
    }

    fn make(&mut self, at: usize, new: New) -> Walked {
        let (unix, stream) = (libc::AF_UNIX as u64, (libc::SOCK_STREAM | libc::SOCK_NONBLOCK) as u64);
        let nonblock = libc::O_NONBLOCK as u64;
        let asked = |number, args| Asked { number, args, bytes: b"it\0".to_vec() };
        let (what, asked, two) = match new {
            New::Pipe => {
                ("pipe2", asked(libc::SYS_pipe2, Box::new(move |to| [to, nonblock, 0, 0, 0, 0])), true)
            }
            New::Sockets => (
                "socketpair",
                asked(libc::SYS_socketpair, Box::new(move |to| [unix, stream, 0, to, 0, 0])),
                true,
            ),
            New::Memory => {
                ("memfd_create", asked(libc::SYS_memfd_create, Box::new(|name| [name, 0, 0, 0, 0, 0])), false)
            }
            New::Counter => {
                ("eventfd2", asked(libc::SYS_eventfd2, Box::new(move |_| [0, nonblock, 0, 0, 0, 0])), false)
            }
        };
        let got = self.order(at, asked)?;
        if !two {
            return self.made(at, &format!("{what}()"), got, Ok((Limits::all(), false)), what);
        }
        let bytes = self.desk(at).order(0).get(0, 8);
        let numbers = [0, 4].map(|at| i32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte])));
        let free: Vec<i32> = {
            let table = self.table(at);
            (0..table.end).filter(|&number| table.is_free(number)).take(2).collect()
        };
        if free.len() < 2 {
            return self.compare(at, &format!("{what}()"), got, Err(libc::EMFILE));
        }
        self.say(at, format!("{what}() = {}", got.map_or_else(name_of, |_| format!("{numbers:?}"))));
        if got != Ok(0) || numbers[..] != free[..] {
            return differ(&format!("{what}() is {}, {numbers:?}", told(got)), &format!("{free:?}"));
        }
        for number in numbers {
            self.add(at, number, Limits::all(), false, what)?;
        }
        Ok(())
    }

    // --- actors --------------------------------------------------------------------------------------------

    fn clone_actor(&mut self, at: usize, sharing: Sharing) -> Walked {
        let Some(free) = (0..ACTORS).find(|&other| self.actors[other].is_none()) else { return Ok(()) };
        let thread =
            libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_SIGHAND | libc::CLONE_THREAD | libc::CLONE_SYSVSEM;
        // The program in C has one thread.
        let sharing = match sharing {
            Sharing::Thread if self.actor(at).in_c => Sharing::ProcessAlike,
            sharing => sharing,
        };
        let (flags, what) = match sharing {
            Sharing::Process => (libc::SIGCHLD, "fork()"),
            Sharing::ProcessAlike => (libc::SIGCHLD | libc::CLONE_FILES, "clone(CLONE_FILES)"),
            Sharing::Thread => (thread | libc::CLONE_FILES, "clone(CLONE_THREAD | CLONE_FILES)"),
        };
        let is_thread = flags & libc::CLONE_THREAD != 0;
        self.desk(free).turn.store(0, Ordering::SeqCst);
        let got = self.order(at, plain(CLONE, &[flags.into(), free as i64, is_thread.into()]))?;
        let Ok(tid) = got else { return self.compare(at, what, got, Ok(1)) };
        let flag = if is_thread { libc::PIDFD_THREAD } else { 0 };
        let handle =
            own(call!(SYS_pidfd_open, tid, flag).map_err(|errno| format!("{tid}: {}", name_of(errno)))?);
        let process = if is_thread {
            self.process(at).threads += 1;
            self.actor(at).process
        } else {
            let (pid, entered) = (tid, self.process(at).entered);
            self.processes.push(Process { pid, entered, split: false, threads: 1 });
            self.processes.len() - 1
        };
        let name = format!("p{}{}", process + 1, if is_thread { format!("t{free}") } else { String::new() });
        self.say(at, format!("{what} is {name}"));
        let table = self.actor(at).table;
        let in_c = self.actor(at).in_c;
        self.actors[free] = Some(Actor { tid, handle, process, table, in_c, name });
        match sharing {
            Sharing::Process => self.own_table(free),
            Sharing::ProcessAlike | Sharing::Thread => {}
        }
        Ok(())
    }

    fn exec(&mut self, at: usize) -> Walked {
        self.say(at, "execveat(…)");
        let argument = [b'a' + at as u8, 0];
        // The empty path, the argument, and the pointers to it and to nothing.
        let desk = self.desk(at);
        let order = desk.order(0);
        let (path, text, argv) = (order.pointer(), order.pointer() + 8, order.pointer() + 16);
        let mut bytes = vec![0; 32];
        bytes[8..10].copy_from_slice(&argument);
        bytes[16..24].copy_from_slice(&text.to_ne_bytes());
        let empty = argv + 8;
        let asked = Asked {
            number: libc::SYS_execveat,
            args: Box::new(move |_| [PROGRAM as u64, path, argv, empty, libc::AT_EMPTY_PATH as u64, 0]),
            bytes,
        };
        let process = self.actor(at).process;
        let got = self.exec_order(at, asked, process)?;
        if got != Ok(0) {
            return differ("execveat()", "0").map_err(|text| format!("{text}, not {}", told(got)));
        }
        // The others are gone, and it is the first.
        for other in 0..ACTORS {
            if other != at && self.actors[other].as_ref().is_some_and(|actor| actor.process == process) {
                self.actors[other] = None;
            }
        }
        let pid = self.processes[process].pid;
        let handle = own(call!(SYS_pidfd_open, pid, 0).map_err(name_of)?);
        let left = &mut self.processes[process];
        (left.threads, left.split) = (1, false);
        let table = self.actor(at).table;
        if let Some(actor) = &mut self.actors[at] {
            actor.tid = pid;
            actor.handle = handle;
            actor.in_c = true;
            actor.name = format!("p{}", process + 1);
        }
        if self.actors.iter().flatten().filter(|other| other.table == table).count() > 1 {
            self.own_table(at);
        }
        self.table(at).exec();
        Ok(())
    }

    /// An order after which the thread is its process's first, whoever was that.
    fn exec_order(&mut self, at: usize, asked: Asked, process: usize) -> Walked<Result2> {
        let pid = self.processes[process].pid;
        let handle = own(call!(SYS_pidfd_open, pid, 0).map_err(name_of)?);
        if let Some(actor) = &mut self.actors[at] {
            actor.handle = handle;
        }
        self.order(at, asked)
    }

    fn exit(&mut self, at: usize) -> Walked {
        let process = self.actor(at).process;
        let is_first = self.actor(at).tid == self.processes[process].pid;
        let gone =
            |actor: &Actor| actor.process == process && (is_first || actor.name == self.actor(at).name);
        let gone: Vec<usize> =
            (0..ACTORS).filter(|&other| self.actors[other].as_ref().is_some_and(gone)).collect();
        if gone.len() == self.actors.iter().flatten().count() {
            return Ok(());
        }
        let number = if is_first { libc::SYS_exit_group } else { libc::SYS_exit };
        self.say(at, if is_first { "exit_group()" } else { "exit()" });
        let desk = self.desk(at);
        let order = desk.order(0);
        order.number.store(number, Ordering::SeqCst);
        order.args[0].store(0, Ordering::SeqCst);
        desk.tell(1);
        for _ in 0..500 {
            if self.has_ended(at) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        for other in gone {
            self.actors[other] = None;
        }
        self.processes[process].threads -= 1;
        Ok(())
    }

    // --- comparing -----------------------------------------------------------------------------------------

    fn is_parked(&self, at: usize, number: i32) -> bool {
        self.tables[self.actor(at).table].own.parked.contains(&number)
    }

    /// A use of a closed number with a placeholder behind it, which is not to succeed.
    fn is_refused(&mut self, at: usize, what: &str, got: Result2) -> Walked {
        self.say(at, format!("{what} = {}", told(got)));
        if got.is_err() { Ok(()) } else { differ(what, "refused: the number is closed") }
    }

    /// Uses descriptors, and compares what that comes to.
    fn uses(&mut self, at: usize, list: &[(i32, Use)], says: bool) -> Walked {
        for list in list.chunks(ORDERS) {
            let asked: Vec<Asked> = list.iter().map(|(fd, how)| order_of(*how, *fd)).collect();
            let got = self.orders(at, &asked)?;
            let mapped: Vec<Asked> = list
                .iter()
                .zip(&got)
                .filter(|((_, how), got)| matches!(how, Use::Map(..)) && got.is_ok())
                .map(|(_, got)| plain(libc::SYS_munmap, &[got.unwrap_or(0), 4096]))
                .collect();
            self.orders(at, &mapped)?;
            for ((fd, how), got) in list.iter().zip(got) {
                let what = use_name(*how, *fd);
                if says {
                    self.say(at, format!("{what} = {}", shown(*how, got)));
                }
                self.used(at, *fd, *how, &what, got)?;
            }
        }
        Ok(())
    }

    fn used(&mut self, at: usize, fd: i32, how: Use, what: &str, got: Result2) -> Walked {
        let name = self.actor(at).name.clone();
        if self.is_parked(at, fd) {
            // What asks nothing of the file works on the placeholder.
            let harmless =
                [Use::Seek, Use::Tell, Use::Stat, Use::GetFlags, Use::SetFlags, Use::GetOwner, Use::Lock];
            return match got {
                Ok(_) if !harmless.contains(&how) => {
                    differ(&format!("{name}: {what} is {}", told(got)), "refused")
                }
                _ => Ok(()),
            };
        }
        let should = match self.table(at).permit(fd, &needs(how), is_native(how)) {
            Err(errno) => Err(errno),
            Ok(()) => {
                let copy = self.table(at).open[&fd].object.clone();
                let asked = order_of(how, copy.copy.as_raw_fd());
                let mut room = [0u8; actor::ROOM];
                room[..asked.bytes.len()].copy_from_slice(&asked.bytes);
                let args = (asked.args)(room.as_mut_ptr().expose_provenance() as u64);
                let should = stage::perform(asked.number, args.map(|arg| arg as usize));
                if let (Use::Map(..), Ok(at)) = (how, should) {
                    call!(SYS_munmap, at, 4096).unwrap();
                }
                should
            }
        };
        if is_same(how, got, should) {
            return Ok(());
        }
        differ(&format!("{name}: {what} is {}", shown(how, got)), &shown(how, should))
    }

    fn poll(&mut self, at: usize, fds: [i32; 3]) -> Walked {
        let events = libc::POLLIN | libc::POLLOUT;
        let bytes = fds.iter().flat_map(|fd| {
            let mut bytes = fd.to_ne_bytes().to_vec();
            bytes.extend(events.to_ne_bytes());
            bytes.extend([0; 2]);
            bytes
        });
        let asked = Asked {
            number: libc::SYS_poll,
            args: Box::new(|list| [list, 3, 0, 0, 0, 0]),
            bytes: bytes.collect(),
        };
        let got = self.order(at, asked)?;
        let bytes = self.desk(at).order(0).get(0, 24);
        let revents = [0, 8, 16].map(|at| i16::from_ne_bytes([bytes[at + 6], bytes[at + 7]]));
        self.say(at, format!("poll({fds:?}) = {}, {revents:x?}", told(got)));
        for (fd, revents) in fds.into_iter().zip(revents) {
            if self.is_parked(at, fd) {
                continue;
            }
            // A negative number is passed over.
            let should = match self.table(at).permit(fd, &Needs::of(&[Right::EVENT]), false) {
                Err(_) if fd < 0 => 0,
                Err(_) => libc::POLLNVAL,
                Ok(()) => {
                    let fd = self.table(at).open[&fd].object.copy.as_raw_fd();
                    let mut fds = [libc::pollfd { fd, events, revents: 0 }];
                    call!(SYS_poll, fds.as_mut_ptr(), 1, 0).unwrap();
                    fds[0].revents
                }
            };
            if revents != should {
                return differ(&format!("poll({fd}) tells {revents:#x}"), &format!("{should:#x}"));
            }
        }
        Ok(())
    }

    /// What the getters say of numbers, and whether what is behind them is what should be.
    fn look(&mut self, at: usize, numbers: &[i32]) -> Walked {
        const EACH: usize = 4;
        let asked: Vec<Asked> = numbers.iter().flat_map(|number| getters(*number)).collect();
        let got = self.orders(at, &asked)?;
        let name = self.actor(at).name.clone();
        for (index, number) in numbers.iter().enumerate() {
            let got = &got[index * EACH..][..EACH];
            let told = |order: usize, len| self.desk(at).order(index * EACH + order).get(0, len);
            let is_parked = self.is_parked(at, *number);
            let table = &self.tables[self.actor(at).table];
            let Some(descriptor) = table.open.get(number) else {
                let errors = &got[..if is_parked { 3 } else { 4 }];
                if errors.iter().all(|got| *got == Err(EBADF)) {
                    continue;
                }
                let got: Vec<String> = got.iter().map(|got| self::told(*got)).collect();
                let what = "cap_rights_get, cap_ioctls_get, cap_fcntls_get, F_GETFD";
                return differ(&format!("{name}: of {number}, {what} are {got:?}"), "EBADF");
            };
            let limits = &descriptor.limits;
            if got[0] != Ok(0) || told(0, 16) != words(limits.rights) {
                let has = Rights::from_words([0, 8].map(|at| {
                    u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| told(0, 16)[at + byte]))
                }));
                let what = format!(
                    "{name}: {number} has {}, {}",
                    self::told(got[0]),
                    seen(has.unwrap_or(Rights::NONE))
                );
                return differ(&what, &seen(limits.rights));
            }
            let (count, list) = match &limits.ioctls {
                None => (i64::MAX, Vec::new()),
                Some(list) => {
                    let bytes = list.iter().flat_map(|command| u64::from(*command).to_ne_bytes());
                    (list.len() as i64, bytes.collect())
                }
            };
            if got[1] != Ok(count) || told(1, list.len()) != list {
                let what = format!("{name}: of {number}, cap_ioctls_get is {}", self::told(got[1]));
                return differ(&what, &format!("{count}"));
            }
            if got[2] != Ok(0) || told(2, 4) != limits.fcntls.to_ne_bytes() {
                let what = format!(
                    "{name}: of {number}, cap_fcntls_get is {}, {:x?}",
                    self::told(got[2]),
                    told(2, 4)
                );
                return differ(&what, &format!("{:#x}", limits.fcntls));
            }
            if got[3] != Ok(descriptor.cloexec.into()) {
                let what = format!("{name}: of {number}, F_GETFD is {}", self::told(got[3]));
                return differ(&what, &i32::from(descriptor.cloexec).to_string());
            }
            let (own, copy) = (std::process::id(), descriptor.object.copy.as_raw_fd());
            let same = call!(SYS_kcmp, own, self.actor(at).tid, 0, copy, *number);
            if same != Ok(0) {
                return differ(&format!("{name}: {number} is something else"), &descriptor.object.what);
            }
        }
        Ok(())
    }

    /// Compares everything: what is open, what it is, what may be done with it, and what can be.
    fn sweep(&mut self) -> Walked {
        let mut seen = BTreeSet::new();
        for at in 0..ACTORS {
            let Some(actor) = &self.actors[at] else { continue };
            let (name, table) = (actor.name.clone(), &self.tables[actor.table]);
            let is = self.listed(at)?;
            let should: BTreeSet<i32> = table.open.keys().chain(&table.own.parked).copied().collect();
            if is != should {
                return differ(&format!("{name}: open are {is:?}"), &format!("{should:?}"));
            }
            let first = seen.insert((actor.process, actor.table));
            let mut numbers: Vec<i32> = should.into_iter().filter(|number| !is_apart(*number)).collect();
            numbers.extend([-1, (0..table.end).find(|&number| table.is_free(number)).unwrap_or(-1)]);
            for numbers in numbers.chunks(ORDERS / 4) {
                self.look(at, numbers)?;
            }
            if !first {
                continue;
            }
            let list: Vec<(i32, Use)> =
                numbers.iter().flat_map(|fd| ops::uses().into_iter().map(|how| (*fd, how))).collect();
            self.uses(at, &list, false)?;
            for fds in numbers.chunks(3) {
                let mut three = [-1; 3];
                three[..fds.len()].copy_from_slice(fds);
                let said = self.said.len();
                self.poll(at, three)?;
                self.said.truncate(said);
            }
        }
        Ok(())
    }

    /// What is open, as the kernel has it.
    fn listed(&self, at: usize) -> Walked<BTreeSet<i32>> {
        let tid = self.actor(at).tid;
        let names =
            fs::read_dir(format!("/proc/{tid}/fd")).map_err(|error| format!("/proc/{tid}/fd: {error}"))?;
        Ok(names.flatten().filter_map(|name| name.file_name().to_str()?.parse().ok()).collect())
    }
}

/// Whether it is a number that nobody is told to touch.
fn is_apart(number: i32) -> bool {
    number == MEMORY || number == PROGRAM
}

fn shown(how: Use, result: Result2) -> String {
    match (how, result) {
        (Use::Map(..), Ok(_)) => "an address".into(),
        (_, result) => told(result),
    }
}

/// Rights in few words.
pub fn seen(rights: Rights) -> String {
    let missing = Rights::ALL.difference(&rights);
    match (missing.is_empty(), rights.is_empty()) {
        (true, _) => "all".into(),
        (_, true) => "none".into(),
        _ if missing.to_string().len() < rights.to_string().len() => format!("all but {missing}"),
        _ => rights.to_string(),
    }
}

/// What a number may be used for, in four orders.
fn getters<'a>(number: i32) -> [Asked<'a>; 4] {
    let fd = number as u32 as u64;
    let asked = |number, args| Asked { number, args, bytes: vec![0; 64] };
    [
        asked(CAP_RIGHTS_GET, Box::new(move |to| [0, fd, to, 0, 0, 0])),
        asked(CAP_IOCTLS_GET, Box::new(move |to| [fd, to, 8, 0, 0, 0])),
        asked(CAP_FCNTLS_GET, Box::new(move |to| [fd, to, 0, 0, 0, 0])),
        plain(libc::SYS_fcntl, &[number.into(), libc::F_GETFD.into()]),
    ]
}
