//! Names that somebody outside exchanges while they are looked up. Renames by a process under the monitor it serves one after
//! the other; those of others it cannot foresee.

use crate::stage::*;
use crate::*;
use std::ffi::CString;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_millis(400);

/// A directory `held`, in which `x` and `s` are now a directory and a socket, now links to what is beside it.
fn furnished(user: User) -> (Scratch, OwnedFd) {
    let scratch = Scratch::new(user);
    for dir in ["held", "held/x", "outside"] {
        scratch.dir(dir);
    }
    for (text, name) in [("../outside", "held/link"), ("../outside/server", "held/sock_link")] {
        symlink(text, scratch.at(name)).unwrap();
    }
    let outer = scratch.open();
    let outside = socket(DATAGRAM | libc::SOCK_NONBLOCK);
    bind(outer.as_raw_fd(), &outside, "outside/server").unwrap();
    (scratch, outside)
}

/// Exchanges them for as long as it lives.
fn exchange(scratch: &Scratch) -> ! {
    let [x, link, s, sock_link] =
        ["held/x", "held/link", "held/s", "held/sock_link"].map(|name: &str| c(scratch.at(name)));
    let swap = |one: &CString, other: &CString| {
        let here = libc::AT_FDCWD;
        let _ = call!(SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), libc::RENAME_EXCHANGE);
    };
    loop {
        swap(&x, &link);
        swap(&s, &sock_link);
    }
}

fn raced(act: impl Fn(RawFd)) {
    for mode in STRICT {
        judged(|| {
            let (scratch, outside) = furnished(User::Own);
            let held = directory(scratch.at("held"));
            let inside = socket(DATAGRAM);
            bind(held.as_raw_fd(), &inside, "s").unwrap();
            let movers = [(); 2].map(|()| Player::start(User::Own, || exchange(&scratch)));
            Player::start(User::Own, || {
                let held = directory(scratch.at("held"));
                mode.begin(held.as_raw_fd());
                let begun = Instant::now();
                while begun.elapsed() < LONG {
                    act(held.as_raw_fd());
                }
            })
            .join();
            for mover in movers {
                call!(SYS_kill, mover.pid, libc::SIGKILL).unwrap();
                mover.wait();
            }
            let got = call!(SYS_read, outside.as_raw_fd(), [0u8; 8].as_mut_ptr(), 8);
            assert_eq!(got, Err(libc::EAGAIN), "{mode:?}: a message came out");
            let made = std::fs::read_dir(scratch.at("outside")).unwrap().count();
            assert_eq!(made, 1, "{mode:?}: a socket was bound outside");
        });
    }
}

#[test]
fn a_link_that_takes_a_sockets_place_leads_nowhere() {
    raced(|dir| {
        let client = socket(DATAGRAM);
        if connect(dir, &client, "s").is_ok() {
            assert_eq!(peer_of(&client), "s");
            let how = libc::MSG_DONTWAIT;
            let _ = call!(SYS_sendto, client.as_raw_fd(), c"word".as_ptr(), 4, how, 0, 0);
        }
    });
}

#[test]
fn a_link_that_takes_a_directorys_place_leads_nowhere() {
    raced(|dir| {
        let client = socket(DATAGRAM);
        let _ = connect(dir, &client, "x/server");
        let how = libc::MSG_DONTWAIT;
        let _ = call!(SYS_sendto, client.as_raw_fd(), c"word".as_ptr(), 4, how, 0, 0);
        let _ = bind(dir, &client, "x/made");
        let _ = call!(SYS_unlinkat, dir, c"x/made".as_ptr(), 0);
    });
}
