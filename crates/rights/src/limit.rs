//! The limits beside the rights: which ioctl commands, and which fcntl commands.

use crate::error::{NotCapable, ParseFcntlsError, TooManyIoctls};
use crate::name::{nearest, strip_prefix};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// How many commands an ioctl limit may list: FreeBSD's `IOCTLS_MAX_COUNT`.
///
/// ```
/// assert_eq!(rights::IOCTLS_MAX, 256);
/// ```
pub const IOCTLS_MAX: usize = 256;

/// Which ioctl commands a descriptor takes (`cap_ioctls_limit(2)`). Commands count by their low 32 bits, as
/// the kernel takes them.
///
/// ```
/// use rights::IoctlLimit;
/// const TCGETS: u32 = 0x5401;
/// let mut limit = IoctlLimit::ALL;
/// limit.narrow(IoctlLimit::list([TCGETS])?).expect("everything may become one");
/// assert!(limit.permits(TCGETS) && !limit.permits(0x5412));
/// # Ok::<(), rights::TooManyIoctls>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoctlLimit(Commands);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Commands {
    All,
    /// At most [`IOCTLS_MAX`], in the order that they were given in.
    List(Vec<u32>),
}

impl IoctlLimit {
    /// No limit: what an untouched descriptor has. `cap_ioctls_get(2)` calls it `CAP_IOCTLS_ALL`.
    ///
    /// ```
    /// assert_eq!(rights::IoctlLimit::ALL.commands(), None);
    /// ```
    pub const ALL: IoctlLimit = IoctlLimit(Commands::All);

    /// No command at all: what is left when `CAP_IOCTL` is dropped.
    ///
    /// ```
    /// assert!(!rights::IoctlLimit::NONE.permits(0x5401));
    /// ```
    pub const NONE: IoctlLimit = IoctlLimit(Commands::List(Vec::new()));

    /// Only these commands.
    ///
    /// # Errors
    /// When there are more than [`IOCTLS_MAX`].
    ///
    /// ```
    /// use rights::IoctlLimit;
    /// assert_eq!(IoctlLimit::list([3, 1])?.commands(), Some(&[3, 1][..]));
    /// # Ok::<(), rights::TooManyIoctls>(())
    /// ```
    pub fn list(commands: impl IntoIterator<Item = u32>) -> Result<IoctlLimit, TooManyIoctls> {
        let mut commands = commands.into_iter();
        let list: Vec<u32> = commands.by_ref().take(IOCTLS_MAX).collect();
        match commands.count() {
            0 => Ok(IoctlLimit(Commands::List(list))),
            more => Err(TooManyIoctls(IOCTLS_MAX.saturating_add(more))),
        }
    }

    /// The commands, in the order that they were given in; `None` when all are.
    ///
    /// ```
    /// assert_eq!(rights::IoctlLimit::NONE.commands(), Some(&[][..]));
    /// ```
    pub fn commands(&self) -> Option<&[u32]> {
        match &self.0 {
            Commands::All => None,
            Commands::List(list) => Some(list),
        }
    }

    /// Whether this command may be used.
    ///
    /// ```
    /// assert!(rights::IoctlLimit::ALL.permits(0x5401));
    /// ```
    pub fn permits(&self, command: u32) -> bool {
        self.commands().is_none_or(|list| list.contains(&command))
    }

    /// Whether every command that `other` permits is permitted here.
    ///
    /// ```
    /// use rights::IoctlLimit;
    /// let (one, two) = (IoctlLimit::list([1])?, IoctlLimit::list([1, 2])?);
    /// assert!(two.contains(&one) && !one.contains(&two) && !two.contains(&IoctlLimit::ALL));
    /// # Ok::<(), rights::TooManyIoctls>(())
    /// ```
    pub fn contains(&self, other: &IoctlLimit) -> bool {
        match (&self.0, &other.0) {
            (Commands::All, _) => true,
            (Commands::List(_), Commands::All) => false,
            (Commands::List(_), Commands::List(list)) => list.iter().all(|&command| self.permits(command)),
        }
    }

    /// Limits to `to`, as `cap_ioctls_limit(2)` does.
    ///
    /// # Errors
    /// When `to` permits what this does not. It is then left as it was.
    ///
    /// ```
    /// use rights::{IoctlLimit, NotCapable};
    /// let mut limit = IoctlLimit::list([1])?;
    /// assert_eq!(limit.narrow(IoctlLimit::list([1, 2])?), Err(NotCapable));
    /// assert_eq!(limit.narrow(IoctlLimit::NONE), Ok(()));
    /// # Ok::<(), rights::TooManyIoctls>(())
    /// ```
    pub fn narrow(&mut self, to: IoctlLimit) -> Result<(), NotCapable> {
        if !self.contains(&to) {
            return Err(NotCapable);
        }
        *self = to;
        Ok(())
    }
}

/// Which fcntl commands a descriptor with `CAP_FCNTL` takes (`cap_fcntls_limit(2)`). Each is `1 << F_…` with
/// FreeBSD's command numbers.
///
/// ```
/// use rights::FcntlRights;
/// let rights: FcntlRights = "getfl,CAP_FCNTL_SETFL".parse()?;
/// assert_eq!(rights, FcntlRights::GETFL.union(FcntlRights::SETFL));
/// assert_eq!(rights.to_string(), "getfl,setfl");
/// # Ok::<(), rights::ParseFcntlsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FcntlRights(u32);

