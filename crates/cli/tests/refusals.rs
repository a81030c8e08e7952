//! Programs under `pimento run` reach for what they were not given: every attempt fails with ECAPMODE or
//! ENOTCAPABLE, and whatever it was aimed at is untouched.

mod support;

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::Stdio;
use support::{ECAPMODE, ENOTCAPABLE, Running, Scratch, User, eventually, have, tree, users};

/// What is outside: files, a process, servers.
struct World {
    scratch: Scratch,
    before: std::collections::BTreeMap<PathBuf, String>,
    victim: Running,
    tcp: TcpListener,
    udp: UdpSocket,
    unix: UnixListener,
    abstract_name: String,
    abstract_unix: UnixListener,
    datagrams: UnixDatagram,
}

impl World {
    fn new(user: User) -> World {
        let scratch = Scratch::new(user);
        scratch.script(
            "echo mine > tool; printf '#!/bin/sh\necho started\n' > tool; chmod 755 tool; cp tool ../out/tool
             echo secret > ../out/secret; chmod 666 ../out/secret; mkdir ../out/dir; chmod 777 ../out ../out/dir
             setfattr -n user.x -v v ../out/secret 2> /dev/null || true
             mkdir sub-of-perl; ln -s ../out/secret link-of-perl",
        );
        let mut sleep = user.command("/usr/bin/sleep");
        sleep.arg("300").stdin(Stdio::null());
        let victim = Running::start(sleep);
        let unix = UnixListener::bind(scratch.outside().join("socket")).unwrap();
        let datagrams = UnixDatagram::bind(scratch.outside().join("datagrams")).unwrap();
        for name in ["socket", "datagrams"] {
            use std::os::unix::fs::PermissionsExt;
            let path = scratch.outside().join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let abstract_name = format!("pimento-test-{}", victim.0.id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let world = World {
            before: tree(&scratch.outside()),
            scratch,
            victim,
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            unix,
            abstract_unix: UnixListener::bind_addr(&address).unwrap(),
            abstract_name,
            datagrams,
        };
        world.tcp.set_nonblocking(true).unwrap();
        world.udp.set_nonblocking(true).unwrap();
        world.unix.set_nonblocking(true).unwrap();
        world.abstract_unix.set_nonblocking(true).unwrap();
        world.datagrams.set_nonblocking(true).unwrap();
        world
    }

    fn out(&self) -> String {
        self.scratch.outside().display().to_string()
    }

    fn pid(&self) -> String {
        self.victim.0.id().to_string()
    }

    fn port(&self) -> String {
        self.tcp.local_addr().unwrap().port().to_string()
    }

    /// Nobody came, nothing arrived, nothing changed, and the process sleeps on.
    #[track_caller]
    fn assert_untouched(mut self) {
        let none = |kind: Option<ErrorKind>| assert_eq!(kind, Some(ErrorKind::WouldBlock), "somebody came");
        none(self.tcp.accept().err().map(|error| error.kind()));
        none(self.udp.recv(&mut [0; 8]).err().map(|error| error.kind()));
        none(self.unix.accept().err().map(|error| error.kind()));
        none(self.abstract_unix.accept().err().map(|error| error.kind()));
        none(self.datagrams.recv(&mut [0; 8]).err().map(|error| error.kind()));
        assert_eq!(tree(&self.scratch.outside()), self.before);
        assert!(self.victim.0.try_wait().unwrap().is_none(), "the process outside is gone");
        let status = || std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        // Its start may still be going on.
        eventually("the process outside sleeps", || status().contains("State:\tS"));
        assert!(status().contains("TracerPid:\t0"), "{}", status());
        let nice = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit(')').next().unwrap().split_whitespace().nth(16).map(String::from)
        };
        assert_eq!(nice(&self.pid()), nice("self"), "somebody changed its priority");
    }
}

const GIVEN: &[&str] = &["--write", ".", "--exec", "/usr", "--read", "/etc"];

#[test]
fn python_reaches_nothing_outside() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    for &user in users() {
        let world = World::new(user);
        let udp = world.udp.local_addr().unwrap().port().to_string();
        let unix = world.scratch.outside().join("socket").display().to_string();
        let code = include_str!("programs/reach.py");
        let line = ["/usr/bin/python3", "-c", code, &world.out(), &world.pid(), &world.port(), &udp, &unix];
        let line: Vec<&str> = line.into_iter().chain([&*world.abstract_name]).collect();
        let run = world.scratch.under(GIVEN, &line, b"");
        assert_eq!(run.good().stdout, "tried all\n", "as {user:?}: {run}");
        world.assert_untouched();
    }
}

/// The lines that programs/reach.pl prints.
fn errors(stdout: &str) -> Vec<(&str, i32)> {
    let lines = stdout.lines().map(|line| line.rsplit_once(' ').unwrap());
    lines.map(|(what, errno)| (what, errno.parse().unwrap_or(0))).collect()
}

