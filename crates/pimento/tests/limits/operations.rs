//! Each operation by the rights that it takes of a descriptor: without one of them it is ENOTCAPABLE, whatever else is wrong
//! with it; with them it is what it is on an unlimited descriptor.

use crate::stage::*;
use crate::{NONE, WAYS, Way, alone, call, directory_in, file, furnish};
use pimento::{Right, Rights};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// An operation on a descriptor, and what it takes.
struct Operation {
    name: &'static str,
    needs: &'static [Right],
    act: fn(RawFd) -> Result<i64, i32>,
}

macro_rules! operations {
    ($($name:literal [$($right:ident)*] $fd:ident => $act:expr;)*) => {
        &[$(Operation { name: $name, needs: &[$(Right::$right),*], act: |$fd| $act }),*]
    };
}

const BYTES: usize = 4;

fn buffer() -> [u8; 4096] {
    [0; 4096]
}

fn map(fd: RawFd, protection: i32, flags: i32) -> Result<i64, i32> {
    let at = call!(SYS_mmap, 0, 4096, protection, flags, fd, 0)?;
    // Where it lies, differs.
    call!(SYS_munmap, at, 4096)
}

const fn lock() -> libc::flock {
    libc::flock { l_type: libc::F_RDLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }
}

/// A vector of one buffer.
fn vector(buffer: &mut [u8; 4096]) -> [usize; 2] {
    [buffer.as_mut_ptr().expose_provenance(), BYTES]
}

