//! `pimento run`: the command line to a launch, and the report at its end.

use crate::args::{ReportFormat, RunArgs};
use crate::failure::{self, Failure};
use crate::holding::{EXEC, Holding, READ, WRITE, environment, libraries, split_rights};
use crate::text::{columns, harmless};
use pimento::Rights;
use pimento::launch::{self, Ended, Launch, LaunchError, Limits, Outcome, Refusal};
use serde::Serialize;
use std::ffi::{OsStr, OsString};

/// Starts the program, and ends as it does.
pub fn run(args: RunArgs) -> Result<u8, Failure> {
    let report = args.report;
    let launch = launch(args)?;
    let outcome = launch::run(&launch).map_err(|error| Failure::new(status_of(&error), error.to_string()))?;
    let status = match outcome.ended {
        Ended::Exited(status) => status as u8,
        Ended::Killed(signal) => (128 + signal) as u8,
    };
    match report {
        None => {}
        Some(ReportFormat::Text) => crate::to_stderr(&text(&launch.program, &outcome)),
        Some(ReportFormat::Json) => crate::to_stderr(&(json(&launch.program, &outcome, status) + "\n")),
    }
    Ok(status)
}

/// What the options ask for.
fn launch(args: RunArgs) -> Result<Launch, Failure> {
    let mut holding = Holding::default();
    let sets = [("--read", &args.read, READ), ("--write", &args.write, WRITE), ("--exec", &args.exec, EXEC)];
    for (option, dirs, rights) in sets {
        for dir in dirs {
            holding.add(option, dir, rights)?;
        }
    }
    for word in &args.dir {
        holding.add_exact(word)?;
    }
    let env = environment(std::env::vars_os(), &args.env, args.clear_env)?;
    let mut words = args.program.into_iter();
    let program = words.next().filter(|program| !program.is_empty());
    let program = program.ok_or_else(|| Failure::usage("say which program to start: its name is empty"))?;
    Ok(Launch {
        program,
        args: words.collect(),
        env,
        held: holding.into_held(),
        libraries: libraries(&args.libraries)?,
        default_set: !args.bare,
        descriptors: descriptors(&args.fd)?,
        report: args.report.is_some(),
    })
}

/// The descriptors to pass on. Several options for one amount to all that they say.
fn descriptors(words: &[OsString]) -> Result<Vec<(i32, Limits)>, Failure> {
    let mut descriptors: Vec<(i32, Rights)> = Vec::new();
    for word in words {
        let (fd, rights) = split_rights("--fd", "N", word)?;
        let number = fd.to_str().and_then(|fd| fd.parse().ok()).filter(|number| *number >= 0);
        let number: i32 = number.ok_or_else(|| {
            Failure::usage(format!("--fd {word:?}: {fd:?} is not the number of a descriptor"))
        })?;
        match descriptors.iter_mut().find(|(known, _)| *known == number) {
            Some((_, all)) => *all = all.union(&rights),
            None => descriptors.push((number, rights)),
        }
    }
    Ok(descriptors.into_iter().map(|(number, rights)| (number, Limits::of(rights))).collect())
}

/// The exit status of a program that could not be started, as a shell would have it.
fn status_of(error: &LaunchError) -> u8 {
    match error {
        LaunchError::NoProgram(_) => failure::NOT_FOUND,
        LaunchError::CannotStart { .. } => failure::CANNOT_START,
        LaunchError::CannotHold { .. } | LaunchError::NotWithheld { .. } => failure::USAGE,
        _ => failure::OWN,
    }
}

fn errno_name(errno: i32) -> String {
    match errno {
        rights::ECAPMODE => "ECAPMODE".into(),
        rights::ENOTCAPABLE => "ENOTCAPABLE".into(),
        other => other.to_string(),
    }
}

fn text(program: &OsStr, outcome: &Outcome) -> String {
    let program = harmless(&program.to_string_lossy());
    let end = match outcome.ended {
        Ended::Exited(status) => format!("exited with {status}"),
        Ended::Killed(signal) => format!("was killed by signal {signal}"),
    };
    if outcome.refused.is_empty() {
        return format!("pimento: {program} {end}; nothing was refused\n");
    }
    let times: u64 = outcome.refused.iter().map(|refusal| refusal.times).sum();
    let calls = if times == 1 { "1 call was".into() } else { format!("{times} calls were") };
    let mut rows = vec![["TIMES", "CALL", "ERROR", "OBJECT", "ALLOW WITH"].map(String::from).to_vec()];
    rows.extend(outcome.refused.iter().map(|refusal| {
        vec![
            format!("{:>5}", refusal.times),
            harmless(&refusal.call),
            errno_name(refusal.errno),
            if refusal.object.is_empty() { "-".into() } else { harmless(&refusal.object) },
            harmless(refusal.allow_with.as_deref().unwrap_or("-")),
        ]
    }));
    format!("pimento: {program} {end}; {calls} refused\n{}", columns("  ", &rows))
}

