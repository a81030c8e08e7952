//! Real programs under `pimento run`: they behave as if run plainly, in output, exit status and what they leave
//! behind. What they reach for without having been given it is in refusals.rs, how `run` stands for them towards
//! the world in standing.rs.

mod support;

use support::{Case, have};

const ALL: &[&str] = &["--write", ".", "--exec", "/usr", "--read", "/etc"];

/// Named semaphores, which Python's multiprocessing uses, are files there.
const WITH_SEMAPHORES: &[&str] = &["--write", ".", "--exec", "/usr", "--read", "/etc", "--write", "/dev/shm"];

/// Files with links, odd names and all kinds of modes, with times of their own.
const TREE: &str = r#"
umask 022
mkdir -p tree/deep/deeper tree/empty
echo one > tree/one; echo two > 'tree/a name'; printf 'a needle here\nno\n' > tree/deep/hay
seq 500 > tree/deep/deeper/numbers; : > tree/.hidden; printf 'n\xc3\xa4h\n' > $'tree/n\xc3\xa4h'
ln -s one tree/link; ln -s nowhere tree/dangling; ln -s deep tree/dirlink; ln tree/one tree/hard
mkfifo tree/fifo; chmod 0640 tree/one; chmod 4755 tree/deep/hay
find . -depth -exec touch -hd '2020-02-02 02:02:02 UTC' {} +
"#;

#[test]
fn ls() {
    if have("/usr/bin/ls", "coreutils") {
        let case = Case { setup: TREE, options: &["--read", ".", "--read", "/etc"], ..Case::default() };
        for line in [
            &["/usr/bin/ls", "-laR"][..],
            &["/usr/bin/ls", "-laRL", "tree/deep"],
            &["/usr/bin/ls", "-ld", "--full-time", "tree/dangling", "nothing"],
            &["/usr/bin/ls", "--color=always", "-F", "tree"],
        ] {
            Case { line, ..case }.compare();
        }
    }
}

#[test]
fn find_with_exec() {
    if have("/usr/bin/find", "findutils") {
        let case = Case { setup: TREE, options: ALL, ..Case::default() };
        for line in [
            &["/usr/bin/find", ".", "-type", "f", "-exec", "wc", "-c", "{}", ";"][..],
            &["/usr/bin/find", "tree", "-name", "*e*", "-execdir", "echo", "{}", "+"],
            &["/usr/bin/find", "-L", "tree", "-xtype", "l", "-printf", "%p %l %m %u %s\n"],
            &["/usr/bin/find", "tree", "-depth", "-delete"],
        ] {
            Case { line, ..case }.compare();
        }
    }
}

#[test]
fn grep() {
    if have("/usr/bin/grep", "grep") {
        let case = Case { setup: TREE, options: &["--read", ".", "--read", "/etc"], ..Case::default() };
        for line in [
            &["/usr/bin/grep", "-r", "needle", "."][..],
            &["/usr/bin/grep", "-rc", "7", "tree"],
            &["/usr/bin/grep", "-r", "-D", "skip", "nothing at all"],
            &["/usr/bin/grep", "x", "not there"],
        ] {
            Case { line, ..case }.compare();
        }
        Case { line: &["/usr/bin/grep", "-n", "b"], input: "a\nb\nbc\n", ..case }.compare();
    }
}

#[test]
fn tar() {
    if have("/usr/bin/tar", "tar") {
        let options = &["--write", ".", "--read", "/etc"][..];
        let create = ["/usr/bin/tar", "-cf", "new.tar", "--sort=name", "-v", "tree"];
        Case { setup: TREE, options, line: &create, ..Case::default() }.compare();
        let setup = &format!("{TREE}\ntar -cf old.tar --numeric-owner tree; mkdir to");
        for line in [
            &["/usr/bin/tar", "-xvf", "old.tar", "-C", "to"][..],
            &["/usr/bin/tar", "-xf", "old.tar", "--overwrite"],
            &["/usr/bin/tar", "-tvf", "old.tar"],
            &["/usr/bin/tar", "-df", "old.tar"],
        ] {
            Case { setup, options, line, ..Case::default() }.compare();
        }
        // What it extracted has its times too.
        let line =
            &["/usr/bin/bash", "-c", "tar -xf old.tar -C to && find to/tree | xargs stat -c '%n %Y %A'"];
        Case { setup, options: ALL, line, ..Case::default() }.compare();
    }
}

#[test]
fn sort_with_temporary_files() {
    if have("/usr/bin/sort", "coreutils") {
        let setup = "seq 200000 | awk '{ print ($1 * 7919) % 200003, $1 }' > numbers";
        let line = &["/usr/bin/sort", "-n", "-S", "512K", "-T", ".", "-o", "sorted", "numbers"];
        Case { setup, options: &["--write", "."], line, ..Case::default() }.compare();
        let line = &["/usr/bin/sort", "-u", "--compress-program=gzip", "-S", "256K", "-T", ".", "numbers"];
        let setup = "seq 60000 | tac > numbers";
        Case { setup, options: ALL, line, ..Case::default() }.compare();
    }
}

