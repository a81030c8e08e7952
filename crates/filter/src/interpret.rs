//! Classic BPF as the kernel's seccomp checks it and runs it.

use crate::arch::Arch;
use crate::insn::{Action, DATA_SIZE, Insn, MAX_INSNS, MEMORY, op};
use std::fmt;

/// What a program is given to look at: the kernel's `struct seccomp_data`.
///
/// ```
/// use filter::{Action, Data, Insn};
/// // Return the number as the action.
/// let program = [Insn { code: 0x20, jt: 0, jf: 0, k: 0 }, Insn { code: 0x16, jt: 0, jf: 0, k: 0 }];
/// let run = filter::run(&program, &Data { nr: 0x7fff_0000, ..Data::default() });
/// assert_eq!(run.action, Action::Allow);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Data {
    /// The call's number.
    pub nr: u32,
    /// The architecture: an `AUDIT_ARCH_…`.
    pub arch: u32,
    /// Where the call was made.
    pub ip: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

impl Data {
    /// A call on the architecture that this was built for.
    ///
    /// ```
    /// assert_eq!(filter::Data::call(39, [0; 6]).arch, filter::Arch::NATIVE.audit());
    /// ```
    pub const fn call(nr: u32, args: [u64; 6]) -> Data {
        Data { nr, arch: Arch::NATIVE.audit(), ip: 0, args }
    }

    /// The word at an offset, as on a little-endian machine.
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64| if offset.is_multiple_of(8) { value as u32 } else { (value >> 32) as u32 };
        match offset {
            _ if !offset.is_multiple_of(4) => None,
            0 => Some(self.nr),
            4 => Some(self.arch),
            8 | 12 => Some(half(self.ip)),
            _ => self.args.get((offset as usize - 16) / 8).map(|&arg| half(arg)),
        }
    }
}

/// What came of running a program.
///
/// ```
/// let allow = filter::Insn { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
/// let run = filter::run(&[allow], &filter::Data::default());
/// assert_eq!((run.action, run.executed), (filter::Action::Allow, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What becomes of the call.
    pub action: Action,
    /// How many instructions it took.
    pub executed: usize,
}

/// Why the kernel would not take a program.
///
/// ```
/// let invalid = filter::check(&[]).unwrap_err();
/// assert_eq!(invalid.to_string(), "a program has 1 to 4096 instructions, not 0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It is empty, or longer than [`MAX_INSNS`].
    Length(usize),
    /// The instruction here is none that seccomp has.
    Operation(usize),
    /// The one here loads from outside the data, or from between its words.
    Load(usize),
    /// The one here uses scratch memory that does not exist, or that nothing was stored in on some way there.
    Memory(usize),
    /// The one here divides by zero or shifts by more than there are bits.
    Operand(usize),
    /// The one here jumps past the end.
    Jump(usize),
    /// The last one is not a return.
    NoReturn,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Length(n) => write!(f, "a program has 1 to {MAX_INSNS} instructions, not {n}"),
            Invalid::Operation(at) => write!(f, "instruction {at} is none of seccomp's"),
            Invalid::Load(at) => write!(f, "instruction {at} loads from outside the data"),
            Invalid::Memory(at) => write!(f, "instruction {at} uses memory that was never stored to"),
            Invalid::Operand(at) => write!(f, "instruction {at} divides by zero or shifts too far"),
            Invalid::Jump(at) => write!(f, "instruction {at} jumps past the end"),
            Invalid::NoReturn => write!(f, "the last instruction is not a return"),
        }
    }
}

impl std::error::Error for Invalid {}

/// Whether the kernel would take this program: its `bpf_check_classic` and `seccomp_check_filter`.
///
/// ```
/// use filter::{Insn, Invalid};
/// let jump = Insn { code: 0x05, jt: 0, jf: 0, k: 7 };
/// assert_eq!(filter::check(&[jump]), Err(Invalid::Jump(0)));
/// ```
///
/// # Errors
/// What is wrong with it, and at which instruction.
pub fn check(program: &[Insn]) -> Result<(), Invalid> {
    if program.is_empty() || program.len() > MAX_INSNS {
        return Err(Invalid::Length(program.len()));
    }
    // For each instruction, the scratch words that are stored to on every way to it.
    let mut stored = vec![u16::MAX; program.len()];
    stored[0] = 0;
    for (at, insn) in program.iter().enumerate() {
        let last = at + 1 == program.len();
        let within = |skip: u32| program.len() as u64 > at as u64 + 1 + u64::from(skip);
        let scratch = |mask: u16| ((insn.k as usize) < MEMORY).then(|| mask & 1 << insn.k);
        let mut after = stored[at];
        let mut next = [Some(0), None];
        match insn.code {
            op::LD_ABS if insn.k >= DATA_SIZE || !insn.k.is_multiple_of(4) => return Err(Invalid::Load(at)),
            op::LD_ABS
            | op::LD_LEN
            | op::LDX_LEN
            | op::LD_IMM
            | op::LDX_IMM
            | op::TAX
            | op::TXA
            | op::NEG => {}
            op::LD_MEM | op::LDX_MEM => {
                if scratch(after).is_none_or(|stored| stored == 0) {
                    return Err(Invalid::Memory(at));
                }
            }
            op::ST | op::STX => after |= scratch(u16::MAX).ok_or(Invalid::Memory(at))?,
            op::DIV if insn.k == 0 => return Err(Invalid::Operand(at)),
            op::LSH | op::RSH if insn.k >= 32 => return Err(Invalid::Operand(at)),
            op::JA => next = [Some(insn.k), None],
            // The kernel holds what follows a return to what was stored before it, reachable or not.
            op::RET_K | op::RET_A if last => next = [None, None],
            op::RET_K | op::RET_A => {}
            code => match code & !op::X {
                op::JEQ | op::JGT | op::JGE | op::JSET => {
                    next = [Some(u32::from(insn.jt)), Some(u32::from(insn.jf))];
                }
                op::ADD | op::SUB | op::MUL | op::DIV | op::OR | op::AND | op::LSH | op::RSH | op::XOR => {}
                _ => return Err(Invalid::Operation(at)),
            },
        }
        for skip in next.into_iter().flatten() {
            if !within(skip) {
                return Err(if last && insn.code & 7 != 5 { Invalid::NoReturn } else { Invalid::Jump(at) });
            }
            stored[at + 1 + skip as usize] &= after;
        }
    }
    Ok(())
}

