//! Making limits: they only ever shrink; who makes the first gets a monitor, and one only; all at once is one filter.

use crate::stage::*;
use crate::{NONE, READ, TEXT, WAYS, WRITE, call, file, filters, furnish, numbered, play_each_way, read};
use crate::{rights_of, write};
use pimento::{EnterError, FcntlRights, IoctlLimit, LimitError, Limits, Right, Rights};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Barrier;
use std::{fs, thread};

const LIMIT: i64 = 0x4341_5002;
const GET: i64 = 0x4341_5003;
const LIMIT_IOCTLS: i64 = 0x4341_5004;
const GET_IOCTLS: i64 = 0x4341_5005;
const LIMIT_FCNTLS: i64 = 0x4341_5006;

const READ_WRITE: Rights = Rights::of(&[Right::READ, Right::WRITE, Right::IOCTL, Right::FCNTL]);
const TCGETS: u32 = libc::TCGETS as u32;
const FIONREAD: u32 = libc::FIONREAD as u32;

#[test]
fn a_limit_holds_and_is_told() {
    play_each_way(|way, dir| {
        let (limited, other) = (file(dir), file(dir));
        way.limit(&limited, READ);
        assert_eq!((read(&limited), write(&limited)), (Ok(4), Err(ENOTCAPABLE)), "{way:?}");
        assert_eq!(rights_of(&limited), READ);
        assert_eq!(pimento::ioctls(&limited), Ok(IoctlLimit::NONE));
        assert_eq!(pimento::fcntls(&limited), Ok(FcntlRights::NONE));
        // Another descriptor of the same file.
        assert_eq!((read(&other), write(&other)), (Ok(4), Ok(4)));
        assert_eq!(rights_of(&other), Rights::ALL);
        assert_eq!(pimento::ioctls(&other), Ok(IoctlLimit::ALL));
        assert_eq!(pimento::fcntls(&other), Ok(FcntlRights::ALL));
    });
}

#[test]
fn limits_only_shrink() {
    play_each_way(|way, dir| {
        let file = file(dir);
        way.limit(&file, READ_WRITE);
        let refused = |missing| Err(LimitError::NotCapable { descriptor: file.as_raw_fd(), missing });
        let seek = Rights::of(&[Right::SEEK]);
        for more in [Rights::ALL, READ_WRITE.union(&seek), seek] {
            assert_eq!(pimento::limit(&file, more), refused(more.difference(&READ_WRITE)), "{way:?} {more}");
            assert_eq!(rights_of(&file), READ_WRITE, "unchanged");
        }
        assert_eq!(pimento::limit(&file, READ_WRITE), Ok(()), "to what it has");
        // Commands shrink by themselves.
        pimento::limit_ioctls(&file, [TCGETS, FIONREAD]).unwrap();
        assert_eq!(pimento::limit_ioctls(&file, [TCGETS, 1]), refused(NONE));
        assert_eq!(pimento::ioctls(&file).unwrap().commands(), Some(&[TCGETS, FIONREAD][..]));
        pimento::limit_ioctls(&file, [FIONREAD]).unwrap();
        assert_eq!(pimento::ioctls(&file).unwrap().commands(), Some(&[FIONREAD][..]));
        pimento::limit_fcntls(&file, FcntlRights::GETFL).unwrap();
        assert_eq!(pimento::limit_fcntls(&file, FcntlRights::ALL), refused(NONE));
        assert_eq!(pimento::fcntls(&file), Ok(FcntlRights::GETFL));
        assert_eq!(rights_of(&file), READ_WRITE, "they are beside the rights");
        // Until the right is gone.
        pimento::limit(&file, READ_WRITE.difference(&Right::IOCTL.into())).unwrap();
        assert_eq!(pimento::ioctls(&file), Ok(IoctlLimit::NONE));
        assert_eq!(pimento::fcntls(&file), Ok(FcntlRights::GETFL));
        pimento::limit(&file, NONE).unwrap();
        assert_eq!(pimento::fcntls(&file), Ok(FcntlRights::NONE));
        assert_eq!((rights_of(&file), read(&file)), (NONE, Err(ENOTCAPABLE)));
    });
}

