//! The whole policy in Markdown: what docs/policy.md is rendered from.

use super::{always, namespaces, words};
use policy::{Arg, Call, Verdict};
use std::fmt::Write;

/// The whole policy.
pub fn everything() -> String {
    let mut text = String::from(HEAD);
    text.push_str("\n## System calls\n\n");
    text.push_str("| call | x86_64 | aarch64 | in capability mode | under `pimento run` | needs | why |\n");
    text.push_str("| --- | ---: | ---: | --- | --- | --- | --- |\n");
    let mut calls: Vec<&Call> = policy::all().collect();
    calls.sort_by_key(|call| (call.x86_64.is_none(), call.x86_64, call.aarch64));
    for call in calls {
        let own = verdict(call, call.verdict);
        let hosted = call.hosted.map_or_else(|| "the same".into(), |hosted| verdict(call, hosted));
        let cells = [
            format!("`{}`", call.name),
            number(call.x86_64),
            number(call.aarch64),
            own,
            hosted,
            needs(call),
            call.why.into(),
        ];
        row(&mut text, &cells);
    }
    for (call, namespace) in namespaces() {
        let unknown = words::verdict(call, &namespace.unknown).join("; ");
        let _ = write!(text, "\n## Commands of {}\n\nA command that is not here: {unknown}.\n\n", call.name);
        text.push_str("| command | value | in capability mode | under `pimento run` | needs | why |\n");
        text.push_str("| --- | ---: | --- | --- | --- | --- |\n");
        let base = call.first_fd().map_or(rights::Rights::NONE, |fd| always(call, fd));
        for command in namespace.commands {
            let cells = [
                format!("`{}`", command.name),
                words::value(namespace, command.value),
                verdict(call, command.verdict),
                command.hosted.map_or_else(|| "the same".into(), |hosted| verdict(call, hosted)),
                words::rights(&command.needs.union(&base)),
                command.why.into(),
            ];
            row(&mut text, &cells);
        }
    }
    text
}

const HEAD: &str = "\
# The policy

Rendered by `pimento explain --all` from the table that the filter and the monitor read (`crates/policy`).

*Allowed* goes through. *By rights*: goes through where its descriptors carry what stands under *needs*, else
ENOTCAPABLE. *Monitor*: the monitor looks at what is in memory, and does it or refuses. *Capability mode* is that of
a process that entered it by itself; under `pimento run` the monitor also holds directories and the program's own
descendants for it.
";

fn row(text: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn number(number: Option<u32>) -> String {
    match number {
        None => "-".into(),
        Some(number @ 0x4341_5000..) => format!("{number:#x}"),
        Some(number) => number.to_string(),
    }
}

fn verdict(call: &Call, verdict: Verdict) -> String {
    match verdict {
        Verdict::When(rules, last) => {
            let rules = rules
                .iter()
                .map(|rule| format!("{} where {}", words::short(rule.then), words::conds(call, rule.when)));
            rules.chain([format!("else {}", words::short(*last))]).collect::<Vec<_>>().join(";<br>")
        }
        other => words::short(other).into(),
    }
}

fn needs(call: &Call) -> String {
    let mut cells = Vec::new();
    for (i, arg) in call.args.iter().enumerate() {
        if let Arg::Fd(needs) | Arg::Path(needs) | Arg::Addr(needs) = arg {
            for (j, need) in words::needs(call, needs).iter().enumerate() {
                let need = need.strip_prefix("needs ").unwrap_or(need);
                let of = if j == 0 { format!("{} {i}: ", words::kind(arg)) } else { String::new() };
                cells.push(of + need);
            }
        }
    }
    cells.join(";<br>")
}
