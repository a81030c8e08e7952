//! A process that has limited nothing: it has all rights, and no monitor is started to say so.

use crate::stage::*;
use crate::{NONE, READ, Way, borrow, call, file, furnish, numbered};
use pimento::{FcntlRights, IoctlLimit, LimitError, Limits, Right, Rights, TooManyIoctls};
use std::os::fd::AsRawFd;

const BAD: i32 = 77;

#[test]
fn everything_has_all_rights_and_no_monitor_is_asked() {
    judged(|| {
        let player = Player::start(User::Own, || {
            let dir = directory("/tmp");
            assert_eq!(pimento::rights(&dir), Ok(Rights::ALL));
            assert_eq!(pimento::ioctls(&dir), Ok(IoctlLimit::ALL));
            assert_eq!(pimento::fcntls(&dir), Ok(FcntlRights::ALL));
            // A limit to everything is none.
            assert_eq!(pimento::limit(&dir, Rights::ALL), Ok(()));
            assert_eq!(pimento::limit_fcntls(&dir, FcntlRights::ALL), Ok(()));
            assert_eq!(Limits::new().fd(&dir, Rights::ALL).limit(), Ok(()));
            assert_eq!(Limits::new().limit(), Ok(()));
            assert_eq!(call!(SYS_prctl, libc::PR_GET_SECCOMP, 0, 0, 0, 0), Ok(0));
            // Natively there is nobody to ask.
            for number in 0x4341_5000..0x4341_5010i64 {
                assert_eq!(numbered!(number, 0, 0, 0), Err(libc::ENOSYS), "{number:#x}");
            }
        });
        player.join();
        assert_eq!(monitors().len(), 0);
    });
}

#[test]
fn what_is_not_open_has_no_rights_to_tell_or_to_limit() {
    play(User::Own, || {
        let bad = || borrow(BAD);
        let error = LimitError::BadDescriptor { descriptor: BAD };
        let asked = || {
            assert_eq!(pimento::rights(bad()).as_ref(), Err(&error));
            assert_eq!(pimento::ioctls(bad()).as_ref(), Err(&error));
            assert_eq!(pimento::fcntls(bad()).as_ref(), Err(&error));
            assert_eq!(pimento::limit(bad(), NONE).as_ref(), Err(&error));
            assert_eq!(pimento::limit(bad(), Rights::ALL).as_ref(), Err(&error));
            assert_eq!(pimento::limit_ioctls(bad(), []).as_ref(), Err(&error));
            assert_eq!(pimento::limit_fcntls(bad(), FcntlRights::NONE).as_ref(), Err(&error));
            assert_eq!(Limits::new().fd(&bad(), NONE).limit().as_ref(), Err(&error));
        };
        asked();
        assert_eq!(Limits::new().fd(&bad(), NONE).enter().as_ref(), Err(&error));
        // Of several limits none is made if one cannot be.
        assert_eq!(Limits::new().stdin(NONE).fd(&bad(), READ).enter().as_ref(), Err(&error));
        assert_eq!(call!(SYS_prctl, libc::PR_GET_SECCOMP, 0, 0, 0, 0), Ok(0), "nothing has changed");
        assert_eq!(call!(SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), Ok(0));
        // With a monitor it is the same.
        pimento::limit(directory("/tmp"), NONE).unwrap();
        asked();
        assert_eq!(Limits::new().fd(&bad(), NONE).enter().as_ref(), Err(&error));
        assert!(!pimento::sandboxed());
        enter();
        asked();
    });
}

#[test]
fn an_error_says_what_is_wrong() {
    play_in(User::Own, furnish, |dir| {
        let file = file(dir);
        let descriptor = file.as_raw_fd();
        Way::Ordinary.limit(&file, Rights::of(&[Right::READ, Right::IOCTL]));
        let error = pimento::limit(&file, Rights::of(&[Right::PREAD, Right::FSYNC])).unwrap_err();
        let missing = Rights::of(&[Right::SEEK, Right::FSYNC]);
        assert_eq!(error, LimitError::NotCapable { descriptor, missing });
        assert_eq!(error.errno(), ENOTCAPABLE);
        assert!(error.to_string().contains("seek,fsync"), "{error}");
        let error = pimento::limit_fcntls(&file, FcntlRights::GETFL).unwrap_err();
        assert_eq!(error, LimitError::NotCapable { descriptor, missing: NONE });
        assert_eq!(pimento::limit_ioctls(&file, 0..257), Err(TooManyIoctls(257).into()));
    });
}
