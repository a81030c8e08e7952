//! `pimento explain`: the policy, in words. Nothing is said here that is not in the table.
//!
//! - `words`: conditions, needs and verdicts as one would say them
//! - `markdown`: all of it, for the documentation

mod markdown;
mod words;

use crate::args::ExplainArgs;
use crate::failure::Failure;
use crate::text::{columns, wrapped};
use policy::{Arg, Call, Command, Namespace, Op, Verdict};
use rights::{Rights, Row};
use std::fmt::Write;

/// What was asked for, one entry after the other.
pub fn explain(args: &ExplainArgs) -> Result<String, Failure> {
    if args.all {
        return Ok(markdown::everything());
    }
    let entries = entries(&args.calls)?;
    Ok(entries.iter().map(Entry::text).collect::<Vec<_>>().join("\n"))
}

/// Something to tell about.
enum Entry {
    Call(&'static Call),
    Command(&'static Call, &'static Namespace, &'static Command),
    Right(&'static Row),
    /// All rights, by their names.
    Rights,
}

/// What the words mean. A command behind its call (`ioctl TIOCSTI`) stands for itself only.
fn entries(words: &[String]) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if let Some(call) = policy::by_name(&word.to_ascii_lowercase()) {
            let mut alone = true;
            if let Some(namespace) = call.namespace() {
                while let Some(next) = words.peek() {
                    match command_of(namespace, next) {
                        Some(command) => entries.push(Entry::Command(call, namespace, command)),
                        // Of two words the second is more likely a mistyped command than an unknown call.
                        None if alone && policy::by_name(&next.to_ascii_lowercase()).is_none() => {
                            let names = namespace.commands.iter().map(|command| command.name);
                            let line = format!("{} has no command {next:?}", call.name);
                            return Err(not_known(line, next, names));
                        }
                        None => break,
                    }
                    alone = false;
                    words.next();
                }
            }
            if alone {
                entries.push(Entry::Call(call));
            }
            continue;
        }
        if word.eq_ignore_ascii_case("rights") {
            entries.push(Entry::Rights);
            continue;
        }
        // With CAP_ only: read is a call.
        if let Some(row) = rights::RIGHTS.iter().find(|row| row.name.eq_ignore_ascii_case(word)) {
            entries.push(Entry::Right(row));
            continue;
        }
        let commands: Vec<Entry> = namespaces()
            .filter_map(|(call, namespace)| {
                Some(Entry::Command(call, namespace, command_of(namespace, word)?))
            })
            .collect();
        if commands.is_empty() {
            let names = policy::all().map(|call| call.name);
            let commands =
                namespaces().flat_map(|(_, namespace)| namespace.commands).map(|command| command.name);
            let rights = rights::RIGHTS.iter().map(|row| row.name);
            let line = format!("the policy has no system call or command {word:?}");
            return Err(not_known(line, word, names.chain(commands).chain(rights)));
        }
        entries.extend(commands);
    }
    Ok(entries)
}

fn not_known(line: String, word: &str, names: impl Iterator<Item = &'static str>) -> Failure {
    let names: Vec<&str> = names.collect();
    match rights::nearest(word, names) {
        Some(name) => Failure::usage(format!("{line}; the nearest is {name}")),
        None => Failure::usage(format!("{line}; pimento explain --all has all that there are")),
    }
}

/// The calls that are namespaces of commands. Two calls may share one.
fn namespaces() -> impl Iterator<Item = (&'static Call, &'static Namespace)> {
    policy::all().filter_map(|call| Some((call, call.namespace()?)))
}

/// By name or by value.
fn command_of(namespace: &'static Namespace, word: &str) -> Option<&'static Command> {
    let by_value = || {
        let value = match word.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?,
            None => word.parse().ok()?,
        };
        namespace.commands.iter().find(|command| command.value == value)
    };
    namespace.commands.iter().find(|command| command.name.eq_ignore_ascii_case(word)).or_else(by_value)
}

impl Entry {
    fn text(&self) -> String {
        match self {
            Entry::Call(call) => text_of_call(call),
            Entry::Command(call, namespace, command) => text_of_command(call, namespace, command),
            Entry::Right(row) => text_of_right(row),
            Entry::Rights => text_of_rights(),
        }
    }
}

fn text_of_call(call: &Call) -> String {
    let mut text = format!("{}{}\n  {}\n\n", call.name, words::numbers(call), call.why);
    let mut rows = columns_of(call, &call.verdict, call.hosted.as_ref());
    if call.op != Op::Check {
        rows.push(vec!["the monitor's act".into(), words::op(call.op)]);
    }
    text.push_str(&columns("  ", &rows));
    if !call.args.is_empty() {
        text.push_str("\n  arguments\n");
        text.push_str(&columns("    ", &args_of(call)));
    }
    if let Some(namespace) = call.namespace() {
        let unknown = words::verdict(call, &namespace.unknown).join("; ");
        let count = namespace.commands.len();
        let _ = writeln!(text, "\n  commands ({count}; any other is {unknown})");
        let rows: Vec<Vec<String>> = namespace
            .commands
            .iter()
            .map(|command| {
                let short = |verdict| words::short(verdict).to_owned();
                let (own, hosted) = (short(command.verdict), short(command.in_column(true)));
                let verdict = if own == hosted { own } else { format!("{own}; under run {hosted}") };
                vec![command.name.into(), words::value(namespace, command.value), verdict, command.why.into()]
            })
            .collect();
        text.push_str(&columns("    ", &rows));
    }
    text
}

fn text_of_command(call: &Call, namespace: &Namespace, command: &Command) -> String {
    let value = words::value(namespace, command.value);
    let mut text = format!("{} {} ({value})\n  {}\n\n", call.name, command.name, command.why);
    let mut rows = columns_of(call, &command.verdict, command.hosted.as_ref());
    let own = call.first_fd().map_or(Rights::NONE, |fd| always(call, fd));
    let needs = command.needs.union(&own);
    if !needs.is_empty() {
        rows.push(vec!["the descriptor needs".into(), words::rights(&needs)]);
    }
    text.push_str(&columns("  ", &rows));
    text
}

fn text_of_right(row: &Row) -> String {
    let words = Rights::from(row.right).words();
    let mut text = format!(
        "{} ({:#x} of word {})\n  {}\n",
        row.name,
        words[row.right.index()],
        row.right.index(),
        row.allows
    );
    let includes: Vec<String> = rights::RIGHTS
        .iter()
        .filter(|other| row.right != other.right && Rights::from(row.right).is_set(other.right))
        .map(|other| other.name.to_owned())
        .collect();
    let asks = |arg: &Arg| match arg {
        Arg::Fd(needs) | Arg::Path(needs) | Arg::Addr(needs) => {
            needs.iter().any(|need| need.rights.is_set(row.right))
        }
        _ => false,
    };
    let calls = policy::all().filter(|call| call.args.iter().any(asks)).map(|call| call.name.to_owned());
    let commands = namespaces().flat_map(|(call, namespace)| {
        let asking = namespace.commands.iter().filter(|command| command.needs.is_set(row.right));
        asking.map(|command| format!("{} {}", call.name, command.name))
    });
    let asking: Vec<String> = calls.chain(commands).collect();
    for (what, names) in [("includes", includes), ("asked for by", asking)] {
        if !names.is_empty() {
            let _ = write!(text, "\n  {what}\n{}\n", wrapped(&names.join(", "), "    ", 100));
        }
    }
    text
}

fn text_of_rights() -> String {
    let rows: Vec<Vec<String>> =
        rights::RIGHTS.iter().map(|row| vec![row.short_name().into(), row.allows.into()]).collect();
    columns("", &rows)
}

/// What an argument needs whatever the other arguments are.
fn always(call: &Call, arg: usize) -> Rights {
    match call.args[arg] {
        Arg::Fd(needs) | Arg::Path(needs) | Arg::Addr(needs) => {
            let always = needs.iter().filter(|need| need.when.is_empty());
            always.fold(Rights::NONE, |set, need| set.union(&need.rights))
        }
        _ => Rights::NONE,
    }
}

/// What becomes of it, in both columns.
fn columns_of(call: &Call, own: &Verdict, hosted: Option<&Verdict>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let same = || vec!["the same".to_owned()];
    let hosted = hosted.map_or_else(same, |verdict| words::verdict(call, verdict));
    for (name, lines) in [("in capability mode", words::verdict(call, own)), ("under pimento run", hosted)] {
        for (i, line) in lines.into_iter().enumerate() {
            rows.push(vec![if i == 0 { name.into() } else { String::new() }, line]);
        }
    }
    rows
}

/// The arguments: number, kind, and what they need.
fn args_of(call: &Call) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (i, arg) in call.args.iter().enumerate() {
        let needs = match arg {
            Arg::Fd(needs) | Arg::Path(needs) | Arg::Addr(needs) => words::needs(call, needs),
            _ => Vec::new(),
        };
        let mut needs = needs.into_iter();
        rows.push(vec![i.to_string(), words::kind(arg).into(), needs.next().unwrap_or_default()]);
        rows.extend(needs.map(|need| vec![String::new(), String::new(), need]));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_can_be_told() {
        for call in policy::all() {
            let text = text_of_call(call);
            assert!(text.starts_with(call.name) && text.contains(call.why), "{text}");
        }
        for (call, namespace) in namespaces() {
            for command in namespace.commands {
                let text = text_of_command(call, namespace, command);
                assert!(text.contains(command.name) && text.contains(command.why), "{text}");
            }
        }
    }

    #[test]
    fn rights_tell_who_asks_for_them() {
        let told = |word: &str| entries(&[word.to_owned()]).unwrap()[0].text();
        let mmap_rx = told("cap_mmap_rx");
        assert!(mmap_rx.starts_with("CAP_MMAP_RX (0x20000000000003d of word 0)\n"), "{mmap_rx}");
        assert!(mmap_rx.contains("CAP_MMAP_R, CAP_MMAP_X"), "{mmap_rx}");
        assert!(told("CAP_READ").contains("read, readv"));
        let all = told("rights");
        assert_eq!(all.lines().count(), rights::RIGHTS.len());
        assert!(rights::RIGHTS.iter().all(|row| all.contains(row.allows)));
    }

    #[test]
    fn every_name_leads_to_its_entry() {
        for call in policy::all() {
            assert!(
                matches!(&entries(&[call.name.into()]).unwrap()[..], [Entry::Call(found)] if found.name == call.name)
            );
        }
        for (call, namespace) in namespaces() {
            for command in namespace.commands {
                let words = [call.name.to_owned(), command.name.to_owned()];
                let found = entries(&words).unwrap();
                assert!(
                    matches!(&found[..], [Entry::Command(_, _, found)] if found.name == command.name),
                    "{words:?}"
                );
            }
        }
    }
}
