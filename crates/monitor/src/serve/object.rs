//! What a denied call was about, in words for the report. Nothing is decided by it.

use crate::caller::Caller;
use policy::{Arg, Call};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The first path, address, command or process among the arguments.
pub fn of_denied(call: &Call, caller: &Caller) -> Vec<u8> {
    let args = caller.args();
    if let Some(namespace) = call.namespace() {
        let value = namespace.value(args);
        return match namespace.find(value) {
            Some(command) => command.name.into(),
            None => format!("{} command {value:#x}", namespace.name).into(),
        };
    }
    for (index, arg) in call.args.iter().enumerate() {
        match arg {
            Arg::Path(_) => {
                if let Ok(path) = caller.path(args[index]) {
                    return path;
                }
            }
            Arg::Addr(_) => {
                let mut bytes = vec![0; args.get(index + 1).map_or(0, |&len| len as u32).min(128) as usize];
                if caller.read(args[index], &mut bytes).is_ok() {
                    return of_address(&bytes);
                }
            }
            Arg::Pid => return format!("process {}", args[index] as i32).into(),
            _ => {}
        }
    }
    Vec::new()
}

/// A socket address in words.
pub fn of_address(bytes: &[u8]) -> Vec<u8> {
    let family = bytes.first_chunk().map_or(0, |two| u16::from_ne_bytes(*two));
    let port = bytes.get(2..4).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    match i32::from(family) {
        libc::AF_UNIX => match bytes.get(2..) {
            Some([0, rest @ ..]) => [b"@", rest].concat(),
            Some(path) => path.split(|&byte| byte == 0).next().unwrap_or_default().to_vec(),
            None => b"unix".to_vec(),
        },
        libc::AF_INET => match bytes.get(4..8).and_then(|four| four.first_chunk::<4>()) {
            Some(&ip) => format!("{}:{port}", Ipv4Addr::from(ip)).into(),
            None => b"inet".to_vec(),
        },
        libc::AF_INET6 => match bytes.get(8..24).and_then(|sixteen| sixteen.first_chunk::<16>()) {
            Some(&ip) => format!("[{}]:{port}", Ipv6Addr::from(ip)).into(),
            None => b"inet6".to_vec(),
        },
        family => format!("address family {family}").into(),
    }
}
