//! Where recipes are played: each in a child process of its own, with a directory of its own, three times.
//!
//! - *Outside*: an ordinary process makes every call. It shows that what is denied would have worked.
//! - *Model*: an ordinary process makes only what is expected to work; of the rest it takes the expectation for the result.
//! - *Sandbox*: a process in capability mode makes every call.
//!
//! The last two must tell the same story: results, memory, files, how the process ended.

use crate::raw::{self, Word, word};
use policy::{Call, Resolved, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fmt::{Debug, Write as _};
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where a recipe's child writes what it does.
const STORY: i32 = 1000;
/// How long a recipe may tell nothing.
const SILENCE: Duration = Duration::from_secs(20);
const ECAPMODE: i64 = rights::ECAPMODE as i64;
const ENOSYS: i64 = policy::ENOSYS as i64;

/// A recipe: makes what it needs, enters capability mode, and makes calls.
pub type Recipe = (&'static str, fn(&mut Stage));

/// Who plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// Whoever runs the tests.
    Own,
    /// An ordinary user: 65534.
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Outside,
    Model,
    Sandbox,
}

/// What is expected of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The same value or errno as outside.
    Same,
    /// A value where there is one outside, else the same errno.
    Alike,
    /// This value, whatever it is outside.
    Is(i64),
}

/// The call works, with the value or errno that it has outside.
macro_rules! works {
    ($stage:expr, $name:ident($($arg:expr),* $(,)?)) => {
        $stage.call(stringify!($name), $crate::stage::Want::Same, &[$($crate::raw::word($arg)),*])
    };
}
/// The call works as it does outside, but its value (an address, a process's number) need not be the same.
macro_rules! alike {
    ($stage:expr, $name:ident($($arg:expr),* $(,)?)) => {
        $stage.call(stringify!($name), $crate::stage::Want::Alike, &[$($crate::raw::word($arg)),*])
    };
}
/// The call is denied: it names something in a global namespace.
macro_rules! denied {
    ($stage:expr, $name:ident($($arg:expr),* $(,)?)) => {
        $crate::stage::is!($stage, -i64::from(rights::ECAPMODE), $name($($arg),*))
    };
}
/// A lookup leaves the directory.
macro_rules! leaves {
    ($stage:expr, $name:ident($($arg:expr),* $(,)?)) => {
        $crate::stage::is!($stage, -i64::from(rights::ENOTCAPABLE), $name($($arg),*))
    };
}
/// The call is as if the kernel did not have it.
macro_rules! absent {
    ($stage:expr, $name:ident($($arg:expr),* $(,)?)) => {
        $crate::stage::is!($stage, -i64::from(policy::ENOSYS), $name($($arg),*))
    };
}
/// The call has this value, or negative errno, in capability mode.
macro_rules! is {
    ($stage:expr, $value:expr, $name:ident($($arg:expr),* $(,)?)) => {
        $stage.call(stringify!($name), $crate::stage::Want::Is($value), &[$($crate::raw::word($arg)),*])
    };
}
pub(crate) use {absent, alike, denied, is, leaves, works};

/// The stage of one recipe, in its child.
pub struct Stage {
    mode: Mode,
    base: PathBuf,
    entered: bool,
}

impl Stage {
    /// Enters capability mode. What entering changes besides, an ordinary process changes too.
    pub fn enter(&mut self) {
        match self.mode {
            Mode::Sandbox => {
                if let Err(error) = pimento::enter() {
                    self.fail(&format!("cannot enter: {error}"));
                    raw::exit(1);
                }
            }
            Mode::Model | Mode::Outside => {
                for (what, to) in [(libc::PR_SET_NO_NEW_PRIVS, 1), (libc::PR_SET_DUMPABLE, 1)] {
                    raw::syscall(libc::SYS_prctl as u32, [word(what), to, 0, 0, 0, 0]);
                }
            }
        }
        self.entered = true;
    }

    /// A path in the recipe's directory, absolute.
    pub fn path(&self, name: &str) -> CString {
        CString::new(self.base.join(name).as_os_str().as_bytes()).expect("no NUL")
    }

    /// Makes a call.
    pub fn call(&mut self, name: &str, want: Want, args: &[u64]) -> i64 {
        self.call_by(name, want, args, raw::syscall)
    }
    /// Makes a call in capability mode only: outside it would do harm.
    pub fn inside(&mut self, name: &str, want: Want, args: &[u64]) {
        if self.mode != Mode::Outside {
            self.call(name, want, args);
        }
    }
    /// Makes a call that starts a thread or process, which ends at once.
    pub fn spawn(&mut self, name: &str, want: Want, args: &[u64]) -> i64 {
        self.call_by(name, want, args, raw::spawn)
    }

