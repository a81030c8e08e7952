//! Paths beneath a directory descriptor, and such as leave it.

use crate::raw::{at, of, word, zeroed};
use crate::scene;
use crate::stage::{Recipe, Stage, Want, denied, is, leaves, works};
use std::ffi::CStr;

pub const RECIPES: &[Recipe] = &[
    ("lookups beneath", beneath),
    ("lookups that leave", leaving),
    ("lookups from the working directory", from_working_directory),
    ("lookups through procfs", through_procfs),
    ("lookups from no directory", from_no_directory),
    ("openat", openat),
    ("openat2", openat2),
    ("status beneath", status),
    ("names beneath", names),
    ("attributes beneath", attributes),
    ("empty paths", empty),
    ("execveat beneath", execveat_beneath),
    ("execveat by descriptor", execveat_by_descriptor),
    ("execveat of a script", execveat_of_script),
    ("execveat that leaves", execveat_leaving),
];

const FDCWD: i32 = libc::AT_FDCWD;
const EMPTY: i32 = libc::AT_EMPTY_PATH;
const KEEP: i32 = libc::AT_SYMLINK_NOFOLLOW;
const CHECK: i32 = 0x10000;

/// What a path is to a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Something that is there; a link as the last component is followed.
    There,
    /// Something that is there, which is taken as it is, and gone afterwards.
    Removed,
    /// Something that is made.
    New,
}
use Names::*;

