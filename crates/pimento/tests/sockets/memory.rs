//! Shared memory without a name.

use crate::stage::*;
use crate::*;
use std::fs::File;
use std::os::unix::fs::FileExt;

const PAGE: u64 = 4096;

/// A page of it, with a word at its start.
fn memory() -> File {
    let memory = File::from(pimento::shm_anon().unwrap());
    memory.set_len(PAGE).unwrap();
    memory.write_all_at(b"word", 0).unwrap();
    memory
}

/// Maps it shared, and lets go of it again.
fn maps(memory: &OwnedFd, protection: i32) -> Result<(), i32> {
    let at = call!(SYS_mmap, 0, PAGE, protection, libc::MAP_SHARED, memory.as_raw_fd(), 0)?;
    call!(SYS_munmap, at, PAGE).map(drop)
}

#[test]
fn each_is_new_and_works_in_every_mode() {
    play_each_mode(&MODES, |mode, dir| {
        mode.begin(dir);
        let [one, other] = [(); 2].map(|()| pimento::shm_anon().unwrap());
        let (one, other) = (File::from(one), File::from(other));
        let status = |file: &File| {
            let mut stat = [0u64; 18];
            call!(SYS_fstat, file.as_raw_fd(), stat.as_mut_ptr()).unwrap();
            // Its inode, its type and permissions, its size.
            (stat[1], stat[3] as u32, stat[6])
        };
        let (inode, kind, size) = status(&one);
        assert_eq!((kind, size), (libc::S_IFREG | 0o600, 0), "{mode:?}");
        assert_ne!(inode, status(&other).0, "{mode:?}");
        one.set_len(PAGE).unwrap();
        one.write_all_at(b"word", 0).unwrap();
        assert_eq!((status(&one).2, status(&other).2), (PAGE, 0), "{mode:?}");
        assert_eq!(call!(SYS_fcntl, one.as_raw_fd(), libc::F_GETFD), Ok(libc::FD_CLOEXEC.into()));
        assert_eq!(pimento::rights(&one), Ok(Rights::ALL));
        let shared = libc::PROT_READ | libc::PROT_WRITE;
        let at = call!(SYS_mmap, 0, PAGE, shared, libc::MAP_SHARED, one.as_raw_fd(), 0).unwrap();
        // SAFETY: nobody else has the page that was just mapped.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(at as usize).write_volatile(b'W') };
        let mut word = [0; 4];
        one.read_exact_at(&mut word, 0).unwrap();
        assert_eq!(&word, b"Word", "{mode:?}");
        assert_eq!(maps(&one.into(), shared | libc::PROT_EXEC), Ok(()), "{mode:?}");
    });
}

#[test]
fn it_can_be_sealed() {
    play_each_mode(&MODES, |mode, dir| {
        mode.begin(dir);
        let memory = memory();
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
        call!(SYS_fcntl, memory.as_raw_fd(), libc::F_ADD_SEALS, seals).unwrap();
        assert_eq!(memory.write_at(b"x", 0).unwrap_err().raw_os_error(), Some(libc::EPERM), "{mode:?}");
        assert_eq!(memory.set_len(0).unwrap_err().raw_os_error(), Some(libc::EPERM), "{mode:?}");
    });
}

/// An operation, and the rights without which it does not work.
type Operation = (&'static str, fn(&OwnedFd) -> Result<(), i32>, &'static [Right]);

const OPERATIONS: &[Operation] = &[
    (
        "read",
        |fd| call!(SYS_pread64, fd.as_raw_fd(), [0u8; 4].as_mut_ptr(), 4, 0).map(drop),
        &[Right::READ, Right::SEEK],
    ),
    (
        "write",
        |fd| call!(SYS_pwrite64, fd.as_raw_fd(), c"word".as_ptr(), 4, 0).map(drop),
        &[Right::WRITE, Right::SEEK],
    ),
    ("seek", |fd| call!(SYS_lseek, fd.as_raw_fd(), 0, libc::SEEK_SET).map(drop), &[Right::SEEK]),
    ("status", |fd| call!(SYS_fstat, fd.as_raw_fd(), [0u64; 32].as_mut_ptr()).map(drop), &[Right::FSTAT]),
    ("length", |fd| call!(SYS_ftruncate, fd.as_raw_fd(), PAGE).map(drop), &[Right::FTRUNCATE]),
    ("mode", |fd| call!(SYS_fchmod, fd.as_raw_fd(), 0o600).map(drop), &[Right::FCHMOD]),
    ("owner", |fd| call!(SYS_fchown, fd.as_raw_fd(), -1i32, -1i32).map(drop), &[Right::FCHOWN]),
    ("no access", |fd| maps(fd, libc::PROT_NONE), &[Right::MMAP]),
    ("reading", |fd| maps(fd, libc::PROT_READ), &[Right::MMAP_R]),
    ("writing", |fd| maps(fd, libc::PROT_WRITE), &[Right::MMAP_W]),
    ("executing", |fd| maps(fd, libc::PROT_EXEC), &[Right::MMAP_X]),
    ("both", |fd| maps(fd, libc::PROT_READ | libc::PROT_WRITE), &[Right::MMAP_RW]),
    ("all", |fd| maps(fd, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC), &[Right::MMAP_RWX]),
    ("flags", |fd| call!(SYS_fcntl, fd.as_raw_fd(), libc::F_GETFL).map(drop), &[Right::FCNTL]),
    ("seals", |fd| call!(SYS_fcntl, fd.as_raw_fd(), libc::F_GET_SEALS).map(drop), &[Right::FSTAT]),
    ("sync", |fd| call!(SYS_fsync, fd.as_raw_fd()).map(drop), &[Right::FSYNC]),
];

