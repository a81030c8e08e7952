//! A process gives itself a monitor, and enters capability mode with that, or limits descriptors: its own side of it. The
//! other side is [`crate::attached`].
//!
//! What is at stake is that everything happens or nothing, that nothing is left behind, and that whatever other threads
//! do meanwhile (hold the allocator's lock, fork, exec, wait for children), it works. So, in this order:
//!
//! 1. A *helper* thread, unknown to the C library, with a copy of the descriptor table. What it opens no thread of the
//!    process sees, and no child that one of them forks meanwhile inherits; the listener above all, with which a process
//!    could answer its own calls. It sets no_new_privs for itself alone: should the filter be refused, nothing has changed.
//!    The thread that called waits for it.
//! 2. The *monitor*: a program of its own, executed from memory, so that it has none of this process's locks, threads,
//!    secrets or memory. Its parent, the *go-between*, ends at once: it is nobody's child that could be waited for.
//! 3. When the monitor has said that it is ready, the helper installs the filter on all threads, and the *keeper*, a
//!    process that shares the helper's descriptor table but was made before the filter, hands the listener over.
//!
//! A process that has a monitor already asks that.
//!
//! - `passes`: what the filter lets through
//! - `options`: what the monitor is told
//! - `pseudo`: how a monitor is asked
//! - `error`: what can go wrong
//! - `raw`: system calls where no C library is to be disturbed

mod error;
pub(crate) mod options;
mod passes;

pub(crate) use passes::by_number;
pub mod pseudo;
mod raw;

use crate::errno::Errno;
use crate::features::{FILTERS, KILLABLE_WAIT, Lacking};
use crate::identity;
use crate::sys::{self, CapHeader, Capabilities, Fprog};
use crate::tables::Initial;
pub use error::{AttachError, EnterError, Refused};
use options::Options;
use raw::call;
use rights::{Limits, Rights};
use std::borrow::Cow;
use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// How a process gets a monitor, and enters capability mode.
///
/// ```no_run
/// use monitor::attach::{Attach, Compiled};
/// use rights::{Limits, Right, Rights};
///
/// // The executable of the monitor, and the filter: crates/image has them.
/// let (image, filter): (&[u8], Compiled) = (&[], Compiled { passes: &[], program: &[] });
/// let read = Limits::of(Rights::of(&[Right::READ]));
/// Attach { image, filter, libraries: Vec::new(), limits: vec![(0, read)], ordinary: false }.enter()?;
/// # Ok::<(), monitor::attach::AttachError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Attach {
    /// The monitor, a static executable.
    pub image: &'static [u8],
    /// The filter where there is nothing special about it.
    pub filter: Compiled,
    /// Directories from which dynamically linked programs, when they are started by descriptor, may take their loader and
    /// their libraries, by absolute paths: names with `.so` in them, to be read. FreeBSD's LD_LIBRARY_PATH_FDS.
    pub libraries: Vec<PathBuf>,
    /// What descriptors are limited to, by their numbers, each of which comes once. Whatever is not limited there, be it
    /// rights or commands, is left as it is.
    pub limits: Vec<(i32, Limits)>,
    /// Only to limit, and not to enter capability mode.
    pub ordinary: bool,
}

/// A filter that is compiled beforehand, for capability mode.
///
/// ```
/// use monitor::attach::Compiled;
/// use rights::Rights;
///
/// let nothing = Compiled { passes: &[(0, Rights::NONE)], program: &[] };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Compiled {
    /// What it lets through.
    pub passes: &'static [(u32, Rights)],
    /// The program.
    pub program: &'static [filter::Insn],
}

/// Whether the process is in capability mode, as its monitor says: FreeBSD's `cap_getmode(2)`.
///
/// ```
/// assert!(!monitor::attach::is_entered());
/// ```
pub fn is_entered() -> bool {
    pseudo::mode() == Ok(true)
}

/// Whether the process has a monitor, which it has in capability mode, and from the first limit on.
///
/// ```
/// assert!(!monitor::attach::has_monitor());
/// ```
pub fn has_monitor() -> bool {
    pseudo::mode().is_ok()
}

