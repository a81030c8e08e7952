//! Starting programs. Only the caller itself can be made another program, so the call is let go on, by a path in its own
//! memory. What the path leads to when the kernel reads it, is decided twice: here, and then
//!
//! - hosted, by Landlock: it lets nothing be executed that is not in a directory held with CAP_FEXECVE, interpreters
//!   included. What is left to a thread that changes the path meanwhile is to learn whether some path exists
//!   (docs/threat-model.md).
//! - for a process that entered by itself, by looking at what has been started before its first instruction: the monitor
//!   traces the caller for the time of the call, and kills what is not the program, or not the loader, that it found
//!   itself. If the call fails, it tells no more than it would have told by the path that was looked at.

use super::{LOOKUP, Served, Service};
use crate::defaults;
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::{self, as_monitor};
use crate::listener::Answer;
use crate::lookup::{Last, Start, own_link};
use crate::sys::{self, Traced};
use rights::{Right, Rights};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
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
        if !self.guard.hosted {
            return self.exec_traced(flags);
        }
        let path = self.path_arg(0)?;
        let program = self.object(&path, flags & !AT_EXECVE_CHECK, Last::Follow)?;
        if flags & libc::AT_EMPTY_PATH == 0 || path.address != 0 {
            self.check_executable(&program)?;
        }
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
struct Expected {
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
        if !identity::has_proc() {
            return Err(Fail::lacking(
                "execveat: without procfs it cannot be seen what is started",
                Rights::of(&[Right::FEXECVE]),
            ));
        }
        let expected = Expected { program: (stat.st_dev, stat.st_ino), loader };
        as_monitor(|| self.see_it_through(&expected))
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

    /// Lets the call go on, and looks at what came of it.
    fn see_it_through(&self, expected: &Expected) -> Served {
        let tid = self.caller.tid();
        // Under a debugger it has a tracer already.
        sys::trace(tid)?;
        // If it is gone, another may have its number, who is let go as it was.
        let own = self.caller.still_there().is_ok();
        if own {
            self.caller.go_on();
        }
        loop {
            match sys::wait_for_traced() {
                // It cannot be waited for: it is gone.
                Err(_) | Ok(Traced::Ended) => break,
                Ok(Traced::Started(pid)) => {
                    if own && !started(pid, expected) {
                        sys::kill_child(pid, libc::SIGKILL);
                        continue;
                    }
                    sys::let_go(pid, 0);
                    break;
                }
                Ok(Traced::Stopped(pid)) => {
                    if own
                        && let Ok(result) = sys::traced_result(pid)
                        && TELLING.iter().any(|errno| result == -i64::from(errno.0))
                    {
                        sys::set_traced_result(pid, -i64::from(Errno::NOTCAPABLE.0));
                    }
                    sys::let_go(pid, 0);
                    break;
                }
                Ok(Traced::Signalled(pid, signal)) => {
                    sys::let_go(pid, signal);
                    break;
                }
            }
        }
        Ok(Answer::Given)
    }
}

/// Whether the process is what was to be started, and nothing else was started with it.
fn started(pid: u32, expected: &Expected) -> bool {
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}"));
    let is_program = std::fs::metadata(format!("/proc/{pid}/exe"))
        .is_ok_and(|meta| (meta.dev(), meta.ino()) == expected.program);
    let Ok(auxv) = read("auxv") else { return false };
    let base = auxv.chunks_exact(16).find_map(|entry| {
        let word = |at: usize| u64::from_ne_bytes(entry[at..at + 8].try_into().unwrap_or_default());
        (word(0) == libc::AT_BASE).then(|| word(8))
    });
    is_program
        && match (base, &expected.loader) {
            (Some(0), None) => true,
            (Some(base), Some((inode, path))) if base != 0 => read("maps")
                .is_ok_and(|maps| mapped_at(&maps, base).is_some_and(|(i, p)| i == *inode && p == *path)),
            _ => false,
        }
}

/// The inode's number and the path of what is mapped at an address, by the lines of /proc/PID/maps.
fn mapped_at(maps: &[u8], address: u64) -> Option<(u64, &[u8])> {
    maps.split(|&byte| byte == b'\n').find_map(|line| {
        // `start-end access offset device inode          path`
        let mut words = line.splitn(6, |&byte| byte == b' ');
        let mut word = || words.next().and_then(|word| std::str::from_utf8(word).ok());
        let (start, end) = word()?.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        if !(hex(start)?..hex(end)?).contains(&address) {
            return None;
        }
        let inode = { (word()?, word()?, word()?, word()?) }.3.parse().ok()?;
        Some((inode, words.next()?.trim_ascii_start()))
    })
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
    fn what_is_mapped_at_an_address_is_found() {
        let maps = b"00400000-00401000 r-xp 00000000 08:01 42                         /a b\n7f00-7f10 rw-p 00000000 00:00 0 \n";
        assert_eq!(mapped_at(maps, 0x400fff), Some((42, &b"/a b"[..])));
        assert_eq!(mapped_at(maps, 0x401000), None);
        assert_eq!(mapped_at(maps, 0x7f00), Some((0, &b""[..])));
    }
}
