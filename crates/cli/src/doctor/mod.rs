//! `pimento doctor`: which of the kernel's features are here, what is missing, and what that costs.
//!
//! Features are tried, not guessed from the release: distributions port them back, and containers take them away.

mod probe;

use crate::args::DoctorArgs;
use crate::failure::Failure;
use crate::text::{columns, harmless};
use probe::Answer;
use serde::Serialize;

/// The release that is promised to have everything that is needed.
const PROMISED: (u32, u32) = (5, 19);

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// There.
    Ok,
    /// Not there, and `pimento run` works without it.
    Without,
    /// Not there, and needed.
    Missing,
    /// Worth knowing.
    Note,
}

/// A check, as it is printed.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'static str>,
    /// What is to be said of it; where it is missing, what that costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Diagnosis {
    kernel: String,
    machine: String,
    works: bool,
    checks: Vec<Check>,
}

/// Prints the diagnosis. The exit status is 0 if `pimento run` can work here, else 1.
pub fn doctor(args: &DoctorArgs) -> Result<u8, Failure> {
    let diagnosis = diagnose();
    let text = if args.json {
        let json = serde_json::to_string_pretty(&diagnosis);
        json.map_err(|error| Failure::own(format!("cannot write JSON: {error}")))? + "\n"
    } else {
        text(&diagnosis)
    };
    crate::printed(&text)?;
    Ok(u8::from(!diagnosis.works))
}

fn text(diagnosis: &Diagnosis) -> String {
    let rows: Vec<Vec<String>> = diagnosis
        .checks
        .iter()
        .map(|check| {
            let mark = match check.state {
                State::Ok => "ok",
                State::Without => "--",
                State::Missing => "NO",
                State::Note => "  ",
            };
            let note = check.note.clone().unwrap_or_default();
            vec![mark.into(), check.name.into(), harmless(&check.found), note]
        })
        .collect();
    let end = if diagnosis.works {
        "pimento run works here.".to_owned()
    } else {
        let missing = diagnosis.checks.iter().filter(|check| check.state == State::Missing);
        let missing: Vec<String> = missing.map(|check| check.name.to_owned()).collect();
        format!("pimento run cannot work here, for want of: {}.", crate::text::listed(&missing, "and"))
    };
    let kernel = harmless(&diagnosis.kernel);
    format!("Linux {kernel} on {}\n\n{}\n{end}\n", diagnosis.machine, columns("  ", &rows))
}

fn diagnose() -> Diagnosis {
    let uname = rustix::system::uname();
    let kernel = uname.release().to_string_lossy().into_owned();
    let machine = uname.machine().to_string_lossy().into_owned();
    let mut checks = vec![release(&kernel), architecture(&machine)];
    checks.extend(notifications());
    checks.extend(reach());
    checks.extend(paths());
    checks.extend(surroundings());
    let works = checks.iter().all(|check| check.state != State::Missing);
    Diagnosis { kernel, machine, works, checks }
}

/// A feature without which nothing works.
fn needed(name: &'static str, since: &'static str, answer: Answer, use_of_it: &str) -> Check {
    feature(name, since, answer, State::Missing, use_of_it)
}

/// A feature without which something is slower, or less well guarded.
fn wanted(name: &'static str, since: &'static str, answer: Answer, cost: &str) -> Check {
    feature(name, since, answer, State::Without, cost)
}

fn feature(name: &'static str, since: &'static str, answer: Answer, otherwise: State, note: &str) -> Check {
    let (state, found, note) = match answer {
        Ok(()) => (State::Ok, "yes".into(), None),
        Err(probe::UNTRIED) => (State::Note, "not tried".into(), None),
        // The kernel knows it: somebody keeps it from us.
        Err(error @ (libc::EPERM | libc::EACCES | rights::ECAPMODE)) => {
            let note = format!("forbidden here, perhaps by a container's seccomp profile; {note}");
            (otherwise, format!("no ({})", probe::errno_name(error)), Some(note))
        }
        Err(error) => {
            let note = format!("since Linux {since}; {note}");
            (otherwise, format!("no ({})", probe::errno_name(error)), Some(note))
        }
    };
    Check { name, state, found, since: Some(since), note }
}

fn release(kernel: &str) -> Check {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let found: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let promised = found >= PROMISED;
    let note = (!promised).then(|| "older than 5.19, from which on it is promised to work".to_owned());
    let state = if promised { State::Ok } else { State::Without };
    Check { name: "kernel release", state, found: format!("{}.{}", found.0, found.1), since: None, note }
}

fn architecture(machine: &str) -> Check {
    let known = ["x86_64", "aarch64"].contains(&machine);
    let note = (!known).then(|| "the policy has the numbers of x86_64 and aarch64".to_owned());
    let state = if known { State::Ok } else { State::Missing };
    Check { name: "architecture", state, found: machine.into(), since: None, note }
}