/// Whether there is a descriptor of this number.
///
/// ```
/// assert!(!monitor::attach::is_open(-1));
/// ```
pub fn is_open(number: i32) -> bool {
    call!(SYS_fcntl, number, libc::F_GETFD).is_ok()
}

/// Whether a thread of the kernel's polls an io_uring for this process: it is one of its threads.
fn polls_ring() -> bool {
    const PF_IO_WORKER: u32 = 0x10;
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut stats = tasks.map(|task| std::fs::read(task.path().join("stat")).unwrap_or_default());
    stats.any(|stat| {
        let Some((name, mut after)) = identity::split_stat(&stat) else { return false };
        // Behind state, parent, group, session, terminal and its group.
        let flags: u32 = after.nth(6).and_then(|flags| flags.parse().ok()).unwrap_or(0);
        // A ring's other helpers carry out what io_uring_enter has brought, and get no more.
        flags & PF_IO_WORKER != 0 && !name.starts_with(b"iou-wrk-")
    })
}

/// The step that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Step {
    None,
    Clone,
    Image,
    Socket,
    Exec,
    Start,
    Access,
    NoNewPrivs,
    Seccomp,
    HandOver,
}

impl Step {
    fn error(self, errno: i32) -> EnterError {
        let system = |step| EnterError::System { step, errno };
        let lacking = |Lacking { feature, release }| EnterError::Kernel { feature, release };
        match (self, errno) {
            (Step::Seccomp, libc::EBUSY) => EnterError::OtherListener,
            (Step::Seccomp, libc::ESRCH) => EnterError::OtherFilters,
            (Step::Seccomp, libc::EINVAL) => lacking(KILLABLE_WAIT),
            (Step::Seccomp, libc::ENOSYS) => lacking(FILTERS),
            (Step::Seccomp, _) => system("installing the seccomp filter"),
            (Step::HandOver, _) => EnterError::Unattended { errno },
            (Step::NoNewPrivs, _) => system("giving up set-user-id programs"),
            (Step::Access, _) => system("letting the monitor reach the process"),
            (Step::Image, _) => system("putting the monitor into memory"),
            (Step::Socket, _) => system("making a socket"),
            (Step::Exec, libc::EACCES) => {
                system("executing the monitor from memory (is the sysctl vm.memfd_noexec 2?)")
            }
            (Step::Exec, _) => system("executing the monitor from memory"),
            (Step::Start, _) => system("starting the monitor"),
            // A process whose children are to live in another pid namespace gets no thread.
            (Step::Clone, libc::EINVAL) => EnterError::PidNamespace,
            (Step::Clone | Step::None, _) => system("making a thread"),
        }
    }
}

/// What the threads and processes at work here share. It outlives them all.
struct Work<'p> {
    image: &'static [u8],
    argv: *const *const c_char,
    filter: Fprog<'p>,
    capabilities: Capabilities,
    stacks: Stacks,
    /// What the helper has opened, by number in its table.
    memory: AtomicI32,
    ours: AtomicI32,
    theirs: AtomicI32,
    /// What failed: [`Step`], and its errno.
    failed: (AtomicU32, AtomicI32),
    /// The keeper's orders, a futex: [`WAIT`], [`HAND_OVER`] or [`GO`].
    orders: AtomicU32,
    listener: AtomicI32,
    /// Not 0 while they live, futexes.
    helper: AtomicU32,
    keeper: AtomicU32,
}

const WAIT: u32 = 0;
const HAND_OVER: u32 = 1;
const GO: u32 = 2;

/// One stack each, in one mapping.
struct Stacks(*mut u8);

#[derive(Clone, Copy)]
enum Of {
    Helper = 1,
    GoBetween,
    Monitor,
    Keeper,
}

/// None is deep: the largest thing on one is a control message.
const STACK: usize = 16 << 10;
/// Beneath each stack is a page that is not there.
const GUARD: usize = 4 << 10;
const STACKS: usize = Of::Keeper as usize * (GUARD + STACK);

