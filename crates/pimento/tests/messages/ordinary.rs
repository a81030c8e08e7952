//! In ordinary mode, when some descriptor is limited, the monitor sends: to any address, as its process would.

use crate::call;
use crate::letters::*;
use crate::stage::*;
use pimento::{Limits, Right, Rights};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

const READ: Rights = Rights::of(&[Right::READ]);

/// A descriptor that is limited, and with it this process a monitor's.
fn limited() -> OwnedFd {
    let fd = own(call!(SYS_memfd_create, c"limited".as_ptr(), 0).unwrap());
    Limits::new().fd(&fd, READ).limit().unwrap();
    assert!(!pimento::sandboxed());
    fd
}

fn unix(path: &[u8]) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes()[..], path].concat()
}

fn bound(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_nonblocking(true).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    socket
}

fn got(socket: &UnixDatagram) -> Vec<u8> {
    let mut data = [0; 64];
    let length = socket.recv(&mut data).unwrap();
    data[..length].to_vec()
}

#[test]
fn a_message_goes_to_whatever_address() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            let [a, b] = ["a", "b"].map(|name| bound(&scratch.at(name)));
            std::os::unix::fs::symlink(scratch.at("b"), scratch.at("link")).unwrap();
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = udp.local_addr().unwrap().port();
            let named = own(call!(SYS_socket, libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap());
            let name = unix(format!("\0pimento-{}", std::process::id()).as_bytes());
            call!(SYS_bind, named.as_raw_fd(), name.as_ptr(), name.len()).unwrap();
            Player::start(user, || {
                std::env::set_current_dir(&scratch.path).unwrap();
                let limited = limited();
                let from = UnixDatagram::unbound().unwrap();
                let path = |name: &str| unix(scratch.at(name).as_os_str().as_encoded_bytes());
                assert_eq!(send_with(&from, &path("a"), b"absolute", &[]), Ok(8));
                assert_eq!(got(&a), b"absolute");
                assert_eq!(send_with(&from, &unix(b"b\0rest"), b"relative", &[]), Ok(8));
                assert_eq!(got(&b), b"relative");
                assert_eq!(send_with(&from, &unix(b"link"), b"link", &[]), Ok(4));
                assert_eq!(got(&b), b"link");
                assert_eq!(send_with(&from, &unix(b"none"), b"x", &[]), Err(libc::ENOENT));
                assert_eq!(send_with(&from, &path(""), b"x", &[]), Err(libc::ECONNREFUSED));
                // There the monitor would be itself.
                for name in [&b"/proc/self/cwd/a"[..], b"/proc/self/fd/3", b"/proc/thread-self/root/a"] {
                    assert_eq!(send_with(&from, &unix(name), b"x", &[]), Err(ENOTCAPABLE));
                }
                // What its level has is not known.
                let mut control = ancillary(1, &[0; 16]);
                control[8..12].copy_from_slice(&276i32.to_ne_bytes());
                assert!(send_with(&from, &path("a"), b"x", &control).is_err());
                assert_eq!(send_with(&from, &name, b"abstract", &[]), Ok(8));
                assert_eq!(receive(&named, 0).unwrap().data, b"abstract");
                let inet = UdpSocket::bind("127.0.0.1:0").unwrap();
                let mut address = [0u8; 16];
                address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                address[2..4].copy_from_slice(&port.to_be_bytes());
                address[4..8].copy_from_slice(&[127, 0, 0, 1]);
                // From an address of its choice.
                let info = [[0u8; 4], [127, 0, 0, 1], [0; 4]].concat();
                let mut control = ancillary(libc::IP_PKTINFO, &info);
                control[8..12].copy_from_slice(&libc::IPPROTO_IP.to_ne_bytes());
                assert_eq!(send_with(&inet, &address, b"inet", &control), Ok(4));
                let mut data = [0; 8];
                assert_eq!(udp.recv_from(&mut data).unwrap(), (4, inet.local_addr().unwrap()));
                // What is limited is of no use to a stranger.
                assert_eq!(send_with(&from, &path("a"), b"x", &rights_of(&[limited.as_raw_fd()])), Ok(1));
                let letter = receive_into(&a, 8, 64, 0).unwrap();
                assert_eq!(pimento::rights(&letter.fds[0]).unwrap(), READ);
                assert_eq!(send_with(&from, &path("b"), b"x", &rights_of(&[limited.as_raw_fd()])), Ok(1));
            })
            .join();
            let letter = receive(&b, 0).unwrap();
            let mut byte = [0u8];
            assert_eq!(call!(SYS_read, letter.fds[0].as_raw_fd(), byte.as_mut_ptr(), 1), Err(libc::EBADF));
        });
    }
}

#[test]
fn a_path_is_the_callers_own() {
    if !is_root() {
        return skipped("chroot is root's");
    }
    judged(|| {
        let scratch = Scratch::new(User::Own);
        scratch.dir("root");
        scratch.dir("root/in");
        let inner = bound(&scratch.at("root/in/socket"));
        std::os::unix::fs::symlink("/in/socket", scratch.at("root/link")).unwrap();
        Player::start(User::Own, || {
            let _limited = limited();
            std::os::unix::fs::chroot(scratch.at("root")).unwrap();
            std::env::set_current_dir("/").unwrap();
            let from = UnixDatagram::unbound().unwrap();
            for name in ["/in/socket", "in/socket", "/link", "/../in/socket"] {
                assert_eq!(send_with(&from, &unix(name.as_bytes()), b"x", &[]), Ok(1), "{name}");
                assert_eq!(got(&inner), b"x");
            }
            let outer = scratch.at("root/in/socket");
            let outer = unix(outer.as_os_str().as_encoded_bytes());
            assert_eq!(send_with(&from, &outer, b"x", &[]), Err(libc::ENOENT));
            // Where an absolute link leads is not to be told from within.
            assert_eq!(send_with(&from, &unix(b"link"), b"x", &[]), Err(ENOTCAPABLE));
        })
        .join();
    });
}
