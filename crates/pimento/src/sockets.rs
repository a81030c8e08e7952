//! Unix sockets, by paths beneath a directory.

#[cfg(target_os = "freebsd")]
use crate::freebsd as system;
#[cfg(target_os = "linux")]
use crate::linux as system;
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn c_string(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Gives a Unix socket an address: FreeBSD's `bindat(2)`. The socket file is made with the permissions that the process's umask
/// leaves, and stays until it is removed.
///
/// In capability mode, and from a [limited](crate::limit) directory, the path has to stay strictly beneath the directory; it
/// takes [`Right::BINDAT`](crate::Right::BINDAT) on that and [`Right::BIND`](crate::Right::BIND) on the socket. Otherwise the
/// path is looked up as openat(2) does.
///
/// - `dir`: a directory to which the path is relative
/// - `socket`: a Unix socket without an address, of any type
/// - `path`: at most 108 bytes on Linux, 104 on FreeBSD
///
/// ```
/// use std::fs::File;
/// use std::os::unix::net::{UnixListener, UnixStream};
///
/// # let path = std::env::temp_dir().join(format!("bind-at-{}", std::process::id()));
/// # std::fs::create_dir(&path)?;
/// let run = File::open(&path)?;
/// let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None)?;
/// pimento::bind_at(&run, &socket, "control")?;
/// rustix::net::listen(&socket, 8)?;
/// let listener = UnixListener::from(socket);
/// assert_eq!(listener.local_addr()?.as_pathname(), Some("control".as_ref()));
/// # std::fs::remove_dir_all(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's ([`io::Error::raw_os_error`]); as bind(2) says, and:
/// - `ENOTCAPABLE` (1093 on Linux): a right is missing, or the path leaves the directory
/// - `ECAPMODE` (1094): in capability mode, of the working directory
/// - `EADDRINUSE`: something is there already
/// - `EINVAL`: the socket has an address, or the path a NUL
/// - `EOPNOTSUPP`: it is no Unix socket
pub fn bind_at(dir: impl AsFd, socket: impl AsFd, path: impl AsRef<Path>) -> io::Result<()> {
    system::bind_at(dir.as_fd(), socket.as_fd(), &c_string(path.as_ref())?)
}

/// Connects a Unix socket to the one at a path: FreeBSD's `connectat(2)`. The process must have permission to write to the
/// socket file.
///
/// In capability mode, and from a [limited](crate::limit) directory, the path has to stay strictly beneath the directory; it
/// takes [`Right::CONNECTAT`](crate::Right::CONNECTAT) on that and [`Right::CONNECT`](crate::Right::CONNECT) on the socket.
/// Otherwise the path is looked up as openat(2) does.
///
/// - `dir`: a directory to which the path is relative
/// - `socket`: a Unix socket, of the type of the one to connect to
/// - `path`: at most 108 bytes on Linux, 104 on FreeBSD
///
/// ```no_run
/// use std::fs::File;
/// use std::os::unix::net::UnixStream;
///
/// let run = File::open("/run")?;
/// let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None)?;
/// pimento::enter()?;
/// pimento::connect_at(&run, &socket, "server/control")?;
/// let stream = UnixStream::from(socket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The system's ([`io::Error::raw_os_error`]); as connect(2) says, and:
/// - `ENOTCAPABLE` (1093 on Linux): a right is missing, or the path leaves the directory
/// - `ECAPMODE` (1094): in capability mode, of the working directory
/// - `ENOTSOCK`: what is there is no socket
/// - `ECONNREFUSED`: nobody listens
/// - `EPROTOTYPE`: it is a socket of another type
/// - `EACCES`: the process may not write to it
/// - `EAGAIN`: nobody has room for the connection, and the socket does not wait (O_NONBLOCK)
/// - `EOPNOTSUPP`: `socket` is no Unix socket
pub fn connect_at(dir: impl AsFd, socket: impl AsFd, path: impl AsRef<Path>) -> io::Result<()> {
    system::connect_at(dir.as_fd(), socket.as_fd(), &c_string(path.as_ref())?)
}
