//! The program's entry, instead of Rust's own: that would ignore SIGPIPE, put /dev/null in the place of closed
//! standard descriptors and install handlers, and the program that `pimento run` starts would inherit it. It is
//! to start as if it were run plainly.

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
    c_int::from(crate::command(args.collect()))
}
