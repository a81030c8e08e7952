//! What the kernel tells of a descriptor, without touching it: /proc/PID/fd and /proc/PID/fdinfo.

use super::socket::{self, Socket};
use serde::Serialize;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// A descriptor.
#[derive(Debug, Serialize)]
pub struct Descriptor {
    /// Its number.
    pub fd: i32,
    /// What it is of, in a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where or what that is, as the kernel calls it.
    name: String,
    /// Of a socket, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<Socket>,
    /// Of a descriptor of a process, its number; -1: it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<i64>,
    /// How it was opened, and what it was set to.
    flags: Vec<&'static str>,
    /// Where in a file it is.
    position: Option<u64>,
}

/// The letters of flags, and their words: procstat(1)'s, and what it has not.
const FLAGS: [(char, &str); 10] = [
    ('r', "read"),
    ('w', "write"),
    ('a', "append"),
    ('s', "async"),
    ('f', "sync"),
    ('n', "nonblock"),
    ('d', "direct"),
    ('l', "locked"),
    ('c', "close-on-exec"),
    ('p', "path"),
];

/// All that a process has open, by number.
pub fn of(pid: u32) -> io::Result<Vec<Descriptor>> {
    let mut numbers: Vec<i32> = fs::read_dir(format!("/proc/{pid}/fd"))?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    // What is closed meanwhile is left out.
    Ok(numbers.into_iter().filter_map(|number| read(pid, number)).collect())
}

fn read(pid: u32, fd: i32) -> Option<Descriptor> {
    let path = format!("/proc/{pid}/fd/{fd}");
    let link = fs::read_link(&path).ok()?;
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let link = link.as_os_str().as_bytes();
    let kind = match fs::metadata(&path) {
        Ok(meta) => kind(link, &meta),
        Err(_) => "unknown".into(),
    };
    let flags = field("flags:").and_then(|flags| i32::from_str_radix(flags, 8).ok()).unwrap_or(0);
    let has_place = ["file", "dir", "memfd", "block"].contains(&&kind[..]) && flags & libc::O_PATH == 0;
    Some(Descriptor {
        fd,
        name: String::from_utf8_lossy(link).into_owned(),
        socket: if kind == "socket" { socket::of(pid, fd) } else { None },
        process: if kind == "pidfd" { field("Pid:").and_then(|pid| pid.parse().ok()) } else { None },
        flags: words(flags, field("lock:").is_some()),
        position: if has_place { field("pos:").and_then(|position| position.parse().ok()) } else { None },
        kind,
    })
}

/// What an object is, in a word. `link` is what procfs calls it.
fn kind(link: &[u8], meta: &fs::Metadata) -> String {
    let file_type = meta.file_type();
    let link = String::from_utf8_lossy(link);
    // A path begins with a slash; of what has none the kernel says what it is.
    if let Some((what, _)) = link.split_once(":[").filter(|_| !link.starts_with('/')) {
        return match what {
            "socket" | "pipe" | "pidfd" => what.into(),
            "mnt" | "net" | "pid" | "user" | "uts" | "ipc" | "cgroup" | "time" => "namespace".into(),
            "anon_inode" => {
                let name = link.rsplit_once(":[").map_or("", |(_, name)| name.trim_end_matches(']'));
                if name == "eventpoll" { "epoll".into() } else { name.to_owned() }
            }
            other => other.to_owned(),
        };
    }
    if let Some(name) = link.strip_prefix("anon_inode:") {
        return name.to_owned();
    }
    if file_type.is_file() {
        let memory = link.starts_with("/memfd:") && meta.nlink() == 0;
        return if memory { "memfd" } else { "file" }.into();
    }
    if file_type.is_char_device() {
        // The system console, virtual consoles, serial lines, pseudo-terminals and the caller's own.
        let terminal =
            matches!(libc::major(meta.rdev()), 4 | 136..=143 | 204) || is_any_terminal(meta.rdev());
        return if terminal { "terminal" } else { "device" }.into();
    }
    let known = [
        (file_type.is_dir(), "dir"),
        (file_type.is_fifo(), "fifo"),
        (file_type.is_socket(), "socket"),
        (file_type.is_block_device(), "block"),
        (file_type.is_symlink(), "link"),
    ];
    known.iter().find(|(is, _)| *is).map_or("unknown", |(_, word)| word).into()
}

