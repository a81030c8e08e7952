//! The front: the process that was called, while the program runs. It hands signals on, is stopped by the monitor when
//! the program stops, and knows how it ended; and the two ends of its talk with the monitor.

use crate::launch::{Ended, Outcome, Refusal, Step};
use crate::sys::{self, SignalSet};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// What is handed on when another process sends it. What the terminal sends reaches the program by itself.
pub const FORWARDED: &[i32] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGPIPE,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGWINCH,
    libc::SIGURG,
    libc::SIGCONT,
];

/// What the monitor tells the front.
pub enum Message {
    /// The program could not be started.
    Failed { step: u8, errno: i32 },
    /// Something was refused.
    Refused(Refusal),
    /// It ended.
    Ended(Ended),
}

/// Why there is no outcome.
pub enum Failure {
    /// A step failed.
    Step(Step, i32),
    /// The monitor ended without a word.
    Died,
}

/// Blocks the signals that are handed on, so that they can be read, and returns the mask as it was.
pub fn take_signals() -> SignalSet {
    sys::block_signals(FORWARDED.iter().fold(0, |set, &signal| set | sys::signal_bit(signal)))
}

/// Lets go of descriptors beyond the standard ones that the program has now.
pub fn let_go_of_passed(numbers: &[i32]) {
    for &number in numbers.iter().filter(|&&number| number > 2) {
        sys::close(number);
    }
}

/// Lets go of standard descriptors that the program has now: only with its own ends does a pipe end.
pub fn let_go(numbers: &[i32]) {
    use rustix::io::{FdFlags, fcntl_getfd};
    use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stderr, stdin, stdout};
    let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") else { return };
    // One that was closed from the start may be a descriptor of ours by now. Those are not passed on.
    let passed =
        |flags: rustix::io::Result<FdFlags>| flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC));
    for number in numbers {
        let _ = match number {
            0 if passed(fcntl_getfd(stdin())) => dup2_stdin(&null),
            1 if passed(fcntl_getfd(stdout())) => dup2_stdout(&null),
            2 if passed(fcntl_getfd(stderr())) => dup2_stderr(&null),
            _ => Ok(()),
        };
    }
}

/// Sends a message; a front that is gone needs none.
pub fn send(mut front: &UnixStream, message: &Message) {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    let number = |bytes: &mut Vec<u8>, number: i32| bytes.extend(number.to_le_bytes());
    match message {
        Message::Failed { step, errno } => {
            bytes.extend([b'F', *step]);
            number(&mut bytes, *errno);
        }
        Message::Refused(refusal) => {
            bytes.push(b'R');
            text(&mut bytes, &refusal.call);
            text(&mut bytes, &refusal.object);
            number(&mut bytes, refusal.errno);
            bytes.extend(refusal.times.to_le_bytes());
            text(&mut bytes, refusal.allow_with.as_deref().unwrap_or(""));
        }
        Message::Ended(Ended::Exited(status)) => {
            bytes.push(b'E');
            number(&mut bytes, *status);
        }
        Message::Ended(Ended::Killed(signal)) => {
            bytes.push(b'K');
            number(&mut bytes, *signal);
        }
    }
    let _ = front.write_all(&bytes);
}

fn receive(mut monitor: &UnixStream) -> std::io::Result<Message> {
    fn bytes<const N: usize>(from: &mut &UnixStream) -> std::io::Result<[u8; N]> {
        let mut bytes = [0; N];
        from.read_exact(&mut bytes)?;
        Ok(bytes)
    }
    fn number(from: &mut &UnixStream) -> std::io::Result<i32> {
        bytes(from).map(i32::from_le_bytes)
    }
    fn text(from: &mut &UnixStream) -> std::io::Result<String> {
        let mut text = vec![0; u32::from_le_bytes(bytes(from)?) as usize];
        from.read_exact(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
    let from = &mut monitor;
    Ok(match bytes::<1>(from)?[0] {
        b'F' => Message::Failed { step: bytes::<1>(from)?[0], errno: number(from)? },
        b'R' => Message::Refused(Refusal {
            call: text(from)?,
            object: text(from)?,
            errno: number(from)?,
            times: u64::from_le_bytes(bytes(from)?),
            allow_with: Some(text(from)?).filter(|option| !option.is_empty()),
        }),
        b'E' => Message::Ended(Ended::Exited(number(from)?)),
        b'K' => Message::Ended(Ended::Killed(number(from)?)),
        _ => return Err(std::io::ErrorKind::InvalidData.into()),
    })
}

/// Stands for the program until it ends.
pub fn attend(monitor: UnixStream, monitor_pid: u32, mask: SignalSet) -> Result<Outcome, Failure> {
    let signals = FORWARDED.iter().fold(0, |set, &signal| set | sys::signal_bit(signal));
    let signals = sys::signalfd(signals).map_err(|_| Failure::Died)?;
    let mut refused = Vec::new();
    let outcome = loop {
        let mut fds = [monitor.as_raw_fd(), signals.as_raw_fd()].map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        if sys::poll_all(&mut fds).is_err() {
            continue;
        }
        if fds[1].revents != 0 {
            hand_on(&signals, &monitor);
        }
        if fds[0].revents == 0 {
            continue;
        }
        match receive(&monitor) {
            Ok(Message::Failed { step, errno }) => break Err(Failure::Step(Step::from_u8(step), errno)),
            Ok(Message::Refused(refusal)) => refused.push(refusal),
            Ok(Message::Ended(ended)) => break Ok(Outcome { ended, refused: std::mem::take(&mut refused) }),
            Err(_) => break Err(Failure::Died),
        }
    };
    if outcome.is_err() {
        // It has nothing more to do, and leaves no zombie.
        sys::wait_for(monitor_pid);
    }
    sys::block_signals(mask);
    outcome
}

/// Hands a signal on that another process has sent.
fn hand_on(signals: &impl AsFd, mut monitor: &UnixStream) {
    let mut info = [0u8; 128];
    if sys::read(signals.as_fd(), &mut info) != Ok(info.len()) {
        return;
    }
    let field = |at: usize| i32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
    let (signal, code) = (field(0), field(8));
    // From the terminal it has come to the program too; SIGCONT wakes whoever it reaches.
    if code <= 0 || signal == libc::SIGCONT {
        let _ = monitor.write_all(&[signal as u8]);
    }
}

/// In the monitor: sends the program what the front hands on, and ends it with the front. `wait` waits for the front.
pub fn obey(mut front: &UnixStream, program: BorrowedFd, mut wait: impl FnMut()) {
    let mut signal = [0];
    let mut next = || {
        wait();
        front.read_exact(&mut signal).map(|()| signal)
    };
    while let Ok(signal) = next() {
        // Of a program that has ended this reaches nobody.
        let _ = sys::pidfd_signal(program, i32::from(signal[0]), None);
    }
    let _ = sys::pidfd_signal(program, libc::SIGKILL, None);
}
