//! What tests of running programs share: users to run them as, directories to run them in, and the comparison of a
//! plain run with one under `pimento run`.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, thread};

pub const ECAPMODE: i32 = 1094;
pub const ENOTCAPABLE: i32 = 1093;

/// Longer than anything here takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

const NOBODY: u32 = 65534;

/// Whom a program runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Own,
    /// An ordinary user: nobody. Only root can choose so.
    Nobody,
}

/// Root tests as root and as an ordinary user, an ordinary user as itself.
pub fn users() -> &'static [User] {
    if is_root() { &[User::Own, User::Nobody] } else { &[User::Own] }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl User {
    /// `program` run by this user, with an environment that does not depend on who runs the tests.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self {
            User::Own => Command::new(program),
            User::Nobody => {
                let mut command = Command::new("/usr/bin/setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
                command
            }
        };
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("LOGNAME", "tester");
        command
    }
}

/// The command, where every user can run it.
pub fn pimento() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_pimento"));
        let works = |path: &Path| {
            let output = User::Nobody.command(path).arg("--version").output();
            output.is_ok_and(|output| output.status.success())
        };
        if !is_root() || works(built) {
            return built.to_path_buf();
        }
        // One place, so that runs leave one file behind at most, and root's alone.
        let dir = Path::new("/tmp/pimento-under-test");
        let _ = fs::create_dir(dir);
        let meta = fs::symlink_metadata(dir).unwrap();
        assert!(meta.is_dir() && meta.uid() == 0, "{dir:?} is somebody else's");
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        let (copy, new) = (dir.join("pimento"), dir.join(format!("new-{}", std::process::id())));
        fs::copy(built, &new).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, &copy).unwrap();
        copy
    })
}

/// `pimento run OPTIONS -- LINE…`, by this user.
pub fn run_under(user: User, options: &[&str], line: &[&str]) -> Command {
    let mut command = user.command(pimento());
    command.arg("run").args(options).arg("--").args(line);
    command
}

/// Whether a program is there. If not, the test fails, or is skipped where that is asked for.
#[must_use]
pub fn have(program: &str, package: &str) -> bool {
    if Path::new(program).exists() {
        return true;
    }
    let line = format!("{program} is not installed: apt-get install {package}");
    if std::env::var_os("PIMENTO_TEST_SKIP_MISSING").is_some_and(|value| value == "1") {
        // Past the harness, which hides the output of a test that passes.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED, NOTHING TESTED: {line}\n");
        return false;
    }
    panic!("{line} (or set PIMENTO_TEST_SKIP_MISSING=1 to skip what needs it)");
}

/// A directory of a user's own, with `in` to work in and `out` for what is outside. It goes with its value.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    user: User,
}

