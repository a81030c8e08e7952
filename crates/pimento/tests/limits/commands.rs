//! Which ioctl and fcntl commands are left, and what mappings can be raised to.

use crate::stage::*;
use crate::{NONE, WAYS, Way, call, directory_in, file, furnish, play_each_way, rights_of};
use pimento::{FcntlRights, Limits, Right, Rights};
use std::os::fd::AsRawFd;

const FIONREAD: u32 = libc::FIONREAD as u32;
const FIONBIO: u32 = libc::FIONBIO as u32;
const FIOCLEX: u32 = libc::FIOCLEX as u32;

#[test]
fn only_the_listed_ioctls_are_left() {
    for way in WAYS {
        play_in(User::Own, furnish, |dir| {
            let file = file(dir);
            match way {
                Way::AtOnce => Limits::new().ioctls(&file, [FIONREAD, FIOCLEX]).enter().unwrap(),
                _ => {
                    if way == Way::After {
                        enter();
                    }
                    pimento::limit_ioctls(&file, [FIONREAD, FIOCLEX]).unwrap();
                    if way == Way::Before {
                        enter();
                    }
                }
            }
            let mut value = [0i32; 1];
            let mut ioctl = |command: u32| call!(SYS_ioctl, file.as_raw_fd(), command, value.as_mut_ptr());
            assert_eq!([ioctl(FIONREAD), ioctl(FIOCLEX)], [Ok(0), Ok(0)], "{way:?}");
            assert_eq!([ioctl(FIONBIO), ioctl(libc::FIONCLEX as u32)], [Err(ENOTCAPABLE), Err(ENOTCAPABLE)]);
            assert_eq!(ioctl(libc::TCGETS as u32), Err(ENOTCAPABLE));
            // What fcntl does instead, takes nothing.
            assert_eq!(call!(SYS_fcntl, file.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC), Ok(0));
            assert_eq!(rights_of(&file), Rights::ALL);
            pimento::limit_ioctls(&file, []).unwrap();
            assert_eq!([ioctl(FIONREAD), ioctl(FIOCLEX)], [Err(ENOTCAPABLE), Err(ENOTCAPABLE)]);
        });
    }
}

