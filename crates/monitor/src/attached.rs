//! The monitor of a process that enters capability mode by itself: a program of its own, which that process has
//! executed from memory.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::process::ExitCode;

/// The `main` of `pimento-monitor`. Descriptor 3 is its socket to the process that it stands for; it says `R` there
/// when it is ready, and ends when the other end is closed.
pub fn main() -> ExitCode {
    // SAFETY: whoever executes this program leaves descriptor 3 to it; nothing else here owns it.
    let mut socket = unsafe { File::from_raw_fd(3) };
    match socket.write_all(b"R").and_then(|()| socket.read_to_end(&mut Vec::new())) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
