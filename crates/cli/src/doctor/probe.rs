//! The kernel's features, tried one by one. All `unsafe` of this crate but its entry is here: raw system calls that
//! rustix has no words for, and forks for what cannot be undone.

use std::ffi::c_long;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// There, or the errno that says that it is not.
pub type Answer = Result<(), i32>;

/// In the place of an errno: what it would be tried with is missing.
pub const UNTRIED: i32 = libc::ECANCELED;

/// Sizes of seccomp_notif, seccomp_notif_resp and seccomp_data that the monitor was built for.
pub const KNOWN_SIZES: [u16; 3] = [80, 24, 64];

/// A system call by number.
fn call(number: c_long, args: [usize; 5]) -> Result<c_long, i32> {
    // SAFETY: no probe passes a pointer but to a value that it holds itself, large enough for what the call writes.
    let result = unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4]) };
    if result < 0 { Err(errno()) } else { Ok(result) }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The feature is there if the call fails with just this errno: arguments are looked at only by those who know them.
fn fails_with(expected: i32, result: Result<c_long, i32>) -> Answer {
    match result {
        Err(error) if error != expected => Err(error),
        _ => Ok(()),
    }
}

/// A name for an errno of probes.
pub fn errno_name(errno: i32) -> String {
    match errno {
        libc::ENOSYS => "ENOSYS".into(),
        libc::EPERM => "EPERM".into(),
        libc::EACCES => "EACCES".into(),
        libc::EINVAL => "EINVAL".into(),
        libc::EBUSY => "EBUSY".into(),
        libc::EOPNOTSUPP => "EOPNOTSUPP".into(),
        rights::ECAPMODE => "ECAPMODE".into(),
        rights::ENOTCAPABLE => "ENOTCAPABLE".into(),
        other => std::io::Error::from_raw_os_error(other).to_string(),
    }
}

fn seccomp(operation: u32, flags: c_long, argument: usize) -> Result<c_long, i32> {
    call(libc::SYS_seccomp, [operation as usize, flags as usize, argument, 0, 0])
}

/// SECCOMP_RET_USER_NOTIF.
pub fn user_notification() -> Answer {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    seccomp(libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action as usize).map(|_| ())
}

/// The sizes of the kernel's structures.
pub fn notification_sizes() -> Result<[u16; 3], i32> {
    let mut sizes = [0u16; 3];
    seccomp(libc::SECCOMP_GET_NOTIF_SIZES, 0, sizes.as_mut_ptr() as usize)?;
    Ok(sizes)
}

/// SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, with the others that it is used with: known flags get as far as the
/// missing filter.
pub fn wait_killable() -> Answer {
    let flags = (libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        | libc::SECCOMP_FILTER_FLAG_TSYNC
        | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH
        | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) as c_long;
    fails_with(libc::EFAULT, seccomp(libc::SECCOMP_SET_MODE_FILTER, flags, 0))
}

/// What can be tried only with a listener.
pub struct Listener {
    /// Whether there may be one.
    pub installed: Answer,
    /// SECCOMP_IOCTL_NOTIF_ADDFD with SECCOMP_ADDFD_FLAG_SEND.
    pub add_fd: Answer,
    /// SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP.
    pub sync_wake_up: Answer,
}

const SECCOMP_IOCTL_NOTIF_ADDFD: libc::Ioctl = 0x4018_2103;
const SECCOMP_IOCTL_NOTIF_SET_FLAGS: libc::Ioctl = 0x4008_2104;

/// Installs a filter that allows everything, with a listener, in a child that then ends: filters stay for good.
pub fn listener() -> Listener {
    let answers = in_child(|| {
        let allow = libc::sock_filter { code: 6, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
        let program = libc::sock_fprog { len: 1, filter: (&raw const allow).cast_mut() };
        // SAFETY: prctl with these arguments touches no memory.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as c_long;
        let fd = match seccomp(libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program as usize) {
            Ok(fd) => fd as RawFd,
            Err(error) => return [error, UNTRIED, UNTRIED],
        };
        // id, flags (SECCOMP_ADDFD_FLAG_SEND), srcfd, newfd, newfd_flags: no notification has this id.
        let (id, add): (u64, [u32; 4]) = (1 << 60, [2, 0, 0, 0]);
        let mut add_fd = [0u8; 24];
        add_fd[..8].copy_from_slice(&id.to_ne_bytes());
        for (i, word) in add.iter().enumerate() {
            add_fd[8 + 4 * i..12 + 4 * i].copy_from_slice(&word.to_ne_bytes());
        }
        // SAFETY: the command reads 24 bytes, and the buffer has them.
        let added = unsafe { libc::ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, add_fd.as_ptr()) };
        let added = if added < 0 && errno() != libc::ENOENT { errno() } else { 0 };
        // SAFETY: the command takes its argument, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, by value.
        let set = unsafe { libc::ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1usize) };
        [0, added, if set < 0 { errno() } else { 0 }]
    });
    let [installed, add_fd, sync_wake_up] = answers.map(|error| if error == 0 { Ok(()) } else { Err(error) });
    Listener { installed, add_fd, sync_wake_up }
}

