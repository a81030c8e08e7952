//! How `pimento run` stands for its program towards the world: exit status, signals, pipes, terminals, environment,
//! what is held and how paths lead through it, the report.

mod support;

use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{
    Case, ECAPMODE, ENOTCAPABLE, Run, Running, Scratch, User, eventually, finish, have, run_under,
    shell_status, users,
};

const ALL: &[&str] = &["--write", ".", "--exec", "/usr", "--read", "/etc"];

fn sh(user: User, options: &[&str], script: &str) -> Run {
    let scratch = Scratch::new(user);
    scratch.under(options, &["/usr/bin/bash", "-c", script], b"")
}

#[test]
fn the_exit_status_is_the_program_s() {
    for &user in users() {
        for (script, status) in [
            ("exit 0", 0),
            ("exit 1", 1),
            ("exit 255", 255),
            ("kill -TERM $$", 128 + 15),
            ("kill -KILL $$", 128 + 9),
            ("kill -SEGV $$", 128 + 11),
            ("exec 2> /dev/null; trap '' PIPE; exit 3", 3),
            ("true & disown; exit 4", 4),
        ] {
            assert_eq!(sh(user, ALL, script).code(), Some(status), "as {user:?}: {script}");
        }
    }
}

#[test]
fn what_cannot_be_started_is_one_line_with_the_shell_s_status() {
    for &user in users() {
        let scratch = Scratch::new(user);
        scratch.script("echo not a program > text; chmod 755 text; echo x > plain; printf '#!/no/such\n' > lost; chmod 755 lost");
        for (line, status, told) in [
            (&["no-such-program"][..], 127, "no such program"),
            (&["./nothing"], 127, "no such program"),
            (&["./plain"], 126, "cannot be started"),
            (&["./"], 126, "cannot be started"),
            (&["./lost"], 126, "cannot be started"),
        ] {
            let run = scratch.under(ALL, line, b"");
            assert_eq!(run.code(), Some(status), "as {user:?}: {line:?}: {run}");
            assert!(run.stderr.contains(told) && run.stderr.matches('\n').count() == 1, "{line:?}: {run}");
            assert!(run.stdout.is_empty(), "{run}");
        }
    }
}

#[test]
fn standard_streams_are_the_program_s_own() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let megabyte = "0123456789abcde\n".repeat(1 << 16);
        let run = scratch.under(&[], &["/usr/bin/cat"], megabyte.as_bytes());
        assert!(run.good().stdout == megabyte, "cat has lost something");
        let run = scratch.under(ALL, &["/usr/bin/bash", "-c", "cat >&2; echo out"], b"err\n");
        assert_eq!((&*run.stdout, &*run.stderr), ("out\n", "err\n"));
        // A reader that has had enough ends the writer, as in any pipeline.
        let mut yes = run_under(user, &[], &["/usr/bin/yes"]);
        scratch.settle(yes.stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut yes = Running::start(yes);
        let mut out = BufReader::new(yes.0.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "y\n");
        drop(out);
        assert_eq!(shell_status(yes.wait()), 128 + 13);
        // Closed ones stay closed, and files stay files.
        let script = "exec \"$0\" run -- /usr/bin/cat <&-";
        let mut closed = user.command("/usr/bin/bash");
        closed.args(["-c", script]).arg(support::pimento());
        scratch.settle(&mut closed);
        let run = finish(closed, b"");
        assert!(run.code() == Some(1) && run.stderr.contains("Bad file descriptor"), "{run}");
    }
}

