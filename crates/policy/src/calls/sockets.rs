//! Sockets, and IPC by key or name.

use crate::{Arg::Command, Arg::*, Call, Cond, SETSOCKOPT, Verdict, Verdict::*, rows::*};

const OPTIONS: Verdict = Verdict::Command(&SETSOCKOPT);

/// The families, types and protocols that work on descriptors alone; raw sockets, packet, netlink, key, alg and
/// whatever is added later do not, nor does SCTP, whose options connect. The type's upper bits are SOCK_CLOEXEC and
/// SOCK_NONBLOCK.
const FAMILY_AND_TYPE: Verdict = When(
    &[
        rule(&[int(0, UNIX), kind(STREAM)], Allow),
        rule(&[int(0, UNIX), kind(DGRAM)], Allow),
        rule(&[int(0, UNIX), kind(SEQPACKET)], Allow),
        rule(&[int(0, INET), kind(STREAM), int(2, 0)], Allow),
        rule(&[int(0, INET), kind(STREAM), int(2, TCP)], Allow),
        rule(&[int(0, INET), kind(STREAM), int(2, MPTCP)], Allow),
        rule(&[int(0, INET), kind(DGRAM), int(2, 0)], Allow),
        rule(&[int(0, INET), kind(DGRAM), int(2, UDP)], Allow),
        rule(&[int(0, INET6), kind(STREAM), int(2, 0)], Allow),
        rule(&[int(0, INET6), kind(STREAM), int(2, TCP)], Allow),
        rule(&[int(0, INET6), kind(STREAM), int(2, MPTCP)], Allow),
        rule(&[int(0, INET6), kind(DGRAM), int(2, 0)], Allow),
        rule(&[int(0, INET6), kind(DGRAM), int(2, UDP)], Allow),
    ],
    &DENY,
);
/// The levels whose options only tell of the socket; netfilter's and other protocols' do more.
const ASKED: Verdict = When(
    &[
        rule(&[int(1, SOCKET), int(2, SO_PEERPIDFD)], DENY),
        rule(&[int(1, SOCKET)], Descriptors),
        rule(&[int(1, IP), clear(2, !0x3f & INT)], Descriptors),
        rule(&[int(1, TCP)], Descriptors),
        rule(&[int(1, UDP)], Descriptors),
        rule(&[int(1, IPV6), int(2, IP6T_SO_GET_INFO)], DENY),
        rule(&[int(1, IPV6), int(2, IP6T_SO_GET_ENTRIES)], DENY),
        rule(&[int(1, IPV6), int(2, IP6T_SO_GET_REVISION_MATCH)], DENY),
        rule(&[int(1, IPV6), int(2, IP6T_SO_GET_REVISION_TARGET)], DENY),
        rule(&[int(1, IPV6)], Descriptors),
        rule(&[int(1, SOL_MPTCP)], Descriptors),
    ],
    &DENY,
);
const SOCKET: u32 = 1;
const SO_PEERPIDFD: u32 = 77;
const IP: u32 = 0;
const TCP: u32 = 6;
const TCP_ZEROCOPY_RECEIVE: u32 = 35;
const UDP: u32 = 17;
const IPV6: u32 = 41;
/// Netfilter's, which at this level lie among the others.
const IP6T_SO_GET_INFO: u32 = 64;
const IP6T_SO_GET_ENTRIES: u32 = 65;
const IP6T_SO_GET_REVISION_MATCH: u32 = 68;
const IP6T_SO_GET_REVISION_TARGET: u32 = 69;
const MPTCP: u32 = 262;
const SOL_MPTCP: u32 = 284;
const UNIX: u32 = 1;
const INET: u32 = 2;
const INET6: u32 = 10;
const STREAM: u64 = 1;
const DGRAM: u64 = 2;
const SEQPACKET: u64 = 5;
const fn kind(kind: u64) -> Cond {
    Cond::is(1, 0xf, kind)
}

