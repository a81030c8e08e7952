//! What a process tells the monitor that it starts, as arguments of a command line: [`Options::args`] writes them on the
//! process's side, [`Options::parse`] reads them on the monitor's.

use crate::errno::Errno;
use crate::tables::Initial;
use rights::{FcntlRights, IoctlLimit, Limits, Rights};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Which features to do without: `PIMENTO_WITHOUT` of the process.
const WITHOUT: &str = "--without=";
/// The effective and permitted capabilities of the process, in hexadecimal.
const CAPABILITIES: &str = "--capabilities=";
/// Its file system user and group, likewise.
const ACTS_AS: &str = "--acts-as=";
/// A directory of shared objects.
const LIBRARY: &str = "--library=";
/// What the filter lets through: numbers, each with the words of the rights from there on, `0:WORD,WORD;3:WORD,WORD`.
const PASSES: &str = "--passes=";
/// A descriptor's number, rights, ioctl commands and fcntl rights, `5:WORD,WORD:5401,5413:8`; `all` for all commands.
const LIMIT: &str = "--limit=";
/// It does not enter capability mode yet.
const ORDINARY: &str = "--ordinary";

/// What the monitor of a process is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Which features of the kernel to do without.
    pub without: String,
    /// The process's effective and permitted capabilities.
    pub capabilities: (u64, u64),
    /// Its file system user and group.
    pub acts_as: (u32, u32),
    /// Directories of shared objects.
    pub libraries: Vec<OsString>,
    /// How its descriptors are limited.
    pub initial: Initial,
}

impl Options {
    /// As arguments.
    pub fn args(&self) -> Vec<OsString> {
        let Options { without, capabilities, acts_as, libraries, initial } = self;
        let passes: Vec<String> =
            initial.passes.iter().map(|(from, rights)| format!("{from}:{}", words(rights))).collect();
        let mut args: Vec<OsString> = vec![
            format!("{WITHOUT}{without}").into(),
            format!("{CAPABILITIES}{:x},{:x}", capabilities.0, capabilities.1).into(),
            format!("{ACTS_AS}{:x},{:x}", acts_as.0, acts_as.1).into(),
            format!("{PASSES}{}", passes.join(";")).into(),
        ];
        args.extend(
            libraries.iter().map(|dir| OsString::from_vec([LIBRARY.as_bytes(), dir.as_bytes()].concat())),
        );
        args.extend(
            initial
                .limits
                .iter()
                .map(|(number, limits)| format!("{LIMIT}{}", written(*number, limits)).into()),
        );
        args.extend(initial.ordinary.then(|| ORDINARY.into()));
        args
    }

    /// Of arguments. What is missing, unknown or contradicts itself is EINVAL.
    pub fn parse(args: &[OsString]) -> Result<Options, Errno> {
        let mut without = String::new();
        let (mut capabilities, mut acts_as, mut passes) = (None, None, None);
        let (mut libraries, mut limits, mut ordinary) = (Vec::new(), Vec::new(), false);
        for arg in args {
            if let Some(dir) = arg.as_bytes().strip_prefix(LIBRARY.as_bytes()) {
                libraries.push(OsStr::from_bytes(dir).to_owned());
                continue;
            }
            let arg = arg.to_str().ok_or(Errno::INVAL)?;
            if let Some(features) = arg.strip_prefix(WITHOUT) {
                without = features.into();
            } else if let Some(sets) = arg.strip_prefix(CAPABILITIES) {
                capabilities = two(sets);
            } else if let Some(ids) = arg.strip_prefix(ACTS_AS) {
                acts_as =
                    two(ids).and_then(|(user, group)| Some((user.try_into().ok()?, group.try_into().ok()?)));
            } else if let Some(ranges) = arg.strip_prefix(PASSES) {
                passes = ranges.split(';').map(range).collect::<Option<Vec<_>>>();
            } else if let Some(one) = arg.strip_prefix(LIMIT) {
                limits.push(limit(one).ok_or(Errno::INVAL)?);
            } else if arg == ORDINARY {
                ordinary = true;
            } else {
                return Err(Errno::INVAL);
            }
        }
        let initial = Initial { passes: passes.ok_or(Errno::INVAL)?, limits, ordinary };
        if !holds(&initial) {
            return Err(Errno::INVAL);
        }
        Ok(Options {
            without,
            capabilities: capabilities.ok_or(Errno::INVAL)?,
            acts_as: acts_as.ok_or(Errno::INVAL)?,
            libraries,
            initial,
        })
    }
}