#[test]
fn bash() {
    if have("/usr/bin/bash", "bash") {
        let setup = &format!("{TREE}\ncat > script <<'END'\n{}\nEND", include_str!("programs/script.bash"));
        let line = &["/usr/bin/bash", "script", "first", "second one"];
        let runs =
            Case { setup, options: ALL, line, input: "a line\nanother\n", ..Case::default() }.compare();
        for run in &runs {
            assert!(run.stdout.ends_with("the end\n") && run.code() == Some(7), "{run}");
        }
        let line = &["/bin/sh", "-c", "echo $0 $#; cd tree && pwd && cat < one | tr a-z A-Z", "me", "1"];
        Case { setup, options: ALL, line, ..Case::default() }.compare();
    }
}

#[test]
fn python() {
    if have("/usr/bin/python3", "python3") {
        let setup = &format!("cat > work.py <<'END'\n{}\nEND", include_str!("programs/work.py"));
        let line = &["/usr/bin/python3", "-B", "work.py"];
        let runs = Case { setup, options: WITH_SEMAPHORES, line, ..Case::default() }.compare();
        for run in &runs {
            assert!(run.good().stdout.ends_with("the end\n"), "{run}");
        }
        // Its own compiled modules.
        let setup = "echo 'def f(): return 42' > module.py; touch -d '2020-01-01 UTC' module.py";
        let line = &["/usr/bin/python3", "-c", "import module; print(module.f())"];
        Case { setup, options: ALL, line, ..Case::default() }.compare();
    }
}

#[test]
fn perl() {
    if have("/usr/bin/perl", "perl-base") {
        let setup = &format!("{TREE}\ncat > work.pl <<'END'\n{}\nEND", include_str!("programs/work.pl"));
        let line = &["/usr/bin/perl", "work.pl"];
        let runs = Case { setup, options: ALL, line, ..Case::default() }.compare();
        assert!(runs.iter().all(|run| run.good().stdout.ends_with("the end\n")));
    }
}

#[test]
fn git() {
    if have("/usr/bin/git", "git") {
        let line = &["/usr/bin/bash", "-euc", include_str!("programs/git.bash")];
        let volatile = &["one/.git/index", "two/.git/index"];
        let runs = Case { setup: "umask 022", options: ALL, line, volatile, ..Case::default() }.compare();
        assert!(runs.iter().all(|run| run.code() == Some(0) && run.stdout.ends_with("the end\n")));
    }
}

const SOURCES: &str = r#"
printf '#include <stdio.h>\n#include "part.h"\nint main(int c, char **v) { printf("%%d from %%s\\n", part(c), v[1]); return part(c); }\n' > main.c
printf '#include "part.h"\nint part(int n) { return helper(n) * 10; }\n' > part.c
printf '#include "part.h"\nint helper(int n) { return n + 1; }\n' > helper.c
printf 'int part(int); int helper(int);\n' > part.h
printf 'all: program\nprogram: main.o part.o helper.o\n\tgcc -o $@ $^\n%%.o: %%.c part.h\n\tgcc -c -O1 -o $@ $<\n.PHONY: run\nrun: program\n\t./program make\n' > Makefile
touch -d '2020-01-01 UTC' *
"#;

/// `.` is held to write and to start programs from.
const BUILD: &[&str] = &["--write", ".", "--exec", ".", "--exec", "/usr", "--read", "/etc"];

#[test]
fn gcc() {
    if have("/usr/bin/gcc", "gcc") {
        let line = &["/usr/bin/gcc", "-O1", "-Wall", "-o", "program", "main.c", "part.c", "helper.c"];
        Case { setup: SOURCES, options: BUILD, line, ..Case::default() }.compare();
        let script = "gcc -o program main.c part.c helper.c && ./program x; echo $?; ls";
        let line = &["/usr/bin/bash", "-c", script];
        let runs = Case { setup: SOURCES, options: BUILD, line, ..Case::default() }.compare();
        assert!(runs.iter().all(|run| run.stdout.starts_with("30 from x\n30\n")));
        let line = &["/usr/bin/gcc", "-c", "-o", "x.o", "nothing.c"];
        Case { setup: SOURCES, options: BUILD, line, ..Case::default() }.compare();
    }
}

#[test]
fn make() {
    if have("/usr/bin/make", "make") && have("/usr/bin/gcc", "gcc") {
        // Its jobs print in whatever order.
        let line = &["/usr/bin/make", "-s", "-j2", "run"];
        let runs = Case { setup: SOURCES, options: BUILD, line, ..Case::default() }.compare();
        assert!(runs.iter().all(|run| run.stdout.starts_with("30 from make\n") && run.code() == Some(2)));
    }
}

#[test]
fn a_hundred_processes_at_a_time() {
    let script = "for i in {1..100}; do (cat /etc/hostname > f$i; stat -c %n f$i > /dev/null; echo $i) & done; \
                  wait; ls | wc -l";
    let line = &["/usr/bin/bash", "-c", &format!("{{ {script}; }} | sort -n")];
    Case { options: ALL, line, ..Case::default() }.compare();
}

#[test]
fn threads_of_several_processes_on_files_at_once() {
    if have("/usr/bin/python3", "python3") {
        let line = &["/usr/bin/python3", "-c", include_str!("programs/threads.py")];
        let runs = Case { options: ALL, line, ..Case::default() }.compare();
        assert!(runs.iter().all(|run| run.good().stdout == "ok 4\n"));
    }
}