const ON_A_FILE: &[Operation] = operations! {
    "read" [READ] fd => call!(SYS_read, fd, buffer().as_mut_ptr(), BYTES);
    "readv" [READ] fd => call!(SYS_readv, fd, vector(&mut buffer()).as_ptr(), 1);
    "pread" [PREAD] fd => call!(SYS_pread64, fd, buffer().as_mut_ptr(), BYTES, 1);
    "preadv" [PREAD] fd => call!(SYS_preadv, fd, vector(&mut buffer()).as_ptr(), 1, 1, 0);
    "preadv2 at the offset" [READ] fd =>
        call!(SYS_preadv2, fd, vector(&mut buffer()).as_ptr(), 1, -1i64, -1i64, 0);
    "preadv2 at another" [PREAD] fd => call!(SYS_preadv2, fd, vector(&mut buffer()).as_ptr(), 1, 1, 0, 0);
    "write" [WRITE] fd => call!(SYS_write, fd, buffer().as_ptr(), BYTES);
    "writev" [WRITE] fd => call!(SYS_writev, fd, vector(&mut buffer()).as_ptr(), 1);
    "pwrite" [PWRITE] fd => call!(SYS_pwrite64, fd, buffer().as_ptr(), BYTES, 1);
    "pwritev2 at the offset" [WRITE] fd =>
        call!(SYS_pwritev2, fd, vector(&mut buffer()).as_ptr(), 1, -1i64, -1i64, 0);
    "lseek" [SEEK] fd => call!(SYS_lseek, fd, 1, libc::SEEK_SET);
    "lseek from the end" [SEEK] fd => call!(SYS_lseek, fd, 0, libc::SEEK_END);
    "lseek that tells" [SEEK_TELL] fd => call!(SYS_lseek, fd, 0, libc::SEEK_CUR);
    "fstat" [FSTAT] fd => call!(SYS_fstat, fd, buffer().as_mut_ptr());
    "newfstatat" [FSTAT] fd =>
        call!(SYS_newfstatat, fd, c"".as_ptr(), buffer().as_mut_ptr(), libc::AT_EMPTY_PATH);
    "statx" [FSTAT] fd =>
        call!(SYS_statx, fd, c"".as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_BASIC_STATS, buffer().as_mut_ptr());
    "fstatfs" [FSTATFS] fd => call!(SYS_fstatfs, fd, buffer().as_mut_ptr());
    "ftruncate" [FTRUNCATE] fd => call!(SYS_ftruncate, fd, 9);
    "fallocate" [PWRITE] fd => call!(SYS_fallocate, fd, 0, 0, 9);
    "fsync" [FSYNC] fd => call!(SYS_fsync, fd);
    "fdatasync" [FSYNC] fd => call!(SYS_fdatasync, fd);
    "fchmod" [FCHMOD] fd => call!(SYS_fchmod, fd, 0o600);
    "fchown" [FCHOWN] fd => call!(SYS_fchown, fd, -1i32, -1i32);
    "futimens" [FUTIMES] fd => call!(SYS_utimensat, fd, 0, 0, 0);
    "flock" [FLOCK] fd => call!(SYS_flock, fd, libc::LOCK_SH | libc::LOCK_NB);
    "F_SETLK" [FLOCK] fd => call!(SYS_fcntl, fd, libc::F_SETLK, std::ptr::from_ref(&lock()));
    "F_OFD_SETLK" [FLOCK] fd => call!(SYS_fcntl, fd, libc::F_OFD_SETLK, std::ptr::from_ref(&lock()));
    "F_GETLK" [FLOCK] fd => call!(SYS_fcntl, fd, libc::F_GETLK, std::ptr::from_mut(&mut lock()));
    "F_GETFL" [FCNTL] fd => call!(SYS_fcntl, fd, libc::F_GETFL);
    "F_SETFL" [FCNTL] fd => call!(SYS_fcntl, fd, libc::F_SETFL, libc::O_APPEND);
    "F_GETOWN" [FCNTL] fd => call!(SYS_fcntl, fd, libc::F_GETOWN);
    "FIONREAD" [IOCTL] fd => call!(SYS_ioctl, fd, libc::FIONREAD, buffer().as_mut_ptr());
    "FIONBIO" [IOCTL] fd => call!(SYS_ioctl, fd, libc::FIONBIO, [0i32].as_ptr());
    "fgetxattr" [EXTATTR_GET] fd =>
        call!(SYS_fgetxattr, fd, c"user.name".as_ptr(), buffer().as_mut_ptr(), 4096);
    "flistxattr" [EXTATTR_LIST] fd => call!(SYS_flistxattr, fd, buffer().as_mut_ptr(), 4096);
    "fsetxattr" [EXTATTR_SET] fd =>
        call!(SYS_fsetxattr, fd, c"user.name".as_ptr(), b"value".as_ptr(), 5, 0);
    "fremovexattr" [EXTATTR_DELETE] fd => call!(SYS_fremovexattr, fd, c"user.other".as_ptr());
    "mmap for nothing" [MMAP] fd => map(fd, libc::PROT_NONE, libc::MAP_SHARED);
    "mmap for reading" [MMAP_R] fd => map(fd, libc::PROT_READ, libc::MAP_SHARED);
    "mmap for reading, privately" [MMAP_R] fd => map(fd, libc::PROT_READ, libc::MAP_PRIVATE);
    "mmap for writing" [MMAP_W] fd => map(fd, libc::PROT_WRITE, libc::MAP_SHARED);
    "mmap for both" [MMAP_RW] fd => map(fd, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    "mmap for both, privately" [MMAP_R] fd => map(fd, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
    "mmap for executing" [MMAP_RX] fd => map(fd, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_SHARED);
    "execveat" [FEXECVE] fd =>
        call!(SYS_execveat, fd, c"".as_ptr(), [0usize].as_ptr(), [0usize].as_ptr(), libc::AT_EMPTY_PATH);
};

const ON_A_DIRECTORY: &[Operation] = operations! {
    "getdents" [READ] fd => call!(SYS_getdents64, fd, buffer().as_mut_ptr(), 4096).map(|len| (len > 0).into());
    "fchmod" [FCHMOD] fd => call!(SYS_fchmod, fd, 0o700);
    "fsync" [FSYNC] fd => call!(SYS_fsync, fd);
    "openat for reading" [READ LOOKUP] fd => open_at(fd, "file", libc::O_RDONLY).map(drop).map(i64::from_unit);
    "openat for writing" [WRITE SEEK LOOKUP] fd =>
        open_at(fd, "file", libc::O_WRONLY).map(drop).map(i64::from_unit);
    "openat for appending" [WRITE LOOKUP] fd =>
        open_at(fd, "file", libc::O_WRONLY | libc::O_APPEND).map(drop).map(i64::from_unit);
    "openat to truncate" [WRITE LOOKUP FTRUNCATE] fd =>
        open_at(fd, "file", libc::O_WRONLY | libc::O_TRUNC).map(drop).map(i64::from_unit);
    "openat to create" [READ LOOKUP CREATE] fd =>
        open_at(fd, "new", libc::O_RDONLY | libc::O_CREAT).map(drop).map(i64::from_unit);
    "fstatat" [FSTATAT] fd => call!(SYS_newfstatat, fd, c"file".as_ptr(), buffer().as_mut_ptr(), 0);
    "faccessat" [FSTATAT] fd => call!(SYS_faccessat, fd, c"file".as_ptr(), libc::R_OK);
    "fchmodat" [FCHMODAT] fd => call!(SYS_fchmodat, fd, c"file".as_ptr(), 0o600);
    "fchownat" [FCHOWNAT] fd => call!(SYS_fchownat, fd, c"file".as_ptr(), -1i32, -1i32, 0);
    "utimensat" [FUTIMESAT] fd => call!(SYS_utimensat, fd, c"file".as_ptr(), 0, 0);
    "mkdirat" [MKDIRAT] fd => call!(SYS_mkdirat, fd, c"sub".as_ptr(), 0o700);
    "mkfifoat" [MKFIFOAT] fd => call!(SYS_mknodat, fd, c"fifo".as_ptr(), libc::S_IFIFO | 0o600, 0);
    "unlinkat" [UNLINKAT] fd => call!(SYS_unlinkat, fd, c"file".as_ptr(), 0);
    "symlinkat" [SYMLINKAT] fd => call!(SYS_symlinkat, c"file".as_ptr(), fd, c"link".as_ptr());
    "readlinkat" [LOOKUP] fd =>
        call!(SYS_readlinkat, fd, c"link".as_ptr(), buffer().as_mut_ptr(), 4096);
    "renameat" [RENAMEAT_SOURCE RENAMEAT_TARGET] fd =>
        call!(SYS_renameat, fd, c"file".as_ptr(), fd, c"name".as_ptr());
    "linkat" [LINKAT_SOURCE LINKAT_TARGET] fd =>
        call!(SYS_linkat, fd, c"file".as_ptr(), fd, c"name".as_ptr(), 0);
};

/// A socket of a pair.
const ON_A_SOCKET: &[Operation] = operations! {
    "send" [WRITE] fd => call!(SYS_sendto, fd, b"text".as_ptr(), 4, libc::MSG_DONTWAIT, 0, 0);
    "recv" [READ] fd =>
        call!(SYS_recvfrom, fd, buffer().as_mut_ptr(), 4, libc::MSG_DONTWAIT, 0, 0);
    "sendmsg" [WRITE] fd => {
        let (mut buffer, mut message) = (buffer(), [0usize; 7]);
        let vector = vector(&mut buffer);
        (message[2], message[3]) = (vector.as_ptr().expose_provenance(), 1);
        call!(SYS_sendmsg, fd, message.as_ptr(), libc::MSG_DONTWAIT)
    };
    "recvmsg" [READ] fd => {
        let (mut buffer, mut message) = (buffer(), [0usize; 7]);
        let vector = vector(&mut buffer);
        (message[2], message[3]) = (vector.as_ptr().expose_provenance(), 1);
        call!(SYS_recvmsg, fd, message.as_mut_ptr(), libc::MSG_DONTWAIT)
    };
    "getsockname" [GETSOCKNAME] fd =>
        call!(SYS_getsockname, fd, buffer().as_mut_ptr(), [128u32].as_mut_ptr());
    "getpeername" [GETPEERNAME] fd =>
        call!(SYS_getpeername, fd, buffer().as_mut_ptr(), [128u32].as_mut_ptr());
    "getsockopt" [GETSOCKOPT] fd =>
        call!(SYS_getsockopt, fd, libc::SOL_SOCKET, libc::SO_TYPE, buffer().as_mut_ptr(), [4u32].as_mut_ptr());
    "setsockopt" [SETSOCKOPT] fd =>
        call!(SYS_setsockopt, fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, [1i32].as_ptr(), 4);
    "listen" [LISTEN] fd => call!(SYS_listen, fd, 1);
    "accept" [ACCEPT] fd => call!(SYS_accept4, fd, 0, 0, 0);
    "shutdown" [SHUTDOWN] fd => call!(SYS_shutdown, fd, libc::SHUT_RD);
    "fstat" [FSTAT] fd => call!(SYS_fstat, fd, buffer().as_mut_ptr());
};

trait Nothing {
    fn from_unit(_: ()) -> i64;
}
impl Nothing for i64 {
    fn from_unit(_: ()) -> i64 {
        0
    }
}

/// The sets that are one bit less than this.
fn without_one(rights: Rights) -> Vec<Rights> {
    let words = Rights::NONE.words();
    let mut all = Vec::new();
    for (word, mark) in words.into_iter().enumerate() {
        for bit in (0..57).map(|bit| 1u64 << bit) {
            let mut one = words;
            one[word] = mark | bit;
            if let Ok(one) = Rights::from_words(one)
                && rights.contains(&one)
            {
                all.push(rights.difference(&one));
            }
        }
    }
    all
}

/// Whether an operation comes to the same whatever process does it.
fn same(one: Result<i64, i32>, other: Result<i64, i32>) -> bool {
    one.map(|value| value.min(8)) == other.map(|value| value.min(8))
}

fn look(way: Way, operations: &[Operation], open: impl Fn(&Scratch) -> OwnedFd) {
    judged(|| {
        let limited_to = |operation: &Operation, rights: Rights| {
            let scratch = Scratch::new(User::Own);
            furnish(&scratch);
            let word = shared_word();
            alone(|| {
                let fd = open(&scratch);
                way.limit(&fd, rights);
                let result = (operation.act)(fd.as_raw_fd());
                word.store(encode(result), std::sync::atomic::Ordering::SeqCst);
            });
            decode(word.load(std::sync::atomic::Ordering::SeqCst))
        };
        for operation in operations {
            let (name, needs) = (operation.name, Rights::of(operation.needs));
            let unlimited = limited_to(operation, Rights::ALL);
            let exactly = limited_to(operation, needs);
            assert!(same(exactly, unlimited), "{way:?} {name} with {needs}: {exactly:?}, not {unlimited:?}");
            assert_ne!(exactly, Err(ENOTCAPABLE), "{way:?} {name}");
            for less in without_one(needs) {
                let result = limited_to(operation, less);
                assert_eq!(result, Err(ENOTCAPABLE), "{way:?} {name} with {less} alone");
                let rest = Rights::ALL.difference(&needs.difference(&less));
                let result = limited_to(operation, rest);
                assert_eq!(result, Err(ENOTCAPABLE), "{way:?} {name} without {}", needs.difference(&less));
            }
            assert_eq!(limited_to(operation, NONE), Err(ENOTCAPABLE), "{way:?} {name} with nothing");
        }
    });
}

/// A result as a number that is not 0.
fn encode(result: Result<i64, i32>) -> i64 {
    result.map_or_else(|errno| -i64::from(errno) - 1, |value| value + 1)
}

fn decode(word: i64) -> Result<i64, i32> {
    if word > 0 { Ok(word - 1) } else { Err(-(word + 1) as i32) }
}

/// A word that children share.
fn shared_word() -> &'static std::sync::atomic::AtomicI64 {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let at = call!(SYS_mmap, 0, 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1i32, 0).unwrap();
    // SAFETY: a page of zeroes that is never unmapped.
    unsafe { &*std::ptr::with_exposed_provenance(at as usize) }
}

macro_rules! tests {
    ($($name:ident: $way:ident $operations:ident $open:expr;)*) => {$(
        #[test]
        fn $name() {
            look(Way::$way, $operations, $open);
        }
    )*};
}

fn a_file(scratch: &Scratch) -> OwnedFd {
    file(scratch.open().as_raw_fd())
}
fn a_directory(scratch: &Scratch) -> OwnedFd {
    directory_in(scratch.open().as_raw_fd())
}
fn a_socket(_: &Scratch) -> OwnedFd {
    let mut pair = [0i32; 2];
    call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()).unwrap();
    call!(SYS_write, pair[1], b"text".as_ptr(), 4).unwrap();
    own(pair[0].into())
}