/// Starts bash under pimento, with its standard output to read.
fn bash(user: User, scratch: &Scratch, script: &str) -> (Running, BufReader<std::process::ChildStdout>) {
    let mut command = run_under(user, ALL, &["/usr/bin/bash", "-c", script]);
    scratch.settle(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    let mut running = Running::start(command);
    let out = BufReader::new(running.0.stdout.take().unwrap());
    (running, out)
}

fn line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn signals_sent_to_pimento_reach_the_program() {
    for &user in users() {
        let scratch = Scratch::new(user);
        for (signal, name) in [
            (Signal::TERM, "TERM"),
            (Signal::INT, "INT"),
            (Signal::HUP, "HUP"),
            (Signal::QUIT, "QUIT"),
            (Signal::USR1, "USR1"),
            (Signal::USR2, "USR2"),
            (Signal::ALARM, "ALRM"),
            (Signal::WINCH, "WINCH"),
        ] {
            let script =
                format!("trap 'echo trapped; exit 5' {name}; echo ready; while :; do sleep 0.01; done");
            let (mut running, mut out) = bash(user, &scratch, &script);
            assert_eq!(line(&mut out), "ready\n");
            running.signal(signal);
            assert_eq!(line(&mut out), "trapped\n", "as {user:?}: {name}");
            assert_eq!(running.wait().code(), Some(5), "as {user:?}: {name}");
        }
        let (mut running, mut out) = bash(user, &scratch, "echo ready; exec sleep 60");
        line(&mut out);
        running.signal(Signal::TERM);
        assert_eq!(shell_status(running.wait()), 128 + 15);
    }
}

#[test]
fn killing_pimento_kills_the_program() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let (mut running, mut out) = bash(user, &scratch, "echo ready; exec sleep 60");
        line(&mut out);
        running.signal(Signal::KILL);
        running.wait();
        // The pipe closes with the last process that has it.
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
}

/// The state letter of a process.
fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

#[test]
fn a_program_that_stops_shows_as_stopped_and_continues() {
    for &user in users() {
        let scratch = Scratch::new(user);
        for how in ["STOP", "TSTP", "TTIN"] {
            let (mut running, mut out) =
                bash(user, &scratch, &format!("echo ready; kill -{how} $$; echo on"));
            assert_eq!(line(&mut out), "ready\n");
            eventually("pimento has stopped with its program", || state(running.0.id()) == 'T');
            running.signal(Signal::CONT);
            assert_eq!(line(&mut out), "on\n", "as {user:?}: {how}");
            assert_eq!(running.wait().code(), Some(0));
        }
        // Asked from outside, it stops too.
        let script = "trap 'on=1' CONT; echo ready; until [ \"$on\" ]; do sleep 0.01; done; echo on";
        let (mut running, mut out) = bash(user, &scratch, script);
        line(&mut out);
        running.signal(Signal::TSTP);
        eventually("pimento has stopped", || state(running.0.id()) == 'T');
        running.signal(Signal::CONT);
        assert_eq!(line(&mut out), "on\n");
        running.wait();
    }
}

#[test]
fn a_program_that_is_killed_while_it_is_stopped_ends() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let (mut running, mut out) = bash(user, &scratch, "echo $$; exec sleep 60");
        let program: u32 = line(&mut out).trim().parse().unwrap();
        let tell = |signal| {
            let program = rustix::process::Pid::from_raw(program as i32).unwrap();
            rustix::process::kill_process(program, signal).unwrap();
        };
        // However late pimento comes to it: here not before its program is dead.
        running.signal(Signal::STOP);
        eventually("pimento has stopped", || state(running.0.id()) == 'T');
        tell(Signal::STOP);
        eventually("its program has stopped", || state(program) == 'T');
        // Time to notice that: without, this would show less.
        std::thread::sleep(Duration::from_millis(200));
        tell(Signal::KILL);
        assert_eq!(shell_status(running.wait()), 128 + 9, "as {user:?}");
        // And from within, as fast as it goes.
        for _ in 0..20 {
            let run = sh(user, ALL, "(kill -STOP $$; kill -KILL $$) & wait");
            assert_eq!(run.code(), Some(128 + 9), "as {user:?}: {run}");
        }
    }
}

#[test]
fn what_outlives_the_program_goes_on_and_keeps_nobody_waiting() {
    for &user in users() {
        let scratch = Scratch::new(user);
        // It goes on only when the program's end has been seen here.
        let script = "(exec > /dev/null 2>&1 < /dev/null; trap '' HUP; for i in {1..10000}; do \
                      [ -e go ] && break; sleep 0.02; done; cat /etc/hostname > late; \
                      cat ../out/secret > stolen; mkdir done) & exit 6";
        scratch.file("out/secret", "secret\n", 0o666);
        let run = scratch.under(ALL, &["/usr/bin/bash", "-c", script], b"");
        assert_eq!(run.code(), Some(6), "{run}");
        assert!(!scratch.inside().join("done").exists());
        scratch.file("in/go", "", 0o644);
        eventually("what was left is done", || scratch.inside().join("done").exists());
        let hostname = fs::read_to_string("/etc/hostname").unwrap();
        assert_eq!(fs::read_to_string(scratch.inside().join("late")).unwrap(), hostname);
        assert_eq!(fs::read_to_string(scratch.inside().join("stolen")).unwrap(), "");
    }
}