/// Whether each number has its place, and A(n) ⊆ R(n).
fn holds(Initial { passes, limits, .. }: &Initial) -> bool {
    let passed =
        |number: u32| passes.iter().rev().find(|(from, _)| *from <= number).map(|(_, rights)| rights);
    passes.first().is_some_and(|(from, _)| *from == 0)
        && passes.is_sorted_by(|(one, _), (next, _)| one < next)
        && limits.is_sorted_by(|(one, _), (next, _)| one < next)
        && limits.iter().all(|(number, limits)| {
            let passed = u32::try_from(*number).ok().and_then(passed);
            passed.is_some_and(|passed| limits.whatever_command().contains(passed))
        })
}

fn hex<T: std::fmt::LowerHex>(numbers: &[T]) -> String {
    numbers.iter().map(|number| format!("{number:x}")).collect::<Vec<_>>().join(",")
}

fn words(rights: &Rights) -> impl Display {
    hex(&rights.words())
}

/// Two hexadecimal numbers, with a comma between.
fn two(text: &str) -> Option<(u64, u64)> {
    let (first, second) = text.split_once(',')?;
    u64::from_str_radix(first, 16).ok().zip(u64::from_str_radix(second, 16).ok())
}

fn rights(text: &str) -> Option<Rights> {
    let (first, second) = two(text)?;
    Rights::from_words([first, second]).ok()
}

fn range(text: &str) -> Option<(u32, Rights)> {
    let (from, words) = text.split_once(':')?;
    Some((from.parse().ok()?, rights(words)?))
}

/// A descriptor's limits, as [`limit`] reads them.
pub(crate) fn written(number: i32, limits: &Limits) -> String {
    let ioctls = limits.ioctls().commands().map_or("all".into(), hex);
    format!("{number}:{}:{ioctls}:{:x}", words(&limits.rights()), limits.fcntls().bits())
}

