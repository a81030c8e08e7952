//! Which directories a program holds, with which rights: what `--read`, `--write`, `--exec` and `--dir` say.

use crate::failure::Failure;
use pimento::launch::{FLOOR, Held};
use pimento::{Right, Rights};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `--read DIR`: look up, open for reading, map (as code, too: that is how libraries are loaded), look at, wait
/// for, lock, sync. What changes nothing that others could see but locks.
pub const READ: Rights = FLOOR.union(&Rights::of(&[Right::READ, Right::LOOKUP, Right::FCHDIR]));

/// `--write DIR`: all of [`READ`], and write, create, remove, rename, link, and change everything that a file's
/// owner may change. No device nodes, no connections to sockets, no programs started.
pub const WRITE: Rights = READ.union(&Rights::of(&[
    Right::WRITE,
    Right::MMAP_RWX,
    Right::CREATE,
    Right::FTRUNCATE,
    Right::FCHMOD,
    Right::FCHOWN,
    Right::FCHFLAGS,
    Right::FUTIMES,
    Right::LINKAT_SOURCE,
    Right::LINKAT_TARGET,
    Right::MKDIRAT,
    Right::MKFIFOAT,
    Right::RENAMEAT_SOURCE,
    Right::RENAMEAT_TARGET,
    Right::SYMLINKAT,
    Right::UNLINKAT,
    Right::EXTATTR_SET,
    Right::EXTATTR_DELETE,
    Right::ACL_SET,
    Right::ACL_DELETE,
    // mknod(2) of a socket asks for it; bindat(2) would ask for BINDAT, which is not here.
    Right::BIND,
]));

/// `--exec DIR`: all of [`READ`], and start programs from there.
pub const EXEC: Rights = READ.union(&Rights::of(&[Right::FEXECVE]));

/// What the options ask for, in their order; several for one path amount to all that they say.
#[derive(Debug, Default)]
pub struct Holding(Vec<Held>);

impl Holding {
    /// Adds a directory, or a single file, with these rights. `option` is what asked for it.
    pub fn add(&mut self, option: &str, path: &Path, rights: Rights) -> Result<(), Failure> {
        let absolute = existing(option, path)?;
        match self.0.iter_mut().find(|held| held.path == absolute) {
            Some(held) => held.rights = held.rights.union(&rights),
            None => self.0.push(Held { path: absolute, rights }),
        }
        Ok(())
    }

    /// Adds what `--dir` says: `DIR:RIGHTS`, where DIR may have a colon in it, too.
    pub fn add_exact(&mut self, word: &OsStr) -> Result<(), Failure> {
        let (dir, rights) = split_rights("--dir", "DIR", word)?;
        self.add("--dir", Path::new(dir), rights)
    }

    /// All of it, for the launch.
    pub fn into_held(self) -> Vec<Held> {
        self.0
    }
}

/// `--libraries DIR`, each as an absolute path.
pub fn libraries(dirs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let option = "--libraries";
    dirs.iter()
        .map(|dir| match existing(option, dir)? {
            dir if dir.is_dir() => Ok(dir),
            dir => {
                Err(Failure::usage(format!("{option} {dir:?}: not a directory; name the one that it is in")))
            }
        })
        .collect()
}

/// Splits at the last colon, and reads the rights behind it.
pub fn split_rights<'w>(option: &str, what: &str, word: &'w OsStr) -> Result<(&'w OsStr, Rights), Failure> {
    let bytes = word.as_bytes();
    let colon = bytes.iter().rposition(|&byte| byte == b':').filter(|&at| at > 0);
    let Some(colon) = colon else {
        return Err(Failure::usage(format!(
            "{option} {word:?}: say {what}:RIGHTS, for example {option} {}:read,seek,fstat",
            if what == "DIR" { "/srv" } else { "3" }
        )));
    };
    let rights = OsStr::from_bytes(&bytes[colon + 1..]).to_string_lossy();
    let rights = rights.parse().map_err(|error| Failure::usage(format!("{option} {word:?}: {error}")))?;
    Ok((OsStr::from_bytes(&bytes[..colon]), rights))
}

/// The path as an absolute one, without `.` and doubled slashes, if there is something.
fn existing(option: &str, path: &Path) -> Result<PathBuf, Failure> {
    let wrong = |what: &str| Failure::usage(format!("{option} {path:?}: {what}"));
    if path.as_os_str().is_empty() {
        return Err(wrong("say which directory; the working directory is called ."));
    }
    if let Err(error) = std::fs::metadata(path) {
        return Err(wrong(match error.kind() {
            std::io::ErrorKind::NotFound => "no such directory",
            std::io::ErrorKind::PermissionDenied => "you may not look there",
            std::io::ErrorKind::NotADirectory => "what comes before the last name is not a directory",
            _ if error.raw_os_error() == Some(libc::ELOOP) => "its symbolic links lead in a circle",
            _ => return Err(wrong(&text_of(&error))),
        }));
    }
    let absolute = std::path::absolute(path).map_err(|error| wrong(&text_of(&error)))?;
    Ok(absolute.components().collect())
}

