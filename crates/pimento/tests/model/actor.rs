//! The actors: threads that make whatever system calls they are told to, one after the other, and know nothing else. Orders
//! and results lie in memory that all of them share with the judge, at one address, so that a pointer means the same to
//! everybody; and they wait for each other by futexes. So nothing but their orders touches their descriptors.
//!
//! The same in C, for those that have started another program, is `tests/programs/actor.c`.

use crate::call;
use std::arch::asm;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Where the shared memory lies, in every process.
const AT: usize = 0x2000_0000_0000;
/// Where the threads' stacks lie: in memory of the process's own.
const STACKS: usize = 0x2100_0000_0000;
const STACK: usize = 64 << 10;

/// So many actors, so many orders at a time, and so many bytes for what an order points to.
pub const ACTORS: usize = 6;
pub const ORDERS: usize = 512;
pub const ROOM: usize = 192;

/// The numbers, in every actor's table, of the shared memory and of the program in C. Nobody is told to touch them.
pub const MEMORY: i32 = 902;
pub const PROGRAM: i32 = 903;

/// Orders that are no system calls: to make another actor (clone(2)'s flags, which actor, whether it gets a stack).
pub const CLONE: i64 = -1;

const IDLE: u32 = 0;
const TOLD: u32 = 1;

/// A system call: a number and arguments, and what it came to, as the kernel puts it.
#[repr(C)]
pub struct Order {
    pub number: AtomicI64,
    pub args: [AtomicU64; 6],
    pub result: AtomicI64,
    pub room: [AtomicU8; ROOM],
}

/// Whose turn it is, and the orders of one actor.
#[repr(C, align(64))]
pub struct Desk {
    pub turn: AtomicU32,
    pub count: AtomicU32,
    orders: [Order; ORDERS],
}

/// The memory that all share.
#[repr(C)]
pub struct Shared {
    pub desks: [Desk; ACTORS],
}

/// The shared memory, mapped.
#[derive(Debug)]
pub struct Memory {
    fd: OwnedFd,
}

impl Memory {
    /// Maps it, in a judge. The players inherit that.
    pub fn new() -> Memory {
        let size = size_of::<Shared>();
        let fd = crate::stage::own(call!(SYS_memfd_create, c"orders".as_ptr(), libc::MFD_CLOEXEC).unwrap());
        call!(SYS_ftruncate, fd.as_raw_fd(), size).unwrap();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE;
        let at = call!(SYS_mmap, AT, size, protection, flags, fd.as_raw_fd(), 0);
        assert_eq!(at, Ok(AT as i64));
        Memory { fd }
    }

    /// The file.
    pub fn number(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// What lies there.
    pub fn shared(&self) -> &'static Shared {
        shared()
    }
}

fn shared() -> &'static Shared {
    // SAFETY: whoever has a `Memory`, or comes from somebody who had, has it mapped for good; all of it is atomic, and any
    // bytes are good for that.
    unsafe { &*std::ptr::with_exposed_provenance(AT) }
}

impl Desk {
    /// The order at this place.
    pub fn order(&self, at: usize) -> &Order {
        &self.orders[at]
    }

    /// Has the actor carry out the first `count` orders.
    pub fn tell(&self, count: usize) {
        self.count.store(count as u32, Ordering::SeqCst);
        self.turn.store(TOLD, Ordering::SeqCst);
        let _ = call!(SYS_futex, self.turn.as_ptr(), libc::FUTEX_WAKE, i32::MAX);
    }

    /// Whether it has; waits a moment for that.
    pub fn is_done(&self) -> bool {
        // An answer takes microseconds, and to be woken takes as many again.
        for _ in 0..200 {
            if self.turn.load(Ordering::SeqCst) == IDLE {
                return true;
            }
            std::hint::spin_loop();
        }
        let soon = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let _ = call!(SYS_futex, self.turn.as_ptr(), libc::FUTEX_WAIT, TOLD, &raw const soon);
        self.turn.load(Ordering::SeqCst) == IDLE
    }
}

impl Order {
    /// Where what it points to lies.
    pub fn pointer(&self) -> u64 {
        self.room.as_ptr().expose_provenance() as u64
    }

    /// Puts something there.
    pub fn put(&self, bytes: &[u8]) {
        for (place, byte) in self.room.iter().zip(bytes) {
            place.store(*byte, Ordering::Relaxed);
        }
    }

    /// What lies there now.
    pub fn get(&self, at: usize, count: usize) -> Vec<u8> {
        self.room[at..at + count].iter().map(|place| place.load(Ordering::Relaxed)).collect()
    }
}

/// In a player: has stacks for threads from now on.
pub fn make_stacks() {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let at = call!(SYS_mmap, STACKS, STACK * ACTORS, protection, flags, -1i32, 0);
    assert_eq!(at, Ok(STACKS as i64));
}

/// A system call that touches no thread-local storage: threads here have none of their own.
fn perform(number: i64, args: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the kernel's convention for x86_64. What is asked for comes from the judge, who says what to do with the
    // shared memory and with descriptors, and nothing else.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// A thread, on a stack of its own.
fn start_thread(flags: u64, actor: usize) -> i64 {
    let top = STACKS + STACK * (actor + 1) - 64;
    let result;
    // SAFETY: nobody else has that stack, and what runs on it never comes back.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone => result,
            in("rdi") flags,
            in("rsi") top,
            in("rdx") 0u64,
            in("r10") 0u64,
            in("r8") 0u64,
            in("r12") actor,
            in("r13") obey as extern "C" fn(usize) -> !,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Does what this actor is told to, for good.
pub extern "C" fn obey(mut actor: usize) -> ! {
    'told: loop {
        let desk = &shared().desks[actor];
        while desk.turn.load(Ordering::SeqCst) != TOLD {
            let args = [desk.turn.as_ptr() as u64, libc::FUTEX_WAIT as u64, u64::from(IDLE), 0, 0, 0];
            perform(libc::SYS_futex, args);
        }
        for at in 0..desk.count.load(Ordering::SeqCst) as usize {
            let order = desk.order(at);
            let number = order.number.load(Ordering::Relaxed);
            let args = [0, 1, 2, 3, 4, 5].map(|at: usize| order.args[at].load(Ordering::Relaxed));
            let result = match (number, args) {
                (CLONE, [flags, other, 0, ..]) => {
                    let result = perform(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]);
                    if result == 0 {
                        actor = other as usize;
                        continue 'told;
                    }
                    result
                }
                (CLONE, [flags, other, ..]) => start_thread(flags, other as usize),
                _ => perform(number, args),
            };
            order.result.store(result, Ordering::Relaxed);
        }
        desk.turn.store(IDLE, Ordering::SeqCst);
        perform(
            libc::SYS_futex,
            [desk.turn.as_ptr() as u64, libc::FUTEX_WAKE as u64, i32::MAX as u64, 0, 0, 0],
        );
    }
}
