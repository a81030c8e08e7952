//! System calls of a process that shares its caller's memory, and of a thread that the C library knows nothing of. They
//! touch neither errno nor any lock: whoever runs here borrows another thread's thread-local storage.

use std::arch::asm;
use std::ffi::{c_int, c_void};

/// A system call: its value, or an errno.
///
/// # Safety
/// As the call's own: pointers must be good for what it does with them.
pub unsafe fn perform(number: libc::c_long, args: [usize; 6]) -> Result<usize, i32> {
    let result: isize;
    // SAFETY: the kernel's convention for x86_64: it keeps every register but rax, rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&result) { Err(-result as i32) } else { Ok(result as usize) }
}

/// A call by name, its arguments cast to words and filled up with zeroes.
macro_rules! call {
    ($name:ident $(, $arg:expr)* $(,)?) => {{
        let given = [$($arg as usize),*];
        let mut args = [0usize; 6];
        args[..given.len()].copy_from_slice(&given);
        // SAFETY: the arguments are numbers, or pointers to what the caller has borrowed for longer than the call.
        unsafe { $crate::attach::raw::perform(libc::$name, args) }
    }};
}
pub(super) use call;

/// What runs in a clone: it gets the pointer that was given to [`clone`], and its value is the exit status.
pub type Body = extern "C" fn(*mut c_void) -> c_int;

/// Starts `body` in a new thread or process, which shares what `flags` say, on a stack of its own that ends at `top`.
/// `cleared` is set to 0 and woken as a futex when it has ended, if the flags ask for that. Not the C library's `clone`:
/// musl's refuses to make threads.
///
/// # Safety
/// `top` is aligned to 16 bytes, the stack is nobody else's until it has ended, and `argument` is what `body` takes it to be.
pub unsafe fn clone(
    body: Body,
    top: *mut u8,
    flags: c_int,
    argument: *mut c_void,
    cleared: *mut u32,
) -> Result<u32, i32> {
    let result: isize;
    // SAFETY: in the caller this is a system call as any other. The clone starts behind it on its own stack, with the
    // registers that the caller had, and never comes back.
    unsafe {
        let stack = top.cast::<usize>().sub(2);
        stack.write(body as usize);
        stack.add(1).write(argument.expose_provenance());
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "pop rax",
            "pop rdi",
            "call rax",
            "mov edi, eax",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            exit = const libc::SYS_exit,
            inlateout("rax") libc::SYS_clone as isize => result,
            in("rdi") flags as isize,
            in("rsi") stack,
            in("rdx") 0usize,
            in("r10") cleared,
            in("r8") 0usize,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&result) { Err(-result as i32) } else { Ok(result as u32) }
}

/// Writes all of it, however many calls that takes.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Result<(), i32> {
    while !bytes.is_empty() {
        let written = call!(SYS_write, fd, bytes.as_ptr(), bytes.len())?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
