//! The architectures whose system calls the table knows.

use policy::Call;

/// An architecture: which column of numbers a program is compiled for.
///
/// ```
/// let read = policy::by_name("read").unwrap();
/// assert_eq!(filter::Arch::X86_64.number(read), Some(0));
/// assert_eq!(filter::Arch::Aarch64.number(read), Some(63));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// The one that this was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Arch = Arch::X86_64;
    /// The one that this was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Arch = Arch::Aarch64;

    /// What the kernel calls it in `struct seccomp_data`: an `AUDIT_ARCH_…`.
    ///
    /// ```
    /// assert_eq!(filter::Arch::X86_64.audit(), 0xc000_003e);
    /// ```
    pub const fn audit(self) -> u32 {
        match self {
            Arch::X86_64 => 0xc000_003e,
            Arch::Aarch64 => 0xc000_00b7,
        }
    }

    /// The call's number there, if it has one.
    ///
    /// ```
    /// let read = policy::by_name("read").unwrap();
    /// assert_eq!(filter::Arch::X86_64.number(read), Some(0));
    /// ```
    pub const fn number(self, call: &Call) -> Option<u32> {
        match self {
            Arch::X86_64 => call.x86_64,
            Arch::Aarch64 => call.aarch64,
        }
    }
}
