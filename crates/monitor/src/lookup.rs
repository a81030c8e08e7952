//! From a path to what it names. A path that stays beneath one held directory costs one openat2 with
//! RESOLVE_BENEATH; what is left (links from one held directory to another, `..` between them, directories held
//! within others, procfs) is walked here, a component at a time, with a descriptor for each directory on the way,
//! so that nobody's rename or new link can lead it elsewhere.

use crate::caller::Caller;
use crate::errno::Errno;
use crate::fail::Fail;
use crate::held::{Held, MAX_LINKS, NodeId, What, components, join};
use crate::identity;
use crate::procfs::{self, Entry};
use crate::sys::{self, OpenHow};
use rights::{Limits, Right, Rights};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
const LITERAL: u64 = BENEATH | libc::RESOLVE_NO_SYMLINKS;

/// How often a lookup that raced with a rename or a new link is tried again.
const RACES: usize = 16;

const PROC_SUPER_MAGIC: libc::c_long = 0x9fa0;

/// Where a lookup starts, and its path.
pub struct Start<'a> {
    held: &'a Held,
    caller: &'a Caller<'a>,
    from: From,
    path: Vec<u8>,
    /// Of the descriptor that it starts from; all where that is none, or not limited.
    limits: Limits,
}

/// What a path is relative to.
enum From {
    /// Nothing: it is absolute.
    Root,
    /// A directory in the tree: the working directory, or a descriptor's.
    Within { dir: std::sync::Arc<OwnedFd>, path: Vec<u8> },
    /// A directory descriptor that the program was given from outside: all rights, strictly beneath it.
    Beyond { dir: std::sync::Arc<OwnedFd> },
    /// Such a one of a procfs: its root, and the names from there.
    BeyondInProc { root: OwnedFd, names: Names },
}

/// The components of a path.
type Names = Vec<Vec<u8>>;

/// Where a lookup from a directory of a procfs starts: at the root, by the names that lead from there.
fn procfs_from(dir: OwnedFd, path: &[u8]) -> Result<From, Fail> {
    if sys::stat(dir.as_fd())?.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Err(Errno::NOTDIR.into());
    }
    let outside = || Fail::lacking(path, Rights::of(&[Right::LOOKUP]));
    // Its links could lead out and in again.
    let mut depth = 0;
    for name in components(path) {
        depth += if name == b".." { -1 } else { 1 };
        if depth < 0 {
            return Err(outside());
        }
    }
    let text = sys::link_text_at(&own_link(dir.as_fd()))?;
    let (mut root, mut above) = (dir, 0);
    while !is_proc_root(root.as_fd())? {
        above += 1;
        let Ok(Dir::Own(parent)) = parent(root.as_fd()) else { return Err(outside()) };
        root = parent;
    }
    let from: Vec<&[u8]> = components(&text).collect();
    let from = from.get(from.len().wrapping_sub(above)..).ok_or_else(outside)?;
    let names = from.iter().copied().chain(components(path)).map(<[u8]>::to_vec).collect();
    Ok(From::BeyondInProc { root, names })
}

/// Whether a descriptor's object is a procfs's.
pub fn is_in_procfs(fd: BorrowedFd) -> Result<bool, Errno> {
    // A file system on a disk has that one's number, and counts its blocks when it is asked of what kind it is.
    Ok(libc::major(sys::stat(fd)?.st_dev) == 0 && sys::file_system(fd)? == PROC_SUPER_MAGIC)
}

fn is_proc_root(dir: BorrowedFd) -> Result<bool, Errno> {
    const PROC_ROOT_INO: u64 = 1;
    Ok(is_in_procfs(dir)? && sys::stat(dir)?.st_ino == PROC_ROOT_INO)
}

/// The directory above one of a procfs; ENOTDIR for its root's, which is another file system's.
fn parent<'d>(dir: BorrowedFd) -> Result<Dir<'d>, Errno> {
    let flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    let above = sys::openat2(dir, c"..", &OpenHow { flags, mode: 0, resolve: libc::RESOLVE_NO_XDEV })?;
    if is_in_procfs(above.as_fd())? { Ok(Dir::Own(above)) } else { Err(Errno::NOTDIR) }
}

/// The directory at a path beneath another; that itself for an empty path.
fn directory<'d>(base: BorrowedFd<'d>, path: &[u8]) -> Result<Dir<'d>, Errno> {
    if path.is_empty() {
        return Ok(Dir::Borrowed(base));
    }
    let flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    let how = OpenHow { flags, mode: 0, resolve: BENEATH };
    sys::openat2(base, &c_string(path)?, &how).map(Dir::Own)
}

/// A name in a directory.
pub struct Place<'a> {
    dir: Dir<'a>,
    /// The name, which the kernel is to take literally; `.` for the directory itself.
    pub name: CString,
    /// Whether the name is held itself, or leads to something held: it is to stay. The rights were not looked at then.
    pub fixed: bool,
}

