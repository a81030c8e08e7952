//! What names something in the file system.
//!
//! Without a directory descriptor a path is a global name: ECAPMODE. With one, the monitor looks it up strictly
//! beneath, except from AT_FDCWD. Hosted, the monitor holds directories by their paths and looks everything up.
//!
//! What a path needs includes CAP_LOOKUP. Where AT_EMPTY_PATH (or a null path) makes the call one on the descriptor
//! itself, the same less CAP_LOOKUP is needed on that.

use crate::{Arg::*, Call, Cond, Need, Verdict, Verdict::*, rows::*};
use rights::Rights;

/// An *at call whose directory is its first argument: the working directory is refused natively.
pub(super) const AT: Verdict = When(&[rule(&[at_fdcwd(0)], DENY)], &Ask);
/// The same with the directory in the second.
const AT_1: Verdict = When(&[rule(&[at_fdcwd(1)], DENY)], &Ask);
/// The same with directories in the first and the third.
const AT_0_2: Verdict = When(&[rule(&[at_fdcwd(0)], DENY), rule(&[at_fdcwd(2)], DENY)], &Ask);

/// Flags of open(2) that the kernel's asm-generic table gives one value on x86_64 and aarch64 alike.
mod o {
    pub const ACCMODE: u64 = 0o3;
    pub const RDONLY: u64 = 0o0;
    pub const WRONLY: u64 = 0o1;
    pub const CREAT: u64 = 0o100;
    pub const TRUNC: u64 = 0o1000;
    pub const APPEND: u64 = 0o2000;
    /// O_DSYNC, and the bit that O_SYNC adds to it.
    pub const SYNC: u64 = 0o4010000;
    pub const PATH: u64 = 0o10000000;
    /// The bit that makes O_TMPFILE, without the O_DIRECTORY that it includes.
    pub const TMPFILE: u64 = 0o20000000;
}

/// What opening needs on the directory, by the flags in this argument. An access mode of 3 counts as both. O_PATH
/// makes the kernel ignore everything but how to look up, and what it gives can be used for nothing that is not
/// checked then: it needs CAP_LOOKUP alone, and CAP_FEXECVE when it is executed.
macro_rules! open_flags {
    ($flags:literal) => {
        need!(LOOKUP;
            if clear($flags, o::PATH), Cond::not($flags, o::ACCMODE, o::WRONLY) => READ;
            if clear($flags, o::PATH), Cond::not($flags, o::ACCMODE, o::RDONLY) => WRITE;
            if clear($flags, o::PATH), Cond::not($flags, o::ACCMODE, o::RDONLY),
               clear($flags, o::APPEND | o::TRUNC) => SEEK;
            if clear($flags, o::PATH), set($flags, o::CREAT) => CREATE;
            if clear($flags, o::PATH), set($flags, o::TMPFILE) => CREATE;
            if clear($flags, o::PATH), set($flags, o::TRUNC) => FTRUNCATE;
            if clear($flags, o::PATH), any($flags, o::SYNC) => FSYNC)
    };
}
const OPEN: &[Need] = open_flags!(1);
const OPENAT: &[Need] = open_flags!(2);

/// What a new node needs on the directory, by the file type in this argument's mode; none is a regular file.
macro_rules! node_type {
    ($mode:literal) => {
        need!(LOOKUP;
            if Cond::is($mode, 0o170000, 0o020000) => MKNODAT;
            if Cond::is($mode, 0o170000, 0o060000) => MKNODAT;
            if Cond::is($mode, 0o170000, 0o010000) => MKFIFOAT;
            if Cond::is($mode, 0o170000, 0o100000) => CREATE;
            if Cond::is($mode, 0o170000, 0o000000) => CREATE;
            if Cond::is($mode, 0o170000, 0o140000) => BIND)
    };
}
const MKNOD: &[Need] = node_type!(1);
const MKNODAT: &[Need] = node_type!(2);

/// renameat2's flags: RENAME_EXCHANGE renames both ways, RENAME_WHITEOUT leaves a device node behind.
const RENAME_SOURCE: &[Need] =
    need!(RENAMEAT_SOURCE; if set(4, 2) => RENAMEAT_TARGET; if set(4, 4) => MKNODAT);
const RENAME_TARGET: &[Need] = need!(RENAMEAT_TARGET; if set(4, 2) => RENAMEAT_SOURCE);

/// What openat(2) with these flags needs on the directory: for flags that come in memory, as openat2's do.
pub const fn open_needs(flags: u64) -> Rights {
    crate::union_of(OPENAT, &[0, 0, flags, 0, 0, 0])
}

