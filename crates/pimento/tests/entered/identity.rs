//! Whose rights the emulated calls have: those of the caller, at the time of the call. And what is left where there is no
//! procfs to ask for them.

use crate::call;
use crate::stage::*;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::mpsc;
use std::thread;

/// Makes a file that is root's alone, one for a group, and a place for everyone.
fn as_roots_directory(scratch: &Scratch) {
    scratch.file("root-only", "secret", 0o600);
    let group = scratch.file("group-only", "group", 0o640);
    chown(group, Some(0), Some(4242)).unwrap();
    fs::set_permissions(scratch.dir("open"), fs::Permissions::from_mode(0o777)).unwrap();
}

fn owner_at(dir: RawFd, path: &str) -> (u32, u32) {
    let made = open_at(dir, path, libc::O_CREAT | libc::O_WRONLY).unwrap();
    let meta = fs::File::from(made).metadata().unwrap();
    (meta.uid(), meta.gid())
}

fn as_root(act: impl FnOnce(RawFd)) {
    if !is_root() {
        return skipped("root alone has credentials to give up");
    }
    play_in(User::Own, as_roots_directory, act);
}

#[test]
fn a_user_given_up_counts_from_then_on() {
    as_root(|dir| {
        enter();
        assert_eq!(read_at(dir, "root-only").as_deref(), Ok("secret"));
        assert_eq!(owner_at(dir, "open/root"), (0, 0));
        become_user(NOBODY);
        assert_eq!(read_at(dir, "root-only").err(), Some(libc::EACCES));
        assert_eq!(open_at(dir, "new", libc::O_CREAT | libc::O_WRONLY).err(), Some(libc::EACCES));
        assert_eq!(owner_at(dir, "open/nobody"), (NOBODY, NOBODY));
        let name = c("root-only");
        assert_eq!(call!(SYS_fchmodat, dir, name.as_ptr(), 0o777), Err(libc::EPERM));
        assert_eq!(call!(SYS_unlinkat, dir, name.as_ptr(), 0), Err(libc::EACCES));
    });
}

#[test]
fn the_c_librarys_setuid_counts_for_all_threads() {
    as_root(|dir| {
        let (go, wait) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let _ = wait.recv();
            read_at(dir, "root-only").err()
        });
        enter();
        // SAFETY: no pointer is used where the length is 0; setgid and setuid have no preconditions.
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setgid(NOBODY), 0);
            assert_eq!(libc::setuid(NOBODY), 0);
        }
        drop(go);
        assert_eq!(other.join().unwrap(), Some(libc::EACCES));
        assert_eq!(read_at(dir, "root-only").err(), Some(libc::EACCES));
        assert_eq!(owner_at(dir, "open/file"), (NOBODY, NOBODY));
    });
}

/// One thread's user (by the call itself, not the C library's) is not another's.
#[test]
fn a_threads_own_user_counts_for_it_alone() {
    as_root(|dir| {
        enter();
        let denied = thread::spawn(move || {
            call!(SYS_setresuid, u32::MAX, NOBODY, u32::MAX).unwrap();
            read_at(dir, "root-only").err()
        });
        assert_eq!(denied.join().unwrap(), Some(libc::EACCES));
        assert_eq!(read_at(dir, "root-only").as_deref(), Ok("secret"));
    });
}

/// Nor what a thread had already when another entered.
#[test]
fn a_thread_that_had_another_user_before_has_it_afterwards() {
    as_root(|dir| {
        let (changed, is_changed) = mpsc::channel();
        let (entered, is_entered) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            call!(SYS_setresuid, u32::MAX, NOBODY, u32::MAX).unwrap();
            changed.send(()).unwrap();
            is_entered.recv().unwrap();
            read_at(dir, "root-only").err()
        });
        is_changed.recv().unwrap();
        enter();
        entered.send(()).unwrap();
        assert_eq!(other.join().unwrap(), Some(libc::EACCES));
        assert_eq!(read_at(dir, "root-only").as_deref(), Ok("secret"));
    });
}

