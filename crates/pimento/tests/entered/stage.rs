//! Where a test plays. A test forks a *judge*, an ordinary process that adopts whatever its descendants leave behind; the
//! judge forks *players*, who enter capability mode, and with it become as hard to ask as they should be. When the play
//! is over nobody may be left, monitors included: that is looked at after every test.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

pub const ECAPMODE: i32 = pimento_errno(94);
pub const ENOTCAPABLE: i32 = pimento_errno(93);
const fn pimento_errno(freebsd: i32) -> i32 {
    freebsd + 1000
}

/// Longer than any play takes, even on a busy machine.
const PATIENCE: i32 = 60;

pub const NOBODY: u32 = 65534;

/// Whom a player plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Own,
    /// Another, whom only root can play.
    Id(u32),
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Root plays root and nobody, an ordinary user itself.
pub fn users() -> &'static [User] {
    if is_root() { &[User::Own, User::Id(NOBODY)] } else { &[User::Own] }
}

/// Tells that a test has tested nothing, past the harness, which hides what a test that passes says.
pub fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\nSKIPPED, NOTHING TESTED: {why}\n");
}

// --- system calls -------------------------------------------------------------------------------------------

/// A system call as it is: its value, or an errno.
pub fn perform(number: i64, args: [usize; 6]) -> Result<i64, i32> {
    // SAFETY: the tests pass numbers, and pointers to what they have borrowed for longer than the call; or pointers that
    // are wrong on purpose, which the kernel refuses.
    let result = unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) };
    if result == -1 { Err(errno()) } else { Ok(result) }
}

/// A call by its name in libc, the arguments cast to words.
#[macro_export]
macro_rules! call {
    ($name:ident $(, $arg:expr)* $(,)?) => { $crate::numbered!(libc::$name $(, $arg)*) };
}

/// A call by its number.
#[macro_export]
macro_rules! numbered {
    ($number:expr $(, $arg:expr)* $(,)?) => {
        // In one expression, so that what an argument points into is there until the call is over.
        $crate::stage::perform($number, $crate::stage::six(&[$($arg as usize),*]))
    };
}

pub fn six(given: &[usize]) -> [usize; 6] {
    let mut args = [0; 6];
    args[..given.len()].copy_from_slice(given);
    args
}

pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

pub fn c(text: impl AsRef<OsStr>) -> CString {
    CString::new(text.as_ref().as_bytes()).unwrap()
}

/// openat(2).
pub fn open_at(dir: RawFd, path: impl AsRef<OsStr>, flags: i32) -> Result<OwnedFd, i32> {
    open_at_mode(dir, path, flags, 0o666)
}

pub fn open_at_mode(dir: RawFd, path: impl AsRef<OsStr>, flags: i32, mode: u32) -> Result<OwnedFd, i32> {
    let path = c(path);
    call!(SYS_openat, dir, path.as_ptr(), flags, mode).map(own)
}

/// A descriptor that nobody else owns.
pub fn own(number: i64) -> OwnedFd {
    // SAFETY: the kernel has just made it for us.
    unsafe { OwnedFd::from_raw_fd(number as RawFd) }
}

/// The content of what is beneath a directory.
pub fn read_at(dir: RawFd, path: impl AsRef<OsStr>) -> Result<String, i32> {
    let mut text = String::new();
    let mut file = File::from(open_at(dir, path, libc::O_RDONLY)?);
    file.read_to_string(&mut text).map_err(|error| error.raw_os_error().unwrap_or(-1))?;
    Ok(text)
}

pub fn directory(path: impl AsRef<OsStr>) -> OwnedFd {
    open_at(libc::AT_FDCWD, path, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC).unwrap()
}

/// A copy of this process.
pub enum Forked {
    Child,
    Parent(i32),
}

pub fn fork() -> Forked {
    // SAFETY: what the tests do in a child does not take locks that another thread may have held: the C library takes
    // care of its own, and panics are told by `report`.
    match unsafe { libc::fork() } {
        0 => Forked::Child,
        -1 => panic!("fork: {}", errno()),
        pid => Forked::Parent(pid),
    }
}

