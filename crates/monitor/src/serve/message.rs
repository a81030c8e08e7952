//! sendmsg and sendmmsg: everything about a message is in memory, the address and the descriptors too. The monitor
//! copies it and sends the copy. Descriptors ride along as copies of the caller's, limited ones by their stand-ins
//! (`flight`).
//!
//! An address is refused in capability mode. In ordinary mode, where the monitor is asked because some descriptor is limited,
//! it goes along, and so does ancillary data that names an interface or a route. The path of a Unix socket is looked up where
//! the caller would, and the monitor sends to what it found. That takes a procfs, and leads through no link of one, for it
//! is the monitor who looks.

use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::identity::{self, as_monitor};
use crate::listener::Answer;
use crate::lookup::own_link;
use crate::sys::{self, CONTROL_HEADER, OpenHow};
use rights::Rights;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// How much of a stream is taken at a time, and the most of one datagram.
const STREAM_CHUNK: usize = 256 << 10;
const DATAGRAM_MAX: usize = 4 << 20;
/// What a flag may ask of a message that the monitor sends.
const SENT: i32 = libc::MSG_CONFIRM
    | libc::MSG_DONTROUTE
    | libc::MSG_DONTWAIT
    | libc::MSG_EOR
    | libc::MSG_MORE
    | libc::MSG_NOSIGNAL
    | libc::MSG_OOB;
/// The kernel's MAX_RW_COUNT.
const RW_MAX: u64 = 0x7fff_f000;
pub(super) const IOV_MAX: u64 = 1024;
const CONTROL_MAX: u64 = 20480;
const FDS_MAX: usize = 253;
/// In ordinary mode ancillary data of these goes along: it is all in the message. Others' names descriptors or memory, which would
/// be the monitor's (RDS).
const PLAIN_LEVELS: &[i32] = &[
    libc::SOL_SOCKET,
    libc::IPPROTO_IP,
    libc::IPPROTO_IPV6,
    libc::SOL_UDP,
    libc::IPPROTO_SCTP,
    libc::SOL_ALG,
    libc::SOL_TLS,
];
/// `struct sockaddr_storage`, and where in a `struct sockaddr_un` the path begins.
const NAME_MAX: usize = 128;
const PATH_AT: usize = 2;

/// `struct mmsghdr`: a `struct msghdr` and the length that was sent or received.
pub(super) const MESSAGE: u64 = 64;
pub(super) const LENGTH_AT: u64 = 56;

/// Where a message's data lies: addresses and lengths.
pub(super) type Parts = Vec<(u64, usize)>;

/// What of a `struct msghdr` says what is to be sent.
struct Header {
    name: Vec<u8>,
    iov: u64,
    iovlen: u64,
    control: u64,
    controllen: u64,
}