/// Runs this in a child, and takes its answer from a pipe. The child makes system calls only: it must allocate
/// nothing, though this program has one thread.
fn in_child(probe: impl FnOnce() -> [i32; 3]) -> [i32; 3] {
    let Ok((ours, theirs)) = rustix::pipe::pipe() else { return [libc::EMFILE; 3] };
    // SAFETY: this program has one thread, so that nothing is held by another at this moment.
    match unsafe { libc::fork() } {
        -1 => [errno(); 3],
        0 => {
            let answer = probe();
            // SAFETY: the buffer has as many bytes; the child ends here, without running what was set up to run at exit.
            unsafe {
                libc::write(theirs.as_raw_fd(), answer.as_ptr().cast(), mem::size_of_val(&answer));
                libc::_exit(0)
            }
        }
        child => {
            drop(theirs);
            let mut bytes = [0u8; 12];
            let read = rustix::io::read(&ours, &mut bytes).unwrap_or(0);
            // SAFETY: the child is ours; a null status is allowed.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            if read < bytes.len() {
                return [libc::ECHILD; 3];
            }
            let mut answer = [0; 3];
            for (i, value) in answer.iter_mut().enumerate() {
                let mut word = [0; 4];
                word.copy_from_slice(&bytes[4 * i..4 * i + 4]);
                *value = i32::from_ne_bytes(word);
            }
            answer
        }
    }
}

/// What the monitor needs to do to the processes that it watches.
pub struct Reach {
    /// pidfd_getfd(2).
    pub descriptors: Answer,
    /// process_vm_readv(2).
    pub memory: Answer,
}

/// Takes a descriptor from a child, and reads its memory.
pub fn reach_child() -> Reach {
    let failed = |error| Reach { descriptors: Err(error), memory: Err(error) };
    let Ok((ours, theirs)) = rustix::pipe::pipe() else { return failed(libc::EMFILE) };
    // SAFETY: as in `in_child`.
    let child = match unsafe { libc::fork() } {
        -1 => return failed(errno()),
        0 => loop {
            // SAFETY: touches no memory. The child waits for its end.
            unsafe { libc::pause() };
        },
        child => child,
    };
    let descriptors = call(libc::SYS_pidfd_open, [child as usize, 0, 0, 0, 0]).and_then(|pidfd| {
        // SAFETY: the kernel has just given it to us.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as RawFd) };
        let args = [pidfd.as_raw_fd() as usize, theirs.as_raw_fd() as usize, 0, 0, 0];
        let copy = call(libc::SYS_pidfd_getfd, args)?;
        // SAFETY: likewise.
        drop(unsafe { OwnedFd::from_raw_fd(copy as RawFd) });
        Ok(())
    });
    let (there, mut here) = (KNOWN_SIZES, [0u16; 3]);
    let length = mem::size_of_val(&there);
    let local = libc::iovec { iov_base: here.as_mut_ptr().cast(), iov_len: length };
    // A fork's memory has the same addresses.
    let remote = libc::iovec { iov_base: there.as_ptr().cast_mut().cast(), iov_len: length };
    // SAFETY: the local vector is ours to write; the remote one is read in another process.
    let read = unsafe { libc::process_vm_readv(child, &local, 1, &remote, 1, 0) };
    let memory = if read < 0 { Err(errno()) } else { Ok(()) };
    // SAFETY: the child is ours, and has not been waited for.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    drop(ours);
    Reach { descriptors, memory }
}

/// kcmp(2) of a descriptor table with itself.
pub fn kcmp() -> Answer {
    const KCMP_FILES: usize = 2;
    let pid = std::process::id() as usize;
    call(libc::SYS_kcmp, [pid, pid, KCMP_FILES, 0, 0]).map(|_| ())
}

/// openat2(2), strictly beneath.
pub fn openat2() -> Answer {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened = rustix::fs::openat2(CWD, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve);
    opened.map(|_| ()).map_err(|error| error.raw_os_error())
}

/// fchmodat2(2): its flags are looked at first.
pub fn fchmodat2() -> Answer {
    let unknown_flags = 0xffff_ffff_usize;
    let path = c"";
    let result = call(libc::SYS_fchmodat2, [usize::MAX, path.as_ptr() as usize, 0, unknown_flags, 0]);
    fails_with(libc::EINVAL, result)
}

/// The version of Landlock.
pub fn landlock_abi() -> Result<i64, i32> {
    const LANDLOCK_CREATE_RULESET_VERSION: usize = 1;
    call(libc::SYS_landlock_create_ruleset, [0, 0, LANDLOCK_CREATE_RULESET_VERSION, 0, 0])
}

/// Whether execution gains no privileges here already.
pub fn no_new_privs() -> bool {
    // SAFETY: prctl with these arguments touches no memory.
    unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 }
}

/// RLIMIT_NOFILE, soft and hard; none is no limit.
pub fn descriptor_limit() -> (Option<u64>, Option<u64>) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    (limit.current, limit.maximum)
}
