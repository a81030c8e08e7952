//! Starts a program in capability mode under a monitor: what `pimento run` does.
//!
//! Three processes. The *front* is the one that was called: it stands for the program towards whoever waits for it,
//! forwards signals, stops when the program stops and ends as it ends. Its child is the *monitor*, and the
//! monitor's child becomes the program, so that the monitor is an ancestor of all that it guards.

use crate::attach;
use crate::caller::Processes;
use crate::defaults;
use crate::errno::Errno;
use crate::features::{FILTERS, Features, KILLABLE_WAIT, Lacking};
use crate::front::{self, Message};
use crate::held::{Held as Tree, Only, What};
use crate::landlock::Domain;
use crate::listener::Listener;
use crate::monitor::Monitor;
use crate::report::Report;
use crate::serve::{Guard, STREAM};
use crate::sys::{self, Waited};
use crate::tables::Initial;
use crate::telling::Teller;
use rights::{Right, Rights};
use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use rights::Limits;

pub use crate::defaults::FLOOR;

/// A directory or file that the program may use, by its name.
///
/// ```
/// use monitor::launch::{FLOOR, Held};
/// use rights::{Right, Rights};
///
/// let read = FLOOR.union(&Rights::of(&[Right::READ, Right::LOOKUP]));
/// let held = Held { path: "/usr/share".into(), rights: read };
/// assert!(held.rights.contains(&Rights::of(&[Right::FSTAT])));
/// ```
#[derive(Debug, Clone)]
pub struct Held {
    /// Its path, as the program names it. Relative paths start at the caller's working directory.
    pub path: PathBuf,
    /// What may be done beneath it. With CAP_READ or CAP_WRITE it has to include [`FLOOR`].
    pub rights: Rights,
}

/// A program to start, and what it is given.
///
/// ```
/// use monitor::launch::Launch;
///
/// let launch = Launch {
///     program: "date".into(),
///     args: vec!["-u".into()],
///     env: std::env::vars_os().collect(),
///     held: Vec::new(),
///     libraries: Vec::new(),
///     default_set: true,
///     descriptors: Vec::new(),
///     report: false,
/// };
/// assert_eq!(launch.program, "date");
/// ```
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program: a path, or a name to look up in PATH.
    pub program: OsString,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Its whole environment. Of PATH it gets the directories from which it can start something.
    pub env: Vec<(OsString, OsString)>,
    /// What it may use. Where one holds another, the longer path decides.
    pub held: Vec<Held>,
    /// Directories of shared objects beside those of the default set: names with `.so` in them can be opened there for
    /// reading, and a loader that lies in one can be started in a dynamically linked program's place.
    pub libraries: Vec<PathBuf>,
    /// Whether the default set is held too: the program's own file, its loader and libraries, locale, time zone and
    /// terminal descriptions, /dev/null and kin, and its own harmless entries in /proc.
    pub default_set: bool,
    /// Descriptors that are passed on beside the standard ones, or instead of them, with what they may be used for. A standard
    /// one that is not named here is limited to what streams are for: not to change its file's mode, owner, times or attributes.
    pub descriptors: Vec<(i32, Limits)>,
    /// Whether to count what is refused. Costs a round trip for each refused call.
    pub report: bool,
}

/// How the program ended.
///
/// ```
/// use monitor::launch::Ended;
///
/// // As a shell would tell it.
/// let status = |ended| match ended {
///     Ended::Exited(status) => status,
///     Ended::Killed(signal) => 128 + signal,
/// };
/// assert_eq!(status(Ended::Killed(9)), 137);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
}

