//! Every system call of Linux 6.18, by subject:
//!
//! - [`descriptors`]: what works on a descriptor that is already there
//! - [`paths`]: what names something in the file system
//! - [`sockets`]: sockets, and IPC by key or name
//! - [`processes`]: processes, threads, signals, credentials, scheduling, time
//! - [`own`]: the process's own memory, and what kind of machine it is on
//! - [`machine`]: what belongs to the whole machine, and what is no more
//! - [`capsicum`]: the pseudo system calls of FreeBSD's interface

mod capsicum;
mod descriptors;
mod machine;
mod own;
mod paths;
mod processes;
mod sockets;

pub use capsicum::PSEUDO;
pub use paths::open_needs;

use crate::Call;

const SUBJECTS: &[&[Call]] =
    &[descriptors::CALLS, paths::CALLS, sockets::CALLS, processes::CALLS, own::CALLS, machine::CALLS];

const COUNT: usize = {
    let (mut count, mut subject) = (0, 0);
    while subject < SUBJECTS.len() {
        count += SUBJECTS[subject].len();
        subject += 1;
    }
    count
};

static TABLE: [Call; COUNT] = {
    let mut table = [SUBJECTS[0][0]; COUNT];
    let (mut next, mut subject) = (0, 0);
    while subject < SUBJECTS.len() {
        let mut row = 0;
        while row < SUBJECTS[subject].len() {
            table[next] = SUBJECTS[subject][row];
            next += 1;
            row += 1;
        }
        subject += 1;
    }
    table
};

/// Every system call of the kernel.
pub static CALLS: &[Call] = &TABLE;

/// Numbers below this are in [`INDEX`]: one more than the table's highest, on x86_64.
const LIMIT: usize = {
    let (mut limit, mut row) = (0, 0);
    while row < COUNT {
        if let Some(number) = TABLE[row].x86_64
            && number as usize >= limit
        {
            limit = number as usize + 1;
        }
        row += 1;
    }
    limit
};

/// x86_64's numbers to rows of [`CALLS`], plus one; 0 is none.
static INDEX: [u16; LIMIT] = {
    let mut index = [0; LIMIT];
    let mut row = 0;
    while row < COUNT {
        if let Some(number) = TABLE[row].x86_64 {
            assert!(index[number as usize] == 0, "two calls with one number");
            index[number as usize] = row as u16 + 1;
        }
        row += 1;
    }
    index
};

/// The call of this number on x86_64, the pseudo system calls included. A look into an array: the monitor asks on
/// every notification.
pub fn by_number_x86_64(number: u32) -> Option<&'static Call> {
    match INDEX.get(number as usize) {
        Some(0) => None,
        Some(&row) => CALLS.get(row as usize - 1),
        None => PSEUDO.get(number.checked_sub(capsicum::FIRST)? as usize),
    }
}