pub(super) const CALLS: &[Call] = calls! {
    // Making and naming.
    socket 41 198 (Int, Int, Int) [FAMILY_AND_TYPE]
        "unix, inet and inet6 sockets that are not raw: bound to nothing yet";
    socketpair 53 199 (Int, Int, Int, Out) [FAMILY_AND_TYPE] "two sockets, connected to each other";
    bind 49 200 (Fd(need!(BIND)), Addr(&[]), Size) [DENY] "a global address; bindat instead";
    connect 42 203 (Fd(need!(CONNECT)), Addr(&[]), Size) [DENY] "a global address; connectat instead";
    listen 50 201 (Fd(need!(LISTEN)), Int) [Descriptors; hosted Ask; do Listen]
        "listens; hosted only on an address that it already has, for the kernel would give it one";
    accept 43 202 (Fd(need!(ACCEPT)), Out, InOut) [Ask; hosted Descriptors; do Accept]
        "the new socket has the listening one's rights; asked so that it gets its limits with its number";
    accept4 288 242 (Fd(need!(ACCEPT)), Out, InOut, Flags) [Ask; hosted Descriptors; do Accept]
        "the new socket has the listening one's rights; asked so that it gets its limits with its number";
    getsockname 51 204 (Fd(need!(GETSOCKNAME)), Out, InOut) [Descriptors] "a socket's own address";
    getpeername 52 205 (Fd(need!(GETPEERNAME)), Out, InOut) [Descriptors] "a socket's peer's address";
    shutdown 48 210 (Fd(need!(SHUTDOWN)), Int) [Descriptors] "ends a connection";

    // Options.
    setsockopt 54 208 (Fd(need!(SETSOCKOPT)), Command, Command, In, Size) [OPTIONS]
        "each option is classified";
    getsockopt 55 209 (Fd(need!(GETSOCKOPT; if int(1, TCP), int(2, TCP_ZEROCOPY_RECEIVE) => READ)), Int, Int, Out, InOut)
        [ASKED]
        "reads a socket's option, and by TCP_ZEROCOPY_RECEIVE what has arrived; but SO_PEERPIDFD is a descriptor of \
         another process, and SCTP's options connect";

    // Messages. Those with everything in memory go through the monitor, for the addresses and descriptors in them.
    sendto 44 206 (Fd(need!(WRITE)), In, Size, Flags, Addr(&[]), Size)
        [When(&[rule(&[null(4)], Descriptors)], &DENY)]
        "sends; to an address is a global name";
    sendmsg 46 211 (Fd(need!(WRITE)), In, Flags) [Ask; do SendMessage]
        "sends; the address, if any, is in memory";
    sendmmsg 307 269 (Fd(need!(WRITE)), InOut, Size, Flags) [Ask; do SendMessages]
        "sends; the addresses, if any, are in memory";
    recvfrom 45 207 (Fd(need!(READ)), Out, Size, Flags, Out, InOut) [Descriptors] "receives";
    recvmsg 47 212 (Fd(need!(READ)), InOut, Flags) [Ask; hosted Descriptors; do ReceiveMessage]
        "receives; asked so that descriptors that arrive keep their limits";
    recvmmsg 299 243 (Fd(need!(READ)), InOut, Size, Flags, InOut)
        [Ask; hosted Descriptors; do ReceiveMessages]
        "receives; asked so that descriptors that arrive keep their limits";

    // POSIX message queues.
    mq_open 240 180 (In, Flags, Mode, In) [DENY] "names a queue";
    mq_unlink 241 181 (In) [DENY] "names a queue";
    mq_timedsend 242 182 (Fd(need!(WRITE)), In, Size, Int, In) [Descriptors] "sends to an open queue";
    mq_timedreceive 243 183 (Fd(need!(READ)), Out, Size, Out, In) [Descriptors] "receives from an open queue";
    mq_notify 244 184 (Fd(need!(EVENT)), In) [Descriptors] "asks to be told of a message";
    mq_getsetattr 245 185 (Fd(need!(EVENT)), In, Out) [Descriptors] "attributes of an open queue";

    // System V IPC: keys and ids are the whole machine's.
    shmget 29 194 (Int, Size, Flags) [DENY] "keys are global names";
    shmat 30 196 (Int, In, Flags) [DENY] "ids are global names";
    shmctl 31 195 (Int, Int, InOut) [DENY] "ids are global names";
    shmdt 67 197 (In) [Allow] "unmaps the process's own memory";
    semget 64 190 (Int, Int, Flags) [DENY] "keys are global names";
    semop 65 193 (Int, In, Size) [DENY] "ids are global names";
    semtimedop 220 192 (Int, In, Size, In) [DENY] "ids are global names";
    semctl 66 191 (Int, Int, Int, InOut) [DENY] "ids are global names";
    msgget 68 186 (Int, Flags) [DENY] "keys are global names";
    msgsnd 69 189 (Int, In, Size, Flags) [DENY] "ids are global names";
    msgrcv 70 188 (Int, Out, Size, Int, Flags) [DENY] "ids are global names";
    msgctl 71 187 (Int, Int, InOut) [DENY] "ids are global names";
};
