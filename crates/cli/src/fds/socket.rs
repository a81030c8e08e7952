//! What the kernel tells of a socket: by a copy of the descriptor, which is only asked.

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType, ipproto, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde::Serialize;

/// A socket.
#[derive(Debug, Serialize)]
pub struct Socket {
    /// Of which protocol: unix, tcp, udp6, …
    protocol: String,
    /// stream, dgram, seqpacket, raw.
    kind: &'static str,
    /// Its address, if it has one.
    local: Option<String>,
    /// Whom it is connected to.
    peer: Option<String>,
    listening: bool,
}

/// None: we may not copy it, or it is a kind of socket that tells nothing.
pub fn of(pid: u32, fd: i32) -> Option<Socket> {
    let pid = Pid::from_raw(pid.try_into().ok()?)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let socket = pidfd_getfd(process, fd, PidfdGetfdFlags::empty()).ok()?;
    let kind = sockopt::socket_type(&socket).ok()?;
    let family = sockopt::socket_domain(&socket).ok()?;
    let protocol = sockopt::socket_protocol(&socket).ok().flatten();
    Some(Socket {
        protocol: protocol_name(family, protocol),
        kind: kind_name(kind),
        local: rustix::net::getsockname(&socket).ok().and_then(address),
        peer: rustix::net::getpeername(&socket).ok().flatten().and_then(address),
        listening: sockopt::socket_acceptconn(&socket).unwrap_or(false),
    })
}

fn kind_name(kind: SocketType) -> &'static str {
    match kind {
        SocketType::STREAM => "stream",
        SocketType::DGRAM => "dgram",
        SocketType::SEQPACKET => "seqpacket",
        SocketType::RAW => "raw",
        SocketType::RDM => "rdm",
        _ => "unknown",
    }
}

fn protocol_name(family: AddressFamily, protocol: Option<rustix::net::Protocol>) -> String {
    let six = if family == AddressFamily::INET6 { "6" } else { "" };
    match family {
        AddressFamily::UNIX => "unix".into(),
        AddressFamily::NETLINK => "netlink".into(),
        AddressFamily::PACKET => "packet".into(),
        AddressFamily::VSOCK => "vsock".into(),
        AddressFamily::INET | AddressFamily::INET6 => match protocol {
            Some(ipproto::TCP) => format!("tcp{six}"),
            Some(ipproto::UDP) => format!("udp{six}"),
            Some(ipproto::ICMP | ipproto::ICMPV6) => format!("icmp{six}"),
            Some(ipproto::SCTP) => format!("sctp{six}"),
            _ => format!("ip{six}"),
        },
        other => format!("family {}", other.as_raw()),
    }
}

/// None: it has no name.
fn address(any: SocketAddrAny) -> Option<String> {
    match any.address_family() {
        AddressFamily::INET | AddressFamily::INET6 => {
            let address = std::net::SocketAddr::try_from(any).ok()?;
            // What is bound to nothing has a name of zeroes.
            (address.port() != 0).then(|| address.to_string())
        }
        AddressFamily::UNIX => {
            let address = SocketAddrUnix::try_from(any).ok()?;
            // One without a name has an empty one here.
            if let Some(name) = address.abstract_name().filter(|name| !name.is_empty()) {
                return Some(format!("@{}", String::from_utf8_lossy(name)));
            }
            let path = address.path()?;
            (!path.is_empty()).then(|| path.to_string_lossy().into_owned())
        }
        _ => None,
    }
}

impl Socket {
    /// In one line. `name` is what the kernel calls it, for one that has no address.
    pub fn told(&self, name: &str) -> String {
        let kind = if self.protocol.starts_with("tcp") || self.protocol.starts_with("udp") {
            self.protocol.clone()
        } else {
            format!("{} {}", self.protocol, self.kind)
        };
        let ends = match (&self.local, &self.peer) {
            (Some(local), Some(peer)) => format!("{local} -> {peer}"),
            (None, Some(peer)) => format!("{name} -> {peer}"),
            (Some(local), None) => local.clone(),
            (None, None) => name.to_owned(),
        };
        format!("{kind} {ends}{}", if self.listening { " (listening)" } else { "" })
    }
}
