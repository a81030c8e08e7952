//! Starting programs. Only the caller itself can be made another program, so the call is let go on, by a path in its own
//! memory. What the path leads to when the kernel reads it, is decided twice: here, and then
//!
//! - hosted, by Landlock: it lets nothing be executed that is not in a directory held with CAP_FEXECVE, interpreters
//!   included. What is left to a thread that changes the path meanwhile is to learn whether some path exists
//!   (docs/threat-model.md).
//! - for a process that entered by itself, by looking at what has been started before its first instruction: the monitor
//!   traces the caller for the time of the call, and kills what is not the program, or not the loader, that it found
//!   itself. If the call fails, what it says of another path is kept from the caller; that there is an executable, it may
//!   still learn (docs/threat-model.md).

use super::{LOOKUP, Served, Service};
use crate::defaults;
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::{self, as_monitor};
use crate::listener::Answer;
use crate::lookup::{Last, Start, own_link};
use crate::sys::{self, Traced};
use crate::tables::Files;
use rights::{Right, Rights};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Service<'_> {
    pub(super) fn exec_at(&self) -> Served {
        let flags = self.int(4);
        if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) != 0 {
            return Err(Errno::INVAL.into());
        }
        self.exec(flags)
    }

    pub(super) fn exec(&self, flags: i32) -> Served {
        if !self.caller.is_hosted() {
            return self.exec_traced(flags);
        }
        let path = self.path_arg(0)?;
        let program = self.object(&path, flags & !AT_EXECVE_CHECK, Last::Follow)?;
        if flags & libc::AT_EMPTY_PATH == 0 || path.address != 0 {
            self.check_executable(&program)?;
        }
        self.caller.starts_program();
        self.caller.processes().tables().starts_program(&self.caller.who());
        // The first program is started by the launcher, before anything could race with it.
        if self.guard.started.swap(true, Ordering::SeqCst) && !self.guard.exec_confined {
            return Err(Fail::lacking(
                "execve: this kernel has no Landlock to confine it",
                Rights::of(&[Right::FEXECVE]).union(&LOOKUP),
            ));
        }
        Ok(Answer::GoOn)
    }

    /// A program that its user cannot read would become undumpable, and so out of the monitor's reach: every call
    /// of it would fail.
    fn check_executable(&self, program: &OwnedFd) -> Result<(), Fail> {
        if sys::stat(program.as_fd())?.st_mode & libc::S_IFMT == libc::S_IFREG {
            sys::access(program.as_fd(), libc::R_OK, libc::AT_EACCESS)?;
        }
        Ok(())
    }
}

const AT_EXECVE_CHECK: i32 = 0x10000;

/// What exec is to start.
pub(super) struct Expected {
    program: (u64, u64),
    /// Of a dynamically linked program its loader: the inode's number and the path.
    loader: Option<(u64, Vec<u8>)>,
}

/// Errors that tell what a path leads to. (What they say of the path that was looked at, was found before.)
const TELLING: &[Errno] = &[
    Errno::NOENT,
    Errno::NOTDIR,
    Errno::ACCES,
    Errno::LOOP,
    Errno::PERM,
    Errno::NAMETOOLONG,
    Errno::IO,
    Errno::XDEV,
];

