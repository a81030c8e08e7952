//! docs/policy.md is the policy as this command renders it, and not an older one.

use std::path::Path;
use std::process::Command;

#[test]
fn docs_policy_md_is_what_explain_all_prints() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md");
    let rendered = Command::new(env!("CARGO_BIN_EXE_pimento")).args(["explain", "--all"]).output().unwrap();
    assert!(rendered.status.success(), "{rendered:?}");
    let (rendered, kept) = (String::from_utf8(rendered.stdout).unwrap(), std::fs::read_to_string(&page));
    let kept = kept.unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let differing = rendered.lines().zip(kept.lines()).position(|(new, old)| new != old);
    assert!(
        rendered == kept,
        "docs/policy.md is stale from line {} on: cargo run -q -p pimento-cli -- explain --all > docs/policy.md",
        differing.map_or(rendered.lines().count().min(kept.lines().count()), |line| line) + 1
    );
}
