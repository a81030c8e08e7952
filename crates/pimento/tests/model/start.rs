//! How a walk begins: what the first process has open, what it limits, and how it gets its monitor.

use crate::actor::{self, MEMORY, Memory, PROGRAM};
use crate::call;
use crate::ops::{self, Case, Limit, Start};
use crate::rules::{FCNTLS, Limits};
use crate::stage::{Scratch, c, open_at, own};
use crate::walk::seen;
use libc::{AT_FDCWD, O_NONBLOCK};
use pimento::{FcntlRights, Right, Rights};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

pub const LISTENS: &str = "a listening socket";

/// What is open at first: number, what it is, whether it is closed on exec.
pub const FURNITURE: &[(i32, &str, bool)] = &[
    (0, "/dev/null", false),
    (1, "/dev/null", false),
    (2, "/dev/null", false),
    (3, "a file", false),
    (4, "a file, to be read", true),
    (5, "a file, to be appended to", false),
    (6, "a directory", false),
    (7, LISTENS, false),
    (8, "one of two sockets", false),
    (9, "the other of two sockets", true),
    (10, "a pipe, to be read", false),
    (11, "a pipe, to be written", true),
    (12, "a counter", false),
    (13, "memory", false),
    (MEMORY, "the orders", false),
    (PROGRAM, "the program", false),
];

/// A limit as it is made.
#[derive(Debug, Clone)]
pub enum Made {
    Rights(Rights),
    Ioctls(BTreeSet<u32>),
    Fcntls(u32),
}

impl Made {
    /// What is chosen, of what is held.
    pub fn of(limit: Limit, held: &Limits) -> Made {
        let chosen = |all: &[u32], mask: u8| -> Vec<u32> {
            (0..all.len()).filter(|bit| mask & 1 << bit != 0).map(|bit| all[bit]).collect()
        };
        match limit {
            Limit::Keep(mask) => Made::Rights(ops::rights_of(mask).intersection(&held.rights)),
            Limit::Drop(mask) => Made::Rights(held.rights.difference(&ops::rights_of(mask))),
            Limit::Ask(mask) => Made::Rights(ops::rights_of(mask)),
            Limit::Ioctls(mask) => Made::Ioctls(chosen(&ops::IOCTLS, mask).into_iter().collect()),
            Limit::Fcntls(mask) => Made::Fcntls(chosen(&ops::FCNTLS, mask).into_iter().sum()),
        }
    }

    pub fn make(&self, limits: &mut Limits) -> Result<(), i32> {
        match self {
            Made::Rights(rights) => limits.limit(*rights),
            Made::Ioctls(list) => limits.limit_ioctls(list),
            Made::Fcntls(fcntls) => limits.limit_fcntls(*fcntls),
        }
    }

    /// EINVAL for what is no limit, of whatever descriptor.
    pub fn check(&self) -> Result<(), i32> {
        match self {
            Made::Fcntls(fcntls) if fcntls & !FCNTLS != 0 => Err(libc::EINVAL),
            _ => Ok(()),
        }
    }

    pub fn called(&self, fd: i32) -> String {
        match self {
            Made::Rights(rights) => format!("cap_rights_limit({fd}, {})", seen(*rights)),
            Made::Ioctls(list) => format!("cap_ioctls_limit({fd}, {list:x?})"),
            Made::Fcntls(fcntls) => format!("cap_fcntls_limit({fd}, {fcntls:#x})"),
        }
    }
}

/// How the first process begins.
#[derive(Debug)]
pub struct Plan {
    start: Start,
    limits: Vec<(i32, Made)>,
    /// So many descriptors there may be.
    pub end: i32,
}

/// What the case says.
pub fn plan(case: &Case) -> Plan {
    let chosen: &[(u8, Limit)] = match &case.start {
        Start::Enter => &[],
        Start::EnterWith(limits) | Start::Limits(limits) | Start::OneByOne(limits) => limits,
    };
    let mut held: BTreeMap<i32, Limits> = BTreeMap::new();
    let mut limits = Vec::new();
    for (choice, limit) in chosen {
        let number = i32::from(*choice) % MEMORIES;
        let has = held.entry(number).or_insert_with(Limits::all);
        let made = Made::of(*limit, has);
        if made.check().is_ok() && made.make(has).is_ok() {
            limits.push((number, made));
        }
    }
    // Where nothing is limited there is no monitor.
    if !matches!(case.start, Start::Enter) && held.values().all(Limits::is_all) {
        limits.push((13, Made::Rights(Rights::ALL.difference(&Right::EVENT.into()))));
    }
    Plan { start: case.start.clone(), limits, end: if case.few { 128 } else { 1024 } }
}