enum Dir<'a> {
    Borrowed(BorrowedFd<'a>),
    Own(OwnedFd),
}

impl Dir<'_> {
    /// One that stays when what it was borrowed from is gone.
    fn kept<'b>(self) -> Result<Dir<'b>, Errno> {
        match self {
            Dir::Borrowed(dir) => dir.try_clone_to_owned().map(Dir::Own).map_err(|_| Errno::MFILE),
            Dir::Own(dir) => Ok(Dir::Own(dir)),
        }
    }
}

impl Place<'_> {
    /// The directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        match &self.dir {
            Dir::Borrowed(dir) => *dir,
            Dir::Own(dir) => dir.as_fd(),
        }
    }
}

/// Where a walk has come to: a node, and the directories beneath it that are not nodes.
struct Cursor<'a> {
    held: &'a Held,
    node: NodeId,
    below: Vec<(OwnedFd, Vec<u8>)>,
}

/// What a walk ended at.
enum End {
    /// A name in the cursor's directory.
    Name(Vec<u8>),
    /// A held file.
    File(NodeId),
    /// Something of procfs, beneath this node.
    Proc(NodeId, Entry),
}

/// What to do with the last component.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Follow it if it is a link.
    Follow,
    /// Take it as it is.
    Keep,
}

impl Cursor<'_> {
    fn dir(&self) -> Result<BorrowedFd<'_>, Errno> {
        match self.below.last() {
            Some((dir, _)) => Ok(dir.as_fd()),
            None => self.held.directory(self.node).ok_or(Errno::NOTDIR),
        }
    }
    fn path(&self) -> Vec<u8> {
        self.below.iter().fold(self.held.path(self.node).to_vec(), |path, (_, name)| join(&path, name))
    }
    fn up(&mut self) {
        if self.below.pop().is_none() {
            self.node = self.held.parent(self.node);
        }
    }
}

