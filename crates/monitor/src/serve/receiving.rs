//! recvmsg and recvmmsg, by which descriptors arrive. The monitor receives on a copy of a Unix socket, and gives the caller what
//! came with the limits that it was sent with (`flight`).
//!
//! Where there is no room for ancillary data the call goes on, and other sockets' do: that is in memory, but with a
//! descriptor that is received natively nobody gets more than he may, for of a limited one it is only the stand-in.
//!
//! What cannot be handed on (an O_PATH descriptor, which a supervisor cannot install) is left out, as what there is no
//! room for: MSG_CTRUNC says so.

use super::message::{IOV_MAX, LENGTH_AT, MESSAGE, Parts, is_stream};
use super::{Served, Service};
use crate::errno::Errno;
use crate::fail::Fail;
use crate::listener::Answer;
use crate::sys::{self, CONTROL_HEADER, Received, SCM_PIDFD};
use rights::Limits;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How much of a stream is taken at a time. No datagram of a Unix socket is longer than the other.
const STREAM_CHUNK: usize = 256 << 10;
const DATAGRAM_MAX: usize = 8 << 20;
/// There is no more ancillary data than that.
const CONTROL_MAX: u64 = 16 << 10;

// Where in a `struct msghdr` the results are.
const NAMELEN_AT: u64 = 8;
const CONTROLLEN_AT: u64 = 40;
const FLAGS_AT: u64 = 48;

/// Where the caller wants what is received.
struct Room {
    /// The `struct msghdr`'s address.
    at: u64,
    name: u64,
    namelen: usize,
    parts: Parts,
    control: u64,
    controllen: u64,
}

