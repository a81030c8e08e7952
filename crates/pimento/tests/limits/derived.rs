//! What comes of a limited descriptor has its limits: files opened beneath a directory, connections of a listening socket.

use crate::stage::*;
use crate::{READ, TEXT, WAYS, Way, call, directory_in, furnish, play_each_way, read, rights_of, write};
use pimento::{FcntlRights, Limits, Right, Rights};
use std::os::fd::{AsRawFd, OwnedFd};

const LOOKS: Rights = Rights::of(&[Right::READ, Right::LOOKUP, Right::IOCTL, Right::FCNTL]);

#[test]
fn what_is_opened_beneath_a_limited_directory_has_its_limits() {
    for way in WAYS {
        play_in(User::Own, furnish, |outer| {
            let dir = directory_in(outer);
            match way {
                Way::AtOnce => {
                    let limits = Limits::new().fd(&dir, LOOKS).ioctls(&dir, [1, 2]);
                    limits.fcntls(&dir, FcntlRights::GETFL).enter().unwrap();
                }
                _ => {
                    way.limit(&dir, LOOKS);
                    pimento::limit_ioctls(&dir, [1, 2]).unwrap();
                    pimento::limit_fcntls(&dir, FcntlRights::GETFL).unwrap();
                }
            }
            let dir = dir.as_raw_fd();
            let file = open_at(dir, "file", libc::O_RDONLY | libc::O_CLOEXEC).unwrap();
            let again = open_at(dir, ".", libc::O_RDONLY | libc::O_DIRECTORY).unwrap();
            let beneath = open_at(again.as_raw_fd(), "file", libc::O_RDONLY).unwrap();
            for fd in [&file, &again, &beneath] {
                assert_eq!(rights_of(fd), LOOKS, "{way:?}");
                assert_eq!(pimento::ioctls(fd).unwrap().commands(), Some(&[1, 2][..]));
                assert_eq!(pimento::fcntls(fd), Ok(FcntlRights::GETFL));
            }
            let flags = |fd: &OwnedFd| call!(SYS_fcntl, fd.as_raw_fd(), libc::F_GETFD);
            assert_eq!([flags(&file), flags(&beneath)], [Ok(1), Ok(0)]);
            assert_eq!(read(&file), Ok(4));
            assert_eq!(call!(SYS_lseek, file.as_raw_fd(), 0, libc::SEEK_SET), Err(ENOTCAPABLE), "{way:?}");
            let stat = &mut [0u8; 256];
            assert_eq!(call!(SYS_fstat, file.as_raw_fd(), stat.as_mut_ptr()), Err(ENOTCAPABLE), "{way:?}");
            // The same from one that is not limited.
            let free = open_at(outer, "dir/file", libc::O_RDWR).unwrap();
            assert_eq!((rights_of(&free), write(&free)), (Rights::ALL, Ok(4)));
        });
    }
}

#[test]
fn a_lookup_from_a_limited_directory_stays_beneath_it() {
    play_each_way(|way, outer| {
        let dir = directory_in(outer);
        call!(SYS_symlinkat, c"../file".as_ptr(), dir.as_raw_fd(), c"out".as_ptr()).unwrap();
        call!(SYS_symlinkat, c"file".as_ptr(), dir.as_raw_fd(), c"in".as_ptr()).unwrap();
        call!(SYS_symlinkat, c"/etc/hostname".as_ptr(), dir.as_raw_fd(), c"away".as_ptr()).unwrap();
        way.limit(&dir, Rights::of(&[Right::READ, Right::LOOKUP, Right::FSTAT]));
        let dir = dir.as_raw_fd();
        for path in ["../file", "..", "out", "away", "../dir/file"] {
            assert_eq!(open_at(dir, path, libc::O_RDONLY).err(), Some(ENOTCAPABLE), "{way:?} {path}");
            let (stat, path) = (&mut [0u8; 256], c(path));
            let looked = call!(SYS_newfstatat, dir, path.as_ptr(), stat.as_mut_ptr(), 0);
            assert_eq!(looked, Err(ENOTCAPABLE), "{way:?} {path:?}");
        }
        assert_eq!(read_at(dir, "./in").as_deref(), Ok(TEXT), "{way:?}");
        // In ordinary mode FreeBSD would pay no heed to the descriptor: docs/freebsd-compat.md.
        assert_eq!(open_at(dir, "/", libc::O_RDONLY).err(), Some(ENOTCAPABLE));
    });
}

/// An address of a Unix socket: a path.
fn address(path: &str) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes()[..], path.as_bytes(), &[0]].concat()
}

#[test]
fn a_connection_has_the_limits_of_its_listening_socket() {
    for way in WAYS {
        judged(|| {
            let scratch = Scratch::new(User::Own);
            let path = scratch.at("socket");
            let address = address(path.to_str().unwrap());
            Player::start(User::Own, || {
                let socket = || own(call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap());
                let (listening, other) = (socket(), socket());
                call!(SYS_bind, listening.as_raw_fd(), address.as_ptr(), address.len()).unwrap();
                call!(SYS_listen, listening.as_raw_fd(), 8).unwrap();
                let clients = [(); 3].map(|()| socket());
                for client in &clients {
                    call!(SYS_connect, client.as_raw_fd(), address.as_ptr(), address.len()).unwrap();
                    write(client).unwrap();
                }
                let rights = Rights::of(&[Right::ACCEPT, Right::READ, Right::GETSOCKNAME]);
                way.limit_all(&[(&listening, rights), (&other, READ)]);
                let number = listening.as_raw_fd();
                let accepted = [
                    call!(SYS_accept, number, 0, 0),
                    call!(SYS_accept4, number, 0, 0, libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK),
                    {
                        let (mut name, mut len) = ([0u8; 128], [128u32]);
                        let accepted = call!(SYS_accept, number, name.as_mut_ptr(), len.as_mut_ptr());
                        assert_eq!(len, [2], "{way:?}: a client without a name");
                        accepted
                    },
                ];
                for (nth, connection) in accepted.into_iter().enumerate() {
                    let connection = own(connection.unwrap());
                    assert_eq!(rights_of(&connection), rights, "{way:?}");
                    assert_eq!([read(&connection), write(&connection)], [Ok(4), Err(ENOTCAPABLE)], "{way:?}");
                    let flags = call!(SYS_fcntl, connection.as_raw_fd(), libc::F_GETFD);
                    assert_eq!(flags, Ok((nth == 1).into()));
                }
                assert_eq!(call!(SYS_accept, other.as_raw_fd(), 0, 0), Err(ENOTCAPABLE));
                assert_eq!(call!(SYS_accept, 777, 0, 0), Err(libc::EBADF));
            })
            .join();
        });
    }
}
