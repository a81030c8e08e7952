//! The system calls that no crate wraps, and the only unsafe code of the monitor but for its start (`attach`,
//! `attached`). Each function is a call
//! with its arguments typed; every pointer that a call gets comes from a reference that outlives it.

use crate::errno::Errno;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

/// A call's result as a number, or its errno.
fn check(result: libc::c_long) -> Result<usize, Errno> {
    if result >= 0 { Ok(result as usize) } else { Err(Errno::last()) }
}

/// Takes ownership of a descriptor that a call has just returned.
fn owned(result: libc::c_long) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// A system call of register arguments and pointers made from live references by the caller.
macro_rules! syscall {
    ($($arg:expr),+) => {
        // Each as a long: of an int that is passed on the stack, the upper half would be anything.
        // SAFETY: the arguments are numbers, or pointers to memory borrowed for the call, of the size it takes.
        unsafe { libc::syscall($($arg as libc::c_long),+) }
    };
}

// --- seccomp -----------------------------------------------------------------------------------------------

/// A notification: `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Notif {
    /// Names this call until it is answered.
    pub id: u64,
    /// The calling thread.
    pub tid: u32,
    /// Always 0.
    pub flags: u32,
    /// The call's number.
    pub nr: i32,
    /// AUDIT_ARCH_….
    pub arch: u32,
    /// Where the call was made.
    pub instruction: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct NotifResp {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}

/// `struct seccomp_notif_addfd`.
#[repr(C)]
struct NotifAddFd {
    id: u64,
    flags: u32,
    srcfd: u32,
    newfd: u32,
    newfd_flags: u32,
}

const fn iowr(number: u32, size: usize) -> u64 {
    (3 << 30) | ((size as u64) << 16) | ((b'!' as u64) << 8) | number as u64
}
const fn iow(number: u32, size: usize) -> u64 {
    (1 << 30) | ((size as u64) << 16) | ((b'!' as u64) << 8) | number as u64
}
const NOTIF_RECV: u64 = iowr(0, size_of::<Notif>());
const NOTIF_SEND: u64 = iowr(1, size_of::<NotifResp>());
const NOTIF_ID_VALID: u64 = iow(2, 8);
const NOTIF_ADDFD: u64 = iow(3, size_of::<NotifAddFd>());
const NOTIF_SET_FLAGS: u64 = iow(4, 8);

/// `struct sock_fprog`: a program, as long as it is borrowed.
#[repr(C)]
pub struct Fprog<'p> {
    len: u16,
    filter: *const filter::Insn,
    program: PhantomData<&'p [filter::Insn]>,
}

impl Fprog<'_> {
    /// Of this program.
    pub fn of(program: &[filter::Insn]) -> Fprog<'_> {
        Fprog { len: program.len() as u16, filter: program.as_ptr(), program: PhantomData }
    }
    /// Of one that lies in another process's memory, as that has it.
    pub fn at(len: usize, address: u64) -> [u8; size_of::<Fprog>()] {
        let mut bytes = [0; size_of::<Fprog>()];
        bytes[..2].copy_from_slice(&(len as u16).to_ne_bytes());
        bytes[std::mem::offset_of!(Fprog, filter)..].copy_from_slice(&address.to_ne_bytes());
        bytes
    }
}

/// Installs a filter on the calling thread and returns its listener.
pub fn seccomp_listen(program: &[filter::Insn]) -> Result<OwnedFd, Errno> {
    let fprog = Fprog::of(program);
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    owned(syscall!(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const fprog))
}
/// Linux 5.19's, which libc does not have yet.
pub const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;

/// The next notification. ENOENT: its thread died meanwhile.
pub fn notif_recv(listener: BorrowedFd) -> Result<Notif, Errno> {
    let mut notif = Notif::default();
    check(syscall!(libc::SYS_ioctl, listener.as_raw_fd(), NOTIF_RECV, &raw mut notif))?;
    Ok(notif)
}

/// Answers: the call returns `value`, or fails with `error`; or, with `go_on`, the kernel carries it out.
pub fn notif_send(listener: BorrowedFd, id: u64, value: i64, error: i32, go_on: bool) -> Result<(), Errno> {
    let resp = NotifResp { id, val: value, error: -error, flags: go_on as u32 };
    check(syscall!(libc::SYS_ioctl, listener.as_raw_fd(), NOTIF_SEND, &raw const resp)).map(drop)
}

/// Whether the caller still waits for this answer: what was read of its memory was read of the right process.
pub fn notif_valid(listener: BorrowedFd, id: u64) -> bool {
    check(syscall!(libc::SYS_ioctl, listener.as_raw_fd(), NOTIF_ID_VALID, &raw const id)).is_ok()
}

/// Installs a copy of `fd` in the caller's table at the lowest free number, and returns that.
pub fn notif_addfd(
    listener: BorrowedFd,
    id: u64,
    fd: BorrowedFd,
    at: Option<i32>,
    cloexec: bool,
) -> Result<usize, Errno> {
    /// At `newfd`, whatever is there.
    const SETFD: u32 = 1;
    let addfd = NotifAddFd {
        id,
        flags: if at.is_some() { SETFD } else { 0 },
        srcfd: fd.as_raw_fd() as u32,
        newfd: at.unwrap_or(0) as u32,
        newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
    };
    check(syscall!(libc::SYS_ioctl, listener.as_raw_fd(), NOTIF_ADDFD, &raw const addfd))
}

/// Wakes the other side on this CPU (Linux 6.6): an answer costs 6 µs so, 57 otherwise.
pub fn notif_sync_wake_up(listener: BorrowedFd) -> Result<(), Errno> {
    check(syscall!(libc::SYS_ioctl, listener.as_raw_fd(), NOTIF_SET_FLAGS, 1u64)).map(drop)
}

/// CPUs as a bit each: enough for 8,192 of them.
pub type CpuSet = [u64; 128];

/// The CPUs that a thread may run on, and how many words of the set the kernel uses.
pub fn affinity(tid: u32) -> Result<(CpuSet, usize), Errno> {
    let mut set: CpuSet = [0; 128];
    let bytes = check(syscall!(libc::SYS_sched_getaffinity, tid, size_of::<CpuSet>(), set.as_mut_ptr()))?;
    Ok((set, bytes.div_ceil(8)))
}

/// Lets a thread run on these CPUs.
pub fn set_affinity(tid: u32, set: &[u64]) -> Result<(), Errno> {
    check(syscall!(libc::SYS_sched_setaffinity, tid, size_of_val(set), set.as_ptr())).map(drop)
}

/// The CPU that this thread runs on.
pub fn current_cpu() -> usize {
    // SAFETY: no preconditions.
    let cpu = unsafe { libc::sched_getcpu() };
    usize::try_from(cpu).unwrap_or(0)
}

// --- another process's memory and descriptors ----------------------------------------------------------------

/// Reads up to `into.len()` bytes at `address` of a thread's memory; fewer where a page is missing.
pub fn read_memory(tid: u32, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut _, iov_len: into.len() };
    check(syscall!(libc::SYS_process_vm_readv, tid, &raw const local, 1, &raw const remote, 1, 0))
}

/// Writes `from` at `address` of a thread's memory; fewer bytes where a page is missing.
pub fn write_memory(tid: u32, address: u64, from: &[u8]) -> Result<usize, Errno> {
    let local = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    let remote = libc::iovec { iov_base: address as *mut _, iov_len: from.len() };
    check(syscall!(libc::SYS_process_vm_writev, tid, &raw const local, 1, &raw const remote, 1, 0))
}