impl Service<'_> {
    pub(super) fn receive_message(&self) -> Served {
        let address = self.arg(1);
        let Some(socket) = self.receiving_socket(address, 1)? else { return self.check_limits() };
        let (length, _) = self.receive(&socket, address, self.int(2))?;
        Ok(Answer::Value(length as i64))
    }

    pub(super) fn receive_messages(&self) -> Served {
        let (address, mut flags) = (self.arg(1), self.int(3));
        let count = (self.arg(2) & 0xffff_ffff).min(IOV_MAX);
        let Some(socket) = self.receiving_socket(address, count)? else { return self.check_limits() };
        let until = self.time_until(self.arg(4))?;
        let mut received = 0;
        while received < count {
            let at = address.wrapping_add(received * MESSAGE);
            let got = self.receive(&socket, at, flags & !libc::MSG_WAITFORONE).and_then(|(length, got)| {
                self.caller.write(at.wrapping_add(LENGTH_AT), &(length as u32).to_ne_bytes())?;
                Ok(got)
            });
            let got = match got {
                Ok(got) => got,
                Err(Fail::Gone) => return Err(Fail::Gone),
                // What has come counts; the failure comes back with the next call.
                Err(_) if received > 0 => break,
                Err(fail) => return Err(fail),
            };
            received += 1;
            if flags & libc::MSG_WAITFORONE != 0 {
                flags |= libc::MSG_DONTWAIT;
            }
            if got & libc::MSG_OOB != 0 || until.is_some_and(|until| until <= Instant::now()) {
                break;
            }
        }
        if let Some(until) = until.filter(|_| received > 0) {
            let left = until.saturating_duration_since(Instant::now());
            let left = [left.as_secs(), left.subsec_nanos().into()].map(u64::to_ne_bytes);
            self.caller.write(self.arg(4), left.as_flattened())?;
        }
        Ok(Answer::Value(received as i64))
    }

    /// Until when recvmmsg begins to receive another message.
    fn time_until(&self, address: u64) -> Result<Option<Instant>, Fail> {
        if address == 0 {
            return Ok(None);
        }
        let [seconds, nanos] = self.caller.read_words(address)?;
        if seconds > i64::MAX as u64 || nanos >= 1_000_000_000 {
            return Err(Errno::INVAL.into());
        }
        // For longer than there is time is for ever.
        Ok(Instant::now().checked_add(Duration::new(seconds, nanos as u32)))
    }

    /// A copy of the socket, if descriptors may arrive there and there is room for them in one of the messages.
    fn receiving_socket(&self, address: u64, count: u64) -> Result<Option<OwnedFd>, Fail> {
        let has_room = |index| {
            let message = self.caller.read_words(address.wrapping_add(index * MESSAGE));
            // What cannot be read the kernel cannot either, and says so.
            message.is_ok_and(|[.., control, controllen, _flags]: [u64; 7]| control != 0 && controllen != 0)
        };
        if self.caller.standing().is_none() || !(0..count).any(has_room) {
            return Ok(None);
        }
        let socket = self.descriptor(self.int(0), self.call.needs(0, self.caller.args()))?;
        Ok(sys::is_unix(socket.as_fd()).unwrap_or(false).then_some(socket))
    }

    fn room(&self, at: u64) -> Result<Room, Fail> {
        let [name, namelen, iov, iovlen, control, controllen, _flags]: [u64; 7] =
            self.caller.read_words(at)?;
        let namelen = match name {
            0 => 0,
            _ => usize::try_from(namelen as i32).map_err(|_| Errno::INVAL)?,
        };
        if iovlen > IOV_MAX {
            return Err(Errno::MSGSIZE.into());
        }
        let parts = self.parts(iov, iovlen)?;
        let controllen = if control == 0 { 0 } else { controllen };
        Ok(Room { at, name, namelen, parts, control, controllen })
    }

    /// Receives a message: its length, and its flags.
    fn receive(&self, socket: &OwnedFd, address: u64, flags: i32) -> Result<(usize, i32), Fail> {
        let room = self.room(address)?;
        let whole: usize = room.parts.iter().map(|part| part.1).sum();
        let stream = is_stream(socket)?;
        let most = if stream { STREAM_CHUNK } else { DATAGRAM_MAX };
        // A stream's reader that waits for all of it gets it in several pieces; but what comes with a piece ends it.
        let in_pieces =
            stream && flags & libc::MSG_WAITALL != 0 && flags & (libc::MSG_PEEK | libc::MSG_OOB) == 0;
        let mut done = 0;
        loop {
            let piece = (whole - done).min(most);
            let got = match self.receive_once(socket, piece, &room, flags) {
                Err(Fail::Errno(_)) if done > 0 => return Ok((done, 0)),
                got => got?,
            };
            self.scatter(&room.parts, done, &got.data)?;
            let (length, is_last) = (got.length, got.length < piece || !got.control.is_empty());
            let flags = self.deliver(got, &room, flags)?;
            done += length;
            if !in_pieces || is_last || done >= whole {
                return Ok((done, flags));
            }
        }
    }

    fn receive_once(&self, socket: &OwnedFd, most: usize, room: &Room, flags: i32) -> Result<Received, Fail> {
        let control = room.controllen.min(CONTROL_MAX) as usize;
        let blocking = self.watch.enter(self.caller);
        if flags & libc::MSG_DONTWAIT == 0 && sys::poll(socket.as_fd(), libc::POLLIN, 0) == Ok(0) {
            if !self.watch.has_room() {
                return Err(Errno::NOMEM.into());
            }
            blocking.for_long();
        }
        loop {
            match sys::recvmsg(socket.as_fd(), most, control, flags | libc::MSG_CMSG_CLOEXEC) {
                Err(Errno::INTR) if blocking.is_interrupted() => break,
                Err(Errno::INTR) => {}
                got => return Ok(got?),
            }
        }
        // With a time of its own a socket does not begin anew.
        let is_timed = sys::has_receive_timeout(socket.as_fd())?;
        Err(if is_timed { Errno::INTR } else { Errno::RESTARTSYS }.into())
    }

    /// Data to where the caller wants it, from `start` on.
    fn scatter(&self, parts: &Parts, start: usize, data: &[u8]) -> Result<(), Fail> {
        let (mut data, mut skip) = (data, start);
        for &(base, len) in parts {
            let skipped = skip.min(len);
            skip -= skipped;
            let (now, later) = data.split_at((len - skipped).min(data.len()));
            data = later;
            if !now.is_empty() {
                self.caller.write(base.wrapping_add(skipped as u64), now)?;
            }
        }
        Ok(())
    }

    /// Everything but the data to where the caller wants it, and the descriptors to the caller: the message's flags.
    fn deliver(&self, got: Received, room: &Room, asked: i32) -> Result<i32, Fail> {
        let mut flags = got.flags & !libc::MSG_CMSG_CLOEXEC | asked & libc::MSG_CMSG_CLOEXEC;
        let mut control = got.control;
        if !got.fds.is_empty() {
            for (at, _) in &got.fds {
                control[*at..*at + 4].copy_from_slice(&(-1i32).to_ne_bytes());
            }
            // Where they cannot be told of, none is there.
            self.caller.write(room.control, &control)?;
            let came = got.fds.len();
            let numbers = self.hand_over(&control, got.fds, asked & libc::MSG_CMSG_CLOEXEC != 0)?;
            if numbers.len() < came {
                flags |= libc::MSG_CTRUNC;
            }
            control = with_numbers(&control, &numbers);
        }
        if !control.is_empty() {
            self.caller.write(room.control, &control)?;
        }
        if room.name != 0 {
            self.caller.write(room.name, &got.name[..got.name.len().min(room.namelen)])?;
            let len = got.name.len() as u32;
            self.caller.write(room.at.wrapping_add(NAMELEN_AT), &len.to_ne_bytes())?;
        }
        self.caller.write(room.at.wrapping_add(FLAGS_AT), &flags.to_ne_bytes())?;
        let len = control.len() as u64;
        self.caller.write(room.at.wrapping_add(CONTROLLEN_AT), &len.to_ne_bytes())?;
        Ok(flags)
    }

    /// Gives the caller the descriptors that came: where in the ancillary data which number is to be. After one that cannot be
    /// given there are no more, but for one of the sender.
    fn hand_over(
        &self,
        control: &[u8],
        fds: Vec<(usize, OwnedFd)>,
        cloexec: bool,
    ) -> Result<Vec<(usize, i32)>, Fail> {
        let flights = self.caller.processes().flights();
        let pidfds: Vec<usize> = sys::control_messages(control)
            .filter(|(level, kind, _)| (*level, *kind) == (libc::SOL_SOCKET, SCM_PIDFD))
            .map(|(.., at)| at.start)
            .collect();
        let (mut numbers, mut is_full) = (Vec::new(), false);
        for (at, fd) in fds {
            let is_pidfd = pidfds.contains(&at);
            if is_full && !is_pidfd {
                continue;
            }
            let installed = if is_pidfd && is_own_process(&fd) {
                // What this monitor sent. As the kernel of a process that is gone.
                Ok(Answer::Value(-i64::from(libc::ESRCH)))
            } else {
                match flights.arrives(&fd) {
                    Some((real, limits)) => self.install(&real, &limits, cloexec),
                    None => self.install(&fd, &Limits::ALL, cloexec || is_pidfd),
                }
            };
            match installed {
                Ok(Answer::Value(number)) => numbers.push((at, number as i32)),
                Err(Fail::Gone) => return Err(Fail::Gone),
                _ => is_full = true,
            }
        }
        // The stand-ins are gone: so are the copies of what they stood for.
        flights.sweep();
        Ok(numbers)
    }
}

