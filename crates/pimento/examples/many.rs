//! What entering capability mode costs, and what many in it cost together.
//!
//!     cargo run --release -p pimento --example many -- entering 200     the time of enter(), in microseconds
//!     cargo run --release -p pimento --example many -- calls 5000        single calls, in nanoseconds, inside and outside
//!     cargo run --release -p pimento --example many -- monitors 1000    so many processes, each with a monitor
//!     cargo run --release -p pimento --example many -- processes 1000   so many processes under one monitor
//!
//! Each process makes mediated calls while all others live.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

/// What may fail for many reasons.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|word| word.parse::<usize>().ok());
    match (args.first().map(String::as_str), number(1)) {
        (Some("entering"), Some(times)) => entering(times),
        (Some("calls"), Some(times)) => calls(times),
        (Some("monitors"), Some(count)) => crowd("monitors", count, 0),
        (Some("processes"), Some(count)) => crowd("processes", 1, count.saturating_sub(1)),
        _ => Err("usage: many entering|calls|monitors|processes NUMBER".into()),
    }
}

/// Forks. The child does its work and ends; the parent gets its number.
fn fork(work: impl FnOnce() -> Result<()>) -> Result<libc::pid_t> {
    // SAFETY: this program has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error().into()),
        0 => {
            let ended = work();
            if let Err(error) = &ended {
                eprintln!("many: {error}");
            }
            // SAFETY: no preconditions.
            unsafe { libc::_exit(i32::from(ended.is_err())) }
        }
        child => Ok(child),
    }
}

fn wait_for(child: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: status is borrowed for the call.
    if unsafe { libc::waitpid(child, &raw mut status, 0) } != child || status != 0 {
        return Err(format!("process {child} ended with status {status:#x}").into());
    }
    Ok(())
}

fn entering(times: usize) -> Result<()> {
    for (what, threads, memory) in
        [("one thread", 0, 0), ("8 threads", 7, 0), ("one thread, 512 MiB in use", 0, 512 << 20)]
    {
        let mut took = Vec::new();
        // Touched once: the children share it.
        let ballast = vec![1u8; memory];
        for _ in 0..times {
            let (mut told, mut tell) = io::pipe()?;
            let child = fork(|| {
                for _ in 0..threads {
                    std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
                }
                let start = Instant::now();
                pimento::enter()?;
                Ok(tell.write_all(&start.elapsed().as_nanos().to_ne_bytes())?)
            })?;
            let mut nanoseconds = [0; 16];
            told.read_exact(&mut nanoseconds)?;
            wait_for(child)?;
            took.push(u128::from_ne_bytes(nanoseconds) as f64 / 1e3);
        }
        drop(ballast);
        took.sort_by(f64::total_cmp);
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
        println!("{what}: median {:.0} µs, quartiles {:.0} and {:.0}", at(0.5), at(0.25), at(0.75));
    }
    Ok(())
}

/// Each call plainly and in capability mode, in turn, and the medians' ratio.
fn calls(times: usize) -> Result<()> {
    let dir = File::open("/etc")?;
    let status = Box::leak(Box::new([0u8; 256])).as_mut_ptr() as i64;
    let (name, empty) = (c"passwd".as_ptr() as i64, c"".as_ptr() as i64);
    // SAFETY: what the calls below get is numbers, strings that live on, and a buffer that is as large as stat's.
    let call = |number, args: [i64; 4]| unsafe { libc::syscall(number, args[0], args[1], args[2], args[3]) };
    let fd = i64::from(dir.as_raw_fd());
    type Make<'a> = &'a dyn Fn() -> i64;
    let all: [(&str, Make); 4] = [
        ("getppid", &|| call(libc::SYS_getppid, [0; 4])),
        ("fstat of a descriptor, as glibc makes it", &|| {
            call(libc::SYS_newfstatat, [fd, empty, status, libc::AT_EMPTY_PATH.into()])
        }),
        ("fstatat beneath a directory", &|| call(libc::SYS_newfstatat, [fd, name, status, 0])),
        ("openat beneath a directory, and close", &|| {
            call(libc::SYS_close, [call(libc::SYS_openat, [fd, name, libc::O_RDONLY.into(), 0]), 0, 0, 0])
        }),
    ];
    const ROUNDS: usize = 9;
    let mut took = vec![[Vec::new(), Vec::new()]; all.len()];
    for round in 0..2 * ROUNDS {
        let (mut told, mut tell) = io::pipe()?;
        let child = fork(|| {
            if round % 2 == 1 {
                pimento::enter()?;
            }
            for (_, call) in &all {
                let start = Instant::now();
                (0..times).for_each(|_| _ = call());
                tell.write_all(&(start.elapsed().as_nanos() / times as u128).to_ne_bytes())?;
            }
            Ok(())
        })?;
        for took in &mut took {
            let mut nanoseconds = [0; 16];
            told.read_exact(&mut nanoseconds)?;
            took[round % 2].push(u128::from_ne_bytes(nanoseconds));
        }
        wait_for(child)?;
    }
    println!("nanoseconds, median of {ROUNDS} rounds     plain    inside    ratio");
    for ((name, _), took) in all.iter().zip(&mut took) {
        let [plain, inside] = took.each_mut().map(|runs| {
            runs.sort_unstable();
            runs[runs.len() / 2]
        });
        println!("{name:<40}{plain:>9}{inside:>10}{:>9.2}", inside as f64 / plain as f64);
    }
    Ok(())
}