impl Scratch {
    pub fn new(user: User) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Not a part of the path that a link leads to, so that programs say the path that they were told.
        let path = PathBuf::from(format!("/tmp/pimento-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let scratch = Scratch { path, user };
        scratch.renew();
        scratch
    }

    /// Empties it.
    pub fn renew(&self) {
        for name in ["in", "out"] {
            let dir = self.path.join(name);
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir(&dir).unwrap();
            if self.user == User::Nobody {
                std::os::unix::fs::chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        // Programs that list `..` show its time.
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        fs::File::open(&self.path).unwrap().set_modified(then).unwrap();
    }

    pub fn inside(&self) -> PathBuf {
        self.path.join("in")
    }

    pub fn outside(&self) -> PathBuf {
        self.path.join("out")
    }

    /// A file in it, of the user's.
    pub fn file(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if self.user == User::Nobody {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        path
    }

    /// A command to be run in it.
    pub fn settle(&self, command: &mut Command) {
        command.current_dir(self.inside()).env("HOME", self.inside()).env("TMPDIR", self.inside());
    }

    /// Runs a script of bash plainly, as its user, in `in`.
    pub fn script(&self, script: &str) {
        let mut bash = self.user.command("/usr/bin/bash");
        bash.args(["-euc", script]);
        self.settle(&mut bash);
        let run = finish(bash, b"");
        assert!(run.status.success(), "{run}\nof: {script}");
    }

    /// Runs something plainly in `in`.
    pub fn plain(&self, line: &[&str], input: &[u8]) -> Run {
        let mut command = self.user.command(line[0]);
        command.args(&line[1..]);
        self.settle(&mut command);
        finish(command, input)
    }

    /// Runs it under pimento.
    pub fn under(&self, options: &[&str], line: &[&str], input: &[u8]) -> Run {
        let mut command = run_under(self.user, options, line);
        self.settle(&mut command);
        finish(command, input)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("left for a look: {}", self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// How a run went.
#[derive(PartialEq, Eq)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n--- stdout\n{}--- stderr\n{}---", self.status, self.stdout, self.stderr)
    }
}

impl Run {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// It must have ended with 0 and nothing on standard error.
    #[track_caller]
    pub fn good(&self) -> &Run {
        assert!(self.status.success() && self.stderr.is_empty(), "{self}");
        self
    }
}

/// A process group that is killed with the value, so that nothing of a failed test stays behind.
pub struct Running(pub Child);

impl Running {
    pub fn start(mut command: Command) -> Running {
        Running(command.process_group(0).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.0)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end, but not for ever.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = rustix::process::kill_process_group(self.pid(), rustix::process::Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Runs a command to its end, with this input.
#[track_caller]
pub fn finish(mut command: Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = format!("{command:?}");
    let mut running = Running::start(command);
    let mut stdin = running.0.stdin.take().unwrap();
    let input = input.to_vec();
    let feed = thread::spawn(move || drop(stdin.write_all(&input)));
    let collect = |mut from: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = collect(Box::new(running.0.stdout.take().unwrap()));
    let stderr = collect(Box::new(running.0.stderr.take().unwrap()));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            drop(running);
            // What it left may hold the pipes for ever: nobody waits for what it said.
            panic!("{said} does not end");
        }
        thread::sleep(Duration::from_millis(1));
    };
    let text = |bytes: thread::JoinHandle<Vec<u8>>| {
        // A process that it left behind may have the pipe too.
        eventually("the end of its output", || bytes.is_finished());
        String::from_utf8_lossy(&bytes.join().unwrap_or_default()).into_owned()
    };
    drop(feed);
    Run { status, stdout: text(stdout), stderr: text(stderr) }
}

/// What a tree holds: for each name what it is, whose, with which mode, and its content.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(root: &Path, dir: &Path, into: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if meta.is_file() {
                content(&fs::read(&path).unwrap())
            } else {
                String::new()
            };
            let (mode, nlink) = (meta.mode(), if meta.is_dir() { 0 } else { meta.nlink() });
            let line = format!("{mode:o} {}:{} {nlink} {content}", meta.uid(), meta.gid());
            into.insert(path.strip_prefix(root).unwrap().to_path_buf(), line);
            if meta.is_dir() {
                walk(root, &path, into);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(root, root, &mut all);
    all
}

/// Short contents as they are, long ones by their hash.
fn content(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    if bytes.len() <= 100 {
        return format!("{:?}", String::from_utf8_lossy(bytes));
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{} bytes, hash {:x}", bytes.len(), hasher.finish())
}

/// A program that must not notice.
#[derive(Default)]
pub struct Case<'c> {
    /// Prepares the directory: a script of bash.
    pub setup: &'c str,
    /// What it is given.
    pub options: &'c [&'c str],
    /// The program and its arguments.
    pub line: &'c [&'c str],
    /// Standard input.
    pub input: &'c str,
    /// Files whose content depends on when they were made, or on inode numbers.
    pub volatile: &'c [&'c str],
}

impl Case<'_> {
    /// Runs it plainly and under pimento, in the same fresh directory, as every user, and compares output, exit
    /// status and the tree that is left. Returns the runs.
    #[track_caller]
    pub fn compare(&self) -> Vec<Run> {
        users().iter().map(|&user| self.compare_as(user)).collect()
    }

    #[track_caller]
    fn compare_as(&self, user: User) -> Run {
        let scratch = Scratch::new(user);
        let mut results = Vec::new();
        for under in [false, true] {
            scratch.renew();
            scratch.script(self.setup);
            let run = match under {
                false => scratch.plain(self.line, self.input.as_bytes()),
                true => scratch.under(self.options, self.line, self.input.as_bytes()),
            };
            let mut left = tree(&scratch.inside());
            for name in self.volatile {
                if let Some(line) = left.get_mut(Path::new(name)) {
                    *line = "whatever".into();
                }
            }
            results.push((run, left));
        }
        let (under, under_tree) = results.pop().unwrap();
        let (plain, plain_tree) = results.pop().unwrap();
        assert!(
            plain == under,
            "as {user:?}: {:?} runs otherwise under pimento\n=== plainly: {plain}\n=== under: {under}",
            self.line
        );
        for name in plain_tree.keys().chain(under_tree.keys()) {
            assert_eq!(plain_tree.get(name), under_tree.get(name), "as {user:?}: {:?}: {name:?}", self.line);
        }
        under
    }
}

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// How a process that ended did, as a shell would tell.
pub fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
