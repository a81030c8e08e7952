//! The `pimento` command: `run` programs in capability mode, see (`ps`, `fds`) what is in it, `explain` the policy, ask the
//! `doctor` what the kernel has.
//!
//! - `entry`: where the process starts
//! - `args`: what the command line may say, and the help that goes with it
//! - `failure`: what goes wrong, in one line and an exit status
//! - `holding`: which rights `--read`, `--write` and `--exec` stand for
//! - `run`: the command line to a launch, and the report at its end
//! - `explain`: the policy, in words
//! - `doctor`: the kernel's features
//! - `ps`, `fds`: processes under monitors, and their descriptors
//! - `process`: what procfs tells of a process
//! - `pages`: completions and manual pages
//! - `text`: columns, and output that a terminal survives
#![cfg_attr(not(test), no_main)]

mod args;
mod doctor;
#[cfg(not(test))]
mod entry;
mod explain;
mod failure;
mod fds;
mod holding;
mod pages;
mod process;
mod ps;
mod run;
mod text;

use args::{Args, Command};
use failure::Failure;
use std::ffi::OsString;
use std::io::Write;

/// Does what the command line says, the program's own name first, and tells the exit status.
fn command(args: Vec<OsString>) -> u8 {
    let done = match Args::read(&args) {
        Ok(args) => dispatch(args.command),
        Err(error) => said_by_clap(&error, &args),
    };
    done.unwrap_or_else(|failure| {
        to_stderr(&format!("pimento: {failure}\n"));
        failure.status
    })
}

fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => run::run(*args),
        Command::Explain(args) => printed(&explain::explain(&args)?),
        Command::Fds(args) => fds::fds(&args),
        Command::Ps(args) => ps::ps(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions { shell } => printed(&pages::completions(shell)),
        Command::Man { dir: None } => printed(&pages::manual()?),
        Command::Man { dir: Some(dir) } => pages::write_all(&dir).map(|()| 0),
    }
}

/// Help and version are output; the rest is a usage error.
fn said_by_clap(error: &clap::Error, args: &[OsString]) -> Result<u8, Failure> {
    if error.use_stderr() { Err(failure::usage(error, args)) } else { printed(&error.to_string()) }
}

/// Says something beside the output. Where nobody listens there is nothing to be done.
fn to_stderr(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Prints, and is content when the reader has had enough (`pimento explain --all | head`).
fn printed(text: &str) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("cannot write the output: {error}")))
        }
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_sound() {
        Args::definitions().debug_assert();
    }

    #[test]
    fn the_status_tells_usage_errors_from_success() {
        let status = |words: &[&str]| command(words.iter().map(OsString::from).collect());
        assert_eq!(status(&["pimento", "--version"]), 0);
        assert_eq!(status(&["pimento", "walk"]), 2);
        assert_eq!(status(&[]), 2);
    }
}
