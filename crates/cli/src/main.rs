//! The `pimento` command.
fn main() {}
