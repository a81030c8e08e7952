//! Programs: by descriptor, or beneath one, and by no path. And the pseudo system calls, by a program that has no C
//! library.

use crate::call;
use crate::stage::*;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

/// Compiles a program's source. To be called by the tests' own process, before there is a judge.
fn compiled(source: &str, options: &[&str]) -> Vec<u8> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{source}-{}", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(source);
    let output = Command::new("cc").args(options).arg("-o").arg(&program).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(&program).unwrap();
    fs::remove_file(program).unwrap();
    bytes
}

/// The static program that tells who it is.
pub fn probe() -> &'static [u8] {
    static PROBE: OnceLock<Vec<u8>> = OnceLock::new();
    PROBE.get_or_init(|| {
        compiled("probe.c", &["-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector", "-O1"])
    })
}

/// What it tells.
#[derive(Debug, Clone, Copy)]
pub struct Told([i64; 16]);

impl Told {
    fn pid(&self) -> i64 {
        self.0[0]
    }
    fn is_first_thread(&self) -> bool {
        self.0[0] == self.0[1]
    }
    fn effective_user(&self) -> i64 {
        self.0[2]
    }
    pub fn is_in(&self) -> bool {
        (self.0[4], self.0[5], self.0[8], self.0[12]) == (0, 1, 0, -i64::from(ECAPMODE))
    }
    fn arguments(&self) -> i64 {
        self.0[13]
    }
}

/// Where a program that this process starts tells what it has to.
struct Output {
    read: OwnedFd,
    write: OwnedFd,
}

impl Output {
    fn new() -> Output {
        let mut pipe = [0i32; 2];
        call!(SYS_pipe2, pipe.as_mut_ptr(), libc::O_CLOEXEC).unwrap();
        let [read, write] = pipe.map(|number| own(number.into()));
        Output { read, write }
    }
    /// All that has been told once everybody who could tell more is gone.
    fn text(self) -> Vec<u8> {
        drop(self.write);
        let mut bytes = Vec::new();
        File::from(self.read).read_to_end(&mut bytes).unwrap();
        bytes
    }
    fn told(self) -> Told {
        let bytes = self.text();
        assert_eq!(bytes.len(), 128, "the program has not run");
        let mut told = [0; 16];
        for (word, bytes) in told.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = i64::from_ne_bytes(bytes.try_into().unwrap());
        }
        assert_eq!(told[15], 0x70_726f_6265);
        Told(told)
    }
}

/// execveat(2) with two arguments and no environment.
fn exec_at(dir: RawFd, path: &str, flags: i32) -> i32 {
    let path = c(path);
    let argv = [c"program".as_ptr(), c"argument".as_ptr(), std::ptr::null()];
    let env = [std::ptr::null::<libc::c_char>()];
    call!(SYS_execveat, dir, path.as_ptr(), argv.as_ptr(), env.as_ptr(), flags).unwrap_err()
}

/// Forks a child that becomes a program: what it told; or the errno that exec failed with.
fn run_at(dir: RawFd, path: &str, flags: i32) -> Result<Vec<u8>, i32> {
    let (output, failed) = (Output::new(), Output::new());
    child(|| {
        call!(SYS_dup3, output.write.as_raw_fd(), 1, 0).unwrap();
        let errno = exec_at(dir, path, flags).to_ne_bytes();
        call!(SYS_write, failed.write.as_raw_fd(), errno.as_ptr(), 4).unwrap();
    });
    match failed.text().first_chunk() {
        Some(&errno) => Err(i32::from_ne_bytes(errno)),
        None => Ok(output.text()),
    }
}

pub fn probe_at(dir: RawFd, path: &str, flags: i32) -> Result<Told, i32> {
    let bytes = run_at(dir, path, flags)?;
    assert_eq!(bytes.len(), 128);
    let mut told = [0; 16];
    for (word, bytes) in told.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = i64::from_ne_bytes(bytes.try_into().unwrap());
    }
    Ok(Told(told))
}

/// A play with a directory in which the probe lies, `probe`.
fn with_probe(act: impl Fn(&Scratch)) {
    probe();
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("probe", probe(), 0o755);
            Player::start(user, || act(&scratch)).join();
        });
    }
}

fn open_program(path: PathBuf, flags: i32) -> OwnedFd {
    open_at(libc::AT_FDCWD, path, flags).unwrap()
}

// --- the pseudo system calls ----------------------------------------------------------------------------------