/// Writes `from` in pieces of `size` bytes at these addresses of a thread's memory; fewer bytes where a page is missing.
pub fn scatter_memory(tid: u32, addresses: &[u64], size: usize, from: &[u8]) -> Result<usize, Errno> {
    let mut done = 0;
    for (addresses, from) in addresses.chunks(IOV_MAX).zip(from.chunks(IOV_MAX * size)) {
        let local = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
        let remote: Vec<libc::iovec> = addresses
            .iter()
            .map(|&address| libc::iovec { iov_base: address as *mut _, iov_len: size })
            .collect();
        let (remote, count) = (remote.as_ptr(), remote.len());
        done += check(syscall!(libc::SYS_process_vm_writev, tid, &raw const local, 1, remote, count, 0))?;
    }
    Ok(done)
}
/// The kernel's UIO_MAXIOV.
const IOV_MAX: usize = 1024;

/// A descriptor of a process.
pub fn pidfd_open(pid: u32) -> Result<OwnedFd, Errno> {
    owned(syscall!(libc::SYS_pidfd_open, pid, 0))
}

/// A descriptor of one thread (Linux 6.9): its table may be its own.
pub fn pidfd_open_thread(tid: u32) -> Result<OwnedFd, Errno> {
    const PIDFD_THREAD: i32 = libc::O_EXCL;
    owned(syscall!(libc::SYS_pidfd_open, tid, PIDFD_THREAD))
}

/// A copy of another process's descriptor.
pub fn pidfd_getfd(pidfd: BorrowedFd, fd: RawFd) -> Result<OwnedFd, Errno> {
    owned(syscall!(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0))
}

/// Sends a signal to the process, as from another: 0 only asks whether it exists.
pub fn pidfd_signal(pidfd: BorrowedFd, signal: i32, sender: Option<(u32, u32)>) -> Result<(), Errno> {
    match sender {
        None => check(syscall!(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0, 0)).map(drop),
        Some((pid, uid)) => pidfd_signal_with(pidfd, signal, &signal_info(signal, pid, uid), 0),
    }
}

/// The same with a `siginfo_t` and flags.
pub fn pidfd_signal_with(pidfd: BorrowedFd, signal: i32, info: &[u8; 128], flags: u32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info.as_ptr(), flags)).map(drop)
}

/// The `siginfo_t` of a signal that a process sends.
pub fn signal_info(signal: i32, pid: u32, uid: u32) -> [u8; 128] {
    let mut info = [0; 128];
    // si_signo, si_code, and si_pid and si_uid, on every 64-bit Linux.
    for (at, word) in [(0, signal), (8, libc::SI_QUEUE), (16, pid.cast_signed()), (20, uid.cast_signed())] {
        info[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    info
}

/// Whether `tid` is a thread of process `tgid`.
pub fn is_thread_of(tgid: u32, tid: u32) -> bool {
    matches!(check(syscall!(libc::SYS_tgkill, tgid, tid, 0)), Ok(_) | Err(Errno::PERM))
}

/// Sends a signal to one of our own threads.
pub fn signal_own_thread(tid: u32, signal: i32) {
    let _ = check(syscall!(libc::SYS_tgkill, std::process::id(), tid, signal));
}

// --- files --------------------------------------------------------------------------------------------------

/// `struct open_how`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenHow {
    /// O_….
    pub flags: u64,
    /// The new file's mode; 0 unless one may be made.
    pub mode: u64,
    /// RESOLVE_….
    pub resolve: u64,
}

/// Opens by the rules of `how`.
pub fn openat2(dir: BorrowedFd, path: &CStr, how: &OpenHow) -> Result<OwnedFd, Errno> {
    owned(syscall!(
        libc::SYS_openat2,
        dir.as_raw_fd(),
        path.as_ptr(),
        std::ptr::from_ref(how),
        size_of::<OpenHow>()
    ))
}

/// File status, as the kernel lays it out.
pub fn stat(fd: BorrowedFd) -> Result<libc::stat, Errno> {
    // SAFETY: struct stat is plain data for which all zeroes is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    let flags = libc::AT_EMPTY_PATH;
    check(syscall!(libc::SYS_newfstatat, fd.as_raw_fd(), c"".as_ptr(), &raw mut stat, flags))?;
    Ok(stat)
}

/// Extended file status, as the kernel lays it out.
pub fn statx(fd: BorrowedFd, flags: u32, mask: u32) -> Result<libc::statx, Errno> {
    // SAFETY: struct statx is plain data for which all zeroes is a value.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    let flags = flags | libc::AT_EMPTY_PATH as u32;
    check(syscall!(libc::SYS_statx, fd.as_raw_fd(), c"".as_ptr(), flags, mask, &raw mut stat))?;
    Ok(stat)
}

/// Whether a directory is this process's root: the same mount, so of the same namespace.
pub fn is_own_root(dir: BorrowedFd) -> Result<bool, Errno> {
    let own = open_path(c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let place = |fd| {
        let stat = statx(fd, 0, libc::STATX_INO | libc::STATX_MNT_ID)?;
        Ok((stat.stx_mnt_id, stat.stx_ino))
    };
    Ok(place(own.as_fd())? == place(dir)?)
}

/// File system status, as the kernel lays it out.
pub fn statfs(fd: BorrowedFd) -> Result<libc::statfs, Errno> {
    // SAFETY: struct statfs is plain data for which all zeroes is a value.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    check(syscall!(libc::SYS_fstatfs, fd.as_raw_fd(), &raw mut stat))?;
    Ok(stat)
}

/// What kind of file system a descriptor's object lies in: TMPFS_MAGIC and the like.
pub fn file_system(fd: BorrowedFd) -> Result<i64, Errno> {
    #[allow(clippy::unnecessary_cast, reason = "its type is not the same with every C library")]
    statfs(fd).map(|stat| stat.f_type as i64)
}

/// The bytes of plain data that the kernel laid out.
pub fn bytes_of<T: Copy>(data: &T) -> &[u8] {
    // SAFETY: T is one of the kernel's structures of plain integers, fully initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(data).cast(), size_of::<T>()) }
}

/// Times for [`utimens`]: access and modification, as the caller gave them.
pub type Times = [libc::timespec; 2];

/// Sets the times of what `fd` refers to, which may be an O_PATH descriptor.
pub fn utimens(fd: BorrowedFd, times: Option<&Times>) -> Result<(), Errno> {
    let times = times.map_or(std::ptr::null(), std::ptr::from_ref);
    let flags = libc::AT_EMPTY_PATH;
    check(syscall!(libc::SYS_utimensat, fd.as_raw_fd(), c"".as_ptr(), times, flags)).map(drop)
}

const SYS_FCHMODAT2: libc::c_long = 452;

/// Changes the mode of what an O_PATH descriptor refers to (fchmodat2, Linux 6.6).
pub fn chmod_handle(fd: BorrowedFd, mode: u32, flags: u32) -> Result<(), Errno> {
    let flags = flags | libc::AT_EMPTY_PATH as u32;
    check(syscall!(SYS_FCHMODAT2, fd.as_raw_fd(), c"".as_ptr(), mode, flags)).map(drop)
}

/// Whether there is fchmodat2: EBADF of no descriptor if so, ENOSYS if not.
pub fn probe_fchmodat2() -> Result<(), Errno> {
    check(syscall!(SYS_FCHMODAT2, -1, c"".as_ptr(), 0, libc::AT_EMPTY_PATH)).map(drop)
}

/// Changes the mode of what a path refers to.
pub fn chmod(path: &CStr, mode: u32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_fchmodat, libc::AT_FDCWD, path.as_ptr(), mode)).map(drop)
}