/// /dev/tty, /dev/console and /dev/ptmx.
fn is_any_terminal(device: u64) -> bool {
    libc::major(device) == 5 && libc::minor(device) <= 2
}

fn words(flags: i32, locked: bool) -> Vec<&'static str> {
    let path = flags & libc::O_PATH != 0;
    let access = flags & libc::O_ACCMODE;
    let is = |flag: i32| flags & flag != 0;
    let set = [
        !path && (access == libc::O_RDONLY || access == libc::O_RDWR),
        !path && (access == libc::O_WRONLY || access == libc::O_RDWR),
        is(libc::O_APPEND),
        is(libc::O_ASYNC),
        is(libc::O_SYNC),
        is(libc::O_NONBLOCK),
        is(libc::O_DIRECT),
        locked,
        is(libc::O_CLOEXEC),
        path,
    ];
    FLAGS.iter().zip(set).filter(|(_, set)| *set).map(|((_, word), _)| *word).collect()
}

impl Descriptor {
    /// The flags as letters, each in its place.
    pub fn letters(&self) -> String {
        FLAGS.iter().map(|(letter, word)| if self.flags.contains(word) { *letter } else { '-' }).collect()
    }

    /// Where or what it is, for a table.
    pub fn told(&self) -> String {
        match (&self.socket, self.process) {
            (Some(socket), _) => socket.told(&self.name),
            (_, Some(pid)) if pid > 0 => format!("process {pid}"),
            (_, Some(_)) => "process, ended".into(),
            _ => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsRawFd;

    fn own(file: &impl AsRawFd) -> Descriptor {
        read(std::process::id(), file.as_raw_fd()).unwrap()
    }

    #[test]
    fn kinds_and_flags_are_the_kernels() {
        let null = own(&File::options().read(true).write(true).open("/dev/null").unwrap());
        assert_eq!((&*null.kind, null.letters()), ("device", "rw------c-".into()));
        assert_eq!((null.told(), null.position), ("/dev/null".into(), None));
        let dir = own(&File::open("/").unwrap());
        assert_eq!((&*dir.kind, dir.letters(), dir.position), ("dir", "r-------c-".into(), Some(0)));
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!((&*own(&reader).kind, own(&writer).letters()), ("pipe", "-w------c-".into()));
        let path = rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
        assert_eq!(own(&path).letters(), "---------p");
        let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK).unwrap();
        assert_eq!((&*own(&event).kind, own(&event).letters()), ("eventfd", "rw---n----".into()));
        let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::empty()).unwrap();
        assert_eq!(own(&epoll).kind, "epoll");
        let memory = rustix::fs::memfd_create("x y", rustix::fs::MemfdFlags::empty()).unwrap();
        assert_eq!(own(&memory).kind, "memfd");
        let process =
            rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty());
        let process = own(&process.unwrap());
        assert_eq!((&*process.kind, process.told()), ("pidfd", format!("process {}", std::process::id())));
        let namespace = own(&File::open("/proc/self/ns/net").unwrap());
        assert_eq!(namespace.kind, "namespace");
        assert_eq!(own(&File::open("/proc/self/exe").unwrap()).kind, "file");
    }

    #[test]
    fn sockets_have_a_kind_and_two_ends() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        assert_eq!(own(&listener).told(), format!("tcp {here} (listening)"));
        let client = std::net::TcpStream::connect(here).unwrap();
        let told = own(&client).told();
        assert_eq!(told, format!("tcp {} -> {here}", client.local_addr().unwrap()));
        let (one, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let told = own(&one).told();
        assert!(told.starts_with("unix dgram socket:["), "{told}");
        let udp = std::net::UdpSocket::bind("[::1]:0");
        if let Ok(udp) = udp {
            assert_eq!(own(&udp).told(), format!("udp6 {}", udp.local_addr().unwrap()));
        }
    }
}