    /// Marks a call that has been made otherwise.
    pub fn mark(&self, name: &str, how: &str) {
        self.tell(&format!("> {name} - Same {how}"));
        self.tell("= 0");
    }

    /// Makes a call that the policy does not know.
    pub fn number(&mut self, number: u32, value: i64) {
        assert!(self.entered, "{number} before entering");
        if policy::by_number_x86_64(number).is_some() {
            self.fail(&format!("the policy knows {number:#x}"));
        }
        let got = if self.mode == Mode::Sandbox { raw::syscall(number, [0; 6]) } else { value };
        self.see("number", (number, got));
    }

    fn call_by(&mut self, name: &str, want: Want, args: &[u64], make: fn(u32, [u64; 6]) -> i64) -> i64 {
        let args: [u64; 6] = std::array::from_fn(|at| args.get(at).copied().unwrap_or(0));
        let Some((call, number)) = policy::by_name(name).and_then(|call| Some((call, call.x86_64?))) else {
            self.fail(&format!("{name} is no call of the policy"));
            return -ENOSYS;
        };
        assert!(self.entered, "{name} before entering");
        self.tell(&format!("> {name} {} {want:?} {}", line_of(call, &args), shown(call, &args)));
        self.check(policy::resolve(call, false, &args), want);
        let value = match (self.mode, want) {
            (Mode::Model, Want::Is(value)) => value,
            _ => make(number, args),
        };
        self.tell(&match want {
            Want::Alike if value >= 0 => "= fine".to_owned(),
            _ => format!("= {value}"),
        });
        value
    }

    /// The policy must say what the recipe expects: the table is what is tested, not what is believed.
    fn check(&self, resolved: Resolved, want: Want) {
        let agrees = match (resolved, want) {
            (Resolved::Deny(errno), Want::Is(value)) => value == -i64::from(errno),
            (Resolved::Deny(_), _) => false,
            (Resolved::Allow | Resolved::Descriptors, Want::Is(value)) => value != -ECAPMODE,
            _ => true,
        };
        if !agrees {
            self.fail(&format!("the policy says {resolved:?}"));
        }
    }

    /// Tells something that was seen, which must be the same in both.
    pub fn see(&self, what: &str, it: impl Debug) {
        self.tell(&format!("~ {what}: {it:?}"));
    }
    /// Tells of something that is wrong.
    pub fn fail(&self, what: &str) {
        self.tell(&format!("! {what}"));
    }
    /// For a child of the recipe: it has no part in the story.
    pub fn silent(&self) {
        raw::syscall(libc::SYS_close as u32, [STORY as u64, 0, 0, 0, 0, 0]);
    }

    fn tell(&self, line: &str) {
        let line = format!("{}\n", line.replace('\n', "\\n"));
        let bytes = line.as_bytes();
        let args = [STORY.word(), raw::of(bytes), bytes.len() as u64, 0, 0, 0];
        raw::syscall(libc::SYS_write as u32, args);
    }
}

/// Small numbers as they are, paths as such.
fn shown(call: &Call, args: &[u64; 6]) -> String {
    let arg = |(at, arg): (usize, &u64)| match *arg as i64 {
        small @ -0x1000..=-10 => format!("{small}"),
        small @ -9..=0xffff_ffff => format!("{small:#x}"),
        _ if matches!(call.args.get(at), Some(policy::Arg::Path(_))) => raw::text(*arg),
        _ => "@".to_owned(),
    };
    args.iter().enumerate().map(arg).collect::<Vec<_>>().join(", ")
}

/// Which line of its row decides: for the coverage.
fn line_of(call: &Call, args: &[u64; 6]) -> String {
    line_of_verdict(call.verdict, args)
}

fn line_of_verdict(verdict: Verdict, args: &[u64; 6]) -> String {
    match verdict {
        Verdict::When(rules, last) => {
            match rules.iter().position(|rule| rule.when.iter().all(|cond| cond.holds(args))) {
                Some(rule) => format!("{rule}/{}", line_of_verdict(rules[rule].then, args)),
                None => format!("last/{}", line_of_verdict(*last, args)),
            }
        }
        Verdict::Command(namespace) => match namespace.find(namespace.value(args)) {
            Some(command) => format!("{}/{}", command.name, line_of_verdict(command.verdict, args)),
            None => "unknown".to_owned(),
        },
        _ => "-".to_owned(),
    }
}