tests! {
    on_a_file_limited_in_ordinary_mode: Ordinary ON_A_FILE a_file;
    on_a_file_limited_before_entering: Before ON_A_FILE a_file;
    on_a_file_limited_with_entering: AtOnce ON_A_FILE a_file;
    on_a_file_limited_after_entering: After ON_A_FILE a_file;
    on_a_directory_limited_with_entering: AtOnce ON_A_DIRECTORY a_directory;
    on_a_directory_limited_after_entering: After ON_A_DIRECTORY a_directory;
    on_a_socket_limited_in_ordinary_mode: Ordinary ON_A_SOCKET a_socket;
    on_a_socket_limited_with_entering: AtOnce ON_A_SOCKET a_socket;
    on_a_socket_limited_after_entering: After ON_A_SOCKET a_socket;
}

/// In ordinary mode a path from a limited directory takes rights there, too, but openat only when it is for reading and the
/// like: CAP_LOOKUP is capability mode's.
#[test]
fn on_a_directory_limited_in_ordinary_mode() {
    let operations: Vec<Operation> = ON_A_DIRECTORY
        .iter()
        .map(|operation| Operation {
            needs: match operation.name {
                "openat for reading" => &[Right::READ],
                "openat for writing" => &[Right::WRITE, Right::SEEK],
                "openat for appending" => &[Right::WRITE],
                "openat to truncate" => &[Right::WRITE, Right::FTRUNCATE],
                "openat to create" => &[Right::READ, Right::CREATE],
                _ => operation.needs,
            },
            ..*operation
        })
        .collect();
    look(Way::Ordinary, &operations, a_directory);
}