pub fn exit(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Forks a process that does one thing.
pub fn child(act: impl FnOnce()) -> i32 {
    match fork() {
        Forked::Parent(pid) => pid,
        Forked::Child => {
            let done = panic::catch_unwind(AssertUnwindSafe(act));
            exit(if done.is_ok() { 0 } else { FAILED })
        }
    }
}

/// Waits for a child: its status, as waitpid tells it.
pub fn wait_for(pid: i32) -> i32 {
    let mut status = 0;
    loop {
        match call!(SYS_wait4, pid, &raw mut status, libc::__WALL, 0) {
            Ok(_) => return status,
            Err(libc::EINTR) => {}
            Err(errno) => panic!("wait for {pid}: {errno}"),
        }
    }
}

// --- judges and players -------------------------------------------------------------------------------------

/// The status of a process that has reported why it failed.
const FAILED: i32 = 101;

/// Where a judge and its players say what went wrong, and where it can be seen that somebody did; -1 in the tests' own
/// process.
static REPORT: AtomicI32 = AtomicI32::new(-1);
static REPORTED: AtomicI32 = AtomicI32::new(-1);

/// Descriptors from here on are the stage's. What is written to these numbers gets out also when a killed monitor does not
/// answer.
const APART: i32 = 240;

fn report(text: &str) {
    let _ = call!(SYS_write, REPORT.load(Ordering::SeqCst), text.as_ptr(), text.len());
}

fn tell_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| match REPORT.load(Ordering::SeqCst) {
            -1 => usual(info),
            _ => report(&format!("[{}] {info}\n", std::process::id())),
        }));
    });
}

/// Runs a judge, a child subreaper with one thread, and fails if it fails or leaves anybody behind.
pub fn judged(judge: impl FnOnce()) {
    tell_panics();
    let mut pipe = [0i32; 2];
    call!(SYS_pipe2, pipe.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK).unwrap();
    let [from, to] = pipe.map(|number| own(number.into()));
    let judge = child(|| {
        // What other tests have open is none of its business, and would keep it open.
        for (number, fd, to) in [(0, &from, &REPORTED), (1, &to, &REPORT)] {
            let at = APART + number;
            call!(SYS_dup3, fd.as_raw_fd(), at, libc::O_CLOEXEC).unwrap();
            to.store(at, Ordering::SeqCst);
        }
        call!(SYS_close_range, 3, APART - 1, 0).unwrap();
        call!(SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0).unwrap();
        call!(SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0).unwrap();
        let done = panic::catch_unwind(AssertUnwindSafe(judge));
        if done.is_err() {
            // Whoever waits for what does not come.
            kill_all();
        }
        nobody_is_left();
        if done.is_err() {
            exit(FAILED);
        }
    });
    let process = own(call!(SYS_pidfd_open, judge, 0).unwrap());
    let mut fds = [libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    let ready = call!(SYS_poll, fds.as_mut_ptr(), 1, PATIENCE * 1000);
    if ready != Ok(1) {
        let _ = call!(SYS_kill, judge, libc::SIGKILL);
    }
    let status = wait_for(judge);
    let mut said = Vec::new();
    let _ = File::from(from).read_to_end(&mut said);
    assert!(status == 0 && said.is_empty(), "status {status:#x}:\n{}", String::from_utf8_lossy(&said));
}

/// The children of this process, which has one thread.
pub fn children_of(pid: u32) -> Vec<i32> {
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()));
    }
    all
}

/// Ends a judge's children who are no monitors, and tells how many lived.
pub fn end_orphans() -> usize {
    let monitors = monitors();
    let mut orphans = children_of(std::process::id());
    orphans.retain(|pid| !monitors.contains(pid));
    let ended = orphans.into_iter().map(|pid| {
        call!(SYS_kill, pid, libc::SIGKILL).unwrap();
        wait_for(pid)
    });
    ended.filter(|&status| libc::WIFSIGNALED(status)).count()
}

fn kill_all() {
    for pid in children_of(std::process::id()) {
        let _ = call!(SYS_kill, pid, libc::SIGKILL);
    }
}

/// Waits until all children, own and adopted, have ended.
pub fn nobody_is_left() {
    extern "C" fn nothing(_: i32) {}
    // Without SA_RESTART, so that it ends the wait.
    handle(libc::SIGALRM, nothing, 0);
    call!(SYS_alarm, 20).unwrap();
    loop {
        match call!(SYS_wait4, -1i32, 0, libc::__WALL, 0) {
            Ok(_) => {}
            Err(libc::ECHILD) => break,
            Err(_) => {
                let left = children_of(std::process::id());
                let names: Vec<String> = left.iter().take(5).map(|&pid| name_of(pid)).collect();
                report(&format!("{} left behind: {names:?}\n", left.len()));
                kill_all();
                exit(FAILED);
            }
        }
    }
    call!(SYS_alarm, 0).unwrap();
}

fn name_of(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line))
}

/// The monitors among a judge's children, by their name: their program none but root sees.
pub fn monitors() -> Vec<i32> {
    let is_monitor = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "pimento-monitor\n")
    };
    children_of(std::process::id()).into_iter().filter(is_monitor).collect()
}

