//! Starting an attack in a process that has entered capability mode by itself: this test's own executable, started anew,
//! opens what the attack is to hold, enters, and becomes the attack.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What tells a process that it is a launcher, and which words it is to go by.
const WORDS: &str = "PIMENTO_ATTACK_ENTERS";
const PROGRAM: &str = "PIMENTO_ATTACK_PROGRAM";

/// What tells one that its threads are to be busy when it enters.
const AT_WORK: &str = "PIMENTO_ATTACK_AT_WORK";

/// The first number of what an attack holds.
const FIRST: i32 = 10;

/// A command that launches an attack, once [`tell`] has told it which.
pub fn launcher() -> Command {
    static COPY: OnceLock<std::path::PathBuf> = OnceLock::new();
    // Where the executable of a test lies, not everyone may look.
    let copy = COPY.get_or_init(|| {
        let copy = super::shared().join("launcher");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
        copy
    });
    let mut command = Command::new(copy);
    command.args(["--exact", "entering::launched", "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

/// `words` are what the attack holds: `NAME=PATH` opens PATH for reading, the attack finds its number in `ATTACK_FD_NAME`;
/// `libraries:PATH` is a directory of shared objects;
/// `+credentials` and `+pidfd` are pairs of datagram sockets, where the second is told of senders.
/// `tag` is in the command line of the monitor.
pub fn tell(command: &mut Command, words: &str, program: &Path, tag: &str) {
    command.env(WORDS, words).env(PROGRAM, program).env("PIMENTO_WITHOUT", tag);
}

#[test]
#[ignore = "is started by the others"]
fn launched() {
    if std::env::var_os(AT_WORK).is_some() {
        enter_at_work();
    }
    let Ok(words) = std::env::var(WORDS) else { return };
    let mut env: Vec<CString> = std::env::vars_os()
        .filter(|(name, _)| name.as_bytes().starts_with(b"ATTACK_"))
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).unwrap())
        .collect();
    env.push(c"ATTACK_ENTERED=1".into());
    let program = File::open(std::env::var_os(PROGRAM).unwrap()).unwrap();
    let (mut next, mut how) = (FIRST, pimento::Enter::new());
    for word in words.split_whitespace() {
        let (name, held): (&str, Vec<OwnedFd>) = match word.split_once('=') {
            Some((name, path)) => (name, vec![File::open(path).unwrap().into()]),
            None if word == "+credentials" => ("credentials", pair(libc::SO_PASSCRED)),
            None if word == "+pidfd" => ("pidfd", pair(SO_PASSPIDFD)),
            None => {
                how = how.libraries(word.strip_prefix("libraries:").expect("no such word"));
                continue;
            }
        };
        env.push(CString::new(format!("ATTACK_FD_{name}={next}")).unwrap());
        for fd in held {
            // SAFETY: nothing here has these numbers; what is put there stays for the attack.
            assert_eq!(unsafe { libc::dup2(fd.as_raw_fd(), next) }, next);
            next += 1;
        }
    }
    assert!(program.as_raw_fd() < FIRST);
    how.enter().unwrap();
    let pointers = |all: &[CString]| -> Vec<*const libc::c_char> {
        all.iter().map(|one| one.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let args = [c"attack".into()];
    // SAFETY: the arrays end in null and are borrowed for the call.
    unsafe { libc::fexecve(program.into_raw_fd(), pointers(&args).as_ptr(), pointers(&env).as_ptr()) };
    panic!("fexecve: {}", std::io::Error::last_os_error());
}

/// Whether this thread is confined.
fn is_confined() -> bool {
    File::open("/proc/version").is_err_and(|error| error.raw_os_error() == Some(ECAPMODE))
}

const ECAPMODE: i32 = 1094;

/// Whether a descriptor answers as only a listener does, or is called one.
fn is_listener(fd: i32) -> bool {
    const NOTIF_ID_VALID: libc::c_ulong = 0x4008_2102;
    let id = 0u64;
    // SAFETY: the id is borrowed for the call.
    let answered = unsafe { libc::ioctl(fd, NOTIF_ID_VALID, &raw const id) } == 0
        || std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT);
    let called = fs::read_link(format!("/proc/self/fd/{fd}"))
        .is_ok_and(|link| link.as_os_str().as_bytes().windows(7).any(|part| part == b"seccomp"));
    answered || called
}

/// Says what must not be, and ends.
fn breach(what: &str) -> ! {
    eprintln!("BREACH: {what}");
    std::process::abort();
}

/// Enters while other threads fork, open, copy and close, signal, trace, look for the listener under every number and in
/// every thread's table; and so do children that are forked at that moment.
fn enter_at_work() -> ! {
    let look = || (3..64).any(is_listener);
    let works: [(&str, &(dyn Fn() + Sync)); 5] = [
        // SAFETY: the child calls what is safe after fork in a process with threads on Linux, or ends by an alarm.
        ("fork", &|| unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::alarm(5);
                let found = (3..64).any(|fd| {
                    let id = 0u64;
                    libc::ioctl(fd, 0x4008_2102, &raw const id) == 0
                        || *libc::__errno_location() == libc::ENOENT
                });
                libc::ptrace(libc::PTRACE_SEIZE, libc::getppid(), 0, 0);
                libc::_exit(i32::from(found));
            }
            let mut status = 0;
            if child > 0 && libc::waitpid(child, &raw mut status, 0) == child && status != 0 {
                breach("a child found the listener");
            }
        }),
        ("open", &|| drop(File::open("/dev/null").and_then(|file| file.try_clone()))),
        ("look", &|| {
            if look() {
                breach("the listener is among the descriptors");
            }
        }),
        ("signal", &|| {
            // SAFETY: a handler is there.
            unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
        }),
        ("take", &|| {
            for entry in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
                let tid: i32 = entry.file_name().to_str().and_then(|tid| tid.parse().ok()).unwrap_or(0);
                // SAFETY: numbers only.
                unsafe {
                    let thread = libc::syscall(libc::SYS_pidfd_open, tid, libc::O_EXCL) as i32;
                    for number in 0..16 {
                        let taken = libc::syscall(libc::SYS_pidfd_getfd, thread, number, 0) as i32;
                        if taken >= 0 && is_listener(taken) {
                            breach("the listener was taken from a thread's table");
                        }
                        libc::close(taken);
                    }
                    libc::close(thread);
                }
            }
        }),
    ];
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGUSR1, nothing as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let entered = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (name, work) in works {
            let entered = &entered;
            scope.spawn(move || {
                while !entered.load(std::sync::atomic::Ordering::SeqCst) {
                    work();
                }
                for _ in 0..5 {
                    work();
                }
                if !is_confined() {
                    breach(name);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(3));
        if let Err(error) = pimento::enter() {
            breach(&format!("it does not enter: {error}"));
        }
        if !is_confined() {
            breach("it has entered, and is not confined");
        }
        entered.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    println!("benign: ok");
    let _ = std::io::stdin().read(&mut [0]);
    std::process::exit(0);
}

#[test]
fn a_process_at_work_enters_whole() {
    let end = Instant::now() + Duration::from_secs(super::seconds());
    // Twenty at least.
    for round in 0.. {
        if round >= 20 && Instant::now() > end {
            break;
        }
        for user in if super::is_root() { &[0, super::NOBODY][..] } else { &[super::NOBODY][..] } {
            let mut command = launcher();
            if super::is_root() {
                super::become_user(&mut command, *user);
            }
            command.env(AT_WORK, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let entered = lines.any(|line| line.unwrap().contains("benign: ok"));
            // It does not see it itself any more, whatever it has.
            let listener =
                fs::read_dir(format!("/proc/{}/fd", process.id())).into_iter().flatten().flatten().any(
                    |fd| {
                        fs::read_link(fd.path()).is_ok_and(|link| link.to_string_lossy().contains("seccomp"))
                    },
                );
            drop(process.stdin.take());
            let done = process.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success() && entered, "user {user}, {}: {text}", done.status);
            assert!(!listener, "user {user}: the listener has stayed with it");
        }
    }
}

const SO_PASSPIDFD: libc::c_int = 76;

/// Two connected sockets; the second has an option.
fn pair(option: libc::c_int) -> Vec<OwnedFd> {
    let (mut pair, on) = ([-1; 2], 1 as libc::c_int);
    // SAFETY: the pair, and the number, are borrowed for the calls.
    unsafe {
        assert_eq!(libc::socketpair(libc::AF_UNIX, libc::SOCK_DGRAM, 0, pair.as_mut_ptr()), 0);
        let size = size_of_val(&on) as libc::socklen_t;
        let set = libc::setsockopt(pair[1], libc::SOL_SOCKET, option, (&raw const on).cast(), size);
        assert!(set == 0 || option == SO_PASSPIDFD, "{}", std::io::Error::last_os_error());
        // SAFETY: both are new.
        pair.map(|fd| OwnedFd::from_raw_fd(fd)).into()
    }
}

/// The monitor that has this tag in its command line, while an attack goes on.
pub struct Watched {
    tag: String,
    pid: Option<u32>,
    /// The most memory that it had, in KiB.
    pub most: u64,
}

impl Watched {
    pub fn new(tag: &str) -> Watched {
        Watched { tag: tag.to_owned(), pid: None, most: 0 }
    }

    pub fn look(&mut self) {
        if self.pid.is_none() {
            self.pid = find(&self.tag);
        }
        if let Some(pid) = self.pid {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            self.most =
                self.most.max(super::field(&status, "VmHWM:").trim_end_matches(" kB").parse().unwrap_or(0));
        }
    }

    /// What is wrong if it outlives those that it served.
    pub fn outlives(&self) -> Option<String> {
        let end = Instant::now() + Duration::from_secs(20);
        while find(&self.tag).is_some() {
            if Instant::now() > end {
                return Some("the monitor does not end".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

fn find(tag: &str) -> Option<u32> {
    let tag = format!("--without={tag}");
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        line.split(|&byte| byte == 0).any(|word| word == tag.as_bytes()).then_some(pid)
    })
}