#[test]
fn run_inside_run_says_in_a_line_why_not() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let pimento = support::pimento().to_str().unwrap();
        let options = [ALL, &["--exec", pimento]].concat();
        let run = scratch.under(&options, &[pimento, "run", "--", "/usr/bin/true"], b"");
        assert_eq!(run.code(), Some(125), "as {user:?}: {run}");
        assert!(run.stderr.contains("seccomp listener") && run.stderr.matches('\n').count() == 1, "{run}");
    }
}

#[test]
fn the_environment_is_what_the_options_say() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let env = |options: &[&str]| {
            let mut command = run_under(user, options, &["/usr/bin/env"]);
            scratch.settle(command.env_clear().env("A", "a").env("B", "b"));
            let run = finish(command, b"");
            let mut lines: Vec<String> = run.good().stdout.lines().map(Into::into).collect();
            lines.sort();
            lines.retain(|line| !line.starts_with("HOME") && !line.starts_with("TMPDIR"));
            lines
        };
        assert_eq!(env(&[]), ["A=a", "B=b"]);
        assert_eq!(env(&["--env", "A=x", "--env", "C="]), ["A=x", "B=b", "C="]);
        assert_eq!(env(&["--clear-env"]), [""; 0]);
        assert_eq!(env(&["--clear-env", "--env", "B", "--env", "D=d", "--env", "E"]), ["B=b", "D=d"]);
    }
}

#[test]
fn links_lead_from_one_held_directory_to_another() {
    let setup = "mkdir -p ../out/held/dir ../out/not; echo there > ../out/held/file; echo no > ../out/not/file
                 ln -s ../out/held/file rel; ln -s \"$PWD/../out/held\" abs; ln -s ../../in ../out/held/back; echo here > here
                 ln -s rel chain; ln -s abs/back/chain long; ln -s ../out/not/file bad; ln -s loop loop; ln -s ../out up";
    for &user in users() {
        let scratch = Scratch::new(user);
        scratch.script(setup);
        let options = ["--write", ".", "--read", "../out/held", "--exec", "/usr"];
        for (script, out) in [
            (
                "cat rel abs/file chain long abs/back/here up/held/file",
                "there\nthere\nthere\nthere\nhere\nthere\n",
            ),
            ("cat ../out/held/file ../out/../in/here abs/../held/file", "there\nhere\nthere\n"),
            (
                "cd abs; cat file ../../in/here; cd dir; cat ../file; cd ../back; cat here",
                "there\nhere\nthere\nhere\n",
            ),
            (
                "cd abs; pwd -P | sed s,.*/,,; cd -P ..; pwd | sed s,.*/,,; cd held && cat file",
                "held\nout\nthere\n",
            ),
            ("readlink rel chain; stat -Lc %F abs rel", "../out/held/file\nrel\ndirectory\nregular file\n"),
            ("echo more > abs/back/made; cat made; echo x >> abs/back/here; wc -l < here", "more\n2\n"),
            ("cat /proc/self/cwd/../out/held/file /proc/self/fd/../cwd/here", "there\nhere\nx\n"),
            ("exec 7< .; cat /proc/self/fd/7/here /dev/fd/7/../out/held/file", "here\nx\nthere\n"),
            (
                "/bin/echo bin; /usr/bin/../bin/echo dots; /lib64/../bin/echo lib; /bin/sh -c 'echo sh'",
                "bin\ndots\nlib\nsh\n",
            ),
            (
                "ls -d /bin /lib/os-release /usr/lib/os-release; readlink /bin",
                "/bin\n/lib/os-release\n/usr/lib/os-release\nusr/bin\n",
            ),
        ] {
            let run = scratch.under(&options, &["/usr/bin/bash", "-c", script], b"");
            assert_eq!(run.good().stdout, out, "as {user:?}: {script}: {run}");
        }
        for (script, errno) in [
            ("cat bad", ENOTCAPABLE),
            ("cat up/not/file", ENOTCAPABLE),
            ("cat abs/../not/file", ENOTCAPABLE),
            ("echo x > rel", ENOTCAPABLE),
            ("echo x > abs/new", ENOTCAPABLE),
            ("cat loop", libc::ELOOP),
        ] {
            let run = scratch.under(&options, &["/usr/bin/bash", "-c", script], b"");
            let told = match errno {
                libc::ELOOP => "Too many levels".to_owned(),
                errno => format!("error {errno}"),
            };
            assert!(run.stderr.contains(&told), "as {user:?}: {script}: {run}");
        }
    }
}