/// What the filter and the monitor talk over.
fn notifications() -> Vec<Check> {
    let sizes = match probe::notification_sizes() {
        Ok(sizes) if sizes == probe::KNOWN_SIZES => Check {
            name: "notification sizes",
            state: State::Ok,
            found: format!("{}, {}, {}", sizes[0], sizes[1], sizes[2]),
            since: Some("5.0"),
            note: None,
        },
        Ok(sizes) => Check {
            name: "notification sizes",
            state: State::Note,
            found: format!("{}, {}, {}", sizes[0], sizes[1], sizes[2]),
            since: Some("5.0"),
            note: Some("larger than known: a newer kernel says more than is asked".into()),
        },
        Err(error) => needed(
            "notification sizes",
            "5.0",
            Err(error),
            "the monitor is asked in structures of these sizes",
        ),
    };
    let listener = probe::listener();
    let installed = match listener.installed {
        Err(libc::EBUSY) => Check {
            name: "a listener of our own",
            state: State::Missing,
            found: "no (EBUSY)".into(),
            since: None,
            note: Some(
                "another supervisor listens to this process already, perhaps another pimento run or a container's; \
                 the kernel allows one"
                    .into(),
            ),
        },
        answer => needed("a listener of our own", "5.0", answer, "the monitor cannot be attached"),
    };
    vec![
        needed(
            "seccomp notification",
            "5.0",
            probe::user_notification(),
            "without it there is no asking a monitor; the kernel needs CONFIG_SECCOMP_FILTER",
        ),
        sizes,
        installed,
        needed(
            "killable receive",
            "5.19",
            probe::wait_killable(),
            "without it a signal would restart calls that were performed already",
        ),
        needed(
            "descriptor handover",
            "5.14",
            listener.add_fd,
            "the monitor could not hand over what it opened",
        ),
        wanted(
            "sync wake-up",
            "6.6",
            listener.sync_wake_up,
            "without it each question costs about ten times as much",
        ),
    ]
}

/// Whether the monitor can reach what it watches.
fn reach() -> Vec<Check> {
    let child = probe::reach_child();
    vec![
        needed(
            "descriptors of a child",
            "5.6",
            child.descriptors,
            "the monitor takes copies of them, with pidfd_getfd(2)",
        ),
        needed(
            "memory of a child",
            "3.2",
            child.memory,
            "the monitor reads paths there, with process_vm_readv(2)",
        ),
        wanted(
            "kcmp",
            "3.5",
            probe::kcmp(),
            "without it shared descriptor tables are told apart from what is seen",
        ),
        yama(),
    ]
}

fn yama() -> Check {
    let name = "Yama ptrace_scope";
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    let (found, note) = match scope.as_deref().map(str::trim) {
        Ok("0") => ("0", "processes of one user reach each other"),
        Ok("1") => ("1", "only ancestors reach a process, and the monitor is one"),
        Ok("2") => ("2", "only CAP_SYS_PTRACE reaches another process"),
        Ok("3") => ("3", "nobody reaches another process"),
        Ok(other) => (other, "not known"),
        Err(_) => ("not there", "processes of one user reach each other"),
    };
    Check { name, state: State::Note, found: found.into(), since: None, note: Some(note.into()) }
}

/// Looking up and changing strictly beneath a directory.
fn paths() -> Vec<Check> {
    let abi = probe::landlock_abi();
    let landlock = match abi {
        Ok(abi) => Check {
            name: "Landlock",
            state: State::Ok,
            found: format!("ABI {abi}"),
            since: Some("5.13"),
            note: Some(if abi >= 6 {
                "guards execution and the scope of signals a second time".into()
            } else {
                "guards execution a second time; from ABI 6 (6.12) on signals, too".into()
            }),
        },
        Err(error) => {
            wanted("Landlock", "5.13", Err(error), "without it nothing guards execution a second time")
        }
    };
    vec![
        needed(
            "openat2",
            "5.6",
            probe::openat2(),
            "the monitor looks up strictly beneath a directory with it",
        ),
        wanted("fchmodat2", "6.6", probe::fchmodat2(), "without it modes are changed through /proc"),
        landlock,
    ]
}

/// What this process was born into.
fn surroundings() -> Vec<Check> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or("not known").to_owned()
    };
    let filters = field("Seccomp_filters");
    let under_filters = !["0", "not known"].contains(&filters.as_str());
    let (soft, hard) = probe::descriptor_limit();
    let limit = |limit: Option<u64>| limit.map_or("none".into(), |limit| limit.to_string());
    let few = soft.is_some_and(|soft| soft < 256);
    vec![
        Check {
            name: "seccomp filters here",
            state: State::Note,
            found: filters,
            since: None,
            note: under_filters.then(|| "every call of the program passes through these, too".into()),
        },
        Check {
            name: "no_new_privs",
            state: State::Note,
            found: if probe::no_new_privs() { "set" } else { "not set" }.into(),
            since: None,
            note: Some("pimento run sets it: set-user-id programs gain nothing".into()),
        },
        Check {
            name: "descriptor limit",
            state: if few { State::Without } else { State::Ok },
            found: format!("{}, at most {}", limit(soft), limit(hard)),
            since: None,
            note: few.then(|| "the monitor needs some of its own; see ulimit -n".into()),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        for (kernel, state) in [
            ("6.18.44-fc", State::Ok),
            ("5.19.0", State::Ok),
            ("5.9.1", State::Without),
            ("10.0-rc1", State::Ok),
            ("odd", State::Without),
        ] {
            assert_eq!(release(kernel).state, state, "{kernel}");
        }
    }

    #[test]
    fn one_missing_need_is_named_at_the_end() {
        let checks = vec![
            needed("openat2", "5.6", Err(libc::ENOSYS), "lookups"),
            wanted("fchmodat2", "6.6", Err(libc::ENOSYS), "slower"),
        ];
        let text = text(&Diagnosis { kernel: "5.4".into(), machine: "x86_64".into(), works: false, checks });
        assert!(text.contains("NO  openat2    no (ENOSYS)  since Linux 5.6; lookups"), "{text}");
        assert!(text.ends_with("pimento run cannot work here, for want of: openat2.\n"), "{text}");
    }
}
