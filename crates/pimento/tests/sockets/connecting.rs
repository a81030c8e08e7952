//! Whom a socket reaches, and who the other side is told that it is.

use crate::stage::*;
use crate::*;
use std::os::unix::fs::PermissionsExt;

/// `struct ucred` of the other side.
fn told_of(socket: &OwnedFd) -> [u32; 3] {
    let (mut who, mut len) = ([0u32; 3], [12u32]);
    let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    call!(SYS_getsockopt, socket.as_raw_fd(), level, option, who.as_mut_ptr(), len.as_mut_ptr()).unwrap();
    who
}

#[test]
fn a_path_leads_through_links_that_stay_beneath() {
    for kind in KINDS {
        play_each_mode(&MODES, |mode, dir| {
            let server = server(dir, kind, "sub/made");
            mode.begin(dir);
            for path in ["sub/made", "in/made", "dangling", "round/in/made", "./sub/../sub/made"] {
                let client = socket(kind);
                assert_eq!(connect(dir, &client, path), Ok(()), "{mode:?} {path}");
                let to = if kind == DATAGRAM { server.try_clone().unwrap() } else { accept(&server) };
                passes(&client, &to);
            }
        });
    }
}

#[test]
fn what_cannot_be_connected_to_has_its_error() {
    play_each_mode(&MODES, |mode, dir| {
        let _server = server(dir, STREAM, "server");
        let _datagrams = server(dir, DATAGRAM, "datagrams");
        bind(dir, &socket(STREAM), "gone").unwrap();
        let idle = socket(STREAM);
        bind(dir, &idle, "idle").unwrap();
        mode.begin(dir);
        for (path, errno) in [
            ("none", libc::ENOENT),
            ("gone", libc::ECONNREFUSED),
            ("idle", libc::ECONNREFUSED),
            ("file", libc::ENOTSOCK),
            ("sub", libc::ENOTSOCK),
            ("datagrams", libc::EPROTOTYPE),
            ("server/", libc::ENOTDIR),
            ("server/x", libc::ENOTDIR),
            ("dangling", libc::ENOENT),
        ] {
            assert_eq!(connect(dir, &socket(STREAM), path), Err(errno), "{mode:?} {path}");
        }
        let client = socket(STREAM);
        connect(dir, &client, "server").unwrap();
        assert_eq!(connect(dir, &client, "server"), Err(libc::EISCONN), "{mode:?}");
        // Datagrams may be sent to another from then on.
        let client = socket(DATAGRAM);
        connect(dir, &client, "datagrams").unwrap();
        connect(dir, &client, "datagrams").unwrap();
        assert_eq!(connect(dir, &client, "server"), Err(libc::EPROTOTYPE), "{mode:?}");
    });
}

#[test]
fn connecting_takes_permission_to_write_the_socket() {
    for mode in MODES {
        judged(|| {
            let user = if is_root() { User::Id(NOBODY) } else { User::Own };
            let scratch = Scratch::new(user);
            let outer = scratch.open();
            let _server = server(outer.as_raw_fd(), STREAM, "server");
            let permit = |bits| {
                std::fs::set_permissions(scratch.at("server"), std::fs::Permissions::from_mode(bits))
                    .unwrap();
            };
            let open = Cue::new();
            let closed = Cue::new();
            permit(0o555);
            let player = Player::start(user, || {
                let dir = scratch.open();
                mode.begin(dir.as_raw_fd());
                let client = socket(STREAM);
                assert_eq!(connect(dir.as_raw_fd(), &client, "server"), Err(libc::EACCES), "{mode:?}");
                closed.give();
                open.take();
                connect(dir.as_raw_fd(), &client, "server").unwrap();
            });
            closed.take();
            permit(0o777);
            open.give();
            player.join();
        });
    }
}

#[test]
fn the_other_side_is_told_the_user_and_natively_the_process_too() {
    for kind in [STREAM, SEQUENCED] {
        play_each_mode(&MODES, |mode, dir| {
            let server = server(dir, kind, "server");
            mode.begin(dir);
            let client = socket(kind);
            connect(dir, &client, "server").unwrap();
            let accepted = accept(&server);
            let [pid, user, group] = told_of(&accepted);
            let ids = [call!(SYS_geteuid), call!(SYS_getegid)].map(|id| id.unwrap() as u32);
            assert_eq!([user, group], ids, "{mode:?}");
            // docs/freebsd-compat.md: where the monitor connects, it is the monitor's.
            assert_eq!(pid == std::process::id(), !STRICT.contains(&mode), "{mode:?}");
            // Who listens does so by itself.
            assert_eq!(told_of(&client)[0], std::process::id());
        });
    }
}

#[test]
fn who_has_become_another_user_is_not_told_to_be_the_monitors() {
    if !is_root() {
        return;
    }
    for mode in STRICT {
        judged(|| {
            let scratch = Scratch::new(User::Own);
            Player::start(User::Own, || {
                let dir = scratch.open();
                let dir = dir.as_raw_fd();
                let servers = KINDS.map(|kind| server(dir, kind, &format!("server{kind}")));
                for kind in KINDS {
                    let path = scratch.at(&format!("server{kind}"));
                    call!(SYS_fchmodat, libc::AT_FDCWD, c(&path).as_ptr(), 0o777).unwrap();
                }
                mode.begin(dir);
                // Another effective user is told as it is.
                call!(SYS_setresuid, -1i32, NOBODY, -1i32).unwrap();
                let client = socket(STREAM);
                connect(dir, &client, &format!("server{STREAM}")).unwrap();
                assert_eq!(told_of(&accept(&servers[0]))[1], NOBODY);
                call!(SYS_setresuid, NOBODY, NOBODY, NOBODY).unwrap();
                for kind in KINDS {
                    let connected = connect(dir, &socket(kind), &format!("server{kind}"));
                    let want = if kind == DATAGRAM { Ok(()) } else { Err(libc::EPERM) };
                    assert_eq!(connected, want, "{mode:?} {kind}");
                }
            })
            .join();
        });
    }
}

#[test]
fn without_procfs_binding_works_and_connecting_natively() {
    if !is_root() {
        return;
    }
    for mode in MODES {
        judged(|| {
            let scratch = Scratch::new(User::Own);
            Player::start(User::Own, || {
                call!(SYS_chroot, c(&scratch.path).as_ptr()).unwrap();
                call!(SYS_chdir, c"/".as_ptr()).unwrap();
                let dir = directory("/");
                let dir = dir.as_raw_fd();
                mode.begin(dir);
                let server = server(dir, STREAM, "server");
                assert_eq!(name_of(&server), "server");
                let connected = connect(dir, &socket(STREAM), "server");
                // docs/freebsd-compat.md
                let want = if STRICT.contains(&mode) { Err(ENOTCAPABLE) } else { Ok(()) };
                assert_eq!(connected, want, "{mode:?}");
            })
            .join();
        });
    }
}
