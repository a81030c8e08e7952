//! Every right: its name, its bits, and what it allows. One line each, as in FreeBSD's `sys/capsicum.h`.

use crate::Right;

/// A right's row in the table.
///
/// ```
/// let row = &rights::RIGHTS[0];
/// assert_eq!((row.name, row.right), ("CAP_READ", rights::Right::READ));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The constant's name in C, such as `CAP_READ`.
    pub name: &'static str,
    /// The right.
    pub right: Right,
    /// What it allows, in a line.
    pub allows: &'static str,
    /// The name in lower case, without `CAP_`.
    pub(crate) short: &'static str,
}

/// A name in lower case, as bytes to make a constant of.
const fn lower<const N: usize>(name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = name.as_bytes()[i].to_ascii_lowercase();
        i += 1;
    }
    bytes
}

const fn text(bytes: &'static [u8]) -> &'static str {
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("names are ASCII"),
    }
}

macro_rules! rights {
    ($($name:ident $index:literal $bits:literal $($include:ident)* => $allows:literal;)*) => {
        impl Right {
            $(
                #[doc = concat!("`CAP_", stringify!($name), "`: ", $allows, ".")]
                ///
                /// ```
                #[doc = concat!("use rights::Right;\nassert_eq!(Right::from_name(\"CAP_", stringify!($name),
                    "\"), Some(Right::", stringify!($name), "));")]
                /// ```
                pub const $name: Right = Right::new($index, $bits $(| Right::$include.bits())*);
            )*
        }
        /// Every named right, in the order of the manual.
        ///
        /// ```
        /// assert!(rights::RIGHTS.iter().any(|row| row.name == "CAP_PDKILL"));
        /// ```
        pub static RIGHTS: &[Row] = &[$(
            Row { name: concat!("CAP_", stringify!($name)), right: Right::$name, allows: $allows, short: {
                const SHORT: &[u8; stringify!($name).len()] = &lower(stringify!($name));
                text(SHORT)
            } },
        )*];
        pub(crate) const RIGHTS_FLAT: &[Right] = &[$(Right::$name,)*];
    };
}