impl Stacks {
    fn new() -> Result<Stacks, i32> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let start = call!(SYS_mmap, 0, STACKS, libc::PROT_NONE, flags, -1i32, 0)?;
        let stacks = Stacks(ptr::with_exposed_provenance_mut(start));
        for of in [Of::Helper, Of::GoBetween, Of::Monitor, Of::Keeper] {
            let bottom = stacks.top(of).wrapping_sub(STACK);
            call!(SYS_mprotect, bottom, STACK, libc::PROT_READ | libc::PROT_WRITE)?;
        }
        Ok(stacks)
    }
    fn top(&self, of: Of) -> *mut u8 {
        self.0.wrapping_add((GUARD + STACK) * of as usize)
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        let _ = call!(SYS_munmap, self.0, STACKS);
    }
}

impl Work<'_> {
    fn fail(&self, step: Step, errno: i32) {
        // Of several failures the first is the cause.
        if self.failed.0.compare_exchange(0, step as u32, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.failed.1.store(errno, Ordering::SeqCst);
        }
    }
    fn has_failed(&self) -> bool {
        self.failed.0.load(Ordering::SeqCst) != 0
    }
    /// Starts one of those at work, which lets `ended` know of its end if the flags ask for that.
    fn start(&self, of: Of, body: raw::Body, flags: c_int, ended: &AtomicU32) -> Result<u32, i32> {
        let argument = ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: each stack is used once, and `self` lives until all have ended: the helper waits for the others, and
        // its caller for the helper.
        unsafe { raw::clone(body, self.stacks.top(of), flags, argument, ended.as_ptr()) }
    }
}

impl Attach {
    /// Puts the whole process, every thread, into capability mode, with these limits; or, on failure, none. Entering again
    /// succeeds. A process that has no monitor yet gets one.
    ///
    /// The process becomes dumpable, so that the monitor can reach it, and gets no_new_privs, so that set-id programs are
    /// plain programs to it.
    ///
    /// # Errors
    /// See [`EnterError`], and [`Refused`] for limits.
    pub fn enter(&self) -> Result<(), AttachError> {
        let _turn = Turn::take();
        if let Ok(entered) = pseudo::mode() {
            return self.ask_monitor(entered);
        }
        for &(descriptor, _) in &self.limits {
            if !is_open(descriptor) {
                return Err(refused(descriptor)((pseudo::RIGHTS, libc::EBADF)));
            }
        }
        Ok(self.attach()?)
    }

    /// Limits and enters with the monitor that the process has. What fails, fails before anything has changed, unless another
    /// thread limits the same descriptors meanwhile.
    fn ask_monitor(&self, entered: bool) -> Result<(), AttachError> {
        let enters = !entered && !self.ordinary;
        if enters && !self.libraries.is_empty() {
            return Err(EnterError::LateLibraries.into());
        }
        for (descriptor, limits) in &self.limits {
            pseudo::check(*descriptor, limits).map_err(refused(*descriptor))?;
        }
        for (descriptor, limits) in &self.limits {
            pseudo::limit(*descriptor, limits).map_err(refused(*descriptor))?;
        }
        if enters {
            pseudo::enter().map_err(|errno| EnterError::System { step: "asking the monitor", errno })?;
        }
        Ok(())
    }

