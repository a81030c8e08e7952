//! What goes wrong before or beside the program: one line, and an exit status.

use clap::error::{ContextKind, ContextValue, ErrorKind};
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
pub fn usage(error: &clap::Error) -> Failure {
    let context = |kind| error.get(kind).map(ToString::to_string);
    let words = |kind| match error.get(kind) {
        Some(ContextValue::Strings(words)) => words.join(", "),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let arg = words(ContextKind::InvalidArg);
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::MissingRequiredArgument => format!("{arg} is missing"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "say what to do, for example: pimento run --read . -- ls".into()
        }
        ErrorKind::InvalidSubcommand => {
            let word = words(ContextKind::InvalidSubcommand);
            format!("there is no command {word:?}{}", nearest(words(ContextKind::SuggestedSubcommand)))
        }
        ErrorKind::UnknownArgument => {
            format!("there is no option {arg:?}{}", nearest(words(ContextKind::SuggestedArg)))
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{arg} needs a value"),
        ErrorKind::InvalidValue => {
            format!("{arg} cannot be {value:?}; it can be {}", words(ContextKind::ValidValue))
        }
        ErrorKind::ArgumentConflict => {
            let prior = words(ContextKind::PriorArg);
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
    // The usage names the subcommand that went wrong: "Usage: pimento run [OPTIONS] …".
    let usage = context(ContextKind::Usage).unwrap_or_default();
    let command: Vec<&str> = usage
        .split_whitespace()
        .skip_while(|word| *word != "pimento")
        .take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .collect();
    let command = if command.is_empty() { "pimento".to_owned() } else { command.join(" ") };
    Failure::usage(format!("{what} (see {command} --help)"))
}

fn nearest(suggestion: String) -> String {
    if suggestion.is_empty() { suggestion } else { format!("; the nearest is {suggestion}") }
}
