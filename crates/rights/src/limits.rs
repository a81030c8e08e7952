//! Everything that a descriptor may be limited to: rights, ioctl commands, fcntl commands.

use crate::error::NotCapable;
use crate::{FcntlRights, IoctlLimit, Right, Rights};

/// The limits of a descriptor: what `cap_rights_limit(2)`, `cap_ioctls_limit(2)` and `cap_fcntls_limit(2)` leave of it.
///
/// ```
/// use rights::{IoctlLimit, Limits, Right, Rights};
///
/// let mut limits = Limits::ALL;
/// limits.narrow_rights(Rights::of(&[Right::READ, Right::FSTAT])).expect("everything may become less");
/// // Without CAP_IOCTL no command is left.
/// assert_eq!(limits.ioctls(), &IoctlLimit::NONE);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    rights: Rights,
    ioctls: IoctlLimit,
    fcntls: FcntlRights,
}

impl Limits {
    /// None: what an untouched descriptor has.
    ///
    /// ```
    /// assert!(rights::Limits::ALL.is_all());
    /// ```
    pub const ALL: Limits = Limits { rights: Rights::ALL, ioctls: IoctlLimit::ALL, fcntls: FcntlRights::ALL };

    /// The rights alone limited.
    ///
    /// ```
    /// use rights::{Limits, Right, Rights};
    /// assert_eq!(Limits::of(Rights::of(&[Right::READ])).rights(), Rights::of(&[Right::READ]));
    /// ```
    pub fn of(rights: Rights) -> Limits {
        let mut limits = Limits { rights, ..Limits::ALL };
        limits.settle();
        limits
    }

    /// The rights.
    ///
    /// ```
    /// assert_eq!(rights::Limits::ALL.rights(), rights::Rights::ALL);
    /// ```
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    /// The ioctl commands.
    ///
    /// ```
    /// assert_eq!(rights::Limits::ALL.ioctls().commands(), None);
    /// ```
    pub const fn ioctls(&self) -> &IoctlLimit {
        &self.ioctls
    }

    /// The fcntl commands.
    ///
    /// ```
    /// assert_eq!(rights::Limits::ALL.fcntls(), rights::FcntlRights::ALL);
    /// ```
    pub const fn fcntls(&self) -> FcntlRights {
        self.fcntls
    }

    /// Whether nothing is limited.
    ///
    /// ```
    /// assert!(!rights::Limits::of(rights::Rights::NONE).is_all());
    /// ```
    pub fn is_all(&self) -> bool {
        *self == Limits::ALL
    }

    /// Whether everything that `other` permits is permitted here.
    ///
    /// ```
    /// use rights::{Limits, Rights};
    /// assert!(Limits::ALL.contains(&Limits::of(Rights::NONE)));
    /// ```
    pub fn contains(&self, other: &Limits) -> bool {
        self.rights.contains(&other.rights)
            && self.ioctls.contains(&other.ioctls)
            && self.fcntls.contains(other.fcntls)
    }

    /// What both permit.
    ///
    /// ```
    /// use rights::{Limits, Right, Rights};
    /// let (read, write) = (Limits::of(Rights::of(&[Right::READ])), Limits::of(Rights::of(&[Right::WRITE])));
    /// assert!(read.intersection(&write).rights().is_empty());
    /// ```
    #[must_use]
    pub fn intersection(&self, other: &Limits) -> Limits {
        let ioctls = match (self.ioctls.commands(), other.ioctls.commands()) {
            (_, None) => self.ioctls.clone(),
            (None, _) => other.ioctls.clone(),
            // No longer than either, so not too long.
            (Some(list), _) => {
                IoctlLimit::list(list.iter().copied().filter(|&command| other.ioctls.permits(command)))
                    .unwrap_or(IoctlLimit::NONE)
            }
        };
        let mut fcntls = self.fcntls;
        // What the other lacks, taken away: narrowing to a subset succeeds.
        let common = FcntlRights::from_bits(self.fcntls.bits() & other.fcntls.bits());
        let _ = fcntls.narrow(common.unwrap_or(FcntlRights::NONE));
        let mut limits = Limits { rights: self.rights.intersection(&other.rights), ioctls, fcntls };
        limits.settle();
        limits
    }

    /// Limits the rights, as `cap_rights_limit(2)` does. Without CAP_IOCTL or CAP_FCNTL the commands go too.
    ///
    /// # Errors
    /// When `to` has a right that is not held. Nothing has changed then.
    ///
    /// ```
    /// use rights::{Limits, NotCapable, Rights};
    /// let mut none = Limits::of(Rights::NONE);
    /// assert_eq!(none.narrow_rights(Rights::ALL), Err(NotCapable));
    /// ```
    pub fn narrow_rights(&mut self, to: Rights) -> Result<(), NotCapable> {
        self.rights.narrow(to)?;
        self.settle();
        Ok(())
    }

    /// Limits the ioctl commands, as `cap_ioctls_limit(2)` does.
    ///
    /// # Errors
    /// When `to` has a command that is not permitted. Nothing has changed then.
    ///
    /// ```
    /// use rights::{IoctlLimit, Limits};
    /// let mut limits = Limits::ALL;
    /// limits.narrow_ioctls(IoctlLimit::list([0x5401])?).expect("a command of all");
    /// assert!(limits.ioctls().permits(0x5401));
    /// # Ok::<(), rights::TooManyIoctls>(())
    /// ```
    pub fn narrow_ioctls(&mut self, to: IoctlLimit) -> Result<(), NotCapable> {
        self.ioctls.narrow(to)
    }

    /// Limits the fcntl commands, as `cap_fcntls_limit(2)` does.
    ///
    /// # Errors
    /// When `to` has a command that is not permitted. Nothing has changed then.
    ///
    /// ```
    /// use rights::{FcntlRights, Limits};
    /// let mut limits = Limits::ALL;
    /// limits.narrow_fcntls(FcntlRights::GETFL).expect("one of all");
    /// assert_eq!(limits.fcntls(), FcntlRights::GETFL);
    /// ```
    pub fn narrow_fcntls(&mut self, to: FcntlRights) -> Result<(), NotCapable> {
        self.fcntls.narrow(to)
    }

    /// What may be done without looking at a command: the rights, but CAP_IOCTL and CAP_FCNTL only where all commands are
    /// permitted.
    ///
    /// ```
    /// use rights::{FcntlRights, Limits, Right};
    /// let mut limits = Limits::ALL;
    /// limits.narrow_fcntls(FcntlRights::GETFL).expect("one of all");
    /// assert!(limits.rights().is_set(Right::FCNTL) && !limits.whatever_command().is_set(Right::FCNTL));
    /// ```
    pub fn whatever_command(&self) -> Rights {
        let mut rights = self.rights;
        if self.ioctls != IoctlLimit::ALL {
            rights = rights.difference(&Rights::of(&[Right::IOCTL]));
        }
        if self.fcntls != FcntlRights::ALL {
            rights = rights.difference(&Rights::of(&[Right::FCNTL]));
        }
        rights
    }

    fn settle(&mut self) {
        if !self.rights.is_set(Right::IOCTL) {
            self.ioctls = IoctlLimit::NONE;
        }
        if !self.rights.is_set(Right::FCNTL) {
            self.fcntls = FcntlRights::NONE;
        }
    }
}