/// Whatever else is wrong: with the descriptor, or with what is behind it.
#[test]
fn a_missing_right_is_told_before_anything_else() {
    for way in WAYS {
        play_in(User::Own, furnish, |dir| {
            let reader = open_at(dir, "file", libc::O_RDONLY).unwrap();
            let writer = open_at(dir, "file", libc::O_WRONLY).unwrap();
            let mut pipe = [0i32; 2];
            call!(SYS_pipe2, pipe.as_mut_ptr(), 0).unwrap();
            let [pipe, _end] = pipe.map(|number| own(number.into()));
            way.limit_all(&[(&reader, NONE), (&writer, NONE), (&pipe, NONE)]);
            let [reader, writer, pipe] = [&reader, &writer, &pipe].map(|fd| fd.as_raw_fd());
            let refused = |name, result| assert_eq!(result, Err(ENOTCAPABLE), "{way:?} {name}");
            refused("ESPIPE", call!(SYS_lseek, pipe, 0, libc::SEEK_SET));
            refused("ESPIPE", call!(SYS_pread64, pipe, buffer().as_mut_ptr(), 1, 0));
            refused("EINVAL", call!(SYS_ftruncate, pipe, 0));
            refused("EINVAL", call!(SYS_ftruncate, reader, 0));
            refused("EINVAL", call!(SYS_ftruncate, reader, -1i64));
            refused("EBADF", call!(SYS_write, reader, b"text".as_ptr(), 4));
            refused("EBADF", call!(SYS_read, writer, buffer().as_mut_ptr(), 4));
            refused("EACCES", map(writer, libc::PROT_READ, libc::MAP_SHARED));
            refused("EACCES", map(reader, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED));
            refused("EFAULT", call!(SYS_read, reader, 8, 4));
            refused("EFAULT", call!(SYS_fstat, reader, 8));
            refused("ENOTTY", call!(SYS_ioctl, reader, libc::TCGETS, 8));
            refused("ENOTSOCK", call!(SYS_listen, reader, 1));
            refused("ENOTDIR", call!(SYS_getdents64, reader, buffer().as_mut_ptr(), 4096));
            // Nothing at all is wrong without a descriptor.
            assert_eq!(call!(SYS_lseek, 777, 0, 0), Err(libc::EBADF));
        });
    }
}