/// Something that was refused.
///
/// ```
/// use monitor::launch::Refusal;
///
/// let refusal = Refusal {
///     call: "openat".into(),
///     object: "/etc/passwd".into(),
///     errno: rights::ECAPMODE,
///     times: 1,
///     allow_with: Some("--read /etc".into()),
/// };
/// assert_eq!(refusal.errno, 1094);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The system call.
    pub call: String,
    /// The path or object, where there is one.
    pub object: String,
    /// The errno that it failed with: ECAPMODE or ENOTCAPABLE.
    pub errno: i32,
    /// How often.
    pub times: u64,
    /// The option of `pimento run` that would have allowed it, where there is one.
    pub allow_with: Option<String>,
}

/// What came of a run.
///
/// ```
/// use monitor::launch::{Ended, Outcome};
///
/// let outcome = Outcome { ended: Ended::Exited(0), refused: Vec::new() };
/// assert!(outcome.refused.is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How the program ended.
    pub ended: Ended,
    /// What was refused, if [`Launch::report`] asked for it, most frequent first.
    pub refused: Vec<Refusal>,
}

/// Why a program could not be started. Each says in one line what to do.
///
/// ```
/// use monitor::launch::LaunchError;
///
/// let error = LaunchError::NoProgram("frobnicate".into());
/// assert_eq!(error.to_string(), "\"frobnicate\": no such program; give a path, or a name in PATH");
/// ```
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// No such program.
    #[error("{0:?}: no such program; give a path, or a name in PATH")]
    NoProgram(OsString),
    /// The program is there but cannot be started.
    #[error("{program:?}: cannot be started: {}{}", io(*errno), hint(*errno))]
    CannotStart {
        /// The program.
        program: OsString,
        /// What the kernel, or the monitor, said.
        errno: i32,
    },
    /// A descriptor to pass on is not there, or closed on exec.
    #[error("descriptor {0} is not open, or not passed on: redirect something there, as in {0}<FILE")]
    NotPassedOn(i32),
    /// Something to hold cannot be.
    #[error("{path:?}: cannot be held: {}", io(*errno))]
    CannotHold {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        errno: i32,
    },
    /// A right that every descriptor opened in a held directory has was left out.
    #[error(
        "{path:?}: what is opened there has the rights {missing} too, as every file that a program opens by its path: add them"
    )]
    NotWithheld {
        /// The directory's path.
        path: PathBuf,
        /// The rights to add.
        missing: Rights,
    },
    /// The process is under a seccomp listener already, another supervisor's or `pimento run`'s own.
    #[error(
        "already under another seccomp listener (a container's supervisor, or pimento run itself): the kernel has \
         room for one; start pimento outside of it"
    )]
    OtherListener,
    /// The kernel lacks something that there is no way around.
    #[error("this kernel lacks {feature}, which came with Linux {release}: pimento doctor tells more")]
    Kernel {
        /// What it is called.
        feature: &'static str,
        /// The release that has it.
        release: &'static str,
    },
    /// Something else failed.
    #[error("{step}: {}", io(*errno))]
    System {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        errno: i32,
    },
}

fn io(errno: i32) -> String {
    Errno(errno).to_string()
}

fn hint(errno: i32) -> &'static str {
    match Errno(errno) {
        Errno::CAPMODE | Errno::NOTCAPABLE => "; hold its directory with --exec",
        Errno::ACCES => "; is it executable, and its interpreter in a directory held with --exec?",
        _ => "",
    }
}

/// The step that failed, as the monitor tells the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    Exec,
    NoNewPrivs,
    Landlock,
    Seccomp,
    Monitor,
    Descriptor,
}

impl Step {
    pub(crate) fn from_u8(step: u8) -> Step {
        [Step::Exec, Step::NoNewPrivs, Step::Landlock, Step::Seccomp, Step::Descriptor]
            .into_iter()
            .find(|s| *s as u8 == step)
            .unwrap_or(Step::Monitor)
    }

