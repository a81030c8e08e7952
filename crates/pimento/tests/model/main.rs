//! Random sequences of what can be done with descriptors, by several processes and threads, against a model of FreeBSD's rules:
//! which rights every descriptor has, and what every call comes to. Of a sequence in which something differs, the shortest
//! part in which it does is told.
//!
//! - `rules`: the model
//! - `ops`: what is done
//! - `start`: what a walk begins with
//! - `walk`: one sequence, in the system and in the model
//! - `actor`: those who do it
//!
//! For ten seconds; PIMENTO_MODEL_SECONDS in the environment says otherwise.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod actor;
mod ops;
mod rules;
#[path = "../entered/stage.rs"]
#[allow(dead_code)]
mod stage;
mod start;
mod walk;

use actor::Memory;
use ops::Case;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use stage::{Scratch, User, judged, nobody_is_left, users};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use walk::Walk;

/// The actors' program.
fn program() -> Vec<u8> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("actor-{}", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/actor.c");
    let options = ["-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector", "-O1"];
    let output = Command::new("cc").args(options).arg("-o").arg(&program).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(&program).unwrap();
    fs::remove_file(program).unwrap();
    bytes
}

/// Where walks are taken.
struct Ground {
    user: User,
    scratch: Scratch,
    memory: Memory,
    program: OwnedFd,
}

impl Ground {
    fn new(user: User, program: &[u8]) -> Ground {
        let scratch = Scratch::new(user);
        scratch.dir("inner");
        for name in ["file", "inner/file"] {
            scratch.file(name, [b'a'; 4096], 0o666);
        }
        let program = scratch.file("program", program, 0o755);
        let program = stage::open_at(libc::AT_FDCWD, program, libc::O_RDONLY | libc::O_CLOEXEC).unwrap();
        Ground { user, scratch, memory: Memory::new(), program }
    }

    fn walk(&self, case: &Case) -> Result<(), String> {
        let mut walk = Walk::begin(case, &self.scratch, &self.memory, &self.program, self.user);
        let walked = walk.take(case);
        walk.end();
        nobody_is_left();
        walked
    }

    /// What differs in a case without the steps that it does without. Simplified steps leave some that can go.
    fn shortened(&self, mut case: Case) -> Option<String> {
        let mut difference = None;
        let mut at = 0;
        while at < case.steps.len() {
            let mut shorter = case.clone();
            shorter.steps.remove(at);
            match self.walk(&shorter) {
                Ok(()) => at += 1,
                Err(found) => {
                    difference = Some(found);
                    case = shorter;
                    at = 0;
                }
            }
        }
        difference
    }

    /// Random walks, so many.
    fn walks(&self, count: u32) {
        let config = Config {
            cases: count,
            failure_persistence: None,
            max_shrink_time: 20_000,
            max_shrink_iters: 100_000,
            ..Config::default()
        };
        let failed =
            TestRunner::new(config).run(&ops::case(), |case| self.walk(&case).map_err(TestCaseError::fail));
        match failed {
            Ok(()) => {}
            Err(TestError::Fail(difference, case)) => {
                let difference = self.shortened(case).unwrap_or(difference.to_string());
                panic!("the shortest sequence that differs:\n{difference}")
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn whatever_is_done_with_descriptors_their_rights_are_freebsd_s() {
    let seconds = std::env::var("PIMENTO_MODEL_SECONDS").map_or(10, |text| text.parse().unwrap());
    let program = program();
    let start = Instant::now();
    for &user in users().iter().cycle() {
        judged(|| Ground::new(user, &program).walks(64));
        if start.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
}
