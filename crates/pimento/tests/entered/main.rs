//! What a process that enters capability mode by itself finds: that nothing else of it changes, or nothing at all; and
//! that what it may still do works as it did before.
//!
//! - `stage`: where the tests play
//! - `traces`: what entering leaves behind
//! - `failing`: all or nothing
//! - `threads`: threads and children, before and after
//! - `programs`: starting programs, and the pseudo system calls
//! - `signals`, `network`: what works on oneself and on descriptors
//! - `emulated`: the calls that the monitor performs
//! - `identity`: whose files they make, and with what rights
//! - `procfs`: what holding /proc gives
//! - `monitor`: how long it lives
#![cfg(target_os = "linux")]

mod emulated;
mod failing;
mod identity;
mod monitor;
mod network;
mod procfs;
mod programs;
mod signals;
mod stage;
mod threads;
mod traces;