    /// Gives the process a monitor.
    fn attach(&self) -> Result<(), EnterError> {
        if polls_ring() {
            return Err(EnterError::PolledRing);
        }
        let capabilities = sys::capabilities().map_err(|Errno(errno)| Step::Clone.error(errno))?;
        let passes = passes::of_this_process(&self.limits, self.ordinary);
        let program = self.program(&passes);
        let args = self.arguments(&capabilities, passes)?;
        let argv: Vec<*const c_char> = args.iter().map(|arg| arg.as_ptr()).chain([ptr::null()]).collect();
        let work = Work {
            image: self.image,
            argv: argv.as_ptr(),
            filter: Fprog::of(&program),
            capabilities,
            stacks: Stacks::new().map_err(|errno| Step::Clone.error(errno))?,
            memory: AtomicI32::new(-1),
            ours: AtomicI32::new(-1),
            theirs: AtomicI32::new(-1),
            failed: (AtomicU32::new(0), AtomicI32::new(0)),
            orders: AtomicU32::new(WAIT),
            listener: AtomicI32::new(-1),
            helper: AtomicU32::new(1),
            keeper: AtomicU32::new(0),
        };
        // A handler that ran in the helper, or in one of the processes that share this memory, would run beside the
        // thread whose storage it thinks its own.
        let mask = sys::block_signals(u64::MAX);
        let thread = libc::CLONE_VM
            | libc::CLONE_FS
            | libc::CLONE_SIGHAND
            | libc::CLONE_THREAD
            | libc::CLONE_SYSVSEM
            | libc::CLONE_CHILD_CLEARTID;
        let made = work.start(Of::Helper, help, thread, &work.helper);
        if let Ok(helper) = made {
            wait_while(&work.helper, |alive| alive != 0);
            wait_until_gone(helper);
        }
        sys::block_signals(mask);
        made.map_err(|errno| Step::Clone.error(errno))?;
        match work.failed.0.load(Ordering::SeqCst) {
            0 => Ok(()),
            step => Err(STEPS[step as usize % STEPS.len()].error(work.failed.1.load(Ordering::SeqCst))),
        }
    }

    /// What is denied is asked about where a path may be one of a library, and in ordinary mode, where nothing is denied.
    fn program(&self, passes: &[(u32, Rights)]) -> Cow<'static, [filter::Insn]> {
        let audit = self.ordinary || !self.libraries.is_empty();
        if !audit && passes == self.filter.passes {
            return self.filter.program.into();
        }
        filter::compile(&filter::Profile { hosted: false, audit, passes: passes.to_vec() }).into()
    }

    fn arguments(
        &self,
        capabilities: &Capabilities,
        passes: Vec<(u32, Rights)>,
    ) -> Result<Vec<CString>, EnterError> {
        let libraries: Result<Vec<PathBuf>, _> = self.libraries.iter().map(std::path::absolute).collect();
        let mut limits = self.limits.clone();
        limits.sort_by_key(|(number, _)| *number);
        let options = Options {
            without: std::env::var("PIMENTO_WITHOUT").unwrap_or_default(),
            capabilities: (capabilities.effective, capabilities.permitted),
            acts_as: (sys::fsuid(), sys::fsgid()),
            libraries: libraries
                .map_err(|_| NO_LIBRARIES)?
                .into_iter()
                .map(PathBuf::into_os_string)
                .collect(),
            initial: Initial { passes, limits, ordinary: self.ordinary },
        };
        let args = ["pimento-monitor".into()].into_iter().chain(options.args());
        args.map(|arg| CString::new(arg.into_vec()).map_err(|_| NO_LIBRARIES)).collect()
    }
}

/// A limit of this descriptor that failed.
fn refused(descriptor: i32) -> impl Fn(pseudo::Failed) -> AttachError {
    move |(call, errno)| AttachError::Limit(Refused { call, descriptor, errno })
}

/// An empty path, or one with a NUL.
const NO_LIBRARIES: EnterError =
    EnterError::System { step: "looking for the libraries' directories", errno: libc::EINVAL };

const STEPS: [Step; 10] = [
    Step::None,
    Step::Clone,
    Step::Image,
    Step::Socket,
    Step::Exec,
    Step::Start,
    Step::Access,
    Step::NoNewPrivs,
    Step::Seccomp,
    Step::HandOver,
];

/// One thread enters at a time. A lock that a forked child finds taken by a thread that it does not have, it takes over.
struct Turn;

static TURN: AtomicU32 = AtomicU32::new(0);