/// By number, as programs without this library do.
#[test]
fn what_is_no_limit_is_refused_by_number() {
    for way in WAYS {
        play_in(User::Own, furnish, |dir| {
            let (file, one) = (file(dir), crate::file(dir));
            way.limit(&one, READ);
            let fd = file.as_raw_fd();
            let limit = |words: [u64; 2]| numbered!(LIMIT, fd, words.as_ptr());
            let [first, second] = Rights::ALL.words();
            for (words, why) in [
                ([0, 0], "no marks"),
                ([1 << 62 | first, second], "another version"),
                ([first, first], "another word's mark"),
                ([second, second], "another word's mark"),
                ([first | 1 << 50, second], "an unknown right"),
                ([first, second | 1 << 56], "an unknown right"),
            ] {
                assert_eq!(limit(words), Err(libc::EINVAL), "{why}");
            }
            assert_eq!(numbered!(LIMIT, fd, 8), Err(libc::EFAULT));
            assert_eq!(numbered!(LIMIT, -1i32, READ.words().as_ptr()), Err(libc::EBADF));
            assert_eq!(numbered!(LIMIT, 777, READ.words().as_ptr()), Err(libc::EBADF));
            let mut words = [0u64; 2];
            assert_eq!(numbered!(GET, 1, fd, words.as_mut_ptr()), Err(libc::EINVAL), "another version");
            assert_eq!(numbered!(GET, 0, 777, words.as_mut_ptr()), Err(libc::EBADF));
            assert_eq!(numbered!(GET, 0, fd, 8), Err(libc::EFAULT));
            let list = [0u64; 257];
            assert_eq!(numbered!(LIMIT_IOCTLS, fd, list.as_ptr(), 257), Err(libc::EINVAL));
            assert_eq!(numbered!(LIMIT_IOCTLS, fd, list.as_ptr(), usize::MAX), Err(libc::EINVAL));
            assert_eq!(numbered!(LIMIT_IOCTLS, fd, 8, 1), Err(libc::EFAULT));
            assert_eq!(numbered!(LIMIT_IOCTLS, 777, list.as_ptr(), 1), Err(libc::EBADF));
            assert_eq!(numbered!(LIMIT_FCNTLS, fd, 1), Err(libc::EINVAL));
            assert_eq!(numbered!(LIMIT_FCNTLS, fd, u32::MAX), Err(libc::EINVAL));
            assert_eq!(numbered!(LIMIT_FCNTLS, 777, 0), Err(libc::EBADF));
            // Nothing has come of all that.
            assert_eq!(numbered!(GET, 0, fd, words.as_mut_ptr()), Ok(0));
            assert_eq!(words, Rights::ALL.words());
            let mut list = [7u64; 3];
            let all = isize::MAX as i64;
            assert_eq!(numbered!(GET_IOCTLS, fd, list.as_mut_ptr(), 3), Ok(all));
            // How many there are, and as many of them as there is room for.
            assert_eq!(numbered!(LIMIT_IOCTLS, fd, [5u64, 6].as_ptr(), 2), Ok(0));
            assert_eq!(numbered!(GET_IOCTLS, fd, list.as_mut_ptr(), 1), Ok(2));
            assert_eq!(list, [5, 7, 7]);
            assert_eq!(numbered!(GET_IOCTLS, fd, list.as_mut_ptr(), 3), Ok(2));
            assert_eq!(list, [5, 6, 7]);
            assert_eq!(numbered!(GET_IOCTLS, fd, 0, 0), Ok(2));
        });
    }
}

/// What the first limit changes in a process beside the limit, and what only entering does.
#[test]
fn the_first_limit_changes_no_more_than_is_said() {
    play_in(User::Own, furnish, |dir| {
        let file = file(dir);
        let core = || {
            let mut core = [0u64; 2];
            call!(SYS_getrlimit, libc::RLIMIT_CORE, core.as_mut_ptr()).unwrap();
            core
        };
        let most = core()[1].min(1 << 20);
        call!(SYS_setrlimit, libc::RLIMIT_CORE, [most, most].as_ptr()).unwrap();
        let fds = || fs::read_dir("/proc/self/fd").unwrap().count();
        let tasks = || fs::read_dir("/proc/self/task").unwrap().count();
        let before = (fds(), tasks());
        pimento::limit(&file, READ).unwrap();
        // All that is not about the descriptor goes on as before.
        assert_eq!((fds(), tasks()), before);
        assert_eq!(core(), [0, most]);
        assert!(!pimento::sandboxed());
        assert_eq!(pimento::mode(), pimento::Mode::Ordinary);
        assert!(fs::read_to_string("/proc/self/comm").is_ok());
        assert_eq!(call!(SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), Ok(1));
        assert_eq!(call!(SYS_kill, std::process::id(), 0), Ok(0));
        let output = std::process::Command::new("echo").arg("said").output().unwrap();
        assert_eq!(output.stdout, b"said\n");
        enter();
        assert_eq!(core(), [0, most]);
        assert_eq!(open_at(libc::AT_FDCWD, "/", 0).err(), Some(ECAPMODE));
        assert_eq!(rights_of(&file), READ);
    });
}

