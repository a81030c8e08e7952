//! Completions and manual pages, from the same definitions as the help.

use crate::args::Args;
use crate::failure::{self, Failure};
use crate::holding::{EXEC, READ, WRITE};
use crate::text::wrapped;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use rights::{Rights, Row};
use std::fmt::Write;
use std::io;
use std::path::Path;

/// Commands to try, and what they do.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "pimento run --read . -- grep -r TODO .",
        "Search the files here; nothing else can be read, and nothing written.",
    ),
    (
        "pimento run --write . --exec /usr/bin -- tar xf archive.tar.gz",
        "Unpack an archive that cannot write outside of this directory, with gzip from /usr/bin.",
    ),
    (
        "pimento run --dir /var/log:read,seek,fstat,lookup,event -- tail -f /var/log/messages",
        "Give exact rights.",
    ),
    (
        "pimento run --report -- ./configure",
        "Find out what a program reaches for, and which options would let it.",
    ),
    (
        "pimento run --clear-env --env PATH --env LANG=C -- env",
        "Hide the environment, but for two variables.",
    ),
];

/// Exit statuses of `pimento run`, and when.
fn statuses() -> [(String, &'static str); 6] {
    [
        ("the program's".into(), "when it exited by itself"),
        ("128 + N".into(), "when signal N killed it"),
        (failure::USAGE.to_string(), "when the options are wrong: nothing was started"),
        (
            failure::OWN.to_string(),
            "when pimento itself failed, or the kernel lacks something (see pimento doctor)",
        ),
        (failure::CANNOT_START.to_string(), "when the program was found, and cannot be started"),
        (failure::NOT_FOUND.to_string(), "when there is no such program"),
    ]
}

const HELD: &[&str] = &[
    "A program in capability mode cannot name a file, unless it holds a directory descriptor to start from. \
     Ordinary programs know nothing of that, so pimento run holds directories for them. A path is looked up in \
     the longest held directory that contains it, strictly beneath it, with that directory's rights, whatever \
     the file's own permissions are; those count as well. A symbolic link or a .. may lead from one held \
     directory to another, but never to what is not held. A DIR may also be a single file.",
    "Any path that is in no held directory is refused with ECAPMODE (1094), and what the directory's rights do not \
     permit with ENOTCAPABLE (1093). Several options for one directory amount to all that they say.",
];

fn sets() -> [(&'static str, String); 3] {
    [
        ("--read", READ.to_string()),
        ("--write", format!("as --read, and {}", beyond_read(&WRITE))),
        ("--exec", format!("as --read, and {}", beyond_read(&EXEC))),
    ]
}

fn beyond_read(rights: &Rights) -> String {
    let more = rights.names().into_iter().filter(|row| !READ.is_set(row.right));
    more.map(Row::short_name).collect::<Vec<_>>().join(",")
}

/// What `pimento run --help` says behind the options.
pub fn run_help() -> String {
    let mut text = String::from("Examples:\n");
    for (command, what) in EXAMPLES {
        let _ = write!(text, "  {command}\n      {what}\n");
    }
    text.push_str("\nHeld directories:\n");
    for paragraph in HELD {
        let _ = writeln!(text, "{}", wrapped(paragraph, "  ", 98));
    }
    for (option, rights) in sets() {
        let rights = wrapped(&rights.replace(',', ", "), "            ", 98);
        let _ = writeln!(text, "  {option:<9} {}", rights.trim_start());
    }
    text.push_str("  All rights, and what each allows: pimento explain rights\n");
    text.push_str("\nExit status:\n");
    for (status, when) in statuses() {
        let _ = writeln!(text, "  {status:<14} {when}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// A completion script.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::definitions(), "pimento", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// pimento(1): all of it, with the options of `run`.
pub fn manual() -> Result<String, Failure> {
    let page = page(&built(), None)
        .map_err(|error| Failure::own(format!("cannot make the manual page: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes the pages of all commands into a directory.
pub fn write_all(dir: &Path) -> Result<(), Failure> {
    let wrong = |error: io::Error| Failure::own(format!("cannot write manual pages to {dir:?}: {error}"));
    std::fs::create_dir_all(dir).map_err(wrong)?;
    let command = built();
    let whole = page(&command, None).map_err(wrong)?;
    std::fs::write(dir.join("pimento.1"), whole).map_err(wrong)?;
    for sub in command.get_subcommands() {
        let page = page(&command, Some(sub)).map_err(wrong)?;
        std::fs::write(dir.join(format!("pimento-{}.1", sub.get_name())), page).map_err(wrong)?;
    }
    Ok(())
}

fn built() -> Command {
    let mut command = Args::definitions();
    command.build();
    command
}

/// The page of the whole command, or of one of its subcommands.
fn page(command: &Command, sub: Option<&Command>) -> io::Result<Vec<u8>> {
    let version = format!("pimento {}", command.get_version().unwrap_or_default());
    let man = Man::new(sub.unwrap_or(command).clone()).source(version).manual("Pimento").date("");
    let run = command.get_subcommands().find(|sub| sub.get_name() == "run");
    let is_run = sub.is_some_and(|sub| sub.get_name() == "run");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    if let (None, Some(run)) = (sub, run) {
        man.render_subcommands_section(&mut out)?;
        // Of the options, those of `run` are what one looks up here.
        let mut options = Vec::new();
        Man::new(run.clone()).render_options_section(&mut options)?;
        let options = String::from_utf8_lossy(&options).replacen(".SH OPTIONS", ".SH \"OPTIONS OF RUN\"", 1);
        out.extend_from_slice(options.as_bytes());
    } else {
        man.render_options_section(&mut out)?;
    }
    if sub.is_none() || is_run {
        sections(sub.is_none()).to_writer(&mut out)?;
    } else if let Some(help) = sub.and_then(Command::get_after_help) {
        let help = help.to_string();
        let lines = help.lines().filter(|line| line.starts_with(' ')).map(str::trim);
        let mut roff = Roff::new();
        roff.control("SH", ["EXAMPLES"]);
        for line in lines {
            roff.control("PP", []).text([bold(line)]);
        }
        roff.to_writer(&mut out)?;
    }
    Ok(out)
}

/// What the definitions of the options do not say.
fn sections(whole: bool) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["HELD DIRECTORIES"]);
    for paragraph in HELD {
        roff.control("PP", []).text([roman(*paragraph)]);
    }
    for (option, rights) in sets() {
        roff.control("TP", []).text([bold(option)]).text([roman(rights.replace(',', ", "))]);
    }
    let list = [roman("All rights, and what each allows: "), bold("pimento explain rights")];
    roff.control("PP", []).text(list);
    roff.control("SH", ["EXIT STATUS"]);
    for (status, when) in statuses() {
        roff.control("TP", []).text([bold(status)]).text([roman(when)]);
    }
    if whole {
        let line = "pimento doctor exits with 1 if pimento run cannot work here, pimento ps and pimento fds if \
                    something could not be told. The other commands exit with 0, and \
                    with 2 when they are not understood.";
        roff.control("PP", []).text([roman(line)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    for (command, what) in EXAMPLES {
        roff.control("TP", []).text([bold(*command)]).text([roman(*what)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    let see: &[&str] = if whole {
        &["pimento-run", "pimento-ps", "pimento-fds", "pimento-explain", "pimento-doctor"]
    } else {
        &["pimento", "pimento-ps", "pimento-fds", "pimento-explain", "pimento-doctor"]
    };
    for (i, name) in see.iter().enumerate() {
        let end = if i + 1 < see.len() { "(1)," } else { "(1)" };
        roff.text([bold(*name), roman(end)]);
    }
    let more = [bold("seccomp_unotify"), roman("(2); on FreeBSD also "), bold("capsicum"), roman("(4), ")];
    roff.control("PP", []).text(more.into_iter().chain([bold("rights"), roman("(4)")]).collect::<Vec<_>>());
    roff
}