#[test]
fn the_pseudo_calls_are_unknown_natively() {
    with_probe(|scratch| {
        let dir = scratch.open();
        let told = probe_at(dir.as_raw_fd(), "probe", 0).unwrap();
        let unknown = -i64::from(libc::ENOSYS);
        assert_eq!(told.0[4..12], [unknown, 77, unknown, unknown, unknown, unknown, unknown, unknown]);
    });
}

#[test]
fn the_pseudo_calls_answer_by_number_in_capability_mode() {
    with_probe(|scratch| {
        let dir = scratch.open();
        enter();
        let told = probe_at(dir.as_raw_fd(), "probe", 0).unwrap();
        let (fault, refused) = (-i64::from(libc::EFAULT), -i64::from(ECAPMODE));
        assert_eq!(told.0[4..9], [0, 1, fault, fault, 0], "getmode, the mode, wild pointers, enter");
        assert_eq!(told.0[9], fault, "cap_rights_limit with a wild pointer");
        assert_eq!(told.0[10..12], [refused, refused], "no calls");
        assert!(told.is_in());
    });
}

// --- what can be started --------------------------------------------------------------------------------------

#[test]
fn a_static_program_starts_by_descriptor_and_beneath_a_directory() {
    with_probe(|scratch| {
        let dir = scratch.open();
        let outer = directory("/tmp");
        let program = open_program(scratch.at("probe"), libc::O_RDONLY);
        let closed = open_program(scratch.at("probe"), libc::O_RDONLY | libc::O_CLOEXEC);
        let handle = open_program(scratch.at("probe"), libc::O_PATH | libc::O_CLOEXEC);
        enter();
        for fd in [&program, &closed, &handle] {
            let told = probe_at(fd.as_raw_fd(), "", libc::AT_EMPTY_PATH).unwrap();
            assert!(told.is_in() && told.is_first_thread() && told.arguments() == 2);
        }
        let name = scratch.path.file_name().unwrap().to_str().unwrap();
        for (dir, path) in [
            (&dir, "probe".to_owned()),
            (&dir, "./probe".to_owned()),
            (&outer, format!("{name}/probe")),
            (&outer, format!("{name}/../{name}/probe")),
        ] {
            assert!(probe_at(dir.as_raw_fd(), &path, 0).unwrap().is_in());
        }
        // What was opened in capability mode, too.
        let opened = open_at(dir.as_raw_fd(), "probe", libc::O_RDONLY | libc::O_CLOEXEC).unwrap();
        assert!(probe_at(opened.as_raw_fd(), "", libc::AT_EMPTY_PATH).unwrap().is_in());
        // And what has been removed since.
        call!(SYS_unlinkat, dir.as_raw_fd(), c"probe".as_ptr(), 0).unwrap();
        assert!(probe_at(opened.as_raw_fd(), "", libc::AT_EMPTY_PATH).unwrap().is_in());
    });
}

#[test]
fn a_path_without_a_directory_starts_nothing() {
    with_probe(|scratch| {
        let path = c(scratch.at("probe"));
        std::env::set_current_dir(&scratch.path).unwrap();
        let dir = scratch.open();
        let inner = directory(scratch.dir("inner"));
        enter();
        let none = [std::ptr::null::<libc::c_char>()];
        assert_eq!(call!(SYS_execve, path.as_ptr(), none.as_ptr(), none.as_ptr()), Err(ECAPMODE));
        assert_eq!(exec_at(libc::AT_FDCWD, "probe", 0), ECAPMODE);
        let whole = scratch.at("probe").to_str().unwrap().to_owned();
        assert_eq!(exec_at(libc::AT_FDCWD, &whole, 0), ECAPMODE);
        assert_eq!(exec_at(dir.as_raw_fd(), &whole, 0), ENOTCAPABLE);
        assert_eq!(exec_at(inner.as_raw_fd(), "../probe", 0), ENOTCAPABLE);
        std::os::unix::fs::symlink("x", "/nowhere/at/all").unwrap_err();
        for (name, text) in [("out", c"../probe"), ("absolute", c"/bin/true"), ("self", c"/proc/self/exe")] {
            let name = c(name);
            call!(SYS_symlinkat, text.as_ptr(), inner.as_raw_fd(), name.as_ptr()).unwrap();
            assert_eq!(exec_at(inner.as_raw_fd(), name.to_str().unwrap(), 0), ENOTCAPABLE, "{name:?}");
        }
    });
}