impl Service<'_> {
    /// For a process that entered by itself: by descriptor, or beneath one.
    fn exec_traced(&self, flags: i32) -> Served {
        if !identity::has_proc() {
            return Err(Fail::lacking(
                "execveat: without procfs it cannot be seen what is started",
                Rights::of(&[Right::FEXECVE]),
            ));
        }
        let path = self.path_arg(0)?;
        let program = self.object(&path, flags & !AT_EXECVE_CHECK, Last::Follow)?;
        let stat = sys::stat(program.as_fd())?;
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => {}
            libc::S_IFLNK => return Err(Errno::LOOP.into()),
            _ => return Err(Errno::ACCES.into()),
        }
        sys::access(program.as_fd(), libc::X_OK, libc::AT_EACCESS)?;
        self.check_executable(&program)?;
        let loader = self.loader_of(&program)?;
        if flags & AT_EXECVE_CHECK != 0 {
            return Ok(Answer::Value(0));
        }
        let expected = Expected { program: (stat.st_dev, stat.st_ino), loader };
        self.caller.starts_program();
        as_monitor(|| self.see_it_through(Some(&expected)))
    }

    /// The loader that the kernel will start a program with: one that lies in a library directory. A script's interpreter
    /// is a global name, as it is on FreeBSD.
    fn loader_of(&self, program: &OwnedFd) -> Result<Option<(u64, Vec<u8>)>, Fail> {
        let file = File::from(sys::open_path(&own_link(program.as_fd()), libc::O_RDONLY, 0)?);
        let mut head = Vec::new();
        file.take(64 << 10).read_to_end(&mut head).map_err(|_| Errno::IO)?;
        if let Some(line) = head.strip_prefix(b"#!") {
            let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
            return Err(Fail::outside(line));
        }
        if !head.starts_with(ELF_64) || head.get(18..20) != Some(&X86_64) {
            return Err(Errno(libc::ENOEXEC).into());
        }
        let Some(path) = defaults::elf_loader(&head) else { return Ok(None) };
        let path = path.into_os_string().into_encoded_bytes();
        if self.guard.held.is_empty() {
            return Err(Fail::outside(path));
        }
        let start = Start::at(&self.guard.held, self.caller, libc::AT_FDCWD, path)?;
        let loader = start.handle(Last::Follow, LOADER)?;
        let path = sys::link_text_at(&own_link(loader.as_fd()))?;
        Ok(Some((sys::stat(loader.as_fd())?.st_ino, path)))
    }

    /// Lets the call go on, and looks at what came of it. What is started has a table of its own.
    pub(super) fn see_it_through(&self, expected: Option<&Expected>) -> Served {
        let (tid, who) = (self.caller.tid(), self.caller.who());
        let tables = self.caller.processes().tables();
        // Under a debugger it has a tracer already.
        sys::trace(tid)?;
        // If it is gone, another may have its number, who is let go as it was.
        let own = self.caller.still_there().is_ok();
        let mut copy = (own && !self.is_alone()).then(|| tables.leaves(&who));
        if own {
            self.caller.go_on();
        }
        // Until it is let go or has ended: what is killed in between cannot be let go, and is not to be taken for the next.
        loop {
            let is_free = match sys::wait_for_traced() {
                // It cannot be waited for: it is gone.
                Err(_) | Ok(Traced::Ended) => true,
                Ok(Traced::Started(pid)) => {
                    if own {
                        self.has_started(copy.take());
                    }
                    if own && expected.is_some_and(|expected| !started(pid, expected)) {
                        sys::kill_child(pid, libc::SIGKILL);
                        false
                    } else {
                        sys::let_go(pid, 0)
                    }
                }
                Ok(Traced::Stopped(pid)) => {
                    if own
                        && expected.is_some()
                        && let Ok(result) = sys::traced_result(pid)
                        && TELLING.iter().any(|errno| result == -i64::from(errno.0))
                    {
                        sys::set_traced_result(pid, -i64::from(Errno::NOTCAPABLE.0));
                    }
                    sys::let_go(pid, 0)
                }
                Ok(Traced::Signalled(pid, signal)) => sys::let_go(pid, signal),
            };
            if is_free {
                break;
            }
        }
        if let (Some(copy), Some(standing)) = (copy, self.caller.standing()) {
            standing.files.settle(&copy);
        }
        Ok(Answer::Given)
    }

    /// The caller's process is another program now.
    fn has_started(&self, copy: Option<Arc<Files>>) {
        if let (Some(copy), Some(standing)) = (&copy, self.caller.standing()) {
            standing.files.settle(copy);
        }
        let tables = self.caller.processes().tables();
        tables.has_started(&self.caller.who(), copy, |number| self.caller.is_open_in_process(number));
    }
}

/// Whether the process is what was to be started, and nothing else was mapped with it. What the auxiliary vector tells of the
/// loader would not do: of one with a fixed address it says 0, as of none.
fn started(pid: u32, expected: &Expected) -> bool {
    let proc = |name: &str| format!("/proc/{pid}/{name}");
    let is_program =
        std::fs::metadata(proc("exe")).is_ok_and(|meta| (meta.dev(), meta.ino()) == expected.program);
    let (Ok(exe), Ok(maps)) = (std::fs::read_link(proc("exe")), std::fs::read(proc("maps"))) else {
        return false;
    };
    let exe = as_in_maps(exe.as_os_str().as_bytes());
    let mut program = None;
    is_program
        && mapped_files(&maps).all(|file| match (file, &expected.loader) {
            // The same file each time: another may have the name that a removed one had.
            (Some(file), _) if file.path == exe => *program.get_or_insert(file) == file,
            (Some(file), Some((inode, path))) => file.inode == *inode && file.path == as_in_maps(path),
            _ => false,
        })
        && program.is_some()
}

/// A file that is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mapped<'m> {
    device: &'m [u8],
    inode: u64,
    path: &'m [u8],
}

/// The files in the lines of /proc/PID/maps; None for a line that is not understood.
fn mapped_files(maps: &[u8]) -> impl Iterator<Item = Option<Mapped<'_>>> {
    let of = |line| {
        // `start-end access offset device inode          path`
        let mut words = <[u8]>::splitn(line, 6, |&byte| byte == b' ').skip(3);
        let (device, inode) = (words.next()?, std::str::from_utf8(words.next()?).ok()?.parse().ok()?);
        Some(Mapped { device, inode, path: words.next()?.trim_ascii_start() })
    };
    maps.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(of)
        // Memory, the stack, the vDSO.
        .filter(|file| !file.is_some_and(|file| file.inode == 0 && !file.path.starts_with(b"/")))
}

/// How /proc/PID/maps shows a path.
fn as_in_maps(path: &[u8]) -> Vec<u8> {
    path.iter()
        .flat_map(|byte| if *byte == b'\n' { &b"\\012"[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

const ELF_64: &[u8] = b"\x7fELF\x02";
/// EM_X86_64, little-endian.
const X86_64: [u8; 2] = [62, 0];
/// What a loader's directory has to give.
const LOADER: Rights = Rights::of(&[Right::LOOKUP, Right::READ]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_are_mapped_are_found() {
        let maps = b"00400000-00401000 r-xp 00000000 08:01 42                         /a b\n7f00-7f10 rw-p 00000000 00:00 0 \n7f20-7f30 r-xp 00000000 00:00 0                          [vdso]\n8000-9000 r--p 0 00:01 0 /c\n";
        let files: Vec<_> = mapped_files(maps).map(|file| file.map(|file| (file.inode, file.path))).collect();
        assert_eq!(files, [Some((42, &b"/a b"[..])), Some((0, &b"/c"[..]))]);
        assert_eq!(mapped_files(b"what is this").collect::<Vec<_>>(), [None]);
        assert_eq!(as_in_maps(b"/a\nb"), b"/a\\012b");
    }
}