rights! {
    READ 0 0x1 => "read(2), readv(2), recv family, openat(O_RDONLY), getdents64(2)";
    WRITE 0 0x2 => "write(2), writev(2), send family, openat(O_WRONLY|O_APPEND)";
    SEEK_TELL 0 0x4 => "lseek(fd, 0, SEEK_CUR)";
    SEEK 0 0x8 SEEK_TELL => "lseek(2)";
    PREAD 0 0x0 SEEK READ => "pread(2), preadv(2)";
    PWRITE 0 0x0 SEEK WRITE => "pwrite(2), pwritev(2), openat(O_WRONLY) without O_APPEND";
    MMAP 0 0x10 => "mmap(PROT_NONE)";
    MMAP_R 0 0x0 MMAP SEEK READ => "mmap(PROT_READ)";
    MMAP_W 0 0x0 MMAP SEEK WRITE => "mmap(PROT_WRITE)";
    MMAP_X 0 0x20 MMAP SEEK => "mmap(PROT_EXEC)";
    MMAP_RW 0 0x0 MMAP_R MMAP_W => "mmap(PROT_READ|PROT_WRITE)";
    MMAP_RX 0 0x0 MMAP_R MMAP_X => "mmap(PROT_READ|PROT_EXEC)";
    MMAP_WX 0 0x0 MMAP_W MMAP_X => "mmap(PROT_WRITE|PROT_EXEC)";
    MMAP_RWX 0 0x0 MMAP_R MMAP_W MMAP_X => "mmap(PROT_READ|PROT_WRITE|PROT_EXEC)";
    CREATE 0 0x40 => "openat(O_CREAT)";
    FEXECVE 0 0x80 => "fexecve(3), openat(O_EXEC)";
    FSYNC 0 0x100 => "fsync(2), fdatasync(2), openat(O_SYNC)";
    FTRUNCATE 0 0x200 => "ftruncate(2), openat(O_TRUNC)";
    LOOKUP 0 0x400 => "using the descriptor as the start of an *at(2) lookup";
    FCHDIR 0 0x800 => "fchdir(2)";
    FCHFLAGS 0 0x1000 => "fchflags(2)";
    CHFLAGSAT 0 0x0 FCHFLAGS LOOKUP => "chflagsat(2)";
    FCHMOD 0 0x2000 => "fchmod(2)";
    FCHMODAT 0 0x0 FCHMOD LOOKUP => "fchmodat(2)";
    FCHOWN 0 0x4000 => "fchown(2)";
    FCHOWNAT 0 0x0 FCHOWN LOOKUP => "fchownat(2)";
    FCNTL 0 0x8000 => "fcntl(2) F_GETFL, F_SETFL, F_GETOWN, F_SETOWN (see cap_fcntls_limit)";
    FLOCK 0 0x10000 => "flock(2), fcntl(2) F_SETLK, F_SETLKW, F_GETLK";
    FPATHCONF 0 0x20000 => "fpathconf(2)";
    FSCK 0 0x40000 => "background fsck operations";
    FSTAT 0 0x80000 => "fstat(2)";
    FSTATAT 0 0x0 FSTAT LOOKUP => "fstatat(2), faccessat(2)";
    FSTATFS 0 0x100000 => "fstatfs(2)";
    FUTIMES 0 0x200000 => "futimes(2), futimens(2)";
    FUTIMESAT 0 0x0 FUTIMES LOOKUP => "futimesat(2), utimensat(2)";
    LINKAT_TARGET 0 0x400000 LOOKUP => "linkat(2), the target directory";
    MKDIRAT 0 0x800000 LOOKUP => "mkdirat(2)";
    MKFIFOAT 0 0x1000000 LOOKUP => "mkfifoat(3)";
    MKNODAT 0 0x2000000 LOOKUP => "mknodat(2)";
    RENAMEAT_SOURCE 0 0x4000000 LOOKUP => "renameat(2), the source directory";
    SYMLINKAT 0 0x8000000 LOOKUP => "symlinkat(2)";
    UNLINKAT 0 0x10000000 LOOKUP => "unlinkat(2), and renameat(2) over an existing target";
    ACCEPT 0 0x20000000 => "accept(2), accept4(2)";
    BIND 0 0x40000000 => "bind(2)";
    CONNECT 0 0x80000000 => "connect(2), and sendto/sendmsg with an address";
    GETPEERNAME 0 0x100000000 => "getpeername(2)";
    GETSOCKNAME 0 0x200000000 => "getsockname(2)";
    GETSOCKOPT 0 0x400000000 => "getsockopt(2)";
    LISTEN 0 0x800000000 => "listen(2)";
    PEELOFF 0 0x1000000000 => "sctp_peeloff(3)";
    RECV 0 0x0 READ => "alias of CAP_READ";
    SEND 0 0x0 WRITE => "alias of CAP_WRITE";
    SETSOCKOPT 0 0x2000000000 => "setsockopt(2)";
    SHUTDOWN 0 0x4000000000 => "shutdown(2)";
    BINDAT 0 0x8000000000 LOOKUP => "bindat(2), the directory";
    CONNECTAT 0 0x10000000000 LOOKUP => "connectat(2), the directory";
    LINKAT_SOURCE 0 0x20000000000 LOOKUP => "linkat(2), the source directory";
    RENAMEAT_TARGET 0 0x40000000000 LOOKUP => "renameat(2), the target directory";
    SOCK_CLIENT 0 0x0 CONNECT GETPEERNAME GETSOCKNAME GETSOCKOPT PEELOFF RECV SEND SETSOCKOPT SHUTDOWN => "a client socket's usual rights";
    SOCK_SERVER 0 0x0 ACCEPT BIND GETPEERNAME GETSOCKNAME GETSOCKOPT LISTEN PEELOFF RECV SEND SETSOCKOPT SHUTDOWN => "a server socket's usual rights";
    MAC_GET 1 0x1 => "mac_get_fd(3)";
    MAC_SET 1 0x2 => "mac_set_fd(3)";
    SEM_GETVALUE 1 0x4 => "sem_getvalue(3)";
    SEM_POST 1 0x8 => "sem_post(3)";
    SEM_WAIT 1 0x10 => "sem_wait(3)";
    EVENT 1 0x20 => "poll(2), select(2), epoll on the descriptor";
    KQUEUE_EVENT 1 0x40 => "kevent(2) with an eventlist";
    IOCTL 1 0x80 => "ioctl(2) (see cap_ioctls_limit)";
    TTYHOOK 1 0x100 => "tty hooks";
    PDGETPID 1 0x200 => "pdgetpid(2)";
    PDWAIT 1 0x400 => "pdwait4(2)";
    PDKILL 1 0x800 => "pdkill(2)";
    EXTATTR_DELETE 1 0x1000 => "fremovexattr(2)";
    EXTATTR_GET 1 0x2000 => "fgetxattr(2)";
    EXTATTR_LIST 1 0x4000 => "flistxattr(2)";
    EXTATTR_SET 1 0x8000 => "fsetxattr(2)";
    ACL_CHECK 1 0x10000 => "acl_valid_fd_np(3)";
    ACL_DELETE 1 0x20000 => "acl_delete_fd_np(3)";
    ACL_GET 1 0x40000 => "acl_get_fd(3)";
    ACL_SET 1 0x80000 => "acl_set_fd(3)";
    KQUEUE_CHANGE 1 0x100000 => "kevent(2) with a changelist";
    KQUEUE 1 0x0 KQUEUE_EVENT KQUEUE_CHANGE => "kevent(2)";
    INOTIFY_ADD 1 0x200000 => "inotify_add_watch(2) (FreeBSD 15)";
    INOTIFY_RM 1 0x400000 => "inotify_rm_watch(2) (FreeBSD 15)";
    FSIGNAL 1 0x10000000000 => "signalfd(2) changing the mask; fcntl F_SETSIG, F_GETSIG, F_SETLEASE, F_GETLEASE";
    EPOLL_CTL 1 0x20000000000 => "epoll_ctl(2) on the epoll descriptor";
    NOTIFY 1 0x40000000000 INOTIFY_ADD INOTIFY_RM => "inotify_add_watch, inotify_rm_watch, fanotify_mark, fcntl F_NOTIFY";
    SETNS 1 0x80000000000 => "setns(2)";
    PERFMON 1 0x100000000000 => "perf event descriptors";
    BPF 1 0x200000000000 => "bpf(2) object descriptors";
}