/// Changes the owner of what `fd` refers to, which may be an O_PATH descriptor.
pub fn chown(fd: BorrowedFd, uid: u32, gid: u32) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH;
    check(syscall!(libc::SYS_fchownat, fd.as_raw_fd(), c"".as_ptr(), uid, gid, flags)).map(drop)
}

/// Whether `mode` of access is permitted on what `fd` refers to (faccessat2, Linux 5.8).
pub fn access(fd: BorrowedFd, mode: i32, flags: i32) -> Result<(), Errno> {
    let flags = flags | libc::AT_EMPTY_PATH;
    check(syscall!(libc::SYS_faccessat2, fd.as_raw_fd(), c"".as_ptr(), mode, flags)).map(drop)
}

/// Changes the length of what a path refers to.
pub fn truncate(path: &CStr, length: i64) -> Result<(), Errno> {
    check(syscall!(libc::SYS_truncate, path.as_ptr(), length)).map(drop)
}

/// Changes the length of an open file.
pub fn ftruncate(fd: BorrowedFd, length: i64) -> Result<(), Errno> {
    check(syscall!(libc::SYS_ftruncate, fd.as_raw_fd(), length)).map(drop)
}

/// Changes the mode of an open file.
pub fn fchmod(fd: BorrowedFd, mode: u32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_fchmod, fd.as_raw_fd(), mode)).map(drop)
}

/// Makes a directory.
pub fn mkdir(dir: BorrowedFd, name: &CStr, mode: u32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_mkdirat, dir.as_raw_fd(), name.as_ptr(), mode)).map(drop)
}

/// Makes a node.
pub fn mknod(dir: BorrowedFd, name: &CStr, mode: u32, device: u64) -> Result<(), Errno> {
    check(syscall!(libc::SYS_mknodat, dir.as_raw_fd(), name.as_ptr(), mode, device as u32)).map(drop)
}

/// Removes a name.
pub fn unlink(dir: BorrowedFd, name: &CStr, flags: i32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_unlinkat, dir.as_raw_fd(), name.as_ptr(), flags)).map(drop)
}

/// Renames.
pub fn rename(from: BorrowedFd, name: &CStr, to: BorrowedFd, new: &CStr, flags: u32) -> Result<(), Errno> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    check(syscall!(libc::SYS_renameat2, from, name.as_ptr(), to, new.as_ptr(), flags)).map(drop)
}

/// Links `name` in `from` to `new` in `to`.
pub fn link(from: BorrowedFd, name: &CStr, to: BorrowedFd, new: &CStr, flags: i32) -> Result<(), Errno> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    check(syscall!(libc::SYS_linkat, from, name.as_ptr(), to, new.as_ptr(), flags)).map(drop)
}

/// Links the file at an absolute path that we made, a link of /proc/self/fd, to `new` in `to`.
pub fn link_followed(path: &CStr, to: BorrowedFd, new: &CStr) -> Result<(), Errno> {
    let flags = libc::AT_SYMLINK_FOLLOW;
    check(syscall!(libc::SYS_linkat, libc::AT_FDCWD, path.as_ptr(), to.as_raw_fd(), new.as_ptr(), flags))
        .map(drop)
}

/// Makes a symbolic link.
pub fn symlink(text: &CStr, dir: BorrowedFd, name: &CStr) -> Result<(), Errno> {
    check(syscall!(libc::SYS_symlinkat, text.as_ptr(), dir.as_raw_fd(), name.as_ptr())).map(drop)
}

/// The text of the symbolic link at `name` in a directory; with an empty name, of the one that `dir`, an O_PATH
/// descriptor, refers to.
pub fn link_text(dir: BorrowedFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    link_text_from(dir.as_raw_fd(), name)
}

/// The text of the symbolic link at an absolute path that we made.
pub fn link_text_at(path: &CStr) -> Result<Vec<u8>, Errno> {
    link_text_from(libc::AT_FDCWD, path)
}

fn link_text_from(dir: RawFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    // A path of PATH_MAX that has been removed says so behind it.
    let mut text = vec![0; libc::PATH_MAX as usize + 16];
    let len = check(syscall!(libc::SYS_readlinkat, dir, name.as_ptr(), text.as_mut_ptr(), text.len()))?;
    text.truncate(len);
    Ok(text)
}

/// Opens an absolute path that we made, such as a link of /proc/self/fd.
pub fn open_path(path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd, Errno> {
    owned(syscall!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, mode))
}

/// Memory as a file, which nobody executes, and which can be sealed.
pub fn sealable_memory(name: &CStr) -> Result<OwnedFd, Errno> {
    let make = |flags: u32| {
        owned(syscall!(
            libc::SYS_memfd_create,
            name.as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | flags
        ))
    };
    match make(libc::MFD_NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => make(0),
        made => made,
    }
}

/// Nothing of it changes any more.
pub fn seal(memory: BorrowedFd) -> Result<(), Errno> {
    let all = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    fcntl(memory, libc::F_ADD_SEALS, all as u64).map(drop)
}

/// Reads an extended attribute, or (with an empty buffer) its size.
pub fn getxattr(path: &CStr, name: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_getxattr, path.as_ptr(), name.as_ptr(), into.as_mut_ptr(), into.len()))
}

/// Lists extended attributes, or (with an empty buffer) the list's size.
pub fn listxattr(path: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_listxattr, path.as_ptr(), into.as_mut_ptr(), into.len()))
}

/// Sets an extended attribute.
pub fn setxattr(path: &CStr, name: &CStr, value: &[u8], flags: i32) -> Result<(), Errno> {
    let (data, len) = (value.as_ptr(), value.len());
    check(syscall!(libc::SYS_setxattr, path.as_ptr(), name.as_ptr(), data, len, flags)).map(drop)
}

/// Removes an extended attribute.
pub fn removexattr(path: &CStr, name: &CStr) -> Result<(), Errno> {
    check(syscall!(libc::SYS_removexattr, path.as_ptr(), name.as_ptr())).map(drop)
}

/// Watches a path.
pub fn inotify_add_watch(inotify: BorrowedFd, path: &CStr, mask: u32) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_inotify_add_watch, inotify.as_raw_fd(), path.as_ptr(), mask))
}

/// A file control of a number.
pub fn fcntl(fd: BorrowedFd, command: i32, argument: u64) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_fcntl, fd.as_raw_fd(), command, argument))
}

/// A file control of a structure in `argument`.
pub fn fcntl_in(fd: BorrowedFd, command: i32, argument: &[u8; 8]) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_fcntl, fd.as_raw_fd(), command, argument.as_ptr()))
}

/// A file control that fills a structure in `into`.
pub fn fcntl_out(fd: BorrowedFd, command: i32, into: &mut [u8; 8]) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_fcntl, fd.as_raw_fd(), command, into.as_mut_ptr()))
}

/// A device control that reads at most 64 bytes of `argument`.
pub fn ioctl_in(fd: BorrowedFd, command: u32, argument: &[u8; 64]) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_ioctl, fd.as_raw_fd(), command, argument.as_ptr()))
}

// --- sockets ------------------------------------------------------------------------------------------------

/// Sends one message with the given ancillary data; with an empty `name` to nobody in particular.
pub fn sendmsg(
    socket: BorrowedFd,
    name: &[u8],
    data: &[u8],
    control: &[u8],
    flags: i32,
) -> Result<usize, Errno> {
    let mut iov = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    // SAFETY: struct msghdr is plain data for which all zeroes is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    if !name.is_empty() {
        message.msg_name = name.as_ptr().cast_mut().cast();
        message.msg_namelen = name.len() as _;
    }
    if !control.is_empty() {
        message.msg_control = control.as_ptr().cast_mut().cast();
        message.msg_controllen = control.len() as _;
    }
    check(syscall!(libc::SYS_sendmsg, socket.as_raw_fd(), &raw const message, flags))
}

