//! The default set: what an ordinary, dynamically linked program needs to start, and nothing of anyone's data.

use crate::errno::Errno;
use crate::held::{Held, Only, proc_mounts};
use rights::{Right, Rights};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What every descriptor that was opened in a held directory can do beyond reading and writing. What a hosted program opens
/// is used at the kernel's speed, and not asked about; so no held directory from which files are opened can be without these.
///
/// ```
/// use monitor::launch::FLOOR;
/// use rights::{Right, Rights};
///
/// assert!(FLOOR.contains(&Rights::of(&[Right::SEEK, Right::FSTAT])));
/// assert!(!FLOOR.contains(&Rights::of(&[Right::WRITE])));
/// ```
pub const FLOOR: Rights = Rights::of(&[
    Right::SEEK,
    Right::MMAP,
    Right::MMAP_X,
    Right::FSYNC,
    Right::FSTAT,
    Right::FSTATFS,
    Right::FPATHCONF,
    Right::FCNTL,
    Right::FLOCK,
    Right::FSIGNAL,
    Right::EVENT,
    Right::KQUEUE,
    Right::IOCTL,
    Right::NOTIFY,
    Right::EXTATTR_GET,
    Right::EXTATTR_LIST,
    Right::ACL_GET,
    Right::ACL_CHECK,
    Right::GETSOCKOPT,
    Right::SETSOCKOPT,
    Right::GETSOCKNAME,
    Right::GETPEERNAME,
]);

/// To read: files, and directories' lists.
pub const READ: Rights = FLOOR.union(&Rights::of(&[Right::READ, Right::LOOKUP]));
/// To write to, also as shells do (`> /dev/null` creates and truncates).
const READ_WRITE: Rights = READ.union(&Rights::of(&[Right::WRITE, Right::CREATE, Right::FTRUNCATE]));
const EXECUTE: Rights = READ.union(&Rights::of(&[Right::FEXECVE]));

/// Devices that are nobody's.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// What the C library reads when a program starts: where libraries are, the locale, the time zone, the terminal; and
/// the links by which Debian's programs lead to one another.
const READABLE: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/terminfo",
    "/lib/terminfo",
    "/usr/share/terminfo",
    "/usr/share/zoneinfo",
    "/usr/lib/locale",
    "/usr/lib/gconv",
    "/usr/lib64/gconv",
    "/usr/lib/x86_64-linux-gnu/gconv",
    "/usr/lib/aarch64-linux-gnu/gconv",
    "/usr/share/locale",
];

/// Where shared objects lie. Of these directories only names with `.so` in them can be opened.
const LIBRARIES: &[&str] = &[
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/local/lib",
];

/// Loaders: what the kernel starts in a dynamically linked program's place.
const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// Links that a merged /usr, and programs that name their own descriptors, go by.
const LINKS: &[&str] = &[
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/dev/fd",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
];

/// Adds the default set for `program`.
pub fn hold(held: &mut Held, program: &Path) -> Result<(), Errno> {
    for link in LINKS {
        held.note_link(Path::new(link));
    }
    let also = |held: &mut Held, path: &Path, rights, only| match held.hold_also(path, rights, only) {
        // What this machine does not have, no program of it needs.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCES) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    };
    for path in LIBRARIES {
        also(held, Path::new(path), READ, Only::Libraries)?;
    }
    for path in READABLE {
        also(held, Path::new(path), READ, Only::All)?;
    }
    for path in DEVICES {
        also(held, Path::new(path), READ_WRITE, Only::All)?;
    }
    for path in LOADERS {
        also(held, Path::new(path), EXECUTE, Only::All)?;
    }
    also(held, program, EXECUTE, Only::All)?;
    for started in started_by(program) {
        also(held, &started, EXECUTE, Only::All)?;
    }
    Ok(())
}

/// Holds a directory of shared objects, and the loader if it lies there.
pub fn hold_libraries(held: &mut Held, dir: &Path) -> Result<(), Errno> {
    held.hold_also(dir, READ, Only::Libraries)?;
    let Ok(dir) = dir.canonicalize() else { return Ok(()) };
    for loader in LOADERS.iter().map(Path::new) {
        if loader.canonicalize().is_ok_and(|real| real.starts_with(&dir)) {
            held.hold_also(loader, EXECUTE, Only::All)?;
        }
    }
    Ok(())
}

/// Marks every procfs that is held, and (unless `bare`) lets a program find its own entries in /proc.
pub fn hold_proc(held: &mut Held, bare: bool) {
    for mount in proc_mounts() {
        let covered = held.covers(&mount);
        if covered || (!bare && mount == Path::new("/proc")) {
            // Fails only where the mount cannot be reached, and then neither can a lookup.
            let _ = held.hold_proc(&mount, if bare { Rights::NONE } else { Rights::of(&[Right::LOOKUP]) });
        }
    }
}

/// What the kernel starts for this program: a script's interpreter, and the loader of an ELF program.
fn started_by(program: &Path) -> Vec<PathBuf> {
    let mut started = Vec::new();
    let mut program = program.to_path_buf();
    // The kernel follows five interpreters of interpreters.
    for _ in 0..5 {
        let mut head = Vec::new();
        let read = File::open(&program).and_then(|file| file.take(64 << 10).read_to_end(&mut head));
        if read.is_err() {
            break;
        }
        if let Some(line) = head.strip_prefix(b"#!") {
            let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let words = line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty());
            let Some(interpreter) = words else { break };
            program = OsStr::from_bytes(interpreter).into();
            started.push(program.clone());
        } else {
            started.extend(elf_loader(&head));
            break;
        }
    }
    started
}

/// The PT_INTERP of a 64-bit ELF file.
pub fn elf_loader(head: &[u8]) -> Option<PathBuf> {
    if !head.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let bytes = |at: usize, len: usize| head.get(at..at.checked_add(len)?);
    let word = |at: usize| Some(u64::from_le_bytes(bytes(at, 8)?.try_into().ok()?) as usize);
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(bytes(at, 2)?.try_into().ok()?)));
    let (offset, size, count) = (word(32)?, half(54)?, half(56)?);
    for index in 0..count {
        let entry = offset.checked_add(index.checked_mul(size)?)?;
        const PT_INTERP: [u8; 4] = [3, 0, 0, 0];
        if bytes(entry, 4)? == PT_INTERP {
            let path = bytes(word(entry + 8)?, word(entry + 32)?)?;
            return Some(OsStr::from_bytes(path.strip_suffix(b"\0").unwrap_or(path)).into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_s_loader_is_found() {
        let shell = std::fs::read("/bin/sh").unwrap();
        let loader = elf_loader(&shell).unwrap();
        assert!(loader.to_str().unwrap().contains("ld-"), "{loader:?}");
    }

    #[test]
    fn a_wild_elf_header_is_no_loader() {
        let mut head = b"\x7fELF\x02".to_vec();
        head.resize(64, 0xff);
        assert_eq!(elf_loader(&head), None);
    }
}
