//! What newer kernels have. Each is asked for once, at the start, and has a fallback; `PIMENTO_WITHOUT`, a list such
//! as `landlock,fchmodat2`, switches it off, so that the fallback can be tested. Nothing that is switched off widens
//! what a program may do.

use crate::errno::Errno;
use crate::sys;

/// What there is no way around.
pub struct Lacking {
    /// What it is called.
    pub feature: &'static str,
    /// The release of Linux that brought it.
    pub release: &'static str,
}

/// Seccomp's filters.
pub const FILTERS: Lacking = Lacking { feature: "seccomp filters", release: "3.5" };
/// A call that the monitor has taken is not interrupted by other signals than fatal ones.
pub const KILLABLE_WAIT: Lacking = Lacking {
    feature: "waiting for notifications that only fatal signals interrupt (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)",
    release: "5.19",
};

/// What this kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// The version of Landlock's interface; 0: there is none. Without, only the first program is started.
    pub landlock: usize,
    /// Linux 6.6: the mode of a handle. Without, by the handle's link in /proc/self/fd.
    pub fchmodat2: bool,
    /// Linux 6.6: answers wake the caller on the monitor's CPU. Without, they take several times as long.
    pub sync_wake_up: bool,
    /// A procfs at /proc, which a chroot may lack.
    pub proc: bool,
}

impl Features {
    /// Asks the kernel.
    pub fn probe() -> Features {
        Features::probe_without(&std::env::var("PIMENTO_WITHOUT").unwrap_or_default())
    }

    /// Asks the kernel, but for what this list switches off.
    pub fn probe_without(without: &str) -> Features {
        let wanted = |name| !without.split(',').any(|word| word == name);
        Features {
            landlock: if wanted("landlock") { sys::landlock_abi().unwrap_or(0) } else { 0 },
            fchmodat2: wanted("fchmodat2") && !matches!(sys::probe_fchmodat2(), Err(Errno::NOSYS)),
            sync_wake_up: wanted("sync-wake-up"),
            proc: wanted("proc"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_can_be_switched_off() {
        let without = Features::probe_without("fchmodat2,landlock,proc,sync-wake-up");
        assert_eq!(without, Features { landlock: 0, fchmodat2: false, sync_wake_up: false, proc: false });
    }
}
