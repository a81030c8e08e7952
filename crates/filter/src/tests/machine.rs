//! The kernel's check and the interpreter themselves.

use crate::{Action, Data, Insn, Invalid, check, run};

const fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
    Insn { code, jt, jf, k }
}
const RETURN_A: Insn = insn(0x16, 0, 0, 0);

/// What the program leaves in the accumulator.
fn value(program: &[Insn]) -> u32 {
    let program = [program, &[RETURN_A]].concat();
    assert_eq!(check(&program), Ok(()));
    let data = Data { nr: 7, arch: 8, ip: 0x1_0000_0002, args: [0x3_0000_0004, 0, 0, 0, 0, 0x5_0000_0006] };
    run(&program, &data).action.into()
}

#[test]
fn loads_read_the_words_of_seccomp_data_in_little_endian_order() {
    let words = [(0, 7), (4, 8), (8, 2), (12, 1), (16, 4), (20, 3), (24, 0), (56, 6), (60, 5)];
    for (offset, word) in words {
        assert_eq!(value(&[insn(0x20, 0, 0, offset)]), word, "offset {offset}");
    }
    assert_eq!(value(&[insn(0x80, 0, 0, 0)]), 64, "the length is that of seccomp_data");
}

#[test]
fn arithmetic_is_of_32_bits() {
    let of = |code: u16, a: u32, k: u32| {
        let by_k = value(&[insn(0x00, 0, 0, a), insn(code, 0, 0, k)]);
        let by_x = value(&[insn(0x00, 0, 0, a), insn(0x01, 0, 0, k), insn(code | 8, 0, 0, 0)]);
        assert_eq!(by_k, by_x);
        by_k
    };
    assert_eq!(of(0x04, u32::MAX, 2), 1, "add");
    assert_eq!(of(0x14, 1, 2), u32::MAX, "sub");
    assert_eq!(of(0x24, 0x8000_0001, 2), 2, "mul");
    assert_eq!(of(0x34, 7, 2), 3, "div");
    assert_eq!(of(0x44, 5, 2), 7, "or");
    assert_eq!(of(0x54, 6, 3), 2, "and");
    assert_eq!(of(0x64, 3, 31), 0x8000_0000, "lsh");
    assert_eq!(of(0x74, u32::MAX, 31), 1, "rsh");
    assert_eq!(of(0xa4, 6, 3), 5, "xor");
    assert_eq!(value(&[insn(0x00, 0, 0, 1), insn(0x84, 0, 0, 0)]), u32::MAX, "neg");
    assert_eq!(
        value(&[insn(0x00, 0, 0, 9), insn(0x3c, 0, 0, 0), insn(0x00, 0, 0, 1)]),
        0,
        "division by zero ends"
    );
}

#[test]
fn comparisons_are_unsigned_and_jump_forward() {
    let holds = |code: u16, a: u32, k: u32| {
        let program =
            [insn(0x00, 0, 0, a), insn(code, 1, 0, k), insn(0x06, 0, 0, 0), insn(0x06, 0, 0, 0x7fff_0000)];
        assert_eq!(check(&program), Ok(()));
        run(&program, &Data::default()).action == Action::Allow
    };
    assert!(holds(0x15, 3, 3) && !holds(0x15, 3, 4), "jeq");
    assert!(holds(0x25, 0x8000_0000, 1) && !holds(0x25, 3, 3), "jgt");
    assert!(holds(0x35, 3, 3) && !holds(0x35, 2, 3), "jge");
    assert!(holds(0x45, 6, 2) && !holds(0x45, 6, 1), "jset");
}

#[test]
fn scratch_memory_and_the_index_register_keep_values() {
    let program = [insn(0x00, 0, 0, 5), insn(0x02, 0, 0, 15), insn(0x07, 0, 0, 0), insn(0x03, 0, 0, 0)];
    assert_eq!(value(&[&program[..], &[insn(0x00, 0, 0, 0), insn(0x60, 0, 0, 15)]].concat()), 5);
    assert_eq!(value(&[&program[..], &[insn(0x61, 0, 0, 0), insn(0x87, 0, 0, 0)]].concat()), 5);
}

#[test]
fn what_the_kernel_refuses_is_refused() {
    let before_return = |code, jt, jf, k| check(&[insn(code, jt, jf, k), RETURN_A]);
    assert_eq!(check(&[]), Err(Invalid::Length(0)));
    assert_eq!(check(&[RETURN_A; 4096]), Ok(()));
    assert_eq!(check(&[RETURN_A; 4097]), Err(Invalid::Length(4097)));
    assert_eq!(check(&[insn(0x00, 0, 0, 0)]), Err(Invalid::NoReturn));
    assert_eq!(before_return(0x20, 0, 0, 64), Err(Invalid::Load(0)));
    assert_eq!(before_return(0x20, 0, 0, 2), Err(Invalid::Load(0)));
    assert_eq!(before_return(0x28, 0, 0, 0), Err(Invalid::Operation(0)), "a load of 16 bits");
    assert_eq!(before_return(0x94, 0, 0, 2), Err(Invalid::Operation(0)), "seccomp has no remainder");
    assert_eq!(before_return(0x60, 0, 0, 0), Err(Invalid::Memory(0)), "never stored to");
    assert_eq!(before_return(0x02, 0, 0, 16), Err(Invalid::Memory(0)));
    assert_eq!(before_return(0x34, 0, 0, 0), Err(Invalid::Operand(0)));
    assert_eq!(before_return(0x64, 0, 0, 32), Err(Invalid::Operand(0)));
    assert_eq!(before_return(0x05, 0, 0, 0), Ok(()));
    assert_eq!(before_return(0x05, 0, 0, 1), Err(Invalid::Jump(0)));
    assert_eq!(before_return(0x05, 0, 0, u32::MAX), Err(Invalid::Jump(0)));
    assert_eq!(before_return(0x15, 0, 1, 0), Err(Invalid::Jump(0)));
    let skipped_store = [insn(0x15, 1, 0, 0), insn(0x02, 0, 0, 3), insn(0x60, 0, 0, 3), RETURN_A];
    assert_eq!(check(&skipped_store), Err(Invalid::Memory(2)), "stored to on one way only");
}

#[test]
fn what_the_kernel_would_not_take_kills() {
    for program in [&[][..], &[insn(0x05, 0, 0, u32::MAX)], &[insn(0x60, 0, 0, 99)], &[insn(0x20, 0, 0, 1)]] {
        assert_eq!(run(program, &Data::default()).action, Action::KillProcess);
    }
}