/// How the messages in ancillary data begin: a length that counts this too, a level and a kind.
pub const CONTROL_HEADER: usize = 16;
/// What `SCM_PIDFD` is: a descriptor of the sender.
pub const SCM_PIDFD: i32 = 4;

/// A message that has come.
#[derive(Debug)]
pub struct Received {
    /// Its length: that of its data, or more if MSG_TRUNC asked for that.
    pub length: usize,
    /// Its data.
    pub data: Vec<u8>,
    /// Who sent it.
    pub name: Vec<u8>,
    /// The ancillary data.
    pub control: Vec<u8>,
    /// The descriptors that came with it, and where in the ancillary data their numbers are.
    pub fds: Vec<(usize, OwnedFd)>,
    /// MSG_….
    pub flags: i32,
}

/// Receives a message of which there is so much room for data and ancillary data.
pub fn recvmsg(socket: BorrowedFd, room: usize, control: usize, flags: i32) -> Result<Received, Errno> {
    let (mut data, mut control) = (vec![0u8; room], vec![0u8; control]);
    let mut name = [0u8; size_of::<libc::sockaddr_storage>()];
    let mut iov = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    // SAFETY: struct msghdr is plain data for which all zeroes is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = name.len() as _;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control.len() as _;
    let length = check(syscall!(libc::SYS_recvmsg, socket.as_raw_fd(), &raw mut message, flags))?;
    #[allow(clippy::unnecessary_cast, reason = "their types are not the same with every C library")]
    let (named, controlled) = (message.msg_namelen as usize, message.msg_controllen as usize);
    control.truncate(controlled);
    data.truncate(length);
    let fds = control_messages(&control)
        .filter(|(level, kind, _)| {
            *level == libc::SOL_SOCKET && matches!(*kind, libc::SCM_RIGHTS | SCM_PIDFD)
        })
        .flat_map(|(_, _, at)| at.step_by(4))
        .filter_map(|at| Some((at, i32::from_ne_bytes(*control.get(at..)?.first_chunk()?))))
        // In the place of a process that is gone there is an error.
        .filter(|(_, number)| *number >= 0)
        // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
        .map(|(at, number)| (at, unsafe { OwnedFd::from_raw_fd(number) }))
        .collect();
    let name = name[..named.min(name.len())].to_vec();
    Ok(Received { length, data, name, control, fds, flags: message.msg_flags })
}

/// The messages in ancillary data that the kernel wrote: their level, kind and where their content is.
pub fn control_messages(control: &[u8]) -> impl Iterator<Item = (i32, i32, std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let header = control.get(at..at + CONTROL_HEADER)?;
        let len = usize::from_ne_bytes(*header.first_chunk()?);
        let (level, kind) = (
            i32::from_ne_bytes(*header[8..].first_chunk()?),
            i32::from_ne_bytes(*header[12..].first_chunk()?),
        );
        let content = at + CONTROL_HEADER..at.checked_add(len)?;
        if len < CONTROL_HEADER || content.end > control.len() {
            return None;
        }
        at += len.next_multiple_of(8);
        Some((level, kind, content))
    })
}

/// Whether a socket's receiving is bounded in time.
pub fn has_receive_timeout(socket: BorrowedFd) -> Result<bool, Errno> {
    has_timeout(socket, libc::SO_RCVTIMEO)
}

/// Whether a socket's sending and connecting is.
pub fn has_send_timeout(socket: BorrowedFd) -> Result<bool, Errno> {
    has_timeout(socket, libc::SO_SNDTIMEO)
}

fn has_timeout(socket: BorrowedFd, option: i32) -> Result<bool, Errno> {
    let mut time = [0u64; 2];
    let mut len = size_of_val(&time) as libc::socklen_t;
    let level = libc::SOL_SOCKET;
    let (socket, value) = (socket.as_raw_fd(), time.as_mut_ptr());
    check(syscall!(libc::SYS_getsockopt, socket, level, option, value, &raw mut len))?;
    Ok(time != [0; 2])
}

/// Whether a socket has an address to listen on: an internet socket a port. Others listen nowhere without a name.
pub fn has_address(socket: BorrowedFd) -> Result<bool, Errno> {
    let mut address = [0u8; 128];
    let mut len: libc::socklen_t = 128;
    check(syscall!(libc::SYS_getsockname, socket.as_raw_fd(), address.as_mut_ptr(), &raw mut len))?;
    let family = i32::from(u16::from_ne_bytes([address[0], address[1]]));
    let port = u16::from_be_bytes([address[2], address[3]]);
    Ok((family != libc::AF_INET && family != libc::AF_INET6) || port != 0)
}

/// Whether a socket is a Unix one.
pub fn is_unix(socket: BorrowedFd) -> Result<bool, Errno> {
    let mut domain = 0i32;
    let mut len: libc::socklen_t = 4;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_DOMAIN);
    let (socket, value) = (socket.as_raw_fd(), &raw mut domain);
    check(syscall!(libc::SYS_getsockopt, socket, level, option, value, &raw mut len))?;
    Ok(domain == libc::AF_UNIX)
}

/// Gives a socket an address.
pub fn bind(socket: BorrowedFd, address: &[u8]) -> Result<(), Errno> {
    check(syscall!(libc::SYS_bind, socket.as_raw_fd(), address.as_ptr(), address.len())).map(drop)
}

/// Connects a socket to an address.
pub fn connect(socket: BorrowedFd, address: &[u8]) -> Result<(), Errno> {
    check(syscall!(libc::SYS_connect, socket.as_raw_fd(), address.as_ptr(), address.len())).map(drop)
}

/// Makes a socket listen.
pub fn listen(socket: BorrowedFd, backlog: i32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_listen, socket.as_raw_fd(), backlog)).map(drop)
}

/// Takes a connection, and tells where it is from.
pub fn accept(socket: BorrowedFd, flags: i32) -> Result<(OwnedFd, Vec<u8>), Errno> {
    let mut address = [0u8; size_of::<libc::sockaddr_storage>()];
    let mut len = address.len() as libc::socklen_t;
    let fd =
        owned(syscall!(libc::SYS_accept4, socket.as_raw_fd(), address.as_mut_ptr(), &raw mut len, flags))?;
    Ok((fd, address[..(len as usize).min(address.len())].to_vec()))
}

/// A pipe: the end to read from, and the one to write to. Neither waits.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut numbers = [-1; 2];
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    check(syscall!(libc::SYS_pipe2, numbers.as_mut_ptr(), flags))?;
    // SAFETY: the kernel has just made these descriptors for us; nothing else owns them.
    let [read, write] = numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) });
    Ok((read, write))
}

/// Has an epoll tell by `data` that nobody is at the other end of `fd` any more.
pub fn epoll_add(epoll: BorrowedFd, fd: BorrowedFd, data: u64) -> Result<(), Errno> {
    let event = libc::epoll_event { events: 0, u64: data };
    let (epoll, fd) = (epoll.as_raw_fd(), fd.as_raw_fd());
    check(syscall!(libc::SYS_epoll_ctl, epoll, libc::EPOLL_CTL_ADD, fd, &raw const event)).map(drop)
}

/// Waits so many milliseconds (-1: as long as it takes) for an epoll's descriptors: what those that are ready are told by.
pub fn epoll_wait(epoll: BorrowedFd, timeout: i32) -> Result<Vec<u64>, Errno> {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
    let (epoll, room) = (epoll.as_raw_fd(), events.len());
    let count = check(syscall!(libc::SYS_epoll_wait, epoll, events.as_mut_ptr(), room, timeout))?;
    Ok(events[..count].iter().map(|event| event.u64).collect())
}

