//! Under construction.
#![forbid(unsafe_code)]

use rights::Rights;

/// One instruction of classic BPF, laid out as the kernel's `struct sock_filter`.
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

/// What to compile the policy for.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Which column of the policy.
    pub hosted: bool,
    /// Ask the monitor about what is denied too, so that it can be counted.
    pub audit: bool,
    /// A(n), what descriptors let through without asking: from each number up to the next entry's, these rights.
    /// Sorted; the first is for 0.
    pub passes: Vec<(u32, Rights)>,
}

/// The program for this profile on this architecture.
pub fn compile(_profile: &Profile) -> Vec<Insn> {
    Vec::new()
}
