//! `pimento-monitor`: what a process executes from memory when it enters capability mode by itself. It is not meant
//! to be started by hand.
//!
//! It begins at C's `main`, not at Rust's. What the standard library does before that (it reads /proc/self/maps to find
//! where its stack ends, so as to say so when that overflows) takes 45 µs and 120 KB of what entering costs.
#![no_main]

use std::ffi::{c_char, c_int};
use std::process::ExitCode;

// SAFETY: nothing else here is called `main`, and this is what C's start-up code takes it to be.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    // As Rust does it: a socket whose other end is gone is an error, no end.
    // SAFETY: no other thread is there yet, and no handler is installed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    c_int::from(monitor::attached::main() != ExitCode::SUCCESS)
}