#[test]
fn a_process_that_limits_and_enters_has_one_monitor() {
    judged(|| {
        let (done, end) = (Cue::new(), Cue::new());
        let player = Player::start(User::Own, || {
            let (one, two) = (directory("/tmp"), directory("/tmp"));
            pimento::limit(&one, READ).unwrap();
            Limits::new().fd(&two, NONE).limit().unwrap();
            Limits::new().stdin(READ).enter().unwrap();
            enter();
            pimento::limit(&one, NONE).unwrap();
            done.give();
            end.take();
            assert_eq!([rights_of(&one), rights_of(&two), rights_of(std::io::stdin())], [NONE, NONE, READ]);
        });
        done.take();
        assert_eq!(monitors().len(), 1);
        end.give();
        player.join();
    });
}

#[test]
fn of_several_threads_that_make_the_first_limit_at_a_time_all_succeed() {
    judged(|| {
        let (done, end) = (Cue::new(), Cue::new());
        let player = Player::start(User::Own, || {
            let start = Barrier::new(8);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let own = directory("/tmp");
                        start.wait();
                        pimento::limit(&own, WRITE).unwrap();
                        assert_eq!(rights_of(&own), WRITE);
                        assert_eq!(read_at(own.as_raw_fd(), "."), Err(ENOTCAPABLE));
                    });
                }
            });
            done.give();
            end.take();
        });
        done.take();
        assert_eq!(monitors().len(), 1);
        end.give();
        player.join();
    });
}

#[test]
fn all_at_once_is_one_filter() {
    for users in users() {
        judged(|| {
            let scratch = Scratch::new(*users);
            furnish(&scratch);
            Player::start(*users, || {
                let proc = directory("/proc");
                let proc = proc.as_raw_fd();
                let dir = scratch.open();
                let files = [(); 3].map(|()| file(dir.as_raw_fd()));
                let before = filters(proc);
                Limits::new()
                    .stdio()
                    .fd(&files[0], Rights::of(&[Right::READ, Right::FSTAT]))
                    .fd(&files[1], Rights::of(&[Right::PREAD, Right::FCNTL, Right::IOCTL]))
                    .fcntls(&files[1], FcntlRights::GETFL)
                    .ioctls(&files[1], [FIONREAD])
                    .fd(&files[2], WRITE)
                    .fd(&dir, Rights::of(&[Right::READ, Right::LOOKUP]))
                    .enter()
                    .unwrap();
                assert_eq!(filters(proc), before + 1);
                assert_eq!(read(&files[0]), Ok(4));
                assert_eq!(write(&files[0]), Err(ENOTCAPABLE));
                assert_eq!(call!(SYS_lseek, files[0].as_raw_fd(), 0, 0), Err(ENOTCAPABLE));
                assert_eq!(call!(SYS_lseek, files[1].as_raw_fd(), 0, 0), Ok(0));
                assert_eq!(pimento::ioctls(&files[1]).unwrap().commands(), Some(&[FIONREAD][..]));
                assert_eq!(pimento::fcntls(&files[1]), Ok(FcntlRights::GETFL));
                assert_eq!((read(&files[2]), write(&files[2])), (Err(ENOTCAPABLE), Ok(4)));
                assert_eq!(read_at(dir.as_raw_fd(), "dir/file").unwrap(), TEXT);
                assert_eq!(filters(proc), before + 1);
            })
            .join();
        });
    }
}

/// The usual ones: what is open for reading to reading, and so on.
#[test]
fn limits_before_entering_that_were_to_be_expected_take_no_further_filter() {
    play_in(User::Own, furnish, |dir| {
        let proc = directory("/proc");
        let proc = proc.as_raw_fd();
        let input = open_at(dir, "file", libc::O_RDONLY).unwrap();
        let output = open_at(dir, "file", libc::O_WRONLY).unwrap();
        let before = filters(proc);
        let each = Rights::of(&[Right::SEEK, Right::FSTAT, Right::EVENT]);
        pimento::limit(std::io::stdin(), each.union(&READ)).unwrap();
        pimento::limit(std::io::stdout(), each.union(&WRITE)).unwrap();
        pimento::limit(std::io::stderr(), each.union(&WRITE)).unwrap();
        pimento::limit(&input, each.union(&READ)).unwrap();
        pimento::limit(&output, each.union(&WRITE)).unwrap();
        enter();
        assert_eq!(filters(proc), before + 1);
        assert_eq!([read(&input), write(&output)], [Ok(4), Ok(4)]);
    });
}