pub(super) const CALLS: &[Call] = calls! {
    // Opening.
    open 2 - (Path(OPEN), Flags, Mode) [DENY; hosted Ask; do Open] "a path without a directory";
    openat 257 56 (Dir, Path(OPENAT), Flags, Mode) [AT; hosted Ask; do Open] "opens beneath a directory";
    openat2 437 437 (Dir, Path(need!(LOOKUP)), In, Size) [AT; hosted Ask; do OpenHow]
        "opens beneath a directory; its flags are in memory, so the monitor reads them and asks open_needs";
    creat 85 - (Path(need!(LOOKUP WRITE CREATE FTRUNCATE)), Mode) [DENY; hosted Ask; do Create]
        "a path without a directory";

    // Status.
    stat 4 - (Path(need!(FSTATAT)), Out) [DENY; hosted Ask; do Stat] "a path without a directory";
    lstat 6 - (Path(need!(FSTATAT)), Out) [DENY; hosted Ask; do StatLink] "a path without a directory";
    newfstatat 262 79 (Dir, Path(need!(FSTATAT)), Out, Flags) [AT; hosted Ask; do Stat]
        "status beneath a directory";
    statx 332 291 (Dir, Path(need!(FSTATAT)), Flags, Flags, Out) [AT; hosted Ask; do Statx]
        "status beneath a directory";
    access 21 - (Path(need!(FSTATAT)), Mode) [DENY; hosted Ask; do Access] "a path without a directory";
    faccessat 269 48 (Dir, Path(need!(FSTATAT)), Mode) [AT; hosted Ask; do Access]
        "access beneath a directory";
    faccessat2 439 439 (Dir, Path(need!(FSTATAT)), Mode, Flags) [AT; hosted Ask; do Access]
        "access beneath a directory";
    readlink 89 - (Path(need!(LOOKUP)), Out, Size) [DENY; hosted Ask; do ReadLink]
        "a path without a directory";
    readlinkat 267 78 (Dir, Path(need!(LOOKUP)), Out, Size) [AT; hosted Ask; do ReadLink]
        "a link's text beneath a directory";
    statfs 137 43 (Path(need!(FSTATFS LOOKUP)), Out) [DENY; hosted Ask; do StatFs]
        "a path without a directory";

    // Names: making, moving, removing.
    mkdir 83 - (Path(need!(MKDIRAT)), Mode) [DENY; hosted Ask; do MakeDir] "a path without a directory";
    mkdirat 258 34 (Dir, Path(need!(MKDIRAT)), Mode) [AT; hosted Ask; do MakeDir]
        "a new directory beneath a directory";
    mknod 133 - (Path(MKNOD), Mode, Int) [DENY; hosted Ask; do MakeNode] "a path without a directory";
    mknodat 259 33 (Dir, Path(MKNODAT), Mode, Int) [AT; hosted Ask; do MakeNode]
        "a new node beneath a directory";
    unlink 87 - (Path(need!(UNLINKAT))) [DENY; hosted Ask; do Unlink] "a path without a directory";
    rmdir 84 - (Path(need!(UNLINKAT))) [DENY; hosted Ask; do RemoveDir] "a path without a directory";
    unlinkat 263 35 (Dir, Path(need!(UNLINKAT)), Flags) [AT; hosted Ask; do Unlink]
        "removes beneath a directory";
    rename 82 - (Path(need!(RENAMEAT_SOURCE)), Path(need!(RENAMEAT_TARGET))) [DENY; hosted Ask; do Rename]
        "paths without a directory";
    renameat 264 38 (Dir, Path(need!(RENAMEAT_SOURCE)), Dir, Path(need!(RENAMEAT_TARGET)))
        [AT_0_2; hosted Ask; do Rename]
        "renames; over an existing target the monitor asks for CAP_UNLINKAT too";
    renameat2 316 276 (Dir, Path(RENAME_SOURCE), Dir, Path(RENAME_TARGET), Flags)
        [AT_0_2; hosted Ask; do Rename]
        "renames; over an existing target the monitor asks for CAP_UNLINKAT too";
    link 86 - (Path(need!(LINKAT_SOURCE)), Path(need!(LINKAT_TARGET))) [DENY; hosted Ask; do Link]
        "paths without a directory";
    linkat 265 37 (Dir, Path(need!(LINKAT_SOURCE)), Dir, Path(need!(LINKAT_TARGET)), Flags)
        [AT_0_2; hosted Ask; do Link]
        "a hard link from one directory to another";
    symlink 88 - (In, Path(need!(SYMLINKAT))) [DENY; hosted Ask; do SymLink] "a path without a directory";
    symlinkat 266 36 (In, Dir, Path(need!(SYMLINKAT))) [AT_1; hosted Ask; do SymLink]
        "a symbolic link beneath a directory; the first argument is its text";

    // Mode, owner, times, length.
    chmod 90 - (Path(need!(FCHMODAT)), Mode) [DENY; hosted Ask; do ChangeMode] "a path without a directory";
    fchmodat 268 53 (Dir, Path(need!(FCHMODAT)), Mode) [AT; hosted Ask; do ChangeMode]
        "mode beneath a directory";
    fchmodat2 452 452 (Dir, Path(need!(FCHMODAT)), Mode, Flags) [AT; hosted Ask; do ChangeMode]
        "mode beneath a directory";
    chown 92 - (Path(need!(FCHOWNAT)), Int, Int) [DENY; hosted Ask; do ChangeOwner]
        "a path without a directory";
    lchown 94 - (Path(need!(FCHOWNAT)), Int, Int) [DENY; hosted Ask; do ChangeOwnerLink]
        "a path without a directory";
    fchownat 260 54 (Dir, Path(need!(FCHOWNAT)), Int, Int, Flags) [AT; hosted Ask; do ChangeOwner]
        "owner beneath a directory";
    utime 132 - (Path(need!(FUTIMESAT)), In) [DENY; hosted Ask; do SetTimesSecond]
        "a path without a directory";
    utimes 235 - (Path(need!(FUTIMESAT)), In) [DENY; hosted Ask; do SetTimesMicro]
        "a path without a directory";
    futimesat 261 - (Dir, Path(need!(FUTIMES; if not_null(1) => LOOKUP)), In)
        [AT; hosted Ask; do SetTimesMicro]
        "times beneath a directory; a null path is the descriptor itself";
    utimensat 280 88 (Dir, Path(need!(FUTIMES; if not_null(1) => LOOKUP)), In, Flags)
        [AT; hosted Ask; do SetTimes]
        "times beneath a directory; a null path, as futimens passes, is the descriptor itself";
    truncate 76 45 (Path(need!(FTRUNCATE WRITE LOOKUP)), Int) [DENY; hosted Ask; do Truncate]
        "a path without a directory";

    // Extended attributes.
    getxattr 191 8 (Path(need!(EXTATTR_GET LOOKUP)), In, Out, Size) [DENY; hosted Ask; do GetXattr]
        "a path without a directory";
    lgetxattr 192 9 (Path(need!(EXTATTR_GET LOOKUP)), In, Out, Size) [DENY; hosted Ask; do GetXattrLink]
        "a path without a directory";
    listxattr 194 11 (Path(need!(EXTATTR_LIST LOOKUP)), Out, Size) [DENY; hosted Ask; do ListXattr]
        "a path without a directory";
    llistxattr 195 12 (Path(need!(EXTATTR_LIST LOOKUP)), Out, Size) [DENY; hosted Ask; do ListXattrLink]
        "a path without a directory";
    setxattr 188 5 (Path(need!(EXTATTR_SET LOOKUP)), In, In, Size, Flags) [DENY; hosted Ask; do SetXattr]
        "a path without a directory";
    lsetxattr 189 6 (Path(need!(EXTATTR_SET LOOKUP)), In, In, Size, Flags) [DENY; hosted Ask; do SetXattrLink]
        "a path without a directory";
    removexattr 197 14 (Path(need!(EXTATTR_DELETE LOOKUP)), In) [DENY; hosted Ask; do RemoveXattr]
        "a path without a directory";
    lremovexattr 198 15 (Path(need!(EXTATTR_DELETE LOOKUP)), In) [DENY; hosted Ask; do RemoveXattrLink]
        "a path without a directory";
    setxattrat 463 463 (Dir, Path(need!(EXTATTR_SET LOOKUP)), Flags, In, In, Size) [ABSENT]
        "too new to be missed: libraries fall back to fsetxattr";
    getxattrat 464 464 (Dir, Path(need!(EXTATTR_GET LOOKUP)), Flags, In, InOut, Size) [ABSENT]
        "too new to be missed: libraries fall back to fgetxattr";
    listxattrat 465 465 (Dir, Path(need!(EXTATTR_LIST LOOKUP)), Flags, Out, Size) [ABSENT]
        "too new to be missed: libraries fall back to flistxattr";
    removexattrat 466 466 (Dir, Path(need!(EXTATTR_DELETE LOOKUP)), Flags, In) [ABSENT]
        "too new to be missed: libraries fall back to fremovexattr";
    file_getattr 468 468 (Dir, Path(need!(FSTATAT)), Out, Size, Flags) [ABSENT]
        "too new to be missed: programs fall back to FS_IOC_FSGETXATTR";
    file_setattr 469 469 (Dir, Path(need!(CHFLAGSAT)), In, Size, Flags) [ABSENT]
        "too new to be missed: programs fall back to FS_IOC_FSSETXATTR";

    // The working directory and the root.
    getcwd 79 17 (Out, Size) [DENY; hosted Ask; do GetCwd] "the working directory's global name";
    chdir 80 49 (Path(need!(FCHDIR LOOKUP))) [DENY; hosted Ask; do ChangeDir]
        "the working directory is a global name";
    fchdir 81 50 (Fd(need!(FCHDIR))) [DENY; hosted Ask; do ChangeDirFd]
        "the working directory is a global name";
    chroot 161 51 (Path(need!(LOOKUP))) [DENY] "moves the root of all paths";
    pivot_root 155 41 (Path(need!(LOOKUP)), Path(need!(LOOKUP))) [DENY] "moves the root of all paths";

    // Starting programs.
    execve 59 221 (Path(need!(FEXECVE LOOKUP)), In, In) [DENY; hosted Ask; do Exec]
        "a path without a directory";
    execveat 322 281 (Dir, Path(need!(FEXECVE LOOKUP)), In, In, Flags) [AT; hosted Ask; do ExecAt]
        "starts a program beneath a directory, or (fexecve) of a descriptor";
    uselib 134 - (Path(need!(FEXECVE LOOKUP))) [DENY] "a path without a directory";

    // Watching.
    inotify_add_watch 254 27 (Fd(need!(INOTIFY_ADD)), Path(need!(LOOKUP)), Flags) [DENY; hosted Ask; do Watch]
        "a path without a directory";
    fanotify_init 300 262 (Flags, Flags) [DENY] "watches whole file systems";
    fanotify_mark 301 263 (Fd(need!(NOTIFY)), Flags, Int, Dir, Path(need!(LOOKUP))) [DENY]
        "watches whole file systems";

    // File handles: names that outlive every directory.
    name_to_handle_at 303 264 (Dir, Path(need!(LOOKUP)), Out, Out, Flags) [DENY] "a handle is a global name";
    open_by_handle_at 304 265 (Fd(&[]), In, Flags) [DENY] "a handle is a global name";

    // Mounts.
    mount 165 40 (Path(need!(LOOKUP)), Path(need!(LOOKUP)), In, Flags, In) [DENY] "mounts";
    umount2 166 39 (Path(need!(LOOKUP)), Flags) [DENY] "mounts";
    open_tree 428 428 (Dir, Path(need!(LOOKUP)), Flags) [DENY] "mounts";
    open_tree_attr 467 467 (Dir, Path(need!(LOOKUP)), Flags, In, Size) [DENY] "mounts";
    move_mount 429 429 (Dir, Path(need!(LOOKUP)), Dir, Path(need!(LOOKUP)), Flags) [DENY] "mounts";
    mount_setattr 442 442 (Dir, Path(need!(LOOKUP)), Flags, In, Size) [DENY] "mounts";
    fsopen 430 430 (In, Flags) [DENY] "mounts: names a file system type";
    fsconfig 431 431 (Fd(&[]), Int, In, In, Int) [DENY] "mounts";
    fsmount 432 432 (Fd(&[]), Flags, Flags) [DENY] "mounts";
    fspick 433 433 (Dir, Path(need!(LOOKUP)), Flags) [DENY] "mounts";
    statmount 457 457 (In, Out, Size, Flags) [DENY] "mounts are named by global ids";
    listmount 458 458 (In, Out, Size, Flags) [DENY] "mounts are named by global ids";
    quotactl 179 60 (Int, Path(need!(LOOKUP)), Int, InOut) [DENY] "quotas of users, by id";
    quotactl_fd 443 443 (Fd(&[]), Int, Int, InOut) [DENY] "quotas of users, by id";
    ustat 136 - (Int, Out) [DENY] "names a device by its number";
    sysfs 139 - (Int, InOut, InOut) [DENY] "names file system types";
    lookup_dcookie 212 18 (Int, Out, Size) [DENY] "a path by a global number";
};
