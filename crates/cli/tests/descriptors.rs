//! `--fd N:RIGHTS` of `pimento run`, and what standard descriptors are for without it. The program is an unmodified one.

mod support;

use support::{Run, Scratch, User, have, pimento, users};

/// Prints what comes of an operation: `ok`, or the errno.
const ATTEMPT: &str = r#"
import os, socket, subprocess, sys, fcntl, select, mmap, threading
def attempt(what, do):
    try:
        do()
        print(what, 'ok', flush=True)
    except OSError as error:
        print(what, error.errno, flush=True)
"#;

/// Runs `code` of Python with these options and redirections, as its user.
fn python(user: User, options: &str, redirections: &str, code: &str) -> Run {
    let scratch = Scratch::new(user);
    scratch.file("in/file", "hello\n", 0o644);
    scratch.file("out/target", "", 0o644);
    let run = format!(
        r#""$0" run --read /usr --exec /usr --read /etc {options} -- /usr/bin/python3 -I -c "$1" {redirections}"#
    );
    let code = format!("{ATTEMPT}{code}");
    let pimento = pimento().to_str().unwrap();
    scratch.plain(&["/bin/sh", "-c", &run, pimento, &code], b"")
}

/// The rights that are left say what works, and so it is with every copy, in every process.
#[test]
fn a_descriptor_is_passed_on_with_the_rights_that_are_said() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    let code = r"
def all(fd):
    attempt('read', lambda: os.read(fd, 1))
    attempt('seek', lambda: os.lseek(fd, 0, os.SEEK_SET))
    attempt('stat', lambda: os.fstat(fd))
    attempt('write', lambda: os.write(fd, b'x'))
    attempt('truncate', lambda: os.ftruncate(fd, 0))
    attempt('chmod', lambda: os.fchmod(fd, 0o600))
    attempt('flags', lambda: fcntl.fcntl(fd, fcntl.F_GETFL))
    attempt('again', lambda: os.close(os.open(f'/proc/self/fd/{fd}', os.O_RDWR)))
all(5)
copies = [os.dup(5), os.dup2(5, 8), fcntl.fcntl(5, fcntl.F_DUPFD, 700)]
for copy in copies:
    print('copy', flush=True)
    all(copy)
thread = threading.Thread(target=all, args=[copies[0]])
thread.start()
thread.join()
print('child', flush=True)
if os.fork() == 0:
    all(5)
    os._exit(0)
os.wait()
print('program', flush=True)
subprocess.run(['/bin/sh', '-c', 'cat <&5; echo x >&5'], pass_fds=[5])
os.close(5)
os.dup2(os.pipe()[1], 5)
attempt('write to a new one with the number', lambda: os.write(5, b'x'))
";
    let all = "read ok\nseek ok\nstat ok\nwrite 1093\ntruncate 1093\nchmod 1093\nflags 1093\nagain 1093\n";
    let expected = [
        all,
        &format!("copy\n{all}").repeat(3),
        all,
        &format!("child\n{all}"),
        "program\nhello\nwrite to a new one with the number ok\n",
    ]
    .concat();
    for &user in users() {
        let run = python(user, "--fd 5:read,seek,fstat", "5<>file", code);
        assert_eq!(run.stdout, expected, "as {user:?}: {run}");
    }
}

/// Waiting, mapping, sending and the rest ask for their own rights.
#[test]
fn every_right_is_one_of_its_own() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    let code = r"
def poll():
    poll = select.poll()
    poll.register(5)
    if poll.poll(0)[0][1] & select.POLLNVAL:
        raise OSError(1093, 'not to be waited for')
attempt('poll', poll)
attempt('select', lambda: select.select([5], [], [], 0))
attempt('map', lambda: mmap.mmap(5, 1, prot=mmap.PROT_READ))
attempt('map for writing', lambda: mmap.mmap(5, 1, prot=mmap.PROT_READ | mmap.PROT_WRITE))
attempt('lock', lambda: fcntl.flock(5, fcntl.LOCK_EX))
attempt('sync', lambda: os.fsync(5))
one, other = socket.socketpair()
attempt('send', lambda: socket.send_fds(one, [b'x'], [5]))
attempt('receive', lambda: os.write(socket.recv_fds(other, 1, 1)[1][0], b'x'))
";
    let names = ["poll", "select", "map", "map for writing", "lock", "sync"];
    for &user in users() {
        for (rights, allowed) in [
            ("fstat", &[][..]),
            ("fstat,event", &["poll", "select"]),
            ("fstat,mmap_r", &["map"]),
            ("fstat,mmap_rw", &["map", "map for writing"]),
            ("fstat,flock", &["lock"]),
            ("fstat,fsync", &["sync"]),
        ] {
            let run = python(user, &format!("--fd 5:{rights}"), "5<>file", code);
            let said =
                |name: &&str| format!("{name} {}\n", if allowed.contains(name) { "ok" } else { "1093" });
            let may_write = if rights.contains("mmap_rw") { "ok" } else { "1093" };
            let expected =
                names.iter().map(said).collect::<String>() + &format!("send ok\nreceive {may_write}\n");
            assert_eq!(run.stdout, expected, "as {user:?}, {rights}: {run}");
        }
    }
}

/// Standard descriptors are streams: what else could be done with their files is not done through them.
#[test]
fn standard_descriptors_are_streams_unless_more_is_said() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    let code = r"
os.dup2(1, 7)
for fd in [1, 7]:
    os.write(2, b'write ')
    for do in [lambda: os.fchmod(fd, 0o600), lambda: os.fchown(fd, -1, -1), lambda: os.utime(fd)]:
        try:
            do()
            os.write(2, b'ok ')
        except OSError as error:
            os.write(2, b'%d ' % error.errno)
";
    for &user in users() {
        for (options, each) in [("", "1093 1093 1093 "), ("--fd 1:all", "ok ok ok ")] {
            let run = python(user, options, ">../out/target", code);
            assert_eq!(run.stderr, format!("write {each}").repeat(2), "as {user:?}, {options}: {run}");
        }
    }
}

/// What is not there, or not passed to pimento, cannot be passed on.
#[test]
fn a_descriptor_that_is_not_there_is_a_clear_error() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let run = scratch.under(&["--fd", "9:read"], &["/usr/bin/true"], b"");
        assert_eq!(run.code(), Some(125), "{run}");
        let expected =
            "pimento: descriptor 9 is not open, or not passed on: redirect something there, as in 9<FILE\n";
        assert_eq!(run.stderr, expected);
    }
}
