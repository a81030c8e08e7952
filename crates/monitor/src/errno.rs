//! The kernel's error numbers, and ours.

/// An error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

// RESTARTSYS, RESTARTNOINTR and RESTARTNOHAND are no errors of a call: the kernel restarts the call, or makes it EINTR, as the pending signal says.
macro_rules! errnos {
    ($($name:ident = $value:expr;)*) => {
        impl Errno {
            $(#[doc = concat!("E", stringify!($name), ".")] pub const $name: Errno = Errno($value);)*
        }
    };
}

errnos! {
    PERM = libc::EPERM;
    NOENT = libc::ENOENT;
    SRCH = libc::ESRCH;
    INTR = libc::EINTR;
    IO = libc::EIO;
    NXIO = libc::ENXIO;
    TOOBIG = libc::E2BIG;
    BADF = libc::EBADF;
    CHILD = libc::ECHILD;
    AGAIN = libc::EAGAIN;
    NOMEM = libc::ENOMEM;
    ACCES = libc::EACCES;
    FAULT = libc::EFAULT;
    BUSY = libc::EBUSY;
    EXIST = libc::EEXIST;
    XDEV = libc::EXDEV;
    NOTDIR = libc::ENOTDIR;
    INVAL = libc::EINVAL;
    NFILE = libc::ENFILE;
    MFILE = libc::EMFILE;
    RANGE = libc::ERANGE;
    NAMETOOLONG = libc::ENAMETOOLONG;
    NOSYS = libc::ENOSYS;
    LOOP = libc::ELOOP;
    OPNOTSUPP = libc::EOPNOTSUPP;
    MSGSIZE = libc::EMSGSIZE;
    NOTCAPABLE = rights::ENOTCAPABLE;
    CAPMODE = rights::ECAPMODE;
    RESTARTSYS = 512;
    RESTARTNOINTR = 513;
    RESTARTNOHAND = 514;
}

impl Errno {
    /// The calling thread's.
    pub fn last() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Errno::NOTCAPABLE => write!(f, "Capabilities insufficient (ENOTCAPABLE)"),
            Errno::CAPMODE => write!(f, "Not permitted in capability mode (ECAPMODE)"),
            Errno(number) => write!(f, "{}", std::io::Error::from_raw_os_error(number)),
        }
    }
}

impl std::error::Error for Errno {}
