//! The working directory. The kernel keeps it, so that fork, exec and threads share or copy it as always; what it
//! is worth is decided at each lookup by where it lies then.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::held::What;
use crate::listener::Answer;
use crate::lookup::{self, Last, own_link};
use crate::sys;
use std::os::fd::{AsFd, OwnedFd};

impl Service<'_> {
    pub(super) fn change_dir(&self) -> Served {
        let path = self.path_arg(0)?;
        let dir = self.object(&path, 0, Last::Follow)?;
        self.enter(&dir)
    }

    pub(super) fn change_dir_fd(&self) -> Served {
        let dir = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        self.enter(&dir)
    }

    fn enter(&self, dir: &OwnedFd) -> Served {
        if sys::stat(dir.as_fd())?.st_mode & libc::S_IFMT != libc::S_IFDIR {
            return Err(Errno::NOTDIR.into());
        }
        self.place_of(dir)?;
        sys::access(dir.as_fd(), libc::X_OK, libc::AT_EACCESS)?;
        self.caller.moves();
        Ok(Answer::GoOn)
    }

    /// Where a directory lies, if that is in the tree.
    fn place_of(&self, dir: &OwnedFd) -> Result<Vec<u8>, Fail> {
        let held = &self.guard.held;
        let path = lookup::location(dir.as_fd())?.ok_or_else(|| Fail::outside("a directory out of sight"))?;
        let (node, rest) = held.descend(&path);
        match held.what(node) {
            What::Directory { .. } | What::Proc { .. } => Ok(path),
            _ if rest.is_empty() => Ok(path),
            _ => Err(Fail::outside(path)),
        }
    }

    pub(super) fn get_cwd(&self) -> Served {
        let (address, size) = (self.arg(0), self.arg(1));
        let dir = self.caller.kernel_directory()?;
        self.place_of(&dir)?;
        let mut path = sys::link_text_at(&own_link(dir.as_fd()))?;
        if sys::stat(dir.as_fd())?.st_nlink == 0 {
            return Err(Errno::NOENT.into());
        }
        path.push(0);
        if path.len() as u64 > size {
            return Err(Errno::RANGE.into());
        }
        self.caller.write(address, &path)?;
        Ok(Answer::Value(path.len() as i64))
    }
}
