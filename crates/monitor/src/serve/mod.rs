//! What the monitor does with a call: each [`policy::Op`] in the file of its subject. An op takes its arguments by
//! their place in the policy's row, copies what is in memory once, and acts on the copy.
//!
//! - `open`: opening
//! - `status`: asking about files
//! - `names`: making, moving and removing names
//! - `attributes`: mode, owner, times, length, extended attributes
//! - `directory`: the working directory
//! - `program`: starting programs
//! - `process`: signals and other processes
//! - `message`: sendmsg
//! - `receiving`: recvmsg
//! - `sockets`: bindat and connectat
//! - `command`: ioctl, fcntl, prctl
//! - `info`: what procfs tells of a descriptor
//! - `limits`: a descriptor's rights
//! - `numbers`: copying and closing descriptors, and what copies them all
//! - `mapping`: mappings of files
//! - `waiting`: poll and select
//! - `ordinary`: what is not in capability mode, but has limited descriptors

mod attributes;
mod command;
mod directory;
mod info;
mod limits;
mod mapping;
mod message;
mod names;
mod numbers;
mod object;
mod open;
mod ordinary;
mod process;
mod program;
mod receiving;
mod sockets;
mod status;
mod waiting;

use crate::caller::Caller;
use crate::errno::Errno;
use crate::fail::{Fail, Refused};
use crate::features::Features;
use crate::held::Held;
use crate::identity::Identity;
use crate::inject;
use crate::listener::Answer;
use crate::lookup::{self, Start};
use crate::watch::Watch;
use policy::{Arg, Call, Op, Resolved};
use rights::{Right, Rights};
use std::os::fd::{AsFd, OwnedFd};

/// What serving a call comes to.
type Served = Result<Answer, Fail>;

/// What every service needs, whoever calls.
#[derive(Debug)]
pub struct Guard {
    /// What is held.
    pub held: Held,
    /// What the filter lets through on any descriptor: such rights need not be looked up again.
    pub passes: Rights,
    /// The objects of the standard descriptors that it was started with, by device and inode: limited to [`STREAM`].
    pub streams: Vec<(u64, u64)>,
    /// What the kernel has.
    pub features: Features,
    /// Whether Landlock confines what can be executed, so that execve may go on.
    pub exec_confined: bool,
    /// Whether Landlock confines signals, so that a signal by number may go on.
    pub signals_confined: bool,
    /// Whether the first program has been started.
    pub started: std::sync::atomic::AtomicBool,
}

/// A call being served.
pub struct Service<'a> {
    guard: &'a Guard,
    caller: &'a Caller<'a>,
    watch: &'a Watch,
    call: &'static Call,
    identity: Option<Identity>,
}

/// A path argument of a call.
struct PathArg {
    /// Its place among the arguments.
    at: usize,
    dirfd: i32,
    address: u64,
    needs: Rights,
}

/// Serves a call: what to answer, and what was refused, if it was.
pub fn serve(
    guard: &Guard,
    caller: &Caller,
    watch: &Watch,
    number: i32,
) -> Result<(Answer, Option<Refused>), ()> {
    let call = u32::try_from(number).ok().and_then(policy::by_number_x86_64);
    let Some(call) = call else {
        let refused = match caller.is_entered() {
            true => Fail::outside(format!("system call {number}")),
            // It may be about descriptors.
            false => Errno::NOSYS.into(),
        };
        return conclude(Err(refused));
    };
    let service = Service { guard, caller, watch, call, identity: None };
    let served = conclude_with(
        service.asked(),
        match policy::resolve(call, caller.is_hosted() && !service.follows_numbers(), caller.args()) {
            _ if !caller.is_entered() => service.ordinary(),
            // The filter asks only when it counts refusals, or knows less than the table.
            Resolved::Allow => Ok(Answer::GoOn),
            Resolved::Deny(rights::ECAPMODE) if service.is_about_libraries() => service.act(),
            Resolved::Deny(rights::ECAPMODE) => Err(Fail::outside(service.denied_object())),
            Resolved::Deny(errno) => Err(Fail::Errno(Errno(errno))),
            Resolved::Descriptors | Resolved::Ask => service.act(),
        },
    );
    match served {
        Ok((Answer::Error(errno @ (Errno::RESTARTSYS | Errno::RESTARTNOHAND)), None)) => {
            Ok((inject::restart(caller, errno), None))
        }
        served => served,
    }
}