#[test]
fn what_is_no_program_is_refused_as_the_kernel_would() {
    probe();
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("script", "#!/bin/sh\necho out\n", 0o755);
            scratch.file("text", "no program\n", 0o755);
            scratch.file("empty", "", 0o755);
            scratch.file("plain", probe(), 0o644);
            scratch.file("short", &probe()[..40], 0o755);
            scratch.fifo("fifo");
            // The machine is at 18, the class at 4.
            for (name, at, byte) in [("aarch64", 18, 183), ("riscv", 18, 243), ("narrow", 4, 1)] {
                let mut other = probe().to_vec();
                other[at] = byte;
                scratch.file(name, other, 0o755);
            }
            let inner = scratch.dir("dir");
            std::os::unix::fs::symlink("loop", scratch.at("loop")).unwrap();
            Player::start(user, || {
                let dir = scratch.open();
                let by_fd = |name| open_program(scratch.at(name), libc::O_RDONLY);
                let fds = ["script", "aarch64", "plain", "dir"].map(by_fd);
                let inner = directory(inner);
                enter();
                let at = |path: &str, flags| run_at(dir.as_raw_fd(), path, flags).unwrap_err();
                assert_eq!(at("script", 0), ECAPMODE);
                assert_eq!(at("text", 0), libc::ENOEXEC);
                assert_eq!(at("empty", 0), libc::ENOEXEC);
                assert_eq!(at("short", 0), libc::ENOEXEC);
                for other in ["aarch64", "riscv", "narrow"] {
                    assert_eq!(at(other, 0), libc::ENOEXEC, "{other}");
                }
                assert_eq!(at("plain", 0), libc::EACCES);
                assert_eq!(at("dir", 0), libc::EACCES);
                assert_eq!(at("fifo", 0), libc::EACCES);
                assert_eq!(at("missing", 0), libc::ENOENT);
                assert_eq!(at("missing/program", 0), libc::ENOENT);
                assert_eq!(at("plain/program", 0), libc::ENOTDIR);
                assert_eq!(at("loop", 0), libc::ELOOP);
                assert_eq!(at("loop", libc::AT_SYMLINK_NOFOLLOW), libc::ELOOP);
                assert_eq!(at("", 0), libc::ENOENT);
                assert_eq!(at("script", 0x4000_0000), libc::EINVAL);
                for (fd, errno) in fds.iter().zip([ECAPMODE, libc::ENOEXEC, libc::EACCES, libc::EACCES]) {
                    assert_eq!(run_at(fd.as_raw_fd(), "", libc::AT_EMPTY_PATH).unwrap_err(), errno);
                }
                assert_eq!(run_at(inner.as_raw_fd(), "", libc::AT_EMPTY_PATH).unwrap_err(), libc::EACCES);
                assert_eq!(run_at(999, "program", 0).unwrap_err(), libc::EBADF);
                assert_eq!(run_at(fds[0].as_raw_fd(), "program", 0).unwrap_err(), libc::ENOTDIR);
                // Arguments that are not there.
                let path = c("script");
                let wild = call!(SYS_execveat, dir.as_raw_fd(), 16, 0, 0, 0);
                assert_eq!(wild, Err(libc::EFAULT));
                drop(path);
            })
            .join();
        });
    }
}

#[test]
fn a_failure_leaves_the_process_as_it_was() {
    with_probe(|scratch| {
        let dir = scratch.open();
        enter();
        let argv = [16usize, 0];
        // The program would do, its arguments would not.
        let failed = call!(SYS_execveat, dir.as_raw_fd(), c"probe".as_ptr(), argv.as_ptr(), 0, 0);
        assert_eq!(failed, Err(libc::EFAULT));
        assert!(probe_at(dir.as_raw_fd(), "probe", 0).unwrap().is_in());
        // Nobody traces it any more.
        let proc = read_status_from_outside();
        assert_eq!(proc, None);
    });
}

/// In capability mode one's own status cannot be read by its path.
fn read_status_from_outside() -> Option<String> {
    fs::read_to_string("/proc/self/status").ok()
}

#[test]
fn another_thread_becomes_the_process() {
    probe();
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("probe", probe(), 0o755);
            let output = Output::new();
            let player = Player::start(user, || {
                let program = open_program(scratch.at("probe"), libc::O_RDONLY | libc::O_CLOEXEC);
                call!(SYS_dup3, output.write.as_raw_fd(), 1, 0).unwrap();
                enter();
                for _ in 0..3 {
                    thread::spawn(|| _ = call!(SYS_pause));
                }
                thread::spawn(move || exec_at(program.as_raw_fd(), "", libc::AT_EMPTY_PATH));
                let _ = call!(SYS_pause);
            });
            let pid = player.pid;
            player.join();
            let told = output.told();
            assert_eq!(told.pid(), i64::from(pid));
            assert!(told.is_first_thread() && told.is_in());
        });
    }
}

