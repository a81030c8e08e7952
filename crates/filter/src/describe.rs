//! Programs as text.

use crate::insn::{Action, Insn, op};
use std::fmt::Write;

/// The program, one line an instruction.
///
/// ```
/// use filter::Insn;
/// let program = [
///     Insn { code: 0x20, jt: 0, jf: 0, k: 16 },
///     Insn { code: 0x35, jt: 0, jf: 1, k: 3 },
///     Insn { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
///     Insn { code: 0x06, jt: 0, jf: 0, k: 0x7fc0_0000 },
/// ];
/// assert_eq!(
///     filter::describe(&program),
///     "   0  A = args[0].low\n   1  if A >= 0x3 goto 2 else 3\n   2  return ALLOW\n   3  return USER_NOTIF\n"
/// );
/// ```
pub fn describe(program: &[Insn]) -> String {
    let mut text = String::new();
    for (at, insn) in program.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{at:4}  {}", line(at, insn));
    }
    text
}

fn line(at: usize, insn: &Insn) -> String {
    let Insn { code, jt, jf, k } = *insn;
    let operand = if code & op::X != 0 { "X".into() } else { format!("{k:#x}") };
    let goto = |skip: u64| at as u64 + 1 + skip;
    let branch =
        |sign: &str| format!("if A {sign} {operand} goto {} else {}", goto(jt.into()), goto(jf.into()));
    match code {
        op::LD_ABS => format!("A = {}", field(k)),
        op::LD_LEN => "A = length".into(),
        op::LDX_LEN => "X = length".into(),
        op::LD_IMM => format!("A = {k:#x}"),
        op::LDX_IMM => format!("X = {k:#x}"),
        op::LD_MEM => format!("A = M[{k}]"),
        op::LDX_MEM => format!("X = M[{k}]"),
        op::ST => format!("M[{k}] = A"),
        op::STX => format!("M[{k}] = X"),
        op::TAX => "X = A".into(),
        op::TXA => "A = X".into(),
        op::NEG => "A = -A".into(),
        op::RET_A => "return A".into(),
        op::RET_K => match Action::from(k) {
            Action::Allow => "return ALLOW".into(),
            Action::Errno(errno) => format!("return ERRNO({errno})"),
            Action::Notify => "return USER_NOTIF".into(),
            Action::KillProcess => "return KILL_PROCESS".into(),
            Action::Other(value) => format!("return {value:#x}"),
        },
        op::JA => format!("goto {}", goto(k.into())),
        _ => match code & !op::X {
            op::JEQ => branch("=="),
            op::JGT => branch(">"),
            op::JGE => branch(">="),
            op::JSET => branch("&"),
            op::ADD => format!("A += {operand}"),
            op::SUB => format!("A -= {operand}"),
            op::MUL => format!("A *= {operand}"),
            op::DIV => format!("A /= {operand}"),
            op::OR => format!("A |= {operand}"),
            op::AND => format!("A &= {operand}"),
            op::XOR => format!("A ^= {operand}"),
            op::LSH => format!("A <<= {operand}"),
            op::RSH => format!("A >>= {operand}"),
            _ => format!("invalid {code:#x}"),
        },
    }
}

fn field(offset: u32) -> String {
    let half = if offset.is_multiple_of(8) { "low" } else { "high" };
    match offset {
        0 => "nr".into(),
        4 => "arch".into(),
        8 | 12 => format!("ip.{half}"),
        16..=60 => format!("args[{}].{half}", (offset - 16) / 8),
        _ => format!("data[{offset}]"),
    }
}
