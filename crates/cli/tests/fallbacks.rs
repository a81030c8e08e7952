//! What stands in where a kernel lacks something newer: each feature switched off (`PIMENTO_WITHOUT`), and the program
//! run all the same.

mod support;

use support::{Run, Scratch, User, finish, run_under, users};

fn without(feature: &str, user: User, script: &str) -> Run {
    let scratch = Scratch::new(user);
    let options = ["--write", ".", "--exec", "/usr", "--read", "/etc"];
    let mut command = run_under(user, &options, &["/usr/bin/bash", "-c", script]);
    command.env("PIMENTO_WITHOUT", feature);
    scratch.settle(&mut command);
    finish(command, b"")
}

#[test]
fn without_landlock_only_the_first_program_is_started() {
    for &user in users() {
        let run = without("landlock", user, "echo first; /usr/bin/true; echo $?; echo > file; echo $?");
        assert_eq!((run.code(), &run.stdout[..]), (Some(0), "first\n126\n0\n"), "as {user:?}: {run}");
    }
}

#[test]
fn without_landlock_signals_reach_kin_and_no_stranger() {
    let script = "trap 'echo got' USR1; (kill -USR1 $$); echo sent; kill -0 1 2>/dev/null; echo $?; kill -USR1 0; echo $?; kill -9 $$";
    for &user in users() {
        let run = without("landlock", user, script);
        assert_eq!(&run.stdout[..], "got\nsent\n1\ngot\n0\n", "as {user:?}: {run}");
        assert_eq!(run.code(), Some(128 + 9), "as {user:?}");
    }
}

#[test]
fn without_fchmodat2_modes_are_changed_by_the_handle_s_link() {
    for &user in users() {
        let script = "echo > file && chmod 640 file && stat -c %a file && ln -s file link && chmod 604 link && stat -c %a file; \
                      chmod 600 ../..; echo $?";
        let run = without("fchmodat2", user, script);
        assert_eq!(&run.stdout[..], "640\n604\n1\n", "as {user:?}: {run}");
    }
}

#[test]
fn without_synchronous_wake_up_calls_are_only_slower() {
    for &user in users() {
        let run =
            without("sync-wake-up", user, "mkdir d && touch d/{1..50} && ls d | wc -l && rm -r d && ls");
        assert_eq!((run.code(), &run.stdout[..]), (Some(0), "50\n"), "as {user:?}: {run}");
    }
}
