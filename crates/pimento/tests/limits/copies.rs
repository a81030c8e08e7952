//! Limits go with the descriptor: to its copies, to children and programs; and each copy can be limited by itself.

use crate::stage::*;
use crate::{NONE, READ, TEXT, WAYS, WRITE, Way, alone, call, file, furnish, play_each_way, read, rights_of};
use crate::{seek, write};
use pimento::{FcntlRights, Right, Rights};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Barrier;

const SEEKS: Rights = Rights::of(&[Right::PREAD, Right::IOCTL, Right::FCNTL]);

/// Each way to copy a descriptor.
fn copies(fd: &OwnedFd) -> Vec<(&'static str, Result<i64, i32>)> {
    let number = fd.as_raw_fd();
    vec![
        ("dup", call!(SYS_dup, number)),
        ("F_DUPFD", call!(SYS_fcntl, number, libc::F_DUPFD, 30)),
        ("F_DUPFD far away", call!(SYS_fcntl, number, libc::F_DUPFD, 600)),
        ("F_DUPFD_CLOEXEC", call!(SYS_fcntl, number, libc::F_DUPFD_CLOEXEC, 0)),
        ("dup2", call!(SYS_dup2, number, 700)),
        ("dup3", call!(SYS_dup3, number, 701, libc::O_CLOEXEC)),
    ]
}

#[test]
fn a_copy_has_the_limits_and_the_offset() {
    play_each_way(|way, dir| {
        let file = file(dir);
        way.limit(&file, SEEKS);
        pimento::limit_ioctls(&file, [1, 2]).unwrap();
        pimento::limit_fcntls(&file, FcntlRights::SETFL).unwrap();
        for (name, copy) in copies(&file) {
            let copy = own(copy.unwrap_or_else(|errno| panic!("{way:?} {name}: {errno}")));
            assert_eq!(rights_of(&copy), SEEKS, "{way:?} {name}");
            assert_eq!(pimento::ioctls(&copy).unwrap().commands(), Some(&[1, 2][..]));
            assert_eq!(pimento::fcntls(&copy), Ok(FcntlRights::SETFL));
            assert_eq!((seek(&copy, 3), write(&copy)), (Ok(3), Err(ENOTCAPABLE)), "{way:?} {name}");
            assert_eq!(call!(SYS_lseek, file.as_raw_fd(), 0, libc::SEEK_CUR), Ok(3), "one offset");
            let least = match name {
                "F_DUPFD" => 30,
                "F_DUPFD far away" => 600,
                _ => 3,
            };
            assert!(copy.as_raw_fd() >= least, "{name}: {copy:?}");
            let flags = call!(SYS_fcntl, copy.as_raw_fd(), libc::F_GETFD);
            assert_eq!(flags, Ok((name.contains("CLOEXEC") || name == "dup3").into()), "{name}");
        }
        assert_eq!(call!(SYS_dup2, file.as_raw_fd(), file.as_raw_fd()), Ok(file.as_raw_fd().into()));
        assert_eq!(rights_of(&file), SEEKS);
        assert_eq!(call!(SYS_dup3, file.as_raw_fd(), file.as_raw_fd(), 0), Err(libc::EINVAL));
        assert_eq!(call!(SYS_dup2, 777, file.as_raw_fd()), Err(libc::EBADF));
        assert_eq!(rights_of(&file), SEEKS);
    });
}

#[test]
fn a_limit_of_the_copy_leaves_the_original_and_the_other_way_round() {
    play_each_way(|way, dir| {
        let (one, two) = (file(dir), file(dir));
        way.limit_all(&[(&one, SEEKS), (&two, SEEKS)]);
        for (name, copy) in copies(&one) {
            let copy = own(copy.unwrap());
            pimento::limit(&copy, NONE).unwrap();
            assert_eq!([rights_of(&one), rights_of(&copy)], [SEEKS, NONE], "{way:?} {name}");
            assert_eq!([seek(&one, 1), seek(&copy, 1)], [Ok(1), Err(ENOTCAPABLE)]);
        }
        let all: Vec<OwnedFd> = copies(&two).into_iter().map(|(_, copy)| own(copy.unwrap())).collect();
        pimento::limit(&two, NONE).unwrap();
        assert_eq!(seek(&two, 1), Err(ENOTCAPABLE));
        for copy in all {
            assert_eq!((rights_of(&copy), seek(&copy, 1)), (SEEKS, Ok(1)), "{way:?}");
        }
    });
}

/// What was copied before the limit keeps what it had.
#[test]
fn a_copy_from_before_is_not_limited() {
    play_each_way(|way, dir| {
        let file = file(dir);
        let copy = own(call!(SYS_dup, file.as_raw_fd()).unwrap());
        way.limit(&file, READ);
        assert_eq!((rights_of(&copy), write(&copy)), (Rights::ALL, Ok(4)));
        assert_eq!(write(&file), Err(ENOTCAPABLE));
    });
}

