//! bindat and connectat: Unix sockets and paths beneath a directory. The address is in memory; the monitor copies it, and the
//! caller's socket, and acts on the copies.
//!
//! The kernel tells peers the path that it was given, and looks it up itself. So a socket is bound from within the directory
//! that the path leads to, by the last name: there is nothing to follow then. It is connected by a handle of what the path
//! leads to, for nobody is told how a socket was found.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity;
use crate::listener::Answer;
use crate::lookup::{Last, Start, own_link};
use crate::sys;
use rights::Rights;
use std::os::fd::{AsFd, OwnedFd};

/// The longest address that is looked at: FreeBSD's SOCK_MAXADDRLEN.
const ADDRESS_MAX: usize = 255;
/// `struct sockaddr_un`, and where in it the path begins.
const SIZE: usize = size_of::<libc::sockaddr_un>();
const PATH_AT: usize = 2;

/// Where these calls have their arguments.
const DIRECTORY: usize = 0;
const SOCKET: usize = 1;
const ADDRESS: usize = 2;
const LENGTH: usize = 3;

/// `struct sockaddr_un` with a path, and a NUL if there is room.
fn address_of(path: &[u8]) -> Vec<u8> {
    let mut address = [&(libc::AF_UNIX as u16).to_ne_bytes(), path, &[0]].concat();
    address.truncate(SIZE);
    address
}

/// Whether an address is a name that lies in no directory.
fn is_abstract(address: &[u8]) -> bool {
    matches!(address[PATH_AT..], [0, _, ..])
}

/// The path in an address.
fn path_in(address: &[u8]) -> Result<&[u8], Fail> {
    let family = address.first_chunk().map(|family| i32::from(u16::from_ne_bytes(*family)));
    if family.ok_or(Errno::INVAL)? != libc::AF_UNIX {
        return Err(Errno(libc::EAFNOSUPPORT).into());
    }
    if address.len() > SIZE {
        return Err(Errno::INVAL.into());
    }
    match &address[PATH_AT..] {
        [] => Err(Errno::INVAL.into()),
        path => Ok(path.split(|&byte| byte == 0).next().unwrap_or_default()),
    }
}

impl Service<'_> {
    pub(super) fn bind(&self) -> Served {
        let (socket, start) = self.socket_and_start()?;
        let needs = self.call.needs(ADDRESS, self.caller.args());
        let place = start.place(needs)?;
        if let b".." | b"../" = place.name.as_bytes() {
            // It is taken, if it is beneath the directory at all.
            start.handle(Last::Follow, needs)?;
        }
        if place.fixed {
            return Err(Errno(libc::EADDRINUSE).into());
        }
        self.take_umask()?;
        let address = address_of(place.name.as_bytes());
        sys::within(place.dir(), || sys::bind(socket.as_fd(), &address))?;
        Ok(Answer::Value(0))
    }

    pub(super) fn connect(&self) -> Served {
        let (socket, start) = self.socket_and_start()?;
        let found = start.handle(Last::Follow, self.call.needs(ADDRESS, self.caller.args()))?;
        if sys::stat(found.as_fd())?.st_mode & libc::S_IFMT != libc::S_IFSOCK {
            return Err(Errno(libc::ENOTSOCK).into());
        }
        if !identity::has_proc() {
            return Err(Fail::lacking("a socket, to which only procfs leads", Rights::NONE));
        }
        // Many may wait, and none is to keep more than it needs.
        drop(start);
        self.connect_to(&socket, &address_of(own_link(found.as_fd()).as_bytes()))
    }

    /// Connects as the caller would: until it has a signal to handle, if the other side has no room.
    fn connect_to(&self, socket: &OwnedFd, address: &[u8]) -> Served {
        let kind = rustix::net::sockopt::socket_type(socket).map_err(|errno| Errno(errno.raw_os_error()))?;
        if kind == rustix::net::SocketType::DGRAM {
            // There is nothing to wait for, and nothing is told of who connects.
            sys::connect(socket.as_fd(), address)?;
            return Ok(Answer::Value(0));
        }
        self.is_monitors_user()?;
        if !self.watch.has_room() {
            return Err(Errno::AGAIN.into());
        }
        // Also of a socket that does not wait: another thread may change that by now.
        let blocking = self.watch.enter(self.caller);
        if sys::fcntl(socket.as_fd(), libc::F_GETFL, 0)? as i32 & libc::O_NONBLOCK == 0 {
            blocking.for_long();
        }
        let connected = sys::connect(socket.as_fd(), address);
        match (connected, blocking.leave()) {
            // With a timeout it is not made again, for it would wait as long again.
            (Err(Errno::INTR), true) if !sys::has_send_timeout(socket.as_fd())? => {
                Err(Errno::RESTARTSYS.into())
            }
            (connected, _) => Ok(connected.map(|()| Answer::Value(0))?),
        }
    }

    /// Refused unless the caller is the monitor's user: the other side is told the monitor's number, and who asks after that
    /// would take the caller for the monitor's user.
    pub(super) fn is_monitors_user(&self) -> Result<(), Errno> {
        let own = self.caller.processes().own_identity().real_user();
        let is_other = self.identity.as_ref().is_some_and(|identity| identity.real_user() != own);
        if is_other { Err(Errno::PERM) } else { Ok(()) }
    }

    /// A copy of the caller's socket, and where the path of the address starts. What is wrong is told in FreeBSD's order.
    fn socket_and_start(&self) -> Result<(OwnedFd, Start<'_>), Fail> {
        let address = self.socket_address()?;
        let socket = self.descriptor(self.int(SOCKET), self.call.needs(SOCKET, self.caller.args()))?;
        if !sys::is_unix(socket.as_fd())? {
            return Err(Errno::OPNOTSUPP.into());
        }
        let path = path_in(&address)?.to_vec();
        if is_abstract(&address) {
            let name = super::object::of_address(&address);
            let is_entered = self.caller.is_entered();
            return Err(if is_entered { Fail::outside(name) } else { Fail::lacking(name, Rights::NONE) });
        }
        Ok((socket, self.start_at(self.int(DIRECTORY), path)?))
    }

    fn socket_address(&self) -> Result<Vec<u8>, Fail> {
        let len = self.arg(LENGTH) as u32 as usize;
        if len > ADDRESS_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        if len < PATH_AT {
            return Err(Errno::INVAL.into());
        }
        let mut address = vec![0; len];
        self.caller.read(self.arg(ADDRESS), &mut address)?;
        Ok(address)
    }
}
