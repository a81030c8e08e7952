//! The pseudo system calls of FreeBSD's interface: numbers that no kernel knows, but that a filter sees.

use super::paths::AT;
use crate::{Arg::*, Call, Verdict::*, rows::*};

/// The number of the first, `cap_enter`. The others follow in order.
pub const FIRST: u32 = 0x4341_5000;

/// The calls of FreeBSD's interface, in the order of their numbers, the same on every architecture.
pub static PSEUDO: &[Call] = calls! {
    cap_enter          0x43415000 0x43415000 () [Ask; do Capsicum]
        "enters capability mode: already in it, the monitor says";
    cap_getmode        0x43415001 0x43415001 (Out) [Ask; do Capsicum]
        "tells whether the process is in capability mode";
    cap_rights_limit   0x43415002 0x43415002 (Fd(&[]), In) [Ask; hosted ABSENT; do Capsicum]
        "limits a descriptor's rights, in capability mode";
    __cap_rights_get   0x43415003 0x43415003 (Int, Fd(&[]), Out) [Ask; hosted ABSENT; do Capsicum]
        "tells a descriptor's rights";
    cap_ioctls_limit   0x43415004 0x43415004 (Fd(&[]), In, Size) [Ask; hosted ABSENT; do Capsicum]
        "limits a descriptor's ioctls, in capability mode";
    cap_ioctls_get     0x43415005 0x43415005 (Fd(&[]), Out, Size) [Ask; hosted ABSENT; do Capsicum]
        "tells a descriptor's ioctls";
    cap_fcntls_limit   0x43415006 0x43415006 (Fd(&[]), Int) [Ask; hosted ABSENT; do Capsicum]
        "limits a descriptor's fcntls, in capability mode";
    cap_fcntls_get     0x43415007 0x43415007 (Fd(&[]), Out) [Ask; hosted ABSENT; do Capsicum]
        "tells a descriptor's fcntls";
    pdfork             0x43415008 0x43415008 (Out, Flags) [ABSENT; do Capsicum]
        "forks, with a process descriptor: not there yet";
    pdrfork            0x43415009 0x43415009 (Out, Flags, Flags) [ABSENT; do Capsicum]
        "pdfork with rfork's flags: not there yet";
    pdkill             0x4341500a 0x4341500a (Fd(need!(PDKILL)), Int) [ABSENT; do Capsicum]
        "signals by process descriptor: not there yet";
    pdgetpid           0x4341500b 0x4341500b (Fd(need!(PDGETPID)), Out) [ABSENT; do Capsicum]
        "a process descriptor's pid: not there yet";
    pdwait4            0x4341500c 0x4341500c (Fd(need!(PDWAIT)), Out, Flags, Out) [ABSENT; do Capsicum]
        "waits by process descriptor: not there yet";
    pdwait             0x4341500d 0x4341500d (Fd(need!(PDWAIT)), Out, Flags, Out, Out) [ABSENT; do Capsicum]
        "FreeBSD 15's wait by process descriptor: not there yet";
    bindat             0x4341500e 0x4341500e (Dir, Fd(need!(BIND)), Addr(need!(BINDAT)), Size)
        [AT; hosted Ask; do Bind]
        "gives a Unix socket an address beneath a directory; the address is in memory";
    connectat          0x4341500f 0x4341500f (Dir, Fd(need!(CONNECT)), Addr(need!(CONNECTAT)), Size)
        [AT; hosted Ask; do Connect]
        "connects a Unix socket to an address beneath a directory; the address is in memory";
};