/// As a shell redirects: what is behind the number afterwards has the limits of what was copied.
#[test]
fn a_copy_onto_an_open_number_replaces_its_limits() {
    play_each_way(|way, dir| {
        let [reader, writer, free, target] = [(); 4].map(|()| file(dir));
        way.limit_all(&[(&reader, READ), (&writer, WRITE)]);
        let onto = |from: &OwnedFd, to: &OwnedFd| call!(SYS_dup2, from.as_raw_fd(), to.as_raw_fd());
        for (from, to, name) in [
            (&free, &reader, "an unlimited one onto a limited one"),
            (&writer, &reader, "a limited one onto an unlimited one"),
            (&free, &reader, "and back"),
            (&writer, &target, "onto one that never was limited"),
            (&free, &target, "and back"),
        ] {
            // What a filter was made for stays so: docs/freebsd-compat.md.
            let has_filter = way == Way::After && to.as_raw_fd() == reader.as_raw_fd() || name == "and back";
            if has_filter && onto(from, to) == Err(libc::EBUSY) {
                continue;
            }
            assert_eq!(onto(from, to), Ok(to.as_raw_fd().into()), "{way:?} {name}");
            assert_eq!(rights_of(to), rights_of(from), "{way:?} {name}");
            assert_eq!((read(to).err(), write(to)), (read(from).err(), Ok(4)), "{way:?} {name}");
        }
    });
}

#[test]
fn a_child_has_the_limits_and_its_own_from_then_on() {
    play_each_way(|way, dir| {
        let (one, two) = (file(dir), file(dir));
        way.limit_all(&[(&one, SEEKS), (&two, SEEKS)]);
        alone(|| {
            assert_eq!([rights_of(&one), rights_of(&two)], [SEEKS, SEEKS], "{way:?}");
            assert_eq!([seek(&one, 1), write(&one)], [Ok(1), Err(ENOTCAPABLE)]);
            pimento::limit(&two, NONE).unwrap();
            assert_eq!(seek(&two, 1), Err(ENOTCAPABLE));
            alone(|| assert_eq!([rights_of(&one), rights_of(&two)], [SEEKS, NONE]));
        });
        // What the child did is its own affair; and so is what the parent does.
        assert_eq!((rights_of(&two), seek(&two, 1)), (SEEKS, Ok(1)), "{way:?}");
        let (limited, seen) = (Cue::new(), Cue::new());
        child(|| {
            limited.take();
            assert_eq!((rights_of(&one), seek(&one, 1)), (SEEKS, Ok(1)));
            seen.give();
        });
        pimento::limit(&one, NONE).unwrap();
        limited.give();
        seen.take();
    });
}

/// A child of a process in ordinary mode enters by itself, and its parent does not.
#[test]
fn a_child_enters_alone() {
    play_in(User::Own, furnish, |dir| {
        let file = file(dir);
        pimento::limit(&file, READ).unwrap();
        alone(|| {
            assert!(!pimento::sandboxed());
            enter();
            assert_eq!(open_at(libc::AT_FDCWD, "/", 0).err(), Some(ECAPMODE));
            assert_eq!(write(&file), Err(ENOTCAPABLE));
        });
        assert!(!pimento::sandboxed());
        assert!(open_at(libc::AT_FDCWD, "/", 0).is_ok());
    });
}

#[test]
fn a_program_has_the_limits_of_what_it_inherits() {
    play_in(User::Own, furnish, |dir| {
        call!(SYS_dup3, file(dir).as_raw_fd(), 0, 0).unwrap();
        pimento::limit(std::io::stdin(), Rights::of(&[Right::READ, Right::FSTAT])).unwrap();
        let cat = || Command::new("cat").stdin(Stdio::inherit()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&cat().stdout), TEXT);
        pimento::limit(std::io::stdin(), Right::FSTAT).unwrap();
        let output = cat();
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&ENOTCAPABLE.to_string()), "{said}");
    });
}

/// Close-on-exec closes limited descriptors as others; a number of theirs is unlimited in the program.
#[test]
fn what_a_program_does_not_inherit_leaves_no_limits() {
    play_in(User::Own, furnish, |dir| {
        let file = file(dir);
        let number = file.as_raw_fd();
        pimento::limit(&file, NONE).unwrap();
        let script = format!("exec {number}<&1 && echo said >&{number}");
        let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "said\n", "{output:?}");
    });
}

/// A thread with a table of its own limits there.
#[test]
fn a_thread_with_a_table_of_its_own_has_its_own_limits() {
    for way in WAYS {
        if way == Way::AtOnce {
            continue;
        }
        play_in(User::Own, furnish, |dir| {
            let (one, two) = (file(dir), file(dir));
            way.limit_all(&[(&one, SEEKS), (&two, SEEKS)]);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    call!(SYS_unshare, libc::CLONE_FILES).unwrap();
                    assert_eq!([rights_of(&one), rights_of(&two)], [SEEKS, SEEKS], "{way:?}");
                    call!(SYS_dup2, one.as_raw_fd(), 700).unwrap();
                    assert_eq!(rights_of(crate::borrow(700)), SEEKS);
                });
            });
            assert!(call!(SYS_fcntl, 700, libc::F_GETFD).is_err());
        });
    }
}

/// What such a thread, from before there was a monitor, does with its numbers, is nothing to the limits of the others.
#[test]
fn a_table_from_before_the_monitor_is_another() {
    // After entering it would take a further filter, which would be on the other table's numbers too.
    for way in [Way::Ordinary, Way::Before, Way::AtOnce] {
        play_in(User::Own, furnish, |dir| {
            let (file, end) = (file(dir), Barrier::new(2));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    call!(SYS_unshare, libc::CLONE_FILES).unwrap();
                    end.wait();
                    end.wait();
                    call!(SYS_close, file.as_raw_fd()).unwrap();
                    end.wait();
                });
                end.wait();
                way.limit(&file, READ);
                end.wait();
                end.wait();
                assert_eq!([read(&file), write(&file)], [Ok(4), Err(ENOTCAPABLE)], "{way:?}");
                assert_eq!(rights_of(&file), READ, "{way:?}");
            });
        });
    }
}
