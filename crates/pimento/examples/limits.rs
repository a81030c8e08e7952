//! What limited descriptors cost: `cargo run --release --example limits`.
//!
//! Processes that differ in how they came to their limits make the same calls, in turn, round after round; what counts is
//! the median of each. The floor is the same under a filter of four instructions that looks at one argument. Then a server
//! that accepts, limits and serves one connection after another.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CALLS: [&str; 5] = ["read", "write", "pread", "lseek", "fstat"];
const BATCH: u32 = 20_000;
const ROUNDS: usize = 41;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let served = match std::env::args().nth(1).as_deref() {
        None => compare().and_then(|()| serve(10_000)),
        Some("serve") => serve(10_000),
        Some(kind) => player(kind),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limits: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}

/// The ways to come to limits; the first is no way, the second the floor.
const KINDS: [&str; 8] = ["plain", "floor", "entered", "at once", "before", "1 after", "2 after", "4 after"];

/// Has a player of each kind make each call in turn.
fn compare() -> Result<()> {
    let own = std::env::current_exe()?;
    let mut players = Vec::new();
    for kind in KINDS {
        let child = std::process::Command::new(&own)
            .arg(kind)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        players.push(child);
    }
    let mut times = vec![vec![Vec::new(); CALLS.len()]; KINDS.len()];
    for round in 0..=ROUNDS {
        for (player, times) in players.iter_mut().zip(&mut times) {
            let (Some(ask), Some(told)) = (&mut player.stdin, &mut player.stdout) else { continue };
            ask.write_all(b"x")?;
            let mut took = [0u8; 8 * CALLS.len()];
            told.read_exact(&mut took)?;
            for (times, took) in times.iter_mut().zip(took.as_chunks::<8>().0) {
                if round > 0 {
                    times.push(f64::from_ne_bytes(*took));
                }
            }
        }
    }
    print!("{:<10}", "ns a call");
    CALLS.iter().for_each(|call| print!("{call:>16}"));
    println!("      (and its ratio to the floor's)");
    let medians: Vec<Vec<f64>> =
        times.iter_mut().map(|kind| kind.iter_mut().map(|calls| median(calls)).collect()).collect();
    for (kind, calls) in KINDS.iter().zip(&medians) {
        print!("{kind:<10}");
        for (call, floor) in calls.iter().zip(&medians[1]) {
            print!("{call:>9.0} {:>6.2}", call / floor);
        }
        println!();
    }
    for mut player in players {
        drop(player.stdin.take());
        player.wait()?;
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Comes to its limits, and makes the calls whenever it is asked.
fn player(kind: &str) -> Result<()> {
    use pimento::{Limits, Right, Rights};
    let path = std::env::temp_dir().join(format!("pimento-limits-{}", std::process::id()));
    std::fs::write(&path, [0; 4096])?;
    let file = File::options().read(true).write(true).open(&path)?;
    let others = [File::open("/dev/null")?, File::open("/dev/zero")?];
    let later: Vec<File> = (0..4).map(|_| File::open("/dev/zero")).collect::<std::result::Result<_, _>>()?;
    std::fs::remove_file(&path)?;
    let base = [Right::EVENT, Right::FSTAT, Right::SEEK, Right::FCNTL];
    let reads = Rights::of(&base).union(&Rights::of(&[Right::READ]));
    let writes = Rights::of(&base).union(&Rights::of(&[Right::WRITE]));
    let both = reads.union(&writes);
    let all_before = || -> Result<()> {
        pimento::limit(std::io::stdin(), reads)?;
        pimento::limit(std::io::stdout(), writes)?;
        pimento::limit(std::io::stderr(), writes)?;
        pimento::limit(&file, both)?;
        for other in &others {
            pimento::limit(other, reads)?;
        }
        Ok(pimento::enter()?)
    };
    match kind {
        "plain" => {}
        "floor" => floor()?,
        "entered" => pimento::enter()?,
        "at once" => Limits::new()
            .stdin(reads)
            .stdout(writes)
            .stderr(writes)
            .fd(&file, both)
            .fd(&others[0], reads)
            .fd(&others[1], reads)
            .enter()?,
        _ => {
            all_before()?;
            let after = kind.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
            for one in &later[..after] {
                // Less than was to be expected.
                pimento::limit(one, Rights::of(&[Right::READ]))?;
            }
        }
    }
    let (mut ask, mut tell) = (std::io::stdin(), std::io::stdout());
    while ask.read(&mut [0])? == 1 {
        let took: Vec<u8> = CALLS.iter().flat_map(|call| batch(call, file.as_fd()).to_ne_bytes()).collect();
        tell.write_all(&took)?;
        tell.flush()?;
    }
    Ok(())
}

/// Nanoseconds that one of these calls takes.
fn batch(call: &str, fd: BorrowedFd) -> f64 {
    let (number, mut bytes) = (fd.as_raw_fd(), [0u8; 512]);
    let start = Instant::now();
    for _ in 0..BATCH {
        one(call, number, &mut bytes);
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
}

fn one(call: &str, fd: RawFd, bytes: &mut [u8; 512]) {
    let at = bytes.as_mut_ptr();
    // SAFETY: the buffer is longer than what any of these writes.
    unsafe {
        match call {
            // At its end there is nothing, so that what counts is the call.
            "read" => libc::syscall(libc::SYS_read, fd, at, 0),
            "write" => libc::syscall(libc::SYS_write, fd, at, 0),
            "pread" => libc::syscall(libc::SYS_pread64, fd, at, 1, 0),
            "lseek" => libc::syscall(libc::SYS_lseek, fd, 0, 0),
            _ => libc::syscall(libc::SYS_fstat, fd, at),
        }
    };
}

/// Four instructions: the number of the call, and one argument of it.
fn floor() -> Result<()> {
    const ALLOW: u32 = 0x7fff_0000;
    let filter = [(0x20, 0, 0, 0), (0x15, 0, 1, 9999), (0x20, 0, 0, 16), (0x06, 0, 0, ALLOW)]
        .map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k });
    // A read of descriptor 9 and one of another are told apart, and both are let through.
    let filter = [
        libc::sock_filter { jt: 0, jf: 0, ..filter[0] },
        libc::sock_filter { k: 16, ..filter[2] },
        libc::sock_filter { k: 9, jt: 0, jf: 0, ..filter[1] },
        filter[3],
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program is as long as it says, and lives for the call.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

/// Accepts, limits and serves so many connections, one after another, and tells how long each tenth of them took.
fn serve(connections: usize) -> Result<()> {
    use pimento::{Right, Rights};
    let path = std::env::temp_dir().join(format!("pimento-serve-{}", std::process::id()));
    let listening = UnixListener::bind(&path)?;
    // The client is another process, which is in no mode of ours.
    let client = std::process::Command::new("/usr/bin/env")
        .args(["python3", "-c"])
        .arg(
            "import socket, sys\n\
             for _ in range(int(sys.argv[2])):\n\
             \x20   s = socket.socket(socket.AF_UNIX)\n\
             \x20   s.connect(sys.argv[1])\n\
             \x20   s.sendall(b'ping')\n\
             \x20   assert s.recv(4) == b'ping'\n\
             \x20   s.close()\n",
        )
        .arg(&path)
        .arg(connections.to_string())
        .spawn()?;
    pimento::enter()?;
    println!("\na server that accepts, limits and serves: µs a connection, and the connection's number");
    let mut start = Instant::now();
    for served in 1..=connections {
        let (mut connection, _): (UnixStream, _) = listening.accept()?;
        pimento::limit(&connection, Rights::of(&[Right::READ, Right::WRITE]))?;
        let mut text = [0; 4];
        connection.read_exact(&mut text)?;
        connection.write_all(&text)?;
        if served % (connections / 10) == 0 {
            let each = start.elapsed().as_secs_f64() * 1e6 / (connections / 10) as f64;
            println!("{served:>8} {each:>8.1} {:>6}", connection.as_raw_fd());
            start = Instant::now();
        }
    }
    // It is not ours to wait for.
    std::mem::forget(client);
    Ok(())
}
