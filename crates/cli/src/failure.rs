//! What goes wrong before or beside the program: one line, and an exit status.

use crate::args::Args;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;
use std::fmt;

/// The command line is wrong.
pub const USAGE: u8 = 2;
/// Pimento itself failed.
pub const OWN: u8 = 125;
/// The program was found, and cannot be started.
pub const CANNOT_START: u8 = 126;
/// There is no such program.
pub const NOT_FOUND: u8 = 127;

/// A line for standard error, and the exit status that goes with it.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    line: String,
}

impl Failure {
    /// A failure with this status.
    pub fn new(status: u8, line: impl Into<String>) -> Failure {
        Failure { status, line: line.into() }
    }

    /// Something wrong with the command line.
    pub fn usage(line: impl Into<String>) -> Failure {
        Failure::new(USAGE, line)
    }

    /// Something wrong with pimento or the machine.
    pub fn own(line: impl Into<String>) -> Failure {
        Failure::new(OWN, line)
    }
}

impl fmt::Display for Failure {
    /// One line, whatever went into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::harmless(&self.line))
    }
}

/// What clap has to say, in a line that ends with what to do.
pub fn usage(error: &clap::Error, args: &[OsString]) -> Failure {
    let words = |kind| match error.get(kind) {
        Some(ContextValue::Strings(words)) => words.join(", "),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let command = command(args);
    let arg = plain(&words(ContextKind::InvalidArg));
    let value = words(ContextKind::InvalidValue);
    let what = match error.kind() {
        ErrorKind::MissingRequiredArgument if arg == "PROGRAM" => {
            "say which program to start, for example: pimento run --read . -- ls".into()
        }
        ErrorKind::MissingRequiredArgument => format!("{arg} is missing"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "say what to do, for example: pimento run --read . -- ls".into()
        }
        ErrorKind::InvalidSubcommand => {
            let word = words(ContextKind::InvalidSubcommand);
            format!("there is no command {word:?}{}", nearest(&words(ContextKind::SuggestedSubcommand)))
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => {
            format!("there is no option {arg:?}{}", nearest(&words(ContextKind::SuggestedArg)))
        }
        ErrorKind::UnknownArgument => format!("{arg:?} is one word too many"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{arg} needs a value"),
        ErrorKind::InvalidValue => {
            let values = words(ContextKind::ValidValue);
            let values: Vec<String> = values.split(", ").map(str::to_owned).collect();
            format!("{arg} cannot be {value:?}; it can be {}", crate::text::listed(&values, "or"))
        }
        ErrorKind::ArgumentConflict => {
            let prior = plain(&words(ContextKind::PriorArg));
            if prior == arg || prior.is_empty() {
                format!("{arg} is there more than once")
            } else {
                format!("{arg} cannot go with {prior}")
            }
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.strip_prefix("error: ").unwrap_or(line).to_owned()
        }
    };
    Failure::usage(format!("{what} (see {command} --help)"))
}

/// The command whose help has more to say.
fn command(args: &[OsString]) -> String {
    let known =
        |word: &&OsString| Args::command().get_subcommands().any(|sub| word.as_os_str() == sub.get_name());
    match args.get(1).filter(known) {
        Some(sub) => format!("pimento {}", sub.display()),
        None => "pimento".into(),
    }
}

/// An argument's name without clap's brackets: `<CALL>...` is CALL.
fn plain(arg: &str) -> String {
    if arg.starts_with('-') {
        arg.to_owned()
    } else {
        arg.replace(['<', '>', '[', ']'], "").replace("...", "")
    }
}

fn nearest(suggestion: &str) -> String {
    if suggestion.is_empty() { String::new() } else { format!("; the nearest is {suggestion}") }
}
