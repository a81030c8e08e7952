//! The commands of fcntl(2). Those that FreeBSD has too need what they need there; Linux's other ways to ask or set
//! who is told of I/O count as F_GETOWN or F_SETOWN.

use crate::{Command, Namespace, Verdict, Verdict::*, rows::*};
use rights::FcntlRights;

/// Nobody, or somebody: that only the process itself may be named is the monitor's to check.
const OWNER: Verdict = When(&[rule(&[int(2, 0)], Descriptors)], &Ask);

/// To be told of input by a signal: of a terminal, by the kernel's choice, whoever is in front of it would be.
const FLAGS: Verdict = When(&[rule(&[clear(2, O_ASYNC)], Descriptors)], &Ask);
const O_ASYNC: u64 = 0o20000;

/// The commands of fcntl(2).
pub static FCNTL: Namespace = Namespace { name: "fcntl", key: &[1], commands: COMMANDS, unknown: DENY };

/// The right among those of `cap_fcntls_limit(2)` that this command needs, beside CAP_FCNTL. None for a command that
/// they do not speak of.
pub fn fcntl_right(command: u32) -> Option<FcntlRights> {
    FCNTL.find(command.into())?.fcntl
}

const COMMANDS: &[Command] = commands! {
    // The descriptor's number: nothing needed.
    F_DUPFD 0 [Ask; hosted Allow] "copying needs no right; asked so that the copy keeps the limits";
    F_DUPFD_CLOEXEC 1030 [Ask; hosted Allow] "copying needs no right; asked so that the copy keeps the limits";
    F_GETFD 1 [Allow] "close-on-exec needs no right";
    F_SETFD 2 [Allow] "close-on-exec needs no right";
    F_DUPFD_QUERY 1027 [Allow] "whether two of its own descriptors are one open file";
    F_CREATED_QUERY 1028 [Allow] "whether the open made the file";

    // Flags, and who is told of I/O: CAP_FCNTL, and after the colon what cap_fcntls_limit's set must have.
    F_GETFL 3 [Descriptors] (FCNTL: GETFL) "flags of the open file";
    F_SETFL 4 [FLAGS] (FCNTL: SETFL) "flags of the open file; O_ASYNC only if itself is told";
    F_GETOWN 9 [Descriptors] (FCNTL: GETOWN) "who is told of I/O";
    F_SETOWN 8 [OWNER] (FCNTL: SETOWN) "aims signals at a process by number: nobody or itself only";
    F_GETOWN_EX 16 [Descriptors] (FCNTL: GETOWN) "who is told of I/O";
    F_SETOWN_EX 15 [Ask] (FCNTL: SETOWN) "aims signals at a process, in memory: itself only";
    F_GETOWNER_UIDS 17 [Descriptors] (FCNTL: GETOWN) "who is told of I/O";
    F_GETSIG 11 [Descriptors] (FSIGNAL) "which signal tells of I/O";
    F_SETSIG 10 [Ask] (FSIGNAL) "which signal tells of I/O: only if itself is told";

    // Locks and leases.
    F_GETLK 5 [Descriptors] (FLOCK) "locks";
    F_SETLK 6 [Descriptors] (FLOCK) "locks";
    F_SETLKW 7 [Descriptors] (FLOCK) "locks";
    F_OFD_GETLK 36 [Descriptors] (FLOCK) "locks";
    F_OFD_SETLK 37 [Descriptors] (FLOCK) "locks";
    F_OFD_SETLKW 38 [Descriptors] (FLOCK) "locks";
    F_CANCELLK 1029 [Allow] "the kernel's own, refused by it as invalid";
    F_GETLEASE 1025 [Descriptors] (FLOCK FSIGNAL) "leases";
    F_SETLEASE 1024 [Descriptors] (FLOCK FSIGNAL) "leases";
    F_GETDELEG 1039 [Descriptors] (FLOCK FSIGNAL) "leases on directories";
    F_SETDELEG 1040 [Descriptors] (FLOCK FSIGNAL) "leases on directories";
    F_NOTIFY 1026 [Descriptors] (NOTIFY) "watches a directory";

    // Pipes, memory files, hints.
    F_GETPIPE_SZ 1032 [Descriptors] (GETSOCKOPT) "a pipe's size";
    F_SETPIPE_SZ 1031 [Descriptors] (SETSOCKOPT) "a pipe's size";
    F_GET_SEALS 1034 [Descriptors] (FSTAT) "a memory file's seals";
    F_ADD_SEALS 1033 [Descriptors] (FCHMOD) "a memory file's seals";
    F_GET_RW_HINT 1035 [Descriptors] (FCNTL) "how long what is written will live";
    F_SET_RW_HINT 1036 [Descriptors] (FCNTL) "how long what is written will live";
    F_GET_FILE_RW_HINT 1037 [Descriptors] (FCNTL) "how long what is written will live";
    F_SET_FILE_RW_HINT 1038 [Descriptors] (FCNTL) "how long what is written will live";
};