    fn error(self, errno: i32, program: &OsStr) -> LaunchError {
        let lacking = |Lacking { feature, release }| LaunchError::Kernel { feature, release };
        match (self, Errno(errno)) {
            (Step::Exec, _) => LaunchError::CannotStart { program: program.into(), errno },
            (Step::Seccomp, Errno::BUSY) => LaunchError::OtherListener,
            (Step::Seccomp, Errno::INVAL) => lacking(KILLABLE_WAIT),
            (Step::Seccomp, Errno::NOSYS) => lacking(FILTERS),
            (Step::Seccomp, _) => LaunchError::System { step: "installing the seccomp filter", errno },
            (Step::NoNewPrivs, _) => LaunchError::System { step: "giving up set-user-id programs", errno },
            (Step::Descriptor, _) => LaunchError::System { step: "passing a descriptor on", errno },
            (Step::Landlock, _) => LaunchError::System { step: "entering the Landlock domain", errno },
            (Step::Monitor, _) => LaunchError::System { step: "starting the monitor", errno },
        }
    }
}

/// Starts the program, waits for it, and tells how it ended. Forwards signals meanwhile.
/// Standard input and output are the program's from then on, and lead to /dev/null here.
/// To be called from a process with one thread, which it may fork.
///
/// ```no_run
/// use monitor::launch::{Ended, Launch, run};
///
/// let launch = Launch {
///     program: "true".into(),
///     args: Vec::new(),
///     env: std::env::vars_os().collect(),
///     held: Vec::new(),
///     libraries: Vec::new(),
///     default_set: true,
///     descriptors: Vec::new(),
///     report: false,
/// };
/// assert_eq!(run(&launch)?.ended, Ended::Exited(0));
/// # Ok::<(), monitor::launch::LaunchError>(())
/// ```
///
/// # Errors
/// When the program cannot be started at all; what it does afterwards is its own.
pub fn run(launch: &Launch) -> Result<Outcome, LaunchError> {
    if crate::attach::is_entered() {
        return Err(LaunchError::OtherListener);
    }
    // Before anything of ours can have its number.
    if let Some((number, _)) = launch.descriptors.iter().find(|(number, _)| !sys::is_passed_on(*number)) {
        return Err(LaunchError::NotPassedOn(*number));
    }
    let program = find(&launch.program, &launch.env)?;
    let tree = tree(launch, &program)?;
    let system = |step| move |errno: Errno| LaunchError::System { step, errno: errno.0 };
    let features = Features::probe();
    let domain = Domain::new(&tree, &features).map_err(system("preparing the Landlock domain"))?;
    let passes = passes(&tree);
    let guard = Guard {
        held: tree,
        passes,
        streams: streams(&launch.descriptors),
        features,
        exec_confined: domain.is_some(),
        signals_confined: domain.as_ref().is_some_and(|domain| domain.confines_signals),
        started: AtomicBool::new(false),
    };
    let initial = Initial {
        passes: match launch.descriptors.iter().any(|(_, limits)| !limits.is_all()) {
            true => attach::by_number(&launch.descriptors, passes),
            false => vec![(0, passes)],
        },
        limits: launch.descriptors.clone(),
        ordinary: false,
    };
    let profile = filter::Profile { hosted: true, audit: launch.report, passes: initial.passes.clone() };
    let start = Start {
        path: c_string(program.as_os_str()),
        args: std::iter::once(&launch.program).chain(&launch.args).map(|arg| c_string(arg)).collect(),
        env: launch
            .env
            .iter()
            .map(|(name, value)| variable(name, &of_path(name, value, &guard.held)))
            .collect(),
        filter: filter::compile(&profile),
        initial,
        descriptors: launch.descriptors.iter().map(|&(number, _)| number).collect(),
        domain,
        report: launch.report,
    };
    let (front, monitor) = UnixStream::pair().map_err(|error| LaunchError::System {
        step: "making a socket",
        errno: error.raw_os_error().unwrap_or(libc::EIO),
    })?;
    // Whatever becomes of us, its signals reach nobody else.
    let itself = sys::pidfd_open(std::process::id()).map_err(system("opening the own process"))?;
    let mask = front::take_signals();
    let forked = sys::fork().map_err(system("starting the monitor"))?;
    let Some(monitor_pid) = forked else {
        drop(front);
        let status = attend(start, guard, mask, monitor, itself.as_fd());
        sys::exit_now(status);
    };
    drop((monitor, start, guard, itself));
    front::let_go(&[0, 1]);
    let passed: Vec<i32> = launch.descriptors.iter().map(|&(number, _)| number).collect();
    front::let_go_of_passed(&passed);
    let outcome = front::attend(front, monitor_pid, mask);
    match outcome {
        Ok(outcome) => Ok(outcome),
        Err(front::Failure::Step(step, errno)) => Err(step.error(errno, &launch.program)),
        Err(front::Failure::Died) => {
            Err(LaunchError::System { step: "the monitor died", errno: libc::ECHILD })
        }
    }
}

