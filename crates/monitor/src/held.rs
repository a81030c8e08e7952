//! What a hosted program may name: a tree of the paths that are held for it. Every lookup that is not relative to
//! a descriptor from outside starts here, at the root, and the deepest held directory on its way decides with its
//! rights.

use crate::errno::Errno;
use crate::sys::{self, OpenHow};
use rights::{Right, Rights};
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Which names of a held directory count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// All.
    All,
    /// Shared objects: names with `.so` in them. Others can be named but not opened.
    Libraries,
}

/// A node of the tree, by its number.
pub type NodeId = usize;

/// What a node is.
#[derive(Debug)]
pub enum What {
    /// A directory above a held one: it can be named, and asked for its status, but not listed.
    Above(OwnedFd),
    /// A held directory, with all beneath it.
    Directory { dir: OwnedFd, rights: Rights, only: Only },
    /// A held file.
    File { file: OwnedFd, rights: Rights },
    /// A symbolic link on the way to something held, with its text.
    Link(Vec<u8>),
    /// The root of a procfs: served by [`crate::procfs`]. The directory beneath which it lies may add rights.
    Proc { dir: OwnedFd, rights: Rights },
}

#[derive(Debug)]
struct Node {
    parent: NodeId,
    path: Vec<u8>,
    what: What,
    /// Whether its rights are its own, not those of a directory around it.
    given: bool,
    children: BTreeMap<Vec<u8>, NodeId>,
}

/// The tree.
#[derive(Debug)]
pub struct Held {
    nodes: Vec<Node>,
}

/// What may be done with a directory above a held one: whatever `ls -ld` asks of it, which is its attributes too.
pub const ABOVE: Rights = Rights::of(&[
    Right::LOOKUP,
    Right::FSTAT,
    Right::FCHDIR,
    Right::FSTATFS,
    Right::EXTATTR_GET,
    Right::EXTATTR_LIST,
    Right::ACL_GET,
]);

/// The most symbolic links that one lookup follows, as in the kernel.
pub const MAX_LINKS: usize = 40;

