//! Paths without a directory, the working directory, mounts, and names that outlive every directory: all global.

use crate::raw::{at, of, word};
use crate::scene::{self, before};
use crate::stage::{Recipe, Stage, absent, denied};

pub const RECIPES: &[Recipe] = &[
    ("opening by path", opening),
    ("status by path", status),
    ("names by path", names),
    ("attributes by path", attributes),
    ("extended attributes by path", extended),
    ("calls too new", too_new),
    ("the working directory", working_directory),
    ("the root", root),
    ("execve", execve),
    ("fanotify", fanotify),
    ("file handles", handles),
    ("mounts", mounts),
    ("parts of mounts", parts_of_mounts),
    ("file systems by number", file_systems),
];

const FDCWD: i32 = libc::AT_FDCWD;

fn opening(t: &mut Stage) {
    let file = t.path("in/file");
    t.enter();
    for path in [c"file", &file, c"/", c"/etc/passwd", c"/dev/null", c"/proc/self/status", c"missing", c""] {
        denied!(t, open(path, libc::O_RDONLY, 0));
        denied!(t, open(path, libc::O_PATH, 0));
    }
    denied!(t, open(0, 0, 0));
    denied!(t, open(c"made", libc::O_CREAT | libc::O_RDWR, 0o600));
    denied!(t, creat(c"made", 0o600));
    denied!(t, creat(file.as_c_str(), 0o600));
    denied!(t, creat(16, 0));
    denied!(t, truncate(c"file", 1));
    denied!(t, truncate(file.as_c_str(), 1));
}

fn status(t: &mut Stage) {
    let mut out = [0u64; 64];
    let file = t.path("in/file");
    t.enter();
    for path in [c"file", &file, c"/"] {
        denied!(t, stat(path, at(&mut out)));
        denied!(t, lstat(path, at(&mut out)));
        denied!(t, access(path, libc::R_OK));
        denied!(t, statfs(path, at(&mut out)));
    }
    denied!(t, stat(0, 0));
    denied!(t, readlink(c"link", at(&mut out), 64));
    denied!(t, readlink(t.path("in/link").as_c_str(), at(&mut out), 64));
    t.see("nothing written", out.iter().all(|&word| word == 0) || !pimento::sandboxed());
}

fn names(t: &mut Stage) {
    let (made, file) = (t.path("in/made"), t.path("in/file"));
    t.enter();
    denied!(t, mkdir(c"new", 0o755));
    denied!(t, mkdir(made.as_c_str(), 0o755));
    denied!(t, rmdir(c"empty"));
    denied!(t, mknod(c"fifo", libc::S_IFIFO | 0o644, 0));
    denied!(t, link(c"file", c"hard"));
    denied!(t, link(file.as_c_str(), c"harder"));
    denied!(t, symlink(c"file", c"soft"));
    denied!(t, rename(c"other", c"renamed"));
    denied!(t, rename(c"file", t.path("outside/taken").as_c_str()));
    denied!(t, unlink(c"program"));
    denied!(t, unlink(t.path("outside/secret").as_c_str()));
}

fn attributes(t: &mut Stage) {
    let (past, micro, seconds) = ([1i64, 0, 1, 0], [1i64, 0, 1, 0], [1i64, 1]);
    let file = t.path("in/file");
    t.enter();
    for path in [c"file", &file] {
        denied!(t, chmod(path, 0o600));
        denied!(t, chown(path, -1, -1));
        denied!(t, lchown(path, -1, -1));
        denied!(t, utime(path, of(&seconds)));
        denied!(t, utimes(path, of(&micro)));
    }
    denied!(t, utimes(c"file", 0));
    denied!(t, utimensat(FDCWD, c"file", of(&past), 0));
}

