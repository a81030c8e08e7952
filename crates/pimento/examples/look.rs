//! Lists a directory with a program that may look there and nowhere else, then lets it try its parent.
//!
//!     cargo run -q -p pimento --example look -- /usr/include

use pimento::launch::{self, Ended, FLOOR, Held, Launch, LaunchError};
use pimento::{Right, Rights};
use std::path::{Path, PathBuf};

fn main() -> Result<(), LaunchError> {
    let dir = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("/usr/include"), PathBuf::from);
    let outcome = list(&dir, &dir)?;
    println!("in {}: {:?}", dir.display(), outcome.ended);
    let above = dir.parent().unwrap_or(Path::new("/"));
    let outcome = list(&dir, above)?;
    println!("above it: {:?}", outcome.ended);
    for refusal in outcome.refused.iter().filter(|refusal| Path::new(&refusal.object) == above) {
        println!("  {} of {} refused with errno {}", refusal.call, refusal.object, refusal.errno);
    }
    assert_ne!(outcome.ended, Ended::Exited(0), "what is above a held directory cannot be listed");
    Ok(())
}

/// Runs `ls` on `what`, holding `dir` for reading.
fn list(dir: &Path, what: &Path) -> Result<launch::Outcome, LaunchError> {
    let read = FLOOR.union(&Rights::of(&[Right::READ, Right::LOOKUP]));
    launch::run(&Launch {
        program: "ls".into(),
        args: vec![what.into()],
        env: std::env::vars_os().collect(),
        held: vec![Held { path: dir.into(), rights: read }],
        libraries: Vec::new(),
        default_set: true,
        descriptors: Vec::new(),
        report: true,
    })
}