/// With the right, what is wrong besides is told.
#[test]
fn with_the_right_other_errors_are_told() {
    for way in WAYS {
        play_in(User::Own, furnish, |dir| {
            let reader = open_at(dir, "file", libc::O_RDONLY).unwrap();
            let mut pipe = [0i32; 2];
            call!(SYS_pipe2, pipe.as_mut_ptr(), 0).unwrap();
            let [pipe, _end] = pipe.map(|number| own(number.into()));
            let rights =
                Rights::of(&[Right::PREAD, Right::WRITE, Right::FTRUNCATE, Right::FSTAT, Right::IOCTL]);
            way.limit_all(&[(&reader, rights), (&pipe, rights)]);
            let [reader, pipe] = [&reader, &pipe].map(|fd| fd.as_raw_fd());
            assert_eq!(call!(SYS_lseek, pipe, 0, libc::SEEK_SET), Err(libc::ESPIPE));
            assert_eq!(call!(SYS_pread64, pipe, buffer().as_mut_ptr(), 1, 0), Err(libc::ESPIPE));
            assert_eq!(call!(SYS_ftruncate, reader, 0), Err(libc::EINVAL));
            assert_eq!(call!(SYS_write, reader, b"text".as_ptr(), 4), Err(libc::EBADF));
            assert_eq!(call!(SYS_read, reader, 8, 4), Err(libc::EFAULT));
            assert_eq!(call!(SYS_fstat, reader, 8), Err(libc::EFAULT));
            assert_eq!(call!(SYS_ioctl, reader, libc::TCGETS, 8), Err(libc::ENOTTY));
        });
    }
}

