//! `pimento fds`: what processes have open, and what they may use it for.
//!
//! - `descriptor`: what the kernel tells of a descriptor
//! - `socket`: what it tells of one that is a socket

mod descriptor;
mod socket;

use crate::args::FdsArgs;
use crate::failure::Failure;
use crate::process::{Process, user};
use crate::ps::silent;
use crate::text::{columns, harmless};
use descriptor::Descriptor;
use pimento::telling::asker::{self, Descriptors};
use rights::{FcntlRights, Limits, Right, Row};
use serde::Serialize;

/// Of a process nothing, or not everything, could be told.
const PARTLY: u8 = 1;

/// A process, as it is printed.
#[derive(Debug, Serialize)]
struct Listing {
    pid: u32,
    uid: u32,
    user: String,
    command: String,
    #[serde(skip)]
    name: String,
    /// Null: there is no monitor.
    mode: Option<&'static str>,
    monitor: Option<u32>,
    descriptors: Vec<Line>,
}

/// A descriptor, as it is printed.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    descriptor: Descriptor,
    /// Whether anything is limited. This and what follows is null where there is no monitor.
    limited: Option<bool>,
    rights: Option<Vec<&'static str>>,
    /// As the words of a cap_rights_t, in hexadecimal.
    rights_words: Option<[String; 2]>,
    /// The commands of ioctl(2); null also where all are permitted.
    ioctls: Option<Vec<Command>>,
    fcntls: Option<Vec<String>>,
    #[serde(skip)]
    limits: Option<Limits>,
}

