//! Rights that are missing, and other errors.

use crate::stage::*;
use crate::*;

const SOCKET: Rights = Rights::of(&[Right::BIND, Right::CONNECT, Right::GETSOCKNAME]);

/// All rights but one. Of what needs CAP_LOOKUP as well, that stays.
fn without(right: Right) -> Rights {
    let lookup = Rights::of(&[Right::LOOKUP]);
    let rest = Rights::ALL.difference(&Rights::of(&[right]));
    if right == Right::LOOKUP { rest } else { rest.union(&lookup) }
}

/// Limits some descriptors, before entering or without, or both at once.
fn limit(mode: Mode, limits: &[(&OwnedFd, Rights)]) {
    match mode {
        Mode::Entered => {
            let all = limits.iter().fold(Limits::new(), |all, (fd, rights)| all.fd(*fd, *rights));
            all.enter().unwrap();
        }
        _ => limits.iter().for_each(|(fd, rights)| pimento::limit(fd, *rights).unwrap()),
    }
}

#[test]
fn a_missing_right_on_the_directory_comes_before_what_is_there() {
    for mode in STRICT {
        play_in(User::Own, furnish, |outer| {
            let dir = || open_at(outer, ".", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC).unwrap();
            let (no_bind, no_connect, no_lookup) = (dir(), dir(), dir());
            let server = server(outer, STREAM, "server");
            limit(
                mode,
                &[
                    (&no_bind, without(Right::BINDAT)),
                    (&no_connect, without(Right::CONNECTAT)),
                    (&no_lookup, without(Right::LOOKUP)),
                ],
            );
            for path in ["name", "server", "file", "none/x", "../x", "/", "file/x", ""] {
                let want = if path.is_empty() { libc::ENOENT } else { ENOTCAPABLE };
                for lacking in [&no_bind, &no_lookup] {
                    let got = bind(lacking.as_raw_fd(), &socket(STREAM), path);
                    assert_eq!(got, Err(want), "{mode:?} {path}");
                }
                for lacking in [&no_connect, &no_lookup] {
                    let got = connect(lacking.as_raw_fd(), &socket(STREAM), path);
                    assert_eq!(got, Err(want), "{mode:?} {path}");
                }
            }
            // The other right is there.
            connect(no_bind.as_raw_fd(), &socket(STREAM), "server").unwrap();
            bind(no_connect.as_raw_fd(), &socket(STREAM), "name").unwrap();
            drop(server);
        });
    }
}

#[test]
fn a_missing_right_on_the_socket_comes_before_what_the_path_leads_to() {
    for mode in [Mode::Ordinary, Mode::Unlimited, Mode::Entered] {
        play_in(User::Own, furnish, |outer| {
            let dir = open_at(outer, ".", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC).unwrap();
            let (no_bind, no_connect, pipe) = (socket(STREAM), socket(STREAM), std::io::pipe().unwrap());
            let pipe = OwnedFd::from(pipe.0);
            let server = server(outer, STREAM, "server");
            let of_dir = if mode == Mode::Unlimited { Rights::ALL } else { BENEATH };
            limit(
                mode,
                &[
                    (&dir, of_dir),
                    (&no_bind, without(Right::BIND)),
                    (&no_connect, without(Right::CONNECT)),
                    (&pipe, Rights::NONE),
                ],
            );
            let number = dir.as_raw_fd();
            for path in ["name", "server"] {
                assert_eq!(bind(number, &no_bind, path), Err(ENOTCAPABLE), "{mode:?} {path}");
                // Natively the path is looked up first.
                let is_looked_up = path == "name" && mode == Mode::Unlimited;
                let want = if is_looked_up { libc::ENOENT } else { ENOTCAPABLE };
                assert_eq!(connect(number, &no_connect, path), Err(want), "{mode:?} {path}");
                assert_eq!(bind(number, &pipe, path), Err(ENOTCAPABLE), "{mode:?} {path}");
            }
            connect(number, &no_bind, "server").unwrap();
            bind(number, &no_connect, "name").unwrap();
            drop(server);
        });
    }
}