/// Of two descriptors each takes its own rights; an offset that is given is a seek on its side.
#[test]
fn calls_on_two_descriptors_check_both() {
    for way in WAYS {
        play_in(User::Own, furnish, |dir| {
            let [from, to, seeks] = [(); 3].map(|()| file(dir));
            let read = Rights::of(&[Right::READ]);
            let write = Rights::of(&[Right::WRITE]);
            way.limit_all(&[
                (&from, read),
                (&to, write),
                (&seeks, Rights::of(&[Right::PREAD, Right::PWRITE])),
            ]);
            let [from, to, seeks] = [&from, &to, &seeks].map(|fd| fd.as_raw_fd());
            for (name, result, expected) in [
                ("sendfile", call!(SYS_sendfile, to, from, 0, 1), Ok(1)),
                ("sendfile back", call!(SYS_sendfile, from, to, 0, 1), Err(ENOTCAPABLE)),
                ("sendfile to what is read", call!(SYS_sendfile, from, from, 0, 1), Err(ENOTCAPABLE)),
                (
                    "sendfile from an offset",
                    call!(SYS_sendfile, to, from, [0i64].as_mut_ptr(), 1),
                    Err(ENOTCAPABLE),
                ),
                ("that seeks", call!(SYS_sendfile, to, seeks, [0i64].as_mut_ptr(), 1), Ok(1)),
                ("copy_file_range", call!(SYS_copy_file_range, from, 0, to, 0, 1, 0), Ok(1)),
                ("and back", call!(SYS_copy_file_range, to, 0, from, 0, 1, 0), Err(ENOTCAPABLE)),
                (
                    "from an offset",
                    call!(SYS_copy_file_range, from, [0i64].as_mut_ptr(), to, 0, 1, 0),
                    Err(ENOTCAPABLE),
                ),
                (
                    "to an offset",
                    call!(SYS_copy_file_range, from, 0, to, [0i64].as_mut_ptr(), 1, 0),
                    Err(ENOTCAPABLE),
                ),
                (
                    "to an offset that seeks",
                    call!(SYS_copy_file_range, from, 0, seeks, [40i64].as_mut_ptr(), 1, 0),
                    Ok(1),
                ),
                ("tee", call!(SYS_tee, to, from, 1, 0), Err(ENOTCAPABLE)),
                ("splice", call!(SYS_splice, to, 0, from, 0, 1, 0), Err(ENOTCAPABLE)),
            ] {
                assert_eq!(result, expected, "{way:?} {name}");
            }
        });
    }
}