#[test]
fn each_limit_leaves_what_it_says_and_nothing_else() {
    for mode in [Mode::Ordinary, Mode::Entered] {
        for (left, _, rights) in OPERATIONS {
            play(User::Own, || {
                let before = OwnedFd::from(memory());
                let rights = Rights::of(rights);
                match mode {
                    Mode::Entered => Limits::new().fd(&before, rights).enter().unwrap(),
                    _ => pimento::limit(&before, rights).unwrap(),
                }
                let after = OwnedFd::from(memory());
                pimento::limit(&after, rights).unwrap();
                let copy = after.try_clone();
                for fd in [&before, &after].into_iter().chain(&copy) {
                    for (name, operation, needs) in OPERATIONS {
                        let permitted = rights.contains(&Rights::of(needs));
                        let want = if permitted { Ok(()) } else { Err(ENOTCAPABLE) };
                        assert_eq!(operation(fd), want, "{mode:?}: {name}, limited to {left}");
                    }
                }
            });
        }
    }
}

#[test]
fn it_goes_to_another_process_with_its_limits() {
    use std::os::unix::net::UnixDatagram;
    play(User::Own, || {
        enter();
        let memory = memory();
        pimento::limit(&memory, Rights::of(&[Right::MMAP_R, Right::FSTAT])).unwrap();
        let (here, there) = UnixDatagram::pair().unwrap();
        let space = &mut [std::mem::MaybeUninit::uninit(); 64];
        let mut control = rustix::net::SendAncillaryBuffer::new(space);
        let fds = [memory.as_fd()];
        assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&fds)));
        let word = [std::io::IoSlice::new(b"!")];
        rustix::net::sendmsg(&here, &word, &mut control, rustix::net::SendFlags::empty()).unwrap();
        let space = &mut [std::mem::MaybeUninit::uninit(); 64];
        let mut control = rustix::net::RecvAncillaryBuffer::new(space);
        let mut byte = [0];
        let into = &mut [std::io::IoSliceMut::new(&mut byte)];
        rustix::net::recvmsg(&there, into, &mut control, rustix::net::RecvFlags::empty()).unwrap();
        let arrived = control.drain().find_map(|message| match message {
            rustix::net::RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        let arrived = arrived.unwrap();
        assert_eq!(maps(&arrived, libc::PROT_READ), Ok(()));
        assert_eq!(maps(&arrived, libc::PROT_READ | libc::PROT_WRITE), Err(ENOTCAPABLE));
    });
}

#[test]
fn shared_memory_by_name_is_a_global_name() {
    play(User::Own, || {
        let name = c(format!("/pimento-sockets-{}", std::process::id()));
        let open = |flags: i32| {
            // SAFETY: the name ends with a NUL.
            match unsafe { libc::shm_open(name.as_ptr(), flags, 0o600) } {
                -1 => Err(errno()),
                number => Ok(own(number.into())),
            }
        };
        drop(open(libc::O_RDWR | libc::O_CREAT).unwrap());
        // SAFETY: likewise.
        assert_eq!(unsafe { libc::shm_unlink(name.as_ptr()) }, 0);
        enter();
        for flags in [libc::O_RDONLY, libc::O_RDWR, libc::O_RDWR | libc::O_CREAT] {
            assert_eq!(open(flags).err(), Some(ECAPMODE));
        }
        // SAFETY: likewise.
        assert_eq!(unsafe { libc::shm_unlink(name.as_ptr()) }, -1);
        assert_eq!(errno(), ECAPMODE);
    });
}