fn extended(t: &mut Stage) {
    let name = c"user.pimento";
    let mut out = [0u8; 64];
    t.enter();
    denied!(t, setxattr(c"file", name, of(b"value"), 5, 0));
    denied!(t, getxattr(c"file", name, at(&mut out), 64));
    denied!(t, lgetxattr(c"file", name, at(&mut out), 64));
    denied!(t, listxattr(c"file", at(&mut out), 64));
    denied!(t, llistxattr(c"file", at(&mut out), 64));
    denied!(t, removexattr(c"file", name));
    denied!(t, lsetxattr(c"file", name, of(b"value"), 5, 0));
    denied!(t, lremovexattr(c"file", name));
}

fn too_new(t: &mut Stage) {
    let dir = scene::dir();
    let mut out = [0u8; 64];
    // `struct xattr_args`: value, size, flags.
    let set = [of(b"value"), 5];
    let get = [at(&mut out), 64];
    let mut attributes = [0u64; 4];
    let name = c"user.pimento";
    t.enter();
    for dir in [dir, FDCWD] {
        absent!(t, setxattrat(dir, c"file", 0, name, of(&set), 16));
        absent!(t, getxattrat(dir, c"file", 0, name, of(&get), 16));
        absent!(t, listxattrat(dir, c"file", 0, at(&mut out), 64));
        absent!(t, removexattrat(dir, c"file", 0, name));
        absent!(t, file_getattr(dir, c"file", at(&mut attributes), 24, 0));
        absent!(t, file_setattr(dir, c"file", at(&mut attributes), 24, 0));
    }
}

fn working_directory(t: &mut Stage) {
    let dir = scene::dir();
    let mut out = [0u8; 256];
    t.enter();
    denied!(t, getcwd(at(&mut out), 256));
    denied!(t, getcwd(0, 0));
    denied!(t, fchdir(dir));
    denied!(t, fchdir(99));
    denied!(t, chdir(c"sub"));
    denied!(t, chdir(c"/"));
    denied!(t, chdir(0));
}

fn root(t: &mut Stage) {
    t.enter();
    denied!(t, pivot_root(c"sub", c"sub"));
    denied!(t, uselib(c"program"));
    denied!(t, chroot(c"sub"));
    denied!(t, chroot(c"/"));
}

fn execve(t: &mut Stage) {
    let program = t.path("in/program");
    t.enter();
    let (argv, envp) = ([word(c"program"), 0], [0u64]);
    denied!(t, execve(c"missing", of(&argv), of(&envp)));
    denied!(t, execve(0, 0, 0));
    denied!(t, execve(program.as_c_str(), of(&argv), of(&envp)));
    denied!(t, execve(c"/bin/true", of(&argv), of(&envp)));
    denied!(t, execve(c"program", of(&argv), of(&envp)));
}

fn is_root() -> bool {
    before(libc::SYS_geteuid, &[]) == 0
}

fn fanotify(t: &mut Stage) {
    let group = scene::perhaps(libc::SYS_fanotify_init, &[0, 0]);
    let dir = scene::dir();
    t.enter();
    denied!(t, fanotify_init(0, 0));
    denied!(t, fanotify_init(0x200, 0));
    let (add, open) = (1, 0x20);
    denied!(t, fanotify_mark(group, add, open, dir, c"file"));
    denied!(t, fanotify_mark(group, add, open, FDCWD, c"file"));
}

fn handles(t: &mut Stage) {
    let dir = scene::dir();
    // `struct file_handle`: room, kind, the handle.
    let mut handle = [0u32; 34];
    let mut mount = 0i32;
    handle[0] = 128;
    scene::perhaps(
        libc::SYS_name_to_handle_at,
        &[word(dir), word(c"file"), at(&mut handle), at(&mut mount), 0],
    );
    let mut again = [0u32; 34];
    again[0] = 128;
    t.enter();
    denied!(t, open_by_handle_at(dir, of(&handle), libc::O_RDONLY));
    denied!(t, name_to_handle_at(dir, c"file", at(&mut again), at(&mut mount), 0));
    denied!(t, name_to_handle_at(dir, c"", at(&mut again), at(&mut mount), libc::AT_EMPTY_PATH));
    denied!(t, name_to_handle_at(FDCWD, c"file", at(&mut again), at(&mut mount), 0));
}

