//! The policy's table, walked: every call is really made, by number, in a child in capability mode. What is denied has its
//! errno; what works does what it does outside. A row of which some line is made by no recipe fails the test.
//!
//! - `stage`: children, how they are compared, what was reached
//! - `scene`: what recipes make before they enter
//! - `descriptors`, `lookups`, `paths`, `sockets`, `processes`, `own`, `machine`, `commands`: the recipes, by subject
//! - `program`: a program to be executed
//! - `raw`: what is not safe of it

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

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
    ]
    .concat()
}

fn play(player: Player) {
    let only = std::env::var("TABLE_ONLY").ok();
    let failures = alone(|| {
        let mut recipes = recipes();
        recipes.retain(|recipe| only.as_ref().is_none_or(|only| recipe.0.contains(only.as_str())));
        let report = Report::of(&recipes, player);
        let mut failures = report.failures.clone();
        if only.is_none() {
            failures.extend(report.missing());
            failures.push(format!("{} calls {:?}", report.calls, report.times));
            failures.push(format!("{:?}", report.hopeless()));
        }
        if std::env::var_os("TABLE_STORY").is_some() {
            failures.push(report.stories);
        }
        failures.join("\n")
    });
    assert!(failures.is_empty(), "\n{failures}");
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