#[test]
fn a_directory_is_held_with_exactly_the_rights_that_are_named() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    const CODE: &str = "
import os, sys
def attempt(what, done):
    try: done(); print(what, 'done')
    except OSError as e: print(what, e.errno)
attempt('stat', lambda: os.stat('d/file'))
attempt('read', lambda: open('d/file').read())
attempt('list', lambda: os.listdir('d'))
attempt('write', lambda: os.write(os.open('d/file', os.O_WRONLY), b'x'))
attempt('create', lambda: os.close(os.open('d/new', os.O_CREAT | os.O_WRONLY)))
attempt('mkdir', lambda: os.mkdir('d/dir'))
attempt('unlink', lambda: os.unlink('d/file'))
attempt('chmod', lambda: os.chmod('d/other', 0o600))
attempt('chdir', lambda: (os.chdir('d'), os.chdir('..')))
";
    let with = |extra: &str| format!("d:read,lookup,{extra}{}", FLOOR.join(","));
    let base = [("stat", 0), ("read", 0), ("list", 0)];
    let rest = ["write", "create", "mkdir", "unlink", "chmod", "chdir"];
    for &user in users() {
        for (option, allowed) in [
            (with(""), &[][..]),
            (with("write,"), &["write"]),
            (with("write,create,"), &["write", "create"]),
            (with("mkdirat,"), &["mkdir"]),
            (with("unlinkat,"), &["unlink"]),
            (with("fchmod,"), &["chmod"]),
            (with("fchdir,"), &["chdir"]),
        ] {
            let scratch = Scratch::new(user);
            scratch.script("mkdir d; echo x > d/file; echo y > d/other");
            let options = ["--dir", &option, "--exec", "/usr", "--read", "/etc"];
            let run = scratch.under(&options, &["/usr/bin/python3", "-c", CODE], b"");
            let mut expected: String = base.iter().map(|(what, _)| format!("{what} done\n")).collect();
            for what in rest {
                let done = if allowed.contains(&what) { "done".into() } else { ENOTCAPABLE.to_string() };
                expected += &format!("{what} {done}\n");
            }
            assert_eq!(run.good().stdout, expected, "as {user:?}: {option}");
        }
        // Looking things up alone: to be named, and nothing else.
        let scratch = Scratch::new(user);
        scratch.script("mkdir d; echo x > d/file");
        let options = ["--dir", "d:lookup,fstat", "--exec", "/usr", "--read", "/etc"];
        let run = scratch.under(&options, &["/usr/bin/python3", "-c", CODE], b"");
        assert!(run.stdout.starts_with("stat done\nread 1093\nlist 1093\nwrite 1093\n"), "{run}");
        // What cannot be withheld is asked for.
        let run = scratch.under(&["--dir", "d:read,lookup"], &["/usr/bin/true"], b"");
        assert!(run.code() == Some(2) && run.stderr.contains("every file that a program opens"), "{run}");
    }
}

/// What descriptors can do that are opened in a held directory, for now.
const FLOOR: &[&str] = &[
    "seek",
    "mmap",
    "mmap_x",
    "fsync",
    "fstat",
    "fstatfs",
    "fpathconf",
    "fcntl",
    "flock",
    "fsignal",
    "event",
    "kqueue",
    "ioctl",
    "notify",
    "extattr_get",
    "extattr_list",
    "acl_get",
    "acl_check",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
];

#[test]
fn bare_holds_only_what_is_named() {
    for &user in users() {
        let scratch = Scratch::new(user);
        scratch.script("echo x > file");
        let run = scratch.under(&["--bare"], &["/usr/bin/true"], b"");
        assert_eq!(run.code(), Some(126), "as {user:?}: {run}");
        let options = ["--bare", "--exec", "/usr", "--read", "/etc/ld.so.cache"];
        // Without the links of a merged /usr the loader's usual name leads nowhere: it is named too.
        let options = [&options[..], &["--exec", "/lib64/ld-linux-x86-64.so.2"]].concat();
        let line =
            ["/usr/bin/cat", "/usr/lib/os-release", "/dev/null", "/proc/self/comm", "file", "/bin/cat"];
        let run = scratch.under(&options, &line, b"");
        assert_eq!(run.stdout, fs::read_to_string("/usr/lib/os-release").unwrap(), "as {user:?}: {run}");
        assert_eq!(run.stderr.matches(&format!("error {ECAPMODE}")).count(), 4, "as {user:?}: {run}");
    }
}

