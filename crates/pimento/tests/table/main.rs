//! The policy's table, walked: every call is really made, by number, in a child in capability mode. What is denied has its
//! errno; what works does what it does outside. A row of which some line is made by no recipe fails the test.
//!
//! - `stage`: children, how they are compared, what was reached
//! - `scene`: what recipes make before they enter
//! - `descriptors`, `lookups`, `paths`, `sockets`, `processes`, `own`, `machine`, `commands`: the recipes, by subject
//! - `program`: a program to be executed
//! - `raw`: what is not safe of it
//!
//! TABLE_ONLY=words plays the recipes of which the name has the words, TABLE_STORIES=1 shows what was done.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod commands;
mod descriptors;
mod lookups;
mod machine;
mod own;
mod paths;
mod processes;
mod program;
mod raw;
mod scene;
mod sockets;
mod stage;

use stage::{Player, Recipe, Report, alone};

fn recipes() -> Vec<Recipe> {
    [
        descriptors::RECIPES,
        lookups::RECIPES,
        paths::RECIPES,
        sockets::RECIPES,
        machine::RECIPES,
        processes::RECIPES,
        own::RECIPES,
        commands::RECIPES,
    ]
    .concat()
}

/// Denied calls that work for nobody here, though the kernel has them: that it is the sandbox that refuses, shows only in the
/// errno, which is no kernel's.
const WORK_FOR_NOBODY: &[(&str, &[&str])] = &[
    (
        "it would change the machine, and is made with arguments that the kernel refuses",
        &[
            "acct",
            "clock_settime",
            "delete_module",
            "finit_module",
            "init_module",
            "kexec_file_load",
            "kexec_load",
            "reboot",
            "swapoff",
            "swapon",
        ],
    ),
    ("it needs another root file system", &["pivot_root"]),
    ("it needs a process that is being killed, and has memory still", &["process_mrelease"]),
    ("it needs a file system with quotas", &["quotactl_fd"]),
    ("it needs more nodes of memory than one", &["migrate_pages"]),
    ("the kernel may be built without what it is about", &["lsm_set_self_attr", "madvise", "prctl"]),
];

fn play(player: Player) {
    let only = std::env::var("TABLE_ONLY").ok();
    let text = alone(|| {
        let mut recipes = recipes();
        recipes.retain(|recipe| only.as_ref().is_none_or(|only| recipe.0.contains(only.as_str())));
        let report = Report::of(&recipes, player);
        let mut failures = report.failures.clone();
        if only.is_none() {
            failures.extend(report.missing());
        }
        if only.is_none() && player == Player::Own && raw::syscall(libc::SYS_geteuid as u32, [0; 6]) == 0 {
            let known = |name: &str| WORK_FOR_NOBODY.iter().any(|(_, names)| names.contains(&name));
            let works_for_none = report.hopeless().into_iter().filter(|name| !known(name));
            failures.extend(
                works_for_none.map(|name| format!("{name} is denied, but would not have worked outside")),
            );
        }
        if std::env::var_os("TABLE_STORIES").is_some() {
            failures.push(report.stories);
        }
        failures.join("\n")
    });
    assert!(text.is_empty(), "\n{text}");
}

#[test]
fn every_call_does_in_capability_mode_what_the_table_says() {
    play(Player::Own);
}

#[test]
fn every_call_does_in_capability_mode_what_the_table_says_for_an_ordinary_user() {
    if raw::syscall(libc::SYS_geteuid as u32, [0; 6]) == 0 {
        play(Player::Nobody);
    }
}
