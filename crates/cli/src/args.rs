//! What the command line may say. The help, the manual pages and the completions are made from these definitions.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run ordinary programs with the files they are given, and nothing else
///
/// Pimento is Capsicum for stock Linux: a program in capability mode has no global names to reach for. No path
/// leads anywhere, no process can be signalled, no address connected to, unless the program was handed a
/// capability for it: a descriptor, with exactly the rights that it needs. It needs no privileges, no daemon
/// and no patched kernel.
#[derive(Debug, Parser)]
#[command(
    name = "pimento",
    bin_name = "pimento",
    version,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = TOP_EXAMPLES
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// What the command line says, the program's own name first.
    pub fn read(args: &[OsString]) -> Result<Args, clap::Error> {
        // Putting the long help together takes longer than all the rest: only for who asks for it.
        let asked = args.iter().any(|arg| arg == "--help");
        let mut command = if asked { Args::definitions() } else { Args::command() };
        let mut matches = command.try_get_matches_from_mut(args)?;
        Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }

    /// The definitions, with all that there is of help.
    pub fn definitions() -> clap::Command {
        Args::command().mut_subcommand("run", |run| run.after_long_help(crate::pages::run_help()))
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a program in capability mode
    ///
    /// Starts PROGRAM in capability mode: before its first instruction, and with all its descendants. It sees
    /// the files beneath the directories that the options name, by their usual paths, and nothing else; every
    /// other path, process, address or global name is refused with ECAPMODE, and what the rights on a directory
    /// do not permit with ENOTCAPABLE. A small default set (the program's own file, its loader and libraries,
    /// /dev/null and kin, harmless entries of /proc/self) lets ordinary programs start.
    #[command(
        override_usage = "pimento run [OPTIONS] -- PROGRAM [ARGS]...",
        after_help = RUN_EXAMPLES
    )]
    Run(Box<RunArgs>),
    /// Tell what the policy says of a system call, and why
    ///
    /// Tells what becomes of a system call in capability mode and under `pimento run`, which rights it asks of
    /// its descriptors and paths, and why. Commands of ioctl, fcntl, prctl and setsockopt have entries of their own,
    /// and so have rights: what each allows, and which calls ask for it.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// List the descriptors of processes, and what they may be used for
    ///
    /// Lists what each process has open: type, path or peer, flags and, of a process that is under a monitor, the rights,
    /// ioctl commands and fcntl commands that are left of each descriptor; as procstat -C does on FreeBSD. Descriptors of
    /// which nothing is limited have all rights. Of a process without a monitor the rights are `-`.
    ///
    /// Only for processes that you may trace: your own, or as root any. Exits with 1 if there is a process of which not
    /// everything could be told, because it is not there, is somebody else's, or has no monitor that answers.
    #[command(after_help = FDS_EXAMPLES)]
    Fds(FdsArgs),
    /// List the processes that are under a monitor
    ///
    /// Lists the processes that are in capability mode, or have limited descriptors: `capability` by themselves, `ordinary`
    /// with limited descriptors alone, `hosted` under pimento run. Only those that you may trace: your own, or as root any,
    /// in this pid and network namespace. Exits with 1 if a monitor did not answer.
    #[command(after_help = PS_EXAMPLES)]
    Ps(PsArgs),
    /// Check what this kernel has of what Pimento uses
    ///
    /// Tries each kernel feature that Pimento uses, and tells what is missing and what that costs. Exits with 0
    /// if `pimento run` can work here, with 1 if not.
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completions {
        /// The shell.
        #[arg(value_parser = clap::value_parser!(Shell))]
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  pimento man | man -l -")]
    Man {
        /// Write the pages of all commands here, instead of printing pimento(1)
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

/// `pimento run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Let it read beneath DIR: look up, open for reading, map, stat, lock
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub read: Vec<PathBuf>,
    /// Let it read, write, create, rename and remove beneath DIR
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub write: Vec<PathBuf>,
    /// Let it read beneath DIR, and start programs from there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub exec: Vec<PathBuf>,
    /// Give it exactly these rights beneath DIR, such as /srv:read,seek,fstat
    ///
    /// RIGHTS are names that `pimento explain rights` lists, separated by commas, with or without CAP_, in either
    /// case; or all; or none. DIR may have colons in it: RIGHTS start behind the last one. Several options for one directory
    /// amount to all that they say.
    #[arg(long, value_name = "DIR:RIGHTS", value_hint = ValueHint::AnyPath)]
    pub dir: Vec<OsString>,
    /// Let dynamically linked programs have their loader and libraries from DIR: of its names only those with `.so`
    ///
    /// The default set has the system's own library directories. With --bare, or for libraries that lie elsewhere, this is
    /// what FreeBSD's rtld has LD_LIBRARY_PATH_FDS for.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub libraries: Vec<PathBuf>,
    /// Leave the default set out: hold only what the options name
    #[arg(long)]
    pub bare: bool,
    /// Pass descriptor N on, limited to these rights
    ///
    /// The standard descriptors pass without, limited to what streams are for: their files' mode, owner, times and attributes
    /// cannot be changed through them. This says more exactly, or more (0:all). Where it limits, copies of the descriptor get
    /// numbers from 512 on.
    #[arg(long, value_name = "N:RIGHTS", allow_hyphen_values = true)]
    pub fd: Vec<OsString>,
    /// Set a variable, or with --clear-env let it through
    ///
    /// The environment passes as it is. NAME=VALUE sets a variable; NAME alone takes it from pimento's own
    /// environment, if it is there, which matters with --clear-env.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<OsString>,
    /// Start with an empty environment: only what --env names
    #[arg(long)]
    pub clear_env: bool,
    /// Print to standard error, at the end, what was refused, and the option that would have allowed it
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub report: Option<ReportFormat>,
    /// The program, by path or to be found in PATH, and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "PROGRAM",
        value_hint = ValueHint::CommandWithArguments
    )]
    pub program: Vec<OsString>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A table
    Text,
    /// One JSON object
    Json,
}