/// CAP_EVENT: poll says POLLNVAL, select and epoll_ctl ENOTCAPABLE.
#[test]
fn waiting_takes_cap_event() {
    for way in WAYS {
        play_in(User::Own, furnish, |_| {
            let mut pipe = [0i32; 2];
            call!(SYS_pipe2, pipe.as_mut_ptr(), 0).unwrap();
            let [read_end, write_end] = pipe.map(|number| own(number.into()));
            let [epoll, deaf] = [(); 2].map(|()| own(call!(SYS_epoll_create1, 0).unwrap()));
            call!(SYS_write, write_end.as_raw_fd(), b"text".as_ptr(), 4).unwrap();
            let with = Rights::of(&[Right::EVENT, Right::WRITE]);
            let without = Rights::of(&[Right::READ, Right::SEEK]);
            way.limit_all(&[
                (&read_end, without),
                (&write_end, with),
                (&epoll, Rights::of(&[Right::EVENT, Right::EPOLL_CTL])),
                (&deaf, Rights::of(&[Right::EPOLL_CTL])),
            ]);
            let [read_end, write_end] = [&read_end, &write_end].map(|fd| fd.as_raw_fd());
            let [epoll, deaf] = [&epoll, &deaf].map(|fd| fd.as_raw_fd());
            // poll, ppoll
            let on = |fd, events| libc::pollfd { fd, events, revents: 0 };
            let mut fds =
                [on(read_end, libc::POLLIN), on(write_end, libc::POLLOUT), on(-1, libc::POLLIN), on(777, 0)];
            let expected = [libc::POLLNVAL, libc::POLLOUT, 0, libc::POLLNVAL];
            assert_eq!(call!(SYS_poll, fds.as_mut_ptr(), 4, 0), Ok(3), "{way:?}");
            assert_eq!(fds.map(|fd| fd.revents), expected);
            assert_eq!(call!(SYS_poll, fds.as_mut_ptr(), 4, -1i32), Ok(3), "it does not wait");
            assert_eq!(call!(SYS_ppoll, fds.as_mut_ptr(), 4, [0i64; 2].as_ptr(), 0, 8), Ok(3));
            assert_eq!(fds.map(|fd| fd.revents), expected);
            // select, pselect
            let set = |fd: RawFd| {
                let mut set = [0u64; 16];
                set[fd as usize / 64] = 1 << (fd % 64);
                set
            };
            let no_time = || [0i64; 2];
            let select = |number: i64, reads: RawFd, writes: RawFd| {
                let (mut reads, mut writes) = (set(reads), set(writes));
                let sets = [reads.as_mut_ptr(), writes.as_mut_ptr()];
                perform(
                    number,
                    six(&[1024, sets[0] as usize, sets[1] as usize, 0, no_time().as_mut_ptr() as usize]),
                )
            };
            for number in [libc::SYS_select, libc::SYS_pselect6] {
                assert_eq!(select(number, epoll, write_end), Ok(1));
                assert_eq!(select(number, read_end, write_end), Err(ENOTCAPABLE));
                assert_eq!(select(number, epoll, read_end), Err(ENOTCAPABLE));
            }
            // epoll
            let event = libc::epoll_event { events: libc::EPOLLOUT as u32, u64: 5 };
            let add = |epoll, fd| call!(SYS_epoll_ctl, epoll, libc::EPOLL_CTL_ADD, fd, &raw const event);
            assert_eq!(add(epoll, read_end), Err(ENOTCAPABLE));
            assert_eq!(add(write_end, epoll), Err(ENOTCAPABLE));
            assert_eq!(add(epoll, write_end), Ok(0));
            assert_eq!(add(deaf, write_end), Ok(0));
            let mut events = [event; 2];
            assert_eq!(call!(SYS_epoll_wait, epoll, events.as_mut_ptr(), 2, 0), Ok(1));
            assert_eq!(call!(SYS_epoll_wait, deaf, events.as_mut_ptr(), 2, 0), Err(ENOTCAPABLE));
            assert_eq!(call!(SYS_epoll_pwait, deaf, events.as_mut_ptr(), 2, 0, 0, 8), Err(ENOTCAPABLE));
        });
    }
}