/// Of the numbers in use at first, those before this.
const MEMORIES: i32 = 14;

impl Plan {
    /// Whether it is in capability mode from the beginning.
    pub fn enters(&self) -> bool {
        matches!(self.start, Start::Enter | Start::EnterWith(_))
    }

    /// From this number on the filter lets nothing through.
    pub fn asked(&self) -> i32 {
        self.end / 4
    }

    /// How many of the limits the process gets with its monitor.
    fn first(&self) -> usize {
        match self.start {
            Start::OneByOne(_) => {
                let limits = |(_, made): &(i32, Made)| {
                    let mut limits = Limits::all();
                    made.make(&mut limits).is_ok() && !limits.is_all()
                };
                self.limits.iter().position(limits).map_or(0, |at| at + 1)
            }
            _ => self.limits.len(),
        }
    }

    pub fn made_with_the_monitor(&self) -> Vec<(i32, Made)> {
        self.limits[..self.first()].to_vec()
    }

    pub fn made_after(&self) -> Vec<(i32, Made)> {
        self.limits[self.first()..].to_vec()
    }

    /// What the filter lets through of each number, by how what is there is open. What is limited with it is let through exactly,
    /// and of what is open before it has entered only what is likely to be left of it.
    pub fn passes(&self, modes: &BTreeMap<i32, i32>) -> BTreeMap<i32, Rights> {
        let mut limited: BTreeMap<i32, Limits> = BTreeMap::new();
        let made = self.made_with_the_monitor();
        let named = match self.start {
            // Before the first that limits there is no monitor.
            Start::OneByOne(_) => &made[made.len().saturating_sub(1)..],
            _ => &made,
        };
        for (number, made) in named {
            let _ = made.make(limited.entry(*number).or_insert_with(Limits::all));
        }
        let stays = Rights::of(&[Right::SEEK, Right::FSTAT]);
        let (reads, writes) = (stays.union(&Right::READ.into()), stays.union(&Right::WRITE.into()));
        let likely = |number| match (number, modes.get(&number).map(|flags| flags & libc::O_ACCMODE)) {
            (0, _) | (3.., Some(libc::O_RDONLY)) => reads,
            (1 | 2, _) | (3.., Some(libc::O_WRONLY)) => writes,
            (_, Some(_)) => reads.union(&writes),
            (_, None) => Rights::ALL,
        };
        let of = |number| match limited.get(&number) {
            Some(limits) => limits.whatever_command(),
            None if self.enters() => Rights::ALL,
            None => likely(number),
        };
        (0..self.asked()).map(|number| (number, of(number))).chain([(self.asked(), Rights::NONE)]).collect()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.start {
            Start::Enter => "pimento::enter",
            Start::EnterWith(_) => "pimento::Limits, enter",
            Start::Limits(_) => "pimento::Limits, limit",
            Start::OneByOne(_) => "pimento::limit",
        };
        write!(f, "  p1 begins by {how}, with {} descriptors at most", self.end)?;
        for (number, made) in &self.limits {
            write!(f, "; {}", made.called(*number))?;
        }
        Ok(())
    }
}