#[test]
fn each_argument_that_is_wrong_has_its_error() {
    play_each_mode(&STRICT, |mode, dir| {
        let file = open_at(dir, "file", libc::O_RDONLY).unwrap();
        let tcp = own(call!(SYS_socket, libc::AF_INET, STREAM, 0).unwrap());
        let unix = socket(STREAM);
        let (unix, file, tcp) = (unix.as_raw_fd(), file.as_raw_fd(), tcp.as_raw_fd());
        mode.begin(dir);
        let good = address(b"name\0");
        let inet = [&(libc::AF_INET as u16).to_ne_bytes()[..], &[0; 14]].concat();
        let outside = if mode == Mode::Entered { ECAPMODE } else { ENOTCAPABLE };
        for number in [BINDAT, CONNECTAT] {
            for (dir, socket, address, errno) in [
                (dir, 99, &good, libc::EBADF),
                (dir, -1, &good, libc::EBADF),
                (dir, file, &good, libc::ENOTSOCK),
                (dir, tcp, &good, libc::EOPNOTSUPP),
                (dir, unix, &inet, libc::EAFNOSUPPORT),
                (dir, unix, &address(b""), libc::EINVAL),
                (dir, unix, &vec![1], libc::EINVAL),
                (dir, unix, &vec![], libc::EINVAL),
                (dir, unix, &address(&[b'x'; 109]), libc::EINVAL),
                (dir, unix, &address(&[b'x'; 254]), libc::ENAMETOOLONG),
                (dir, unix, &address(b"\0"), libc::ENOENT),
                (dir, unix, &address(b"\0abstract"), outside),
                (dir, unix, &address(&[0; 108]), outside),
            ] {
                assert_eq!(by_number(number, dir, socket, address), Err(errno), "{mode:?} {address:?}");
            }
            for (at, len) in [(16, 110), (usize::MAX - 50, 110), (0, 3)] {
                assert_eq!(numbered!(number, dir, unix, at, len), Err(libc::EFAULT), "{mode:?} {at:x}");
            }
            assert_eq!(numbered!(number, dir, unix, good.as_ptr(), u64::MAX), Err(libc::ENAMETOOLONG));
            if mode == Mode::Entered {
                assert_eq!(by_number(number, file, unix, &good), Err(libc::ENOTDIR));
                for bad in [-1, 99] {
                    assert_eq!(by_number(number, bad, unix, &good), Err(libc::EBADF));
                }
                assert_eq!(by_number(number, libc::AT_FDCWD, unix, &good), Err(ECAPMODE));
                let plain = if number == BINDAT { libc::SYS_bind } else { libc::SYS_connect };
                assert_eq!(numbered!(plain, unix, good.as_ptr(), good.len()), Err(ECAPMODE));
            } else {
                // Of a directory without limits the kernel is asked, which knows no such call.
                for other in [libc::AT_FDCWD, file, 99] {
                    assert_eq!(by_number(number, other, unix, &good), Err(libc::ENOSYS));
                }
            }
        }
    });
}

#[test]
fn the_library_says_what_the_kernel_says_without_a_monitor() {
    play_each_mode(&[Mode::Alone, Mode::Unlimited], |mode, dir| {
        mode.begin(dir);
        let file = open_at(dir, "file", libc::O_RDONLY).unwrap();
        let unix = socket(STREAM);
        for (dir, socket, path, binds, connects) in [
            (dir, &unix, "file", libc::EADDRINUSE, libc::ENOTSOCK),
            (dir, &unix, "none/name", libc::ENOENT, libc::ENOENT),
            (dir, &unix, "file/name", libc::ENOTDIR, libc::ENOTDIR),
            (dir, &unix, "", libc::ENOENT, libc::ENOENT),
            (99, &unix, "name", libc::EBADF, libc::EBADF),
            (file.as_raw_fd(), &unix, "name", libc::ENOTDIR, libc::ENOTDIR),
            (dir, &file, "name", libc::ENOTSOCK, libc::ENOENT),
        ] {
            assert_eq!(bind(dir, socket, path), Err(binds), "{mode:?} {path}");
            assert_eq!(connect(dir, socket, path), Err(connects), "{mode:?} {path}");
        }
        assert_eq!(bind(dir, &unix, "nu\0l"), Err(libc::EINVAL));
    });
}

#[test]
fn limits_go_along_with_the_socket() {
    play_each_mode(&STRICT, |mode, dir| {
        let listening = socket(STREAM);
        match mode {
            Mode::Entered => Limits::new().fd(&listening, SOCKET).fd(&borrow(dir), BENEATH).enter().unwrap(),
            _ => {
                pimento::limit(&listening, SOCKET).unwrap();
                pimento::limit(borrow(dir), BENEATH).unwrap();
            }
        }
        bind(dir, &listening, "name").unwrap();
        assert_eq!(name_of(&listening), "name");
        assert_eq!(pimento::rights(&listening), Ok(SOCKET));
        assert_eq!(call!(SYS_listen, listening.as_raw_fd(), 1), Err(ENOTCAPABLE), "{mode:?}");
        assert_eq!(connect(dir, &socket(STREAM), "name"), Err(libc::ECONNREFUSED), "{mode:?}");
    });
}
