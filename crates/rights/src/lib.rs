//! What a Capsicum right is: the sets, their algebra, their names, the ioctl and fcntl limits.
//!
//! The numbers are FreeBSD's (`sys/capsicum.h`), so that a set written by a C program means the same here;
//! the rights that only Linux objects need sit in bits that FreeBSD leaves free.
//! No I/O and no allocation beyond the lists that a limit carries.
//!
//! FreeBSD's operations, and what they are called here:
//!
//! | `cap_rights_…(3)` | here |
//! | --- | --- |
//! | `init` | [`Rights::of`] |
//! | `set`, `clear`, `is_set` | [`Rights::set`], [`Rights::clear`], [`Rights::is_set`] |
//! | `is_valid` | [`Rights::from_words`] succeeds |
//! | `merge` | [`Rights::union`] |
//! | `remove` | [`Rights::difference`] |
//! | `contains` | [`Rights::contains`] |
//! | `limit` | [`Rights::narrow`] |
//!
//! ```
//! use rights::{Right, Rights};
//!
//! let file: Rights = "read,seek,fstat".parse()?;
//! assert!(file.is_set(Right::PREAD));
//! assert_eq!(file.to_string(), "pread,fstat");
//! assert_eq!(file.words(), [0x0200_0000_0008_000d, 0x0400_0000_0000_0000]);
//! # Ok::<(), rights::ParseRightsError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod limit;
mod limits;
mod name;
mod table;

pub use error::{InvalidRight, InvalidRights, NotCapable, ParseFcntlsError, ParseRightsError, TooManyIoctls};
pub use limit::{FcntlRights, IOCTLS_MAX, IoctlLimit};
pub use limits::Limits;
pub use name::nearest;
pub use table::{RIGHTS, Row};

use table::RIGHTS_FLAT;

/// `errno` of an operation that a descriptor's rights do not permit: FreeBSD's 93 plus 1000.
///
/// ```
/// assert_eq!(rights::ENOTCAPABLE, 1093);
/// ```
pub const ENOTCAPABLE: i32 = 1093;
/// `errno` of a call that capability mode does not permit: FreeBSD's 94 plus 1000.
///
/// ```
/// assert_eq!(rights::ECAPMODE, 1094);
/// ```
pub const ECAPMODE: i32 = 1094;

/// How many 64-bit words a set has: version 0 of `cap_rights_t`.
///
/// ```
/// assert_eq!(rights::Rights::NONE.words().len(), rights::WORDS);
/// ```
pub const WORDS: usize = 2;

/// One right, as FreeBSD's `CAP_…` constants encode it: bits of one word, and that word's index mark
/// (`1 << (57 + index)`). Many include others: `MMAP_RX` is `MMAP_R` and `MMAP_X`.
///
/// ```
/// use rights::Right;
/// assert_eq!(Right::SEEK.raw(), 0x0200_0000_0000_000c); // CAP_SEEK, which includes CAP_SEEK_TELL
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Right(u64);

/// A set of rights: `cap_rights_t`, version 0.
///
/// ```
/// use rights::{Right, Rights};
/// const LOG: Rights = Rights::of(&[Right::WRITE, Right::FSTAT]);
/// assert!(Rights::ALL.contains(&LOG) && !LOG.is_set(Right::READ));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rights {
    /// The rights' bits, without index marks or version.
    bits: [u64; WORDS],
}

/// The bits of a word that can stand for rights; above them, five index marks and two bits of version.
const RIGHT_BITS: u64 = mark(0) - 1;

const fn mark(index: usize) -> u64 {
    1 << (57 + index)
}

impl Right {
    const fn new(index: usize, bits: u64) -> Self {
        Right(mark(index) | bits)
    }

    /// The right that a C program's `CAP_…` constant, or several of one word or'ed together, stands for.
    ///
    /// # Errors
    /// When there is not exactly one index mark, that of a word of this version, or a bit that has no name.
    ///
    /// ```
    /// use rights::{InvalidRight, Right};
    /// assert_eq!(Right::from_raw(0x0200_0000_0000_0001), Ok(Right::READ));
    /// assert_eq!(Right::from_raw(0x0600_0000_0000_0001), Err(InvalidRight::IndexMark(0x0600_0000_0000_0001)));
    /// ```
    pub const fn from_raw(raw: u64) -> Result<Right, InvalidRight> {
        let marks = raw & !RIGHT_BITS;
        let index = if marks == mark(0) {
            0
        } else if marks == mark(1) {
            1
        } else {
            return Err(InvalidRight::IndexMark(raw));
        };
        let unknown = raw & RIGHT_BITS & !Rights::ALL.bits[index];
        if unknown != 0 {
            return Err(InvalidRight::UnknownBits { raw, unknown });
        }
        Ok(Right(raw))
    }

