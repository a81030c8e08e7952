//! The programs of tests/attacks: each tries a way out, natively, under `pimento run` or in a process that has entered
//! capability mode by itself; and what came of it is judged from outside, by what the attack must not have read, changed,
//! signalled or reached.
//!
//! `PIMENTO_ATTACK_SECONDS` is how long those that race go on (default 1); `cargo test --test attacks NAME` runs one.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

#[path = "support/entering.rs"]
mod entering;

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        const ALL: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                attack(stringify!($name));
            }
        )*
    };
}

attacks! {
    arch, blocked_connects, blocked_opens, clone, counts, credentials, cwd_above, descriptors, entered_exec, entered_memory, entered_monitor, entered_proc, entered_race_exec, entered_race_paths, entered_race_rename, entered_refused, entered_storm, entered_terminal, exec, filters, fork_bomb, identity, killall, message_race, message_zerocopy, nested, numbers, owners, pid_reuse, pointers, proc, race_exec, race_exec_nested, race_fd, race_paths, race_rename, race_sockets, race_symlink, read_only, refused, report, signal_storm, signals, slashes, sockets, starve, terminal, watch,
}

#[test]
fn every_program_is_run() {
    let mut there: Vec<String> = fs::read_dir(sources())
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().into_string().unwrap().strip_suffix(".c").map(str::to_owned)
        })
        .collect();
    there.sort();
    assert_eq!(there, ALL);
    let table = fs::read_to_string(sources().join("README.md")).unwrap();
    for name in ALL {
        assert!(table.contains(&format!("| `{name}.c` |")), "{name}.c is not in tests/attacks/README.md");
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attacks").canonicalize().unwrap()
}

/// How a program's comments say that it is to be run: `// options: …` (one run for each such line, `@` is the fixture's
/// directory), `// stdin: tcp`, `// stdin: terminal`, `// only: root`, `// status: N` (default 0); or not under `pimento run`
/// but in a process that enters by itself, `// enters: …` (one run for each such line: see `entering::tell`) and, if its
/// monitor needs more than 16 MiB, `// memory: KIB`.
struct Manner {
    /// Each with whether it enters by itself.
    runs: Vec<(bool, String)>,
    stdin: String,
    only_root: bool,
    status: i32,
    /// The most memory, in KiB, that the monitor of a process that entered by itself may have.
    memory: u64,
}

impl Manner {
    fn read(source: &str) -> Manner {
        let lines = |key: &str| -> Vec<String> {
            let start = format!("// {key}: ");
            source.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
        };
        let entered = lines("enters");
        let mut options = lines("options");
        if options.is_empty() && entered.is_empty() {
            options.push("--read @/read --write @/write --read @/write/keep".into());
        }
        let hosted = options.into_iter().map(|words| (false, words));
        Manner {
            runs: hosted.chain(entered.into_iter().map(|words| (true, words))).collect(),
            stdin: lines("stdin").pop().unwrap_or_default(),
            only_root: lines("only").contains(&"root".to_owned()),
            status: lines("status").pop().map_or(0, |status| status.parse().unwrap()),
            memory: lines("memory").pop().map_or(16 << 10, |memory| memory.parse().unwrap()),
        }
    }
}

