//! Sockets and messages, as the tests of this folder use them.

use crate::call;
use crate::stage::*;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// A pair of Unix sockets.
pub fn pair(kind: i32) -> [OwnedFd; 2] {
    let mut pair = [0i32; 2];
    call!(SYS_socketpair, libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, pair.as_mut_ptr()).unwrap();
    pair.map(|number| own(number.into()))
}

pub fn pipe() -> [OwnedFd; 2] {
    let mut pipe = [0i32; 2];
    call!(SYS_pipe2, pipe.as_mut_ptr(), libc::O_CLOEXEC).unwrap();
    pipe.map(|number| own(number.into()))
}

/// Ancillary data of one message.
pub fn ancillary(kind: i32, content: &[u8]) -> Vec<u8> {
    let header = [(16 + content.len()) as u64, libc::SOL_SOCKET as u64 | (kind as u64) << 32];
    let mut bytes: Vec<u8> = header.map(u64::to_ne_bytes).concat();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

pub fn rights_of(fds: &[RawFd]) -> Vec<u8> {
    ancillary(libc::SCM_RIGHTS, fds.iter().flat_map(|fd| fd.to_ne_bytes()).collect::<Vec<_>>().as_slice())
}

pub fn send_with(socket: &impl AsRawFd, name: &[u8], data: &[u8], control: &[u8]) -> Result<i64, i32> {
    let part = [data.as_ptr() as usize, data.len()];
    let name = if name.is_empty() { [0, 0] } else { [name.as_ptr() as usize, name.len()] };
    let control = if control.is_empty() { [0, 0] } else { [control.as_ptr() as usize, control.len()] };
    let message = [name[0], name[1], part.as_ptr() as usize, 1, control[0], control[1], 0];
    call!(SYS_sendmsg, socket.as_raw_fd(), message.as_ptr(), 0)
}

/// Sends descriptors with some data.
pub fn send(socket: &impl AsRawFd, data: &[u8], fds: &[RawFd]) -> Result<i64, i32> {
    send_with(socket, &[], data, &if fds.is_empty() { Vec::new() } else { rights_of(fds) })
}

/// What came.
#[derive(Debug)]
pub struct Letter {
    pub length: usize,
    pub data: Vec<u8>,
    pub fds: Vec<OwnedFd>,
    /// What else came, by kind.
    pub others: Vec<(i32, Vec<u8>)>,
    pub name: Vec<u8>,
    pub controllen: usize,
    pub flags: i32,
}

/// Receives with so much room for data and ancillary data.
pub fn receive_into(socket: &impl AsRawFd, room: usize, control: usize, flags: i32) -> Result<Letter, i32> {
    let (mut data, mut controls, mut name) = (vec![0u8; room], vec![0u8; control], [0u8; 128]);
    // In two parts, of which the first is short.
    let first = room.min(3);
    let parts = [data.as_mut_ptr() as usize, first, data[first..].as_mut_ptr() as usize, room - first];
    let controls_at = if control == 0 { 0 } else { controls.as_mut_ptr() as usize };
    let mut message =
        [name.as_mut_ptr() as usize, name.len(), parts.as_ptr() as usize, 2, controls_at, control, 0];
    let length = call!(SYS_recvmsg, socket.as_raw_fd(), message.as_mut_ptr(), flags)? as usize;
    data.truncate(length);
    controls.truncate(message[5]);
    let mut letter = Letter {
        length,
        data,
        fds: Vec::new(),
        others: Vec::new(),
        name: name[..message[1] as u32 as usize].to_vec(),
        controllen: message[5],
        flags: message[6] as i32,
    };
    let mut at = 0;
    while at + 16 <= controls.len() {
        let len = usize::from_ne_bytes(controls[at..at + 8].try_into().unwrap());
        let int = |at: usize| i32::from_ne_bytes(controls[at..at + 4].try_into().unwrap());
        assert_eq!(int(at + 8), libc::SOL_SOCKET);
        match int(at + 12) {
            libc::SCM_RIGHTS => {
                letter.fds.extend((at + 16..at + len).step_by(4).map(|at| own(int(at).into())));
            }
            kind => letter.others.push((kind, controls[at + 16..at + len].to_vec())),
        }
        at += len.next_multiple_of(8);
    }
    Ok(letter)
}

pub fn receive(socket: &impl AsRawFd, flags: i32) -> Result<Letter, i32> {
    receive_into(socket, 4096, 256, flags)
}
