//! `pimento-monitor`: what a process executes from memory when it enters capability mode by itself. It is not meant
//! to be started by hand.
//!
//! It begins at C's `main`, not at Rust's. What the standard library does before that (it reads /proc/self/maps to find
//! where its stack ends, so as to say so when that overflows) takes 45 µs and 120 KB of what entering costs.
#![no_main]

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

// SAFETY: nothing else here is called `main`, and this is what C's start-up code takes it to be.
#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // Not std::env::args: where the C library is not glibc, only Rust's own main fills that.
    let arg = |index| {
        // SAFETY: argv has argc strings, which stay as they are.
        let text = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsStr::from_bytes(text.to_bytes()).to_owned()
    };
    let args: Vec<OsString> = (1..usize::try_from(argc).unwrap_or(0)).map(arg).collect();
    // As Rust does it: a socket whose other end is gone is an error, no end.
    // SAFETY: no other thread is there yet, and no handler is installed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    c_int::from(monitor::attached::main(args) != ExitCode::SUCCESS)
}