#[test]
fn libraries_gives_what_a_loader_needs_and_no_more() {
    let libraries = "/usr/lib/x86_64-linux-gnu";
    for &user in users() {
        let scratch = Scratch::new(user);
        let bare = ["--bare", "--exec", "/usr/bin/cat"];
        let options = [&bare[..], &["--libraries", "/lib64", "--libraries", libraries]].concat();
        assert_eq!(scratch.under(&bare, &["/usr/bin/cat"], b"").code(), Some(126), "as {user:?}");
        let run = scratch.under(&options, &["/usr/bin/cat"], b"from its input");
        assert_eq!((&run.stdout[..], run.code()), ("from its input", Some(0)), "as {user:?}: {run}");
        let other = format!("{libraries}/libc.a");
        let run = scratch.under(&options, &["/usr/bin/cat", &other, "/usr/lib/os-release"], b"");
        assert_eq!(run.stdout, "", "as {user:?}: {run}");
        assert_eq!(run.stderr.matches("/usr/bin/cat: ").count(), 2, "as {user:?}: {run}");
    }
}

#[test]
fn fifos_work_between_processes_in_both_orders_and_signals_end_the_wait() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    const CODE: &str = "
import os, signal, subprocess, sys, threading, time
os.mkfifo('f')
for reader_first in (True, False, True, False):
    def write():
        with open('f', 'w') as f: f.write('through')
    def read(): print(open('f').read())
    first, second = (read, write) if reader_first else (write, read)
    pid = os.fork()
    if pid == 0:
        first(); sys.stdout.flush(); os._exit(0)
    time.sleep(0.05); second(); os.waitpid(pid, 0); sys.stdout.flush()
signal.signal(signal.SIGALRM, signal.SIG_DFL)
def interrupted(*_): raise InterruptedError
signal.signal(signal.SIGUSR1, interrupted)
def attempt(patience):
    pid = os.fork()
    if pid == 0:
        signal.alarm(1); open('f'); os._exit(0)
    status, how = os.waitpid(pid, 0)[1], 'interrupted'
    time.sleep(patience)
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    try:
        timer.start(); open('f', 'w').close(); how = 'there was a reader'; timer.join(); time.sleep(5)
    except InterruptedError: pass
    return status, how
# The monitor notices within milliseconds, on an idle machine, that nobody waits for that open any more; until then it is
# a reader.
for patience in (0.2, 2, 10):
    status, how = attempt(patience)
    if how == 'interrupted': break
print(status); print(how)
pid = os.fork()
if pid == 0: open('f'); os._exit(0)
time.sleep(0.05); os.kill(pid, signal.SIGKILL); print(os.waitpid(pid, 0)[1])
time.sleep(0.2)
# Many that wait keep nobody else waiting.
def stats(): start = time.time(); [os.stat('f') for _ in range(200)]; return time.time() - start
alone, pids = stats(), []
for n in range(40):
    pids.append(os.fork())
    if pids[-1] == 0: open('f'); os._exit(0)
print(stats() < 2 + 10 * alone)
w = os.open('f', os.O_WRONLY); print(sum(os.waitpid(pid, 0)[1] for pid in pids))
print(os.open('f', os.O_RDONLY | os.O_NONBLOCK) > 0)
";
    let line = ["/usr/bin/python3", "-c", CODE];
    let runs = Case { options: ALL, line: &line, ..Case::default() }.compare();
    for run in runs {
        assert_eq!(
            run.good().stdout,
            format!("{}14\ninterrupted\n9\nTrue\n0\nTrue\n", "through\n".repeat(4))
        );
    }
}

#[test]
fn a_shell_at_a_terminal_has_job_control() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    for &user in users() {
        for under in [false, true] {
            let scratch = Scratch::new(user);
            let mut line = vec![];
            if under {
                line.extend([
                    support::pimento().to_str().unwrap(),
                    "run",
                    "--write",
                    ".",
                    "--exec",
                    "/usr",
                    "--read",
                    "/etc",
                    "--",
                ]);
            }
            line.extend(["/usr/bin/bash", "--norc", "--noprofile", "-i"]);
            // A terminal of its own, the test's end of it in Python, outside.
            let mut command = user.command("/usr/bin/python3");
            let script =
                concat!(include_str!("programs/at_terminal.py"), include_str!("programs/terminal.py"));
            command.args(["-c", script]).args(&line);
            scratch.settle(&mut command);
            let run = finish(command, b"");
            assert_eq!(run.good().stdout, "done\n", "as {user:?}, under pimento: {under}: {run}");
        }
    }
}