/// Root has a mount namespace of its own for it.
fn mount_namespace() {
    if is_root() {
        before(libc::SYS_unshare, &[libc::CLONE_NEWNS as u64]);
        let private = libc::MS_REC | libc::MS_PRIVATE;
        before(libc::SYS_mount, &[word(c"none"), word(c"/"), 0, private, 0]);
    }
}

fn mounts(t: &mut Stage) {
    mount_namespace();
    t.enter();
    denied!(t, mount(c"none", c"sub", c"tmpfs", 0, 0));
    denied!(t, mount(c"none", t.path("in/empty").as_c_str(), c"tmpfs", 0, 0));
    denied!(t, mount(0, 0, 0, 0, 0));
    denied!(t, umount2(c"sub", libc::MNT_DETACH));
    // `struct mnt_id_req`: size, descriptor, id (LSMT_ROOT), what is asked (STATMOUNT_SB_BASIC), namespace.
    let (list, mut ids) = ([24u64, u64::MAX, 0], [0u64; 8]);
    denied!(t, listmount(of(&list), at(&mut ids), 8, 0));
    let ask = [24u64, ids[0], 1];
    let mut out = [0u64; 128];
    denied!(t, statmount(of(&ask), at(&mut out), 1024, 0));
}

fn parts_of_mounts(t: &mut Stage) {
    mount_namespace();
    let dir = scene::dir();
    const CREATE: u64 = 6;
    let context = scene::perhaps(libc::SYS_fsopen, &[word(c"tmpfs"), 0]);
    let made = scene::perhaps(libc::SYS_fsopen, &[word(c"tmpfs"), 0]);
    scene::perhaps(libc::SYS_fsconfig, &[word(made), CREATE, 0, 0, 0]);
    scene::perhaps(libc::SYS_mount, &[word(c"none"), word(c"empty"), word(c"tmpfs"), 0, 0]);
    let tree = scene::perhaps(libc::SYS_open_tree, &[word(FDCWD), word(c"empty"), 1]);
    t.enter();
    denied!(t, fsopen(c"tmpfs", 0));
    denied!(t, fsconfig(context, 6, 0, 0, 0));
    denied!(t, fsmount(made, 0, 0));
    denied!(t, fspick(FDCWD, c"empty", 0));
    denied!(t, fspick(dir, c"empty", 0));
    denied!(t, open_tree(dir, c"empty", 1));
    denied!(t, open_tree(FDCWD, c"file", 0));
    // `struct mount_attr`: flags to set, flags to clear, propagation, user namespace.
    let attributes = [1u64, 0, 0, 0];
    denied!(t, open_tree_attr(dir, c"empty", 1, of(&attributes), 32));
    denied!(t, mount_setattr(dir, c"empty", 0, of(&attributes), 32));
    const FROM_DESCRIPTOR: i32 = 4;
    denied!(t, move_mount(tree, c"", dir, c"sub", FROM_DESCRIPTOR));
}

fn file_systems(t: &mut Stage) {
    use std::os::unix::fs::MetadataExt;
    let device = std::fs::metadata("/").map(|meta| meta.dev()).unwrap_or_default();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let dir = scene::dir();
    let mut out = [0u64; 32];
    t.enter();
    // Q_SYNC of all, Q_GETFMT.
    let command = |command: u32| (command << 8) as i32;
    denied!(t, quotactl(command(0x80_0001), 0, 0, 0));
    denied!(t, quotactl(command(0x80_0001), c"/dev/vda", 0, 0));
    denied!(t, quotactl_fd(dir, command(0x80_0004), 0, at(&mut out)));
    denied!(t, ustat((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12), at(&mut out)));
    denied!(t, sysfs(3, 0, 0));
    denied!(t, sysfs(1, c"ext4", 0));
    denied!(t, lookup_dcookie(0, at(&mut out), 32));
}