/// A descriptor that nothing can be read from or written to.
pub fn epoll() -> Result<OwnedFd, Errno> {
    owned(syscall!(libc::SYS_epoll_create1, libc::EPOLL_CLOEXEC))
}

/// Waits until `fd` is ready for `events`, a signal comes or the milliseconds are over.
pub fn poll(fd: BorrowedFd, events: i16, timeout: i32) -> Result<usize, Errno> {
    let mut pollfd = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one pollfd, borrowed for the call.
    check(unsafe { libc::poll(&raw mut pollfd, 1, timeout) }.into())
}

/// A length of time, as the kernel takes it.
fn timespec(time: Duration) -> libc::timespec {
    // SAFETY: struct timespec is plain data for which all zeroes is a value.
    let mut spec: libc::timespec = unsafe { std::mem::zeroed() };
    spec.tv_sec = time.as_secs().min(i64::MAX as u64) as _;
    spec.tv_nsec = time.subsec_nanos() as _;
    spec
}

/// Waits until one of several descriptors is ready, a signal comes or the time is over.
pub fn poll_for(fds: &mut [libc::pollfd], time: Option<Duration>) -> Result<usize, Errno> {
    let mut time = time.map(timespec);
    let time = time.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    check(syscall!(libc::SYS_ppoll, fds.as_mut_ptr(), fds.len(), time, ptr::null::<u8>(), 8))
}

/// Sets of descriptors, a bit for each: to read from, to write to, and with something out of band.
pub type Sets = [Option<Vec<u64>>; 3];

/// The same by sets, of the first `count` descriptors.
pub fn select_for(count: usize, sets: &mut Sets, time: Option<Duration>) -> Result<usize, Errno> {
    assert!(sets.iter().flatten().all(|set| set.len() * 64 >= count), "sets of a bit for each");
    let mut time = time.map(timespec);
    let time = time.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    let [reading, writing, except] =
        sets.each_mut().map(|set| set.as_mut().map_or(ptr::null_mut(), |set| set.as_mut_ptr()));
    check(syscall!(libc::SYS_pselect6, count, reading, writing, except, time, ptr::null::<u8>()))
}

// --- tracing ------------------------------------------------------------------------------------------------

/// Whether there is a thread of this number.
pub fn is_thread(tid: u32) -> bool {
    !matches!(check(syscall!(libc::SYS_kill, tid, 0)), Err(Errno::SRCH))
}

/// Whether a process is still there, if only as a zombie. One of another user's is, too: EPERM.
pub fn is_alive(pidfd: &OwnedFd) -> bool {
    !matches!(pidfd_signal(pidfd.as_fd(), 0, None), Err(Errno::SRCH))
}

/// Whether all threads of a process have ended, and let go of what they had.
pub fn has_ended(pidfd: &OwnedFd) -> bool {
    matches!(poll(pidfd.as_fd(), libc::POLLIN, 0), Ok(1..))
}

/// The time since the machine was started, as procfs counts it: in hundredths of seconds.
pub fn ticks_since_start() -> Option<u64> {
    // SAFETY: struct timespec is plain data for which all zeroes is a value.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    check(syscall!(libc::SYS_clock_gettime, libc::CLOCK_BOOTTIME, &raw mut time)).ok()?;
    Some(time.tv_sec as u64 * 100 + time.tv_nsec as u64 / 10_000_000)
}

/// The children that a thread has.
pub fn children(process: u32, thread: u32) -> Result<Vec<u32>, Errno> {
    let path = format!("/proc/{process}/task/{thread}/children");
    let read = || std::fs::read_to_string(&path).map_err(|_| Errno::NOENT);
    let mut text = read()?;
    // While one of them is reaped, another may be left out.
    for _ in 0..16 {
        let again = read()?;
        if again == text {
            break;
        }
        text = again;
    }
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// The threads of a process.
pub fn threads(process: u32) -> Result<Vec<u32>, Errno> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).map_err(|_| Errno::NOENT)?;
    Ok(tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect())
}

/// The numbers of a process's descriptors.
pub fn descriptors(process: u32) -> Result<BTreeSet<i32>, Errno> {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).map_err(|_| Errno::NOENT)?;
    let mut numbers = BTreeSet::new();
    numbers.extend(open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()));
    Ok(numbers)
}

/// Whether two threads have the same table of descriptors.
pub fn shares_files(one: u32, other: u32) -> Result<bool, Errno> {
    const KCMP_FILES: i32 = 2;
    check(syscall!(libc::SYS_kcmp, one, other, KCMP_FILES, 0, 0)).map(|order| order == 0)
}

/// Whether two processes have the same memory.
pub fn shares_memory(one: u32, other: u32) -> Result<bool, Errno> {
    const KCMP_VM: i32 = 1;
    check(syscall!(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0)).map(|order| order == 0)
}

/// What happened to a thread that [`trace`] was called for.
pub enum Traced {
    /// It is gone.
    Ended,
    /// It has become another program, which has not run yet. Its number is its process's now.
    Started(u32),
    /// Its call is over, and it has not left the kernel yet.
    Stopped(u32),
    /// It is about to get a signal.
    Signalled(u32, i32),
}

/// Traces a thread, which stops before the first instruction of a program that it becomes, or else when its call is over.
/// To be let go by the same thread of ours. Should we die first, so does it.
pub fn trace(tid: u32) -> Result<(), Errno> {
    let options = libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_SEIZE, tid, 0, options))?;
    let stops = check(syscall!(libc::SYS_ptrace, libc::PTRACE_INTERRUPT, tid, 0, 0)).map(drop);
    if stops.is_err() {
        let_go(tid, 0);
    }
    stops
}

/// Traces a thread that is about to make a process or a thread: it stops behind that, and what it made before its first
/// instruction. To be let go by the same thread of ours. Should we die first, so does it.
pub fn trace_making(tid: u32) -> Result<(), Errno> {
    let events = libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK | libc::PTRACE_O_TRACECLONE;
    let options = events | libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_SEIZE, tid, 0, options)).map(drop)
}

/// What a thread has made that stopped for it.
pub fn made_by(tid: u32) -> Result<u32, Errno> {
    let mut made: libc::c_ulong = 0;
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut made))?;
    u32::try_from(made).map_err(|_| Errno::SRCH)
}

/// A thread that this one traces without having asked for it, if there is one: who made it has ended.
pub fn stray() -> Option<u32> {
    let (mut status, options) = (0, libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG);
    // SAFETY: status is borrowed for the call.
    let pid = check(unsafe { libc::waitpid(-1, &raw mut status, options) }.into()).ok()? as u32;
    (pid != 0 && libc::WIFSTOPPED(status)).then_some(pid)
}

/// Waits for something to happen to what this thread traces.
pub fn wait_for_traced() -> Result<Traced, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: status is borrowed for the call.
        let result = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        let pid = match check(result.into()) {
            Ok(pid) => pid as u32,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        return Ok(match (libc::WIFSTOPPED(status), status >> 16) {
            (false, _) => Traced::Ended,
            (true, libc::PTRACE_EVENT_EXEC) => Traced::Started(pid),
            (true, libc::PTRACE_EVENT_STOP) => Traced::Stopped(pid),
            (true, _) => Traced::Signalled(pid, libc::WSTOPSIG(status)),
        });
    }
}

/// Lets a stopped thread go on untraced, with a signal or (0) without. False: it is not stopped any more, for it is being
/// killed.
pub fn let_go(tid: u32, signal: i32) -> bool {
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_DETACH, tid, 0, signal)).is_ok()
}

/// The registers of a stopped thread.
pub type Registers = libc::user_regs_struct;

