//! How serving a call can fail.

use crate::errno::Errno;
use rights::Rights;

/// Why a call is not carried out.
#[derive(Debug)]
pub enum Fail {
    /// The system said so.
    Errno(Errno),
    /// Capability mode or a missing right refuses it: counted for the report.
    Refused(Refused),
    /// The caller is gone, or its call was taken back: there is nobody to answer.
    Gone,
}

/// A refusal, with what the report tells of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// ECAPMODE or ENOTCAPABLE.
    pub errno: Errno,
    /// The path, or what else was named.
    pub object: Vec<u8>,
    /// The rights that would have been needed there.
    pub needs: Rights,
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Fail {
        Fail::Errno(errno)
    }
}

impl Fail {
    /// Refused: capability mode has no name for this object.
    pub fn outside(object: impl Into<Vec<u8>>) -> Fail {
        Fail::Refused(Refused { errno: Errno::CAPMODE, object: object.into(), needs: Rights::NONE })
    }
    /// Refused: the rights at hand are not enough.
    pub fn lacking(object: impl Into<Vec<u8>>, needs: Rights) -> Fail {
        Fail::Refused(Refused { errno: Errno::NOTCAPABLE, object: object.into(), needs })
    }
}