pub(crate) fn limit(text: &str) -> Option<(i32, Limits)> {
    let mut parts = text.split(':');
    let [number, words, ioctls, fcntls] = [(); 4].map(|()| parts.next());
    let ioctls = match ioctls? {
        "all" => IoctlLimit::ALL,
        "" => IoctlLimit::NONE,
        list => {
            let commands = list.split(',').map(|command| u32::from_str_radix(command, 16).ok());
            IoctlLimit::list(commands.collect::<Option<Vec<_>>>()?).ok()?
        }
    };
    let fcntls = FcntlRights::from_bits(u32::from_str_radix(fcntls?, 16).ok()?)?;
    let mut limits = Limits::of(rights(words?)?);
    limits.narrow_ioctls(ioctls).ok()?;
    limits.narrow_fcntls(fcntls).ok()?;
    parts.next().is_none().then_some((number?.parse().ok()?, limits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rights::{IOCTLS_MAX, Right};

    const READ: Rights = Rights::of(&[Right::READ, Right::FSTAT, Right::IOCTL]);

    fn limits(rights: Rights, ioctls: IoctlLimit, fcntls: FcntlRights) -> Limits {
        let mut limits = Limits::of(rights);
        limits.narrow_ioctls(ioctls).unwrap();
        limits.narrow_fcntls(fcntls).unwrap();
        limits
    }

    fn plain() -> Options {
        Options {
            without: String::new(),
            capabilities: (0, 0),
            acts_as: (0, 0),
            libraries: Vec::new(),
            initial: Initial {
                passes: vec![(0, Rights::ALL), (256, Rights::NONE)],
                limits: Vec::new(),
                ordinary: false,
            },
        }
    }

    /// The plain options, with these arguments beside them.
    fn with(more: &[&str]) -> Result<Options, Errno> {
        let mut args = plain().args();
        args.extend(more.iter().map(|arg| OsString::from(*arg)));
        Options::parse(&args)
    }

    #[test]
    fn what_is_told_is_understood() {
        let many = IoctlLimit::list((0..IOCTLS_MAX as u32).map(|i| u32::MAX - i)).unwrap();
        let options = Options {
            without: "statx,openat2".into(),
            capabilities: (0, u64::MAX),
            acts_as: (1000, u32::MAX - 1),
            libraries: vec!["/lib64".into(), OsString::from_vec(b"/a dir:\xff,;--ordinary".to_vec())],
            initial: Initial {
                passes: vec![
                    (0, Rights::of(&[Right::READ])),
                    (1, Rights::NONE),
                    (3, Rights::ALL),
                    (16, Rights::NONE),
                ],
                limits: vec![
                    (0, limits(READ, many, FcntlRights::NONE)),
                    (1, Limits::of(Rights::NONE)),
                    (2, limits(Rights::ALL, IoctlLimit::list([0x5401]).unwrap(), FcntlRights::GETFL)),
                    (17, limits(Rights::ALL, IoctlLimit::NONE, FcntlRights::ALL)),
                ],
                ordinary: true,
            },
        };
        assert_eq!(Options::parse(&options.args()), Ok(options));
        assert_eq!(with(&[]), Ok(plain()));
    }

    #[test]
    fn nonsense_is_refused() {
        let all = hex(&Rights::ALL.words());
        let none = hex(&Rights::NONE.words());
        for arg in [
            "".into(),
            "--unknown".into(),
            "--ordinary=".into(),
            "--limit=".into(),
            format!("--limit=300:{none}::"),
            format!("--limit=300:{none}:0"),
            format!("--limit=300:{none}::0:"),
            format!("--limit=-1:{none}::0"),
            format!("--limit=300:{none}:5401:0"),
            format!("--limit=300:{none}::8"),
            format!("--limit=300:{all}:all:1"),
            format!("--limit=300:{all}:all:100000000"),
            format!("--limit=300:{all}:5401,:8"),
            format!("--limit=300:{all}:100000000:8"),
            format!("--limit=300:{all}:{}:8", ["1"; IOCTLS_MAX + 1].join(",")),
            "--limit=300:0,0::0".into(),
            "--passes=".into(),
            format!("--passes=1:{all}"),
            format!("--passes=0:{all};0:{none}"),
            format!("--passes=0:{all};5:{none};4:{none}"),
            format!("--passes=0:{all},0"),
            "--capabilities=1".into(),
            "--acts-as=0,100000000".into(),
        ] {
            assert_eq!(with(&[&arg]), Err(Errno::INVAL), "{arg}");
        }
        let twice = format!("--limit=300:{none}::0");
        assert!(with(&[&twice]).is_ok());
        assert_eq!(with(&[&twice, &twice]), Err(Errno::INVAL));
        for missing in 1..4 {
            let mut args = plain().args();
            args.remove(missing);
            assert_eq!(Options::parse(&args), Err(Errno::INVAL), "without {missing}");
        }
    }

    #[test]
    fn a_number_that_lets_through_more_than_its_limit_is_refused() {
        let none = hex(&Rights::NONE.words());
        assert_eq!(with(&[&format!("--limit=5:{none}::0")]), Err(Errno::INVAL));
        // All rights, but not all commands.
        let all = hex(&Rights::ALL.words());
        assert_eq!(with(&[&format!("--limit=5:{all}:5401:78")]), Err(Errno::INVAL));
        assert!(with(&[&format!("--limit=5:{all}:all:78")]).is_ok());
    }
}