/// The report as `--report=json` prints it, in one line.
#[derive(Serialize)]
struct Report<'r> {
    program: String,
    status: u8,
    signal: Option<i32>,
    refused: Vec<Entry<'r>>,
}

#[derive(Serialize)]
struct Entry<'r> {
    call: &'r str,
    object: &'r str,
    errno: String,
    times: u64,
    allow_with: Option<&'r str>,
}

impl<'r> From<&'r Refusal> for Entry<'r> {
    fn from(refusal: &'r Refusal) -> Entry<'r> {
        Entry {
            call: &refusal.call,
            object: &refusal.object,
            errno: errno_name(refusal.errno),
            times: refusal.times,
            allow_with: refusal.allow_with.as_deref(),
        }
    }
}

fn json(program: &OsStr, outcome: &Outcome, status: u8) -> String {
    let report = Report {
        program: program.to_string_lossy().into_owned(),
        status,
        signal: match outcome.ended {
            Ended::Killed(signal) => Some(signal),
            Ended::Exited(_) => None,
        },
        refused: outcome.refused.iter().map(Entry::from).collect(),
    };
    serde_json::to_string(&report).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            ended: Ended::Killed(15),
            refused: vec![
                Refusal {
                    call: "openat".into(),
                    object: "/etc/passwd".into(),
                    errno: rights::ECAPMODE,
                    times: 3,
                    allow_with: Some("--read /etc".into()),
                },
                Refusal {
                    call: "kill".into(),
                    object: "\x1b[2J".into(),
                    errno: rights::ECAPMODE,
                    times: 1,
                    allow_with: None,
                },
            ],
        }
    }

    /// The launch that a command line asks for. `|` separates its words.
    fn launch_of(line: &str) -> Launch {
        let words: Vec<std::ffi::OsString> = line.split('|').map(Into::into).collect();
        match crate::args::Args::read(&words).unwrap().command {
            crate::args::Command::Run(args) => launch(*args).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_follows_the_program_is_the_program_s() {
        for line in ["pimento|run|--bare|--|sh|-c|x|--|--read|/", "pimento|run|--bare|sh|-c|x|--|--read|/"] {
            let launch = launch_of(line);
            assert_eq!(launch.program, "sh");
            assert_eq!(launch.args, ["-c", "x", "--", "--read", "/"], "{line}");
            assert!(launch.held.is_empty() && !launch.default_set && !launch.report);
        }
        let dashed = launch_of("pimento|run|--|--help|-h");
        assert_eq!((dashed.program.to_str(), &dashed.args[..]), (Some("--help"), &["-h".into()][..]));
    }

    #[test]
    fn options_become_a_launch() {
        let launch = launch_of(
            "pimento|run|--write=/tmp|--exec|/tmp/|--dir|/:lookup|--report|--clear-env|--env|A=b|x",
        );
        assert_eq!(launch.env, [("A".into(), "b".into())]);
        assert!(launch.report && launch.default_set);
        let held: Vec<_> =
            launch.held.iter().map(|held| (held.path.to_str().unwrap(), held.rights)).collect();
        assert_eq!(held, [("/tmp", WRITE.union(&EXEC)), ("/", "lookup".parse().unwrap())]);
    }

    #[test]
    fn a_report_is_a_table_that_no_path_can_disturb() {
        let expected = "\
pimento: cat was killed by signal 15; 4 calls were refused
  TIMES  CALL    ERROR     OBJECT       ALLOW WITH
      3  openat  ECAPMODE  /etc/passwd  --read /etc
      1  kill    ECAPMODE  \\u{1b}[2J    -
";
        assert_eq!(text(OsStr::new("cat"), &outcome()), expected);
        let quiet = Outcome { ended: Ended::Exited(0), refused: Vec::new() };
        assert_eq!(text(OsStr::new("cat"), &quiet), "pimento: cat exited with 0; nothing was refused\n");
    }

    #[test]
    fn a_report_in_json_is_one_object_in_one_line() {
        let line = json(OsStr::new("cat"), &outcome(), 143);
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["program"], "cat");
        assert_eq!(value["status"], 143);
        assert_eq!(value["signal"], 15);
        assert_eq!(value["refused"][0]["errno"], "ECAPMODE");
        assert_eq!(value["refused"][0]["allow_with"], "--read /etc");
        assert_eq!(value["refused"][1]["object"], "\x1b[2J");
        assert_eq!(value["refused"][1]["allow_with"], serde_json::Value::Null);
    }
}
