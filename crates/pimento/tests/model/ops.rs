//! What is done: operations that name descriptors and actors by choice, not by number, so that any part of a sequence of
//! them is a sequence too.

use crate::rules::{GETFL, GETOWN, SETFL, SETOWN};
use pimento::{Right, Rights};
use proptest::prelude::*;
use proptest::sample::select;

/// A sequence, and how it begins.
#[derive(Debug, Clone)]
pub struct Case {
    pub start: Start,
    /// Whether it is a process that may have few descriptors: what is done happens to the same numbers more often then.
    pub few: bool,
    pub steps: Vec<Step>,
}

/// One of the actors does something.
#[derive(Debug, Clone)]
pub struct Step {
    pub who: u8,
    pub op: Op,
}

/// How the first process gets its monitor.
#[derive(Debug, Clone)]
pub enum Start {
    /// By `pimento::enter`.
    Enter,
    /// By `pimento::Limits`, and enters.
    EnterWith(Vec<(u8, Limit)>),
    /// By `pimento::Limits`, and does not enter yet.
    Limits(Vec<(u8, Limit)>),
    /// By `pimento::limit` and the like, and does not enter yet.
    OneByOne(Vec<(u8, Limit)>),
}

/// One of the descriptors, or something that is none: which, is found out when it comes to that.
#[derive(Debug, Clone, Copy)]
pub struct Pick(pub u8);

#[derive(Debug, Clone)]
pub enum Op {
    Limit(Pick, Limit),
    Dup(Pick),
    /// With flags: dup3(2).
    DupTo(Pick, Pick, Option<bool>),
    DupFd(Pick, u8, bool),
    Close(Pick),
    CloseRange(Pick, u8, u32),
    SetCloexec(Pick, bool),
    Open(Pick, u8, i32),
    OpenPath,
    Accept(Pick, bool),
    Make(New),
    Use(Pick, Use),
    Poll([Pick; 3]),
    Clone(Sharing),
    Unshare,
    Exec,
    Exit,
    Enter,
    Mode,
}

/// A limit, in terms of what the descriptor has.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// To nothing but these, as far as it has them.
    Keep(u16),
    /// To all but these.
    Drop(u16),
    /// To these, whether it has them or not.
    Ask(u16),
    Ioctls(u8),
    Fcntls(u8),
}

#[derive(Debug, Clone, Copy)]
pub enum New {
    Pipe,
    Sockets,
    Memory,
    Counter,
}

/// Of a new actor.
#[derive(Debug, Clone, Copy)]
pub enum Sharing {
    /// Another process.
    Process,
    /// Another process with the same table.
    ProcessAlike,
    /// Another thread.
    Thread,
}

/// What a descriptor can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Read,
    Write,
    Pread,
    Pwrite,
    Seek,
    Tell,
    Stat,
    Truncate,
    /// With this protection; shared, or private.
    Map(i32, bool),
    GetFlags,
    SetFlags,
    GetOwner,
    Ioctl(u32),
    Lock,
    Entries,
    SocketOption,
}

/// The rights that limits are about here: the bits of [`Limit`].
pub const RIGHTS: [Right; 16] = [
    Right::READ,
    Right::WRITE,
    Right::SEEK,
    Right::SEEK_TELL,
    Right::MMAP,
    Right::MMAP_X,
    Right::FSTAT,
    Right::FTRUNCATE,
    Right::EVENT,
    Right::FCNTL,
    Right::IOCTL,
    Right::ACCEPT,
    Right::LOOKUP,
    Right::CREATE,
    Right::FLOCK,
    Right::GETSOCKOPT,
];

/// FIONREAD, TCGETS, TIOCGWINSZ.
pub const IOCTLS: [u32; 3] = [0x541b, 0x5401, 0x5413];

/// The rights to fcntl commands, and something that is none.
pub const FCNTLS: [u32; 5] = [GETFL, SETFL, GETOWN, SETOWN, 1 << 12];

/// The names that are opened.
pub const NAMES: [&str; 3] = ["file", ".", "inner/file"];

/// Everything that a descriptor can be used for.
pub fn uses() -> Vec<Use> {
    let (r, w, x) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
    let maps = [0, r, w, r | w, x, r | x];
    let plain = [
        Use::Read,
        Use::Write,
        Use::Pread,
        Use::Pwrite,
        Use::Seek,
        Use::Tell,
        Use::Stat,
        Use::Truncate,
        Use::GetFlags,
        Use::SetFlags,
        Use::GetOwner,
        Use::Lock,
        Use::Entries,
        Use::SocketOption,
    ];
    let maps =
        maps.into_iter().flat_map(|protection| [true, false].map(|shared| Use::Map(protection, shared)));
    plain.into_iter().chain(maps).chain(IOCTLS.map(Use::Ioctl)).collect()
}