/// What the program returns for this call, as the kernel would run it. What the kernel would never have taken kills.
///
/// ```
/// use filter::{Action, Data};
/// assert_eq!(filter::run(&[], &Data::default()).action, Action::KillProcess);
/// ```
pub fn run(program: &[Insn], data: &Data) -> Run {
    let mut executed = 0;
    let action = execute(program, data, &mut executed).map_or(Action::KillProcess, Action::from);
    Run { action, executed }
}

fn execute(program: &[Insn], data: &Data, executed: &mut usize) -> Option<u32> {
    let (mut a, mut x) = (0u32, 0u32);
    let mut memory = [0u32; MEMORY];
    let mut at = 0usize;
    loop {
        let insn = program.get(at)?;
        *executed += 1;
        at += 1;
        let word = insn.k as usize;
        match insn.code {
            op::LD_ABS => a = data.word(insn.k)?,
            op::LD_LEN => a = DATA_SIZE,
            op::LDX_LEN => x = DATA_SIZE,
            op::LD_IMM => a = insn.k,
            op::LDX_IMM => x = insn.k,
            op::LD_MEM => a = *memory.get(word)?,
            op::LDX_MEM => x = *memory.get(word)?,
            op::ST => *memory.get_mut(word)? = a,
            op::STX => *memory.get_mut(word)? = x,
            op::TAX => x = a,
            op::TXA => a = x,
            op::NEG => a = a.wrapping_neg(),
            op::RET_K => return Some(insn.k),
            op::RET_A => return Some(a),
            op::JA => at += word,
            code => {
                let operand = if code & op::X != 0 { x } else { insn.k };
                let jump = |holds: bool| usize::from(if holds { insn.jt } else { insn.jf });
                match code & !op::X {
                    op::ADD => a = a.wrapping_add(operand),
                    op::SUB => a = a.wrapping_sub(operand),
                    op::MUL => a = a.wrapping_mul(operand),
                    // By an X of zero the program ends, returning zero.
                    op::DIV => match a.checked_div(operand) {
                        Some(quotient) => a = quotient,
                        None => return Some(0),
                    },
                    op::OR => a |= operand,
                    op::AND => a &= operand,
                    op::XOR => a ^= operand,
                    op::LSH => a = a.wrapping_shl(operand),
                    op::RSH => a = a.wrapping_shr(operand),
                    op::JEQ => at += jump(a == operand),
                    op::JGT => at += jump(a > operand),
                    op::JGE => at += jump(a >= operand),
                    op::JSET => at += jump(a & operand != 0),
                    _ => return None,
                }
            }
        }
    }
}

/// What becomes of every call with this number, if the program decides it without looking at anything but number and
/// architecture: ALLOW of that kind the kernel caches, and does not run the program again
/// (`seccomp_is_const_allow`).
///
/// ```
/// use filter::{Action, Arch, Profile};
/// use rights::Rights;
/// let profile = Profile { hosted: false, audit: false, passes: vec![(0, Rights::ALL)] };
/// let program = filter::compile(&profile);
/// assert_eq!(filter::constant(&program, Arch::NATIVE, 1999), Some(Action::Errno(1094)));
/// ```
pub fn constant(program: &[Insn], arch: Arch, nr: u32) -> Option<Action> {
    let mut a = 0u32;
    let mut at = 0usize;
    loop {
        let insn = program.get(at)?;
        at += 1;
        let jump = |holds: bool| usize::from(if holds { insn.jt } else { insn.jf });
        match insn.code {
            op::LD_ABS if insn.k == 0 => a = nr,
            op::LD_ABS if insn.k == 4 => a = arch.audit(),
            op::AND => a &= insn.k,
            op::JA => at += insn.k as usize,
            op::JEQ => at += jump(a == insn.k),
            op::JGT => at += jump(a > insn.k),
            op::JGE => at += jump(a >= insn.k),
            op::JSET => at += jump(a & insn.k != 0),
            op::RET_K => return Some(insn.k.into()),
            _ => return None,
        }
    }
}
