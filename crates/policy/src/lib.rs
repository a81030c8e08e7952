//! One table: for every system call, its verdict in capability mode, the rights it needs on each argument,
//! and why. The filter compiler, the monitor's dispatch, `pimento explain`, the rendered documentation and the
//! tests all read it; a system call is mentioned nowhere else. Pure data: no I/O.
//!
//! Rights are per descriptor, and can be limited at any time, but a filter, once installed, can neither be loosened nor
//! made to ask where it did not. So in capability mode a call that needs no right (close, dup, fork) is nevertheless
//! [`Verdict::Ask`], from the start, where it changes which limits belong to which number: *asked so that the monitor
//! knows*. The same holds where a descriptor arrives with limits of its own, where the descriptors are named in memory,
//! and where a mapping outlives the check of its descriptor. What makes a new object that nothing limits yet (pipe,
//! socket, a thread with the same table) needs nobody to know.
//!
//! Two columns. *Capability mode* is FreeBSD's: what a process that entered it by itself may do. *Hosted* is
//! `pimento run`: an unmodified program in capability mode for which the monitor holds directories (so that paths
//! mean something) and the program's own descendants (so that their pids do). Where hosted says nothing, it is
//! capability mode.
#![no_std]
#![forbid(unsafe_code)]

mod calls;
mod commands;
mod resolve;
mod rows;

use rights::{FcntlRights, Rights};

pub use calls::{CALLS, PSEUDO, by_number_x86_64, open_needs};
pub use commands::{FCNTL, IOCTL, PRCTL, SETSOCKOPT, fcntl_right};
pub use resolve::{Resolved, resolve};

use resolve::union_of;

/// Linux's errno of a call that does not exist.
pub const ENOSYS: i32 = 38;

/// A system call, as the table has it.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The kernel's name for it.
    pub name: &'static str,
    /// Its number on x86_64, where it exists there.
    pub x86_64: Option<u32>,
    /// Its number on aarch64 (and every architecture with the generic table), where it exists there.
    pub aarch64: Option<u32>,
    /// Its arguments in order, as far as they matter.
    pub args: &'static [Arg],
    /// In capability mode.
    pub verdict: Verdict,
    /// Under `pimento run`, where that differs.
    pub hosted: Option<Verdict>,
    /// What the monitor does when it is asked about this call.
    pub op: Op,
    /// Why, in a line.
    pub why: &'static str,
}