/// The registers of a stopped thread.
pub fn registers_of(tid: u32) -> Result<Registers, Errno> {
    // SAFETY: struct user_regs_struct is plain data for which all zeroes is a value.
    let mut registers: Registers = unsafe { std::mem::zeroed() };
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_GETREGS, tid, 0, &raw mut registers))?;
    Ok(registers)
}

/// Gives it others.
pub fn set_registers_of(tid: u32, registers: &Registers) -> Result<(), Errno> {
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_SETREGS, tid, 0, ptr::from_ref(registers))).map(drop)
}

/// The signals that a stopped thread blocks.
pub fn signal_mask_of(tid: u32) -> Result<SignalSet, Errno> {
    let mut set: SignalSet = 0;
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_GETSIGMASK, tid, size_of::<SignalSet>(), &raw mut set))?;
    Ok(set)
}

/// Has it block others.
pub fn set_signal_mask_of(tid: u32, set: SignalSet) -> Result<(), Errno> {
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_SETSIGMASK, tid, size_of::<SignalSet>(), &raw const set))
        .map(drop)
}

/// Lets a stopped thread go on to the entry or the end of a call.
pub fn go_to_next_stop(tid: u32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_ptrace, libc::PTRACE_SYSCALL, tid, 0, 0)).map(drop)
}

/// Why a traced thread stopped.
pub enum Stop {
    /// At the entry or the end of a call.
    Call,
    /// It is about to get a signal.
    Signal(i32),
    /// It has made a process or a thread.
    Made,
    /// It was asked to.
    Other,
}

/// Waits until a traced thread stops. One that does not in that time is killed, for it could not be let go.
pub fn wait_for_stop(tid: u32, longest: Duration) -> Result<Stop, Errno> {
    stop_within(tid, longest)?.ok_or_else(|| {
        kill_child(tid, libc::SIGKILL);
        Errno::SRCH
    })
}

/// The same, but one that does not in that time is left as it is.
pub fn stop_within(tid: u32, longest: Duration) -> Result<Option<Stop>, Errno> {
    const A_MOMENT: Duration = Duration::from_millis(1);
    let (start, mut status) = (Instant::now(), 0);
    loop {
        let options = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
        // SAFETY: status is borrowed for the call.
        match check(unsafe { libc::waitpid(tid as i32, &raw mut status, options) }.into()) {
            Ok(0) if start.elapsed() < A_MOMENT => std::thread::yield_now(),
            Ok(0) if start.elapsed() < longest => std::thread::sleep(A_MOMENT / 4),
            Ok(0) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) if !libc::WIFSTOPPED(status) => return Err(Errno::SRCH),
            Ok(_) => {
                return Ok(Some(match (status >> 16, libc::WSTOPSIG(status)) {
                    (libc::PTRACE_EVENT_STOP | libc::PTRACE_EVENT_EXEC, _) => Stop::Other,
                    (libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE, _) => {
                        Stop::Made
                    }
                    (_, signal) if signal == libc::SIGTRAP | 0x80 => Stop::Call,
                    (_, signal) => Stop::Signal(signal),
                }));
            }
        }
    }
}

/// Has a traced thread stop, and end what it waits in for that.
pub fn interrupt_traced(tid: u32) {
    let _ = check(syscall!(libc::SYS_ptrace, libc::PTRACE_INTERRUPT, tid, 0, 0));
}

/// Stops tracing a thread that was traced by mistake: it has another's number.
pub fn stop_tracing(tid: u32) {
    while let Ok(stop) = wait_for_stop(tid, Duration::from_secs(2)) {
        let signal = if let Stop::Signal(signal) = stop { signal } else { 0 };
        if let_go(tid, signal) {
            return;
        }
    }
}

/// Waits until a thread is out of the call that it is in, if it is in one; if not for long. A call that has not begun is begun
/// anew.
pub fn see_out_of_call(tid: u32) -> Result<(), Errno> {
    stop_out_of_call(tid, |_| {})
}

/// The same, and looks at the stopped thread then.
pub fn stop_out_of_call<T: Default + Send + 'static>(
    tid: u32,
    look: impl FnOnce(u32) -> T + Send + 'static,
) -> Result<T, Errno> {
    const LONG: Duration = Duration::from_millis(100);
    // By a thread of its own, whose end lets it go in any case.
    let seen = std::thread::Builder::new().spawn(move || {
        check(syscall!(libc::SYS_ptrace, libc::PTRACE_SEIZE, tid, 0, 0))?;
        check(syscall!(libc::SYS_ptrace, libc::PTRACE_INTERRUPT, tid, 0, 0))?;
        let start = Instant::now();
        while start.elapsed() < LONG {
            let mut status = 0;
            let options = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
            // SAFETY: status is borrowed for the call.
            match check(unsafe { libc::waitpid(tid as i32, &raw mut status, options) }.into())? {
                0 => std::thread::yield_now(),
                _ if !libc::WIFSTOPPED(status) => return Ok(T::default()),
                _ => {
                    let is_signal = status >> 16 == 0;
                    let seen = look(tid);
                    let_go(tid, if is_signal { libc::WSTOPSIG(status) } else { 0 });
                    return Ok(seen);
                }
            }
        }
        Err(Errno::AGAIN)
    });
    seen.map_err(|_| Errno::AGAIN)?.join().unwrap_or(Err(Errno::AGAIN))
}

/// What the call of a stopped thread has come to, as the register has it.
pub fn traced_result(tid: u32) -> Result<i64, Errno> {
    registers_of(tid).map(|registers| registers.rax as i64)
}

/// Has it come to something else.
pub fn set_traced_result(tid: u32, result: i64) {
    if let Ok(mut registers) = registers_of(tid) {
        registers.rax = result as u64;
        let _ = set_registers_of(tid, &registers);
    }
}

// --- Landlock -----------------------------------------------------------------------------------------------

/// `struct landlock_ruleset_attr`, as of ABI 6.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RulesetAttr {
    /// File system accesses that are denied unless a rule allows them.
    pub fs: u64,
    /// TCP accesses likewise (ABI 4).
    pub net: u64,
    /// What is confined to the domain (ABI 6).
    pub scoped: u64,
}

/// The version of Landlock's interface, if the kernel has it enabled.
pub fn landlock_abi() -> Result<usize, Errno> {
    check(syscall!(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, 1u32))
}

/// A new ruleset; `size` is that of the attribute in the kernel's ABI.
pub fn landlock_ruleset(attr: &RulesetAttr, size: usize) -> Result<OwnedFd, Errno> {
    owned(syscall!(libc::SYS_landlock_create_ruleset, std::ptr::from_ref(attr), size, 0u32))
}

/// Allows `access` beneath `parent`.
pub fn landlock_allow_beneath(ruleset: BorrowedFd, access: u64, parent: BorrowedFd) -> Result<(), Errno> {
    #[repr(C, packed)]
    struct PathBeneath {
        access: u64,
        parent: i32,
    }
    let rule = PathBeneath { access, parent: parent.as_raw_fd() };
    const RULE_PATH_BENEATH: u32 = 1;
    let (ruleset, rule) = (ruleset.as_raw_fd(), &raw const rule);
    check(syscall!(libc::SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, rule, 0u32)).map(drop)
}

/// Puts the calling thread and all that it starts under the ruleset.
pub fn landlock_restrict_self(ruleset: BorrowedFd) -> Result<(), Errno> {
    check(syscall!(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0u32)).map(drop)
}

// --- processes and identity ----------------------------------------------------------------------------------

/// Forks. The child is a copy with this thread alone: only for a process that has no other.
pub fn fork() -> Result<Option<u32>, Errno> {
    // SAFETY: callers have one thread, so no lock is left held in the child.
    match check(unsafe { libc::fork() }.into())? {
        0 => Ok(None),
        pid => Ok(Some(pid as u32)),
    }
}