/// Everything that the new process needs, made before it is forked.
struct Start {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    filter: Vec<filter::Insn>,
    initial: Initial,
    descriptors: Vec<i32>,
    domain: Option<Domain>,
    report: bool,
}

/// A string for the kernel. A NUL inside cannot come from a command line; what is behind it is left out.
fn c_string(text: &OsStr) -> CString {
    let bytes = text.as_bytes();
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

fn variable(name: &OsStr, value: &OsStr) -> CString {
    let mut both = name.to_owned();
    both.push("=");
    both.push(value);
    c_string(&both)
}

/// A variable's value: of PATH, the directories from which something can be started. The C library's execvp gives up at
/// the first error that is new to it, such as ECAPMODE, and would never come to the others.
fn of_path<'v>(name: &OsStr, value: &'v OsStr, held: &Tree) -> Cow<'v, OsStr> {
    if name != "PATH" {
        return value.into();
    }
    let starts = |dir: &PathBuf| {
        let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        let (node, rest) = held.descend(real.as_os_str().as_bytes());
        let inside = matches!(held.what(node), What::Directory { .. }) || rest.is_empty();
        !dir.is_absolute() || (inside && held.rights(node).contains(&Rights::of(&[Right::FEXECVE])))
    };
    let kept: Vec<PathBuf> = std::env::split_paths(value).filter(starts).collect();
    match std::env::join_paths(kept) {
        Ok(kept) if !kept.is_empty() => Cow::Owned(kept),
        _ => value.into(),
    }
}

/// The program's path: as it is if it has a slash, else the first executable of that name in PATH.
fn find(program: &OsStr, env: &[(OsString, OsString)]) -> Result<PathBuf, LaunchError> {
    let cannot = |errno: Errno| LaunchError::CannotStart { program: program.into(), errno: errno.0 };
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return match std::fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => Err(cannot(Errno::ACCES)),
            Ok(_) => Ok(path),
            Err(error) => match error.raw_os_error().map(Errno) {
                Some(Errno::NOENT | Errno::NOTDIR) | None => Err(LaunchError::NoProgram(program.into())),
                Some(errno) => Err(cannot(errno)),
            },
        };
    }
    let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut there = false;
    for dir in std::env::split_paths(&path) {
        let candidate =
            if dir.as_os_str().is_empty() { Path::new(".").join(program) } else { dir.join(program) };
        let Ok(file) = sys::open_path(&c_string(candidate.as_os_str()), libc::O_PATH, 0) else { continue };
        let regular = sys::stat(file.as_fd()).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG);
        if regular && sys::access(file.as_fd(), libc::X_OK, libc::AT_EACCESS).is_ok() {
            return Ok(candidate);
        }
        there |= regular;
    }
    Err(if there { cannot(Errno::ACCES) } else { LaunchError::NoProgram(program.into()) })
}