/// Every line that a row has.
fn lines_of(verdict: Verdict) -> Vec<String> {
    let beneath =
        |head: &str, verdict| lines_of(verdict).into_iter().map(|line| format!("{head}/{line}")).collect();
    match verdict {
        Verdict::When(rules, last) => {
            let rules = rules.iter().enumerate().map(|(at, rule)| (at.to_string(), rule.then));
            let all = rules.chain([("last".to_owned(), *last)]);
            all.flat_map(|(head, verdict)| -> Vec<String> { beneath(&head, verdict) }).collect()
        }
        Verdict::Command(namespace) => namespace
            .commands
            .iter()
            .flat_map(|command| -> Vec<String> { beneath(command.name, command.verdict) })
            .chain(["unknown".to_owned()])
            .collect(),
        _ => vec!["-".to_owned()],
    }
}

/// What came of playing a recipe once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    lines: Vec<String>,
    ended: String,
    tree: String,
}

/// What came of all recipes.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong.
    pub failures: Vec<String>,
    /// Lines of rows that were reached in capability mode.
    reached: BTreeSet<(String, String)>,
    /// Denied calls, and whether one of each worked outside, as far as the kernel has it.
    denied: BTreeMap<String, bool>,
    /// What they did in capability mode.
    pub stories: String,
}

impl Report {
    /// Plays all recipes, and waits for every process that they have left.
    pub fn of(recipes: &[Recipe], player: Player) -> Report {
        let mut report = Report::default();
        // What is left behind comes to this process.
        raw::syscall(libc::SYS_prctl as u32, [word(libc::PR_SET_CHILD_SUBREAPER), 1, 0, 0, 0, 0]);
        for (number, recipe) in recipes.iter().enumerate() {
            report.add(recipe, player, number);
        }
        report.failures.extend(left_behind());
        report
    }

    fn add(&mut self, recipe: &Recipe, player: Player, number: usize) {
        let model = play(recipe, player, number, Mode::Model);
        let sandbox = play(recipe, player, number, Mode::Sandbox);
        if let Some(difference) = difference(&model, &sandbox) {
            self.failures.push(format!("{} as {player:?}: {difference}", recipe.0));
        }
        let _ = writeln!(self.stories, "{}", recipe.0);
        for line in &sandbox.lines {
            let _ = writeln!(self.stories, "    {line}");
            if let Some((name, line, _)) = made(line) {
                self.reached.insert((name.to_owned(), line.to_owned()));
            }
        }
        let is_denied = |line: &String| made(line).is_some_and(|(_, _, want)| is_denial(want));
        if !model.lines.iter().any(is_denied) {
            return;
        }
        let outside = play(recipe, player, number, Mode::Outside);
        for (at, line) in outside.lines.iter().enumerate() {
            let Some((name, _, want)) = made(line) else { continue };
            let is_kernels = policy::CALLS.iter().any(|call| call.name == name);
            if is_denial(want) && is_kernels {
                // One that does not return, works.
                let result = outside.lines[at + 1..].iter().find_map(|line| line.strip_prefix("= "));
                // What the kernel does not have, nobody can have.
                let worked = result.is_none_or(|value| {
                    value.parse::<i64>().is_ok_and(|value| value >= 0 || value == -ENOSYS)
                });
                *self.denied.entry(name.to_owned()).or_default() |= worked;
            }
        }
    }

    /// Rows of the policy of which a line was not reached.
    pub fn missing(&self) -> Vec<String> {
        let rows = policy::all().filter(|call| call.x86_64.is_some());
        rows.flat_map(|call| lines_of(call.verdict).into_iter().map(move |line| (call.name.to_owned(), line)))
            .filter(|row| !self.reached.contains(row))
            .map(|(name, line)| format!("{name}, line {line}: no recipe makes it"))
            .collect()
    }

    /// Denied calls of which none worked outside, so that nothing shows that it is the sandbox that refuses.
    pub fn hopeless(&self) -> BTreeSet<&str> {
        self.denied.iter().filter(|(_, worked)| !**worked).map(|(name, _)| name.as_str()).collect()
    }
}

/// A line of a call: its name, the line of its row, what was expected.
fn made(line: &str) -> Option<(&str, &str, &str)> {
    let mut words = line.strip_prefix("> ")?.splitn(4, ' ');
    Some((words.next()?, words.next()?, words.next()?))
}

fn is_denial(want: &str) -> bool {
    [ECAPMODE, ENOSYS].iter().any(|errno| want == format!("Is(-{errno})"))
}