impl FcntlRights {
    /// `CAP_FCNTL_GETFL`: fcntl(2) F_GETFL.
    ///
    /// ```
    /// assert_eq!(rights::FcntlRights::GETFL.bits(), 1 << 3);
    /// ```
    pub const GETFL: FcntlRights = FcntlRights(1 << 3);
    /// `CAP_FCNTL_SETFL`: fcntl(2) F_SETFL.
    ///
    /// ```
    /// assert_eq!(rights::FcntlRights::SETFL.bits(), 1 << 4);
    /// ```
    pub const SETFL: FcntlRights = FcntlRights(1 << 4);
    /// `CAP_FCNTL_GETOWN`: fcntl(2) F_GETOWN.
    ///
    /// ```
    /// assert_eq!(rights::FcntlRights::GETOWN.bits(), 1 << 5);
    /// ```
    pub const GETOWN: FcntlRights = FcntlRights(1 << 5);
    /// `CAP_FCNTL_SETOWN`: fcntl(2) F_SETOWN.
    ///
    /// ```
    /// assert_eq!(rights::FcntlRights::SETOWN.bits(), 1 << 6);
    /// ```
    pub const SETOWN: FcntlRights = FcntlRights(1 << 6);
    /// None of them: what is left when `CAP_FCNTL` is dropped.
    ///
    /// ```
    /// assert_eq!(rights::FcntlRights::NONE.bits(), 0);
    /// ```
    pub const NONE: FcntlRights = FcntlRights(0);
    /// All of them: what an untouched descriptor has (`CAP_FCNTL_ALL`).
    ///
    /// ```
    /// assert_eq!(rights::FcntlRights::ALL.bits(), 0x78);
    /// ```
    pub const ALL: FcntlRights = FcntlRights(0x78);

    /// The set of these bits, if all have a name.
    ///
    /// ```
    /// use rights::FcntlRights;
    /// assert_eq!(FcntlRights::from_bits(8), Some(FcntlRights::GETFL));
    /// assert_eq!(FcntlRights::from_bits(1), None);
    /// ```
    pub const fn from_bits(bits: u32) -> Option<FcntlRights> {
        if bits & !Self::ALL.0 == 0 { Some(FcntlRights(bits)) } else { None }
    }

    /// The bits, as `cap_fcntls_get(2)` gives them.
    ///
    /// ```
    /// assert_eq!(rights::FcntlRights::ALL.bits(), 0x78);
    /// ```
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether every right of `other` is in this set.
    ///
    /// ```
    /// use rights::FcntlRights;
    /// assert!(FcntlRights::ALL.contains(FcntlRights::SETFL));
    /// ```
    pub const fn contains(self, other: FcntlRights) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights in either set.
    ///
    /// ```
    /// use rights::FcntlRights;
    /// assert_eq!(FcntlRights::GETFL.union(FcntlRights::SETFL).bits(), 0x18);
    /// ```
    pub const fn union(self, other: FcntlRights) -> FcntlRights {
        FcntlRights(self.0 | other.0)
    }

    /// Limits this set to `to`, as `cap_fcntls_limit(2)` does.
    ///
    /// # Errors
    /// When `to` has a right that this set has not. It is then left as it was.
    ///
    /// ```
    /// use rights::{FcntlRights, NotCapable};
    /// let mut held = FcntlRights::GETFL;
    /// assert_eq!(held.narrow(FcntlRights::ALL), Err(NotCapable));
    /// assert_eq!(held.narrow(FcntlRights::NONE), Ok(()));
    /// ```
    pub const fn narrow(&mut self, to: FcntlRights) -> Result<(), NotCapable> {
        if !self.contains(to) {
            return Err(NotCapable);
        }
        *self = to;
        Ok(())
    }
}

const FCNTLS: [(&str, FcntlRights); 4] = [
    ("getfl", FcntlRights::GETFL),
    ("setfl", FcntlRights::SETFL),
    ("getown", FcntlRights::GETOWN),
    ("setown", FcntlRights::SETOWN),
];

impl fmt::Display for FcntlRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FcntlRights::ALL => return f.pad("all"),
            FcntlRights::NONE => return f.pad("none"),
            _ => {}
        }
        let names: Vec<&str> =
            FCNTLS.iter().filter(|(_, right)| self.contains(*right)).map(|(name, _)| *name).collect();
        f.pad(&names.join(","))
    }
}

impl FromStr for FcntlRights {
    type Err = ParseFcntlsError;

    /// Names separated by commas, with or without `CAP_FCNTL_`, in either case; `all`; `none`.
    fn from_str(text: &str) -> Result<FcntlRights, ParseFcntlsError> {
        text.split(',').try_fold(FcntlRights::NONE, |set, word| {
            let word = word.trim();
            let name = strip_prefix(word, "cap_fcntl_");
            if word.is_empty() {
                Err(ParseFcntlsError::Missing)
            } else if name.eq_ignore_ascii_case("all") {
                Ok(FcntlRights::ALL)
            } else if name.eq_ignore_ascii_case("none") {
                Ok(set)
            } else if let Some((_, right)) = FCNTLS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                Ok(set.union(*right))
            } else {
                let nearest = nearest(name, FCNTLS.iter().map(|(known, _)| *known));
                Err(ParseFcntlsError::Unknown { word: String::from(word), nearest })
            }
        })
    }
}
