//! What can be wrong with a right, a set or a limit.

use alloc::string::String;
use thiserror::Error;

/// A limit that asks for more than is held: `ENOTCAPABLE`. Limits only ever shrink.
///
/// ```
/// let mut held = rights::Rights::NONE;
/// assert_eq!(held.narrow(rights::Rights::ALL), Err(rights::NotCapable));
/// ```
#[derive(Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("the limit asks for more than the descriptor has")]
pub struct NotCapable;

/// A number that is no right.
///
/// ```
/// use rights::{InvalidRight, Right};
/// assert_eq!(Right::from_raw(1), Err(InvalidRight::IndexMark(1)));
/// ```
#[derive(Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidRight {
    /// It needs exactly one index mark, bit 57 or bit 58, and nothing above.
    #[error("{0:#x} does not carry exactly one index mark, bit 57 or bit 58")]
    IndexMark(u64),
    /// It has bits that stand for no right.
    #[error("{raw:#x} has bits that stand for no right: {unknown:#x}")]
    UnknownBits {
        /// The number.
        raw: u64,
        /// Those of its bits.
        unknown: u64,
    },
}

/// Words that are no `cap_rights_t` of version 0: `EINVAL`.
///
/// ```
/// use rights::{InvalidRights, Rights};
/// assert_eq!(Rights::from_words([0, 0]), Err(InvalidRights::IndexMark { word: 0, found: 0 }));
/// ```
#[derive(Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidRights {
    /// The top two bits of word 0 name another version.
    #[error("rights of version {0}; only version 0 is known")]
    Version(u64),
    /// A word does not carry its own index mark, and only that.
    #[error("word {word}, {found:#x}, does not carry exactly its own index mark, bit {}", 57 + word)]
    IndexMark {
        /// Which word.
        word: usize,
        /// What it is.
        found: u64,
    },
    /// A word has bits that stand for no right.
    #[error("word {word} has bits that stand for no right: {unknown:#x}")]
    UnknownBits {
        /// Which word.
        word: usize,
        /// The bits.
        unknown: u64,
    },
}

/// A text that names no set of rights.
///
/// ```
/// let error = "read,sek".parse::<rights::Rights>().unwrap_err();
/// assert_eq!(error.to_string(), "no right is called \"sek\"; the nearest is seek");
/// ```
#[derive(Error, Debug, Clone, PartialEq, Eq)]
pub enum ParseRightsError {
    /// A word that is no right's name.
    #[error("no right is called {word:?}{}", suggestion(*.nearest))]
    Unknown {
        /// The word.
        word: String,
        /// The name that is nearest to it, if one is near.
        nearest: Option<&'static str>,
    },
    /// A number that is no right.
    #[error(transparent)]
    Number(#[from] InvalidRight),
    /// Nothing where a name should be.
    #[error("a right's name is missing; the empty set is called none")]
    Missing,
}

/// A text that names no set of fcntl rights.
///
/// ```
/// let error = "getfl,setlf".parse::<rights::FcntlRights>().unwrap_err();
/// assert_eq!(error.to_string(), "no fcntl right is called \"setlf\"; the nearest is setfl");
/// ```
#[derive(Error, Debug, Clone, PartialEq, Eq)]
pub enum ParseFcntlsError {
    /// A word that is no fcntl right's name.
    #[error("no fcntl right is called {word:?}{}", suggestion(*.nearest))]
    Unknown {
        /// The word.
        word: String,
        /// The name that is nearest to it, if one is near.
        nearest: Option<&'static str>,
    },
    /// Nothing where a name should be.
    #[error("a fcntl right's name is missing; the empty set is called none")]
    Missing,
}

/// More commands than a list may have: `EINVAL`.
///
/// ```
/// use rights::{IoctlLimit, TooManyIoctls};
/// assert_eq!(IoctlLimit::list(0..257), Err(TooManyIoctls(257)));
/// ```
#[derive(Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("{0} ioctl commands; a limit lists at most 256")]
pub struct TooManyIoctls(pub usize);

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |name| alloc::format!("; the nearest is {name}"))
}