/// Installs a signal handler.
pub fn handle(signal: i32, handler: extern "C" fn(i32), flags: i32) {
    // SAFETY: the tests' handlers make system calls and use atomics, nothing else.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
    }
}

/// A process that plays.
#[derive(Debug)]
pub struct Player {
    pub pid: i32,
}

impl Player {
    /// Starts playing.
    pub fn start(user: User, play: impl FnOnce()) -> Player {
        let pid = child(|| {
            if let User::Id(id) = user {
                become_user(id);
            }
            call!(SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0).unwrap();
            play();
        });
        Player { pid }
    }

    /// Its status, once it has ended.
    pub fn wait(self) -> i32 {
        wait_for(self.pid)
    }

    /// Waits until it has played to the end.
    pub fn join(self) {
        let status = self.wait();
        assert_eq!(status, 0, "the player's status");
    }
}

/// Gives up being root.
pub fn become_user(id: u32) {
    call!(SYS_setgroups, 0, 0).unwrap();
    call!(SYS_setresgid, id, id, id).unwrap();
    call!(SYS_setresuid, id, id, id).unwrap();
}

/// A play with one player, who needs nothing from the judge.
pub fn play(user: User, act: impl FnOnce()) {
    judged(|| Player::start(user, act).join());
}

/// A play in a directory, which the judge furnishes and the player gets.
pub fn play_in(user: User, furnish: impl FnOnce(&Scratch), act: impl FnOnce(RawFd)) {
    judged(|| {
        let scratch = Scratch::new(user);
        furnish(&scratch);
        Player::start(user, || {
            let dir = scratch.open();
            act(dir.as_raw_fd());
        })
        .join();
    });
}

/// A play for each user.
pub fn play_each(act: impl Fn(User)) {
    for &user in users() {
        play(user, || act(user));
    }
}

pub fn enter() {
    pimento::enter().unwrap();
    assert!(pimento::sandboxed());
}

/// A word between processes.
#[derive(Debug)]
pub struct Cue {
    read: OwnedFd,
    write: OwnedFd,
}

impl Cue {
    pub fn new() -> Cue {
        let mut pipe = [0i32; 2];
        call!(SYS_pipe2, pipe.as_mut_ptr(), libc::O_CLOEXEC).unwrap();
        let [read, write] = pipe.map(|number| own(number.into()));
        Cue { read, write }
    }
    pub fn number(&self) -> RawFd {
        self.read.as_raw_fd()
    }
    pub fn give(&self) {
        assert_eq!(call!(SYS_write, self.write.as_raw_fd(), [0u8].as_ptr(), 1), Ok(1));
    }
    /// Waits for it; or, if somebody has failed, who is then waited for in vain, fails too.
    pub fn take(&self) {
        let mut byte = [0u8];
        let on = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds = [on(self.read.as_raw_fd()), on(REPORTED.load(Ordering::SeqCst))];
        loop {
            let ready = call!(SYS_poll, fds.as_mut_ptr(), fds.len(), -1i32);
            if ready == Err(libc::EINTR) {
                continue;
            }
            // A monitor that was killed answers nothing: a read waits as well.
            assert!(ready == Err(libc::ENOSYS) || fds[0].revents != 0, "somebody else has failed");
            return assert_eq!(call!(SYS_read, fds[0].fd, byte.as_mut_ptr(), 1), Ok(1));
        }
    }
}

// --- files --------------------------------------------------------------------------------------------------

/// A directory of a user's own. It goes with its value, in the process that made it.
#[derive(Debug)]
pub struct Scratch {
    pub path: PathBuf,
    user: User,
    maker: u32,
}

impl Scratch {
    pub fn new(user: User) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let maker = std::process::id();
        let path =
            PathBuf::from(format!("/tmp/pimento-entered-{maker}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).unwrap();
        let scratch = Scratch { path, user, maker };
        scratch.give(&scratch.path, 0o755);
        scratch
    }

    fn give(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if let User::Id(id) = self.user {
            chown(path, Some(id), Some(id)).unwrap();
        }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file of the user's. To be made by a process with one thread, or a child that is forked meanwhile keeps it open
    /// for writing, and it cannot be executed.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, content).unwrap();
        self.give(&path, mode);
        path
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir(&path).unwrap();
        self.give(&path, 0o755);
        path
    }

    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        call!(SYS_mknodat, libc::AT_FDCWD, c(&path).as_ptr(), libc::S_IFIFO | 0o666, 0).unwrap();
        self.give(&path, 0o666);
        path
    }

    pub fn open(&self) -> OwnedFd {
        directory(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::process::id() == self.maker {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