/// A path outside of everything held is refused before its rights are looked at: the report tells them all the same.
fn conclude_with(asked: Rights, served: Served) -> Result<(Answer, Option<Refused>), ()> {
    conclude(served.map_err(|fail| match fail {
        Fail::Refused(refused) if refused.needs.is_empty() => {
            Fail::Refused(Refused { needs: asked, ..refused })
        }
        fail => fail,
    }))
}

fn conclude(served: Served) -> Result<(Answer, Option<Refused>), ()> {
    match served {
        Ok(answer) => Ok((answer, None)),
        Err(Fail::Errno(errno)) => Ok((Answer::Error(errno), None)),
        Err(Fail::Refused(refused)) => Ok((Answer::Error(refused.errno), Some(refused))),
        Err(Fail::Gone) => Err(()),
    }
}

impl Service<'_> {
    /// Acts with the caller's identity.
    fn act(mut self) -> Served {
        if self.call.op == Op::Credentials {
            return self.credentials();
        }
        self.identity = self.caller.identity()?;
        let own = self.caller.processes().own_identity();
        match &self.identity {
            None => self.dispatch(),
            Some(identity) => {
                // Its descriptors and memory are had with the monitor's own (`as_monitor`), for which the kernel
                // asks when one process reaches into another.
                let _assumed = identity.assume(own)?;
                self.dispatch()
            }
        }
    }

    fn dispatch(&self) -> Served {
        match self.call.op {
            Op::Check => self.check(),
            Op::Open => self.open(),
            Op::OpenHow => self.open_how(),
            Op::Create => self.create(),
            Op::Stat => self.stat(false),
            Op::StatLink => self.stat(true),
            Op::Statx => self.statx(),
            Op::StatFd => self.stat_fd(),
            Op::StatFs => self.stat_fs(),
            Op::Access => self.access(),
            Op::ReadLink => self.read_link(),
            Op::MakeDir => self.make_dir(),
            Op::MakeNode => self.make_node(),
            Op::Unlink => self.unlink(),
            Op::RemoveDir => self.remove(libc::AT_REMOVEDIR),
            Op::Rename => self.rename(),
            Op::Link => self.link(),
            Op::SymLink => self.symlink(),
            Op::ChangeMode => self.change_mode(),
            Op::ChangeModeFd => self.change_mode_fd(),
            Op::ChangeOwner => self.change_owner(false),
            Op::ChangeOwnerLink => self.change_owner(true),
            Op::ChangeOwnerFd => self.change_owner_fd(),
            Op::SetTimes => self.set_times(),
            Op::SetTimesMicro => self.set_times_micro(),
            Op::SetTimesSecond => self.set_times_second(),
            Op::GetXattr | Op::GetXattrLink | Op::GetXattrFd => self.get_xattr(),
            Op::ListXattr | Op::ListXattrLink | Op::ListXattrFd => self.list_xattr(),
            Op::SetXattr | Op::SetXattrLink | Op::SetXattrFd => self.set_xattr(),
            Op::RemoveXattr | Op::RemoveXattrLink | Op::RemoveXattrFd => self.remove_xattr(),
            Op::Truncate => self.truncate(),
            Op::TruncateFd => self.truncate_fd(),
            Op::ChangeDir => self.change_dir(),
            Op::ChangeDirFd => self.change_dir_fd(),
            Op::GetCwd => self.get_cwd(),
            Op::Exec => self.exec(0),
            Op::ExecAt => self.exec_at(),
            Op::Watch => self.watch(),
            Op::Kill => self.kill(),
            Op::KillThread | Op::KillTask => self.kill_thread(),
            Op::SignalFd => self.signal_fd(),
            Op::OfProcess | Op::AboutProcess => self.of_process(),
            Op::Capabilities => self.capabilities(),
            Op::OpenProcess => self.open_process(),
            Op::SendMessage => self.send_message(),
            Op::SendMessages => self.send_messages(),
            Op::Credentials => self.credentials(),
            Op::Fork => self.fork(),
            Op::Unshare => self.unshare(),
            Op::Close => self.close(),
            Op::CloseRange => self.close_range(),
            Op::Dup => self.dup(),
            Op::DupTo => self.dup_to(),
            Op::Accept => self.accept(),
            Op::Poll => self.poll(),
            Op::Select => self.select(),
            Op::ReceiveMessage => self.receive_message(),
            Op::ReceiveMessages => self.receive_messages(),
            Op::SubmitIo => self.submit_io(),
            Op::Map => self.map(),
            Op::Protect => self.protect(),
            Op::Remap => self.remap(),
            Op::Punch => self.punch(),
            Op::Bind => self.bind(),
            Op::Connect => self.connect(),
            Op::Listen => self.listen(),
            Op::Ioctl => self.ioctl(),
            Op::Fcntl => self.fcntl(),
            Op::Prctl => self.prctl(),
            Op::Capsicum => self.capsicum(),
        }
    }

    /// Whether limits are kept by number, and this call is about which belong to which.
    fn follows_numbers(&self) -> bool {
        self.caller.standing().is_some() && self.call.follows_numbers()
    }

    /// Whether a process that entered by itself asks for a path that a library directory may be held for: looking and
    /// opening, what a loader does. The lookup decides.
    fn is_about_libraries(&self) -> bool {
        use Op::{Access, Open, OpenHow, ReadLink, Stat, StatLink, Statx};
        let looks = matches!(self.call.op, Open | OpenHow | Stat | StatLink | Statx | Access | ReadLink);
        !self.caller.is_hosted()
            && !self.guard.held.is_empty()
            && looks
            && self.path_arg(0).is_ok_and(|path| path.dirfd == libc::AT_FDCWD)
    }

    /// An argument, as 64 bits.
    fn arg(&self, index: usize) -> u64 {
        self.caller.args()[index]
    }

    /// An argument that is a C int.
    fn int(&self, index: usize) -> i32 {
        self.arg(index) as i32
    }

    /// An argument that only some of the calls with this op have: 0 where it is missing.
    fn int_if(&self, index: usize) -> i32 {
        if index < self.call.args.len() { self.int(index) } else { 0 }
    }

    /// The first or second path argument.
    fn path_arg(&self, nth: usize) -> Result<PathArg, Errno> {
        let mut paths = (0..self.call.args.len()).filter(|&at| matches!(self.call.args[at], Arg::Path(_)));
        // The table's own tests say that each op's calls have the paths that it asks for.
        let at = paths.nth(nth).ok_or(Errno::NOSYS)?;
        let has_dir = at > 0 && matches!(self.call.args[at - 1], Arg::Dir);
        Ok(PathArg {
            at,
            dirfd: if has_dir { self.int(at - 1) } else { libc::AT_FDCWD },
            address: self.arg(at),
            needs: self.call.needs(at, self.caller.args()),
        })
    }

    /// What the first path, or the path in an address, needs where it leads.
    fn asked(&self) -> Rights {
        let is_path = |arg: &Arg| matches!(arg, Arg::Path(_) | Arg::Addr(_));
        let first = self.call.args.iter().position(is_path);
        first.map_or(Rights::NONE, |at| self.call.needs(at, self.caller.args()))
    }

    /// The path at an argument, ready for lookup.
    fn start(&self, path: &PathArg) -> Result<Start<'_>, Fail> {
        self.start_at(path.dirfd, self.caller.path(path.address)?)
    }

    /// A path from a directory of the caller's, ready for lookup.
    fn start_at(&self, dirfd: i32, path: Vec<u8>) -> Result<Start<'_>, Fail> {
        let start = Start::at(&self.guard.held, self.caller, dirfd, path)?;
        if self.caller.is_hosted()
            && start.is_beyond()
            && self.guard.is_stream(&self.caller.descriptor(dirfd)?)?
        {
            return Err(Fail::lacking("a standard descriptor", LOOKUP));
        }
        Ok(start)
    }

    /// A copy of the caller's descriptor, if it has the rights.
    fn descriptor(&self, number: i32, needs: Rights) -> Result<OwnedFd, Fail> {
        let (fd, _) = self.limited(number, needs)?;
        if self.caller.is_hosted() {
            self.require(&fd, needs)?;
        }
        Ok(fd)
    }

    /// Refused unless the caller's descriptor, of which `fd` is a copy, has the rights.
    fn require(&self, fd: &OwnedFd, needs: Rights) -> Result<(), Fail> {
        if self.guard.passes.contains(&needs) {
            return Ok(());
        }
        let (has, object) = self.guard.rights_of(fd)?;
        if has.contains(&needs) { Ok(()) } else { Err(Fail::lacking(object, needs.difference(&has))) }
    }

    /// A call whose descriptors the filter could not vouch for. What the filter knows less of than the table goes
    /// on.
    fn check(&self) -> Served {
        if !self.caller.is_hosted() {
            return self.check_limits();
        }
        if let Some(files) = self.caller.files() {
            self.check_descriptors(&files)?;
        }
        let args = self.caller.args();
        for (index, arg) in self.call.args.iter().enumerate() {
            let needs = self.call.needs(index, args);
            if matches!(arg, Arg::Fd(_)) && !needs.is_empty() && !self.guard.passes.contains(&needs) {
                return Err(Fail::lacking(format!("descriptor {}", self.int(index)), needs));
            }
        }
        self.check_limits()
    }

    /// Makes new files have the mode that the caller's umask leaves them.
    fn take_umask(&self) -> Result<(), Fail> {
        crate::sys::umask(self.caller.umask()?);
        Ok(())
    }

    /// What a denied call was about, for the report.
    fn denied_object(&self) -> Vec<u8> {
        object::of_denied(self.call, self.caller)
    }
}