impl Turn {
    fn take() -> Turn {
        let me = std::process::id();
        loop {
            match TURN.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Turn,
                Err(holder) if holder != me => {
                    if TURN.compare_exchange(holder, me, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        return Turn;
                    }
                }
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURN.store(0, Ordering::Release);
    }
}

/// Waits while a futex has such a value, and returns the first other one.
fn wait_while(word: &AtomicU32, such: impl Fn(u32) -> bool) -> u32 {
    loop {
        let value = word.load(Ordering::SeqCst);
        if !such(value) {
            return value;
        }
        // What it waits for may come otherwise than by its being woken.
        let soon = libc::timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let _ = call!(SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &raw const soon);
    }
}

/// Waits until a thread of ours that has ended is no more to be seen. Its CPU clock goes with it: to ask for that takes no
/// monitor.
fn wait_until_gone(tid: u32) {
    // CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED.
    let clock = (!(tid as i32) << 3) | 4 | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // It has nothing more to do than to end.
    for _ in 0..100_000 {
        if call!(SYS_clock_gettime, clock, &raw mut time).is_err() {
            return;
        }
        let _ = call!(SYS_sched_yield);
    }
}

/// Sets a futex, and wakes who waits for it.
fn set(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::SeqCst);
    let _ = call!(SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1);
}

fn number(fd: &AtomicI32) -> c_int {
    fd.load(Ordering::SeqCst)
}

/// The helper's work, on a thread of the process with its own descriptor table.
extern "C" fn help(argument: *mut c_void) -> c_int {
    // SAFETY: `enter` has made it, and waits for this thread.
    let work = unsafe { &*argument.cast::<Work>() };
    stay_here();
    match open(work) {
        Ok(()) => enter_for_all(work),
        Err((step, errno)) => work.fail(step, errno),
    }
    // Otherwise the keeper has closed what it has open: under the filter that would be a call to the monitor, which takes this
    // thread to have its process's table.
    if number(&work.listener) < 0 {
        close_all();
    }
    0
}

/// Closes what the helper has open. The kernel lets it be known that a thread has ended before it does so: what the process
/// closes next would stay open for a while.
fn close_all() {
    let _ = call!(SYS_close_range, 0, u32::MAX, 0);
}

fn enter_for_all(work: &Work) {
    let dumpable = call!(SYS_prctl, libc::PR_GET_DUMPABLE).unwrap_or(1);
    let mut core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let _ = call!(SYS_prlimit64, 0, libc::RLIMIT_CORE, 0, &raw mut core);
    if let Err((step, errno)) = attach(work, &core) {
        work.fail(step, errno);
        let _ = call!(SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const core, 0);
        let _ = call!(SYS_prctl, libc::PR_SET_PTRACER, 0);
        if dumpable != 1 {
            let _ = call!(SYS_prctl, libc::PR_SET_DUMPABLE, 0);
        }
    }
    // The keeper waits for its orders, if there is one.
    let orders = if work.has_failed() { GO } else { HAND_OVER };
    set(&work.orders, orders);
    wait_while(&work.keeper, |alive| alive != 0);
}

/// Keeps this thread, and what it starts, on the CPU that it is on: they wait for one another, and to wake an idle CPU takes
/// longer than most of what they do. When it is ready, the monitor goes where its process may.
fn stay_here() {
    let mut cpu = 0u32;
    let mut set = [0u64; 16];
    if call!(SYS_getcpu, &raw mut cpu, 0, 0).is_ok()
        && let Some(word) = set.get_mut(cpu as usize / 64)
    {
        *word = 1 << (cpu % 64);
        let _ = call!(SYS_sched_setaffinity, 0, size_of_val(&set), set.as_ptr());
    }
}

