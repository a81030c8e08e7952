//! FreeBSD: the system's own Capsicum does it. This is compiled as far as a cross check goes, and not run.

use crate::Enter;
use std::io;

/// Why a process could not enter capability mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// The kernel was built without Capsicum, or something else failed.
    #[error("{step}: {}", io::Error::from_raw_os_error(*errno))]
    System {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        errno: i32,
    },
}

impl EnterError {
    /// The errno.
    pub fn errno(&self) -> i32 {
        match self {
            EnterError::System { errno, .. } => *errno,
        }
    }
}

unsafe extern "C" {
    fn cap_enter() -> libc::c_int;
    fn cap_getmode(mode: *mut libc::c_uint) -> libc::c_int;
}

pub fn is_in_capability_mode() -> bool {
    let mut mode = 0;
    // SAFETY: the kernel writes one unsigned int.
    unsafe { cap_getmode(&raw mut mode) == 0 && mode != 0 }
}

pub fn enter(_how: &Enter) -> Result<(), EnterError> {
    // SAFETY: no preconditions.
    if unsafe { cap_enter() } == 0 {
        return Ok(());
    }
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Err(EnterError::System { step: "cap_enter", errno })
}