#[test]
fn a_capability_given_up_counts() {
    as_root(|dir| {
        enter();
        fn drop_capabilities(mask: u32) {
            let header = [0x2008_0522u32, 0];
            let mut data = [0u32; 6];
            call!(SYS_capget, header.as_ptr(), data.as_mut_ptr()).unwrap();
            // CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
            data[0] &= !mask;
            call!(SYS_capset, header.as_ptr(), data.as_ptr()).unwrap();
        }
        let unreadable = c("open/unreadable");
        call!(SYS_mkdirat, dir, unreadable.as_ptr(), 0).unwrap();
        assert!(open_at(dir, "open/unreadable", 0).is_ok());
        drop_capabilities(0b110);
        assert_eq!(open_at(dir, "open/unreadable", 0).err(), Some(libc::EACCES));
        assert_eq!(read_at(dir, "root-only").as_deref(), Ok("secret"), "its owner still");
        drop_capabilities(0);
        assert_eq!(open_at(dir, "open/unreadable", 0).err(), Some(libc::EACCES));
    });
}

#[test]
fn supplementary_groups_count() {
    as_root(|dir| {
        enter();
        let groups = [4242u32];
        let done = Cue::new();
        child(|| {
            call!(SYS_setgroups, 1, groups.as_ptr()).unwrap();
            call!(SYS_setresgid, NOBODY, NOBODY, NOBODY).unwrap();
            call!(SYS_setresuid, NOBODY, NOBODY, NOBODY).unwrap();
            assert_eq!(read_at(dir, "group-only").as_deref(), Ok("group"));
            done.give();
        });
        done.take();
        become_user(NOBODY);
        assert_eq!(read_at(dir, "group-only").err(), Some(libc::EACCES));
    });
}

/// What a process had already when it entered is no different.
#[test]
fn credentials_that_an_exec_would_not_keep_count() {
    as_root(|dir| {
        // Root in name, and nobody in effect; and groups.
        call!(SYS_setgroups, 1, [4242u32].as_ptr()).unwrap();
        call!(SYS_setresgid, u32::MAX, NOBODY, u32::MAX).unwrap();
        call!(SYS_setresuid, u32::MAX, NOBODY, u32::MAX).unwrap();
        enter();
        assert_eq!(read_at(dir, "root-only").err(), Some(libc::EACCES));
        assert_eq!(read_at(dir, "group-only").as_deref(), Ok("group"));
        assert_eq!(owner_at(dir, "open/file"), (NOBODY, NOBODY));
        // And back.
        call!(SYS_setresuid, u32::MAX, 0, u32::MAX).unwrap();
        assert_eq!(read_at(dir, "root-only").as_deref(), Ok("secret"));
    });
}

#[test]
fn a_file_system_user_counts() {
    as_root(|dir| {
        call!(SYS_setfsgid, NOBODY).unwrap();
        call!(SYS_setfsuid, NOBODY).unwrap();
        enter();
        assert_eq!(read_at(dir, "root-only").err(), Some(libc::EACCES));
        assert_eq!(owner_at(dir, "open/file"), (NOBODY, NOBODY));
    });
}

// --- without procfs -------------------------------------------------------------------------------------------

/// What works where nothing is known of the caller but what it entered with.
fn without_procfs(dir: RawFd, program: RawFd, umask: u32) {
    assert_eq!(read_at(dir, "file").as_deref(), Ok("text"));
    assert_eq!(open_at(dir, "../etc", 0).err(), Some(ENOTCAPABLE));
    assert_eq!(open_at(libc::AT_FDCWD, "/", 0).err(), Some(ECAPMODE));
    let mode = |name: &str| {
        let made = open_at_mode(dir, name, libc::O_CREAT | libc::O_WRONLY, 0o777).unwrap();
        fs::File::from(made).metadata().unwrap().mode() & 0o777
    };
    assert_eq!(mode("made"), 0o777 & !umask);
    call!(SYS_umask, 0o011).unwrap();
    assert_eq!(mode("made-later"), 0o777 & !umask, "the umask is the one at entry");
    let name = c("sub");
    call!(SYS_mkdirat, dir, name.as_ptr(), 0o777).unwrap();
    call!(SYS_unlinkat, dir, name.as_ptr(), libc::AT_REMOVEDIR).unwrap();
    // From another thread and a child, too.
    assert_eq!(thread::spawn(move || read_at(dir, "file")).join().unwrap().as_deref(), Ok("text"));
    let done = Cue::new();
    child(|| {
        assert_eq!(read_at(dir, "file").as_deref(), Ok("text"));
        assert_eq!(thread::spawn(move || read_at(dir, "file")).join().unwrap().as_deref(), Ok("text"));
        done.give();
    });
    done.take();
    // What is started could not be looked at.
    let argv = [c"program".as_ptr(), std::ptr::null()];
    let started =
        call!(SYS_execveat, program, c"".as_ptr(), argv.as_ptr(), argv[1..].as_ptr(), libc::AT_EMPTY_PATH);
    assert_eq!(started, Err(ENOTCAPABLE));
}

