//! Making, moving and removing names. A name that is held, or leads to something held, is there to stay: it is
//! EEXIST for whoever would make it and EBUSY, as a mount point is, for whoever would move or remove it.

use super::{LOOKUP, Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::listener::Answer;
use crate::lookup::{Last, Place, own_link};
use crate::sys;
use rights::{Right, Rights};
use std::ffi::CString;
use std::os::fd::AsFd;

const UNLINKAT: Rights = Rights::of(&[Right::UNLINKAT]);

/// The place, unless its name is taken by something held.
fn free<'a>(place: Place<'a>) -> Result<Place<'a>, Errno> {
    if place.fixed { Err(Errno::EXIST) } else { Ok(place) }
}

/// The place, unless its name is to stay.
fn movable<'a>(place: Place<'a>) -> Result<Place<'a>, Errno> {
    if place.fixed { Err(Errno::BUSY) } else { Ok(place) }
}

impl Service<'_> {
    pub(super) fn make_dir(&self) -> Served {
        let path = self.path_arg(0)?;
        let start = self.start(&path)?;
        let place = free(start.place(path.needs)?)?;
        self.take_umask()?;
        sys::mkdir(place.dir(), &place.name, self.arg(path.at + 1) as u32)?;
        Ok(Answer::Value(0))
    }

    pub(super) fn make_node(&self) -> Served {
        let path = self.path_arg(0)?;
        let start = self.start(&path)?;
        let place = free(start.place(path.needs)?)?;
        self.take_umask()?;
        let (mode, device) = (self.arg(path.at + 1) as u32, self.arg(path.at + 2));
        sys::mknod(place.dir(), &place.name, mode, device)?;
        Ok(Answer::Value(0))
    }

    pub(super) fn unlink(&self) -> Served {
        let path = self.path_arg(0)?;
        self.remove(self.int_if(path.at + 1))
    }

    pub(super) fn remove(&self, flags: i32) -> Served {
        let path = self.path_arg(0)?;
        let start = self.start(&path)?;
        let place = movable(start.place(path.needs)?)?;
        sys::unlink(place.dir(), &place.name, flags)?;
        self.caller.processes().names_changed();
        Ok(Answer::Value(0))
    }

    pub(super) fn rename(&self) -> Served {
        let (from, to) = (self.path_arg(0)?, self.path_arg(1)?);
        let flags = self.int_if(to.at + 1) as u32;
        let (source, target) = (self.start(&from)?, self.start(&to)?);
        let source = movable(source.place(from.needs)?)?;
        let place = movable(target.place(to.needs)?)?;
        // Over an existing name it removes that one, which needs the right to. Without, it can only rename to a new.
        let may_replace = flags & (libc::RENAME_EXCHANGE | libc::RENAME_NOREPLACE) != 0
            || target.place(to.needs.union(&UNLINKAT)).is_ok();
        let how = if may_replace { flags } else { flags | libc::RENAME_NOREPLACE };
        match sys::rename(source.dir(), &source.name, place.dir(), &place.name, how) {
            Err(Errno::EXIST) if !may_replace => {
                return Err(Fail::lacking(place.name.to_bytes(), UNLINKAT));
            }
            result => result?,
        }
        self.caller.processes().names_changed();
        Ok(Answer::Value(0))
    }

    pub(super) fn link(&self) -> Served {
        let (from, to) = (self.path_arg(0)?, self.path_arg(1)?);
        let flags = self.int_if(to.at + 1);
        if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
            return Err(Errno::INVAL.into());
        }
        let target = self.start(&to)?;
        let place = free(target.place(to.needs)?)?;
        if flags != 0 {
            let last = if flags & libc::AT_SYMLINK_FOLLOW != 0 { Last::Follow } else { Last::Keep };
            let object = self.object(&from, flags & libc::AT_EMPTY_PATH, last)?;
            if self.caller.is_hosted() {
                // A descriptor that the path led to needs the right as much as one that was passed.
                self.require(&object, from.needs.difference(&LOOKUP))?;
            }
            sys::link_followed(&own_link(object.as_fd()), place.dir(), &place.name)?;
        } else {
            let start = self.start(&from)?;
            let source = start.place(from.needs)?;
            if source.fixed {
                // What is held by itself is linked with rights of its own.
                start.handle(Last::Keep, from.needs)?;
            }
            if source.name.to_bytes().ends_with(b"/") {
                // The kernel would follow a link, wherever it leads, to say whether to a directory.
                let object = self.object(&from, 0, Last::Follow)?;
                let directory = sys::stat(object.as_fd())?.st_mode & libc::S_IFMT == libc::S_IFDIR;
                return Err(if directory { Errno::PERM } else { Errno::NOTDIR }.into());
            }
            sys::link(source.dir(), &source.name, place.dir(), &place.name, 0)?;
        }
        Ok(Answer::Value(0))
    }

    pub(super) fn symlink(&self) -> Served {
        let path = self.path_arg(0)?;
        let text = self.caller.path(self.arg(0))?;
        let text = CString::new(text).map_err(|_| Errno::INVAL)?;
        let start = self.start(&path)?;
        let place = free(start.place(path.needs)?)?;
        sys::symlink(&text, place.dir(), &place.name)?;
        Ok(Answer::Value(0))
    }
}
