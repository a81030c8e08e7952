//! Counts the words of a file that nobody vouches for, in capability mode: whatever the file makes of the code that reads
//! it, that code has one file and standard output.
//!
//! `cargo run -p pimento --example untrusted -- README.md`

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: untrusted FILE")?;
    let input = BufReader::new(File::open(&path)?);

    pimento::enter()?;

    let mut words = 0;
    for line in input.lines() {
        words += line?.split_whitespace().count();
    }
    println!("{words} words");
    match File::open(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => println!("opening it again: {error}"),
        other => println!("this should not have come out so: {other:?}"),
    }
    Ok(())
}