/// A command of ioctl(2).
#[derive(Debug, Serialize)]
struct Command {
    value: u32,
    name: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct All {
    processes: Vec<Listing>,
}

/// Prints the descriptors. The exit status is 1 if not everything could be told.
pub fn fds(args: &FdsArgs) -> Result<u8, Failure> {
    let mut status = 0;
    let mut all = All { processes: Vec::new() };
    let mut remarks = Vec::new();
    for &pid in &args.pids {
        match listing(pid, &mut remarks) {
            Ok(listing) => all.processes.push(listing),
            Err(why) => remarks.push(why),
        }
    }
    let text = if args.json {
        let json = serde_json::to_string_pretty(&all);
        json.map_err(|error| Failure::own(format!("cannot write JSON: {error}")))? + "\n"
    } else if all.processes.is_empty() {
        String::new()
    } else {
        text(&all.processes)
    };
    crate::printed(&text)?;
    for remark in remarks {
        status = PARTLY;
        crate::to_stderr(&format!("pimento: {}\n", harmless(&remark)));
    }
    Ok(status)
}

/// What there is to tell of a process, with what is to be remarked beside; or why nothing can be told.
fn listing(pid: u32, remarks: &mut Vec<String>) -> Result<Listing, String> {
    let process = Process::read(pid).map_err(|_| format!("there is no process {pid}"))?;
    if process.process != pid {
        return Err(format!("{pid} is a thread of process {}", process.process));
    }
    let cannot = |error| format!("cannot see what process {pid} ({}) has open: {error}", process.name);
    let descriptors = descriptor::of(pid).map_err(cannot)?;
    let sight = asker::descriptors(pid).map_err(|error| format!("cannot look for monitors: {error}"))?;
    if sight.found.is_none() {
        silent(&sight.silent);
        remarks.push(format!("no monitor answers for process {pid} ({})", process.name));
    }
    let told = sight.found.as_ref();
    let lines = descriptors.into_iter().filter_map(|descriptor| line(descriptor, told));
    Ok(Listing {
        pid,
        uid: process.uid,
        user: user(process.uid),
        command: process.command,
        name: process.name,
        mode: told.map(|told| told.mode.name()),
        monitor: told.map(|told| told.monitor),
        descriptors: lines.collect(),
    })
}

/// None: it only seems to be open.
fn line(descriptor: Descriptor, told: Option<&Descriptors>) -> Option<Line> {
    if told.is_some_and(|told| told.parked.contains(&descriptor.fd)) {
        return None;
    }
    let limits = told.map(|told| told.limits.get(&descriptor.fd).cloned().unwrap_or(Limits::ALL));
    let each = limits.as_ref();
    Some(Line {
        descriptor,
        limited: each.map(|limits| !limits.is_all()),
        rights: each.map(|limits| limits.rights().names().into_iter().map(Row::short_name).collect()),
        rights_words: each.map(|limits| limits.rights().words().map(|word| format!("{word:#018x}"))),
        ioctls: each.and_then(|limits| Some(commands(limits.ioctls().commands()?))),
        fcntls: each.map(|limits| names_of(limits.fcntls())),
        limits,
    })
}

fn names_of(fcntls: FcntlRights) -> Vec<String> {
    let each = [FcntlRights::GETFL, FcntlRights::SETFL, FcntlRights::GETOWN, FcntlRights::SETOWN];
    each.into_iter().filter(|one| fcntls.contains(*one)).map(|one| one.to_string()).collect()
}

fn commands(values: &[u32]) -> Vec<Command> {
    let name = |value: u32| {
        policy::IOCTL
            .commands
            .iter()
            .find(|command| command.value == u64::from(value))
            .map(|command| command.name)
    };
    values.iter().map(|&value| Command { value, name: name(value) }).collect()
}

/// What is left of a descriptor: its rights, and the commands where a right permits only some.
fn left(limits: &Limits) -> String {
    let mut text = limits.rights().to_string();
    let or_none = |words: String| if words.is_empty() { "none".to_owned() } else { words };
    if limits.rights().is_set(Right::IOCTL)
        && let Some(values) = limits.ioctls().commands()
    {
        let names = commands(values)
            .into_iter()
            .map(|command| command.name.map_or_else(|| format!("{:#x}", command.value), str::to_owned));
        text += &format!(" ioctls={}", or_none(names.collect::<Vec<_>>().join(",")));
    }
    if limits.rights().is_set(Right::FCNTL) && limits.fcntls() != FcntlRights::ALL {
        text += &format!(" fcntls={}", limits.fcntls());
    }
    text
}

fn text(listings: &[Listing]) -> String {
    let head = ["PID", "COMM", "FD", "TYPE", "FLAGS", "NAME", "RIGHTS"].map(str::to_owned).to_vec();
    let lines = listings.iter().flat_map(|listing| {
        listing.descriptors.iter().map(|line| {
            vec![
                listing.pid.to_string(),
                harmless(&listing.name),
                line.descriptor.fd.to_string(),
                line.descriptor.kind.clone(),
                line.descriptor.letters(),
                harmless(&line.descriptor.told()),
                line.limits.as_ref().map_or("-".into(), left),
            ]
        })
    });
    columns("", &std::iter::once(head).chain(lines).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rights::{IoctlLimit, Rights};

    #[test]
    fn what_is_left_is_told_in_the_fewest_words() {
        assert_eq!(left(&Limits::ALL), "all");
        assert_eq!(left(&Limits::of(Rights::NONE)), "none");
        // Without CAP_IOCTL and CAP_FCNTL there are no commands to speak of.
        assert_eq!(left(&Limits::of(Rights::of(&[Right::READ, Right::FSTAT]))), "read,fstat");
        let mut limits = Limits::of(Rights::of(&[Right::IOCTL, Right::FCNTL]));
        limits.narrow_ioctls(IoctlLimit::list([0x5401, 0x1234_5678]).unwrap()).unwrap();
        limits.narrow_fcntls(FcntlRights::GETFL).unwrap();
        let expected = format!("{} ioctls=TCGETS,0x12345678 fcntls=getfl", limits.rights());
        assert_eq!(left(&limits), expected);
        limits.narrow_ioctls(IoctlLimit::NONE).unwrap();
        limits.narrow_fcntls(FcntlRights::NONE).unwrap();
        assert!(left(&limits).ends_with(" ioctls=none fcntls=none"));
    }
}