/// Opens what the others need.
fn open(work: &Work) -> Result<(), (Step, i32)> {
    // Numbers that the monitor's own do not meet.
    let move_up = |fd: usize| match fd {
        0..=3 => call!(SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, 4)
            .inspect(|_| _ = call!(SYS_close, fd))
            // What a number beyond the limit is called here.
            .map_err(|errno| if errno == libc::EINVAL { libc::EMFILE } else { errno }),
        fd => Ok(fd),
    };
    const MFD_EXEC: u32 = 0x10;
    let name = c"pimento-monitor".as_ptr();
    // Before Linux 6.3 there is no such flag.
    let memory = match call!(SYS_memfd_create, name, libc::MFD_CLOEXEC | MFD_EXEC) {
        Err(libc::EINVAL) => call!(SYS_memfd_create, name, libc::MFD_CLOEXEC),
        result => result,
    };
    let memory = memory.and_then(move_up).map_err(|errno| (Step::Image, errno))?;
    work.memory.store(memory as c_int, Ordering::SeqCst);
    raw::write_all(memory as c_int, work.image).map_err(|errno| (Step::Image, errno))?;
    let mut pair: [c_int; 2] = [-1; 2];
    call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, pair.as_mut_ptr())
        .map_err(|errno| (Step::Socket, errno))?;
    for (end, fd) in [&work.ours, &work.theirs].into_iter().zip(pair) {
        let fd = move_up(fd as usize).map_err(|errno| (Step::Socket, errno))?;
        end.store(fd as c_int, Ordering::SeqCst);
    }
    Ok(())
}

/// Starts the monitor and installs the filter.
fn attach(work: &Work, core: &libc::rlimit) -> Result<(), (Step, i32)> {
    // Long before the filter: a child that another thread forks meanwhile copies this first, and that last.
    call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1).map_err(|errno| (Step::Access, errno))?;
    // Where Yama lets only ancestors trace: whoever it will be. Without Yama there is no such setting.
    let _ = call!(SYS_prctl, libc::PR_SET_PTRACER, usize::MAX);
    // A process that reaps its descendants' orphans would find two more children.
    let mut reaps: c_int = 0;
    let _ = call!(SYS_prctl, libc::PR_GET_CHILD_SUBREAPER, &raw mut reaps);
    if reaps != 0 {
        let _ = call!(SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 0);
    }
    let shared = libc::CLONE_VM | libc::CLONE_FILES;
    // No exit signal: the process is not told of its end.
    let started = work.start(Of::GoBetween, go_between, shared | libc::CLONE_VFORK, &work.keeper);
    if let Ok(pid) = started {
        let _ = call!(SYS_wait4, pid, 0, libc::__WALL, 0);
    }
    if reaps != 0 {
        let _ = call!(SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1);
    }
    started.map_err(|errno| (Step::Clone, errno))?;
    let _ = call!(SYS_close, number(&work.theirs));
    if work.has_failed() {
        // Told already.
        return Err((Step::None, 0));
    }
    let mut told = [0u8; 8];
    match call!(SYS_read, number(&work.ours), told.as_mut_ptr(), told.len()) {
        Ok(8) => {}
        Ok(_) => return Err((Step::Start, libc::ECHILD)),
        Err(errno) => return Err((Step::Start, errno)),
    }
    let [a, b, c, d, e, f, g, h] = told;
    let (errno, monitor) = (i32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]));
    if errno != 0 {
        return Err((Step::Start, errno));
    }
    let at = |step| move |errno| (step, errno);
    // A core would be written by a path, and from here on nobody can set the limit, also before capability mode.
    let none = libc::rlimit { rlim_cur: 0, ..*core };
    call!(SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const none, 0).map_err(at(Step::Access))?;
    let _ = call!(SYS_prctl, libc::PR_SET_PTRACER, monitor);
    call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1).map_err(at(Step::NoNewPrivs))?;
    const TSYNC_ESRCH: libc::c_ulong = 1 << 4;
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC
        | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        | TSYNC_ESRCH
        | sys::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let listener = call!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const work.filter)
        .map_err(at(Step::Seccomp))?;
    work.listener.store(listener as c_int, Ordering::SeqCst);
    Ok(())
}

/// The monitor's and the keeper's parent, which ends at once.
extern "C" fn go_between(argument: *mut c_void) -> c_int {
    // SAFETY: as for the helper, which waits for this process.
    let work = unsafe { &*argument.cast::<Work>() };
    let vfork = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    if let Err(errno) = work.start(Of::Monitor, become_monitor, vfork, &work.keeper) {
        work.fail(Step::Clone, errno);
    }
    if work.has_failed() {
        return 0;
    }
    work.keeper.store(1, Ordering::SeqCst);
    let shared = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_CHILD_CLEARTID | libc::SIGCHLD;
    if let Err(errno) = work.start(Of::Keeper, keep, shared, &work.keeper) {
        work.keeper.store(0, Ordering::SeqCst);
        work.fail(Step::Clone, errno);
    }
    0
}