pub fn rights_of(mask: u16) -> Rights {
    let chosen = (0..RIGHTS.len()).filter(|bit| mask & 1 << bit != 0).map(|bit| RIGHTS[bit]);
    Rights::of(&chosen.collect::<Vec<_>>())
}

fn pick() -> impl Strategy<Value = Pick> {
    any::<u8>().prop_map(Pick)
}

fn limit() -> impl Strategy<Value = Limit> {
    let few = (0..16u8, 0..16u8).prop_map(|(one, other)| 1 << one | 1 << other);
    let all_but_few = (0..16u8, 0..16u8).prop_map(|(one, other)| !(1u16 << one | 1 << other));
    let mask = prop_oneof![2 => few.boxed(), 2 => all_but_few.boxed(), 1 => any::<u16>().boxed()];
    let mask = mask.boxed();
    prop_oneof![
        4 => mask.clone().prop_map(Limit::Keep),
        4 => mask.clone().prop_map(Limit::Drop),
        1 => mask.prop_map(Limit::Ask),
        1 => (0..8u8).prop_map(Limit::Ioctls),
        1 => prop_oneof![9 => 0..16u8, 1 => 16..32u8].prop_map(Limit::Fcntls),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let flags = select(vec![
        libc::O_RDONLY,
        libc::O_WRONLY,
        libc::O_RDWR,
        libc::O_WRONLY | libc::O_APPEND,
        libc::O_WRONLY | libc::O_TRUNC,
        libc::O_RDWR | libc::O_CREAT,
        libc::O_RDONLY | libc::O_DIRECTORY,
        libc::O_RDWR | libc::O_CLOEXEC,
    ]);
    let new = select(vec![New::Pipe, New::Sockets, New::Memory, New::Counter]);
    let sharing = select(vec![Sharing::Process, Sharing::ProcessAlike, Sharing::Thread]);
    let range = select(vec![0, 0, libc::CLOSE_RANGE_UNSHARE]);
    prop_oneof![
        10 => (pick(), limit()).prop_map(|(fd, limit)| Op::Limit(fd, limit)),
        4 => pick().prop_map(Op::Dup),
        8 => (pick(), pick(), prop::option::of(any::<bool>())).prop_map(|(fd, to, flags)| Op::DupTo(fd, to, flags)),
        3 => (pick(), 0..4u8, any::<bool>()).prop_map(|(fd, least, cloexec)| Op::DupFd(fd, least, cloexec)),
        8 => pick().prop_map(Op::Close),
        1 => (pick(), any::<u8>(), range).prop_map(|(first, count, flags)| Op::CloseRange(first, count, flags)),
        1 => (pick(), any::<bool>()).prop_map(|(fd, cloexec)| Op::SetCloexec(fd, cloexec)),
        4 => (pick(), 0..3u8, flags).prop_map(|(dir, name, flags)| Op::Open(dir, name, flags)),
        1 => Just(Op::OpenPath),
        2 => (pick(), any::<bool>()).prop_map(|(fd, cloexec)| Op::Accept(fd, cloexec)),
        3 => new.prop_map(Op::Make),
        8 => (pick(), select(uses())).prop_map(|(fd, how)| Op::Use(fd, how)),
        2 => [pick(), pick(), pick()].prop_map(Op::Poll),
        3 => sharing.prop_map(Op::Clone),
        1 => Just(Op::Unshare),
        1 => Just(Op::Exec),
        1 => Just(Op::Exit),
        1 => Just(Op::Enter),
        1 => Just(Op::Mode),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    let limits = || prop::collection::vec((any::<u8>(), limit()), 1..6);
    prop_oneof![
        3 => Just(Start::Enter),
        1 => limits().prop_map(Start::EnterWith),
        1 => limits().prop_map(Start::Limits),
        1 => limits().prop_map(Start::OneByOne),
    ]
}

/// Any sequence.
pub fn case() -> impl Strategy<Value = Case> {
    let step = (any::<u8>(), op()).prop_map(|(who, op)| Step { who, op });
    (start(), any::<bool>(), prop::collection::vec(step, 1..40)).prop_map(|(start, few, steps)| Case {
        start,
        few,
        steps,
    })
}
