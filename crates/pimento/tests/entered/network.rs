//! Sockets: what works on descriptors works, what names an address or another network does not.

use crate::call;
use crate::stage::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

#[test]
fn a_listener_from_before_serves() {
    for &user in users() {
        judged(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let player = Player::start(user, || {
                enter();
                let (mut stream, peer) = listener.accept().unwrap();
                assert_eq!(stream.local_addr().unwrap(), address);
                assert_eq!(stream.peer_addr().unwrap(), peer);
                stream.set_nodelay(true).unwrap();
                let mut said = [0; 5];
                stream.read_exact(&mut said).unwrap();
                stream.write_all(&said).unwrap();
                // Again listening is on a descriptor that has its address.
                assert_eq!(call!(SYS_listen, listener.as_raw_fd(), 7), Ok(0));
            });
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"hello").unwrap();
            let mut said = Vec::new();
            stream.read_to_end(&mut said).unwrap();
            assert_eq!(said, b"hello");
            player.join();
        });
    }
}

#[test]
fn sockets_can_be_made_but_not_named_or_connected() {
    play_each(|_| {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        enter();
        let mut inet = [0u8; 16];
        inet[0] = libc::AF_INET as u8;
        inet[2..4].copy_from_slice(&address.port().to_be_bytes());
        inet[4..8].copy_from_slice(&[127, 0, 0, 1]);
        for (family, kind) in [
            (libc::AF_INET, libc::SOCK_STREAM),
            (libc::AF_INET, libc::SOCK_DGRAM),
            (libc::AF_INET6, libc::SOCK_STREAM),
            (libc::AF_UNIX, libc::SOCK_STREAM),
            (libc::AF_UNIX, libc::SOCK_DGRAM),
        ] {
            let socket = match call!(SYS_socket, family, kind | libc::SOCK_CLOEXEC, 0) {
                // A machine without IPv6.
                Err(libc::EAFNOSUPPORT) if family == libc::AF_INET6 => continue,
                made => own(made.unwrap()),
            };
            let socket = socket.as_raw_fd();
            let at = inet.as_ptr();
            assert_eq!(call!(SYS_bind, socket, at, 16), Err(ECAPMODE));
            assert_eq!(call!(SYS_connect, socket, at, 16), Err(ECAPMODE));
            assert_eq!(call!(SYS_sendto, socket, at, 1, 0, at, 16), Err(ECAPMODE));
            let data = [at as usize, 1];
            let message = [at as usize, 16, data.as_ptr() as usize, 1, 0, 0, 0, 0];
            assert_eq!(call!(SYS_sendmsg, socket, message.as_ptr(), 0), Err(ECAPMODE));
            assert_eq!(call!(SYS_sendmmsg, socket, message.as_ptr(), 1, 0), Err(ECAPMODE));
            let mut len = 128u32;
            let mut name = [0u8; 128];
            assert_eq!(call!(SYS_getsockname, socket, name.as_mut_ptr(), &raw mut len), Ok(0));
        }
        // Abstract names too.
        let abstract_name = *b"\x01\0\0name";
        let unix = own(call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap());
        for number in [libc::SYS_bind, libc::SYS_connect] {
            assert_eq!(crate::numbered!(number, unix.as_raw_fd(), abstract_name.as_ptr(), 7), Err(ECAPMODE));
        }
    });
}

#[test]
fn sockets_of_other_kinds_are_refused() {
    play_each(|_| {
        enter();
        for (family, kind, protocol) in [
            (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
            (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
            (libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
            (libc::AF_PACKET, libc::SOCK_RAW, 0),
            (libc::AF_PACKET, libc::SOCK_DGRAM, 0),
            (libc::AF_NETLINK, libc::SOCK_RAW, 0),
            (libc::AF_NETLINK, libc::SOCK_DGRAM, 0),
            (libc::AF_KEY, libc::SOCK_RAW, 2),
            (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
            (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
            (libc::AF_BLUETOOTH, libc::SOCK_RAW, 0),
        ] {
            let made = call!(SYS_socket, family, kind | libc::SOCK_CLOEXEC, protocol);
            assert_eq!(made, Err(ECAPMODE), "{family} {kind}");
        }
    });
}

#[test]
fn socket_pairs_carry_data_and_descriptors() {
    play_each(|_| {
        enter();
        let (mut a, mut b) = UnixStream::pair().unwrap();
        a.write_all(b"data").unwrap();
        let mut said = [0; 4];
        b.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"data");
        // A pipe's end rides along.
        let cue = Cue::new();
        let mut byte = [7u8];
        let data = [byte.as_mut_ptr() as usize, 1];
        let mut control = [20u64, (libc::SOL_SOCKET as u64) | (libc::SCM_RIGHTS as u64) << 32, 0];
        control[2] = cue.number() as u64;
        let message = [0, 0, data.as_ptr() as usize, 1, control.as_ptr() as usize, 24, 0];
        assert_eq!(call!(SYS_sendmsg, a.as_raw_fd(), message.as_ptr(), 0), Ok(1));
        let mut got = [0u64; 3];
        let message = [0, 0, data.as_ptr() as usize, 1, got.as_mut_ptr() as usize, 24, 0];
        assert_eq!(call!(SYS_recvmsg, b.as_raw_fd(), message.as_ptr(), 0), Ok(1));
        let copy = own((got[2] as u32).into()).into_raw_fd();
        cue.give();
        assert_eq!(call!(SYS_read, copy, byte.as_mut_ptr(), 1), Ok(1));
    });
}
