//! A number that is closed and used again is a new descriptor, with its own rights, at once, however it came; and one that is
//! closed is closed.

use crate::stage::*;
use crate::{NONE, READ, Way, borrow, call, file, furnish, play_each_way, read, rights_of, write};
use pimento::{LimitError, Rights};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

/// Each way to a new descriptor.
fn new_ones(dir: RawFd) -> Vec<(&'static str, OwnedFd)> {
    let mut pair = [0i32; 2];
    let mut all = vec![("openat", file(dir))];
    call!(SYS_pipe2, pair.as_mut_ptr(), 0).unwrap();
    all.extend(pair.map(|number| ("pipe2", own(number.into()))));
    call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()).unwrap();
    all.extend(pair.map(|number| ("socketpair", own(number.into()))));
    all.push(("socket", own(call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap())));
    all.push(("eventfd", own(call!(SYS_eventfd2, 0, 0).unwrap())));
    all.push(("memfd", own(call!(SYS_memfd_create, c"memory".as_ptr(), 0).unwrap())));
    all.push(("epoll", own(call!(SYS_epoll_create1, 0).unwrap())));
    all
}

#[test]
fn a_number_that_was_limited_is_unlimited_when_it_is_used_again() {
    play_each_way(|way, dir| {
        let files = [(); 9].map(|()| file(dir));
        way.limit_all(&files.iter().map(|file| (file, NONE)).collect::<Vec<_>>());
        for file in files {
            let number = file.into_raw_fd();
            assert_eq!(call!(SYS_close, number), Ok(0), "{way:?}");
            assert_eq!(call!(SYS_close, number), Err(libc::EBADF), "{way:?}: it is closed");
        }
        for (name, new) in new_ones(dir) {
            assert_eq!(rights_of(&new), Rights::ALL, "{way:?} {name} at {}", new.as_raw_fd());
            assert_ne!(call!(SYS_fstat, new.as_raw_fd(), [0u8; 256].as_mut_ptr()), Err(ENOTCAPABLE));
            assert_ne!(write(&new), Err(ENOTCAPABLE), "{way:?} {name}");
            let copy = own(call!(SYS_dup, new.as_raw_fd()).unwrap());
            assert_eq!(rights_of(&copy), Rights::ALL, "{way:?} a copy of {name}");
        }
    });
}

/// Also when each is limited anew, again and again: a server's connections.
#[test]
fn numbers_can_be_limited_and_closed_and_used_for_ever() {
    play_each_way(|way, dir| {
        let first = file(dir);
        way.limit(&first, READ);
        for round in 0..200 {
            let new = file(dir);
            assert_eq!((read(&new), write(&new)), (Ok(4), Ok(4)), "{way:?} {round}");
            pimento::limit(&new, if round % 2 == 0 { READ } else { NONE }).unwrap();
            assert_eq!(read(&new), if round % 2 == 0 { Ok(4) } else { Err(ENOTCAPABLE) }, "{way:?} {round}");
            assert_eq!(write(&new), Err(ENOTCAPABLE), "{way:?} {round}");
        }
        assert_eq!((read(&first), write(&first)), (Ok(4), Err(ENOTCAPABLE)));
    });
}

#[test]
fn what_is_closed_has_no_rights_and_no_content() {
    play_each_way(|way, dir| {
        let file = file(dir);
        way.limit(&file, READ);
        let number = file.into_raw_fd();
        call!(SYS_close, number).unwrap();
        assert_eq!(read(&number), Err(libc::EBADF), "{way:?}");
        assert_eq!(pimento::rights(borrow(number)), Err(LimitError::BadDescriptor { descriptor: number }));
        assert_eq!(
            pimento::limit(borrow(number), NONE),
            Err(LimitError::BadDescriptor { descriptor: number })
        );
        assert_eq!(call!(SYS_dup, number), Err(libc::EBADF), "{way:?}");
        // Where a further filter was made for it, a placeholder keeps the number: docs/freebsd-compat.md.
        if way != Way::After {
            assert_eq!(call!(SYS_fcntl, number, libc::F_GETFD), Err(libc::EBADF), "{way:?}");
            assert_eq!(call!(SYS_fstat, number, [0u8; 256].as_mut_ptr()), Err(libc::EBADF), "{way:?}");
        }
        let mut on = [libc::pollfd { fd: number, events: libc::POLLIN, revents: 0 }];
        assert_eq!(call!(SYS_poll, on.as_mut_ptr(), 1, 0), Ok(1), "{way:?}");
        assert_eq!(on[0].revents, libc::POLLNVAL, "{way:?}");
    });
}

#[test]
fn close_range_closes_limited_ones_too() {
    play_each_way(|way, dir| {
        let files = [(); 4].map(|()| file(dir));
        let apart: Vec<(&OwnedFd, Rights)> = files.iter().step_by(2).map(|file| (file, NONE)).collect();
        way.limit_all(&apart);
        // Copies, which the limits are with.
        let numbers =
            files.each_ref().map(|file| call!(SYS_fcntl, file.as_raw_fd(), libc::F_DUPFD, 400).unwrap());
        let (first, last) = (numbers.iter().min().unwrap(), numbers.iter().max().unwrap());
        call!(SYS_close_range, *first, *last, 0).unwrap();
        for number in numbers {
            assert_eq!(call!(SYS_close, number), Err(libc::EBADF), "{way:?}");
            let new = own(call!(SYS_fcntl, files[1].as_raw_fd(), libc::F_DUPFD, number).unwrap());
            assert_eq!((rights_of(&new), read(&new).is_ok()), (Rights::ALL, true), "{way:?}");
        }
        for (i, file) in files.iter().enumerate() {
            assert_eq!(rights_of(file), if i % 2 == 0 { NONE } else { Rights::ALL }, "{way:?}");
        }
    });
}

#[test]
fn the_number_of_a_limited_one_is_not_given_to_another_while_it_is_open() {
    play_in(User::Own, furnish, |dir| {
        let file = file(dir);
        Way::After.limit(&file, READ);
        for _ in 0..20 {
            let new = crate::file(dir);
            assert_ne!(new.as_raw_fd(), file.as_raw_fd());
            std::mem::forget(new);
        }
        assert_eq!((read(&file), write(&file)), (Ok(4), Err(ENOTCAPABLE)));
    });
}