#[test]
fn a_pipeline_at_a_terminal_stops_and_continues_as_a_whole() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    for &user in users() {
        let scratch = Scratch::new(user);
        let mut command = user.command("/usr/bin/python3");
        let script = concat!(include_str!("programs/at_terminal.py"), include_str!("programs/outer.py"));
        command.args(["-c", script]).arg(support::pimento());
        scratch.settle(&mut command);
        let run = finish(command, b"");
        assert_eq!(run.good().stdout, "done\n", "as {user:?}: {run}");
    }
}

#[test]
fn the_report_names_what_was_refused_and_what_would_have_allowed_it() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let secret = scratch.file("out/secret", "secret\n", 0o644);
        let (secret, out) = (secret.display().to_string(), scratch.outside().display().to_string());
        let script = format!("cat {secret}; cat {secret}; echo x > {out}/new; kill -0 1; exit 3");
        let with = |report: &str, options: &[&str]| {
            let options = [&[report], ALL, options].concat();
            scratch.under(&options, &["/usr/bin/bash", "-c", &script], b"")
        };
        let run = with("--report", &[]);
        assert_eq!(run.code(), Some(3), "{run}");
        let row = run.stderr.lines().find(|line| line.contains(&secret) && line.contains("openat")).unwrap();
        assert!(row.trim_start().starts_with('2') && row.contains("ECAPMODE"), "{run}");
        assert!(row.ends_with(&format!("--read {out}")), "{run}");
        let run = with("--report=json", &[]);
        let json: serde_json::Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        assert_eq!((&json["status"], &json["signal"]), (&3.into(), &serde_json::Value::Null), "{run}");
        let refused = json["refused"].as_array().unwrap();
        let find = |call: &str, object: &str| {
            let found = refused.iter().find(|entry| entry["call"] == call && entry["object"] == object);
            found.unwrap_or_else(|| panic!("no {call} of {object}: {json}"))
        };
        assert_eq!(find("openat", &secret)["times"], 2);
        assert_eq!(find("openat", &secret)["allow_with"], format!("--read {out}"));
        assert_eq!(find("openat", &format!("{out}/new"))["allow_with"], format!("--write {out}"));
        assert_eq!(find("kill", "process 1")["allow_with"], serde_json::Value::Null);
        // And with that option it is allowed.
        let run = with("--report=json", &["--read", &out]);
        assert_eq!(run.stdout, "secret\nsecret\n", "{run}");
        let run = with("--report=json", &["--write", &out]);
        assert!(!run.stderr.contains("openat") && Path::new(&format!("{out}/new")).exists(), "{run}");
    }
}

#[test]
fn a_hundred_starts_at_a_time() {
    for &user in users() {
        let scratch = Scratch::new(user);
        scratch.script("echo content > file");
        let all: Vec<Running> = (0..100)
            .map(|n| {
                let mut command = run_under(user, &["--read", "."], &["/usr/bin/cat", "file"]);
                scratch.settle(command.stdin(Stdio::null()).stdout(Stdio::piped()).env("N", n.to_string()));
                Running::start(command)
            })
            .collect();
        for mut running in all {
            let mut out = String::new();
            running.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            assert_eq!((out.as_str(), running.wait().code()), ("content\n", Some(0)), "as {user:?}");
        }
    }
}

#[test]
fn no_zombie_and_no_process_is_left_behind() {
    for &user in users() {
        let scratch = Scratch::new(user);
        // The monitor is the reaper of orphans: they leave nothing behind either.
        let script =
            "for i in 1 2 3; do (sleep 0.05 & ) ; done; sleep 0.2; ps -e -o ppid=,stat= | grep -c Z; true";
        let marker = format!("marker-{}", std::process::id());
        let mut command: Command = run_under(user, ALL, &["/usr/bin/bash", "-c", script, &marker]);
        scratch.settle(&mut command);
        finish(command, b"");
        eventually("everything has ended", || {
            let found = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                line.windows(marker.len()).any(|part| part == marker.as_bytes())
            });
            !found
        });
    }
    let _ = std::io::stdout().flush();
}