#[test]
fn with_procfs_switched_off_lookups_work_and_programs_do_not_start() {
    for &user in users() {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("file", "text", 0o644);
            let program = scratch.file("program", crate::programs::probe(), 0o755);
            Player::start(user, || {
                let dir = scratch.open();
                let program = open_at(libc::AT_FDCWD, program, 0).unwrap();
                // SAFETY: no other thread of this process is there to read the environment.
                unsafe { std::env::set_var("PIMENTO_WITHOUT", "proc") };
                call!(SYS_umask, 0o027).unwrap();
                enter();
                without_procfs(dir.as_raw_fd(), program.as_raw_fd(), 0o027);
            })
            .join();
        });
    }
}

/// A root directory of its own, with a file and a program, and a procfs if it is to have one.
fn in_chroot(proc: bool, act: impl Fn(RawFd, RawFd)) {
    if !is_root() {
        return skipped("root alone can change its root");
    }
    crate::programs::probe();
    for user in [User::Own, User::Id(NOBODY)] {
        judged(|| {
            let scratch = Scratch::new(user);
            scratch.file("file", "text", 0o644);
            scratch.file("program", crate::programs::probe(), 0o755);
            scratch.dir("proc");
            scratch.dir("etc");
            Player::start(User::Own, || {
                call!(SYS_unshare, libc::CLONE_NEWNS).unwrap();
                let none = c("none");
                let private = libc::MS_REC | libc::MS_PRIVATE;
                call!(SYS_mount, none.as_ptr(), c"/".as_ptr(), 0, private, 0).unwrap();
                if proc {
                    let at = c(scratch.at("proc"));
                    call!(SYS_mount, c"proc".as_ptr(), at.as_ptr(), c"proc".as_ptr(), 0, 0).unwrap();
                }
                call!(SYS_chroot, c(&scratch.path).as_ptr()).unwrap();
                call!(SYS_chdir, c"/".as_ptr()).unwrap();
                if let User::Id(id) = user {
                    become_user(id);
                }
                let dir = directory("/");
                let program = open_at(libc::AT_FDCWD, "/program", 0).unwrap();
                call!(SYS_umask, 0o027).unwrap();
                enter();
                act(dir.as_raw_fd(), program.as_raw_fd());
            })
            .join();
        });
    }
}

#[test]
fn in_a_chroot_without_procfs_lookups_work_and_programs_do_not_start() {
    in_chroot(false, |dir, program| {
        without_procfs(dir, program, 0o027);
    });
}

#[test]
fn in_a_chroot_with_procfs_everything_works() {
    in_chroot(true, |dir, program| {
        assert_eq!(read_at(dir, "file").as_deref(), Ok("text"));
        call!(SYS_umask, 0o011).unwrap();
        let made = open_at_mode(dir, "made", libc::O_CREAT | libc::O_WRONLY, 0o777).unwrap();
        assert_eq!(fs::File::from(made).metadata().unwrap().mode() & 0o777, 0o766);
        assert!(crate::programs::probe_at(program, "", libc::AT_EMPTY_PATH).unwrap().is_in());
        assert!(crate::programs::probe_at(dir, "program", 0).unwrap().is_in());
    });
}

/// A pid namespace of its own beneath a procfs of another: its numbers mean others there.
#[test]
fn a_procfs_of_another_pid_namespace_is_none() {
    as_root(|dir| {
        call!(SYS_unshare, libc::CLONE_NEWPID).unwrap();
        // The first is the namespace's init; what is told of is the second, whose number a stranger has outside.
        let init = child(|| {
            let second = child(|| {
                call!(SYS_umask, 0o027).unwrap();
                enter();
                let made = open_at_mode(dir, "open/made", libc::O_CREAT | libc::O_WRONLY, 0o777).unwrap();
                let meta = fs::File::from(made).metadata().unwrap();
                assert_eq!((meta.uid(), meta.mode() & 0o777), (0, 0o750));
                become_user(NOBODY);
                // Not as whoever has its number outside.
                assert_eq!(read_at(dir, "root-only").err(), Some(ENOTCAPABLE));
            });
            assert_eq!(wait_for(second), 0);
        });
        assert_eq!(wait_for(init), 0);
    });
}
