//! What a socket is called, and where that may lie.

use crate::stage::*;
use crate::*;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

#[test]
fn peers_are_told_the_path_as_it_was_given() {
    for kind in KINDS {
        play_each_mode(&MODES, |mode, dir| {
            mode.begin(dir);
            let server = server(dir, kind, "server");
            let client = socket(kind);
            bind(dir, &client, "client").unwrap();
            connect(dir, &client, "server").unwrap();
            assert_eq!(
                [name_of(&server), name_of(&client), peer_of(&client)],
                ["server", "client", "server"]
            );
            if kind == DATAGRAM {
                assert_eq!(passes(&client, &server), "client", "{mode:?}");
                return;
            }
            let accepted = accept(&server);
            assert_eq!([name_of(&accepted), peer_of(&accepted)], ["server", "client"], "{mode:?}");
            passes(&client, &accepted);
            passes(&accepted, &client);
        });
    }
}

#[test]
fn of_a_deeper_path_peers_are_told_the_last_name_where_the_monitor_binds() {
    play_each_mode(&MODES, |mode, dir| {
        mode.begin(dir);
        for path in ["sub/one", "in/two", "./sub/../three"] {
            let server = server(dir, STREAM, path);
            let last = path.rsplit('/').next().unwrap();
            // docs/freebsd-compat.md
            let told = if STRICT.contains(&mode) { last } else { path };
            assert_eq!(name_of(&server), told, "{mode:?}");
            let client = socket(STREAM);
            connect(dir, &client, path).unwrap();
            assert_eq!(peer_of(&client), told, "{mode:?}");
        }
    });
}

#[test]
fn a_path_that_leaves_the_directory_is_refused() {
    const OUT: [&str; 11] = [
        "..",
        "../",
        "../made",
        "sub/../../made",
        "out/made",
        "in/../../made",
        "away/made",
        "out",
        "/",
        "/tmp/made",
        "round/../made",
    ];
    play_each_mode(&STRICT, |mode, dir| {
        mode.begin(dir);
        let spare = socket(STREAM);
        for path in OUT {
            // A link at the end is not followed: it is there.
            let want = if path == "out" { libc::EADDRINUSE } else { ENOTCAPABLE };
            assert_eq!(bind(dir, &spare, path), Err(want), "{mode:?} {path}");
            assert_eq!(connect(dir, &spare, path), Err(ENOTCAPABLE), "{mode:?} {path}");
        }
        for (path, errno) in [
            ("", libc::ENOENT),
            (".", libc::EADDRINUSE),
            ("sub", libc::EADDRINUSE),
            ("sub/..", libc::EADDRINUSE),
            ("file", libc::EADDRINUSE),
            ("file/x", libc::ENOTDIR),
            ("none/x", libc::ENOENT),
            ("new/", libc::ENOENT),
            ("dangling", libc::EADDRINUSE),
            ("beyond", libc::EADDRINUSE),
        ] {
            assert_eq!(bind(dir, &spare, path), Err(errno), "{mode:?} {path}");
        }
        assert_eq!(name_of(&spare), "");
        // What stays beneath works, and a second address does not.
        bind(dir, &spare, "in/../round/sub/../made").unwrap();
        assert_eq!(bind(dir, &spare, "again"), Err(libc::EINVAL), "{mode:?}");
    });
}

#[test]
fn nothing_is_made_where_a_path_is_refused() {
    judged(|| {
        let scratch = Scratch::new(User::Own);
        let beneath = scratch.dir("beneath");
        for (name, text) in [("out", ".."), ("dangling", "../made")] {
            std::os::unix::fs::symlink(text, beneath.join(name)).unwrap();
        }
        Player::start(User::Own, || {
            let dir = directory(&beneath);
            Mode::Entered.begin(dir.as_raw_fd());
            for path in ["../made", "out/made", "dangling"] {
                assert!(bind(dir.as_raw_fd(), &socket(STREAM), path).is_err());
            }
        })
        .join();
        assert!(!scratch.at("made").exists());
    });
}

#[test]
fn without_limits_and_capability_mode_a_path_is_looked_up_as_ever() {
    play_each_mode(&[Mode::Alone, Mode::Unlimited], |mode, dir| {
        mode.begin(dir);
        let sub = open_at(dir, "sub", libc::O_PATH | libc::O_DIRECTORY).unwrap();
        let above = server(sub.as_raw_fd(), STREAM, "../above");
        assert_eq!(name_of(&above), "../above", "{mode:?}");
        connect(dir, &socket(STREAM), "above").unwrap();
        connect(sub.as_raw_fd(), &socket(STREAM), "../above").unwrap();
        // An absolute path pays no heed to the directory; the working directory is one as any other.
        let path = std::fs::read_link(format!("/proc/self/fd/{dir}")).unwrap().join("absolute");
        let path = path.to_str().unwrap();
        let bad = socket(STREAM);
        let absolute = server(bad.as_raw_fd(), STREAM, path);
        assert_eq!(name_of(&absolute), path);
        connect(sub.as_raw_fd(), &socket(STREAM), path).unwrap();
        std::env::set_current_dir(path.rsplit_once('/').unwrap().0).unwrap();
        let here = server(libc::AT_FDCWD, STREAM, "here");
        assert_eq!(name_of(&here), "here", "{mode:?}");
        connect(libc::AT_FDCWD, &socket(STREAM), "here").unwrap();
        assert_eq!(bind(libc::AT_FDCWD, &socket(STREAM), ""), Err(libc::ENOENT));
    });
}