/// Becomes the monitor, with a descriptor table of its own: 3 is the socket.
extern "C" fn become_monitor(argument: *mut c_void) -> c_int {
    // SAFETY: as for the helper. Until this process executes the monitor, the go-between waits.
    let work = unsafe { &*argument.cast::<Work>() };
    let become_it = || -> Result<(), (Step, i32)> {
        let at = |step| move |errno| (step, errno);
        // What is sent to its process's group is not for it. But not a session of its own: the kernel shares the CPUs out by
        // session, and a call that is answered from another takes up to five times as long.
        call!(SYS_setpgid, 0, 0).map_err(at(Step::Start))?;
        call!(SYS_dup3, number(&work.theirs), 3, 0).map_err(at(Step::Socket))?;
        const CLOSE_RANGE_CLOEXEC: u32 = 4;
        call!(SYS_close_range, 4, u32::MAX, CLOSE_RANGE_CLOEXEC).map_err(at(Step::Socket))?;
        let null = call!(SYS_openat, libc::AT_FDCWD, c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let standard = null.unwrap_or(3);
        for number in 0..3 {
            if standard != number {
                call!(SYS_dup3, standard, number, 0).map_err(at(Step::Socket))?;
            }
        }
        if null == Ok(standard) && standard < 3 {
            call!(SYS_fcntl, standard, libc::F_SETFD, 0).map_err(at(Step::Socket))?;
        }
        keep_capabilities(&work.capabilities).map_err(at(Step::Access))?;
        let none = [ptr::null::<c_char>()];
        call!(SYS_execveat, number(&work.memory), c"".as_ptr(), work.argv, none.as_ptr(), libc::AT_EMPTY_PATH)
            .map_err(at(Step::Exec))
            .map(drop)
    };
    if let Err((step, errno)) = become_it() {
        work.fail(step, errno);
    }
    1
}

/// Makes the permitted capabilities outlast the exec: for all but root they would be gone, and with them the reach that
/// the monitor needs. What root gets beyond them, the monitor gives up at its start.
fn keep_capabilities(own: &Capabilities) -> Result<(), i32> {
    if own.permitted == 0 {
        return Ok(());
    }
    let kept = Capabilities { inheritable: own.inheritable | own.permitted, ..*own };
    let (header, data) = (CapHeader::OF_THIS_THREAD, kept.data());
    call!(SYS_capset, &raw const header, data.as_ptr())?;
    for capability in (0..64).filter(|bit| own.permitted & (1 << bit) != 0) {
        // Root may be forbidden to, and does not need it.
        let _ = call!(SYS_prctl, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    }
    Ok(())
}

/// Has the monitor take the listener: the keeper's work. It has no filter, and ends before `enter` returns.
extern "C" fn keep(argument: *mut c_void) -> c_int {
    // SAFETY: as for the helper, which waits until this process has ended.
    let work = unsafe { &*argument.cast::<Work>() };
    // The helper ends without orders where the whole process does, or becomes another program.
    let waits = |orders| orders == WAIT && work.helper.load(Ordering::SeqCst) != 0;
    if wait_while(&work.orders, waits) == HAND_OVER {
        // Not in a message: how many descriptors may be in those of one user is limited, and others may have used that up.
        let own = call!(SYS_getpid).unwrap_or(0) as u32;
        let told = [own.to_ne_bytes(), number(&work.listener).to_ne_bytes()];
        let mut taken = [0u8];
        let handed = raw::write_all(number(&work.ours), told.as_flattened())
            .and_then(|()| call!(SYS_read, number(&work.ours), taken.as_mut_ptr(), 1))
            .and_then(|len| if len == 1 { Ok(()) } else { Err(libc::ECHILD) });
        // Should this fail, the monitor ends, and whatever is asked about fails: closed, but not as it was.
        if let Err(errno) = handed {
            work.fail(Step::HandOver, errno);
        }
        close_all();
    }
    0
}