impl Held {
    /// A tree that holds nothing.
    pub fn new() -> Result<Held, Errno> {
        let root = sys::open_path(c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
        let root = Node {
            parent: 0,
            path: b"/".to_vec(),
            what: What::Above(root),
            given: false,
            children: BTreeMap::new(),
        };
        Ok(Held { nodes: vec![root] })
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Holds what is at `path`, an absolute path, with `rights` besides those that it may have already, and with it
    /// the directories above it and the links on the way. A library directory that a directory held in full
    /// already covers stays as it is.
    pub fn hold(&mut self, path: &Path, rights: Rights, only: Only) -> Result<NodeId, Errno> {
        let mut at: NodeId = 0;
        let mut todo: Vec<Vec<u8>> =
            components(path.as_os_str().as_bytes()).rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                at = self.nodes[at].parent;
                continue;
            }
            let child = match self.nodes[at].children.get(&name) {
                Some(&child) => child,
                None => self.insert(at, name)?,
            };
            match &self.nodes[child].what {
                What::Link(text) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    if text.starts_with(b"/") {
                        at = 0;
                    }
                    todo.extend(components(text).rev().map(<[u8]>::to_vec));
                }
                _ => at = child,
            }
        }
        self.grant(at, rights, only);
        Ok(at)
    }

    /// Holds what is at `path` with `rights` and no others, whatever is held around it and in whichever order: the
    /// longest path decides. Held twice, it has what both say.
    pub fn hold_exactly(&mut self, path: &Path, rights: Rights) -> Result<(), Errno> {
        let node = self.hold(path, Rights::NONE, Only::All)?;
        if self.nodes[node].given {
            self.grant(node, rights, Only::All);
        } else {
            self.nodes[node].given = true;
            self.settle(node, rights);
        }
        Ok(())
    }

    /// Gives a node these rights, and with it those beneath it that have none of their own.
    fn settle(&mut self, node: NodeId, settled: Rights) {
        let what = &mut self.nodes[node].what;
        match what {
            What::Above(dir) => {
                if !settled.is_empty()
                    && let Ok(dir) = dir.try_clone()
                {
                    *what = What::Directory { dir, rights: settled, only: Only::All };
                }
            }
            What::Directory { rights, only, .. } => (*rights, *only) = (settled, Only::All),
            What::File { rights, .. } | What::Proc { rights, .. } => *rights = settled,
            What::Link(_) => {}
        }
        let below: Vec<NodeId> = self.nodes[node].children.values().copied().collect();
        for child in below {
            if !self.nodes[child].given {
                self.settle(child, settled);
            }
        }
    }

    /// Notes the symbolic link at `path`, such as /bin on a merged /usr, if there is one: it can be read and followed.
    pub fn note_link(&mut self, path: &Path) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        let name = name.as_bytes();
        let is_link =
            |held: &Held, at| held.open_child(at, name).is_ok_and(|(_, mode)| mode == libc::S_IFLNK);
        if let Ok(at) = self.hold(parent, Rights::NONE, Only::All)
            && self.child(at, name).is_none()
            && is_link(self, at)
        {
            let _ = self.insert(at, name.to_vec());
        }
    }

    /// Marks the procfs mounted at `path`, with the rights of the held directory around it besides `rights`.
    pub fn hold_proc(&mut self, path: &Path, rights: Rights) -> Result<(), Errno> {
        let node = self.hold(path, Rights::NONE, Only::All)?;
        let covering = match &self.nodes[node].what {
            What::Directory { rights, .. } => *rights,
            _ => Rights::NONE,
        };
        let what = &mut self.nodes[node].what;
        let (What::Above(dir) | What::Directory { dir, .. } | What::Proc { dir, .. }) = what else {
            return Err(Errno::NOTDIR);
        };
        let dir = dir.try_clone().map_err(|_| Errno::MFILE)?;
        *what = What::Proc { dir, rights: covering.union(&rights) };
        Ok(())
    }

    /// Whether `path`, without symbolic links, lies in a held directory (not merely above one).
    pub fn covers(&self, path: &Path) -> bool {
        matches!(self.what(self.descend(path.as_os_str().as_bytes()).0), What::Directory { .. })
    }

    /// Holds what is at `path` unless a held directory already gives it these rights.
    pub fn hold_also(&mut self, path: &Path, rights: Rights, only: Only) -> Result<(), Errno> {
        let (node, _) = self.descend(path.as_os_str().as_bytes());
        let literal = path.canonicalize().is_ok_and(|real| real == path);
        match &self.nodes[node].what {
            What::Directory { rights: has, only: Only::All, .. } if literal && has.contains(&rights) => {
                Ok(())
            }
            _ => self.hold(path, rights, only).map(drop),
        }
    }

    fn open_child(&self, at: NodeId, name: &[u8]) -> Result<(OwnedFd, u32), Errno> {
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let how = OpenHow {
            flags: (libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC) as u64,
            ..OpenHow::default()
        };
        let fd = sys::openat2(self.directory(at).ok_or(Errno::NOTDIR)?, &name, &how)?;
        let mode = sys::stat(fd.as_fd())?.st_mode & libc::S_IFMT;
        Ok((fd, mode))
    }

    /// A new node for what is there on disk; inside a held directory it has that one's rights.
    fn insert(&mut self, at: NodeId, name: Vec<u8>) -> Result<NodeId, Errno> {
        let (fd, mode) = self.open_child(at, &name)?;
        let inherited = match &self.nodes[at].what {
            What::Directory { rights, only, .. } => Some((*rights, *only)),
            _ => None,
        };
        let what = match (mode, inherited) {
            (libc::S_IFLNK, _) => What::Link(sys::link_text(fd.as_fd(), c"")?),
            (libc::S_IFDIR, None) => What::Above(fd),
            (libc::S_IFDIR, Some((rights, only))) => What::Directory { dir: fd, rights, only },
            (_, inherited) => {
                What::File { file: fd, rights: inherited.map_or(Rights::NONE, |(rights, _)| rights) }
            }
        };
        let path = join(&self.nodes[at].path, &name);
        self.nodes.push(Node { parent: at, path, what, given: false, children: BTreeMap::new() });
        let child = self.nodes.len() - 1;
        self.nodes[at].children.insert(name, child);
        Ok(child)
    }

    fn grant(&mut self, node: NodeId, more: Rights, kind: Only) {
        if more.is_empty() {
            return;
        }
        let what = &mut self.nodes[node].what;
        match what {
            What::Above(dir) => {
                if let Ok(dir) = dir.try_clone() {
                    *what = What::Directory { dir, rights: more, only: kind };
                }
                // What was only a way to something held is now held itself; what is held by itself keeps its rights.
                let below: Vec<NodeId> = self.nodes[node].children.values().copied().collect();
                for child in below {
                    if matches!(self.nodes[child].what, What::Above(_)) {
                        self.grant(child, more, kind);
                    }
                }
            }
            // Held in full for the program: the library directories of the default set add nothing to it.
            What::Directory { only: Only::All, .. } if kind == Only::Libraries => {}
            What::Directory { rights, only, .. } => {
                *rights = rights.union(&more);
                *only = kind;
            }
            What::File { rights, .. } | What::Proc { rights, .. } => *rights = rights.union(&more),
            What::Link(_) => {}
        }
    }

    /// The deepest node on the way of `path`, an absolute path that is taken literally, and the rest.
    pub fn descend<'p>(&self, path: &'p [u8]) -> (NodeId, &'p [u8]) {
        let mut at = 0;
        let mut rest = trim_slashes(path);
        while !rest.is_empty() {
            let (name, after) = split_first(rest);
            if name == b"." {
                rest = after;
                continue;
            }
            match self.nodes[at].children.get(name) {
                Some(&child) => at = child,
                None => break,
            }
            rest = after;
        }
        (at, rest)
    }

    /// The child of a node.
    pub fn child(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        self.nodes[node].children.get(name).copied()
    }

    /// Whether anything held lies beneath a node.
    pub fn has_children(&self, node: NodeId) -> bool {
        !self.nodes[node].children.is_empty()
    }

    /// The node above.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.nodes[node].parent
    }

    /// Its path.
    pub fn path(&self, node: NodeId) -> &[u8] {
        &self.nodes[node].path
    }

    /// What it is.
    pub fn what(&self, node: NodeId) -> &What {
        &self.nodes[node].what
    }

    /// Its directory, if it is one.
    pub fn directory(&self, node: NodeId) -> Option<BorrowedFd<'_>> {
        match &self.nodes[node].what {
            What::Above(dir) | What::Directory { dir, .. } | What::Proc { dir, .. } => Some(dir.as_fd()),
            What::File { .. } | What::Link(_) => None,
        }
    }

    /// Its rights.
    pub fn rights(&self, node: NodeId) -> Rights {
        match &self.nodes[node].what {
            What::Above(_) | What::Link(_) => ABOVE,
            What::Directory { rights, .. } | What::File { rights, .. } | What::Proc { rights, .. } => *rights,
        }
    }

    /// The rights of the name `name` directly in a directory whose node is `node`.
    pub fn rights_of_name(&self, node: NodeId, name: &[u8]) -> Rights {
        match &self.nodes[node].what {
            What::Directory { only: Only::Libraries, .. } if !name.windows(3).any(|part| part == b".so") => {
                ABOVE
            }
            _ => self.rights(node),
        }
    }

    /// Whether the literal path is a node: a held name, which may be neither moved nor removed.
    pub fn is_node(&self, path: &[u8]) -> bool {
        self.descend(path).1.is_empty()
    }

    /// Hands over every directory and file beneath which all have the rights. Of a directory in which one is held
    /// without them, that is what else lies in it now.
    pub fn each_with(
        &self,
        wanted: Rights,
        take: &mut dyn FnMut(BorrowedFd) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        for (id, node) in self.nodes.iter().enumerate() {
            match &node.what {
                What::File { file, rights } if rights.contains(&wanted) => take(file.as_fd())?,
                What::Directory { dir, rights, .. } if rights.contains(&wanted) => {
                    if !self.lacks_beneath(id, &wanted) {
                        take(dir.as_fd())?;
                        continue;
                    }
                    for entry in
                        std::fs::read_dir(OsStr::from_bytes(&node.path)).into_iter().flatten().flatten()
                    {
                        let name = entry.file_name();
                        if node.children.contains_key(name.as_bytes()) {
                            continue;
                        }
                        if let Ok((fd, libc::S_IFDIR | libc::S_IFREG)) = self.open_child(id, name.as_bytes())
                        {
                            take(fd.as_fd())?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether something beneath a node is held without the rights.
    fn lacks_beneath(&self, node: NodeId, wanted: &Rights) -> bool {
        self.nodes[node].children.values().any(|&child| match &self.nodes[child].what {
            What::Directory { rights, .. } | What::File { rights, .. } if !rights.contains(wanted) => true,
            _ => self.lacks_beneath(child, wanted),
        })
    }

    /// What every held directory and file permits.
    pub fn common_rights(&self) -> impl Iterator<Item = Rights> {
        self.nodes.iter().filter_map(|node| match &node.what {
            What::Directory { rights, .. } | What::File { rights, .. } => Some(*rights),
            _ => None,
        })
    }
}

/// The procfs mounts of this process.
pub fn proc_mounts() -> Vec<std::path::PathBuf> {
    use std::io::Read;
    let mut text = Vec::new();
    if File::open("/proc/self/mountinfo").and_then(|mut file| file.read_to_end(&mut text)).is_err() {
        return vec!["/proc".into()];
    }
    let mut mounts = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let kind = fields.iter().position(|field| *field == b"-").and_then(|dash| fields.get(dash + 1));
        if let (Some(&b"proc"), Some(path)) = (kind.map(|kind| &kind[..]).as_ref(), fields.get(4)) {
            mounts.push(OsStr::from_bytes(&unescape(path)).into());
        }
    }
    mounts
}

/// Undoes the octal escapes of mountinfo.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'\\', [a, b, c, tail @ ..]) if [a, b, c].iter().all(|digit| (b'0'..b'8').contains(digit)) => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = tail;
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// `directory/name`.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if path.last() != Some(&b'/') && !name.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The path without slashes in front.
pub fn trim_slashes(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    &path[start..]
}

/// The first component, and the rest without slashes in front.
pub fn split_first(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    (&path[..end], trim_slashes(&path[end..]))
}

/// The components that mean something: no empty ones, no `.`.
pub fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    const READ: Rights = Rights::of(&[Right::READ, Right::LOOKUP]);
    const WRITE: Rights = Rights::of(&[Right::READ, Right::WRITE, Right::LOOKUP]);

    /// A fresh directory with `a/b/c` in it, and `link` to `a/b`.
    fn fixture(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("pimento-held-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::os::unix::fs::symlink("a/b", root.join("link")).unwrap();
        root.canonicalize().unwrap()
    }

    fn rights_at(held: &Held, path: &Path) -> Option<Rights> {
        let (node, rest) = held.descend(path.as_os_str().as_bytes());
        match held.what(node) {
            What::Directory { rights, .. } => Some(*rights),
            What::Above(_) if rest.is_empty() => Some(ABOVE),
            _ => None,
        }
    }

    #[test]
    fn the_longest_held_directory_decides_in_whatever_order_they_were_given() {
        let root = fixture("order");
        for order in [[0, 1], [1, 0]] {
            let given = [(root.join("a"), READ), (root.join("a/b/c"), WRITE)];
            let mut held = Held::new().unwrap();
            for at in order {
                held.hold(&given[at].0, given[at].1, Only::All).unwrap();
            }
            assert_eq!(rights_at(&held, &root), Some(ABOVE), "above: to be named only");
            assert_eq!(rights_at(&held, &root.join("a/x/y")), Some(READ));
            assert_eq!(rights_at(&held, &root.join("a/b")), Some(READ), "on the way, and held");
            assert_eq!(rights_at(&held, &root.join("a/b/d")), Some(READ));
            assert_eq!(rights_at(&held, &root.join("a/b/c/d")), Some(WRITE));
            assert_eq!(rights_at(&held, &root.join("elsewhere")), None);
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_directory_held_through_a_link_is_held_where_it_lies_and_the_link_is_kept() {
        let root = fixture("link");
        let mut held = Held::new().unwrap();
        held.hold(&root.join("link/c"), WRITE, Only::All).unwrap();
        assert_eq!(rights_at(&held, &root.join("a/b/c")), Some(WRITE));
        let through = root.join("link/c");
        let (link, rest) = held.descend(through.as_os_str().as_bytes());
        assert!(matches!(held.what(link), What::Link(text) if text == b"a/b"));
        assert_eq!(rest, b"c");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn of_a_library_directory_only_shared_objects_can_be_opened() {
        let root = fixture("libraries");
        let mut held = Held::new().unwrap();
        let node = held.hold(&root.join("a"), READ, Only::Libraries).unwrap();
        assert_eq!(held.rights_of_name(node, b"libc.so.6"), READ);
        assert_eq!(held.rights_of_name(node, b"passwd"), ABOVE);
        // What is held in full stays so.
        let node = held.hold(&root.join("a"), WRITE, Only::All).unwrap();
        held.hold(&root.join("a"), READ, Only::Libraries).unwrap();
        assert_eq!(held.rights_of_name(node, b"passwd"), WRITE);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn every_name_on_the_way_to_something_held_is_fixed() {
        let root = fixture("fixed");
        let mut held = Held::new().unwrap();
        held.hold(&root, WRITE, Only::All).unwrap();
        held.hold(&root.join("a/b/c"), READ, Only::All).unwrap();
        for name in ["", "a", "a/b", "a/b/c"] {
            assert!(held.is_node(root.join(name).as_os_str().as_bytes()), "{name:?}");
        }
        assert!(!held.is_node(root.join("a/d").as_os_str().as_bytes()));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn mountinfo_s_escapes_are_undone() {
        assert_eq!(unescape(br"/mnt/a\040b\134c"), br"/mnt/a b\c");
        assert_eq!(unescape(br"\04"), br"\04");
    }
}