/// What Linux has beside FreeBSD's objects.
#[test]
fn timers_events_and_signals_take_their_rights() {
    for way in WAYS {
        play_in(User::Own, furnish, |_| {
            let events = [(); 2].map(|()| own(call!(SYS_eventfd2, 1, 0).unwrap()));
            let timers = [(); 3].map(|()| own(call!(SYS_timerfd_create, libc::CLOCK_MONOTONIC, 0).unwrap()));
            let mask = 1u64 << (libc::SIGUSR1 - 1);
            let signals = [(); 2].map(|()| own(call!(SYS_signalfd4, -1i32, &raw const mask, 8, 0).unwrap()));
            let memory = own(call!(SYS_memfd_create, c"x".as_ptr(), libc::MFD_ALLOW_SEALING).unwrap());
            let inotify = own(call!(SYS_inotify_init1, 0).unwrap());
            let (read, write) = (Rights::of(&[Right::READ]), Rights::of(&[Right::WRITE]));
            let both = read.union(&write);
            way.limit_all(&[
                (&events[0], read),
                (&events[1], write),
                (&timers[0], read),
                (&timers[1], write),
                (&timers[2], both),
                (&signals[0], read),
                (&signals[1], Rights::of(&[Right::FSIGNAL])),
                (&memory, Rights::of(&[Right::FSTAT])),
                (&inotify, read),
            ]);
            let fd = |fd: &OwnedFd| fd.as_raw_fd();
            let mut word = [1u64];
            for (name, result, expected) in [
                ("eventfd read", call!(SYS_read, fd(&events[0]), word.as_mut_ptr(), 8), Ok(8)),
                ("eventfd write", call!(SYS_write, fd(&events[0]), word.as_ptr(), 8), Err(ENOTCAPABLE)),
                ("eventfd write", call!(SYS_write, fd(&events[1]), word.as_ptr(), 8), Ok(8)),
                ("eventfd read", call!(SYS_read, fd(&events[1]), word.as_mut_ptr(), 8), Err(ENOTCAPABLE)),
            ] {
                assert_eq!(result, expected, "{way:?} {name}");
            }
            let (spec, mut old) = ([0u64; 4], [0u64; 4]);
            let old = old.as_mut_ptr().expose_provenance();
            let set = |timer, old: usize| call!(SYS_timerfd_settime, timer, 0, spec.as_ptr(), old);
            let get = |timer| call!(SYS_timerfd_gettime, timer, old);
            let [reads, writes, both] = [&timers[0], &timers[1], &timers[2]].map(fd);
            assert_eq!(
                [set(reads, 0), set(reads, old), get(reads)],
                [Err(ENOTCAPABLE), Err(ENOTCAPABLE), Ok(0)]
            );
            assert_eq!(
                [set(writes, 0), set(writes, old), get(writes)],
                [Ok(0), Err(ENOTCAPABLE), Err(ENOTCAPABLE)]
            );
            assert_eq!([set(both, 0), set(both, old), get(both)], [Ok(0); 3]);
            let change =
                |signal: &OwnedFd| call!(SYS_signalfd4, fd(signal), &raw const mask, 8, 0).map(|_| ());
            assert_eq!([change(&signals[0]), change(&signals[1])], [Err(ENOTCAPABLE), Ok(())]);
            let memory = fd(&memory);
            assert_eq!(call!(SYS_fcntl, memory, libc::F_GET_SEALS), Ok(0));
            assert_eq!(call!(SYS_fcntl, memory, libc::F_ADD_SEALS, libc::F_SEAL_WRITE), Err(ENOTCAPABLE));
            assert_eq!(call!(SYS_inotify_rm_watch, fd(&inotify), 1), Err(ENOTCAPABLE));
        });
    }
}
