//! What procfs tells of a descriptor (`fdinfo/N`), with what it may be used for.

use super::Service;
use crate::errno::Errno;
use crate::lookup::{is_in_procfs, own_link};
use crate::sys;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

/// More than the kernel says of most descriptors. Of what many are watched by, or with many locks, the rest is left out.
const LONGEST: u64 = 1 << 16;

impl Service<'_> {
    /// In the place of the caller's own `fdinfo/N`, just opened, its text as it is now, with the rights of the descriptor. What
    /// is something else stays as it is.
    pub(super) fn with_rights(&self, opened: OwnedFd, stat: &libc::stat) -> OwnedFd {
        match self.own_number(&opened, stat).and_then(|number| self.text_with_rights(&opened, number)) {
            Ok(told) => told,
            Err(_) => opened,
        }
    }

    /// Of which of the caller's descriptors this tells.
    fn own_number(&self, opened: &OwnedFd, stat: &libc::stat) -> Result<i32, Errno> {
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG || stat.st_size != 0 || !is_in_procfs(opened.as_fd())?
        {
            return Err(Errno::NOENT);
        }
        let text = sys::link_text_at(&own_link(opened.as_fd()))?;
        let text = std::str::from_utf8(&text).map_err(|_| Errno::NOENT)?;
        let mut names = text.rsplit('/');
        let (number, directory, of) = (names.next(), names.next(), names.next());
        let of = of.and_then(|of| of.parse::<u32>().ok());
        let own = match names.next() {
            // Threads may have tables of their own.
            Some("task") => of == Some(self.caller.tid()),
            _ => of == Some(self.caller.process()),
        };
        number
            .filter(|_| own && directory == Some("fdinfo"))
            .and_then(|number| number.parse().ok())
            .ok_or(Errno::NOENT)
    }

    fn text_with_rights(&self, opened: &OwnedFd, number: i32) -> Result<OwnedFd, Errno> {
        let (fd, limits) = self.caller.limited(number)?;
        let mut rights = limits.rights();
        if self.caller.is_hosted() {
            rights = rights.intersection(&self.guard.rights_of(&fd)?.0);
        }
        let io = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EIO));
        let mut text = String::new();
        let kernels = File::from(opened.try_clone().map_err(io)?);
        kernels.take(LONGEST).read_to_string(&mut text).map_err(io)?;
        let [first, second] = rights.words();
        let _ = writeln!(text, "rights:\t{first:#018x} {second:#018x}");
        let memory = sys::sealable_memory(c"fdinfo")?;
        let mut file = File::from(memory);
        file.write_all(text.as_bytes()).map_err(io)?;
        sys::seal(file.as_fd())?;
        sys::open_path(&own_link(file.as_fd()), libc::O_RDONLY, 0)
    }
}
