//! The program's entry, instead of Rust's own: that would ignore SIGPIPE, put /dev/null in the place of closed
//! standard descriptors for good and install handlers, and the program that `pimento run` starts would inherit it.
//! It is to start as if it were run plainly.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

// SAFETY: the C library calls the one function of this name, with the arguments that C's main has.
#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let args = (0..argc as usize).map(|i| {
        // SAFETY: argv has argc strings, which stay as long as the process.
        let arg = unsafe { CStr::from_ptr(*argv.add(i)) };
        OsString::from(OsStr::from_bytes(arg.to_bytes()))
    });
    let args = args.collect();
    if !fill_standard_descriptors() {
        return c_int::from(crate::failure::OWN);
    }
    c_int::from(crate::command(args))
}

/// What is opened here must not become standard output by accident: where a standard descriptor is closed, /dev/null
/// takes its number. The program that is started finds it closed again.
fn fill_standard_descriptors() -> bool {
    (0..=2).all(|fd| {
        // SAFETY: fcntl and open touch no memory but the path. A descriptor that is opened is nobody else's: the
        // lowest number that is free.
        unsafe {
            libc::fcntl(fd, libc::F_GETFD) >= 0
                || libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) == fd
        }
    })
}
