//! Compiled programs in the kernel itself: it takes them, and decides by them as the interpreter does.
#![cfg(target_arch = "x86_64")]

use filter::{Action, Data, Insn, Profile};
use rights::{Limits, Right, Rights};
use std::ptr;

/// Stands for USER_NOTIF, since nobody listens.
const ASKED: u16 = 95;
/// Stands for ALLOW, where the calls themselves are not to happen.
const ALLOWED: u16 = 96;

/// uretprobe and uprobe: the kernel asks no filter about them, and kills whoever calls them from elsewhere than its
/// own trampoline.
const UNFILTERED: [u32; 2] = [335, 336];

/// The program with other returns in place of some.
fn replace(program: &[Insn], replacements: &[(Action, Action)]) -> Vec<Insn> {
    let mut program = program.to_vec();
    for insn in program.iter_mut().filter(|insn| insn.code == 0x06) {
        let action = Action::from(insn.k);
        if let Some((_, to)) = replacements.iter().find(|(from, _)| *from == action) {
            insn.k = (*to).into();
        }
    }
    program
}

/// How a child ended, and what its calls returned: 0 for anything that is not an error, else errno.
struct Outcome {
    status: i32,
    errnos: Vec<i32>,
}

/// Makes these calls in a child under this program. The child does nothing else but exit.
fn under(program: &[Insn], calls: &[Data], perform: fn(&Data) -> i32) -> Outcome {
    under_all(&[program], calls, perform)
}

/// The same under several programs, the first of which comes first.
fn under_all(programs: &[&[Insn]], calls: &[Data], perform: fn(&Data) -> i32) -> Outcome {
    let bytes = calls.len() * size_of::<i32>();
    let fprogs: Vec<_> = programs
        .iter()
        .map(|program| libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_ptr().cast_mut().cast(),
        })
        .collect();
    let mut status = 0;
    // SAFETY: a new mapping, at no address of ours, shared with the child; checked before it is used.
    let shared = unsafe {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        libc::mmap(ptr::null_mut(), bytes, prot, flags, -1, 0)
    };
    assert_ne!(shared, libc::MAP_FAILED);
    // SAFETY: the child of a process with threads makes nothing but system calls: no allocation, no lock. It writes
    // within the mapping only. Each `fprog` points to a live program of that length, `Insn` having sock_filter's layout.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
                libc::_exit(1);
            }
            for fprog in &fprogs {
                if libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, fprog) != 0 {
                    libc::_exit(1);
                }
            }
            for (i, call) in calls.iter().enumerate() {
                shared.cast::<i32>().add(i).write_volatile(perform(call));
            }
            libc::_exit(0);
        }
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
    }
    // SAFETY: the mapping holds that many; the child is gone. It is not used after munmap.
    let errnos = unsafe {
        let errnos = std::slice::from_raw_parts(shared.cast::<i32>(), calls.len()).to_vec();
        libc::munmap(shared, bytes);
        errnos
    };
    Outcome { status, errnos }
}

fn syscall(call: &Data) -> i32 {
    let [a, b, c, d, e, f] = call.args;
    // SAFETY: every caller passes calls that its program refuses, or that touch no memory.
    unsafe {
        let result = libc::syscall(i64::from(call.nr), a, b, c, d, e, f);
        if result == -1 { *libc::__errno_location() } else { 0 }
    }
}

/// The 32-bit way in.
fn int_0x80(call: &Data) -> i32 {
    let result: i32;
    // SAFETY: a call without arguments that touches no memory; the kernel's 32-bit entry clears r8 to r11.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("eax") call.nr as i32 => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    if (-4095..0).contains(&result) { -result } else { 0 }
}

fn strict(passes: Vec<(u32, Rights)>) -> Profile {
    Profile { hosted: false, audit: false, passes }
}

#[test]
fn a_process_under_the_strict_program_keeps_itself_and_loses_the_rest() {
    let program = filter::compile(&strict(vec![(0, Rights::ALL)]));
    let program = replace(&program, &[(Action::Notify, Action::Errno(ASKED))]);
    let number = |name: &str| policy::by_name(name).unwrap().x86_64.unwrap();
    let cases = [
        (number("getppid"), 0),
        (number("open"), 1094),
        (number("openat"), i32::from(ASKED)),
        (number("clone3"), libc::ENOSYS),
        (1999, 1094),
        (0x4000_0000 | number("getpid"), 1094),
        (0x4341_5000, i32::from(ASKED)),
        (u32::MAX, 1094),
    ];
    let calls = cases.map(|(nr, _)| Data::call(nr, [0; 6]));
    let outcome = under(&program, &calls, syscall);
    assert_eq!(outcome.status, 0);
    assert_eq!(outcome.errnos, cases.map(|(_, errno)| errno));
}

