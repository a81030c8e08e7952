//! What is not safe of making system calls by number.

use std::arch::asm;
use std::ffi::{CStr, c_int};
use std::os::fd::{FromRawFd, OwnedFd};

/// Something that can be an argument of a system call.
pub trait Word {
    /// As a register holds it.
    fn word(self) -> u64;
}

macro_rules! words {
    ($($integer:ty)*) => {
        $(impl Word for $integer {
            fn word(self) -> u64 {
                // A C int is sign-extended, as the C library passes it.
                self as i64 as u64
            }
        })*
    };
}
words!(i32 u32 i64 usize isize);

impl Word for u64 {
    fn word(self) -> u64 {
        self
    }
}
impl Word for &CStr {
    fn word(self) -> u64 {
        self.as_ptr().expose_provenance() as u64
    }
}

/// An argument.
pub fn word(of: impl Word) -> u64 {
    of.word()
}
/// The address of something that the call writes.
pub fn at<T: ?Sized>(it: &mut T) -> u64 {
    std::ptr::from_mut(it).cast::<()>().expose_provenance() as u64
}
/// The address of something that the call reads.
pub fn of<T: ?Sized>(it: &T) -> u64 {
    std::ptr::from_ref(it).cast::<()>().expose_provenance() as u64
}

/// Makes a system call: its value, or its errno, negative.
pub fn syscall(number: u32, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: what the callers' recipes pass are addresses of their own memory, or such as the kernel refuses.
    match unsafe { libc::syscall(i64::from(number), a, b, c, d, e, f) } {
        -1 => -i64::from(errno()),
        value => value,
    }
}

/// Makes a system call that may return twice: the new thread or process ends at once, with status 5.
pub fn spawn(number: u32, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    let value: i64;
    // SAFETY: whoever has a 0 from it ends here, without a use of the stack that it may share.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov edi, 5",
            "mov eax, 60",
            "syscall",
            "2:",
            inlateout("rax") i64::from(number) => value,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    value
}

/// The errno of the C library.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Forks: the child's number, or `None` in the child.
pub fn fork() -> Option<i32> {
    // SAFETY: the C library keeps its allocator usable in the child; nothing else that other threads may hold is used.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", errno()),
        0 => None,
        pid => Some(pid),
    }
}

/// Ends the process, without what the C library does at exit.
pub fn exit(status: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(status) }
}

/// Takes a descriptor that a call gave; panics if it gave an error.
pub fn own(number: i64) -> OwnedFd {
    assert!(number >= 0, "no descriptor: {}", -number);
    // SAFETY: a call has just made it.
    unsafe { OwnedFd::from_raw_fd(number as c_int) }
}

/// Waits for a child: whether it has ended, and its status.
pub fn wait(pid: i32, flags: c_int) -> Option<(i32, c_int)> {
    let mut status = 0;
    // SAFETY: it writes the status.
    match unsafe { libc::waitpid(pid, &raw mut status, flags) } {
        0 => None,
        -1 => Some((-1, 0)),
        pid => Some((pid, status)),
    }
}

/// Which child a wait tells of.
pub fn child_of(info: &libc::siginfo_t) -> i32 {
    // SAFETY: a wait has written it, or it is all zero.
    unsafe { info.si_pid() }
}

/// Handles a signal.
pub fn handle(signal: c_int, with: extern "C" fn(c_int)) {
    // SAFETY: the handlers here only count.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = (with as *const ()).expose_provenance();
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// A structure of the kernel's, all zero.
pub fn zeroed<T: Plain>() -> T {
    // SAFETY: all bytes zero are one of them.
    unsafe { std::mem::zeroed() }
}

/// Structures of integers and pointers.
pub trait Plain {}
macro_rules! plain {
    ($($kind:ident)*) => { $(impl Plain for libc::$kind {})* };
}
plain!(stat statx statfs pollfd epoll_event itimerspec itimerval timespec timeval siginfo_t msghdr mmsghdr iovec
       sysinfo utsname rusage tms rlimit sched_param sigevent termios flock ucred sockaddr_in sockaddr_un winsize);

/// Maps anonymous memory, one page for each place.
pub fn pages(count: usize) -> *mut u8 {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new memory.
    let at = unsafe {
        libc::mmap(std::ptr::null_mut(), count * 4096, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    assert!(at != libc::MAP_FAILED, "mmap: {}", errno());
    at.cast()
}

/// A byte of mapped memory.
pub fn peek(address: u64) -> u8 {
    // SAFETY: the recipes ask only for what they have mapped.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address as usize).read_volatile() }
}
/// Changes a byte of mapped memory.
pub fn poke(address: u64, byte: u8) {
    // SAFETY: as for `peek`.
    unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address as usize).write_volatile(byte) }
}
/// A path in memory.
pub fn text(address: u64) -> String {
    // SAFETY: the recipes pass paths, or numbers that are no address of theirs and not asked about.
    let text = unsafe { CStr::from_ptr(std::ptr::with_exposed_provenance(address as usize)) };
    format!("{:.60?}", text.to_string_lossy())
}
/// raise(3).
pub fn raise(signal: c_int) -> c_int {
    // SAFETY: the recipe handles it.
    unsafe { libc::raise(signal) }
}
/// pthread_kill(3) of the thread itself.
pub fn signal_own_thread(signal: c_int) -> c_int {
    // SAFETY: the thread is there.
    unsafe { libc::pthread_kill(libc::pthread_self(), signal) }
}