/// The system's words without Rust's "(os error 2)".
fn text_of(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The environment that `--env` and `--clear-env` make of this one.
pub fn environment(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    words: &[OsString],
    clear: bool,
) -> Result<Vec<(OsString, OsString)>, Failure> {
    let inherited: Vec<(OsString, OsString)> = inherited.collect();
    let mut env = if clear { Vec::new() } else { inherited.clone() };
    for word in words {
        let bytes = word.as_bytes();
        let (name, value) = match bytes.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                (OsStr::from_bytes(&bytes[..at]), Some(OsString::from(OsStr::from_bytes(&bytes[at + 1..]))))
            }
            None => {
                let value = inherited.iter().find(|(name, _)| name == word).map(|(_, value)| value.clone());
                (word.as_os_str(), value)
            }
        };
        if name.is_empty() {
            return Err(Failure::usage(format!("--env {word:?}: say NAME or NAME=VALUE")));
        }
        if let Some(value) = value {
            env.retain(|(known, _)| known != name);
            env.push((name.to_owned(), value));
        }
    }
    Ok(env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_lets_nothing_be_changed() {
        let changes = Rights::of(&[
            Right::WRITE,
            Right::CREATE,
            Right::FTRUNCATE,
            Right::FCHMOD,
            Right::FCHOWN,
            Right::FUTIMES,
            Right::EXTATTR_SET,
            Right::EXTATTR_DELETE,
            Right::FEXECVE,
        ]);
        assert!(READ.intersection(&changes).is_empty());
        for right in
            [Right::UNLINKAT, Right::RENAMEAT_SOURCE, Right::LINKAT_SOURCE, Right::MKDIRAT, Right::BINDAT]
        {
            assert!(!READ.is_set(right), "{right}");
        }
    }

    #[test]
    fn writing_makes_no_devices_starts_nothing_and_connects_to_nothing() {
        assert!(WRITE.contains(&READ) && EXEC.contains(&READ) && !EXEC.is_set(Right::WRITE));
        for right in
            [Right::MKNODAT, Right::FEXECVE, Right::BINDAT, Right::CONNECTAT, Right::CONNECT, Right::SETNS]
        {
            assert!(!WRITE.is_set(right), "{right}");
        }
    }

    #[test]
    fn options_for_one_directory_amount_to_all_that_they_say() {
        let mut holding = Holding::default();
        holding.add("--write", Path::new("."), WRITE).unwrap();
        holding.add("--read", Path::new("/"), READ).unwrap();
        holding.add("--exec", &std::env::current_dir().unwrap().join("."), EXEC).unwrap();
        let held = holding.into_held();
        assert_eq!(held.len(), 2);
        assert_eq!(held[0].path, std::env::current_dir().unwrap());
        assert_eq!(held[0].rights, WRITE.union(&EXEC));
        assert_eq!(held[1].rights, READ);
    }

    #[test]
    fn a_directory_may_have_a_colon_in_its_name_and_need_not_be_utf_8() {
        let (dir, rights) = split_rights("--dir", "DIR", OsStr::from_bytes(b"/a:b\xff:read,seek")).unwrap();
        assert_eq!(dir.as_bytes(), b"/a:b\xff");
        assert_eq!(rights, Rights::of(&[Right::PREAD]));
        for wrong in ["/srv", ":read", "/srv:", "/srv:raed", ""] {
            assert_eq!(split_rights("--dir", "DIR", OsStr::new(wrong)).unwrap_err().status, 2, "{wrong}");
        }
    }

    #[test]
    fn the_environment_is_what_the_options_make_of_it() {
        let pairs = |text: &str| -> Vec<(OsString, OsString)> {
            text.split_whitespace()
                .map(|word| word.split_once('=').map(|(a, b)| (a.into(), b.into())).unwrap())
                .collect()
        };
        let made = |words: &[&str], clear| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            environment(pairs("A=1 B=2").into_iter(), &words, clear)
        };
        assert_eq!(made(&[], false).unwrap(), pairs("A=1 B=2"));
        assert_eq!(made(&[], true).unwrap(), []);
        assert_eq!(made(&["B", "C=3", "UNSET"], true).unwrap(), pairs("B=2 C=3"));
        assert_eq!(made(&["A=x=y"], false).unwrap(), pairs("B=2 A=x=y"));
        assert_eq!(made(&["A="], true).unwrap(), pairs("A="));
        assert_eq!(made(&["=x"], false).unwrap_err().status, 2);
        assert_eq!(made(&[""], false).unwrap_err().status, 2);
    }
}
