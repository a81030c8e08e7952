//! The `pimento` command: `run` programs in capability mode, `explain` the policy, ask the `doctor` what
//! the kernel has.
//!
//! - `args`: what the command line may say, and the help that goes with it
//! - `failure`: what goes wrong, in one line and an exit status
//! - `holding`: which rights `--read`, `--write` and `--exec` stand for
//! - `run`: the command line to a launch, and the report at its end
//! - `explain`: the policy, in words
//! - `doctor`: the kernel's features
//! - `pages`: completions and manual pages
//! - `text`: columns, and output that a terminal survives

mod args;
mod doctor;
mod explain;
mod failure;
mod holding;
mod pages;
mod run;
mod text;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Args::try_parse() {
        Ok(args) => dispatch(args.command),
        Err(error) => said_by_clap(&error),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            eprintln!("pimento: {failure}");
            ExitCode::from(failure.status)
        }
    }
}

fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => run::run(*args),
        Command::Explain(args) => printed(&explain::explain(&args)?),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions { shell } => printed(&pages::completions(shell)),
        Command::Man { dir: None } => printed(&pages::manual()?),
        Command::Man { dir: Some(dir) } => pages::write_all(&dir).map(|()| 0),
    }
}

/// Help and version are output; the rest is a usage error.
fn said_by_clap(error: &clap::Error) -> Result<u8, Failure> {
    if error.use_stderr() { Err(failure::usage(error)) } else { printed(&error.to_string()) }
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