/// Whether a child survives this, which a seccomp filter may not let it. It leaves no core.
pub fn survives(act: &dyn Fn()) -> bool {
    let child = match fork() {
        Ok(Some(child)) => child,
        Ok(None) => {
            let _ = forbid_core();
            act();
            exit_now(0)
        }
        Err(_) => return false,
    };
    let mut status = 0;
    // SAFETY: status is borrowed for the call.
    let waited = unsafe { libc::waitpid(child as i32, &raw mut status, 0) };
    waited == child as i32 && libc::WIFEXITED(status)
}

/// Ends the process without running anything at exit.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// A process control of numbers.
pub fn prctl(option: i32, argument: u64) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_prctl, option, argument, 0u64, 0u64, 0u64))
}

/// Names this thread, and if it is the first its process.
pub fn set_name(name: &CStr) {
    let _ = check(syscall!(libc::SYS_prctl, libc::PR_SET_NAME, name.as_ptr()));
}

/// Gives this thread a working directory and umask of its own.
pub fn unshare_fs() -> Result<(), Errno> {
    check(syscall!(libc::SYS_unshare, libc::CLONE_FS)).map(drop)
}

/// Acts with a directory as this thread's working directory (it has one of its own, see [`unshare_fs`]).
pub fn within<R>(dir: BorrowedFd, act: impl FnOnce() -> Result<R, Errno>) -> Result<R, Errno> {
    check(syscall!(libc::SYS_fchdir, dir.as_raw_fd()))?;
    let result = act();
    // Nothing here starts at the working directory; it is only not to keep that one in use.
    let _ = check(syscall!(libc::SYS_chdir, c"/".as_ptr()));
    result
}

/// Sets this thread's umask (it has one of its own, see [`unshare_fs`]), and returns what it was.
pub fn umask(mask: u32) -> u32 {
    syscall!(libc::SYS_umask, mask) as u32
}

/// Sets this thread's file system user; the kernel moves the file capabilities with it.
pub fn setfsuid(uid: u32) {
    syscall!(libc::SYS_setfsuid, uid);
}

/// Sets this thread's file system group.
pub fn setfsgid(gid: u32) {
    syscall!(libc::SYS_setfsgid, gid);
}

/// This thread's file system user.
pub fn fsuid() -> u32 {
    // No such user: it changes nothing, and tells which it was.
    syscall!(libc::SYS_setfsuid, u32::MAX) as u32
}

/// This thread's file system group.
pub fn fsgid() -> u32 {
    syscall!(libc::SYS_setfsgid, u32::MAX) as u32
}

/// Sets this thread's effective (and with it its file system) user, and no other of its users.
pub fn set_effective_user(uid: u32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_setresuid, u32::MAX, uid, u32::MAX)).map(drop)
}

/// Sets this thread's effective (and with it its file system) group, and no other of its groups.
pub fn set_effective_group(gid: u32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_setresgid, u32::MAX, gid, u32::MAX)).map(drop)
}

/// Sets this thread's supplementary groups (glibc's own would set every thread's).
pub fn setgroups(groups: &[u32]) -> Result<(), Errno> {
    check(syscall!(libc::SYS_setgroups, groups.len(), groups.as_ptr())).map(drop)
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
pub struct CapHeader {
    version: u32,
    pid: i32,
}

impl CapHeader {
    /// Version 3, and no other thread's.
    pub const OF_THIS_THREAD: CapHeader = CapHeader { version: 0x2008_0522, pid: 0 };
}

/// A thread's capabilities, a bit each.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities {
    /// Those that count.
    pub effective: u64,
    /// Those that may.
    pub permitted: u64,
    /// Those that an exec may keep.
    pub inheritable: u64,
}

/// Two `struct __user_cap_data_struct`: the lower half of each set, in its order, and the upper.
pub type CapData = [[u32; 3]; 2];

impl Capabilities {
    /// As capset(2) takes them.
    pub fn data(&self) -> CapData {
        [0, 32]
            .map(|shift| [self.effective, self.permitted, self.inheritable].map(|set| (set >> shift) as u32))
    }
}

/// This thread's real, effective and saved users, and its effective group.
pub fn users() -> Result<([u32; 3], u32), Errno> {
    let mut users = [0u32; 3];
    let [real, effective, saved] = users.each_mut().map(std::ptr::from_mut);
    check(syscall!(libc::SYS_getresuid, real, effective, saved))?;
    Ok((users, check(syscall!(libc::SYS_getegid))? as u32))
}

/// This thread's supplementary groups.
pub fn groups() -> Result<Vec<u32>, Errno> {
    let count = check(syscall!(libc::SYS_getgroups, 0usize, std::ptr::null_mut::<u32>()))?;
    let mut groups = vec![0; count];
    let count = check(syscall!(libc::SYS_getgroups, groups.len(), groups.as_mut_ptr()))?;
    groups.truncate(count);
    Ok(groups)
}

/// This thread's capabilities.
pub fn capabilities() -> Result<Capabilities, Errno> {
    let (mut header, mut data): (_, CapData) = (CapHeader::OF_THIS_THREAD, [[0; 3]; 2]);
    check(syscall!(libc::SYS_capget, &raw mut header, data.as_mut_ptr()))?;
    let [effective, permitted, inheritable] =
        [0, 1, 2].map(|set| u64::from(data[0][set]) | u64::from(data[1][set]) << 32);
    Ok(Capabilities { effective, permitted, inheritable })
}

fn set_capabilities(to: &Capabilities) -> Result<(), Errno> {
    let (header, data) = (CapHeader::OF_THIS_THREAD, to.data());
    check(syscall!(libc::SYS_capset, &raw const header, data.as_ptr())).map(drop)
}

/// Sets this thread's effective capabilities to those of `mask` that it is permitted.
pub fn set_effective_capabilities(mask: u64) -> Result<(), Errno> {
    let own = capabilities()?;
    set_capabilities(&Capabilities { effective: own.permitted & mask, ..own })
}

/// This thread's number.
pub fn gettid() -> u32 {
    syscall!(libc::SYS_gettid) as u32
}

/// The session of a process.
pub fn getsid(pid: u32) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_getsid, pid))
}

/// The process group of a process.
pub fn getpgid(pid: u32) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_getpgid, pid))
}

/// Sets this thread's capabilities to these, of which it has at least those, and clears the ambient ones.
pub fn keep_capabilities(effective: u64, permitted: u64) -> Result<(), Errno> {
    const PR_CAP_AMBIENT_CLEAR_ALL: u64 = 4;
    let permitted = permitted & capabilities()?.permitted;
    let _ = prctl(libc::PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
    set_capabilities(&Capabilities { effective: effective & permitted, permitted, inheritable: 0 })
}

/// The umask of this process, which has one thread.
pub fn own_umask() -> u32 {
    let own = umask(0o077);
    umask(own);
    own
}

/// Who made a socket's peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The process; 0: one that has no number here.
    pub pid: u32,
    /// Its effective user then.
    pub uid: u32,
}

/// The process that made this socket's peer.
pub fn peer(socket: BorrowedFd) -> Result<u32, Errno> {
    peer_credentials(socket).map(|peer| peer.pid)
}

/// The process that made this socket's peer, and its user.
pub fn peer_credentials(socket: BorrowedFd) -> Result<PeerCredentials, Errno> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    check(syscall!(
        libc::SYS_getsockopt,
        socket.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_PEERCRED,
        &raw mut credentials,
        &raw mut len
    ))?;
    Ok(PeerCredentials { pid: credentials.pid as u32, uid: credentials.uid })
}

