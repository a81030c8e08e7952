//! What a descriptor of a /proc directory gives: one's own entries, and not the monitor's, nor anybody else's.

use crate::call;
use crate::stage::*;
use std::os::fd::{AsRawFd, RawFd};

fn line(text: &str, name: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
}

/// The path of a name, as it is from / or from /proc.
type At = fn(&str) -> String;

/// From each descriptor: of /proc, and of /.
fn from_each(act: impl Fn(RawFd, At)) {
    for &user in users() {
        for (of, at) in [("/proc", (|name| name.to_owned()) as At), ("/", |name| format!("proc/{name}"))] {
            play(user, || {
                let dir = directory(of);
                enter();
                act(dir.as_raw_fd(), at);
            });
        }
    }
}

fn link_at(dir: RawFd, path: &str) -> Result<String, i32> {
    let (path, mut text) = (c(path), [0u8; 4096]);
    let len = call!(SYS_readlinkat, dir, path.as_ptr(), text.as_mut_ptr(), text.len())?;
    Ok(String::from_utf8_lossy(&text[..len as usize]).into_owned())
}

#[test]
fn ones_own_entries_are_ones_own() {
    from_each(|dir, at| {
        let (pid, tid) = (std::process::id().to_string(), call!(SYS_gettid).unwrap().to_string());
        for path in ["self/status".into(), format!("{pid}/status"), format!("self/task/{tid}/status")] {
            let status = read_at(dir, at(&path)).unwrap();
            assert_eq!((line(&status, "Pid:"), line(&status, "Tgid:")), (pid.clone(), pid.clone()), "{path}");
            assert!(!line(&status, "Name:").contains("pimento-monitor"));
        }
        assert_eq!(link_at(dir, &at("self")), Ok(pid.clone()));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let tid = call!(SYS_gettid).unwrap().to_string();
                assert_eq!(link_at(dir, &at("thread-self")), Ok(format!("{pid}/task/{tid}")));
                let status = read_at(dir, at("thread-self/status")).unwrap();
                assert_eq!(line(&status, "Pid:"), tid);
                assert_eq!(line(&status, "Tgid:"), pid);
            });
            other.join().unwrap();
        });
        let maps = read_at(dir, at("self/maps")).unwrap();
        assert!(!maps.contains("memfd:pimento"), "not the monitor's");
        // A child's own are the child's.
        let done = Cue::new();
        child(|| {
            let status = read_at(dir, at("self/status")).unwrap();
            assert_eq!(line(&status, "Pid:"), std::process::id().to_string());
            done.give();
        });
        done.take();
    });
}

#[test]
fn other_processes_are_refused() {
    let own = std::process::id();
    from_each(|dir, at| {
        let parent = call!(SYS_getppid).unwrap();
        for pid in [1, parent, own.into()] {
            for name in
                ["status", "environ", "maps", "cmdline", "mem", "fd", "task", "root/etc/passwd", "ns/pid"]
            {
                let opened = read_at(dir, at(&format!("{pid}/{name}")));
                assert!(matches!(opened, Err(ECAPMODE | ENOTCAPABLE)), "{pid}/{name}: {opened:?}");
            }
            let opened = open_at(dir, at(&pid.to_string()), libc::O_RDONLY | libc::O_DIRECTORY);
            assert!(matches!(opened, Err(ECAPMODE | ENOTCAPABLE)), "{pid}: {opened:?}");
            let link = link_at(dir, &at(&format!("{pid}/exe")));
            assert!(matches!(link, Err(ECAPMODE | ENOTCAPABLE)), "{pid}: {link:?}");
        }
    });
}

#[test]
fn magic_links_and_descriptors_by_name_are_refused() {
    from_each(|dir, at| {
        let cue = Cue::new();
        for path in [
            "self/exe".to_owned(),
            "self/cwd".into(),
            "self/root".into(),
            "self/root/etc/passwd".into(),
            "self/cwd/..".into(),
            "self/ns/pid".into(),
            "self/mem".into(),
            format!("self/fd/{dir}"),
            format!("self/fd/{}", cue.number()),
            format!("thread-self/fd/{dir}"),
            "self/fd/0".into(),
            "self/map_files".into(),
            "self/attr/current".into(),
        ] {
            for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_PATH] {
                let opened = open_at(dir, at(&path), flags);
                assert!(matches!(opened, Err(ECAPMODE | ENOTCAPABLE)), "{path} {flags:o}: {opened:?}");
            }
        }
        assert_eq!(open_at(dir, at("self/fd/0"), 0).err(), Some(ENOTCAPABLE));
        // The way in by a directory of it is no other.
        let own = open_at(dir, at("self"), libc::O_RDONLY | libc::O_DIRECTORY).unwrap();
        for path in ["exe", "cwd/x", "fd/0", "root", "../1/status", "mem"] {
            let opened = open_at(own.as_raw_fd(), path, 0);
            assert!(matches!(opened, Err(ECAPMODE | ENOTCAPABLE)), "{path}: {opened:?}");
        }
        let fds = open_at(dir, at("self/fd"), libc::O_RDONLY | libc::O_DIRECTORY).unwrap();
        assert_eq!(open_at(fds.as_raw_fd(), "0", 0).err(), Some(ENOTCAPABLE));
        assert!(read_at(own.as_raw_fd(), "status").is_ok());
    });
}

/// A directory of another process, from before: it is what its holder was given, and leads nowhere else.
#[test]
fn a_directory_from_before_of_ones_own_is_ones_own() {
    play_each(|_| {
        let own = directory("/proc/self");
        enter();
        let status = read_at(own.as_raw_fd(), "status").unwrap();
        assert_eq!(line(&status, "Pid:"), std::process::id().to_string());
        assert!(matches!(open_at(own.as_raw_fd(), "exe", 0).err(), Some(ECAPMODE | ENOTCAPABLE)));
        assert!(matches!(open_at(own.as_raw_fd(), "fd/0", 0).err(), Some(ECAPMODE | ENOTCAPABLE)));
    });
}