#[test]
fn threads_that_start_programs_at_a_time_start_one() {
    probe();
    for _ in 0..5 {
        judged(|| {
            let scratch = Scratch::new(User::Own);
            scratch.file("probe", probe(), 0o755);
            let output = Output::new();
            let player = Player::start(User::Own, || {
                let program = open_program(scratch.at("probe"), libc::O_RDONLY | libc::O_CLOEXEC);
                let program = std::os::fd::IntoRawFd::into_raw_fd(program);
                call!(SYS_dup3, output.write.as_raw_fd(), 1, 0).unwrap();
                enter();
                for _ in 0..4 {
                    thread::spawn(move || exec_at(program, "", libc::AT_EMPTY_PATH));
                }
                let _ = call!(SYS_pause);
            });
            player.join();
            assert!(output.told().is_in());
        });
    }
}

#[test]
fn a_vfork_child_starts_a_program() {
    with_probe(|scratch| {
        let program = open_program(scratch.at("probe"), libc::O_RDONLY | libc::O_CLOEXEC);
        let output = Output::new();
        enter();
        extern "C" fn body(fds: *mut libc::c_void) -> libc::c_int {
            // SAFETY: it outlives the child's use of it, for which the parent waits.
            let [program, out] = unsafe { *fds.cast::<[i32; 2]>() };
            let _ = call!(SYS_dup3, out, 1, 0);
            let argv = [c"probe".as_ptr(), std::ptr::null()];
            let _ = call!(
                SYS_execveat,
                program,
                c"".as_ptr(),
                argv.as_ptr(),
                argv[1..].as_ptr(),
                libc::AT_EMPTY_PATH
            );
            1
        }
        let mut fds = [program.as_raw_fd(), output.write.as_raw_fd()];
        let mut stack = vec![0u8; 64 << 10];
        let top = stack.as_mut_ptr_range().end.map_addr(|top| top & !15);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack is the child's alone until it has started the program, and the parent waits for that.
        let pid = unsafe { libc::clone(body, top.cast(), flags, fds.as_mut_ptr().cast()) };
        let told = output.told();
        assert_eq!(told.pid(), i64::from(pid));
        assert!(told.is_in());
    });
}

#[test]
fn the_set_user_id_bit_gives_nothing() {
    if !is_root() {
        return skipped("root alone has programs to give");
    }
    probe();
    judged(|| {
        let scratch = Scratch::new(User::Own);
        let path = scratch.file("probe", probe(), 0o755);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
        Player::start(User::Id(NOBODY), || {
            let dir = scratch.open();
            let told = probe_at(dir.as_raw_fd(), "probe", 0).unwrap();
            assert_eq!(told.effective_user(), 0, "before it does");
            enter();
            let told = probe_at(dir.as_raw_fd(), "probe", 0).unwrap();
            assert_eq!((told.effective_user(), told.0[3]), (i64::from(NOBODY), i64::from(NOBODY)));
        })
        .join();
    });
}

// --- dynamically linked programs ------------------------------------------------------------------------------

#[test]
fn a_dynamically_linked_program_needs_its_libraries() {
    play_each(|_| {
        let program = open_program("/bin/true".into(), libc::O_RDONLY | libc::O_CLOEXEC);
        let dir = directory("/usr/bin");
        enter();
        assert_eq!(run_at(program.as_raw_fd(), "", libc::AT_EMPTY_PATH), Err(ECAPMODE));
        assert_eq!(run_at(dir.as_raw_fd(), "true", 0), Err(ECAPMODE));
    });
}

/// Where the C library lies, by the loader's own name for it.
const LIBRARIES: &[&str] = &["/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"];

fn enter_with_libraries() {
    let here = LIBRARIES.iter().filter(|dir| Path::new(dir).is_dir());
    here.fold(pimento::Enter::new(), |enter, dir| enter.libraries(dir)).enter().unwrap();
    assert!(pimento::sandboxed());
}

#[test]
fn a_dynamically_linked_program_starts_with_its_libraries() {
    play_each(|_| {
        let dir = directory("/usr/bin");
        let program = open_program("/usr/bin/echo".into(), libc::O_RDONLY | libc::O_CLOEXEC);
        enter_with_libraries();
        assert_eq!(run_at(dir.as_raw_fd(), "echo", 0).unwrap(), b"argument\n");
        assert_eq!(run_at(program.as_raw_fd(), "", libc::AT_EMPTY_PATH).unwrap(), b"argument\n");
    });
}

