//! All threads, and all that is started, whichever way: before or after, it is in capability mode.

use crate::call;
use crate::stage::*;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::{fs, thread};

/// Whether the thread that asks is in capability mode: by what it is told, and by what it cannot do.
fn is_in() -> bool {
    pimento::sandboxed() && open_at(libc::AT_FDCWD, "/", 0).err() == Some(ECAPMODE)
}

#[test]
fn entering_again_succeeds_from_wherever() {
    play_each(|_| {
        enter();
        enter();
        thread::spawn(enter).join().unwrap();
        let done = Cue::new();
        child(|| {
            enter();
            assert!(is_in());
            done.give();
        });
        done.take();
    });
}

#[test]
fn of_several_threads_that_enter_at_a_time_all_succeed_with_one_monitor() {
    judged(|| {
        let (done, end) = (Cue::new(), Cue::new());
        let player = Player::start(User::Own, || {
            let start = Arc::new(Barrier::new(8));
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let start = start.clone();
                    thread::spawn(move || {
                        start.wait();
                        pimento::enter().unwrap();
                        assert!(is_in());
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
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
fn threads_from_before_and_after_are_in_it() {
    play_each(|_| {
        let entered = Arc::new(Barrier::new(5));
        let before: Vec<_> = (0..4)
            .map(|_| {
                let entered = entered.clone();
                thread::spawn(move || {
                    entered.wait();
                    is_in()
                })
            })
            .collect();
        enter();
        entered.wait();
        assert!(before.into_iter().all(|thread| thread.join().unwrap()));
        assert!(thread::spawn(is_in).join().unwrap());
        assert!(thread::spawn(|| thread::spawn(is_in).join().unwrap()).join().unwrap());
    });
}

/// Runs the child's part of a fork by number, and has it say whether it is in capability mode.
fn forked_by(number: i64, args: [usize; 2]) -> bool {
    let mut pipe = [0i32; 2];
    call!(SYS_pipe2, pipe.as_mut_ptr(), libc::O_CLOEXEC).unwrap();
    match perform(number, [args[0], args[1], 0, 0, 0, 0]) {
        Ok(0) => {
            let said = [u8::from(is_in())];
            let _ = call!(SYS_write, pipe[1], said.as_ptr(), 1);
            exit(0);
        }
        result => assert!(result.is_ok(), "{number}: {result:?}"),
    }
    call!(SYS_close, pipe[1]).unwrap();
    let mut said = [0u8];
    let len = call!(SYS_read, pipe[0], said.as_mut_ptr(), 1);
    call!(SYS_close, pipe[0]).unwrap();
    (len, said) == (Ok(1), [1])
}

#[test]
fn children_of_every_kind_are_in_it() {
    play_each(|_| {
        enter();
        assert!(forked_by(libc::SYS_fork, [0; 2]));
        assert!(forked_by(libc::SYS_clone, [libc::SIGCHLD as usize, 0]));
        assert!(forked_by(libc::SYS_clone, [0, 0]), "one that tells nobody of its end");
        assert!(forked_by(libc::SYS_clone, [libc::CLONE_FS as usize, 0]));
        let args = [0u64; 11];
        assert_eq!(call!(SYS_clone3, args.as_ptr(), size_of_val(&args)), Err(libc::ENOSYS));
        for new in [
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWNS,
            libc::CLONE_NEWNET,
            libc::CLONE_PARENT,
        ] {
            assert_eq!(call!(SYS_clone, new | libc::SIGCHLD, 0), Err(ECAPMODE), "{new:#x}");
        }
        // A child's child, whose parent is gone.
        let done = Cue::new();
        child(|| {
            child(|| {
                assert!(is_in());
                done.give();
            });
        });
        done.take();
    });
}

#[test]
fn a_vfork_child_is_in_it() {
    play_each(|_| {
        enter();
        let word = AtomicU32::new(0);
        extern "C" fn body(word: *mut libc::c_void) -> libc::c_int {
            // SAFETY: `word` outlives the child, for which vfork's parent waits.
            let word = unsafe { &*word.cast::<AtomicU32>() };
            let path = c"/";
            let mut mode = 0u32;
            let asked = crate::numbered!(0x4341_5001, &raw mut mode);
            let opened = call!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), 0);
            let is_in = (asked, mode, opened) == (Ok(0), 1, Err(ECAPMODE));
            word.store(if is_in { 1 } else { 2 }, Ordering::SeqCst);
            0
        }
        let mut stack = vec![0u8; 64 << 10];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let top = stack.as_mut_ptr_range().end.map_addr(|top| top & !15);
        // SAFETY: the stack is the child's alone, and the parent waits until it has ended.
        let pid = unsafe { libc::clone(body, top.cast(), flags, (&raw const word).cast_mut().cast()) };
        assert!(pid > 0);
        assert_eq!(word.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn starting_a_program_by_its_path_is_refused() {
    play_each(|_| {
        enter();
        for program in ["/bin/true", "true", "./true"] {
            let error = Command::new(program).spawn().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(ECAPMODE), "{program}");
        }
    });
}

/// While many threads are at everything that takes a lock or copies the process, entering works each time; and of what
/// is forked meanwhile nobody holds the listener, and nobody who was forked afterwards is outside.
#[test]
fn entering_works_whatever_other_threads_do() {
    for round in 0..20 {
        judged(|| {
            let (entered, end) = (Cue::new(), Cue::new());
            let player =
                Player::start(if round % 2 == 1 { users()[users().len() - 1] } else { User::Own }, || {
                    busy(&entered, &end);
                });
            entered.take();
            // Those that wait to be looked at.
            for pid in children_of(player.pid as u32).into_iter().chain([player.pid]) {
                for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
                    let link = fs::read_link(entry.path()).unwrap_or_default();
                    let link = link.to_string_lossy();
                    assert!(!link.contains("seccomp") && !link.contains("memfd"), "{pid} holds {link}");
                }
            }
            end.give();
            player.join();
            end_orphans();
        });
    }
}

fn busy(entered: &Cue, end: &Cue) {
    static STOP: AtomicBool = AtomicBool::new(false);
    static ENTERED: AtomicBool = AtomicBool::new(false);
    /// How many have been at it.
    static ROUNDS: [AtomicU32; 6] = [const { AtomicU32::new(0) }; 6];
    static LOCK: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let (bad, inside) = (shared_word(), shared_word());
    let go_on = |at: usize| {
        ROUNDS[at].fetch_add(1, Ordering::SeqCst);
        !STOP.load(Ordering::SeqCst)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            while go_on(0) {
                drop(std::hint::black_box(vec![vec![1u8; 100], vec![2; 5000], vec![3; 200_000]]));
            }
        });
        scope.spawn(|| {
            while go_on(1) {
                let mut held = LOCK.lock().unwrap();
                let len = held.len();
                held.resize((len + 777) % 100_000, 1);
            }
        });
        // Programs. Once this process is in, they are refused.
        scope.spawn(|| {
            while go_on(2) {
                let before = ENTERED.load(Ordering::SeqCst);
                match Command::new("/bin/true").spawn() {
                    Ok(mut child) if !before => _ = child.wait(),
                    Ok(_) => _ = bad.fetch_or(1, Ordering::SeqCst),
                    Err(error) => assert_eq!(error.raw_os_error(), Some(ECAPMODE)),
                }
            }
        });
        scope.spawn(|| {
            while go_on(3) {
                let before = ENTERED.load(Ordering::SeqCst);
                let pid = child(|| {
                    if before && !is_in() {
                        bad.fetch_or(2, Ordering::SeqCst);
                    }
                    let _ = call!(SYS_execve, c"/bin/true".as_ptr(), 0, 0);
                });
                let _ = call!(SYS_wait4, pid, 0, libc::__WALL, 0);
            }
        });
        // Children who enter by themselves, whatever thread of their parent's was about to.
        scope.spawn(|| {
            while go_on(4) {
                inside.fetch_add(1, Ordering::SeqCst);
                let pid = child(|| {
                    pimento::enter().unwrap();
                    assert!(is_in());
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
                let _ = call!(SYS_wait4, pid, 0, libc::__WALL, 0);
            }
        });
        // Children who wait to be looked at.
        scope.spawn(|| {
            for _ in 0..30 {
                go_on(5);
                child(|| {
                    loop {
                        let _ = call!(SYS_pause);
                    }
                });
            }
        });
        while ROUNDS.iter().any(|rounds| rounds.load(Ordering::SeqCst) < 2) {
            thread::yield_now();
        }
        pimento::enter().unwrap();
        ENTERED.store(true, Ordering::SeqCst);
        let at = [0, 1, 2, 3, 4].map(|at: usize| ROUNDS[at].load(Ordering::SeqCst));
        while (0..5).any(|of| ROUNDS[of].load(Ordering::SeqCst) < at[of] + 2) {
            thread::yield_now();
        }
        STOP.store(true, Ordering::SeqCst);
    });
    // Their monitors are made by now.
    while inside.load(Ordering::SeqCst) != 0 {
        thread::yield_now();
    }
    assert_eq!(bad.load(Ordering::SeqCst), 0);
    entered.give();
    end.take();
}

/// A word that forked children share.
fn shared_word() -> &'static AtomicU32 {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let at = call!(SYS_mmap, 0, 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1i32, 0).unwrap();
    // SAFETY: a page of zeroes that is never unmapped.
    unsafe { &*std::ptr::with_exposed_provenance::<AtomicU32>(at as usize) }
}

/// A thread whose table of descriptors is its own is served by that.
#[test]
fn a_thread_with_a_table_of_its_own_is_served_by_that() {
    judged(|| {
        let scratch = Scratch::new(User::Own);
        scratch.dir("a");
        scratch.dir("b");
        scratch.file("a/name", "a", 0o644);
        scratch.file("b/name", "b", 0o644);
        Player::start(User::Own, || {
            let (a, b) = (directory(scratch.at("a")), directory(scratch.at("b")));
            enter();
            let (a, b) = (a.as_raw_fd(), b.as_raw_fd());
            thread::spawn(move || {
                call!(SYS_unshare, libc::CLONE_FILES).unwrap();
                call!(SYS_dup3, b, a, libc::O_CLOEXEC).unwrap();
                assert_eq!(read_at(a, "name").unwrap(), "b");
            })
            .join()
            .unwrap();
            assert_eq!(read_at(a, "name").unwrap(), "a");
        })
        .join();
    });
}
