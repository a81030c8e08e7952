//! What procfs tells of a process.

use std::fs;
use std::io;

/// A process.
#[derive(Debug)]
pub struct Process {
    /// Its effective user.
    pub uid: u32,
    /// What it is called.
    pub name: String,
    /// What it was started with, separated by spaces; its name in brackets, if that cannot be told.
    pub command: String,
    /// The process that this one is a thread of.
    pub process: u32,
}

impl Process {
    /// Reads it.
    pub fn read(pid: u32) -> io::Result<Process> {
        let status = fs::read(format!("/proc/{pid}/status"))?;
        let status = String::from_utf8_lossy(&status);
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let number =
            |text: &str, nth| text.split_whitespace().nth(nth).and_then(|word: &str| word.parse().ok());
        let name = field("Name:\t").to_owned();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let line = line.trim_end();
        Ok(Process {
            uid: number(field("Uid:"), 1).unwrap_or(u32::MAX),
            process: number(field("Tgid:"), 0).unwrap_or(pid),
            command: if line.is_empty() { format!("[{name}]") } else { line.to_owned() },
            name,
        })
    }
}

/// Who a user is by name, as /etc/passwd has it; else the number.
pub fn user(uid: u32) -> String {
    let users = fs::read("/etc/passwd").unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let named = users.lines().find_map(|line| {
        let mut words = line.split(':');
        let name = words.next()?;
        (words.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| uid.to_string())
}
