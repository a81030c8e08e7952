//! `pimento ps`: the processes that are under a monitor.

use crate::args::PsArgs;
use crate::failure::Failure;
use crate::process::{Process, user};
use crate::text::{columns, harmless, listed};
use pimento::telling::asker;
use serde::Serialize;

/// A process, as it is printed.
#[derive(Debug, Serialize)]
struct Row {
    pid: u32,
    uid: u32,
    user: String,
    mode: &'static str,
    monitor: u32,
    /// How many of its descriptors are limited; null: the monitor has not said.
    limited: Option<usize>,
    command: String,
}

#[derive(Debug, Serialize)]
struct Listing {
    processes: Vec<Row>,
    /// Monitors that did not answer.
    silent: Vec<u32>,
}

/// Prints the processes. The exit status is 1 if there may be more.
pub fn ps(args: &PsArgs) -> Result<u8, Failure> {
    let sight =
        asker::processes().map_err(|error| Failure::own(format!("cannot look for monitors: {error}")))?;
    let listing =
        Listing { processes: sight.found.into_iter().filter_map(row).collect(), silent: sight.silent };
    let text = if args.json {
        let json = serde_json::to_string_pretty(&listing);
        json.map_err(|error| Failure::own(format!("cannot write JSON: {error}")))? + "\n"
    } else {
        text(&listing.processes)
    };
    crate::printed(&text)?;
    silent(&listing.silent);
    Ok(u8::from(!listing.silent.is_empty()))
}

/// Says which monitors did not answer.
pub fn silent(monitors: &[u32]) {
    if !monitors.is_empty() {
        let monitors: Vec<String> = monitors.iter().map(u32::to_string).collect();
        let monitors = listed(&monitors, "and");
        crate::to_stderr(&format!("pimento: no answer from the monitor {monitors}: is it stopped?\n"));
    }
}

/// None: it has ended, or the kernel does not let us see what it has open.
fn row(found: asker::Process) -> Option<Row> {
    std::fs::read_dir(format!("/proc/{}/fd", found.pid)).ok()?;
    let process = Process::read(found.pid).ok()?;
    Some(Row {
        pid: found.pid,
        uid: process.uid,
        user: user(process.uid),
        mode: found.mode.name(),
        monitor: found.monitor,
        limited: found.limited,
        command: process.command,
    })
}

fn text(rows: &[Row]) -> String {
    let head = ["PID", "USER", "MODE", "MONITOR", "LIMITED", "COMMAND"].map(str::to_owned).to_vec();
    let lines = rows.iter().map(|row| {
        vec![
            row.pid.to_string(),
            harmless(&row.user),
            row.mode.into(),
            row.monitor.to_string(),
            row.limited.map_or("-".into(), |limited| limited.to_string()),
            harmless(&row.command),
        ]
    });
    columns("", &std::iter::once(head).chain(lines).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_cannot_forge_a_line() {
        let row = Row {
            pid: 7,
            uid: 0,
            user: "root".into(),
            mode: "hosted",
            monitor: 6,
            limited: None,
            command: "a\n8 root".into(),
        };
        let text = text(&[row]);
        assert_eq!(
            text,
            "PID  USER  MODE    MONITOR  LIMITED  COMMAND\n7    root  hosted  6        -        a\\n8 root\n"
        );
    }
}