impl Service<'_> {
    pub(super) fn send_message(&self) -> Served {
        let socket = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        let sent = self.send(&socket, self.arg(1), self.int(2))?;
        Ok(Answer::Value(sent as i64))
    }

    pub(super) fn send_messages(&self) -> Served {
        let socket = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        let count = self.arg(2) & 0xffff_ffff;
        for index in 0..count.min(IOV_MAX) {
            let at = self.arg(1).wrapping_add(index * MESSAGE);
            match self.send(&socket, at, self.int(3)) {
                Ok(sent) => self.caller.write(at.wrapping_add(LENGTH_AT), &(sent as u32).to_ne_bytes())?,
                // What was sent before the failure counts; the failure comes back with the next call.
                Err(Fail::Gone) => return Err(Fail::Gone),
                Err(_) if index > 0 => return Ok(Answer::Value(index as i64)),
                Err(fail) => return Err(fail),
            }
        }
        Ok(Answer::Value(count.min(IOV_MAX) as i64))
    }

    /// A socket without an address would be given one, on every interface and a free port: a way in.
    pub(super) fn listen(&self) -> Served {
        let socket = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        if !sys::has_address(socket.as_fd())? {
            return Err(Fail::outside("a socket without an address"));
        }
        if sys::is_unix(socket.as_fd())? {
            self.is_monitors_user()?;
        }
        sys::listen(socket.as_fd(), self.int(1))?;
        Ok(Answer::Value(0))
    }

    fn header(&self, address: u64) -> Result<Header, Fail> {
        let [name, namelen, iov, iovlen, control, controllen, _flags]: [u64; 7] =
            self.caller.read_words(address)?;
        let mut bytes = Vec::new();
        if name != 0 {
            let len = usize::try_from(namelen as i32).map_err(|_| Errno::INVAL)?;
            bytes.resize(len.min(NAME_MAX), 0);
            self.caller.read(name, &mut bytes)?;
        }
        if !bytes.is_empty() && self.caller.is_entered() {
            return Err(Fail::outside(super::object::of_address(&bytes)));
        }
        if iovlen > IOV_MAX {
            return Err(Errno::MSGSIZE.into());
        }
        if controllen > CONTROL_MAX {
            return Err(Errno(libc::ENOBUFS).into());
        }
        Ok(Header { name: bytes, iov, iovlen, control, controllen })
    }

    /// The address to send to, and what it names as long as that is held. A path is the caller's own to look up.
    fn address(&self, name: Vec<u8>) -> Result<(Vec<u8>, Option<OwnedFd>), Fail> {
        let is_path = match name.get(..PATH_AT) {
            Some(family) => {
                family == (libc::AF_UNIX as u16).to_ne_bytes() && name.get(PATH_AT).is_some_and(|&at| at != 0)
            }
            None => false,
        };
        if !is_path {
            return Ok((name, None));
        }
        if !identity::has_proc() {
            return Err(Fail::lacking(super::object::of_address(&name), Rights::NONE));
        }
        let path = name[PATH_AT..].split(|&byte| byte == 0).next().unwrap_or_default();
        let path = CString::new(path).map_err(|_| Errno::INVAL)?;
        let of_caller = |name| {
            let link =
                CString::new(format!("/proc/{}/{name}", self.caller.tid())).map_err(|_| Errno::INVAL)?;
            as_monitor(|| sys::open_path(&link, libc::O_PATH | libc::O_DIRECTORY, 0))
        };
        let root = of_caller("root")?;
        let is_absolute = path.as_bytes().starts_with(b"/");
        let start = if is_absolute { None } else { Some(of_caller("cwd")?) };
        self.caller.still_there()?;
        let within = match sys::is_own_root(root.as_fd())? {
            true => 0,
            false if is_absolute => libc::RESOLVE_IN_ROOT,
            // In a root of its own, where an absolute link leads is not to be told from within.
            false => libc::RESOLVE_BENEATH,
        };
        let resolve = within | libc::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow { flags: (libc::O_PATH | libc::O_CLOEXEC) as u64, mode: 0, resolve };
        let found = match sys::openat2(start.as_ref().unwrap_or(&root).as_fd(), &path, &how) {
            Err(Errno::XDEV | Errno::LOOP) => {
                return Err(Fail::lacking(super::object::of_address(&name), Rights::NONE));
            }
            found => found?,
        };
        let link = own_link(found.as_fd());
        let name = [(libc::AF_UNIX as u16).to_ne_bytes().as_slice(), link.as_bytes_with_nul()].concat();
        Ok((name, Some(found)))
    }

    fn send(&self, socket: &OwnedFd, address: u64, flags: i32) -> Result<usize, Fail> {
        // The kernel would send the monitor's memory later, whatever it holds by then. So a program is told, as of the
        // memory that may be lent being used up, to send without.
        if flags & libc::MSG_ZEROCOPY != 0 {
            return Err(Errno(libc::ENOBUFS).into());
        }
        let header = self.header(address)?;
        let stream = is_stream(socket)?;
        let own = self.caller.processes().own_identity().real_user();
        if self.identity.as_ref().is_some_and(|identity| identity.real_user() != own)
            && sys::is_unix(socket.as_fd())?
        {
            // The receiver would be told that the monitor's user sent it.
            return Err(Errno::PERM.into());
        }
        let blocks = flags & libc::MSG_DONTWAIT == 0
            && sys::fcntl(socket.as_fd(), libc::F_GETFL, 0)? as i32 & libc::O_NONBLOCK == 0;
        let parts = self.parts(header.iov, header.iovlen)?;
        let whole: usize = parts.iter().map(|part| part.1).sum();
        if !stream && whole > DATAGRAM_MAX {
            return Err(Errno::MSGSIZE.into());
        }
        let (mut control, _held) = self.control(&header)?;
        // A connected stream takes no address, and says so.
        let (name, _named) = if stream { (header.name, None) } else { self.address(header.name)? };
        let now = flags & SENT | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let mut sent = 0;
        loop {
            let most = if stream { STREAM_CHUNK } else { DATAGRAM_MAX };
            let data = match self.gather(&parts, sent, most) {
                Err(Fail::Errno(_)) if sent > 0 => return Ok(sent),
                data => data?,
            };
            match sys::sendmsg(socket.as_fd(), &name, &data, &control, now).map_err(Fail::from) {
                Ok(len) => sent += len,
                Err(Fail::Errno(Errno::AGAIN)) if blocks => {
                    // Many may wait, and none is to keep its data here meanwhile.
                    drop(data);
                    match self.wait_until(socket, libc::POLLOUT) {
                        Err(Fail::Errno(_)) if sent > 0 => return Ok(sent),
                        waited => waited?,
                    }
                    continue;
                }
                // What has gone counts; the failure comes back with the next call.
                Err(Fail::Errno(_)) if sent > 0 => return Ok(sent),
                Err(Fail::Errno(Errno(libc::EPIPE))) => {
                    if stream && flags & libc::MSG_NOSIGNAL == 0 {
                        // It stays pending until the caller has its answer.
                        sys::signal_thread(self.caller.process(), self.caller.tid(), libc::SIGPIPE);
                    }
                    return Err(Errno(libc::EPIPE).into());
                }
                Err(fail) => return Err(fail),
            }
            // Descriptors go with the first byte, and not again.
            control.clear();
            if !stream || !blocks || sent >= whole {
                return Ok(sent);
            }
        }
    }

    /// Waits for the socket as the caller would: until it dies, or a signal is there that would interrupt it.
    fn wait_until(&self, socket: &OwnedFd, events: i16) -> Result<(), Fail> {
        let blocking = self.watch.enter(self.caller);
        blocking.for_long();
        loop {
            match sys::poll(socket.as_fd(), events, 50) {
                Ok(0) => {}
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            // Without procfs it is made again, so that a signal is seen.
            if self.caller.status().is_ok_and(|status| status.signals.interrupting(None) == 0) {
                continue;
            }
            self.caller.still_there().map_err(|_| Fail::Gone)?;
            return Err(Errno::RESTARTSYS.into());
        }
    }

    /// Where a message's data lies, by its `struct iovec`s.
    pub(super) fn parts(&self, iov: u64, count: u64) -> Result<Parts, Fail> {
        let mut bytes = vec![0u8; count as usize * 16];
        self.caller.read(iov, &mut bytes)?;
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        let mut whole = 0u64;
        let mut parts = Vec::new();
        for entry in bytes.chunks_exact(16) {
            let (base, len) = (word(&entry[..8]), word(&entry[8..]));
            // As the kernel: a length that is no ssize_t is EINVAL, and the whole is cut at MAX_RW_COUNT.
            if len > i64::MAX as u64 {
                return Err(Errno::INVAL.into());
            }
            let len = len.min(RW_MAX - whole);
            whole += len;
            parts.push((base, len as usize));
        }
        Ok(parts)
    }

    /// Up to `most` bytes of the data from `start` on.
    fn gather(&self, parts: &[(u64, usize)], start: usize, most: usize) -> Result<Vec<u8>, Fail> {
        let (mut data, mut skip) = (Vec::new(), start);
        for &(base, len) in parts {
            let skipped = skip.min(len);
            skip -= skipped;
            let len = (len - skipped).min(most - data.len());
            if len > 0 {
                let end = data.len();
                data.resize(end + len, 0);
                self.caller.read(base.wrapping_add(skipped as u64), &mut data[end..])?;
            }
        }
        Ok(data)
    }

    /// Refused unless a `struct ucred` is the caller's: the kernel would ask whether it is the monitor's, or let a
    /// privileged monitor claim any.
    fn own_credentials(&self, ucred: &[u8]) -> Result<(), Fail> {
        let mut words = ucred.chunks_exact(4).map(|word| word.try_into().map_or(0, u32::from_ne_bytes));
        let (Some(pid), Some(user), Some(group)) = (words.next(), words.next(), words.next()) else {
            return Err(Errno::INVAL.into());
        };
        if pid != self.caller.process() {
            return Err(Fail::outside(format!("credentials of process {pid}")));
        }
        let identity = self.caller.status()?.identity;
        if identity.real_user() != user || !identity.has_group(group) {
            Err(Errno::PERM.into())
        } else {
            Ok(())
        }
    }

    /// The control data with the caller's descriptors replaced by copies or stand-ins, and those.
    fn control(&self, header: &Header) -> Result<(Vec<u8>, Vec<OwnedFd>), Fail> {
        if header.control == 0 || header.controllen == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut control = vec![0; header.controllen as usize];
        self.caller.read(header.control, &mut control)?;
        let mut held = Vec::new();
        let mut at = 0;
        while at + CONTROL_HEADER <= control.len() {
            let len = u64::from_ne_bytes(control[at..at + 8].try_into().unwrap_or_default());
            let int =
                |from: usize| i32::from_ne_bytes(control[from..from + 4].try_into().unwrap_or_default());
            let (level, kind) = (int(at + 8), int(at + 12));
            if len < CONTROL_HEADER as u64 || len > (control.len() - at) as u64 {
                return Err(Errno::INVAL.into());
            }
            let end = at + len as usize;
            if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                for slot in (at + CONTROL_HEADER..end).step_by(4) {
                    if slot + 4 > end {
                        break;
                    }
                    if held.len() >= FDS_MAX {
                        return Err(Errno::INVAL.into());
                    }
                    let number = i32::from_ne_bytes(control[slot..slot + 4].try_into().unwrap_or_default());
                    let (mut sent, limits) = self.caller.limited(number)?;
                    if !limits.is_all() {
                        sent = self.caller.processes().flights().departs(sent, limits)?;
                    }
                    control[slot..slot + 4].copy_from_slice(&sent.as_raw_fd().to_ne_bytes());
                    held.push(sent);
                }
            }
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {}
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                    self.own_credentials(&control[at + CONTROL_HEADER..end])?
                }
                // How a datagram is cut up, and what it is marked with. Others name interfaces and routes.
                (libc::SOL_UDP, libc::UDP_SEGMENT) | (libc::IPPROTO_IP, libc::IP_TOS | libc::IP_TTL) => {}
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS | libc::IPV6_HOPLIMIT) => {}
                _ if !self.caller.is_entered() && PLAIN_LEVELS.contains(&level) => {}
                _ => return Err(Fail::outside(format!("control message {kind} of level {level}"))),
            }
            at += (len as usize).next_multiple_of(8);
        }
        Ok((control, held))
    }
}

/// Whether a socket is a stream, which has no messages.
pub(super) fn is_stream(socket: &OwnedFd) -> Result<bool, Errno> {
    let kind = rustix::net::sockopt::socket_type(socket).map_err(|errno| Errno(errno.raw_os_error()))?;
    Ok(kind == rustix::net::SocketType::STREAM)
}
