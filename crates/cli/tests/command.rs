//! The `pimento` command from outside: usage errors, explain, doctor, completions, manual pages. What a program that
//! `run` starts may do is tested elsewhere.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn pimento<S: AsRef<OsStr>>(args: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pimento")).args(args).output().unwrap()
}

fn stdout<S: AsRef<OsStr>>(args: &[S]) -> String {
    let output = pimento(args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The line of a usage error: one, on standard error, with exit status 2 and nothing on standard output.
fn usage_error<S: AsRef<OsStr>>(args: &[S]) -> String {
    let output = pimento(args);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    let line = text.strip_prefix("pimento: ").and_then(|line| line.strip_suffix('\n'));
    line.unwrap_or_else(|| panic!("{text:?}")).to_owned()
}

#[test]
fn a_usage_error_is_one_line_that_says_what_to_do() {
    let cases: &[(&str, &str)] = &[
        ("", "say what to do, for example: pimento run --read . -- ls (see pimento --help)"),
        ("rn", "there is no command \"rn\" (see pimento --help)"),
        ("explian", "there is no command \"explian\"; the nearest is explain (see pimento --help)"),
        (
            "run",
            "say which program to start, for example: pimento run --read . -- ls (see pimento run --help)",
        ),
        (
            "run --raed . -- ls",
            "there is no option \"--raed\"; the nearest is --read (see pimento run --help)",
        ),
        ("run --raed . ls", "there is no option \"--raed\"; the nearest is --read (see pimento run --help)"),
        ("run --read", "--read <DIR> needs a value (see pimento run --help)"),
        ("run --bare --bare -- ls", "--bare is there more than once (see pimento run --help)"),
        (
            "run --report=xml -- ls",
            "--report[=<FORMAT>] cannot be \"xml\"; it can be text or json (see pimento run --help)",
        ),
        ("run --read /nonexistent -- ls", "--read \"/nonexistent\": no such directory"),
        ("run --write /nonexistent -- ls", "--write \"/nonexistent\": no such directory"),
        (
            "run --exec /etc/passwd/x -- ls",
            "--exec \"/etc/passwd/x\": what comes before the last name is not a directory",
        ),
        ("run --libraries /nonexistent -- ls", "--libraries \"/nonexistent\": no such directory"),
        (
            "run --libraries /etc/passwd -- ls",
            "--libraries \"/etc/passwd\": not a directory; name the one that it is in",
        ),
        ("run --dir /nonexistent:read -- ls", "--dir \"/nonexistent\": no such directory"),
        ("run --dir /usr -- ls", "--dir \"/usr\": say DIR:RIGHTS, for example --dir /srv:read,seek,fstat"),
        ("run --dir /usr: -- ls", "--dir \"/usr:\": a right's name is missing; the empty set is called none"),
        (
            "run --dir /usr:raed -- ls",
            "--dir \"/usr:raed\": no right is called \"raed\"; the nearest is read",
        ),
        (
            "run --dir /usr:read,CAP_SEKE -- ls",
            "--dir \"/usr:read,CAP_SEKE\": no right is called \"CAP_SEKE\"; the nearest is seek",
        ),
        ("run --fd x:read -- ls", "--fd \"x:read\": \"x\" is not the number of a descriptor"),
        ("run --fd 3 -- ls", "--fd \"3\": say N:RIGHTS, for example --fd 3:read,seek,fstat"),
        ("run --fd -1:read -- ls", "--fd \"-1:read\": \"-1\" is not the number of a descriptor"),
        ("run --env =x -- ls", "--env \"=x\": say NAME or NAME=VALUE"),
        ("explain", "CALL is missing (see pimento explain --help)"),
        ("explain --all read", "--all cannot go with CALL (see pimento explain --help)"),
        ("explain opneat", "the policy has no system call or command \"opneat\"; the nearest is openat"),
        ("explain ioctl TIOCST", "ioctl has no command \"TIOCST\"; the nearest is TIOCSTI"),
        (
            "explain qqqqqqqq",
            "the policy has no system call or command \"qqqqqqqq\"; pimento explain --all has all that there are",
        ),
        (
            "completions bsh",
            "SHELL cannot be \"bsh\"; it can be bash, elvish, fish, powershell or zsh (see pimento completions --help)",
        ),
        ("fds", "PID is missing (see pimento fds --help)"),
        ("ps 1", "\"1\" is one word too many (see pimento ps --help)"),
        ("doctor now", "\"now\" is one word too many (see pimento doctor --help)"),
    ];
    for (args, expected) in cases {
        let args: Vec<&str> = args.split_whitespace().collect();
        assert_eq!(usage_error(&args), *expected, "{args:?}");
    }
    assert_eq!(usage_error(&["run", "--", ""]), "say which program to start: its name is empty");
    assert!(usage_error(&["run", "--read", "", "--", "ls"]).contains("--read"));
}

#[test]
fn names_that_are_not_utf_8_or_have_control_characters_are_told_in_one_line_too() {
    let dir = OsStr::from_bytes(b"/nonexistent/\xff\n\x1b[2J");
    let line =
        usage_error(&[OsStr::new("run"), OsStr::new("--read"), dir, OsStr::new("--"), OsStr::new("ls")]);
    assert!(line.ends_with("no such directory") && !line.contains('\x1b'), "{line:?}");
    usage_error(&[OsStr::from_bytes(b"\xff\n")]);
    usage_error(&[OsStr::new("run"), OsStr::from_bytes(b"--\xff\n")]);
    usage_error(&[OsStr::new("explain"), OsStr::from_bytes(b"\xff\n\x1b")]);
}

#[test]
fn help_has_examples_and_the_exit_status() {
    let top = stdout(&["--help"]);
    for word in ["run", "explain", "doctor", "completions", "man", "Examples:"] {
        assert!(top.contains(word), "{top}");
    }
    assert!(stdout(&["run", "-h"]).contains("Usage: pimento run [OPTIONS] -- PROGRAM [ARGS]..."));
    let long = stdout(&["run", "--help"]);
    for word in [
        "Examples:",
        "Held directories:",
        "Exit status:",
        "128 + N",
        "125",
        "126",
        "127",
        "mmap_rx",
        "fexecve",
    ] {
        assert!(long.contains(word), "{word}: {long}");
    }
    assert!(!long.contains("0x"), "a set with half a right in it: {long}");
    assert!(stdout(&["--version"]).starts_with("pimento "));
}

#[test]
fn explain_tells_what_the_table_says() {
    let openat = stdout(&["explain", "openat"]);
    for line in [
        "openat (x86_64 257, aarch64 56)\n",
        "in capability mode  refused with ECAPMODE where the directory is AT_FDCWD\n",
        "under pimento run   asks the monitor\n",
        "needs CAP_LOOKUP\n",
        "the access mode is not O_WRONLY\n",
        "the flags have O_CREAT\n",
    ] {
        assert!(openat.contains(line), "{line:?}: {openat}");
    }
    let read = stdout(&["explain", "read"]);
    assert!(read.contains("0  descriptor") && read.contains("needs CAP_READ"), "{read}");
    assert_eq!(stdout(&["explain", "READ", "openat"]), format!("{read}\n{openat}"));
}

#[test]
fn explain_knows_commands_with_and_without_their_call_and_by_value() {
    let told = stdout(&["explain", "ioctl", "TIOCSTI"]);
    assert!(told.starts_with("ioctl TIOCSTI (0x5412)\n"), "{told}");
    assert!(told.contains("refused with ECAPMODE") && told.contains("needs  CAP_IOCTL"), "{told}");
    assert_eq!(stdout(&["explain", "TIOCSTI"]), told);
    assert_eq!(stdout(&["explain", "ioctl", "0x5412"]), told);
    let prctl = stdout(&["explain", "prctl"]);
    assert!(prctl.contains("PR_SET_NAME") && prctl.contains("any other is refused with ECAPMODE"), "{prctl}");
}

#[test]
fn the_whole_policy_comes_as_markdown_tables_with_all_cells() {
    let text = stdout(&["explain", "--all"]);
    assert!(text.starts_with("# The policy\n"));
    for name in ["`openat`", "`cap_enter`", "`TIOCSTI`", "`PR_SET_NAME`", "## Commands of fcntl"] {
        assert!(text.contains(name), "{name}");
    }
    let mut width = 0;
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells = line.replace("\\|", "").matches('|').count();
        if line.starts_with("| call") || line.starts_with("| command") {
            width = cells;
        }
        assert_eq!(cells, width, "{line}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let command = format!("{} explain --all | head -n 1", env!("CARGO_BIN_EXE_pimento"));
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(output.stdout, b"# The policy\n");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn doctor_tells_the_same_in_a_table_and_in_json() {
    let table = pimento(&["doctor"]);
    let json = pimento(&["doctor", "--json"]);
    assert_eq!(table.status, json.status);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["works"], table.status.code() == Some(0));
    let table = String::from_utf8(table.stdout).unwrap();
    let checks = json["checks"].as_array().unwrap();
    assert!(checks.len() >= 15, "{checks:?}");
    for check in checks {
        assert!(table.contains(check["name"].as_str().unwrap()), "{check}");
        assert!(["ok", "without", "missing", "note"].contains(&check["state"].as_str().unwrap()), "{check}");
    }
    let missing = checks.iter().any(|check| check["state"] == "missing");
    assert_eq!(json["works"], !missing);
}

#[test]
fn doctor_leaves_its_own_process_as_it_was() {
    // What cannot be undone is tried in children; nothing of it may be left, nor any child.
    let json: serde_json::Value = serde_json::from_slice(&pimento(&["doctor", "--json"]).stdout).unwrap();
    let found = |name: &str| {
        let checks = json["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["found"].clone()
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(found("seccomp filters here"), field("Seccomp_filters:"));
    assert_eq!(found("no_new_privs"), if field("NoNewPrivs:") == "1" { "set" } else { "not set" });
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&["completions", shell]);
        for word in ["pimento", "clear-env", "doctor"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    let script = stdout(&["completions", "bash"]);
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn the_manual_page_has_its_sections_and_every_option() {
    let page = stdout(&["man"]);
    for section in [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS OF RUN",
        "HELD DIRECTORIES",
        "EXIT STATUS",
        "EXAMPLES",
        "SEE ALSO",
    ] {
        let heading = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
        assert_eq!(
            heading.iter().map(|heading| page.matches(heading).count()).sum::<usize>(),
            1,
            "{section}"
        );
    }
    for option in ["read", "write", "exec", "dir", "libraries", "bare", "fd", "env", "clear\\-env", "report"]
    {
        assert!(page.contains(&format!("\\-\\-{option}")), "{option}: {page}");
    }
}

#[test]
fn all_manual_pages_are_written_into_a_directory() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man-pages/deep");
    let _ = std::fs::remove_dir_all(&dir);
    assert_eq!(stdout(&[OsStr::new("man"), OsStr::new("--dir"), dir.as_os_str()]), "");
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["completions", "doctor", "explain", "fds", "man", "ps", "run"]
        .map(|name| format!("pimento-{name}.1"));
    assert_eq!(names[..7], expected);
    assert_eq!(names[7..], ["pimento.1"]);
    let page = std::fs::read_to_string(dir.join("pimento-run.1")).unwrap();
    assert!(page.contains(".SH \"EXIT STATUS\"") && page.contains("ENOTCAPABLE"), "{page}");
}

#[test]
fn a_directory_that_cannot_be_written_is_one_line() {
    let output = pimento(&["man", "--dir", "/proc/nonexistent"]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches('\n').count(), 1);
}