/// `count` processes that enter, each with `children` children, all alive at a time.
pub fn crowd(what: &str, count: usize, children: usize) -> Result<()> {
    let before = monitors();
    let (mut told, tell) = io::pipe()?;
    let (stay, go) = io::pipe()?;
    let dir = File::open("/etc")?;
    let start = Instant::now();
    let mut started = Vec::new();
    for _ in 0..count {
        started.push(fork(|| {
            // SAFETY: this child uses it no more; it ends without dropping anything.
            unsafe { libc::close(go.as_raw_fd()) };
            pimento::enter()?;
            for _ in 0..children {
                fork(|| live(&dir, &tell, &stay))?;
            }
            live(&dir, &tell, &stay)
        })?);
    }
    drop(tell);
    let all = count * (children + 1);
    let mut words = vec![0; all];
    told.read_exact(&mut words)?;
    let took = start.elapsed();
    let monitors: Vec<u32> = monitors().into_iter().filter(|pid| !before.contains(pid)).collect();
    let rollup: Vec<[u64; 3]> = monitors.iter().map(|&pid| memory(pid)).collect();
    let sum = |at: usize| rollup.iter().map(|memory| memory[at]).sum::<u64>();
    let fds: usize =
        monitors.iter().map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)).sum();
    let n = monitors.len().max(1);
    println!(
        "{all} processes in capability mode under {} monitors ({what}), all of which opened a file: {:.2} s",
        monitors.len(),
        took.as_secs_f64()
    );
    println!(
        "a monitor: {} KiB resident, {} KiB of them its share (PSS), {} KiB its own; {} descriptors",
        sum(0) / n as u64,
        sum(1) / n as u64,
        sum(2) / n as u64,
        fds / n
    );
    if monitors.len() != count {
        return Err(format!("there are {} monitors, not {count}", monitors.len()).into());
    }
    // All go when nobody holds the other end.
    drop((stay, go));
    started.into_iter().try_for_each(wait_for)?;
    let gone = Instant::now();
    while self::monitors().iter().any(|pid| monitors.contains(pid)) {
        if gone.elapsed() > Duration::from_secs(20) {
            return Err("monitors outlive their processes".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A life in capability mode: something mediated, a word that it worked, and waiting for the end.
fn live(dir: &File, mut tell: &PipeWriter, mut stay: &PipeReader) -> Result<()> {
    use rustix::fs::{Mode, OFlags, openat};
    let mut text = String::new();
    File::from(openat(dir.as_fd(), "passwd", OFlags::RDONLY, Mode::empty())?).read_to_string(&mut text)?;
    if File::open("/etc/passwd").is_ok() || !text.contains("root") || !pimento::sandboxed() {
        return Err("this is not capability mode".into());
    }
    tell.write_all(b"x")?;
    stay.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Monitors of processes that entered by themselves.
fn monitors() -> Vec<u32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"pimento-monitor\0"))
    })
    .collect()
}

/// KiB: resident, proportional, and of its own.
fn memory(pid: u32) -> [u64; 3] {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    ["Rss:", "Pss:", "Private_Dirty:"].map(|key| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    })
}