fn difference(model: &Story, sandbox: &Story) -> Option<String> {
    let mut out = String::new();
    let mut last = "";
    for at in 0..model.lines.len().max(sandbox.lines.len()) {
        let line = |story: &'_ Story| story.lines.get(at).map_or("(nothing)", |line| line).to_owned();
        let (expected, got) = (line(model), line(sandbox));
        if let Some(line) = model.lines.get(at).filter(|line| line.starts_with('>')) {
            last = line;
        }
        // Addresses and process numbers may differ from child to child.
        let same = match (made(&expected), made(&got)) {
            (Some((name, _, want)), Some((other, _, other_want))) => name == other && want == other_want,
            _ => expected == got,
        };
        if !same || got.starts_with('!') {
            let _ = write!(out, "\n    after `{last}`\n      outside: {expected}\n      inside:  {got}");
        }
        if !same && (made(&expected).is_some() || made(&got).is_some()) {
            break;
        }
    }
    if model.ended != sandbox.ended {
        let _ = write!(out, "\n    ended outside: {}, inside: {}", model.ended, sandbox.ended);
    }
    if model.tree != sandbox.tree {
        let _ = write!(out, "\n    files outside:\n{}\n    files inside:\n{}", model.tree, sandbox.tree);
    }
    (!out.is_empty()).then_some(out)
}

fn play(recipe: &Recipe, player: Player, number: usize, mode: Mode) -> Story {
    let base = std::env::temp_dir().join(format!("pimento-table-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&base);
    fs::create_dir(&base).expect("a directory for the recipe");
    if player == Player::Nobody {
        std::os::unix::fs::chown(&base, Some(65534), Some(65534)).expect("root can give it away");
    }
    let (read, write) = pipe();
    let Some(child) = raw::fork() else {
        drop(read);
        act(recipe, player, mode, base, write);
    };
    drop(write);
    let mut story = Story::default();
    let text = listen(read);
    story.lines = text.lines().map(str::to_owned).collect();
    story.ended = ended(child);
    story.tree = tree(&base);
    let _ = fs::remove_dir_all(&base);
    story
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut fds = [0i32; 2];
    assert_eq!(raw::syscall(libc::SYS_pipe2 as u32, [raw::at(&mut fds), 0, 0, 0, 0, 0]), 0, "pipe");
    (raw::own(fds[0].into()), raw::own(fds[1].into()))
}

/// The child's part.
fn act(recipe: &Recipe, player: Player, mode: Mode, base: PathBuf, write: OwnedFd) -> ! {
    raw::syscall(libc::SYS_dup3 as u32, [word(write.as_raw_fd()), STORY as u64, 0, 0, 0, 0]);
    drop(write);
    let mut stage = Stage { mode, base, entered: false };
    std::panic::set_hook(Box::new(|info| {
        let stage = Stage { mode: Mode::Model, base: PathBuf::new(), entered: true };
        stage.fail(&info.to_string());
    }));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        if player == Player::Nobody {
            for (call, args) in [
                (libc::SYS_setgroups, [0, 0, 0]),
                (libc::SYS_setresgid, [65534; 3]),
                (libc::SYS_setresuid, [65534; 3]),
            ] {
                let value = raw::syscall(call as u32, [args[0], args[1], args[2], 0, 0, 0]);
                assert_eq!(value, 0, "becoming an ordinary user");
            }
        }
        raw::syscall(libc::SYS_umask as u32, [0o022, 0, 0, 0, 0, 0]);
        raw::syscall(libc::SYS_setrlimit as u32, [libc::RLIMIT_CORE.into(), raw::of(&[0u64; 2]), 0, 0, 0, 0]);
        build(&stage.base);
        std::env::set_current_dir(stage.base.join("in")).expect("to enter the directory");
        recipe.1(&mut stage);
    }));
    raw::exit(if result.is_ok() { 0 } else { 101 })
}

/// What each recipe finds: `in`, the directory that it works in, and `outside`, beside it.
fn build(base: &Path) {
    let write = |name: &str, text: &[u8]| fs::write(base.join(name), text).expect("a file");
    for dir in ["in", "in/sub", "in/empty", "outside"] {
        fs::create_dir(base.join(dir)).expect("a directory");
    }
    write("in/file", b"0123456789abcdef");
    write("in/other", b"other");
    write("in/sub/inner", b"inner");
    write("outside/secret", b"secret");
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(base.join("in/program"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, &crate::program::ends_with_7()))
        .expect("a program");
    for (text, name) in [
        ("file", "link"),
        ("sub", "sublink"),
        ("sub/..", "round"),
        ("../outside", "leave"),
        ("../outside/secret", "leavefile"),
    ] {
        symlink(text, base.join("in").join(name)).expect("a link");
    }
    symlink(base.join("in/sub"), base.join("in/absolute")).expect("a link");
    symlink(base.join("in/file"), base.join("in/absolutefile")).expect("a link");
}