/// What the first process is, in the player.
pub fn play(plan: &Plan, scratch: &Scratch, memory: &Memory, program: &OwnedFd) {
    call!(SYS_dup3, memory.number(), MEMORY, 0).unwrap();
    call!(SYS_dup3, program.as_raw_fd(), PROGRAM, 0).unwrap();
    call!(SYS_close_range, 3, 899, 0).unwrap();
    let path = scratch.at("file");
    let open = |path: &std::path::Path, flags| open_at(AT_FDCWD, path, flags | O_NONBLOCK).unwrap();
    for (number, flags) in [(0, libc::O_RDONLY), (1, libc::O_WRONLY), (2, libc::O_WRONLY)] {
        let null = open("/dev/null".as_ref(), flags);
        call!(SYS_dup3, null.as_raw_fd(), number, 0).unwrap();
    }
    let pair = |number, flags: i32| {
        let mut two = [0i32; 2];
        match number {
            libc::SYS_pipe2 => call!(SYS_pipe2, two.as_mut_ptr(), flags),
            _ => call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM | flags, 0, two.as_mut_ptr()),
        }
        .unwrap();
        two.map(|number| own(number.into()))
    };
    let [one, other] = {
        let mut furniture: Vec<OwnedFd> = vec![
            open(&path, libc::O_RDWR),
            open(&path, libc::O_RDONLY),
            open(&path, libc::O_WRONLY | libc::O_APPEND),
            open(&scratch.path, libc::O_RDONLY | libc::O_DIRECTORY),
            listen(scratch),
        ];
        furniture.extend(pair(libc::SYS_socketpair, libc::SOCK_NONBLOCK));
        furniture.extend(pair(libc::SYS_pipe2, O_NONBLOCK));
        furniture.push(own(call!(SYS_eventfd2, 0, O_NONBLOCK).unwrap()));
        furniture.push(own(call!(SYS_memfd_create, c"memory".as_ptr(), 0).unwrap()));
        let numbers: Vec<i32> = furniture.iter().map(AsRawFd::as_raw_fd).collect();
        assert_eq!(numbers, (3..MEMORIES).collect::<Vec<i32>>());
        // They stay.
        furniture.into_iter().for_each(std::mem::forget);
        [4, 9]
    };
    let _ = (one, other);
    for (number, _, cloexec) in FURNITURE {
        call!(SYS_fcntl, *number, libc::F_SETFD, i32::from(*cloexec)).unwrap();
    }
    call!(SYS_ftruncate, 13, 4096).unwrap();
    let limit = libc::rlimit { rlim_cur: plan.end as u64, rlim_max: 1024 };
    call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, &raw const limit, 0).unwrap();
    actor::make_stacks();
    begin(plan);
    call!(SYS_close_range, 900, 901, 0).unwrap();
    actor::obey(0)
}

fn begin(plan: &Plan) {
    // SAFETY: they are open, and stay so.
    let borrowed = |number: i32| unsafe { BorrowedFd::borrow_raw(number) };
    let fcntls = |bits| FcntlRights::from_bits(bits).unwrap();
    if matches!(plan.start, Start::OneByOne(_)) {
        for (number, made) in &plan.limits {
            let fd = borrowed(*number);
            match made {
                Made::Rights(rights) => pimento::limit(fd, *rights),
                Made::Ioctls(list) => pimento::limit_ioctls(fd, list.iter().copied()),
                Made::Fcntls(bits) => pimento::limit_fcntls(fd, fcntls(*bits)),
            }
            .unwrap();
        }
        return;
    }
    let fds: Vec<BorrowedFd> = plan.limits.iter().map(|(number, _)| borrowed(*number)).collect();
    let mut limits = pimento::Limits::new();
    for (fd, (_, made)) in fds.iter().zip(&plan.limits) {
        limits = match made {
            Made::Rights(rights) => limits.fd(fd, *rights),
            Made::Ioctls(list) => limits.ioctls(fd, list.iter().copied()),
            Made::Fcntls(bits) => limits.fcntls(fd, fcntls(*bits)),
        };
    }
    match plan.start {
        Start::Enter => pimento::enter().unwrap(),
        Start::EnterWith(_) => limits.enter().unwrap(),
        _ => limits.limit().unwrap(),
    }
}

/// The address of the socket that connections come to.
fn address(scratch: &Scratch) -> libc::sockaddr_un {
    let mut address = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
    for (place, byte) in address.sun_path.iter_mut().zip(scratch.at("socket").as_os_str().as_bytes()) {
        *place = *byte as i8;
    }
    address
}

fn socket(flags: i32) -> OwnedFd {
    own(call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM | flags, 0).unwrap())
}

fn listen(scratch: &Scratch) -> OwnedFd {
    let (socket, address) = (socket(libc::SOCK_NONBLOCK), address(scratch));
    let _ = call!(SYS_unlinkat, AT_FDCWD, c(scratch.at("socket")).as_ptr(), 0);
    call!(SYS_bind, socket.as_raw_fd(), &raw const address, size_of_val(&address)).unwrap();
    call!(SYS_listen, socket.as_raw_fd(), 16).unwrap();
    socket
}

/// A connection to it.
pub fn connect(scratch: &Scratch) -> OwnedFd {
    let (socket, address) = (socket(libc::SOCK_CLOEXEC), address(scratch));
    call!(SYS_connect, socket.as_raw_fd(), &raw const address, size_of_val(&address)).unwrap();
    socket
}
