//! `pimento-monitor`: what a process executes from memory when it enters capability mode by itself. It is not meant
//! to be started by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    monitor::attached::main()
}