    /// The value of its `CAP_…` constant.
    ///
    /// ```
    /// assert_eq!(rights::Right::EVENT.raw(), 0x0400_0000_0000_0020);
    /// ```
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Which word of the set it lives in.
    ///
    /// ```
    /// use rights::Right;
    /// assert_eq!((Right::READ.index(), Right::IOCTL.index()), (0, 1));
    /// ```
    pub const fn index(self) -> usize {
        if self.0 & mark(1) != 0 { 1 } else { 0 }
    }

    /// Its bits within that word.
    ///
    /// ```
    /// assert_eq!(rights::Right::PREAD.bits(), 0xd);
    /// ```
    pub const fn bits(self) -> u64 {
        self.0 & RIGHT_BITS
    }
}

impl Rights {
    /// No rights at all.
    ///
    /// ```
    /// use rights::Rights;
    /// assert!(Rights::NONE.is_empty());
    /// ```
    pub const NONE: Rights = Rights { bits: [0; WORDS] };

    /// Every named right, the Linux ones included: what an untouched descriptor carries.
    ///
    /// ```
    /// use rights::{RIGHTS, Rights};
    /// assert!(RIGHTS.iter().all(|row| Rights::ALL.is_set(row.right)));
    /// ```
    pub const ALL: Rights = Rights::of(RIGHTS_FLAT);

    /// The set of these rights (`cap_rights_init`).
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// assert_eq!(Rights::of(&[Right::READ, Right::SEEK]), Rights::of(&[Right::PREAD]));
    /// ```
    pub const fn of(rights: &[Right]) -> Rights {
        let mut set = Rights::NONE;
        let mut i = 0;
        while i < rights.len() {
            set.set(rights[i]);
            i += 1;
        }
        set
    }

    /// The set that a `cap_rights_t` of version 0 holds (`cap_rights_is_valid` where it succeeds).
    ///
    /// # Errors
    /// When the version is another, a word's index mark is not its own, or a bit has no name.
    ///
    /// ```
    /// use rights::{InvalidRights, Rights};
    /// assert_eq!(Rights::from_words([1 << 57 | 1, 1 << 58])?.to_string(), "read");
    /// assert_eq!(Rights::from_words([1, 1 << 58]), Err(InvalidRights::IndexMark { word: 0, found: 1 }));
    /// assert_eq!(Rights::from_words([1 << 62 | 1 << 57, 1 << 58]), Err(InvalidRights::Version(1)));
    /// # Ok::<(), InvalidRights>(())
    /// ```
    pub const fn from_words(words: [u64; WORDS]) -> Result<Rights, InvalidRights> {
        let version = words[0] >> 62;
        if version != 0 {
            return Err(InvalidRights::Version(version));
        }
        let mut set = Rights::NONE;
        let mut word = 0;
        while word < WORDS {
            let found = words[word];
            if found & !RIGHT_BITS != mark(word) {
                return Err(InvalidRights::IndexMark { word, found });
            }
            let bits = found & RIGHT_BITS;
            let unknown = bits & !Rights::ALL.bits[word];
            if unknown != 0 {
                return Err(InvalidRights::UnknownBits { word, unknown });
            }
            set.bits[word] = bits;
            word += 1;
        }
        Ok(set)
    }

    /// The words of a `cap_rights_t` that holds this set: version 0, each word with its index mark.
    ///
    /// ```
    /// use rights::Rights;
    /// assert_eq!(Rights::NONE.words(), [1 << 57, 1 << 58]);
    /// ```
    pub const fn words(&self) -> [u64; WORDS] {
        [self.bits[0] | mark(0), self.bits[1] | mark(1)]
    }

    /// Adds a right, with those that it includes (`cap_rights_set`).
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// let mut set = Rights::NONE;
    /// set.set(Right::MMAP_R);
    /// assert!(set.is_set(Right::READ));
    /// ```
    pub const fn set(&mut self, right: Right) {
        self.bits[right.index()] |= right.bits();
    }

