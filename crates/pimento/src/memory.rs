//! Shared memory without a name.

#[cfg(target_os = "freebsd")]
use crate::freebsd as system;
#[cfg(target_os = "linux")]
use crate::linux as system;
use std::io;
use std::os::fd::OwnedFd;

/// Makes shared memory that has no name: FreeBSD's `shm_open(SHM_ANON, O_RDWR, 0600)`. Works in capability mode too, and makes
/// a new object each time.
///
/// The object has a size of 0 bytes until `ftruncate(2)` gives it one ([`File::set_len`](std::fs::File::set_len)), and is gone
/// with its last descriptor and mapping. It is shared with who inherits the descriptor, or gets it in a message, with the
/// rights that it is [limited](crate::limit) to: without [`Right::MMAP_W`](crate::Right::MMAP_W), for example, nobody maps it
/// for writing by that descriptor.
///
/// The descriptor is closed by exec. On Linux it is of memfd_create(2), which can be sealed (F_ADD_SEALS).
///
/// ```
/// use std::fs::File;
/// use std::os::unix::fs::FileExt;
///
/// let memory = File::from(pimento::shm_anon()?);
/// memory.set_len(4096)?;
/// memory.write_all_at(b"for both of us", 0)?;
/// let theirs = memory.try_clone()?;
/// pimento::rights(&theirs)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's: no descriptor is free (`EMFILE`, `ENFILE`), or no memory (`ENOMEM`).
pub fn shm_anon() -> io::Result<OwnedFd> {
    system::shm_anon()
}