/// `pimento explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// System calls; commands such as TIOCSTI, with or without their call; rights such as CAP_READ; or rights, for all
    #[arg(value_name = "CALL", required_unless_present = "all", value_parser = Calls, hide_possible_values = true)]
    pub calls: Vec<String>,
    /// Print the whole policy in Markdown
    #[arg(long, conflicts_with = "calls")]
    pub all: bool,
}

/// `pimento fds`.
#[derive(Debug, clap::Args)]
pub struct FdsArgs {
    /// Processes, by number
    #[arg(required = true, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub pids: Vec<u32>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// `pimento ps`.
#[derive(Debug, clap::Args)]
pub struct PsArgs {
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// `pimento doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Any word, and for completions the names of all system calls.
#[derive(Debug, Clone, Copy)]
struct Calls;

impl TypedValueParser for Calls {
    type Value = String;

    fn parse_ref(
        &self,
        _command: &clap::Command,
        _arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        Ok(value.to_string_lossy().into_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(policy::CALLS.iter().map(|call| PossibleValue::new(call.name))))
    }
}

const TOP_EXAMPLES: &str = "\
Examples:
  pimento run --read . -- grep -r TODO .
  pimento run --report --write build --read . -- make
  pimento explain openat
  pimento ps
  pimento doctor";

const RUN_EXAMPLES: &str = "\
Examples:
  pimento run --read . -- grep -r TODO .
  pimento run --write . --exec /usr/bin -- tar xf archive.tar
  pimento run --report -- python3 untrusted.py

More, with the exit status and what the options mean exactly: pimento run --help";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  pimento explain openat
  pimento explain ioctl TIOCSTI
  pimento explain prctl
  pimento explain CAP_FSTAT
  pimento explain rights
  pimento explain --all > policy.md";

const FDS_EXAMPLES: &str = "\
Examples:
  pimento fds $(pgrep sort)
  pimento fds --json 1234 | jq '.processes[].descriptors[] | select(.limited)'

FLAGS: r read, w write, a append, s async, f sync, n nonblock, d direct, l locked, c close-on-exec, p path only";

const PS_EXAMPLES: &str = "\
Examples:
  pimento ps
  pimento ps --json | jq '.processes[] | select(.mode == \"capability\")'";

const COMPLETION_EXAMPLES: &str = "\
Examples:
  pimento completions bash > ~/.local/share/bash-completion/completions/pimento
  pimento completions zsh > ~/.zfunc/_pimento
  pimento completions fish > ~/.config/fish/completions/pimento.fish";