/// What an argument of a call is.
#[derive(Debug, Clone, Copy)]
pub enum Arg {
    /// A descriptor that the call works on, with the rights that it needs.
    Fd(&'static [Need]),
    /// A directory descriptor, or AT_FDCWD, from which the next [`Arg::Path`] or [`Arg::Addr`] starts.
    Dir,
    /// A path in memory, with the rights that it needs on the directory that it starts from.
    /// With no [`Arg::Dir`] before it, it starts at the working directory.
    Path(&'static [Need]),
    /// A process, thread or process group by number.
    Pid,
    /// Flags, by value.
    Flags,
    /// A file mode, by value.
    Mode,
    /// A command of one of the command namespaces.
    Command,
    /// Some other number.
    Int,
    /// A length or count.
    Size,
    /// A pointer to something that the call reads.
    In,
    /// A pointer to something that the call writes.
    Out,
    /// A pointer to something that the call reads and writes.
    InOut,
    /// A socket address in memory, with the rights that a path in it needs on the [`Arg::Dir`] before it.
    Addr(&'static [Need]),
}

/// Rights that an argument needs when all of `when` hold (no condition: always). What an argument needs is
/// the union of its needs that apply.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Conditions on the call's registers, all of which must hold.
    pub when: &'static [Cond],
    /// The rights.
    pub rights: Rights,
}

/// A condition on one register: `args[arg] & mask == is`, or with `not` its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cond {
    /// Which argument, from 0.
    pub arg: u8,
    /// The bits that matter. Without bits above 31 the condition is about the low half, as for a C `int`.
    pub mask: u64,
    /// What they must be.
    pub is: u64,
    /// What they must not be, rather: the condition holds where they differ from `is`.
    pub not: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    /// It goes through: nothing of it reaches beyond the process itself.
    Allow,
    /// It fails with this errno.
    Deny(i32),
    /// It goes through if its descriptors carry the rights that its arguments name: natively where the filter
    /// knows, by the monitor's word where it does not.
    Descriptors,
    /// The monitor is asked, and does what [`Call::op`] says.
    Ask,
    /// The first rule whose conditions all hold decides, else the last word.
    When(&'static [Rule], &'static Verdict),
    /// The command in the call's registers decides, by its namespace's list.
    Command(&'static Namespace),
}

/// A line of [`Verdict::When`].
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Conditions, all of which must hold.
    pub when: &'static [Cond],
    /// What then becomes of the call. Never another `When`.
    pub then: Verdict,
}

/// A namespace of commands behind one call: ioctl's, fcntl's, prctl's, setsockopt's.
#[derive(Debug)]
pub struct Namespace {
    /// Its name.
    pub name: &'static str,
    /// The arguments that make up a command's value, most significant first: `[1]` for ioctl and fcntl, `[0]` for
    /// prctl, `[1, 2]` (level, option) for setsockopt. Each counts by its low 32 bits.
    pub key: &'static [u8],
    /// Every known command, by value.
    pub commands: &'static [Command],
    /// What becomes of an unknown one.
    pub unknown: Verdict,
}

/// A command of a [`Namespace`].
#[derive(Debug)]
pub struct Command {
    /// The name that the kernel's headers give it.
    pub name: &'static str,
    /// Its value: of the key's arguments, 32 bits each.
    pub value: u64,
    /// In capability mode. Never another `Command`.
    pub verdict: Verdict,
    /// Under `pimento run`, where that differs.
    pub hosted: Option<Verdict>,
    /// The rights that it needs on the call's descriptor, beyond what the call's own argument names.
    pub needs: Rights,
    /// Which right of `cap_fcntls_limit(2)` it needs beside those, if it is one that these speak of.
    pub fcntl: Option<FcntlRights>,
    /// Why, in a line.
    pub why: &'static str,
}

/// What the monitor does when it is asked. The names are of actions, not of calls: `open`, `openat` and `creat`
/// are all [`Op::Open`], told apart by their arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Checks the descriptors' rights, and lets the call go on or refuses it: nothing it decides by is in memory.
    Check,
    /// Opens a file and hands over a descriptor. Flags in a register.
    Open,
    /// The same with a `struct open_how`.
    OpenHow,
    /// Creates and opens: `creat(2)`.
    Create,
    /// File status into a `struct stat`.
    Stat,
    /// The same, not following a last symbolic link: `lstat(2)`.
    StatLink,
    /// File status into a `struct statx`.
    Statx,
    /// File status of a descriptor: `fstat(2)`.
    StatFd,
    /// Permission to access.
    Access,
    /// The text of a symbolic link.
    ReadLink,
    /// A new directory.
    MakeDir,
    /// A new node.
    MakeNode,
    /// Removes a name: `unlink`, `unlinkat` with its flags.
    Unlink,
    /// Removes a directory: `rmdir(2)`.
    RemoveDir,
    /// Renames, with renameat2's flags where there are any.
    Rename,
    /// A hard link.
    Link,
    /// A symbolic link.
    SymLink,
    /// Mode by path.
    ChangeMode,
    /// Mode by descriptor.
    ChangeModeFd,
    /// Owner by path.
    ChangeOwner,
    /// Owner by path, not following a last symbolic link: `lchown(2)`.
    ChangeOwnerLink,
    /// Owner by descriptor.
    ChangeOwnerFd,
    /// Times by path, `struct timespec[2]`: utimensat, also with a null path.
    SetTimes,
    /// Times by path, `struct timeval[2]`: utimes, futimesat.
    SetTimesMicro,
    /// Times by path, `struct utimbuf`: utime.
    SetTimesSecond,
    /// Extended attributes by path: read, following links.
    GetXattr,
    /// … not following the last link.
    GetXattrLink,
    /// … by descriptor.
    GetXattrFd,
    /// Extended attributes by path: list, following links.
    ListXattr,
    /// … not following the last link.
    ListXattrLink,
    /// … by descriptor.
    ListXattrFd,
    /// Extended attributes by path: set, following links.
    SetXattr,
    /// … not following the last link.
    SetXattrLink,
    /// … by descriptor.
    SetXattrFd,
    /// Extended attributes by path: remove, following links.
    RemoveXattr,
    /// … not following the last link.
    RemoveXattrLink,
    /// … by descriptor.
    RemoveXattrFd,
    /// Length by path.
    Truncate,
    /// Length by descriptor.
    TruncateFd,
    /// File system status by path.
    StatFs,
    /// Working directory by path.
    ChangeDir,
    /// Working directory by descriptor.
    ChangeDirFd,
    /// The working directory's name.
    GetCwd,
    /// Starts a program by path: `execve(2)`.
    Exec,
    /// Starts a program by directory descriptor and path, or by descriptor: `execveat(2)`.
    ExecAt,
    /// Watches a path with inotify.
    Watch,
    /// A signal to a process or group by number: `kill(2)`.
    Kill,
    /// A signal to a thread by its process's and its own number: tgkill, rt_tgsigqueueinfo.
    KillThread,
    /// A signal to a thread or process by one number: tkill, rt_sigqueueinfo.
    KillTask,
    /// A signal by process descriptor: `pidfd_send_signal(2)`. Not to the monitor, of which a message may bring one.
    SignalFd,
    /// Something done to the process (or thread) that the call's [`Arg::Pid`] names, 0 being the caller: lets it go on
    /// if that is the caller itself.
    OfProcess,
    /// Something asked of the process (or thread) that the call's [`Arg::Pid`] names, that changes nothing: hosted, it
    /// may be kin.
    AboutProcess,
    /// The capabilities of a process or thread that is named in memory: `capget(2)`.
    Capabilities,
    /// A descriptor of a process by its number: `pidfd_open(2)`.
    OpenProcess,
    /// A message with everything about it in memory: `sendmsg(2)`.
    SendMessage,
    /// Several of them: `sendmmsg(2)`.
    SendMessages,
    /// The caller changes its own credentials: goes on, and is remembered.
    Credentials,
    /// A new process, or a thread that does not share everything: fork, vfork, clone. Goes on, and what the two share
    /// is remembered: the table of descriptors with its limits, or a copy of it; working directory and umask.
    Fork,
    /// Stops sharing the table of descriptors, or working directory and umask: `unshare(2)`. Goes on, and is remembered.
    Unshare,
    /// Closes a descriptor, and its limits are gone.
    Close,
    /// Closes descriptors by their numbers' range, or makes them close-on-exec: `close_range(2)`. With
    /// CLOSE_RANGE_UNSHARE in a table of the caller's own.
    CloseRange,
    /// Copies a descriptor with its limits to a number of the kernel's or the monitor's choice: `dup(2)`.
    Dup,
    /// Copies a descriptor with its limits to a number of the caller's choice: dup2, dup3.
    DupTo,
    /// Takes a connection, with the listening socket's limits: accept, accept4.
    Accept,
    /// Waits for descriptors that an array in memory names: poll, ppoll.
    Poll,
    /// Waits for descriptors that bit sets in memory name: select, pselect6.
    Select,
    /// A message, and the descriptors in it with their limits: `recvmsg(2)`.
    ReceiveMessage,
    /// Several of them: `recvmmsg(2)`.
    ReceiveMessages,
    /// Reads and writes on descriptors that are named in memory: `io_submit(2)`.
    SubmitIo,
    /// Maps a file whose mapping could be raised to more than its descriptor allows: goes on, and where it lies is
    /// remembered.
    Map,
    /// Changes the protection of memory: up to what the descriptors of files mapped there allowed.
    Protect,
    /// Moves, grows or copies a mapping: goes on, and where it lies now is remembered.
    Remap,
    /// Takes memory out of the file that is mapped there, madvise's MADV_REMOVE: where its descriptor allowed writing.
    Punch,
    /// Gives a Unix socket an address beneath a directory: `bindat(2)`.
    Bind,
    /// Connects a Unix socket to an address beneath a directory: `connectat(2)`.
    Connect,
    /// `listen(2)`: carried out on a copy of the socket, if that has an address already.
    Listen,
    /// `ioctl(2)`: the commands that need the monitor.
    Ioctl,
    /// `fcntl(2)`: the commands that need the monitor.
    Fcntl,
    /// `prctl(2)`: the commands that need the monitor.
    Prctl,
    /// A pseudo system call of FreeBSD's interface.
    Capsicum,
}

/// Every call: the kernel's, then the pseudo system calls.
pub fn all() -> impl Iterator<Item = &'static Call> {
    CALLS.iter().chain(PSEUDO)
}

/// The call of this name, the pseudo system calls included.
pub fn by_name(name: &str) -> Option<&'static Call> {
    all().find(|call| call.name == name)
}

impl Cond {
    /// `args[arg] & mask == is`.
    pub const fn is(arg: u8, mask: u64, is: u64) -> Cond {
        Cond { arg, mask, is, not: false }
    }
    /// `args[arg] & mask != is`.
    pub const fn not(arg: u8, mask: u64, is: u64) -> Cond {
        Cond { arg, mask, is, not: true }
    }
    /// Whether it holds of these arguments.
    pub const fn holds(&self, args: &[u64; 6]) -> bool {
        (args[self.arg as usize] & self.mask == self.is) != self.not
    }
}