#[test]
fn a_socket_file_has_the_permissions_that_the_umask_leaves() {
    play_each_mode(&MODES, |mode, dir| {
        let status = |name: &str| {
            let path = format!("/proc/self/fd/{dir}/{name}");
            std::fs::metadata(path)
        };
        mode.begin(dir);
        for (umask, left) in [(0o022, 0o755), (0o177, 0o600), (0, 0o777)] {
            call!(SYS_umask, umask).unwrap();
            let name = format!("socket{umask}");
            bind(dir, &socket(STREAM), &name).unwrap();
            let mut stat = [0u32; 64];
            let path = c(&name);
            call!(SYS_newfstatat, dir, path.as_ptr(), stat.as_mut_ptr(), 0).unwrap();
            assert_eq!(stat[6], libc::S_IFSOCK | left, "{mode:?} {umask:o}");
            if mode == Mode::Alone {
                let status = status(&name).unwrap();
                assert!(status.file_type().is_socket() && status.mode() & 0o777 == left);
            }
        }
    });
}

#[test]
fn binding_takes_permission_to_write_the_directory() {
    for mode in MODES {
        judged(|| {
            let user = if is_root() { User::Id(NOBODY) } else { User::Own };
            let scratch = Scratch::new(user);
            let locked = scratch.dir("locked");
            std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o555)).unwrap();
            Player::start(user, || {
                let dir = scratch.open();
                mode.begin(dir.as_raw_fd());
                let socket = socket(STREAM);
                assert_eq!(bind(dir.as_raw_fd(), &socket, "locked/name"), Err(libc::EACCES), "{mode:?}");
                bind(dir.as_raw_fd(), &socket, "name").unwrap();
            })
            .join();
        });
    }
}

#[test]
fn a_socket_belongs_to_whom_its_maker_has_become() {
    if !is_root() {
        return;
    }
    for mode in MODES {
        judged(|| {
            let scratch = Scratch::new(User::Own);
            let open = scratch.dir("open");
            std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
            Player::start(User::Own, || {
                let dir = scratch.open();
                mode.begin(dir.as_raw_fd());
                call!(SYS_setresgid, -1i32, 77, -1i32).unwrap();
                call!(SYS_setresuid, -1i32, NOBODY, -1i32).unwrap();
                let socket = socket(STREAM);
                assert_eq!(bind(dir.as_raw_fd(), &socket, "name"), Err(libc::EACCES), "{mode:?}");
                bind(dir.as_raw_fd(), &socket, "open/name").unwrap();
            })
            .join();
            let made = std::fs::metadata(open.join("name")).unwrap();
            assert_eq!((made.uid(), made.gid()), (NOBODY, 77), "{mode:?}");
        });
    }
}

#[test]
fn a_path_may_fill_the_address() {
    play_each_mode(&STRICT, |mode, dir| {
        mode.begin(dir);
        let long = "x".repeat(108);
        let server = socket(DATAGRAM);
        assert_eq!(by_number(BINDAT, dir, server.as_raw_fd(), &address(long.as_bytes())), Ok(0), "{mode:?}");
        assert_eq!(name_of(&server), long);
        let client = socket(DATAGRAM);
        assert_eq!(by_number(CONNECTAT, dir, client.as_raw_fd(), &address(long.as_bytes())), Ok(0));
        passes(&client, &server);
        // By the library, too; and what follows a NUL is no part of it.
        connect(dir, &socket(DATAGRAM), &long).unwrap();
        assert_eq!(connect(dir, &socket(DATAGRAM), &"x".repeat(109)), Err(libc::ENAMETOOLONG));
        let other = socket(DATAGRAM);
        assert_eq!(by_number(BINDAT, dir, other.as_raw_fd(), &address(b"short\0/../../x")), Ok(0));
        assert_eq!(name_of(&other), "short");
    });
    play_in(User::Own, furnish, |dir| {
        let long = "x".repeat(108);
        let server = server(dir, DATAGRAM, &long);
        assert_eq!(name_of(&server), long);
        connect(dir, &socket(DATAGRAM), &long).unwrap();
        assert_eq!(bind(dir, &socket(DATAGRAM), &"x".repeat(109)), Err(libc::ENAMETOOLONG));
    });
}