/// An *at call, its directory and path filled in. What else it needs lies in `Memory`.
type At = (&'static str, Names, fn(u64, u64, &mut Memory) -> Vec<u64>);

/// Memory that calls read and write, and a directory for the other side of calls with two.
struct Memory {
    out: [u64; 64],
    how: [u64; 3],
    dir: u64,
    serial: u32,
    name: std::ffi::CString,
}

impl Memory {
    fn new(dir: i32) -> Memory {
        Memory { out: [0; 64], how: [0; 3], dir: word(dir), serial: 0, name: c"".into() }
    }
    /// A new name beneath the directory.
    fn fresh(&mut self) -> u64 {
        self.serial += 1;
        self.name = std::ffi::CString::new(format!("fresh{}", self.serial)).expect("no NUL");
        word(self.name.as_c_str())
    }
    fn out(&mut self) -> u64 {
        at(&mut self.out)
    }
}

const CALLS: &[At] = &[
    ("openat", There, |d, p, _| vec![d, p, word(libc::O_RDONLY | libc::O_NONBLOCK)]),
    ("openat", There, |d, p, _| vec![d, p, word(libc::O_PATH)]),
    ("openat", New, |d, p, _| vec![d, p, word(libc::O_RDWR | libc::O_CREAT | libc::O_EXCL), 0o600]),
    ("openat2", There, |d, p, m| {
        m.how = [0, 0, 0];
        vec![d, p, of(&m.how), 24]
    }),
    ("newfstatat", There, |d, p, m| vec![d, p, m.out(), 0]),
    ("statx", There, |d, p, m| vec![d, p, 0, 0x7ff, m.out()]),
    ("faccessat", There, |d, p, _| vec![d, p, word(libc::R_OK)]),
    ("faccessat2", There, |d, p, _| vec![d, p, word(libc::R_OK), word(libc::AT_EACCESS)]),
    ("fchmodat", There, |d, p, _| vec![d, p, 0o744]),
    ("fchmodat2", There, |d, p, _| vec![d, p, 0o755, 0]),
    ("fchownat", There, |d, p, _| vec![d, p, word(-1), word(-1), 0]),
    ("futimesat", There, |d, p, m| {
        m.out = [0; 64];
        vec![d, p, m.out()]
    }),
    ("utimensat", There, |d, p, m| {
        m.out = [0; 64];
        vec![d, p, m.out(), 0]
    }),
    ("linkat", There, |d, p, m| vec![d, p, m.dir, m.fresh(), word(libc::AT_SYMLINK_FOLLOW)]),
    ("linkat", New, |d, p, m| vec![m.dir, word(c"file"), d, p, 0]),
    ("mkdirat", New, |d, p, _| vec![d, p, 0o755]),
    ("mknodat", New, |d, p, _| vec![d, p, word(libc::S_IFIFO | 0o644)]),
    ("symlinkat", New, |d, p, _| vec![word(c"file"), d, p]),
    ("renameat", Removed, |d, p, m| vec![d, p, m.dir, m.fresh()]),
    ("renameat", New, |d, p, m| vec![m.dir, word(c"other"), d, p]),
    ("renameat2", Removed, |d, p, m| vec![d, p, m.dir, m.fresh(), 0]),
    ("renameat2", New, |d, p, m| vec![m.dir, word(c"program"), d, p, word(libc::RENAME_NOREPLACE)]),
    ("unlinkat", Removed, |d, p, _| vec![d, p, 0]),
];

/// Makes each call with these paths: those there, those new, those removed.
fn each(t: &mut Stage, memory: &mut Memory, dir: i32, want: Want, paths: [&[&CStr]; 3]) {
    for &(name, names, args) in CALLS {
        let paths = match names {
            There => paths[0],
            New => paths[1],
            Removed => paths[2],
        };
        for path in paths {
            let args = args(word(dir), word(*path), memory);
            t.call(name, want, &args);
            // What was made makes room for the next.
            if names == New && matches!(want, Want::Same) {
                let flags = if name == "mkdirat" { libc::AT_REMOVEDIR } else { 0 };
                if !name.starts_with("rename") {
                    works!(t, unlinkat(dir, *path, flags));
                }
            }
        }
    }
}

fn beneath(t: &mut Stage) {
    let (dir, by_path) = (scene::dir(), scene::opened(c".", libc::O_PATH | libc::O_DIRECTORY));
    t.enter();
    let mut memory = Memory::new(dir);
    let there =
        [c"file", c"sub/inner", c"sub/../file", c"round/file", c"link", c"./sublink/../sublink/inner"];
    let errors = [c"missing", c"missing/..", c"file/more", c"", c"sub/"];
    let new = [c"sub/../new", c"round/newer", c"sub/new", c"new", c"missing/new", c"file/new"];
    let removed = [c"sub/../round/other", c"missing", c"missing/x", c"."];
    each(t, &mut memory, dir, Want::Same, [&there, &new, &removed]);
    each(t, &mut memory, by_path, Want::Same, [&errors, &[], &[c"link", c"leave"]]);
    let long = std::ffi::CString::new(vec![b'x'; 300]).expect("no NUL");
    let longer = std::ffi::CString::new(b"x/".repeat(2048)).expect("no NUL");
    each(t, &mut memory, dir, Want::Same, [&[&long, &longer], &[], &[&long, &longer]]);
    for &(name, _, args) in CALLS {
        // A path that is no memory.
        let args = args(word(dir), 16, &mut memory);
        t.call(name, Want::Same, &args);
    }
}

fn leaving(t: &mut Stage) {
    let dir = scene::dir();
    let (file, sub, new) = (t.path("in/file"), t.path("in/sub/inner"), t.path("in/newest"));
    t.enter();
    let mut memory = Memory::new(dir);
    let there = [
        c"../outside/secret",
        c"sub/../../outside/secret",
        c"sub/../../in/file",
        c"..",
        c"leave/secret",
        c"leavefile",
        c"absolute/inner",
        c"absolutefile",
        c"round/../outside/secret",
        &file,
        &sub,
        c"/",
        c"/etc/passwd",
    ];
    let new = [c"../outside/new", c"../in/new", c"leave/new", c"absolute/new", &new, c"/tmp/pimento/new"];
    let removed = [c"../outside/secret", c"leave/secret", c"absolute/inner", &file];
    each(t, &mut memory, dir, Want::Is(-1093), [&there, &new, &removed]);
    let mut text = [0u8; 16];
    leaves!(t, readlinkat(dir, c"../in/link", at(&mut text), 16));
    leaves!(t, readlinkat(dir, c"leave/../in/link", at(&mut text), 16));
    leaves!(t, readlinkat(dir, t.path("in/link").as_c_str(), at(&mut text), 16));
}

fn from_working_directory(t: &mut Stage) {
    let dir = scene::dir();
    let (file, new) = (t.path("in/file"), t.path("in/newest"));
    t.enter();
    let mut memory = Memory::new(dir);
    let there = [c"file", c"sub/../file", c"../outside/secret", &file, c"missing", c""];
    let new = [c"new", &new, c"missing/new"];
    let removed = [c"other", c"sub/inner", c"missing"];
    each(t, &mut memory, FDCWD, Want::Is(-1094), [&there, &new, &removed]);
    let mut text = [0u8; 16];
    denied!(t, readlinkat(FDCWD, c"link", at(&mut text), 16));
    // The directory is an int: the upper half of its register does not count.
    denied!(t, openat(0xffff_ff9cu32, c"file", libc::O_RDONLY));
    denied!(t, openat(0x7fff_ffff_ffff_ff9cu64, c"file", libc::O_RDONLY));
    for &(name, _, args) in CALLS {
        let args = args(word(FDCWD), 0, &mut memory);
        t.call(name, Want::Is(-1094), &args);
    }
    // On either side.
    denied!(t, linkat(dir, c"file", FDCWD, c"x", 0));
    denied!(t, linkat(FDCWD, c"file", dir, c"x", 0));
    denied!(t, renameat(dir, c"program", FDCWD, c"x"));
    denied!(t, renameat2(dir, c"x", FDCWD, c"program", 0));
    denied!(t, mkdirat(FDCWD, c"directory", 0o755));
    denied!(t, mknodat(FDCWD, c"fifo", libc::S_IFIFO | 0o644, 0));
    denied!(t, symlinkat(c"file", FDCWD, c"soft"));
    denied!(t, unlinkat(FDCWD, c"leave", 0));
    denied!(t, unlinkat(FDCWD, c"empty", libc::AT_REMOVEDIR));
    // Of the working directory itself.
    denied!(t, newfstatat(FDCWD, c"", memory.out(), EMPTY));
    denied!(t, statx(FDCWD, c"", EMPTY, 0x7ff, memory.out()));
    denied!(t, faccessat2(FDCWD, c"", 0, EMPTY));
    denied!(t, fchownat(FDCWD, c"", -1, -1, EMPTY));
}

fn through_procfs(t: &mut Stage) {
    let (proc, own) = (scene::opened(c"/proc", libc::O_RDONLY), scene::opened(c"/proc/self", libc::O_RDONLY));
    let (fds, root) = (
        scene::opened(c"/proc/self/fd", libc::O_RDONLY),
        scene::opened(c"/", libc::O_RDONLY | libc::O_DIRECTORY),
    );
    t.enter();
    let mut out = [0u64; 64];
    let how = [0u64; 3];
    for (dir, path) in [
        (proc, c"self/root"),
        (proc, c"self/root/etc/passwd"),
        (proc, c"self/cwd/file"),
        (proc, c"self/exe"),
        (proc, c"self/fd/0"),
        (proc, c"thread-self/cwd"),
        (own, c"cwd/file"),
        (own, c"root"),
        (own, c"task/../fd/1"),
        (own, c"ns/mnt"),
        (fds, c"0"),
        (fds, c"../cwd"),
        (root, c"proc/self/root/etc/passwd"),
        (root, c"proc/self/exe"),
        (root, c"proc/self/cwd"),
        (root, c"proc/self/fd/0"),
    ] {
        leaves!(t, openat(dir, path, libc::O_RDONLY));
        leaves!(t, openat(dir, path, libc::O_PATH));
        leaves!(t, openat2(dir, path, of(&how), 24));
        leaves!(t, newfstatat(dir, path, at(&mut out), 0));
        leaves!(t, statx(dir, path, 0, 0x7ff, at(&mut out)));
        leaves!(t, faccessat(dir, path, 0));
        leaves!(t, faccessat2(dir, path, 0, 0));
        leaves!(t, fchmodat(dir, path, 0o755));
        leaves!(t, utimensat(dir, path, 0, 0));
    }
    leaves!(t, mkdirat(own, c"cwd/made", 0o755));
    leaves!(t, unlinkat(own, c"cwd/file", 0));
    leaves!(t, openat(own, c"..", libc::O_RDONLY));
    works!(t, openat(proc, c"self/status", libc::O_RDONLY));
    works!(t, openat(own, c"task/../stat", libc::O_RDONLY));
    works!(t, openat(proc, c"version", libc::O_RDONLY));
    works!(t, openat(proc, c"missing", libc::O_RDONLY));
    works!(t, openat(root, c"proc/self/status", libc::O_RDONLY));
}

fn from_no_directory(t: &mut Stage) {
    let (dir, file, pipe) = (scene::dir(), scene::file(), scene::pipe());
    t.enter();
    let mut memory = Memory::new(dir);
    for bad in [file, pipe[0], 99, -1] {
        each(t, &mut memory, bad, Want::Same, [&[c"file"], &[], &[c"file"]]);
    }
    each(t, &mut memory, 99, Want::Is(-1093), [&[c"/"], &[c"/new"], &[c"/etc/passwd"]]);
}

fn openat(t: &mut Stage) {
    let dir = scene::dir();
    t.enter();
    let mut bytes = [0u8; 16];
    let fd = works!(t, openat(dir, c"sub/inner", libc::O_RDONLY));
    works!(t, read(fd, at(&mut bytes), 16));
    t.see("read", bytes);
    works!(t, fcntl(fd, libc::F_GETFD));
    let sub = works!(t, openat(dir, c"sub", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC));
    works!(t, fcntl(sub, libc::F_GETFD));
    works!(t, openat(sub, c"inner", libc::O_RDONLY));
    // What was opened there is not left either.
    leaves!(t, openat(sub, c"../file", libc::O_RDONLY));
    let fd = works!(t, openat(dir, c"made", libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o666));
    works!(t, write(fd, of(b"made"), 4));
    works!(t, openat(dir, c"made", libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o666));
    works!(t, openat(dir, c"file", libc::O_WRONLY | libc::O_TRUNC));
    let fd = works!(t, openat(dir, c"other", libc::O_WRONLY | libc::O_APPEND));
    works!(t, write(fd, of(b" and more"), 9));
    works!(t, openat(dir, c"leave", libc::O_RDONLY | libc::O_NOFOLLOW));
    works!(t, openat(dir, c"file", libc::O_RDONLY | libc::O_DIRECTORY));
    works!(t, openat(dir, c"sub", libc::O_RDWR));
    let fd = works!(t, openat(dir, c"sub", libc::O_RDWR | libc::O_TMPFILE, 0o600));
    works!(t, write(fd, of(b"nameless"), 8));
    works!(t, fcntl(fd, libc::F_GETFL));
    let fd = works!(t, openat(dir, c".", libc::O_RDONLY));
    works!(t, openat(fd, c"file", libc::O_RDONLY));
    is!(t, -1093, openat(dir, c"leavefile", libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 0o600));
    works!(t, umask(0o077));
    works!(t, openat(dir, c"masked", libc::O_WRONLY | libc::O_CREAT, 0o666));
}

fn openat2(t: &mut Stage) {
    let (dir, proc) = (scene::dir(), scene::opened(c"/proc", libc::O_RDONLY));
    t.enter();
    let how = |flags: i32, resolve: u64| [flags as u64, 0, resolve];
    for resolve in [
        0,
        libc::RESOLVE_BENEATH,
        libc::RESOLVE_IN_ROOT,
        libc::RESOLVE_NO_SYMLINKS,
        libc::RESOLVE_NO_XDEV,
        libc::RESOLVE_NO_MAGICLINKS,
        libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT,
        0x4000,
    ] {
        let how = how(libc::O_RDONLY, resolve);
        for path in [c"file", c"sub/../link"] {
            works!(t, openat2(dir, path, of(&how), 24));
        }
    }
    works!(t, openat2(dir, c"file", of(&how(libc::O_RDONLY, 0)), 8));
    works!(t, openat2(dir, c"file", of(&how(1 << 30, 0)), 24));
    works!(t, openat2(dir, c"file", of(&[0u64, 0, 0, 1]), 32));
    works!(t, openat2(dir, c"file", of(&[0u64, 0, 0, 0]), 32));
    works!(t, openat2(dir, c"file", 16, 24));
    let create = [(libc::O_CREAT | libc::O_WRONLY) as u64, 0o604, 0];
    works!(t, openat2(dir, c"sub/made", of(&create), 24));
    leaves!(t, openat2(dir, c"../in/file", of(&how(0, 0)), 24));
    leaves!(t, openat2(dir, c"../in/file", of(&how(0, libc::RESOLVE_NO_SYMLINKS)), 24));
    // Whoever asks for it, is told in Linux's words.
    works!(t, openat2(dir, c"../in/file", of(&how(0, libc::RESOLVE_BENEATH)), 24));
    works!(t, openat2(dir, c"../in/file", of(&how(0, libc::RESOLVE_IN_ROOT)), 24));
    works!(t, openat2(dir, c"leave", of(&how(0, libc::RESOLVE_NO_SYMLINKS)), 24));
    works!(t, openat2(dir, c"missing", of(&how(0, libc::RESOLVE_NO_XDEV)), 24));
    leaves!(t, openat2(dir, c"leave", of(&how(0, libc::RESOLVE_NO_XDEV)), 24));
    leaves!(t, openat2(dir, c"/file", of(&how(0, libc::RESOLVE_IN_ROOT)), 24));
    works!(t, openat2(proc, c"self/status", of(&how(0, libc::RESOLVE_BENEATH)), 24));
    leaves!(t, openat2(proc, c"self/exe", of(&how(0, 0)), 24));
    works!(t, openat2(proc, c"self/exe", of(&how(libc::O_NOFOLLOW, 0)), 24));
    denied!(t, openat2(FDCWD, c"file", of(&how(0, libc::RESOLVE_BENEATH)), 24));
}

fn seen(stat: &libc::stat) -> (u32, u64, u32, u32, i64, i64) {
    let size = if stat.st_mode & libc::S_IFMT == libc::S_IFDIR { 0 } else { stat.st_size };
    (stat.st_mode, stat.st_nlink, stat.st_uid, stat.st_gid, size, stat.st_blksize)
}

fn status(t: &mut Stage) {
    let dir = scene::dir();
    let file = scene::file();
    t.enter();
    let mut stat: libc::stat = zeroed();
    let mut by_descriptor: libc::stat = zeroed();
    works!(t, fstat(file, at(&mut by_descriptor)));
    for (path, flags) in [(c"file", 0), (c"link", 0), (c"link", KEEP), (c"leave", KEEP), (c"sub/..", 0)] {
        works!(t, newfstatat(dir, path, at(&mut stat), flags));
        t.see("status", seen(&stat));
        t.see("the same file", (stat.st_dev, stat.st_ino) == (by_descriptor.st_dev, by_descriptor.st_ino));
        let mut statx: libc::statx = zeroed();
        works!(t, statx(dir, path, flags, libc::STATX_BASIC_STATS | libc::STATX_BTIME, at(&mut statx)));
        t.see("the same", (statx.stx_ino == stat.st_ino, statx.stx_mode, statx.stx_uid, statx.stx_mask));
    }
    works!(t, newfstatat(dir, c"file", 16, 0));
    works!(t, newfstatat(dir, c"file", at(&mut stat), 0x8000));
    works!(t, statx(dir, c"file", 0, 0x8000_0000u32, at(&mut stat)));
    for mode in [libc::F_OK, libc::R_OK, libc::W_OK, libc::X_OK, 8] {
        for path in [c"file", c"program", c"sub", c"link"] {
            works!(t, faccessat(dir, path, mode));
            works!(t, faccessat2(dir, path, mode, libc::AT_EACCESS));
        }
    }
    works!(t, faccessat2(dir, c"leavefile", libc::F_OK, KEEP));
    works!(t, faccessat2(dir, c"file", libc::F_OK, 0x8000));
    for path in [c"link", c"leave", c"leavefile", c"sub/../round", c"file", c"missing"] {
        let mut text = [0u8; 32];
        works!(t, readlinkat(dir, path, at(&mut text), 32));
        t.see("text", text);
    }
    let mut text = [0u8; 32];
    works!(t, readlinkat(dir, c"link", at(&mut text), 2));
    works!(t, readlinkat(dir, c"link", at(&mut text), 0));
}

fn names(t: &mut Stage) {
    let (dir, sub) = (scene::dir(), scene::opened(c"sub", libc::O_RDONLY));
    let outside = scene::outside();
    t.enter();
    works!(t, mkdirat(dir, c"made", 0o777));
    works!(t, mkdirat(dir, c"made", 0o777));
    works!(t, mkdirat(dir, c"sub/../made/deeper", 0o700));
    works!(t, mknodat(dir, c"fifo", libc::S_IFIFO | 0o666, 0));
    works!(t, mknodat(dir, c"plain", libc::S_IFREG | 0o600, 0));
    works!(t, mknodat(dir, c"socket", libc::S_IFSOCK | 0o600, 0));
    works!(t, mknodat(dir, c"null", libc::S_IFCHR | 0o600, 0x103));
    works!(t, mknodat(dir, c"bad", libc::S_IFDIR | 0o600, 0));
    works!(t, symlinkat(c"anything/at all", dir, c"symlink"));
    works!(t, symlinkat(c"/etc/passwd", dir, c"sub/symlink"));
    works!(t, symlinkat(c"", dir, c"empty link"));
    // A link that a process makes itself leads nowhere.
    leaves!(t, openat(dir, c"sub/symlink", libc::O_RDONLY));
    works!(t, linkat(dir, c"file", sub, c"hard", 0));
    works!(t, linkat(dir, c"link", sub, c"hard link", 0));
    works!(t, linkat(dir, c"link", sub, c"followed", libc::AT_SYMLINK_FOLLOW));
    leaves!(t, linkat(dir, c"leavefile", sub, c"stolen", libc::AT_SYMLINK_FOLLOW));
    works!(t, linkat(dir, c"leavefile", sub, c"copied", 0));
    works!(t, linkat(dir, c"file", sub, c"hard", 0));
    works!(t, linkat(outside, c"secret", dir, c"from outside", 0));
    works!(t, renameat(dir, c"fifo", sub, c"fifo"));
    works!(t, renameat(dir, c"plain", dir, c"other"));
    works!(t, renameat2(dir, c"sub/fifo", dir, c"socket", libc::RENAME_EXCHANGE));
    works!(t, renameat2(dir, c"symlink", dir, c"other", libc::RENAME_NOREPLACE));
    works!(t, renameat2(dir, c"symlink", dir, c"moved", libc::RENAME_NOREPLACE));
    works!(t, renameat2(dir, c"made", outside, c"made", 0));
    works!(t, renameat(dir, c"sub", dir, c"sub/within"));
    works!(t, unlinkat(dir, c"empty", 0));
    works!(t, unlinkat(dir, c"empty", libc::AT_REMOVEDIR));
    works!(t, unlinkat(dir, c"sub", libc::AT_REMOVEDIR));
    works!(t, unlinkat(dir, c"leave", 0));
    works!(t, unlinkat(sub, c"inner", 0));
    works!(t, unlinkat(dir, c"other", 0x8000));
}

fn attributes(t: &mut Stage) {
    let dir = scene::dir();
    t.enter();
    works!(t, fchmodat(dir, c"file", 0o4751));
    works!(t, fchmodat(dir, c"link", 0o640));
    works!(t, fchmodat2(dir, c"sub", 0o700, 0));
    works!(t, fchmodat2(dir, c"link", 0o600, KEEP));
    works!(t, fchmodat2(dir, c"file", 0o600, 0x8000));
    works!(t, fchownat(dir, c"file", 0, 0, 0));
    works!(t, fchownat(dir, c"other", 65534, 65534, 0));
    works!(t, fchownat(dir, c"leavefile", -1, -1, KEEP));
    works!(t, fchownat(dir, c"link", 12345, -1, KEEP));
    let past = [1_000_000i64, 0, 2_000_000, 500];
    works!(t, utimensat(dir, c"file", of(&past), 0));
    works!(t, utimensat(dir, c"leave", of(&past), KEEP));
    works!(t, utimensat(dir, c"file", of(&[0i64, 2_000_000_000, 0, 0]), 0));
    works!(t, utimensat(dir, c"sub", of(&[0i64, 0x3fff_fffe, 3_000_000, 0]), 0));
    works!(t, futimesat(dir, c"other", of(&past)));
    works!(t, futimesat(dir, c"other", of(&[0i64, 1_000_000, 0, 0])));
    works!(t, futimesat(dir, c"file", 16));
}

fn empty(t: &mut Stage) {
    let (dir, file, pipe) = (scene::dir(), scene::file(), scene::pipe());
    let link = scene::opened(c"link", libc::O_PATH | libc::O_NOFOLLOW);
    t.enter();
    let mut stat: libc::stat = zeroed();
    for fd in [dir, file, pipe[0], link] {
        works!(t, newfstatat(fd, c"", at(&mut stat), EMPTY));
        t.see("status", seen(&stat));
        works!(t, newfstatat(fd, c"", at(&mut stat), 0));
        works!(t, statx(fd, c"", EMPTY, 0x7ff, at(&mut [0u64; 32])));
        works!(t, faccessat2(fd, c"", libc::R_OK, EMPTY));
        works!(t, fchownat(fd, c"", -1, -1, EMPTY));
    }
    works!(t, newfstatat(file, 0, at(&mut stat), EMPTY));
    works!(t, fchmodat2(file, c"", 0o600, EMPTY));
    let past = [1_000_000i64, 0, 2_000_000, 0];
    works!(t, utimensat(file, 0, of(&past), 0));
    works!(t, utimensat(dir, c"", of(&past), EMPTY));
    works!(t, futimesat(dir, 0, of(&past)));
    let mut text = [0u8; 16];
    works!(t, readlinkat(link, c"", at(&mut text), 16));
    t.see("text", text);
    works!(t, readlinkat(dir, c"", at(&mut text), 16));
    works!(t, linkat(file, c"", dir, c"linked", EMPTY));
    works!(t, openat(file, c"", libc::O_RDONLY));
}

fn execveat_beneath(t: &mut Stage) {
    let dir = scene::dir();
    t.enter();
    let (argv, envp) = ([word(c"program"), 0], [0u64]);
    works!(t, execveat(dir, c"file", of(&argv), of(&envp), 0));
    works!(t, execveat(dir, c"sub", of(&argv), of(&envp), 0));
    works!(t, execveat(dir, c"missing", of(&argv), of(&envp), 0));
    works!(t, execveat(dir, c"program", of(&argv), of(&envp), 0x8000));
    works!(t, execveat(99, c"program", of(&argv), of(&envp), 0));
    works!(t, execveat(dir, c"program", of(&argv), of(&envp), CHECK));
    works!(t, execveat(dir, c"sub/../program", of(&argv), of(&envp), 0));
}

fn execveat_by_descriptor(t: &mut Stage) {
    let (program, file) = (scene::opened(c"program", libc::O_PATH), scene::file());
    t.enter();
    let (argv, envp) = ([word(c"program"), 0], [0u64]);
    works!(t, execveat(file, c"", of(&argv), of(&envp), EMPTY));
    works!(t, execveat(program, c"", 16, of(&envp), EMPTY));
    works!(t, execveat(program, c"", of(&argv), of(&envp), EMPTY));
}

/// A script's interpreter is a global name.
fn execveat_of_script(t: &mut Stage) {
    let dir = scene::dir();
    std::fs::write("script", "#!/bin/true\n").expect("a script");
    t.enter();
    works!(t, fchmodat(dir, c"script", 0o755));
    let (argv, envp) = ([word(c"script"), 0], [0u64]);
    is!(t, -1094, execveat(dir, c"script", of(&argv), of(&envp), 0));
}

fn execveat_leaving(t: &mut Stage) {
    let dir = scene::dir();
    let absolute = t.path("in/program");
    t.enter();
    let (argv, envp) = ([word(c"program"), 0], [0u64]);
    leaves!(t, execveat(dir, absolute.as_c_str(), of(&argv), of(&envp), CHECK));
    leaves!(t, execveat(dir, c"../in/program", of(&argv), of(&envp), CHECK));
    denied!(t, execveat(FDCWD, 0, of(&argv), of(&envp), 0));
    denied!(t, execveat(FDCWD, absolute.as_c_str(), of(&argv), of(&envp), CHECK));
    leaves!(t, execveat(dir, absolute.as_c_str(), of(&argv), of(&envp), 0));
    leaves!(t, execveat(dir, c"../in/program", of(&argv), of(&envp), 0));
    denied!(t, execveat(FDCWD, c"program", of(&argv), of(&envp), 0));
}
