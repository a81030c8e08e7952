//! Sockets, messages, and IPC by key or name.

use crate::raw::{at, of, word, zeroed};
use crate::scene::{self, before};
use crate::stage::{Recipe, Stage, denied, is, leaves, works};

pub const RECIPES: &[Recipe] = &[
    ("making sockets", making),
    ("addresses", addresses),
    ("addresses beneath a directory", beneath),
    ("accepting", accepting),
    ("names of sockets", names),
    ("sending and receiving", sending),
    ("sending many", sending_many),
    ("sending to an address", sending_to_address),
    ("descriptors in messages", descriptors),
    ("options asked for", options),
    ("message queues", queues),
    ("shared memory by key", shared_memory),
    ("semaphores by key", semaphores),
    ("messages by key", messages),
];

const UNIX: i32 = libc::AF_UNIX;
const INET: i32 = libc::AF_INET;
const INET6: i32 = libc::AF_INET6;
const STREAM: i32 = libc::SOCK_STREAM;
const DGRAM: i32 = libc::SOCK_DGRAM;
const SEQPACKET: i32 = libc::SOCK_SEQPACKET;
const TCP: i32 = libc::IPPROTO_TCP;
const UDP: i32 = libc::IPPROTO_UDP;
const MPTCP: i32 = 262;