#[test]
fn perl_reaches_nothing_outside() {
    if !have("/usr/bin/perl", "perl-base") {
        return;
    }
    for &user in users() {
        let world = World::new(user);
        world.scratch.script("mkdir sub; ln -s ../out/secret link");
        let code = include_str!("programs/reach.pl");
        let line = ["/usr/bin/perl", "-e", code, &world.out(), &world.pid(), &world.port()];
        let run = world.scratch.under(GIVEN, &line, b"");
        for (what, errno) in errors(&run.good().stdout) {
            let beneath = ["up", "link", "exec own"].contains(&what);
            assert_eq!(errno, if beneath { ENOTCAPABLE } else { ECAPMODE }, "as {user:?}: {what}");
        }
        assert_eq!(errors(&run.stdout).len(), 19, "{run}");
        world.assert_untouched();
    }
}

#[test]
fn c_reaches_nothing_outside() {
    if !have("/usr/bin/gcc", "gcc") {
        return;
    }
    for &user in users() {
        let world = World::new(user);
        let source = world.scratch.file("in/reach.c", include_str!("programs/reach.c"), 0o644);
        world.scratch.script("mkdir sub bin; ln -s ../out/secret link; gcc -o bin/reach reach.c");
        assert!(source.exists());
        let line = ["bin/reach", &world.out(), &world.pid(), &world.port()];
        // Its own file comes with the default set.
        let run = world.scratch.under(&["--write", "."], &line, b"");
        for (what, errno) in errors(&run.good().stdout) {
            let beneath = ["up", "link", "exec own"].contains(&what);
            assert_eq!(errno, if beneath { ENOTCAPABLE } else { ECAPMODE }, "as {user:?}: {what}");
        }
        assert_eq!(errors(&run.stdout).len(), 15, "{run}");
        world.assert_untouched();
    }
}

#[test]
fn shells_and_tools_reach_nothing_outside() {
    for &user in users() {
        let world = World::new(user);
        let out = world.out();
        let (pid, port) = (world.pid(), world.port());
        for (script, errno) in [
            (format!("cat {out}/secret"), ECAPMODE),
            ("cat ../out/secret".to_owned(), ENOTCAPABLE),
            ("ln -s ../out/secret l; cat l".to_owned(), ENOTCAPABLE),
            (format!("echo x > {out}/secret"), ECAPMODE),
            (format!("echo x >> {out}/new"), ECAPMODE),
            (format!("rm -f {out}/secret"), ECAPMODE),
            (format!("mv tool {out}/new"), ECAPMODE),
            (format!("cp {out}/secret ."), ECAPMODE),
            (format!("ls {out}"), ECAPMODE),
            ("ls ..".to_owned(), ENOTCAPABLE),
            (format!("find {out}"), ECAPMODE),
            (format!("grep -r secret {out}"), ECAPMODE),
            (format!("tar -cf - {out}"), ECAPMODE),
            (format!("sort -o {out}/sorted tool"), ECAPMODE),
            (format!("sort {out}/secret"), ECAPMODE),
            (format!("cd {out}"), ECAPMODE),
            (format!("{out}/tool"), ECAPMODE),
            ("./tool".to_owned(), ENOTCAPABLE),
            ("cat /proc/1/environ".to_owned(), ECAPMODE),
            (format!("cat /proc/{pid}/maps"), ECAPMODE),
            (format!("kill {pid}"), ECAPMODE),
            (format!("/usr/bin/kill -9 -- -{pid}"), ECAPMODE),
            (format!("echo x > /dev/tcp/127.0.0.1/{port}"), ECAPMODE),
            (format!("git clone -q {out} got"), ECAPMODE),
            (format!("gcc -c -o x.o {out}/secret"), ECAPMODE),
            (format!("make -f {out}/secret"), ECAPMODE),
        ] {
            let run = world.scratch.under(GIVEN, &["/usr/bin/bash", "-c", &script], b"");
            assert!(run.code() != Some(0), "as {user:?}: {script}: {run}");
            let git = script.starts_with("git");
            assert!(git || run.stderr.contains(&format!("error {errno}")), "as {user:?}: {script}: {run}");
            assert!(!run.stdout.contains("secret\n"), "as {user:?}: {script}: {run}");
        }
        world.assert_untouched();
    }
}

#[test]
fn what_is_held_to_read_is_not_changed_even_within_what_may_be_written() {
    if !have("/usr/bin/python3", "python3") {
        return;
    }
    for &user in users() {
        let scratch = Scratch::new(user);
        scratch.script(
            "mkdir keep keep/dir ../out/ro ../out/ro/dir held held/deep held/deep/keep
             for dir in keep ../out/ro held/deep/keep; do
                 echo keep > $dir/file; chmod 666 $dir/file; chmod 777 $dir
                 python3 -c 'import os, sys; os.setxattr(sys.argv[1], \"user.x\", b\"v\")' $dir/file
             done",
        );
        let before = [tree(&scratch.inside().join("keep")), tree(&scratch.outside())];
        let ro = scratch.outside().join("ro").display().to_string();
        let options = ["--write", ".", "--read", "./keep", "--read", &ro, "--read", "held/deep/keep"];
        let options: Vec<&str> = options.into_iter().chain(["--exec", "/usr", "--read", "/etc"]).collect();
        let line = ["/usr/bin/python3", "-c", include_str!("programs/keep.py"), &ro];
        let run = scratch.under(&options, &line, b"");
        assert_eq!(run.good().stdout, "done\n", "as {user:?}: {run}");
        assert_eq!([tree(&scratch.inside().join("keep")), tree(&scratch.outside())], before);
        assert_eq!(std::fs::read_to_string(scratch.inside().join("held/free")).unwrap(), "may be written\n");
    }
}