/// What is there afterwards. The names that carry the recipe's own directory are cut.
fn tree(base: &Path) -> String {
    fn walk(base: &Path, dir: &Path, out: &mut String) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            let kind = meta.file_type();
            let text = if kind.is_symlink() {
                format!("-> {:?}", fs::read_link(&path).unwrap_or_default())
            } else if kind.is_file() && meta.len() < 100 {
                format!("{:?}", String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()))
            } else if kind.is_char_device() || kind.is_block_device() {
                format!("{:#x}", meta.rdev())
            } else if kind.is_dir() {
                String::new()
            } else {
                meta.len().to_string()
            };
            // Times that a recipe has set are long ago.
            let time = Some(meta.mtime()).filter(|&time| time < 1_000_000_000);
            let _ = writeln!(
                out,
                "      {} {:o} {}:{} {} {text} {time:?}",
                path.strip_prefix(base).unwrap_or(&path).display(),
                meta.permissions().mode(),
                meta.uid(),
                meta.gid(),
                meta.nlink()
            );
            if kind.is_dir() {
                walk(base, &path, out);
            }
        }
    }
    let mut out = String::new();
    walk(base, base, &mut out);
    out.replace(&*base.to_string_lossy(), "BASE")
}

/// Reads a story to its end; a child that keeps silent too long is given up.
fn listen(from: OwnedFd) -> String {
    let mut text = Vec::new();
    let mut file = fs::File::from(from);
    let mut buffer = [0; 16384];
    loop {
        let mut entry = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let ready = raw::syscall(
            libc::SYS_poll as u32,
            [raw::at(&mut entry), 1, SILENCE.as_millis() as u64, 0, 0, 0],
        );
        if ready == 0 {
            text.extend(b"! nothing more was heard\n");
            break;
        }
        match file.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(len) => text.extend(&buffer[..len]),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// How a child ended.
fn ended(child: i32) -> String {
    let begin = Instant::now();
    loop {
        if let Some((_, status)) = raw::wait(child, libc::WNOHANG) {
            return if libc::WIFSIGNALED(status) {
                format!("signal {}", libc::WTERMSIG(status))
            } else {
                format!("status {}", libc::WEXITSTATUS(status))
            };
        }
        if begin.elapsed() > Duration::from_secs(2) {
            raw::syscall(libc::SYS_kill as u32, [word(child), libc::SIGKILL as u64, 0, 0, 0, 0]);
            raw::wait(child, 0);
            return "not by itself".to_owned();
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Waits for all that has come to this process; names what does not end, and monitors that did not end well.
fn left_behind() -> Option<String> {
    let begin = Instant::now();
    let mut bad = Vec::new();
    loop {
        let mut info: libc::siginfo_t = raw::zeroed();
        let how = word(libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
        let waited =
            raw::syscall(libc::SYS_waitid as u32, [libc::P_ALL.into(), 0, raw::at(&mut info), how, 0, 0]);
        let pid = raw::child_of(&info);
        if waited < 0 {
            return (!bad.is_empty()).then(|| format!("monitors that did not end well: {bad:?}"));
        } else if pid != 0 {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let status = raw::wait(pid, 0);
            if name.trim() == "pimento-monitor" && status != Some((pid, 0)) {
                bad.push(status);
            }
        } else if begin.elapsed() > Duration::from_secs(5) {
            break;
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let me = std::process::id();
    let children = fs::read_to_string(format!("/proc/{me}/task/{me}/children")).unwrap_or_default();
    let names = children.split_whitespace().map(|pid| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        raw::syscall(libc::SYS_kill as u32, [pid.parse().unwrap_or(0), libc::SIGKILL as u64, 0, 0, 0, 0]);
        format!("{pid} {line:?}")
    });
    Some(format!("left behind: {}", names.collect::<Vec<_>>().join(", ")))
}

/// Runs something in a process of its own, with no other threads, and returns what it writes.
pub fn alone(body: impl FnOnce() -> String) -> String {
    // Another test's process would hold this one's pipe.
    static FORKING: Mutex<()> = Mutex::new(());
    let turn = FORKING.lock();
    let (read, write) = pipe();
    let Some(child) = raw::fork() else {
        drop(read);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        let text = result.unwrap_or_else(|_| "! panicked".to_owned());
        let mut file = fs::File::from(write);
        let _ = std::io::Write::write_all(&mut file, text.as_bytes());
        raw::exit(0);
    };
    drop(write);
    drop(turn);
    let mut text = String::new();
    fs::File::from(read).read_to_string(&mut text).expect("to hear of it");
    raw::wait(child, 0);
    text
}