fn making(t: &mut Stage) {
    t.enter();
    for (family, kind, protocol) in [
        (UNIX, STREAM, 0),
        (UNIX, STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0),
        (UNIX, DGRAM, 0),
        (UNIX, SEQPACKET, 0),
        (INET, STREAM, 0),
        (INET, STREAM, TCP),
        (INET, STREAM, MPTCP),
        (INET, DGRAM, 0),
        (INET, DGRAM, UDP),
        (INET6, STREAM, 0),
        (INET6, STREAM, TCP),
        (INET6, STREAM, MPTCP),
        (INET6, DGRAM, 0),
        (INET6, DGRAM, UDP),
    ] {
        works!(t, socket(family, kind, protocol));
        let mut ends = [0i32; 2];
        works!(t, socketpair(family, kind, protocol, at(&mut ends)));
        t.see("ends", ends);
    }
    for (family, kind, protocol) in [
        (INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        (INET, libc::SOCK_RAW, libc::IPPROTO_TCP),
        (INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
        (UNIX, libc::SOCK_RAW, 0),
        (INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
        (INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
        (INET, SEQPACKET, 0),
        (libc::AF_PACKET, libc::SOCK_RAW, 0),
        (libc::AF_PACKET, libc::SOCK_DGRAM, 0),
        (libc::AF_NETLINK, libc::SOCK_RAW, 0),
        (libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_KOBJECT_UEVENT),
        (libc::AF_KEY, libc::SOCK_RAW, 2),
        (libc::AF_ALG, SEQPACKET, 0),
        (libc::AF_VSOCK, STREAM, 0),
        (libc::AF_BLUETOOTH, libc::SOCK_RAW, 0),
        (libc::AF_XDP, libc::SOCK_RAW, 0),
        (libc::AF_UNSPEC, STREAM, 0),
        (-1, STREAM, 0),
    ] {
        denied!(t, socket(family, kind, protocol));
        let mut ends = [0i32; 2];
        denied!(t, socketpair(family, kind, protocol, at(&mut ends)));
    }
}

fn unix_at(path: &str) -> libc::sockaddr_un {
    let mut name: libc::sockaddr_un = zeroed();
    name.sun_family = UNIX as u16;
    for (to, from) in name.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    name
}

/// What tests/sockets does not ask: that each line of the table is there.
fn beneath(t: &mut Stage) {
    let (dir, file, tcp) = (scene::dir(), scene::file(), scene::socket(INET, STREAM));
    let [server, client, spare] = [(); 3].map(|()| scene::socket(UNIX, DGRAM));
    let (name, out) = (unix_at("name"), unix_at("../name"));
    t.enter();
    denied!(t, bindat(libc::AT_FDCWD, server, of(&name), 110));
    denied!(t, connectat(libc::AT_FDCWD, client, of(&name), 110));
    is!(t, 0, bindat(dir, server, of(&name), 110));
    is!(t, 0, connectat(dir, client, of(&name), 110));
    leaves!(t, bindat(dir, spare, of(&out), 110));
    leaves!(t, connectat(dir, spare, of(&out), 110));
    for (errno, dir, socket, address, len) in [
        (libc::EADDRINUSE, dir, spare, of(&name), 110),
        (libc::ENOTDIR, file, spare, of(&name), 110),
        (libc::EBADF, 99, spare, of(&name), 110),
        (libc::EBADF, dir, 99, of(&name), 110),
        (libc::ENOTSOCK, dir, file, of(&name), 110),
        (libc::EOPNOTSUPP, dir, tcp, of(&name), 110),
        (libc::EFAULT, dir, spare, 16, 110),
        (libc::EINVAL, dir, spare, of(&name), 2),
        (libc::EINVAL, dir, spare, of(&name), 1),
        (libc::ENAMETOOLONG, dir, spare, of(&name), 256),
    ] {
        is!(t, -i64::from(errno), bindat(dir, socket, address, len));
    }
    // Who is not in capability mode has not made it.
    is!(t, 0, unlinkat(dir, c"name", 0));
}

fn addresses(t: &mut Stage) {
    let (_listening, port) = scene::listening();
    let (free, udp, unix) =
        (scene::socket(INET, STREAM), scene::socket(INET, DGRAM), scene::socket(UNIX, STREAM));
    let unbound = scene::socket(INET, STREAM);
    let bound = scene::socket(INET, STREAM);
    scene::bound(bound);
    let name = unix_at("socket");
    t.enter();
    denied!(t, connect(free, of(&scene::loopback(port)), 16));
    denied!(t, connect(udp, of(&scene::loopback(port)), 16));
    denied!(t, connect(unix, of(&name), 110));
    denied!(t, connect(99, 0, 0));
    denied!(t, bind(unbound, of(&scene::loopback(0)), 16));
    denied!(t, bind(unix, of(&name), 110));
    denied!(t, bind(unix, of(&name), 2));
    works!(t, listen(bound, 4));
    works!(t, listen(udp, 4));
    works!(t, listen(99, 4));
    // As on FreeBSD: the kernel gives it a port.
    works!(t, listen(unbound, 4));
}

fn accepting(t: &mut Stage) {
    let (listening, port) = scene::listening();
    let (one, two) = (scene::connected(port), scene::connected(port));
    t.enter();
    let mut address: libc::sockaddr_in = zeroed();
    let mut len = 16u32;
    let first = works!(t, accept(listening, at(&mut address), at(&mut len)));
    t.see("peer", (address.sin_family, address.sin_addr.s_addr, len));
    let second = works!(t, accept4(listening, 0, 0, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC));
    works!(t, fcntl(second, libc::F_GETFD));
    works!(t, write(one, of(b"to first"), 8));
    works!(t, write(second, of(b"to two"), 6));
    let mut bytes = [0u8; 8];
    works!(t, read(first, at(&mut bytes), 8));
    t.see("read", bytes);
    works!(t, read(two, at(&mut bytes), 8));
    t.see("read", bytes);
    works!(t, accept(one, 0, 0));
    works!(t, shutdown(first, libc::SHUT_WR));
    works!(t, read(one, at(&mut bytes), 8));
    works!(t, shutdown(listening, 7));
}

fn names(t: &mut Stage) {
    let (listening, port) = scene::listening();
    let one = scene::connected(port);
    let pair = scene::pair(STREAM);
    t.enter();
    let mut address = [0u8; 128];
    for socket in [listening, one, pair[0], 99] {
        let mut len = 128u32;
        works!(t, getsockname(socket, at(&mut address), at(&mut len)));
        t.see("family and length", (address[0], len));
        works!(t, getpeername(socket, at(&mut address), at(&mut len)));
        t.see("family and length", (address[0], len));
    }
}

fn message(parts: &[[u64; 2]]) -> libc::msghdr {
    let mut header: libc::msghdr = zeroed();
    header.msg_iov = std::ptr::with_exposed_provenance_mut(of(parts) as usize);
    header.msg_iovlen = parts.len();
    header
}

fn sending(t: &mut Stage) {
    let (_listening, port) = scene::listening();
    let tcp = scene::connected(port);
    let (stream, datagram) = (scene::pair(STREAM), scene::pair(DGRAM));
    t.enter();
    let mut bytes = [0u8; 16];
    works!(t, sendto(stream[0], of(b"sent"), 4, 0, 0, 0));
    works!(t, recvfrom(stream[1], at(&mut bytes), 16, 0, 0, 0));
    t.see("received", bytes);
    works!(t, sendto(datagram[0], of(b"a datagram"), 10, libc::MSG_DONTWAIT, 0, 0));
    works!(t, recvfrom(datagram[1], at(&mut bytes), 4, libc::MSG_TRUNC, 0, 0));
    works!(t, recvfrom(datagram[1], at(&mut bytes), 4, libc::MSG_DONTWAIT, 0, 0));
    let parts = [[of(b"by "), 3], [of(b"parts"), 5]];
    for socket in [stream, datagram] {
        works!(t, sendmsg(socket[0], of(&message(&parts)), 0));
        let mut to = [0u8; 16];
        let room = [[at(&mut to), 16]];
        let mut header = message(&room);
        works!(t, recvmsg(socket[1], at(&mut header), 0));
        t.see("received", (to, header.msg_flags, header.msg_controllen));
    }
    works!(t, sendmsg(tcp, of(&message(&parts)), libc::MSG_NOSIGNAL));
    works!(t, sendmsg(99, of(&message(&parts)), 0));
    works!(t, sendmsg(stream[0], 16, 0));
    works!(t, sendmsg(datagram[0], of(&message(&[[16, 5]])), 0));
    works!(t, close(stream[1]));
    works!(t, sendto(stream[0], of(b"sent"), 4, libc::MSG_NOSIGNAL, 0, 0));
    works!(t, sendmsg(stream[0], of(&message(&parts)), libc::MSG_NOSIGNAL));
    scene::counted(libc::SIGPIPE);
    works!(t, sendmsg(stream[0], of(&message(&parts)), 0));
    t.see("SIGPIPE", scene::handled());
}

fn sending_many(t: &mut Stage) {
    let pair = scene::pair(DGRAM);
    t.enter();
    let (one, two) = ([[of(b"one"), 3]], [[of(b"second"), 6]]);
    let entry = |parts: &[[u64; 2]]| libc::mmsghdr { msg_hdr: message(parts), msg_len: 0 };
    let mut out = [entry(&one), entry(&two)];
    works!(t, sendmmsg(pair[0], at(&mut out), 2, 0));
    t.see("sent", out.map(|entry| entry.msg_len));
    let (mut a, mut b) = ([0u8; 8], [0u8; 8]);
    let rooms = [[[at(&mut a), 8]], [[at(&mut b), 8]]];
    let mut into = [entry(&rooms[0]), entry(&rooms[1])];
    works!(t, recvmmsg(pair[1], at(&mut into), 2, libc::MSG_DONTWAIT, 0));
    t.see("received", (into.map(|entry| entry.msg_len), a, b));
    works!(t, recvmmsg(pair[1], at(&mut into), 2, libc::MSG_DONTWAIT, 0));
}

fn sending_to_address(t: &mut Stage) {
    let (udp, to) = (scene::socket(INET, DGRAM), scene::socket(INET, DGRAM));
    let port = scene::bound(to);
    let mut address = scene::loopback(port);
    t.enter();
    denied!(t, sendto(udp, of(b"x"), 1, 0, of(&address), 16));
    denied!(t, sendto(udp, of(b"x"), 1, 0, of(&address), 0));
    denied!(t, sendto(99, 0, 0, 0, 16, 0));
    let parts = [[of(b"x"), 1]];
    let mut header = message(&parts);
    header.msg_name = std::ptr::from_mut(&mut address).cast();
    header.msg_namelen = 16;
    denied!(t, sendmsg(udp, of(&header), 0));
    let mut many = [libc::mmsghdr { msg_hdr: header, msg_len: 0 }; 2];
    denied!(t, sendmmsg(udp, at(&mut many), 2, 0));
    // The name is not looked at without a length.
    header.msg_namelen = 0;
    works!(t, sendmsg(udp, of(&header), 0));
}

fn descriptors(t: &mut Stage) {
    let (pair, file) = (scene::pair(STREAM), scene::file());
    t.enter();
    // `struct cmsghdr` and a descriptor.
    let control = [20u64, libc::SOL_SOCKET as u64 | (libc::SCM_RIGHTS as u64) << 32, file as u64];
    let parts = [[of(b"!"), 1]];
    let mut header = message(&parts);
    header.msg_control = std::ptr::with_exposed_provenance_mut(of(&control) as usize);
    header.msg_controllen = 24;
    works!(t, sendmsg(pair[0], of(&header), 0));
    let (mut to, mut room) = ([0u8; 1], [0u64; 4]);
    let into = [[at(&mut to), 1]];
    let mut header = message(&into);
    header.msg_control = std::ptr::with_exposed_provenance_mut(at(&mut room) as usize);
    header.msg_controllen = 32;
    works!(t, recvmsg(pair[1], at(&mut header), 0));
    t.see("control", (header.msg_controllen, room));
    let mut bytes = [0u8; 4];
    works!(t, read(room[2] as i32, at(&mut bytes), 4));
    t.see("read", bytes);
    let bad = [20u64, control[1], 99];
    header = message(&parts);
    header.msg_control = std::ptr::with_exposed_provenance_mut(of(&bad) as usize);
    header.msg_controllen = 24;
    works!(t, sendmsg(pair[0], of(&header), 0));
}

fn options(t: &mut Stage) {
    let (listening, port) = scene::listening();
    let tcp = scene::connected(port);
    let (pair, udp) = (scene::pair(STREAM), scene::socket(INET, DGRAM));
    let (six, multi) = (
        scene::socket(INET6, STREAM),
        before(libc::SYS_socket, &[word(INET), word(STREAM), word(MPTCP)]) as i32,
    );
    t.enter();
    let ask = |t: &mut Stage, socket: i32, level: i32, option: i32| {
        let (mut value, mut len) = ([0u32; 64], 256u32);
        works!(t, getsockopt(socket, level, option, at(&mut value), at(&mut len)));
        // What is about time and memory may change.
        if len <= 8 {
            t.see("value", (value[0], len));
        }
    };
    for option in [libc::SO_TYPE, libc::SO_ERROR, libc::SO_RCVBUF, libc::SO_ACCEPTCONN, libc::SO_LINGER, 9999]
    {
        ask(t, listening, libc::SOL_SOCKET, option);
    }
    ask(t, tcp, libc::IPPROTO_IP, libc::IP_TTL);
    ask(t, tcp, TCP, libc::TCP_NODELAY);
    ask(t, tcp, TCP, libc::TCP_INFO);
    ask(t, udp, UDP, 1);
    ask(t, six, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY);
    ask(t, multi, 284, 1);
    let (mut value, mut len) = ([0u32; 64], 256u32);
    // SO_PEERPIDFD is a descriptor of another process.
    denied!(t, getsockopt(pair[0], libc::SOL_SOCKET, 77, at(&mut value), at(&mut len)));
    // Netfilter's tables.
    for option in [64, 65, 68, 69] {
        denied!(t, getsockopt(six, libc::IPPROTO_IPV6, option, at(&mut value), at(&mut len)));
    }
    denied!(t, getsockopt(tcp, libc::IPPROTO_IP, 64, at(&mut value), at(&mut len)));
    denied!(t, getsockopt(tcp, libc::SOL_NETLINK, 1, at(&mut value), at(&mut len)));
    denied!(t, getsockopt(tcp, 132, 111, at(&mut value), at(&mut len)));
    denied!(t, getsockopt(99, -1, -1, 0, 0));
}

fn queues(t: &mut Stage) {
    let queue = scene::queue();
    t.enter();
    let mut text = [0u8; 32];
    works!(t, mq_timedsend(queue, of(b"queued"), 6, 3, 0));
    // SIGEV_NONE: told by nothing.
    let mut event: libc::sigevent = zeroed();
    event.sigev_notify = libc::SIGEV_NONE;
    works!(t, mq_notify(queue, of(&event)));
    works!(t, mq_notify(queue, 0));
    let mut priority = 0u32;
    works!(t, mq_timedreceive(queue, at(&mut text), 32, at(&mut priority), 0));
    t.see("received", (text, priority));
    works!(t, mq_timedreceive(queue, at(&mut text), 32, 0, 0));
    let mut attributes = [0i64; 8];
    works!(t, mq_getsetattr(queue, 0, at(&mut attributes)));
    t.see("attributes", attributes);
    works!(t, mq_getsetattr(99, 0, at(&mut attributes)));
    let name = std::ffi::CString::new(format!("pimento-table-{}-new", std::process::id())).expect("no NUL");
    denied!(t, mq_open(name.as_c_str(), libc::O_RDWR | libc::O_CREAT, 0o600, 0));
    denied!(t, mq_open(name.as_c_str(), libc::O_RDWR, 0, 0));
    denied!(t, mq_unlink(name.as_c_str()));
}

fn shared_memory(t: &mut Stage) {
    let id = before(libc::SYS_shmget, &[word(libc::IPC_PRIVATE), 4096, 0o600]);
    let address = before(libc::SYS_shmat, &[word(id), 0, 0]);
    // It lives as long as it is attached.
    before(libc::SYS_shmctl, &[word(id), word(libc::IPC_RMID), 0]);
    let mut out = [0u64; 32];
    t.enter();
    denied!(t, shmctl(id, libc::IPC_STAT, at(&mut out)));
    denied!(t, shmat(id, 0, 0));
    denied!(t, shmget(0, 0, 0));
    works!(t, shmdt(address));
    works!(t, shmdt(address));
    let made = denied!(t, shmget(libc::IPC_PRIVATE, 4096, 0o600));
    denied!(t, shmctl(made, libc::IPC_RMID, 0));
}

fn semaphores(t: &mut Stage) {
    t.enter();
    let id = denied!(t, semget(libc::IPC_PRIVATE, 1, 0o600));
    let raise = [0u16, 1, 0];
    denied!(t, semop(id, of(&raise), 1));
    denied!(t, semtimedop(id, of(&raise), 1, 0));
    denied!(t, semctl(id, 0, libc::GETVAL, 0));
    denied!(t, semctl(id, 0, libc::IPC_RMID, 0));
    denied!(t, semget(1, 0, 0));
}

fn messages(t: &mut Stage) {
    t.enter();
    let id = denied!(t, msgget(libc::IPC_PRIVATE, 0o600));
    let mut message = [1u64, 0x6867_6665];
    denied!(t, msgsnd(id, of(&message), 4, 0));
    denied!(t, msgrcv(id, at(&mut message), 4, 0, 0));
    denied!(t, msgctl(id, libc::IPC_RMID, 0));
    denied!(t, msgget(1, 0));
}