/// What standard descriptors are not for: changing mode, owner, times and attributes, starting lookups, being executed.
pub const NO_STREAM: Rights = Rights::of(&[
    Right::LOOKUP,
    Right::FCHDIR,
    Right::FEXECVE,
    Right::FCHMOD,
    Right::FCHOWN,
    Right::FCHFLAGS,
    Right::FUTIMES,
    Right::EXTATTR_SET,
    Right::EXTATTR_DELETE,
    Right::ACL_SET,
    Right::ACL_DELETE,
    // A second name for a file, where its first is not to be changed.
    Right::LINKAT_SOURCE,
]);
/// What standard descriptors are for, unless `run` is told otherwise.
pub const STREAM: Rights = Rights::ALL.difference(&NO_STREAM);

impl Guard {
    /// What may be done with a descriptor by where its object lies; and the object.
    pub fn rights_of(&self, fd: &OwnedFd) -> Result<(Rights, Vec<u8>), Errno> {
        let (has, object) = lookup::rights_of(&self.held, fd.as_fd())?;
        let has = if has == Rights::ALL && self.is_stream(fd)? { STREAM } else { has };
        Ok((has, object))
    }

    /// Whether a descriptor's object is that of a standard descriptor which the program was started with.
    pub fn is_stream(&self, fd: &OwnedFd) -> Result<bool, Errno> {
        if self.streams.is_empty() {
            return Ok(false);
        }
        let stat = crate::sys::stat(fd.as_fd())?;
        Ok(self.streams.contains(&(stat.st_dev, stat.st_ino)))
    }
}

/// CAP_LOOKUP: what a path needs besides what its object does.
const LOOKUP: Rights = Rights::of(&[Right::LOOKUP]);