/// Whether a process's descriptor is the monitor's.
fn is_own_process(pidfd: &OwnedFd) -> bool {
    let told = crate::identity::as_monitor(|| {
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))
    });
    let pid = told
        .ok()
        .and_then(|told| told.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok()));
    // Without procfs it cannot be told.
    pid.is_none_or(|pid: i32| pid == std::process::id() as i32)
}

/// The ancillary data with these numbers at these places, and without the places that have none.
fn with_numbers(control: &[u8], numbers: &[(usize, i32)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(control.len());
    for (level, kind, content) in sys::control_messages(control) {
        let has_numbers = level == libc::SOL_SOCKET && matches!(kind, libc::SCM_RIGHTS | SCM_PIDFD);
        let content = if has_numbers {
            let of_this = numbers.iter().filter(|(at, _)| content.contains(at));
            of_this.flat_map(|(_, number)| number.to_ne_bytes()).collect()
        } else {
            control[content].to_vec()
        };
        if has_numbers && content.is_empty() {
            continue;
        }
        out.resize(out.len().next_multiple_of(8), 0);
        out.extend((CONTROL_HEADER + content.len()).to_ne_bytes());
        out.extend(level.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(content);
    }
    // As the kernel counts it: with what the last is filled up with, as far as there was room.
    let len = out.len().next_multiple_of(8).min(control.len());
    out.resize(len.max(out.len()), 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, content: &[u8]) -> Vec<u8> {
        let len = (CONTROL_HEADER + content.len()).to_ne_bytes();
        [&len[..], &level.to_ne_bytes(), &kind.to_ne_bytes(), content].concat()
    }

    #[test]
    fn numbers_are_put_where_they_belong_and_what_has_none_is_left_out() {
        let mut control = message(libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[7; 12]);
        control.resize(32, 0);
        control.extend(message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0xff; 12]));
        control.resize(64, 0);
        control.extend(message(libc::SOL_SOCKET, SCM_PIDFD, &[0xff; 4]));
        control.resize(88, 0);
        let all = with_numbers(&control, &[(48, 3), (52, 4), (56, 5), (80, 9)]);
        assert_eq!(all.len(), control.len());
        assert_eq!(all[..32], control[..32]);
        assert_eq!(all[48..60], [3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(all[80..84], [9, 0, 0, 0]);
        let fewer = with_numbers(&control, &[(48, 3), (80, 9)]);
        assert_eq!(fewer.len(), 80);
        assert_eq!(fewer[32..52], message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[3, 0, 0, 0]));
        assert_eq!(fewer[56..76], message(libc::SOL_SOCKET, SCM_PIDFD, &[9, 0, 0, 0]));
        assert_eq!(with_numbers(&control, &[]), control[..32]);
    }

    #[test]
    fn a_last_message_without_room_to_be_filled_up_is_as_long_as_it_is() {
        let control = message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0xff; 4]);
        assert_eq!(with_numbers(&control, &[(16, 3)]).len(), 20);
    }
}
