//! Classic BPF's instructions, and what a seccomp program can return.

/// One instruction of classic BPF, laid out as the kernel's `struct sock_filter`.
///
/// ```
/// let allow = filter::Insn { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
/// assert_eq!(filter::check(&[allow]), Ok(()));
/// assert_eq!(size_of::<filter::Insn>(), 8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// The longest program that the kernel takes: `BPF_MAXINSNS`.
pub const MAX_INSNS: usize = 4096;

/// Size of `struct seccomp_data`, the only thing that a program can look at.
pub(crate) const DATA_SIZE: u32 = 64;
/// Words of scratch memory that a program has.
pub(crate) const MEMORY: usize = 16;

/// Operations, as `linux/bpf_common.h` spells them. `A` is the accumulator, `X` the index register.
pub(crate) mod op {
    pub const LD_IMM: u16 = 0x00;
    pub const LDX_IMM: u16 = 0x01;
    pub const ST: u16 = 0x02;
    pub const STX: u16 = 0x03;
    pub const JA: u16 = 0x05;
    pub const RET_K: u16 = 0x06;
    pub const TAX: u16 = 0x07;
    pub const RET_A: u16 = 0x16;
    pub const LD_ABS: u16 = 0x20;
    pub const LD_MEM: u16 = 0x60;
    pub const LDX_MEM: u16 = 0x61;
    pub const LD_LEN: u16 = 0x80;
    pub const LDX_LEN: u16 = 0x81;
    pub const TXA: u16 = 0x87;

    /// Flag of arithmetic and comparisons: the operand is X, not k.
    pub const X: u16 = 0x08;
    pub const ADD: u16 = 0x04;
    pub const SUB: u16 = 0x14;
    pub const MUL: u16 = 0x24;
    pub const DIV: u16 = 0x34;
    pub const OR: u16 = 0x44;
    pub const AND: u16 = 0x54;
    pub const LSH: u16 = 0x64;
    pub const RSH: u16 = 0x74;
    pub const NEG: u16 = 0x84;
    pub const XOR: u16 = 0xa4;
    pub const JEQ: u16 = 0x15;
    pub const JGT: u16 = 0x25;
    pub const JGE: u16 = 0x35;
    pub const JSET: u16 = 0x45;
}

/// What a program returns: what becomes of the call.
///
/// ```
/// use filter::Action;
/// assert_eq!(Action::from(0x7fff_0000), Action::Allow);
/// assert_eq!(u32::from(Action::Errno(1094)), 0x0005_0446);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes through.
    Allow,
    /// It fails with this errno.
    Errno(u16),
    /// The monitor is asked.
    Notify,
    /// The process dies: what a broken program amounts to.
    KillProcess,
    /// Something that no program of ours returns.
    Other(u32),
}

impl From<Action> for u32 {
    fn from(action: Action) -> u32 {
        match action {
            Action::Allow => 0x7fff_0000,
            Action::Errno(errno) => 0x0005_0000 | u32::from(errno),
            Action::Notify => 0x7fc0_0000,
            Action::KillProcess => 0x8000_0000,
            Action::Other(value) => value,
        }
    }
}

impl From<u32> for Action {
    fn from(value: u32) -> Action {
        // The low half is data, which only ERRNO uses here.
        match (value >> 16, value as u16) {
            (0x7fff, _) => Action::Allow,
            (0x0005, errno) => Action::Errno(errno),
            (0x7fc0, _) => Action::Notify,
            (0x8000, _) => Action::KillProcess,
            _ => Action::Other(value),
        }
    }
}