#[test]
fn only_the_left_fcntls_are_left() {
    for way in WAYS {
        play_in(User::Own, furnish, |dir| {
            let file = file(dir);
            let rights = Rights::of(&[Right::FCNTL, Right::FLOCK]);
            match way {
                Way::AtOnce => {
                    Limits::new().fd(&file, rights).fcntls(&file, FcntlRights::GETFL).enter().unwrap();
                }
                _ => {
                    way.limit(&file, rights);
                    pimento::limit_fcntls(&file, FcntlRights::GETFL).unwrap();
                }
            }
            let fcntl = |command, argument: usize| call!(SYS_fcntl, file.as_raw_fd(), command, argument);
            assert!(fcntl(libc::F_GETFL, 0).is_ok(), "{way:?}");
            assert_eq!(fcntl(libc::F_SETFL, libc::O_APPEND as usize), Err(ENOTCAPABLE));
            assert_eq!(fcntl(libc::F_GETOWN, 0), Err(ENOTCAPABLE));
            assert_eq!(fcntl(libc::F_SETOWN, std::process::id() as usize), Err(ENOTCAPABLE));
            // Those that it is not about.
            assert_eq!([fcntl(libc::F_GETFD, 0), fcntl(libc::F_SETFD, 0)], [Ok(1), Ok(0)]);
            let copy = own(fcntl(libc::F_DUPFD_CLOEXEC, 0).unwrap());
            assert_eq!(pimento::fcntls(&copy), Ok(FcntlRights::GETFL));
            let lock =
                libc::flock { l_type: libc::F_RDLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
            assert_eq!(fcntl(libc::F_SETLK, (&raw const lock).expose_provenance()), Ok(0));
        });
    }
}

const PROTECTIONS: [(Right, i32); 3] =
    [(Right::MMAP_R, libc::PROT_READ), (Right::MMAP_W, libc::PROT_WRITE), (Right::MMAP_X, libc::PROT_EXEC)];

/// What a mapping was not made for, it can be raised to only as far as its descriptor would have allowed.
#[test]
fn a_mapping_cannot_be_raised_beyond_its_descriptor() {
    for way in WAYS {
        for (held, own) in PROTECTIONS {
            play_in(User::Own, furnish, |dir| {
                let file = file(dir);
                let rights = Rights::of(&[Right::MMAP, held]);
                way.limit(&file, rights);
                let map = |protection: i32, flags: i32| {
                    call!(SYS_mmap, 0, 4096, protection, flags, file.as_raw_fd(), 0)
                };
                for (right, protection) in PROTECTIONS {
                    // To write to a private one takes reading alone, and writes to nothing.
                    let at = map(libc::PROT_NONE, libc::MAP_SHARED).unwrap();
                    let raised = call!(SYS_mprotect, at, 4096, protection);
                    let may = rights.is_set(right);
                    let expected = if may { Ok(0) } else { Err(libc::EACCES) };
                    assert_eq!(raised, expected, "{way:?} {rights} none -> {protection}");
                    let raised = call!(SYS_pkey_mprotect, at, 4096, protection, -1i32);
                    assert_eq!(raised, expected, "{way:?} {rights} none -> {protection}");
                    if !may {
                        assert_eq!(call!(SYS_mprotect, at, 4096, own | protection), Err(libc::EACCES));
                    }
                    call!(SYS_munmap, at, 4096).unwrap();
                }
                if held != Right::MMAP_R {
                    let at = map(libc::PROT_NONE, libc::MAP_PRIVATE).unwrap();
                    let raised = call!(SYS_mprotect, at, 4096, libc::PROT_READ);
                    assert_eq!(raised, Err(libc::EACCES), "{way:?} {rights}: a private one shows the file");
                }
            });
        }
    }
}

/// Memory, and files that are not limited, are not concerned.
#[test]
fn other_mappings_can_be_raised_as_ever() {
    play_each_way(|way, dir| {
        let (limited, other) = (file(dir), file(dir));
        let text = open_at(dir, "dir/file", libc::O_RDWR).unwrap();
        way.limit(&limited, Right::MMAP_R.into());
        let shared = libc::MAP_SHARED;
        call!(SYS_mmap, 0, 4096, libc::PROT_READ, shared, limited.as_raw_fd(), 0).unwrap();
        let all = libc::PROT_READ | libc::PROT_WRITE;
        for (fd, flags) in [
            (text.as_raw_fd(), shared),
            (other.as_raw_fd(), libc::MAP_PRIVATE),
            (-1, shared | libc::MAP_ANONYMOUS),
            (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
        ] {
            let at = call!(SYS_mmap, 0, 4096, libc::PROT_NONE, flags, fd, 0).unwrap();
            assert_eq!(call!(SYS_mprotect, at, 4096, libc::PROT_READ), Ok(0), "{way:?}");
            assert_eq!(call!(SYS_mprotect, at, 4096, all), Ok(0), "{way:?}");
        }
    });
}

/// What a command of ioctl could do in the place of a call that takes a right.
#[test]
fn a_directory_without_rights_is_good_for_nothing() {
    play_each_way(|way, dir| {
        let dir = directory_in(dir);
        way.limit(&dir, NONE);
        let dir = dir.as_raw_fd();
        let mut flags = 0u32;
        const FS_IOC_GETFLAGS: u32 = 0x8008_6601;
        assert_eq!(call!(SYS_ioctl, dir, FS_IOC_GETFLAGS, &raw mut flags), Err(ENOTCAPABLE), "{way:?}");
        assert_eq!(call!(SYS_fchdir, dir), Err(if way == Way::Ordinary { ENOTCAPABLE } else { ECAPMODE }));
        assert_eq!(call!(SYS_fcntl, dir, libc::F_NOTIFY, 1), Err(ENOTCAPABLE));
    });
}
