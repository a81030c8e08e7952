//! How long the monitor lives: as long as somebody is in its capability mode. And what is left when it does not.

use crate::call;
use crate::stage::*;
use std::os::fd::AsRawFd;

/// Every test here and elsewhere ends with nobody left, monitors included: `judged` waits for that.
#[test]
fn it_ends_with_its_last_process_however_that_ends() {
    for &user in users() {
        for signal in [0, libc::SIGKILL, libc::SIGTERM, libc::SIGABRT] {
            judged(|| {
                let entered = Cue::new();
                let player = Player::start(user, || {
                    call!(SYS_setrlimit, libc::RLIMIT_CORE, [0u64; 2].as_ptr()).unwrap();
                    enter();
                    entered.give();
                    if signal != 0 {
                        let _ = call!(SYS_pause);
                    }
                });
                entered.take();
                let monitor = monitors();
                if signal != 0 {
                    assert_eq!(monitor.len(), 1);
                    call!(SYS_kill, player.pid, signal).unwrap();
                }
                let status = player.wait();
                assert_eq!(libc::WTERMSIG(status), signal);
                nobody_is_left();
                assert_eq!(monitors(), [0; 0]);
            });
        }
    }
}

#[test]
fn it_lives_on_while_a_child_does() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("file", "text", 0o644);
            let (alone, asked, end) = (Cue::new(), Cue::new(), Cue::new());
            let player = Player::start(user, || {
                let dir = scratch.open();
                enter();
                child(|| {
                    alone.take();
                    assert_eq!(read_at(dir.as_raw_fd(), "file").as_deref(), Ok("text"));
                    assert!(pimento::sandboxed());
                    asked.give();
                    end.take();
                });
            });
            player.join();
            alone.give();
            asked.take();
            assert_eq!(monitors().len(), 1);
            end.give();
        });
    }
}

/// Where its process holds descriptors of files, the monitor has none of them.
#[test]
fn it_holds_nothing_of_its_process() {
    if !is_root() {
        return skipped("none but root looks into a monitor");
    }
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("file", "text", 0o644);
            let (entered, end) = (Cue::new(), Cue::new());
            let player = Player::start(user, || {
                let _file = open_at(libc::AT_FDCWD, scratch.at("file"), 0).unwrap();
                let dir = scratch.open();
                std::env::set_current_dir(&scratch.path).unwrap();
                enter();
                assert!(read_at(dir.as_raw_fd(), "file").is_ok());
                entered.give();
                end.take();
            });
            entered.take();
            let monitor = monitors()[0];
            let mut sockets = 0;
            for entry in std::fs::read_dir(format!("/proc/{monitor}/fd")).unwrap().flatten() {
                let link = std::fs::read_link(entry.path()).unwrap_or_default();
                let link = link.to_string_lossy();
                // The one where it is asked what it knows.
                if link.starts_with("socket:") && sockets == 0 {
                    sockets += 1;
                    continue;
                }
                let fine = ["anon_inode:", "/dev/null", "/proc", "/"].iter();
                let fine = fine
                    .clone()
                    .any(|prefix| link == *prefix || (prefix.ends_with(':') && link.starts_with(prefix)));
                assert!(fine, "the monitor holds {link}");
            }
            assert_eq!(std::fs::read_link(format!("/proc/{monitor}/cwd")).unwrap().to_str(), Some("/"));
            let environ = std::fs::read(format!("/proc/{monitor}/environ")).unwrap();
            assert!(environ.is_empty());
            end.give();
            player.join();
        });
    }
}

#[test]
fn without_it_what_it_performs_fails_and_the_rest_works() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("file", "text", 0o644);
            scratch.fifo("fifo");
            let (entered, gone) = (Cue::new(), Cue::new());
            let player = Player::start(user, || {
                let dir = scratch.open();
                let file = open_at(libc::AT_FDCWD, scratch.at("file"), 0).unwrap();
                enter();
                // One that is being performed at the time.
                let fifo = {
                    let dir = dir.as_raw_fd();
                    std::thread::spawn(move || open_at(dir, "fifo", 0).err())
                };
                assert_eq!(read_at(dir.as_raw_fd(), "file").as_deref(), Ok("text"));
                entered.give();
                gone.take();
                assert!(fifo.join().unwrap().is_some());
                for _ in 0..3 {
                    assert!(read_at(dir.as_raw_fd(), "file").is_err());
                    let name = c("new");
                    assert!(call!(SYS_mkdirat, dir.as_raw_fd(), name.as_ptr(), 0o700).is_err());
                    assert!(call!(SYS_kill, call!(SYS_getppid).unwrap(), 0).is_err());
                    assert_eq!(open_at(libc::AT_FDCWD, "/", 0).err(), Some(ECAPMODE));
                    assert_eq!(call!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0), Err(ECAPMODE));
                }
                let argv = [c"true".as_ptr(), std::ptr::null()];
                assert!(
                    call!(
                        SYS_execveat,
                        file.as_raw_fd(),
                        c"".as_ptr(),
                        argv.as_ptr(),
                        0,
                        libc::AT_EMPTY_PATH
                    )
                    .is_err()
                );
                let mut text = [0u8; 4];
                assert_eq!(call!(SYS_pread64, file.as_raw_fd(), text.as_mut_ptr(), 4, 0), Ok(4));
                assert_eq!(&text, b"text");
                assert_eq!(call!(SYS_getpid), Ok(std::process::id().into()));
                // Nor can there be another.
                assert!(pimento::enter().is_err());
                assert_eq!(open_at(libc::AT_FDCWD, "/", 0).err(), Some(ECAPMODE));
            });
            entered.take();
            let monitor = monitors()[0];
            call!(SYS_kill, monitor, libc::SIGKILL).unwrap();
            wait_for(monitor);
            gone.give();
            player.join();
            assert!(!scratch.at("new").exists());
        });
    }
}

/// Two processes that enter have a monitor each, and neither's end is the other's.
#[test]
fn each_has_its_own() {
    judged(|| {
        let scratch = Scratch::new(User::Own);
        scratch.file("file", "text", 0o644);
        let cues: Vec<_> = (0..2).map(|_| (Cue::new(), Cue::new())).collect();
        let players: Vec<_> = cues
            .iter()
            .map(|(entered, end)| {
                Player::start(User::Own, || {
                    let dir = scratch.open();
                    enter();
                    entered.give();
                    end.take();
                    assert_eq!(read_at(dir.as_raw_fd(), "file").as_deref(), Ok("text"));
                })
            })
            .collect();
        for (entered, _) in &cues {
            entered.take();
        }
        assert_eq!(monitors().len(), 2);
        for (player, (_, end)) in players.into_iter().zip(&cues) {
            end.give();
            player.join();
        }
    });
}