#[test]
fn the_32_bit_way_in_is_refused() {
    let program = filter::compile(&strict(vec![(0, Rights::ALL)]));
    let outcome = under(&program, &[Data::call(20, [0; 6])], int_0x80);
    // A kernel without 32-bit programs answers the instruction itself with SIGSEGV.
    assert!(
        outcome.status == libc::SIGSEGV || outcome.errnos == [1094],
        "{} {:?}",
        outcome.status,
        outcome.errnos
    );
}

/// The program, but that nothing which it lets through or asks about happens: the child can leave, and add filters.
fn harmless(program: &[Insn]) -> Vec<Insn> {
    let marked =
        replace(program, &[(Action::Notify, Action::Errno(ASKED)), (Action::Allow, Action::Errno(ALLOWED))]);
    let mut harmless = vec![Insn { code: 0x20, jt: 0, jf: 0, k: 0 }];
    for number in NEEDED {
        harmless.push(Insn { code: 0x15, jt: 0, jf: 1, k: number });
        harmless.push(Insn { code: 0x06, jt: 0, jf: 0, k: Action::Allow.into() });
    }
    harmless.extend(marked);
    harmless
}

/// What the child calls itself.
const NEEDED: [u32; 2] = [libc::SYS_exit_group as u32, libc::SYS_seccomp as u32];

/// Any call with any arguments, small ones mostly. A deterministic sequence is enough: what is compared is two
/// machines, not two policies.
fn any_calls() -> Vec<Data> {
    let mut state = 1u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut calls = Vec::new();
    for nr in (0..600).chain(0x4341_4ffc..0x4341_5014).chain(0x4000_0000..0x4000_0010) {
        for _ in 0..40 {
            let args = std::array::from_fn(|_| match random(8) {
                0 => random(u64::MAX) << 32 | random(1 << 32),
                1 => u64::MAX << random(64),
                2 => -100i32 as u32 as u64,
                3 => random(64) << 32,
                _ => random(48),
            });
            if !NEEDED.contains(&nr) && !UNFILTERED.contains(&nr) {
                calls.push(Data::call(nr, args));
            }
        }
    }
    calls
}

fn errno_of(action: Action) -> i32 {
    i32::from(match action {
        Action::Allow => ALLOWED,
        Action::Notify => ASKED,
        Action::Errno(errno) => errno,
        other => panic!("{other:?}"),
    })
}

fn limited() -> Vec<(u32, Rights)> {
    let read = Rights::of(&[Right::READ]);
    vec![(0, read), (1, Rights::of(&[Right::PWRITE])), (3, Rights::ALL), (7, Rights::NONE)]
}

#[test]
fn the_kernel_decides_as_the_interpreter_does() {
    for hosted in [false, true] {
        let program = filter::compile(&Profile { hosted, audit: false, passes: limited() });
        let calls = any_calls();
        let outcome = under(&harmless(&program), &calls, syscall);
        assert_eq!(outcome.status, 0);
        for (call, errno) in calls.iter().zip(outcome.errnos) {
            assert_eq!(errno, errno_of(filter::run(&program, call).action), "{call:x?}");
        }
    }
}

#[test]
fn descriptors_narrowed_later_are_refused_and_nothing_else_changes() {
    let main = filter::compile(&strict(limited()));
    let narrow = [(4, Limits::of(Rights::NONE)), (5, Limits::of(Rights::of(&[Right::WRITE, Right::FSTAT])))]
        .map(|(number, to)| filter::narrow(number, &to));
    let mut calls = any_calls();
    for number in (0..470).filter(|number| !NEEDED.contains(number) && !UNFILTERED.contains(number)) {
        calls.extend([3, 4, 5].map(|fd| Data::call(number, [fd; 6])));
    }
    let outcome = under_all(&[&harmless(&main), &narrow[0], &narrow[1]], &calls, syscall);
    assert_eq!(outcome.status, 0);
    let mut refused = 0;
    for (call, errno) in calls.iter().zip(outcome.errnos) {
        let narrowed = narrow.iter().any(|program| filter::run(program, call).action != Action::Allow);
        refused += usize::from(narrowed);
        let expected = if narrowed { 1093 } else { errno_of(filter::run(&main, call).action) };
        assert_eq!(errno, expected, "{call:x?}");
    }
    assert!(refused > 50, "only {refused} calls were refused");
}