/// Limits after entering, many of them: each holds.
#[test]
fn many_limits_after_entering_all_hold() {
    play_in(User::Own, furnish, |dir| {
        enter();
        let files: Vec<_> = (0..40).map(|_| file(dir)).collect();
        for (i, file) in files.iter().enumerate() {
            pimento::limit(file, if i % 2 == 0 { READ } else { WRITE }).unwrap();
        }
        for (i, file) in files.iter().enumerate() {
            let (reads, writes) =
                if i % 2 == 0 { (Ok(4), Err(ENOTCAPABLE)) } else { (Err(ENOTCAPABLE), Ok(4)) };
            assert_eq!((read(file), write(file)), (reads, writes), "{i}");
        }
        // What is opened now is not concerned.
        let new = file(dir);
        assert_eq!((rights_of(&new), read(&new), write(&new)), (Rights::ALL, Ok(4), Ok(4)));
    });
}

#[test]
fn what_is_wrong_with_one_of_several_limits_leaves_all_as_it_was() {
    play_in(User::Own, furnish, |dir| {
        let (one, two) = (file(dir), file(dir));
        pimento::limit(&two, READ).unwrap();
        for enters in [false, true] {
            let limits = Limits::new().fd(&one, NONE).fd(&two, WRITE);
            let made = if enters { limits.enter() } else { limits.limit() };
            let descriptor = two.as_raw_fd();
            assert!(matches!(made, Err(LimitError::NotCapable { descriptor: one, .. }) if one == descriptor));
            assert_eq!([rights_of(&one), rights_of(&two)], [Rights::ALL, READ]);
            assert!(!pimento::sandboxed());
        }
    });
}

#[test]
fn libraries_are_held_with_the_monitors_start_or_not_at_all() {
    play(User::Own, || {
        pimento::limit(directory("/tmp"), NONE).unwrap();
        assert_eq!(pimento::Enter::new().libraries("/lib64").enter(), Err(EnterError::LateLibraries));
        assert!(!pimento::sandboxed());
        enter();
    });
}

/// The standard descriptors, as capsicum_helpers(3) has it.
#[test]
fn stdio_leaves_what_most_programs_use() {
    for enters in [false, true] {
        play_in(User::Own, furnish, |dir| {
            let file = file(dir);
            for number in 0..3 {
                call!(SYS_dup3, file.as_raw_fd(), number, 0).unwrap();
            }
            let limits = Limits::new().stdio();
            if enters { limits.enter() } else { limits.limit() }.unwrap();
            assert_eq!([read(&0), write(&0)], [Ok(4), Err(ENOTCAPABLE)]);
            for number in 1..3 {
                assert_eq!([read(&number), write(&number)], [Err(ENOTCAPABLE), Ok(4)]);
            }
            for number in 0..3 {
                assert_eq!(call!(SYS_lseek, number, 0, libc::SEEK_SET), Ok(0));
                assert_eq!(call!(SYS_fcntl, number, libc::F_GETFL).map(|flags| flags & 3), Ok(2));
                assert_eq!(call!(SYS_fcntl, number, libc::F_SETFL, 0), Err(ENOTCAPABLE));
                // No terminal: but that is what it says.
                let mut settings = [0u8; 64];
                assert_eq!(call!(SYS_ioctl, number, TCGETS, settings.as_mut_ptr()), Err(libc::ENOTTY));
                assert_eq!(call!(SYS_ioctl, number, FIONREAD, settings.as_mut_ptr()), Err(ENOTCAPABLE));
                assert_eq!(call!(SYS_ftruncate, number, 0), Err(ENOTCAPABLE));
            }
        });
    }
}

#[test]
fn a_limit_in_one_thread_holds_in_all() {
    play_each_way(|way, dir| {
        let file = file(dir);
        let (made, checked) = (Barrier::new(3), Barrier::new(3));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    made.wait();
                    assert_eq!([read(&file), write(&file)], [Ok(4), Err(ENOTCAPABLE)], "{way:?}");
                    assert_eq!(pimento::rights(file.as_fd()), Ok(READ));
                    checked.wait();
                });
            }
            way.limit(&file, READ);
            made.wait();
            checked.wait();
        });
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(write(&file), Err(ENOTCAPABLE)));
        });
    });
}