    /// Takes a right away, with those that it includes (`cap_rights_clear`). As in FreeBSD, clearing
    /// `FSTATAT` therefore clears `LOOKUP`, and what other lookups need with it.
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// let mut set = Rights::of(&[Right::PREAD, Right::FSTAT]);
    /// set.clear(Right::SEEK);
    /// assert_eq!(set, Rights::of(&[Right::READ, Right::FSTAT]));
    /// ```
    pub const fn clear(&mut self, right: Right) {
        self.bits[right.index()] &= !right.bits();
    }

    /// Whether a right is in the set, with all that it includes (`cap_rights_is_set`).
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// let set = Rights::of(&[Right::READ, Right::MMAP]);
    /// assert!(set.is_set(Right::READ) && !set.is_set(Right::MMAP_R));
    /// ```
    pub const fn is_set(&self, right: Right) -> bool {
        self.bits[right.index()] & right.bits() == right.bits()
    }

    /// Whether every right of `other` is in this set (`cap_rights_contains`).
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// assert!(Rights::of(&[Right::PREAD]).contains(&Rights::of(&[Right::READ])));
    /// ```
    pub const fn contains(&self, other: &Rights) -> bool {
        self.bits[0] & other.bits[0] == other.bits[0] && self.bits[1] & other.bits[1] == other.bits[1]
    }

    /// The rights in either set (`cap_rights_merge`).
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// let both = Rights::of(&[Right::READ]).union(&Rights::of(&[Right::SEEK]));
    /// assert_eq!(both, Rights::of(&[Right::PREAD]));
    /// ```
    pub const fn union(&self, other: &Rights) -> Rights {
        Rights { bits: [self.bits[0] | other.bits[0], self.bits[1] | other.bits[1]] }
    }

    /// The rights in both sets.
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// let common = Rights::of(&[Right::PREAD]).intersection(&Rights::of(&[Right::PWRITE]));
    /// assert_eq!(common, Rights::of(&[Right::SEEK]));
    /// ```
    pub const fn intersection(&self, other: &Rights) -> Rights {
        Rights { bits: [self.bits[0] & other.bits[0], self.bits[1] & other.bits[1]] }
    }

    /// The rights of this set that are not in `other` (`cap_rights_remove`).
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// let rest = Rights::of(&[Right::PREAD]).difference(&Rights::of(&[Right::SEEK]));
    /// assert_eq!(rest, Rights::of(&[Right::READ]));
    /// ```
    pub const fn difference(&self, other: &Rights) -> Rights {
        Rights { bits: [self.bits[0] & !other.bits[0], self.bits[1] & !other.bits[1]] }
    }

    /// Whether there is no right in it.
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// assert!(Rights::NONE.is_empty() && !Rights::of(&[Right::READ]).is_empty());
    /// ```
    pub const fn is_empty(&self) -> bool {
        self.bits[0] == 0 && self.bits[1] == 0
    }

    /// Limits this set to `to`, as `cap_rights_limit(2)` does a descriptor's: it only ever shrinks.
    ///
    /// # Errors
    /// When `to` has a right that this set has not. It is then left as it was.
    ///
    /// ```
    /// use rights::{NotCapable, Right, Rights};
    /// let mut held = Rights::of(&[Right::READ, Right::SEEK]);
    /// assert_eq!(held.narrow(Rights::of(&[Right::READ])), Ok(()));
    /// assert_eq!(held.narrow(Rights::of(&[Right::SEEK])), Err(NotCapable));
    /// assert_eq!(held, Rights::of(&[Right::READ]));
    /// ```
    pub const fn narrow(&mut self, to: Rights) -> Result<(), NotCapable> {
        if !self.contains(&to) {
            return Err(NotCapable);
        }
        *self = to;
        Ok(())
    }
}

impl From<Right> for Rights {
    fn from(right: Right) -> Rights {
        Rights::of(&[right])
    }
}

impl Extend<Right> for Rights {
    fn extend<I: IntoIterator<Item = Right>>(&mut self, rights: I) {
        rights.into_iter().for_each(|right| self.set(right));
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Rights {
        let mut set = Rights::NONE;
        set.extend(rights);
        set
    }
}

impl TryFrom<u64> for Right {
    type Error = InvalidRight;

    fn try_from(raw: u64) -> Result<Right, InvalidRight> {
        Right::from_raw(raw)
    }
}