/// The tree of what is held.
fn tree(launch: &Launch, program: &Path) -> Result<Tree, LaunchError> {
    let cannot = |path: &Path| {
        let path = path.to_path_buf();
        move |errno: Errno| LaunchError::CannotHold { path, errno: errno.0 }
    };
    let mut tree = Tree::new().map_err(cannot(Path::new("/")))?;
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    for held in &launch.held {
        let opens = !held.rights.intersection(&Rights::of(&[Right::READ, Right::WRITE])).is_empty();
        // Whole rights, so that they have names: a right may include another that is there.
        let missing = rights::RIGHTS
            .iter()
            .map(|row| Rights::of(&[row.right]))
            .filter(|right| FLOOR.contains(right) && !held.rights.contains(right))
            .fold(Rights::NONE, |missing, right| missing.union(&right));
        if opens && !missing.is_empty() {
            return Err(LaunchError::NotWithheld { path: held.path.clone(), missing });
        }
        tree.hold_exactly(&here.join(&held.path), held.rights).map_err(cannot(&held.path))?;
    }
    for dir in &launch.libraries {
        defaults::hold_libraries(&mut tree, &here.join(dir)).map_err(cannot(dir))?;
    }
    if launch.default_set {
        defaults::hold(&mut tree, &here.join(program)).map_err(cannot(program))?;
        // The working directory can be named, if not listed: programs ask where they are.
        if !tree.covers(&here) {
            let _ = tree.hold(&here, Rights::NONE, Only::All);
        }
    }
    defaults::hold_proc(&mut tree, !launch.default_set);
    Ok(tree)
}

/// A(n), the same for every n: what any descriptor may do without asking. Reading and writing the kernel keeps to
/// what it was opened for; what it does not keep to anything, a read-only directory's descriptors must be asked
/// about.
fn passes(tree: &Tree) -> Rights {
    const WRITE: Rights = Rights::of(&[Right::WRITE]);
    const FTRUNCATE: Rights = Rights::of(&[Right::FTRUNCATE]);
    let mut passes = STREAM;
    // Truncating takes a descriptor that is open for writing, so only from a directory where files can be written.
    if tree.common_rights().any(|rights| rights.contains(&WRITE) && !rights.contains(&FTRUNCATE)) {
        passes = passes.difference(&FTRUNCATE);
    }
    passes
}

/// What the standard descriptors are of, but for those of which it is said what they may be used for.
fn streams(named: &[(i32, Limits)]) -> Vec<(u64, u64)> {
    let unnamed = (0..3).filter(|stream| named.iter().all(|(number, _)| number != stream));
    unnamed.filter_map(|stream| sys::inode_of(stream).ok()).collect()
}

