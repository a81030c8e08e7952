//! What a Capsicum right is: the sets, their algebra, their names, the ioctl and fcntl limits.
//!
//! The numbers are FreeBSD's (`sys/capsicum.h`), so that a set written by a C program means the same here;
//! the rights that only Linux objects need sit in bits that FreeBSD leaves free.
//! No I/O and no allocation beyond the lists that a limit carries.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod table;

pub use table::RIGHTS;

/// `errno` of an operation that a descriptor's rights do not permit: FreeBSD's 93 plus 1000.
pub const ENOTCAPABLE: i32 = 1093;
/// `errno` of a call that capability mode does not permit: FreeBSD's 94 plus 1000.
pub const ECAPMODE: i32 = 1094;

/// How many 64-bit words a set has: version 0 of `cap_rights_t`.
pub const WORDS: usize = 2;

/// One right, as FreeBSD's `CAP_…` constants encode it: bits of one word, and that word's index mark
/// (`1 << (57 + index)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Right(u64);

/// A set of rights: `cap_rights_t`, version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rights {
    /// The rights' bits, without index marks or version.
    bits: [u64; WORDS],
}

const fn mark(index: usize) -> u64 {
    1 << (57 + index)
}

impl Right {
    const fn new(index: usize, bits: u64) -> Self {
        Right(mark(index) | bits)
    }
    /// Which word of the set it lives in.
    pub const fn index(self) -> usize {
        if self.0 & mark(1) != 0 { 1 } else { 0 }
    }
    /// Its bits within that word.
    pub const fn bits(self) -> u64 {
        self.0 & (mark(0) - 1)
    }
}

impl Rights {
    /// No rights at all.
    pub const NONE: Rights = Rights { bits: [0; WORDS] };
    /// Every named right, the Linux ones included: what an untouched descriptor carries.
    pub const ALL: Rights = Rights::of(RIGHTS_FLAT);

    /// The set of these rights.
    pub const fn of(rights: &[Right]) -> Rights {
        let mut set = Rights::NONE;
        let mut i = 0;
        while i < rights.len() {
            set.bits[rights[i].index()] |= rights[i].bits();
            i += 1;
        }
        set
    }
    /// Whether every right of `other` is in this set (`cap_rights_contains`).
    pub const fn contains(&self, other: &Rights) -> bool {
        self.bits[0] & other.bits[0] == other.bits[0] && self.bits[1] & other.bits[1] == other.bits[1]
    }
    /// The rights in either set (`cap_rights_merge`).
    pub const fn union(&self, other: &Rights) -> Rights {
        Rights { bits: [self.bits[0] | other.bits[0], self.bits[1] | other.bits[1]] }
    }
    /// The rights in both sets.
    pub const fn intersection(&self, other: &Rights) -> Rights {
        Rights { bits: [self.bits[0] & other.bits[0], self.bits[1] & other.bits[1]] }
    }
    /// The rights of this set that are not in `other` (`cap_rights_remove`).
    pub const fn difference(&self, other: &Rights) -> Rights {
        Rights { bits: [self.bits[0] & !other.bits[0], self.bits[1] & !other.bits[1]] }
    }
    /// Whether there is no right in it.
    pub const fn is_empty(&self) -> bool {
        self.bits[0] == 0 && self.bits[1] == 0
    }
}

use table::RIGHTS_FLAT;