/// Raises this process's soft limits to the hard ones, and returns how many descriptors it may have. It writes no core.
pub fn raise_limits() -> Result<u64, Errno> {
    for resource in
        [libc::RLIMIT_AS, libc::RLIMIT_DATA, libc::RLIMIT_NPROC, libc::RLIMIT_CPU, libc::RLIMIT_FSIZE]
    {
        raise_limit(resource)?;
    }
    forbid_core()?;
    Ok(raise_descriptor_limit()?.rlim_max)
}

/// Raises the soft limit on descriptors to the hard one, and returns what the limit was.
pub fn raise_descriptor_limit() -> Result<libc::rlimit, Errno> {
    raise_limit(libc::RLIMIT_NOFILE)
}

/// How many descriptors a process may have.
pub fn descriptor_limit_of(pid: u32) -> Result<u64, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let none = ptr::null::<libc::rlimit>();
    check(syscall!(libc::SYS_prlimit64, pid, libc::RLIMIT_NOFILE, none, &raw mut limit))?;
    Ok(limit.rlim_cur)
}

fn raise_limit(resource: impl Into<i64>) -> Result<libc::rlimit, Errno> {
    let resource = resource.into();
    let mut was = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let get = (&raw mut was, std::ptr::null::<libc::rlimit>());
    check(syscall!(libc::SYS_prlimit64, 0, resource, get.1, get.0))?;
    let all = libc::rlimit { rlim_cur: was.rlim_max, rlim_max: was.rlim_max };
    let none = std::ptr::null_mut::<libc::rlimit>();
    check(syscall!(libc::SYS_prlimit64, 0, resource, &raw const all, none))?;
    Ok(was)
}

/// No dumps of core, from now on.
pub fn forbid_core() -> Result<(), Errno> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let was = std::ptr::null_mut::<libc::rlimit>();
    check(syscall!(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const none, was)).map(drop)
}

/// Marks every descriptor from `first` on as to be closed by exec.
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    check(syscall!(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC)).map(drop)
}

/// Whether a descriptor is open, and stays so on exec.
pub fn is_passed_on(number: i32) -> bool {
    check(syscall!(libc::SYS_fcntl, number, libc::F_GETFD))
        .is_ok_and(|flags| flags & libc::FD_CLOEXEC as usize == 0)
}

/// Has a descriptor stay open on exec.
pub fn keep_on_exec(number: i32) -> Result<(), Errno> {
    check(syscall!(libc::SYS_fcntl, number, libc::F_SETFD, 0)).map(drop)
}

/// Closes a descriptor that was inherited: nothing here owns it.
pub fn close(number: i32) {
    let _ = check(syscall!(libc::SYS_close, number));
}

/// The device and inode of what is behind a number.
pub fn inode_of(number: i32) -> Result<(u64, u64), Errno> {
    // SAFETY: nothing closes it meanwhile: the standard descriptors stay as they are.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    stat(fd).map(|stat| (stat.st_dev, stat.st_ino))
}

/// What waitpid told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The child exited.
    Exited(u32, i32),
    /// A signal killed it.
    Killed(u32, i32),
    /// A signal stopped it.
    Stopped(u32, i32),
}

/// Waits for any child of this thread to end or stop. ECHILD: there are none.
pub fn wait() -> Result<Waited, Errno> {
    const OPTIONS: i32 = libc::WEXITED | libc::WSTOPPED | libc::__WALL | libc::__WNOTHREAD;
    /// As long as another thread of ours takes to see that what it traces has stopped.
    const A_MOMENT: Duration = Duration::from_micros(200);
    let wait = |options| {
        // SAFETY: siginfo_t is plain data for which all zeroes is a value, and is borrowed for the call.
        let (result, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::waitid(libc::P_ALL, 0, &raw mut info, options), info)
        };
        check(result.into()).map(|_| info)
    };
    loop {
        // Only a look: a child that another thread traces is shown to this one as well.
        let info = match wait(OPTIONS | libc::WNOWAIT) {
            Ok(info) if info.si_code == libc::CLD_TRAPPED => {
                std::thread::sleep(A_MOMENT);
                continue;
            }
            Ok(info) => info,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        // SAFETY: this is of a child, as waitid(2) says.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let mut consumed = 0;
        let options = libc::WUNTRACED | libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
        // SAFETY: the status is borrowed for the call.
        if unsafe { libc::waitpid(pid, &raw mut consumed, options) } != pid {
            continue;
        }
        let pid = pid as u32;
        match info.si_code {
            libc::CLD_EXITED => return Ok(Waited::Exited(pid, status)),
            libc::CLD_KILLED | libc::CLD_DUMPED => return Ok(Waited::Killed(pid, status)),
            libc::CLD_STOPPED => return Ok(Waited::Stopped(pid, status)),
            _ => {}
        }
    }
}

/// Sends a signal to a child that has not been waited for, so that its number is its own.
pub fn kill_child(pid: u32, signal: i32) {
    let _ = check(syscall!(libc::SYS_kill, pid, signal));
}

/// A set of signals.
pub type SignalSet = u64;

/// The bit of a signal in a [`SignalSet`].
pub const fn signal_bit(signal: i32) -> SignalSet {
    1 << (signal - 1)
}

/// Sets the signals that this thread blocks, and returns those it did.
pub fn block_signals(set: SignalSet) -> SignalSet {
    let mut was: SignalSet = 0;
    syscall!(
        libc::SYS_rt_sigprocmask,
        libc::SIG_SETMASK,
        &raw const set,
        &raw mut was,
        size_of::<SignalSet>()
    );
    was
}

/// A descriptor from which signals of the set are read, which the thread blocks.
pub fn signalfd(set: SignalSet) -> Result<OwnedFd, Errno> {
    owned(syscall!(libc::SYS_signalfd4, -1, &raw const set, size_of::<SignalSet>(), libc::SFD_CLOEXEC))
}

/// Ignores a signal, or gives it its default action.
pub fn ignore_signal(signal: i32, ignore: bool) {
    // SAFETY: SIG_IGN and SIG_DFL run no code of ours.
    unsafe { libc::signal(signal, if ignore { libc::SIG_IGN } else { libc::SIG_DFL }) };
}

/// Makes a signal interrupt the call that a thread blocks in, and do nothing else.
pub fn interrupt_by(signal: i32) {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: the handler does nothing, so it is safe at any moment; no SA_RESTART, so that calls end with EINTR.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// Replaces the process by a program. Returns only if that fails.
pub fn execve(path: &CStr, args: &[&CStr], env: &[&CStr]) -> Errno {
    let pointers = |list: &[&CStr]| -> Vec<*const libc::c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    syscall!(libc::SYS_execve, path.as_ptr(), args.as_ptr(), env.as_ptr());
    Errno::last()
}

/// Sends a signal to a thread of another process.
pub fn signal_thread(tgid: u32, tid: u32, signal: i32) {
    let _ = check(syscall!(libc::SYS_tgkill, tgid, tid, signal));
}

/// Waits until one of several descriptors is ready.
pub fn poll_all(fds: &mut [libc::pollfd]) -> Result<usize, Errno> {
    // SAFETY: the slice is borrowed for the call.
    check(unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, -1) }.into())
}

/// Reads what fits.
pub fn read(fd: BorrowedFd, into: &mut [u8]) -> Result<usize, Errno> {
    check(syscall!(libc::SYS_read, fd.as_raw_fd(), into.as_mut_ptr(), into.len()))
}

/// Waits for one child to end.
pub fn wait_for(pid: u32) {
    let mut status = 0;
    // SAFETY: status is borrowed for the call.
    unsafe { libc::waitpid(pid as i32, &raw mut status, 0) };
}