/// The monitor's life, from its fork to its last process's end. The front is known by its socket and by its pidfd.
fn attend(
    start: Start,
    guard: Guard,
    mask: sys::SignalSet,
    front: UnixStream,
    front_process: BorrowedFd,
) -> i32 {
    let fail = |step: Step, errno: Errno| {
        front::send(&front, &Message::Failed { step: step as u8, errno: errno.0 });
        1
    };
    // Orphans of the program stay descendants of the monitor.
    let _ = sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    let mut teller = Teller::new();
    let (mut told, tell) = match std::io::pipe() {
        Ok((told, tell)) => (File::from(OwnedFd::from(told)), File::from(OwnedFd::from(tell))),
        Err(error) => return fail(Step::Monitor, Errno(error.raw_os_error().unwrap_or(libc::EIO))),
    };
    let child = match sys::fork() {
        Err(errno) => return fail(Step::Monitor, errno),
        Ok(None) => {
            let (step, errno) = become_program(&start, mask, &tell);
            let _ = (&tell).write_all(&[1, step as u8, errno.0 as u8, (errno.0 >> 8) as u8, 0]);
            sys::exit_now(127);
        }
        Ok(Some(child)) => child,
    };
    drop(tell);
    sys::set_name(c"pimento-monitor");
    // They are the program's. Standard error is for the monitor's last words, too.
    front::let_go(&[0, 1]);
    front::let_go_of_passed(&start.descriptors);
    let (report, initial) = (start.report, start.initial);
    for signal in front::FORWARDED {
        sys::ignore_signal(*signal, true);
    }
    let features = guard.features;
    let descriptors = sys::raise_descriptor_limit().map_or(1024, |limit| limit.rlim_max);
    let mut first = [0; 5];
    if told.read_exact(&mut first).is_err() {
        return fail(Step::Monitor, Errno::CHILD);
    }
    if first[0] == 1 {
        return fail(Step::from_u8(first[1]), Errno(i32::from(first[2]) | i32::from(first[3]) << 8));
    }
    let number = i32::from_le_bytes([first[1], first[2], first[3], first[4]]);
    let pidfd = match sys::pidfd_open(child) {
        Ok(pidfd) => pidfd,
        Err(errno) => return fail(Step::Monitor, errno),
    };
    let started = sys::pidfd_getfd(pidfd.as_fd(), number)
        .and_then(|listener| Ok((listener, Processes::new(descriptors, true, initial.passes.clone())?)))
        .and_then(|(listener, processes)| {
            processes.begin_with(child, &initial)?;
            Ok((listener, processes))
        })
        .map(|(listener, processes)| {
            Arc::new(Monitor::new(Listener::new(listener, &features), guard, report, processes))
        })
        .and_then(|monitor| monitor.start().map(|()| monitor).map_err(|_| Errno::AGAIN));
    let monitor = match started {
        Ok(monitor) => monitor,
        Err(errno) => {
            sys::kill_child(child, libc::SIGKILL);
            return fail(Step::Monitor, errno);
        }
    };
    teller.listen();
    let for_askers = monitor.clone();
    let control = front.try_clone().map(|front| {
        std::thread::spawn(move || {
            front::obey(&front, pidfd.as_fd(), || {
                teller.wait_for(&for_askers, front.as_fd(), libc::POLLIN);
            });
            // What the program has left behind is still to be seen.
            teller.wait_for(&for_askers, for_askers.listener.as_fd(), 0);
        })
    });
    if control.is_err() {
        sys::kill_child(child, libc::SIGKILL);
    }
    // A signal can stop the program before it has become one, so that is not waited for.
    reap(child, front_process, |ended| {
        // The pipe closes with a successful exec, and holds a word of a failed one.
        let mut failed = [0; 5];
        if told.read_exact(&mut failed).is_ok() {
            fail(Step::from_u8(failed[1]), Errno(i32::from(failed[2]) | i32::from(failed[3]) << 8));
        } else {
            end(&monitor, ended, &front);
        }
        // Whoever reads what the program said to its end need not wait for what it leaves behind.
        front::let_go(&[0, 1, 2]);
    });
    0
}

/// Waits for everything beneath, until nothing is left. Stops the front when the program stops: whoever waits for the
/// front sees it, and their SIGCONT wakes both. If the program ends all the same, the front is woken from here. Both
/// signals come from this thread, so the second undoes the first; a front that stopped itself could do so after it.
fn reap(program: u32, front: BorrowedFd, mut tell: impl FnMut(Ended)) {
    let mut program = Some(program);
    let mut stopped = false;
    loop {
        let ended = match sys::wait() {
            Ok(Waited::Stopped(pid, _)) if program == Some(pid) => {
                stopped = sys::pidfd_signal(front, libc::SIGSTOP, None).is_ok();
                continue;
            }
            Ok(Waited::Exited(pid, status)) if program == Some(pid) => Ended::Exited(status),
            Ok(Waited::Killed(pid, signal)) if program == Some(pid) => Ended::Killed(signal),
            Ok(_) => continue,
            Err(_) => return,
        };
        // Its number may be another's from now on.
        program = None;
        if stopped {
            // First: a stopped front does not read what it is told.
            let _ = sys::pidfd_signal(front, libc::SIGCONT, None);
        }
        tell(ended);
    }
}