/// What a process's own directory of libraries gives.
#[test]
fn libraries_are_read_and_nothing_else() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            let held = scratch.dir("held");
            scratch.file("held/lib.so.1", "library", 0o644);
            scratch.file("held/other", "other", 0o644);
            scratch.file("secret.so", "secret", 0o644);
            let (link, to_dir) = (scratch.at("held/link.so"), scratch.at("also"));
            std::os::unix::fs::symlink("../secret.so", link).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", scratch.at("held/passwd.so")).unwrap();
            std::os::unix::fs::symlink("lib.so.1", scratch.at("held/lib.so")).unwrap();
            std::os::unix::fs::symlink("held", &to_dir).unwrap();
            Player::start(user, || {
                std::env::set_current_dir(&held).unwrap();
                pimento::Enter::new().libraries(&held).libraries(&to_dir).enter().unwrap();
                let at = |path: &str, flags| {
                    open_at(libc::AT_FDCWD, scratch.at(path), flags | libc::O_CLOEXEC).map(File::from)
                };
                let read = |path: &str| {
                    let mut text = String::new();
                    at(path, libc::O_RDONLY)?.read_to_string(&mut text).unwrap();
                    Ok::<_, i32>(text)
                };
                for good in ["held/lib.so.1", "held/lib.so", "also/lib.so.1", "held/../held/lib.so"] {
                    assert_eq!(read(good).as_deref(), Ok("library"), "{good}");
                }
                assert_eq!(read("held/missing.so"), Err(libc::ENOENT));
                let refused = |errno: Option<i32>| errno == Some(ECAPMODE) || errno == Some(ENOTCAPABLE);
                for bad in
                    ["held/other", "held/link.so", "held/passwd.so", "secret.so", "held/../secret.so", ""]
                {
                    assert!(refused(read(bad).err()), "{bad}: {:?}", read(bad));
                }
                let create = libc::O_WRONLY | libc::O_CREAT;
                for (path, flags) in [
                    ("held/lib.so.1", libc::O_RDWR),
                    ("held/lib.so.1", libc::O_WRONLY),
                    ("held/lib.so.1", libc::O_RDONLY | libc::O_TRUNC),
                    ("held/new.so", create),
                    ("held/new.so", libc::O_RDONLY | libc::O_CREAT),
                    ("held", libc::O_TMPFILE | libc::O_RDWR),
                    ("held", libc::O_RDONLY | libc::O_DIRECTORY),
                ] {
                    assert!(refused(at(path, flags).err()), "{path} {flags:o}: {:?}", at(path, flags));
                }
                // By what they are called alone.
                for relative in ["lib.so.1", "./lib.so.1"] {
                    assert_eq!(open_at(libc::AT_FDCWD, relative, 0).err(), Some(ECAPMODE), "{relative}");
                }
                for outside in ["/etc/passwd", "/", "/proc/self/status", "/etc/ld.so.cache"] {
                    assert!(refused(open_at(libc::AT_FDCWD, outside, 0).err()), "{outside}");
                }
                // Nothing but looking.
                let name = c(scratch.at("held/lib.so.1"));
                assert_eq!(call!(SYS_unlink, name.as_ptr()), Err(ECAPMODE));
                assert_eq!(call!(SYS_chmod, name.as_ptr(), 0o777), Err(ECAPMODE));
                assert_eq!(call!(SYS_truncate, name.as_ptr(), 0), Err(ECAPMODE));
                assert_eq!(call!(SYS_execve, name.as_ptr(), 0, 0), Err(ECAPMODE));
                assert_eq!(call!(SYS_chdir, c(&held).as_ptr()), Err(ECAPMODE));
                assert_eq!(fs::metadata(scratch.at("held/lib.so.1")).unwrap().len(), 7);
            })
            .join();
            assert_eq!(fs::read_to_string(scratch.at("held/lib.so.1")).unwrap(), "library");
            assert!(!scratch.at("held/new.so").exists());
        });
    }
}

#[test]
fn a_library_directory_that_is_not_there_keeps_from_entering() {
    play_each(|_| {
        let entered = pimento::Enter::new().libraries("/nowhere").enter();
        assert_eq!(entered.unwrap_err().errno(), libc::ENOENT);
        assert!(!pimento::sandboxed());
        let none = pimento::Enter::new().libraries("relative").enter();
        assert_eq!(none.unwrap_err().errno(), libc::ENOENT, "it is not looked for in the root");
        let none = pimento::Enter::new().libraries("").enter();
        assert_eq!(none.unwrap_err().errno(), libc::EINVAL);
        enter();
    });
}