impl<'a> Start<'a> {
    /// For a path relative to `dirfd` of the caller, which may be AT_FDCWD.
    pub fn at(held: &'a Held, caller: &'a Caller<'a>, dirfd: i32, path: Vec<u8>) -> Result<Start<'a>, Fail> {
        let mut limits = Limits::ALL;
        let from = if !caller.is_hosted() && dirfd == libc::AT_FDCWD {
            // The filter refuses these itself, but for what is held by its path.
            if !path.starts_with(b"/") {
                return Err(Fail::outside(path));
            }
            From::Root
        } else if !caller.is_hosted() {
            if path.starts_with(b"/") {
                return Err(Fail::lacking(path, Rights::NONE));
            }
            let dir;
            (dir, limits) = caller.limited(dirfd)?;
            if is_in_procfs(dir.as_fd())? {
                procfs_from(dir, &path)?
            } else {
                From::Beyond { dir: std::sync::Arc::new(dir) }
            }
        } else if path.starts_with(b"/") {
            From::Root
        } else if dirfd == libc::AT_FDCWD {
            let (dir, path) = caller.working_directory()?;
            From::Within { dir, path }
        } else {
            let dir;
            (dir, limits) = caller.limited(dirfd)?;
            let dir = std::sync::Arc::new(dir);
            match location(dir.as_fd())? {
                Some(path) if is_within(held, &path) => From::Within { dir, path },
                Some(_) => From::Beyond { dir },
                // A pipe, a socket; or a directory of a mount that is out of sight.
                None if sys::stat(dir.as_fd())?.st_mode & libc::S_IFMT != libc::S_IFDIR => {
                    return Err(Errno::NOTDIR.into());
                }
                None => return Err(Fail::lacking(path, Rights::of(&[Right::LOOKUP]))),
            }
        };
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        Ok(Start { held, caller, from, path, limits })
    }

    /// Whether it starts at a descriptor of something that is not held.
    pub fn is_beyond(&self) -> bool {
        matches!(self.from, From::Beyond { .. })
    }

    /// What may be done with what is opened: no more than with the descriptor that the path starts from.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The absolute path, as far as it is known, for the report and for walking.
    fn literal(&self) -> Vec<u8> {
        match &self.from {
            From::Root | From::Beyond { .. } | From::BeyondInProc { .. } => self.path.clone(),
            From::Within { path, .. } => join(path, &self.path),
        }
    }

    /// Opens with `flags` (which an openat2 understands) and `mode`.
    pub fn open(&self, flags: i32, mode: u32, needs: Rights) -> Result<OwnedFd, Fail> {
        let flags = own_flags(flags);
        let how = |resolve| OpenHow { flags, mode: u64::from(mode), resolve };
        if let Some(fd) = self.fast(needs, &how)? {
            return Ok(fd);
        }
        let exclusive = (libc::O_CREAT | libc::O_EXCL) as u64;
        let keep = flags & (libc::O_NOFOLLOW as u64) != 0 || flags & exclusive == exclusive;
        self.slow_open(flags, mode, if keep { Last::Keep } else { Last::Follow }, needs)
    }

    /// The same for a caller that asks with openat2 for a narrower lookup than it would get.
    pub fn open_resolving(
        &self,
        flags: i32,
        mode: u32,
        needs: Rights,
        resolve: u64,
    ) -> Result<OwnedFd, Fail> {
        let flags = own_flags(flags);
        let base = match (&self.from, self.held.descend(&self.literal())) {
            (From::Beyond { dir }, _) => {
                self.check(self.limits.rights(), needs)?;
                dir
            }
            (From::Within { dir, path }, (node, rest)) if self.held.descend(path).0 == node => {
                self.check(self.held.rights_of_name(node, last_name(rest)), needs)?;
                if !matches!(self.held.what(node), What::Directory { .. }) || self.held.has_children(node) {
                    return self.open_unresolved(resolve, flags as i32, mode, needs);
                }
                dir
            }
            _ => return self.open_unresolved(resolve, flags as i32, mode, needs),
        };
        let how = OpenHow { flags, mode: u64::from(mode), resolve: resolve | libc::RESOLVE_NO_MAGICLINKS };
        let beneath = libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT;
        let how = if resolve & beneath == 0 {
            OpenHow { resolve: how.resolve | libc::RESOLVE_BENEATH, ..how }
        } else {
            how
        };
        let path = c_string(&self.path)?;
        match sys::openat2(base.as_fd(), &path, &how) {
            Ok(fd) => self.seen_beneath(base.as_fd(), fd, how),
            // What it asked not to be led through, it is told of as ever.
            Err(errno) if resolve & libc::RESOLVE_BENEATH != 0 => Err(errno.into()),
            Err(Errno::LOOP) if resolve & (libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS) != 0 => {
                Err(Errno::LOOP.into())
            }
            Err(errno) => self.failed_beneath(base.as_fd(), &path, OpenHow { resolve, ..how }, errno),
        }
    }

    /// What a lookup by the kernel has found, unless the monitor is what it is about: in a procfs that is not in the
    /// tree `self` is the monitor.
    fn seen(&self, fd: OwnedFd) -> Result<OwnedFd, Fail> {
        if is_in_procfs(fd.as_fd())? {
            return Err(Fail::outside(self.literal()));
        }
        Ok(fd)
    }

    /// What a lookup from a descriptor has found; in a procfs, what the caller would have found there.
    fn seen_beneath(&self, dir: BorrowedFd, fd: OwnedFd, how: OpenHow) -> Result<OwnedFd, Fail> {
        if self.caller.is_hosted() {
            return self.seen(fd);
        }
        if !is_in_procfs(fd.as_fd())? {
            return Ok(fd);
        }
        drop(fd);
        match self.way_into_proc(dir)? {
            Some((root, names)) => self.open_in_proc(root.as_fd(), &names, how),
            None => Err(Fail::lacking(self.literal(), Rights::NONE)),
        }
    }

    /// Where the path enters a procfs beneath a directory: its root, and the names from there.
    fn way_into_proc(&self, dir: BorrowedFd) -> Result<Option<(OwnedFd, Names)>, Fail> {
        let names: Vec<&[u8]> = components(&self.path).collect();
        if names.contains(&&b".."[..]) {
            return Ok(None);
        }
        for end in 1..=names.len() {
            let Ok(Dir::Own(root)) = directory(dir, &names[..end].join(&b'/')) else { break };
            if is_proc_root(root.as_fd())? {
                return Ok(Some((root, names[end..].iter().map(|name| name.to_vec()).collect())));
            }
        }
        Ok(None)
    }

    /// What a lookup from a descriptor comes to that has failed. Where it went into a procfs it has failed for the monitor,
    /// whose `self` is another than the caller's.
    fn failed_beneath(
        &self,
        dir: BorrowedFd,
        path: &CStr,
        asked: OpenHow,
        errno: Errno,
    ) -> Result<OwnedFd, Fail> {
        let flags = (libc::O_PATH | libc::O_CLOEXEC) as u64 | asked.flags & libc::O_NOFOLLOW as u64;
        let how = OpenHow { flags, mode: 0, resolve: BENEATH | libc::RESOLVE_NO_XDEV };
        let crosses = || sys::openat2(dir, path, &how).err() == Some(Errno::XDEV);
        if !self.caller.is_hosted()
            && crosses()
            && let Some((root, names)) = self.way_into_proc(dir)?
        {
            return self.open_in_proc(root.as_fd(), &names, asked);
        }
        Err(self.why_not(dir, path, &asked, errno))
    }

    /// Opens something of a procfs that a descriptor leads to.
    fn open_in_proc(&self, root: BorrowedFd, names: &[Vec<u8>], how: OpenHow) -> Result<OwnedFd, Fail> {
        let flags = how.flags as i32;
        let keep = flags & libc::O_NOFOLLOW != 0;
        let entry = self.in_proc(root, names, keep)?;
        match entry.open(self.caller, root, Rights::ALL, flags, Rights::NONE, &self.path)? {
            Opened::New(fd) => Ok(fd),
            Opened::Own(_) => Err(Fail::lacking(self.literal(), Rights::NONE)),
        }
    }

    /// What names lead to in a procfs. Its links lead out of it, and its descriptors are no names to open them anew by.
    fn in_proc(&self, root: BorrowedFd, names: &[Vec<u8>], keep: bool) -> Result<Entry, Fail> {
        // That of another pid namespace calls others by the numbers that are the caller's and ours here.
        if sys::link_text(root, c"self").ok() != Some(std::process::id().to_string().into_bytes()) {
            return Err(Fail::lacking(self.literal(), Rights::NONE));
        }
        let resolved = procfs::resolve(self.caller, root, Rights::ALL, names, keep, &self.path);
        // What it may not have there is not left out of a global namespace, but out of what the descriptor gives.
        let resolved = resolved.map_err(|fail| match fail {
            Fail::Refused(_) => Fail::lacking(self.literal(), Rights::NONE),
            fail => fail,
        });
        match resolved? {
            procfs::Resolved::Entry(entry) if keep || !matches!(entry, Entry::Descriptor { .. }) => Ok(entry),
            _ => Err(Fail::lacking(self.literal(), Rights::NONE)),
        }
    }

    /// Where a narrower lookup goes through more than one held directory: what asks for no more than is done
    /// anyway is done, what cannot be kept is refused.
    fn open_unresolved(&self, resolve: u64, flags: i32, mode: u32, needs: Rights) -> Result<OwnedFd, Fail> {
        const IN_PROC: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_XDEV;
        let kept = match self.from {
            From::BeyondInProc { .. } => libc::RESOLVE_NO_MAGICLINKS | IN_PROC,
            _ => libc::RESOLVE_NO_MAGICLINKS,
        };
        if resolve & !kept == 0 { self.open(flags, mode, needs) } else { Err(Errno::XDEV.into()) }
    }

    /// A handle of what the path names: an O_PATH descriptor, or the caller's own where the path names one.
    pub fn handle(&self, last: Last, needs: Rights) -> Result<OwnedFd, Fail> {
        let flags = libc::O_PATH | libc::O_CLOEXEC | if last == Last::Keep { libc::O_NOFOLLOW } else { 0 };
        let how = |resolve| OpenHow { flags: flags as u64, mode: 0, resolve };
        match self.fast(needs, &how)? {
            Some(fd) => Ok(fd),
            None => self.slow_open(flags as u64, 0, last, needs),
        }
    }

    /// The directory and name that the path ends in.
    pub fn place(&self, needs: Rights) -> Result<Place<'_>, Fail> {
        if let From::Beyond { dir } = &self.from {
            self.check(self.limits.rights(), needs)?;
            let (parent, name) = split_last(&self.path);
            let found = retry(|| directory(dir.as_fd(), parent));
            let dir = match found {
                Ok(dir) => dir,
                Err(errno) => {
                    let how = OpenHow { flags: 0, mode: 0, resolve: 0 };
                    return Err(self.why_not(dir.as_fd(), &c_string(parent)?, &how, errno));
                }
            };
            let place = Place { dir, name: c_string(name)?, fixed: false };
            // Nothing in procfs is made, removed or renamed; and in this one the monitor would be told of itself.
            if !self.caller.is_hosted() && is_in_procfs(place.dir())? {
                return Err(Fail::lacking(self.literal(), needs));
            }
            return Ok(place);
        }
        if let Some((node, rest)) = &self.node()
            && !self.held.has_children(*node)
            && !rest.is_empty()
            && let What::Directory { dir, .. } = self.held.what(*node)
        {
            let (base, path) = self.base(*node, dir.as_fd(), rest);
            let (parent, name) = split_last(path);
            self.check(self.held.rights_of_name(*node, trim_slash(name)), needs)?;
            match directory(base, parent) {
                Ok(dir) => return Ok(Place { dir: dir.kept()?, name: c_string(name)?, fixed: false }),
                Err(Errno::XDEV | Errno::AGAIN | Errno::LOOP) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let (mut cursor, end) = self.walk(Last::Keep, true)?;
        match end {
            End::Name(name) => {
                let fixed = self.held.is_node(&join(&cursor.path(), &name));
                if !fixed {
                    self.check(self.rights_at(&cursor, &name), needs)?;
                }
                let dir = match cursor.below.pop() {
                    Some((dir, _)) => Dir::Own(dir),
                    None => Dir::Borrowed(self.held.directory(cursor.node).ok_or(Errno::NOTDIR)?),
                };
                let mut name = name;
                if self.path.ends_with(b"/") && name != b"." {
                    name.push(b'/');
                }
                Ok(Place { dir, name: c_string(&name)?, fixed })
            }
            End::File(node) => {
                let path = self.held.path(node);
                let name = c_string(split_last(path).1)?;
                let dir = self.held.directory(self.held.parent(node)).ok_or(Errno::NOTDIR)?;
                Ok(Place { dir: Dir::Borrowed(dir), name, fixed: true })
            }
            // Nothing in procfs is made, removed or renamed.
            End::Proc(..) => Err(Fail::lacking(self.literal(), needs)),
        }
    }

    /// The text of the link that the path names.
    pub fn read_link(&self, needs: Rights) -> Result<Vec<u8>, Fail> {
        let how = |resolve| OpenHow {
            flags: (libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC) as u64,
            mode: 0,
            resolve,
        };
        if let From::BeyondInProc { root, names } = &self.from {
            self.check(self.limits.rights(), needs)?;
            let entry = self.in_proc(root.as_fd(), names, true)?;
            return Ok(entry.text(self.caller, root.as_fd())?);
        }
        let fd = match self.fast(needs, &how)? {
            Some(fd) => {
                // Of some links there the text depends on who reads it.
                if let From::Beyond { dir } = &self.from
                    && !self.caller.is_hosted()
                    && is_in_procfs(fd.as_fd())?
                    && let Some((root, names)) = self.way_into_proc(dir.as_fd())?
                {
                    let entry = self.in_proc(root.as_fd(), &names, true)?;
                    return Ok(entry.text(self.caller, root.as_fd())?);
                }
                fd
            }
            None => {
                let (cursor, end) = self.walk(Last::Keep, false)?;
                match end {
                    End::Proc(node, entry) => {
                        self.check(self.held.rights(node).union(&procfs::OWN), needs)?;
                        return Ok(entry.text(self.caller, self.held.directory(node).ok_or(Errno::NOTDIR)?)?);
                    }
                    End::File(_) => return Err(Errno::INVAL.into()),
                    End::Name(name) => {
                        self.check(self.rights_at(&cursor, &name), needs)?;
                        if let Some(child) = self.held.child(cursor.node, &name)
                            && cursor.below.is_empty()
                            && let What::Link(text) = self.held.what(child)
                        {
                            return Ok(text.clone());
                        }
                        sys::openat2(cursor.dir()?, &c_string(&name)?, &how(LITERAL))?
                    }
                }
            }
        };
        // The kernel's word for a handle that is no link is ENOENT.
        Ok(sys::link_text(fd.as_fd(), c"")
            .map_err(|errno| if errno == Errno::NOENT { Errno::INVAL } else { errno })?)
    }

    /// The node that the path leads to or into, and the rest, by the letters of it.
    fn node(&self) -> Option<(NodeId, Vec<u8>)> {
        let literal = match &self.from {
            From::Root | From::Within { .. } => self.literal(),
            From::Beyond { .. } | From::BeyondInProc { .. } => return None,
        };
        let (node, rest) = self.held.descend(&literal);
        Some((node, rest.to_vec()))
    }

    fn check(&self, has: Rights, needs: Rights) -> Result<(), Fail> {
        let has = has.intersection(&self.limits.rights());
        if has.contains(&needs) { Ok(()) } else { Err(Fail::lacking(self.literal(), needs.difference(&has))) }
    }

    fn rights_at(&self, cursor: &Cursor, name: &[u8]) -> Rights {
        match cursor.below.is_empty().then(|| self.held.child(cursor.node, name)).flatten() {
            Some(child) => self.held.rights(child),
            None => self.held.rights_of_name(cursor.node, name),
        }
    }

    /// Why a lookup beneath a directory has failed, with the restrictions that were asked for: the path may have left it.
    /// The kernel also says EXDEV of a mount, and ELOOP of a magic link.
    fn why_not(&self, dir: BorrowedFd, path: &CStr, asked: &OpenHow, errno: Errno) -> Fail {
        let flags = (libc::O_PATH | libc::O_CLOEXEC) as u64 | asked.flags & libc::O_NOFOLLOW as u64;
        let leaves = || {
            let how = OpenHow { flags, mode: 0, resolve: libc::RESOLVE_BENEATH };
            sys::openat2(dir, path, &how).err() == Some(Errno::XDEV)
        };
        let left = match errno {
            Errno::XDEV => asked.resolve & libc::RESOLVE_NO_XDEV == 0 || leaves(),
            Errno::LOOP => leaves(),
            _ => false,
        };
        if left { Fail::lacking(self.literal(), Rights::NONE) } else { errno.into() }
    }

    /// Where a lookup in a held directory starts, and the path from there: where the path itself starts, if that lies
    /// in the held directory, so that what is above it need not be passable; else that directory. From above it a link
    /// in that could lead out of it again, beneath where the path starts.
    fn base<'s>(&'s self, node: NodeId, dir: BorrowedFd<'s>, rest: &'s [u8]) -> (BorrowedFd<'s>, &'s [u8]) {
        match &self.from {
            From::Within { dir, path } if self.held.descend(path).0 == node => (dir.as_fd(), &self.path),
            _ if rest.is_empty() => (dir, b"."),
            _ => (dir, rest),
        }
    }

    /// One openat2, where that is enough. None: it has to be walked.
    fn fast(&self, needs: Rights, how: &dyn Fn(u64) -> OpenHow) -> Result<Option<OwnedFd>, Fail> {
        let Some((node, rest)) = self.node() else {
            if let From::BeyondInProc { root, names } = &self.from {
                self.check(self.limits.rights(), needs)?;
                return self.open_in_proc(root.as_fd(), names, how(BENEATH)).map(Some);
            }
            let From::Beyond { dir } = &self.from else { return Ok(None) };
            self.check(self.limits.rights(), needs)?;
            let path = c_string(&self.path)?;
            let fd = retry(|| sys::openat2(dir.as_fd(), &path, &how(BENEATH)));
            return match fd {
                Ok(fd) => self.seen_beneath(dir.as_fd(), fd, how(BENEATH)).map(Some),
                Err(errno) => self.failed_beneath(dir.as_fd(), &path, how(0), errno).map(Some),
            };
        };
        let What::Directory { dir, .. } = self.held.what(node) else { return Ok(None) };
        let nested = self.held.has_children(node);
        // Where directories are held within this one, only the letters of the path tell which of them it enters.
        if nested && components(&rest).any(|name| name == b"..") {
            return Ok(None);
        }
        self.check(self.held.rights_of_name(node, last_name(&rest)), needs)?;
        let resolve = if nested { LITERAL } else { BENEATH };
        let (base, path) = self.base(node, dir.as_fd(), &rest);
        match sys::openat2(base, &c_string(path)?, &how(resolve)) {
            Ok(fd) => self.seen(fd).map(Some),
            Err(Errno::XDEV | Errno::AGAIN | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn slow_open(&self, flags: u64, mode: u32, last: Last, needs: Rights) -> Result<OwnedFd, Fail> {
        let flags_i = flags as i32;
        for _ in 0..RACES {
            let (cursor, end) = self.walk(last, false)?;
            match end {
                End::Name(name) => {
                    self.check(self.rights_at(&cursor, &name), needs)?;
                    let mut name = name;
                    if self.path.ends_with(b"/") {
                        name.push(b'/');
                    }
                    let how = OpenHow { flags, mode: u64::from(mode), resolve: LITERAL };
                    match sys::openat2(cursor.dir()?, &c_string(&name)?, &how) {
                        // It has become a link since the walk looked, or something was renamed: look again.
                        Err(Errno::LOOP) if last == Last::Follow => continue,
                        Err(Errno::AGAIN) => continue,
                        result => return self.seen(result?),
                    }
                }
                End::File(node) => {
                    self.check(self.held.rights(node), needs)?;
                    let What::File { file, .. } = self.held.what(node) else {
                        return Err(Errno::NOTDIR.into());
                    };
                    if flags_i & libc::O_PATH != 0 {
                        return file.try_clone().map_err(|_| Errno::MFILE.into());
                    }
                    if flags_i & libc::O_CREAT != 0 && flags_i & libc::O_EXCL != 0 {
                        return Err(Errno::EXIST.into());
                    }
                    if self.path.ends_with(b"/") || flags_i & libc::O_DIRECTORY != 0 {
                        return Err(Errno::NOTDIR.into());
                    }
                    let again = flags_i & !(libc::O_NOFOLLOW | libc::O_CREAT | libc::O_EXCL);
                    return Ok(sys::open_path(&own_link(file.as_fd()), again, 0)?);
                }
                End::Proc(node, entry) => {
                    let dir = self.held.directory(node).ok_or(Errno::NOTDIR)?;
                    let opened = entry.open(
                        self.caller,
                        dir,
                        self.held.rights(node),
                        flags_i,
                        needs,
                        &self.literal(),
                    )?;
                    let own = match opened {
                        Opened::New(fd) => return Ok(fd),
                        Opened::Own(own) => own,
                    };
                    // Its own descriptor by name is no more than the descriptor.
                    let (has, _) = rights_of(self.held, own.as_fd())?;
                    self.check(has.union(&Rights::of(&[Right::LOOKUP])), needs)?;
                    let handle = libc::O_PATH;
                    if flags_i & handle == 0
                        && sys::fcntl(own.as_fd(), libc::F_GETFL, 0)? as i32 & handle != 0
                    {
                        // Of a handle, open makes the real thing.
                        let again = flags_i & !(libc::O_NOFOLLOW | libc::O_CREAT | libc::O_EXCL);
                        return Ok(sys::open_path(&own_link(own.as_fd()), again, 0)?);
                    }
                    return Ok(own);
                }
            }
        }
        Err(Errno::LOOP.into())
    }

    /// Walks the tree and the directories beneath it. With `parent`, the last component need not be looked at.
    fn walk(&self, last: Last, parent: bool) -> Result<(Cursor<'a>, End), Fail> {
        let literal = self.literal();
        if let From::Beyond { .. } | From::BeyondInProc { .. } = self.from {
            return Err(Fail::lacking(literal, Rights::NONE));
        }
        let mut cursor = Cursor { held: self.held, node: 0, below: Vec::new() };
        let mut todo: Vec<Vec<u8>> = components(&literal).rev().map(<[u8]>::to_vec).collect();
        let (mut links, mut wandered) = (0, false);
        // `x/.` is the directory itself, not a name in the one around it, and if x is a link, it is followed.
        let dotted = split_last(&self.path).1.split(|&byte| byte == b'/').next() == Some(b".");
        let parent = parent && !dotted;
        let follow = last == Last::Follow || dotted || (self.path.ends_with(b"/") && !parent);
        // Which of the rest the caller named itself: a link's own last component is always followed.
        while let Some(name) = todo.pop() {
            let is_last = todo.is_empty();
            if name == b".." {
                wandered = true;
                cursor.up();
                continue;
            }
            let mut expand = |text: &[u8], cursor: &mut Cursor<'a>, todo: &mut Vec<Vec<u8>>| {
                links += 1;
                wandered = true;
                if links > MAX_LINKS {
                    return Err(Fail::from(Errno::LOOP));
                }
                if text.starts_with(b"/") {
                    cursor.node = 0;
                    cursor.below.clear();
                }
                todo.extend(components(text).rev().map(<[u8]>::to_vec));
                Ok(())
            };
            let child = if cursor.below.is_empty() { self.held.child(cursor.node, &name) } else { None };
            match child.map(|child| (child, self.held.what(child))) {
                Some((_, What::Link(text))) => {
                    if is_last && !follow {
                        return Ok((cursor, End::Name(name)));
                    }
                    expand(text, &mut cursor, &mut todo)?;
                    continue;
                }
                Some((child, What::File { .. })) => {
                    return if is_last { Ok((cursor, End::File(child))) } else { Err(Errno::NOTDIR.into()) };
                }
                Some((child, What::Proc { dir, rights })) => {
                    let mut rest: Vec<Vec<u8>> = std::mem::take(&mut todo);
                    rest.reverse();
                    let keep = !follow;
                    match procfs::resolve(self.caller, dir.as_fd(), *rights, &rest, keep, &literal)? {
                        procfs::Resolved::Entry(entry) => return Ok((cursor, End::Proc(child, entry))),
                        procfs::Resolved::Above(rest) => {
                            // The cursor is where the mount is.
                            todo.extend(rest.into_iter().rev());
                            continue;
                        }
                        procfs::Resolved::Elsewhere(path) => {
                            expand(&path, &mut cursor, &mut todo)?;
                            continue;
                        }
                    }
                }
                Some((child, _)) => {
                    if is_last && parent {
                        return Ok((cursor, End::Name(name)));
                    }
                    cursor.node = child;
                    continue;
                }
                None => {}
            }
            if !matches!(self.held.what(cursor.node), What::Directory { .. }) {
                return Err(if wandered {
                    Fail::lacking(literal, Rights::NONE)
                } else {
                    Fail::outside(literal)
                });
            }
            if is_last && parent {
                return Ok((cursor, End::Name(name)));
            }
            let flags = (libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC) as u64;
            let how = OpenHow { flags, mode: 0, resolve: LITERAL };
            let fd = match sys::openat2(cursor.dir()?, &c_string(&name)?, &how) {
                Ok(fd) => fd,
                Err(Errno::NOENT) if is_last && !dotted => return Ok((cursor, End::Name(name))),
                Err(errno) => return Err(errno.into()),
            };
            match sys::stat(fd.as_fd())?.st_mode & libc::S_IFMT {
                libc::S_IFLNK if is_last && !follow => return Ok((cursor, End::Name(name))),
                libc::S_IFLNK => {
                    expand(&sys::link_text(fd.as_fd(), c"")?, &mut cursor, &mut todo)?;
                }
                libc::S_IFDIR => cursor.below.push((fd, name)),
                _ if is_last && !dotted => return Ok((cursor, End::Name(name))),
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        // The path ended in a directory: a node, or one that the cursor has entered.
        Ok((cursor, End::Name(b".".to_vec())))
    }
}

/// What opening something of procfs gave.
pub enum Opened {
    /// A new descriptor.
    New(OwnedFd),
    /// A copy of one of the caller's own, which its path named: /dev/fd/N is dup(N), as on FreeBSD.
    Own(OwnedFd),
}

/// Whether a path is that of a node or beneath a held directory.
fn is_within(held: &Held, path: &[u8]) -> bool {
    let (node, rest) = held.descend(path);
    rest.is_empty() || matches!(held.what(node), What::Directory { .. } | What::Proc { .. })
}

/// Where the object of a descriptor is, as the kernel tells it.
enum Seat {
    /// At this path; one that has been removed, where it was.
    Path(Vec<u8>),
    /// Nowhere: a pipe, a socket, shared memory. Whoever has it made it, or was given it.
    Own(Vec<u8>),
    /// Somewhere that the monitor cannot see.
    Unknown(Vec<u8>),
}

fn seat(fd: BorrowedFd) -> Result<Seat, Errno> {
    const GONE: &[u8] = b" (deleted)";
    let mut text = sys::link_text_at(&own_link(fd))?;
    if !text.starts_with(b"/") {
        let own = [&b"pipe:["[..], b"socket:[", b"anon_inode:"].iter().any(|kind| text.starts_with(kind));
        return Ok(if own { Seat::Own(text) } else { Seat::Unknown(text) });
    }
    // A name may end so by itself; of what has been removed no link is left.
    if text.ends_with(GONE) && sys::stat(fd)?.st_nlink == 0 {
        let memory = matches!(sys::file_system(fd)?, libc::TMPFS_MAGIC | libc::HUGETLBFS_MAGIC);
        if memory && text.starts_with(b"/memfd:") {
            return Ok(Seat::Own(text));
        }
        text.truncate(text.len() - GONE.len());
    }
    Ok(Seat::Path(text))
}

/// Where the object of a descriptor lies: its absolute path. None: nowhere in the file system that we can see.
pub fn location(fd: BorrowedFd) -> Result<Option<Vec<u8>>, Errno> {
    match seat(fd)? {
        Seat::Path(path) => Ok(Some(path)),
        Seat::Own(_) | Seat::Unknown(_) => Ok(None),
    }
}

/// The rights that a caller's descriptor has by where its object lies: a held directory's for what was opened there,
/// all for what the program was given or made by itself.
pub fn rights_of(held: &Held, fd: BorrowedFd) -> Result<(Rights, Vec<u8>), Errno> {
    let path = match seat(fd)? {
        Seat::Path(path) => path,
        Seat::Own(name) => return Ok((Rights::ALL, name)),
        Seat::Unknown(name) => return Ok((Rights::NONE, name)),
    };
    let (node, rest) = held.descend(&path);
    let rights = match held.what(node) {
        What::Directory { .. } => held.rights_of_name(node, split_last(rest).1),
        What::File { rights, .. } if rest.is_empty() => *rights,
        What::Above(_) if rest.is_empty() => held.rights(node),
        What::Proc { rights, .. } => *rights,
        _ => Rights::ALL,
    };
    Ok((rights, path))
}

/// The link of /proc/self/fd for one of our descriptors: a path that leads to its object and nowhere else.
pub fn own_link(fd: BorrowedFd) -> CString {
    // What else may be at that path, others may have made: ENOENT then.
    if !identity::has_proc() {
        return CString::default();
    }
    CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default()
}

/// Tries again while a rename somewhere keeps the kernel from being sure that a lookup stayed beneath.
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..RACES {
        match call() {
            Err(Errno::AGAIN) => continue,
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

fn c_string(path: &[u8]) -> Result<CString, Errno> {
    CString::new(path).map_err(|_| Errno::INVAL)
}

/// The flags of a descriptor of the monitor's: closed by exec, and no terminal that it opens becomes its own.
fn own_flags(flags: i32) -> u64 {
    (flags | libc::O_CLOEXEC | if flags & libc::O_PATH == 0 { libc::O_NOCTTY } else { 0 }) as u64
}

/// The last component, without slashes.
fn last_name(path: &[u8]) -> &[u8] {
    split_last(trim_slash(path)).1
}

fn trim_slash(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

/// The directory part and the last component, which keeps one slash behind it if it has any.
pub fn split_last(path: &[u8]) -> (&[u8], &[u8]) {
    let trimmed = trim_slash(path);
    let start = trimmed.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let end = if trimmed.len() < path.len() { trimmed.len() + 1 } else { path.len() };
    (trim_slash(&path[..start]), &path[start..end])
}