fn seconds() -> u64 {
    std::env::var("PIMENTO_ATTACK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

const NOBODY: u32 = 65534;

/// Longer than anything here takes, beside what it races for, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn attack(name: &str) {
    let source = sources().join(name).with_extension("c");
    let manner = Manner::read(&fs::read_to_string(&source).unwrap());
    let program = shared().join(name);
    let built = Command::new("cc")
        .args(["-O1", "-pthread", "-D_GNU_SOURCE", "-Wall", "-Wno-unused-result", "-Wno-nonnull", "-o"])
        .args([&program, &source])
        // What a process starts that entered by itself has no loader to find.
        .args(manner.runs.iter().any(|(enters, _)| *enters).then_some("-static"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // SAFETY: no preconditions.
    let uid = unsafe { libc::geteuid() };
    let users: &[u32] = match (uid, manner.only_root) {
        (0, true) => &[0],
        (0, false) => &[0, NOBODY],
        (_, true) => return,
        (..) => std::slice::from_ref(&uid),
    };
    let mut wrong = Vec::new();
    for &user in users {
        for (enters, options) in &manner.runs {
            let fixture = Fixture::new(user);
            for complaint in fixture.judge(&manner, *enters, options, &program) {
                wrong.push(format!("{name}, user {user}, {options}: {complaint}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// An executable that needs no loader, and can be one.
fn outside_elf() -> &'static Path {
    static ELF: OnceLock<PathBuf> = OnceLock::new();
    ELF.get_or_init(|| {
        let (source, elf) = (shared().join("outside.s"), shared().join("outside"));
        let text = r#"
            .globl _start
            _start: mov $1, %edi; lea text(%rip), %rsi; mov $end - text, %edx; mov $1, %eax; syscall
            xor %edi, %edi; mov $231, %eax; syscall
            text: .ascii "BREACH: an ELF program outside was started\n"
            end: .section .note.GNU-stack, "", @progbits
        "#;
        fs::write(&source, text).unwrap();
        let built = Command::new("cc")
            .args(["-nostdlib", "-static", "-no-pie", "-o"])
            .args([&elf, &source])
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        elf
    })
}

/// Where the programs, and a copy of pimento that everyone may start, are.
fn shared() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    extern "C" fn clean() {
        if let Some(dir) = SHARED.get() {
            let _ = fs::remove_dir_all(dir);
        }
    }
    SHARED.get_or_init(|| {
        // SAFETY: it only removes files, and runs before anything that it uses is gone.
        unsafe { libc::atexit(clean) };
        let dir = std::env::temp_dir().join(format!("pimento-attacks-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let pimento = dir.join("pimento");
        fs::copy(env!("CARGO_BIN_EXE_pimento"), &pimento).unwrap();
        fs::set_permissions(&pimento, fs::Permissions::from_mode(0o755)).unwrap();
        dir
    })
}

/// What an attack is given, and what it is after.
struct Fixture {
    dir: PathBuf,
    user: u32,
    /// Whether what lies in write/keep is to stay as it is.
    keeps: bool,
    /// In everything that is not to be read: file contents, names, environments.
    secret: String,
    bystander: Child,
    tcp: TcpListener,
    udp: UdpSocket,
    stream: UnixListener,
    datagrams: [UnixDatagram; 2],
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.bystander.kill();
        let _ = self.bystander.wait();
        if fs::remove_dir_all(&self.dir).is_err() {
            unlock(&self.dir);
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Takes flags back, such as root's immutable, by which a file could not be removed.
fn unlock(path: &Path) {
    if path.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_dir())
        && let Ok(file) = fs::File::open(path)
    {
        // SAFETY: FS_IOC_SETFLAGS reads one number, borrowed for the call.
        unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const NO_FLAGS) };
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        unlock(&entry.path());
    }
}

static NO_FLAGS: libc::c_long = 0;

impl Fixture {
    fn new(user: u32) -> Fixture {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{}-{number}", std::process::id());
        let dir = std::env::temp_dir().canonicalize().unwrap().join(format!("pimento-attack-{unique}"));
        let mut noise = [0; 12];
        fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
        let secret = format!("S3CR3T{}", noise.map(|byte| format!("{byte:02x}")).concat());
        let make = |path: &str| fs::create_dir_all(dir.join(path)).unwrap();
        let file = |path: &str, mode: u32, content: &str| {
            fs::write(dir.join(path), content).unwrap();
            fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        for path in ["read/sub", "write/keep/sub", "write/a/b/c/d", "outside/sub", "outside/empty", "hidden"]
        {
            make(path);
        }
        file("read/file", 0o644, "what may be read\n");
        file("read/prog", 0o755, "#!/bin/sh\necho BREACH: started what may only be read\n");
        file("read/sub/file", 0o644, "what may be read\n");
        file("write/file", 0o644, "what may be written\n");
        file("write/keep/file", 0o644, "what is to be kept\n");
        file("write/keep/sub/file", 0o644, "what is to be kept\n");
        file("outside/secret", 0o644, &format!("{secret}\n"));
        file("outside/sub/secret", 0o644, &format!("{secret}\n"));
        // By this name it lies wherever a path that is off by a few directories leads.
        file("secret", 0o644, &format!("{secret}\n"));
        file(&format!("outside/{secret}"), 0o644, "");
        file(&format!("hidden/{secret}"), 0o644, "");
        file("outside/prog", 0o755, &format!("#!/bin/sh\necho BREACH: started what is outside {secret}\n"));
        fs::copy(outside_elf(), dir.join("outside/elf")).unwrap();
        symlink("../outside/secret", dir.join("read/out")).unwrap();
        symlink(dir.join("outside/secret"), dir.join("write/out")).unwrap();
        let stream = UnixListener::bind(dir.join("outside/stream")).unwrap();
        stream.set_nonblocking(true).unwrap();
        let abstracted = SocketAddr::from_abstract_name(format!("pimento-attack-{unique}")).unwrap();
        let datagrams = [
            UnixDatagram::bind(dir.join("outside/datagram")).unwrap(),
            UnixDatagram::bind_addr(&abstracted).unwrap(),
        ];
        for socket in &datagrams {
            socket.set_nonblocking(true).unwrap();
        }
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        own(&dir, user);
        let mut bystander = Command::new("/bin/sleep");
        bystander.arg("100000");
        become_user(&mut bystander, user);
        bystander.env("SECRET", environment(&secret)).stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: sigprocmask may be called between fork and exec.
        unsafe {
            bystander.pre_exec(|| {
                // Signals stay pending, where they can be seen.
                let mut all = std::mem::zeroed();
                libc::sigfillset(&raw mut all);
                libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
                Ok(())
            });
        }
        let bystander = bystander.spawn().unwrap();
        // It is what it is to be, before anybody comes for it.
        let end = Instant::now() + PATIENCE;
        let name = format!("/proc/{}/comm", bystander.id());
        while fs::read_to_string(&name).unwrap() != "sleep\n" {
            assert!(Instant::now() < end, "the bystander does not start");
            thread::sleep(Duration::from_millis(1));
        }
        Fixture { dir, user, keeps: true, secret, bystander, tcp, udp, stream, datagrams }
    }

    fn judge(mut self, manner: &Manner, enters: bool, options: &str, program: &Path) -> Vec<String> {
        self.keeps = options.contains("@/write/keep");
        let before = self.picture();
        let words = options.replace('@', self.dir.to_str().unwrap());
        let mut run = if enters {
            entering::launcher()
        } else {
            let mut run = Command::new(shared().join("pimento"));
            run.arg("run").args(words.split_whitespace()).arg("--clear-env");
            run
        };
        become_user(&mut run, self.user);
        let tag = format!("tagged-{}", self.dir.file_name().unwrap().display());
        if enters {
            entering::tell(&mut run, &words, program, &tag);
        } else {
            run.env("SECRET", environment(&self.secret));
        }
        let mut variable = |name: &str, value: String| {
            if enters {
                run.env(format!("ATTACK_{name}"), value);
            } else {
                run.arg("--env").arg(format!("ATTACK_{name}={value}"));
            }
        };
        let secret = fs::metadata(self.dir.join("outside/secret")).unwrap();
        variable("DIR", self.dir.display().to_string());
        // With everything to be read, the files are no secret.
        let open = options.split_whitespace().any(|word| word == "/");
        variable("OPEN", u8::from(open).to_string());
        variable("SECONDS", seconds().to_string());
        variable("INODE", secret.ino().to_string());
        variable("BYSTANDER", self.bystander.id().to_string());
        variable("TCP", self.tcp.local_addr().unwrap().port().to_string());
        variable("UDP", self.udp.local_addr().unwrap().port().to_string());
        let name = self.datagrams[1].local_addr().unwrap();
        variable("ABSTRACT", String::from_utf8(name.as_abstract_name().unwrap().to_vec()).unwrap());
        if !enters {
            run.arg("--").arg(program);
        }
        run.current_dir("/");
        let peer = self.stdin(manner, &mut run);
        let mut monitor = enters.then(|| entering::Watched::new(&tag));
        let (output, status) = match self.output(run, monitor.as_mut()) {
            Ok(ended) => ended,
            Err(complaint) => return vec![complaint],
        };
        let text = String::from_utf8_lossy(&output).into_owned();
        let mut wrong = self.damage(&before);
        if let Some(monitor) = monitor {
            wrong.extend(monitor.outlives());
            if monitor.most > manner.memory {
                wrong.push(format!("the monitor had {} KiB of memory", monitor.most));
            }
        }
        if let Some(peer) = peer {
            wrong.extend(only_z(peer));
        }
        if contains(&output, environment(&self.secret).as_bytes()) {
            wrong.push(format!("an environment was read: {}", tail(&text)));
        }
        if !open && contains(&output, self.secret.as_bytes()) {
            wrong.push(format!("the secret was read: {}", tail(&text)));
        }
        if let Some(line) = text.lines().find(|line| line.contains("BREACH")) {
            wrong.push(line.to_owned());
        }
        if contains(&output, b"\x1b") {
            wrong.push("what is printed holds control characters".into());
        }
        if status.signal().is_some() || status.code() != Some(manner.status) || !text.contains("benign: ok\n")
        {
            wrong.push(format!("it did not end as it should, but with {status}: {}", tail(&text)));
        }
        if std::env::var_os("PIMENTO_ATTACK_VERBOSE").is_some() {
            eprintln!("--- {program:?} {options}\n{text}");
        }
        wrong
    }

    /// Gives it a standard input. Of a TCP connection the other end.
    fn stdin(&self, manner: &Manner, run: &mut Command) -> Option<TcpStream> {
        match &manner.stdin[..] {
            "" => {
                run.stdin(Stdio::null());
                None
            }
            "tcp" => {
                let meeting = TcpListener::bind("127.0.0.1:0").unwrap();
                let theirs = TcpStream::connect(meeting.local_addr().unwrap()).unwrap();
                run.stdin(OwnedFd::from(theirs));
                Some(meeting.accept().unwrap().0)
            }
            "terminal" => {
                let (mut ours, mut theirs) = (0, 0);
                let none = std::ptr::null_mut();
                // SAFETY: two numbers, borrowed for the call, and nothing else asked for.
                let opened =
                    unsafe { libc::openpty(&raw mut ours, &raw mut theirs, none, none.cast(), none.cast()) };
                assert_eq!(opened, 0);
                // The master stays open: it is the terminal's other end for as long as this process lives.
                // SAFETY: openpty has just made the descriptor.
                run.stdin(unsafe { OwnedFd::from_raw_fd(theirs) });
                // SAFETY: both may be called between fork and exec.
                unsafe {
                    run.pre_exec(|| {
                        if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                            return Err(std::io::Error::last_os_error());
                        }
                        Ok(())
                    });
                }
                None
            }
            other => panic!("no such stdin: {other}"),
        }
    }

    fn output(
        &self,
        mut run: Command,
        mut monitor: Option<&mut entering::Watched>,
    ) -> Result<(Vec<u8>, std::process::ExitStatus), String> {
        let (mut from, to) = std::io::pipe().unwrap();
        run.stdout(to.try_clone().unwrap()).stderr(to);
        let mut child = run.spawn().unwrap();
        drop(run);
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            let mut chunk = [0; 65536];
            while let Ok(len @ 1..) = from.read(&mut chunk) {
                // More than any of them has to say.
                if all.len() < 16 << 20 {
                    all.extend_from_slice(&chunk[..len]);
                }
            }
            all
        });
        let end = Instant::now() + PATIENCE + Duration::from_secs(2 * seconds());
        let status = loop {
            monitor.iter_mut().for_each(|monitor| monitor.look());
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > end => {
                    let tree = descendants(child.id());
                    for pid in tree.into_iter().rev() {
                        // SAFETY: our own child and its descendants.
                        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
                    }
                    let _ = child.wait();
                    return Err(format!(
                        "it hangs: {}",
                        tail(&String::from_utf8_lossy(&reader.join().unwrap()))
                    ));
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        Ok((reader.join().unwrap(), status))
    }

    /// What has changed that must not.
    fn damage(&mut self, before: &BTreeMap<PathBuf, String>) -> Vec<String> {
        let mut wrong = Vec::new();
        let after = self.picture();
        for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
            let (was, is) = (before.get(path), after.get(path));
            if was != is {
                wrong.push(format!("{path:?} was {was:?} and is {is:?}"));
            }
        }
        let state = self.bystander_state();
        let of = |key: &str| field(&state, key);
        if !of("State:").starts_with('S') || of("SigPnd:").parse() != Ok(0) || of("ShdPnd:").parse() != Ok(0)
        {
            let (pending, shared) = (of("SigPnd:"), of("ShdPnd:"));
            wrong.push(format!("the bystander was signalled: {} {pending} {shared}", of("State:")));
        }
        let mut quiet = |what: &str, quiet: bool| {
            if !quiet {
                wrong.push(format!("the {what} server was reached"));
            }
        };
        let would_block = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
        quiet("TCP", self.tcp.accept().as_ref().is_err_and(would_block));
        quiet("UDP", self.udp.recv(&mut [0]).as_ref().is_err_and(would_block));
        quiet("Unix", self.stream.accept().as_ref().is_err_and(would_block));
        quiet("Unix datagram", self.datagrams[0].recv(&mut [0]).as_ref().is_err_and(would_block));
        quiet("abstract datagram", self.datagrams[1].recv(&mut [0]).as_ref().is_err_and(would_block));
        wrong
    }

    /// What procfs says of the bystander, once it runs no more: its own start may still be going on.
    fn bystander_state(&self) -> String {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let state = fs::read_to_string(format!("/proc/{}/status", self.bystander.id()));
            let state = state.unwrap_or_default();
            if !field(&state, "State:").starts_with(['R', 'D']) || Instant::now() > end {
                return state;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Everything that an attack must not change.
    fn picture(&self) -> BTreeMap<PathBuf, String> {
        let mut picture = BTreeMap::new();
        let mut todo = vec!["secret", "read", "outside", "hidden"];
        todo.extend(self.keeps.then_some("write/keep"));
        let mut todo: Vec<PathBuf> = todo.into_iter().map(|name| self.dir.join(name)).collect();
        let names = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        picture.insert(self.dir.clone(), format!("{names:?}"));
        while let Some(path) = todo.pop() {
            let Ok(meta) = path.symlink_metadata() else { continue };
            let content = match () {
                () if meta.is_file() => fs::read(&path).unwrap_or_default(),
                () if meta.is_symlink() => fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(),
                () => Vec::new(),
            };
            let content = String::from_utf8_lossy(&content);
            let (mode, uid, gid, links) = (meta.mode(), meta.uid(), meta.gid(), meta.nlink());
            let (time, nanos, xattrs) = (meta.mtime(), meta.mtime_nsec(), xattrs(&path));
            let words =
                format!("{mode:o} {uid}:{gid} {links} links {time}.{nanos:09} {xattrs:?} {content:?}");
            picture.insert(path.clone(), words);
            if meta.is_dir() {
                todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        picture
    }
}

/// A line's value in a process's status.
fn field<'s>(status: &'s str, key: &str) -> &'s str {
    status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("none").trim()
}

fn xattrs(path: &Path) -> String {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut list = vec![0u8; 65536];
    // SAFETY: the path ends in NUL and the list is as long as said.
    let len = unsafe { libc::llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len()) };
    list.truncate(usize::try_from(len).unwrap_or(0));
    String::from_utf8_lossy(&list).into_owned()
}

/// Whatever was received beside the letter that was sent.
fn only_z(mut peer: TcpStream) -> Option<String> {
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut all = Vec::new();
    let _ = peer.read_to_end(&mut all);
    let stray = all.iter().position(|&byte| byte != b'Z')?;
    Some(format!("the peer received memory that was never sent, from byte {stray} of {}", all.len()))
}

/// The secret of the processes outside, in their environments: of the same make, but none of a file's.
fn environment(secret: &str) -> String {
    secret.replace("S3CR3T", "3NV1R0N")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n    ")
}

fn own(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path(), user);
        }
    }
}

fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

fn become_user(command: &mut Command, user: u32) {
    // SAFETY: no preconditions.
    if unsafe { libc::geteuid() } != user {
        let (program, args) = (command.get_program().to_owned(), command.get_args().map(OsStr::to_owned));
        let args: Vec<_> = args.collect();
        *command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into()]);
        command.arg(program).args(args);
    }
}

/// A process and all that it started.
fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        let tasks = fs::read_dir(format!("/proc/{}/task", all[at])).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}