fn end(monitor: &Monitor, ended: Ended, front: &UnixStream) {
    for (call, object, errno, times, needs) in monitor.report.iter().flat_map(Report::take) {
        let allow_with = option_for(&object, needs);
        let object = String::from_utf8_lossy(&object).into_owned();
        front::send(
            front,
            &Message::Refused(Refusal { call: call.into(), object, errno, times, allow_with }),
        );
    }
    front::send(front, &Message::Ended(ended));
}

/// The option that would have allowed something of a path.
fn option_for(object: &[u8], needs: Rights) -> Option<String> {
    let path = Path::new(OsStr::from_bytes(object));
    if !path.is_absolute() {
        return None;
    }
    let held = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    // CAP_LOOKUP, which comes with some of them, may be there already.
    let lookup = Rights::of(&[Right::LOOKUP]);
    let wants = |right| needs.contains(&Rights::of(&[right]).difference(&lookup));
    for (right, name) in [(Right::BINDAT, "bindat"), (Right::CONNECTAT, "connectat")] {
        if wants(right) {
            return Some(format!("--dir {}:{name}", held.display()));
        }
    }
    let option = if wants(Right::FEXECVE) {
        "--exec"
    } else if defaults::READ.union(&Rights::of(&[Right::FCHDIR])).contains(&needs) {
        "--read"
    } else {
        "--write"
    };
    Some(format!("{option} {}", held.display()))
}

/// In the new process: into capability mode, and then the program. Returns only on failure.
fn become_program(start: &Start, mask: sys::SignalSet, tell: &File) -> (Step, Errno) {
    let args: Vec<&CStr> = start.args.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = start.env.iter().map(CString::as_c_str).collect();
    let enter = || -> Result<(), (Step, Errno)> {
        let at = |step| move |errno| (step, errno);
        // Nothing but the standard descriptors is passed on, and those that were asked for. 5.11 has close_range's flag.
        sys::close_on_exec_from(3).map_err(at(Step::Monitor))?;
        for &number in &start.descriptors {
            sys::keep_on_exec(number).map_err(at(Step::Descriptor))?;
        }
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(at(Step::NoNewPrivs))?;
        // A core would be written where the kernel's working directory is, which is not looked at then. Landlock
        // forbids it too, where there is Landlock.
        sys::forbid_core().map_err(at(Step::Monitor))?;
        if let Some(domain) = &start.domain {
            domain.enter().map_err(at(Step::Landlock))?;
        }
        let listener = sys::seccomp_listen(&start.filter).map_err(at(Step::Seccomp))?;
        let [a, b, c, d] = listener.as_raw_fd().to_le_bytes();
        { tell }.write_all(&[0, a, b, c, d]).map_err(|_| (Step::Monitor, Errno::IO))?;
        // Closed by exec: the monitor has its own by the time that it answers.
        std::mem::forget(listener);
        Ok(())
    };
    if let Err(failed) = enter() {
        return failed;
    }
    sys::block_signals(mask);
    (Step::Exec, sys::execve(&start.path, &args, &env))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_option_that_allows_it() {
        let with = |rights: &[Right]| option_for(b"/no-such-name", Rights::of(rights)).unwrap();
        assert_eq!(with(&[Right::READ, Right::LOOKUP]), "--read /");
        assert_eq!(with(&[Right::UNLINKAT]), "--write /");
        assert_eq!(with(&[Right::FEXECVE]), "--exec /");
        assert_eq!(
            [with(&[Right::BINDAT]), with(&[Right::CONNECTAT])],
            ["--dir /:bindat", "--dir /:connectat"]
        );
        // As it is missing where lookups are permitted.
        let missing = Rights::of(&[Right::CONNECTAT]).difference(&Rights::of(&[Right::LOOKUP]));
        assert_eq!(option_for(b"/no-such-name", missing).unwrap(), "--dir /:connectat");
        assert_eq!(option_for(b"@abstract", missing), None);
    }
}
