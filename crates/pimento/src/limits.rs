//! Limits on descriptors, all at once, with entering or without.

#[cfg(target_os = "freebsd")]
use crate::freebsd as system;
#[cfg(target_os = "linux")]
use crate::linux as system;
use crate::{FcntlRights, IoctlLimit, LimitError, Right, Rights};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;

/// The limits of several descriptors, made together, and with entering capability mode.
///
/// On Linux this is the fastest way, for the process gets a single filter, which lets through exactly what the limits leave.
/// What it leaves alone keeps all its rights.
///
/// ```no_run
/// use pimento::{Limits, Right, Rights};
/// use std::fs::File;
///
/// let input = File::open("untrusted.gz")?;
/// let cache = File::open("/var/cache/decoder")?;
/// Limits::new()
///     .stdio()
///     .fd(&input, Rights::of(&[Right::READ, Right::FSTAT]))
///     .fd(&cache, Rights::of(&[Right::PREAD, Right::FSTATAT]))
///     .enter()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Each limit does what the function for it does, one after the other: a descriptor can be named again, with less. What is wrong
/// with a limit is told when they are made. Until then the descriptors are borrowed, so that none is closed before:
///
/// ```compile_fail
/// let input = std::fs::File::open("untrusted.gz")?;
/// let limits = pimento::Limits::new().fd(&input, pimento::Right::READ);
/// drop(input);
/// limits.enter()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "it does nothing until `enter` or `limit` is called"]
pub struct Limits<'fd> {
    limits: BTreeMap<RawFd, rights::Limits>,
    libraries: Vec<PathBuf>,
    /// The first thing that is wrong.
    wrong: Option<LimitError>,
    descriptors: PhantomData<BorrowedFd<'fd>>,
}

/// What the C library asks of a terminal: its settings (as of glibc 2.42 by TCGETS2), and how large it is.
#[cfg(target_os = "linux")]
const TERMINAL: [u32; 3] = [libc::TCGETS as u32, libc::TCGETS2 as u32, libc::TIOCGWINSZ as u32];
#[cfg(target_os = "freebsd")]
const TERMINAL: [u32; 3] = [
    libc::TIOCGETA as u32,
    libc::TIOCGWINSZ as u32,
    // FIODTYPE: the type of a device.
    0x4004_667a,
];

impl<'fd> Limits<'fd> {
    /// None yet.
    ///
    /// ```no_run
    /// // The same as `pimento::enter()`.
    /// pimento::Limits::new().enter()?;
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    pub fn new() -> Limits<'fd> {
        Limits::default()
    }

    /// Limits the standard descriptors to what most programs use them for, as FreeBSD's `caph_limit_stdio(3)` does: standard
    /// input to reading, standard output and error to writing; each besides to CAP_EVENT, CAP_FCNTL (F_GETFL alone),
    /// CAP_FSTAT, CAP_IOCTL (asking for a terminal's settings and size alone) and CAP_SEEK. Those that are not open are left
    /// out.
    ///
    /// ```no_run
    /// pimento::Limits::new().stdio().enter()?;
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    pub fn stdio(mut self) -> Limits<'fd> {
        let each = Rights::of(&[Right::EVENT, Right::FCNTL, Right::FSTAT, Right::IOCTL, Right::SEEK]);
        for (descriptor, right) in [(0, Right::READ), (1, Right::WRITE), (2, Right::WRITE)] {
            if system::is_open(descriptor) {
                self = self
                    .narrow(descriptor, each.union(&right.into()))
                    .narrow_ioctls(descriptor, TERMINAL)
                    .narrow_fcntls(descriptor, FcntlRights::GETFL);
            }
        }
        self
    }

    /// Limits standard input to these rights.
    ///
    /// ```no_run
    /// use pimento::{Limits, Right, Rights};
    ///
    /// Limits::new().stdin(Right::READ).stdout(Right::WRITE).stderr(Rights::NONE).enter()?;
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    pub fn stdin(self, rights: impl Into<Rights>) -> Limits<'fd> {
        self.narrow(0, rights.into())
    }

    /// Limits standard output to these rights.
    ///
    /// ```no_run
    /// pimento::Limits::new().stdout(pimento::Right::WRITE).enter()?;
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    pub fn stdout(self, rights: impl Into<Rights>) -> Limits<'fd> {
        self.narrow(1, rights.into())
    }

    /// Limits standard error to these rights.
    ///
    /// ```no_run
    /// pimento::Limits::new().stderr(pimento::Right::WRITE).enter()?;
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    pub fn stderr(self, rights: impl Into<Rights>) -> Limits<'fd> {
        self.narrow(2, rights.into())
    }

    /// Limits a descriptor to these rights, as [`limit`](crate::limit) does.
    ///
    /// ```no_run
    /// let input = std::fs::File::open("untrusted.gz")?;
    /// pimento::Limits::new().fd(&input, pimento::Right::READ).enter()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fd(self, fd: &'fd impl AsFd, rights: impl Into<Rights>) -> Limits<'fd> {
        self.narrow(fd.as_fd().as_raw_fd(), rights.into())
    }

    /// Limits a descriptor to these ioctl(2) commands, at most 256, as [`limit_ioctls`](crate::limit_ioctls) does.
    ///
    /// ```no_run
    /// let terminal = std::fs::File::open("/dev/tty")?;
    /// pimento::Limits::new().ioctls(&terminal, [libc::TIOCGWINSZ as u32]).enter()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ioctls(self, fd: &'fd impl AsFd, commands: impl IntoIterator<Item = u32>) -> Limits<'fd> {
        self.narrow_ioctls(fd.as_fd().as_raw_fd(), commands)
    }

    /// Limits a descriptor to these fcntl(2) commands, as [`limit_fcntls`](crate::limit_fcntls) does.
    ///
    /// ```no_run
    /// let input = std::fs::File::open("untrusted.gz")?;
    /// pimento::Limits::new().fcntls(&input, pimento::FcntlRights::NONE).enter()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fcntls(self, fd: &'fd impl AsFd, fcntls: FcntlRights) -> Limits<'fd> {
        self.narrow_fcntls(fd.as_fd().as_raw_fd(), fcntls)
    }

    /// Also holds a directory of shared objects, as [`Enter::libraries`](crate::Enter::libraries) does.
    ///
    /// ```no_run
    /// pimento::Limits::new().stdio().libraries("/lib64").enter()?;
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    pub fn libraries(mut self, dir: impl Into<PathBuf>) -> Limits<'fd> {
        self.libraries.push(dir.into());
        self
    }

    /// Makes the limits, and enters capability mode: see [`enter`](crate::enter). In a process that is in capability mode
    /// already it makes the limits.
    ///
    /// ```no_run
    /// pimento::Limits::new().stdio().enter()?;
    /// assert!(pimento::sandboxed());
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with a limit, as the function for it says; [`LimitError::Enter`] when the process could not enter. On
    /// Linux nothing has changed then, unless another thread made limits at the same time.
    pub fn enter(&self) -> Result<(), LimitError> {
        self.make(true)
    }

    /// Makes the limits, and does not enter.
    ///
    /// ```no_run
    /// pimento::Limits::new().stdio().limit()?;
    /// assert!(!pimento::sandboxed());
    /// # Ok::<(), pimento::LimitError>(())
    /// ```
    ///
    /// # Errors
    /// As those of [`Limits::enter`].
    pub fn limit(&self) -> Result<(), LimitError> {
        self.make(false)
    }

    fn make(&self, enters: bool) -> Result<(), LimitError> {
        match &self.wrong {
            Some(wrong) => Err(wrong.clone()),
            None => {
                let limits = self.limits.iter().map(|(&fd, limits)| (fd, limits.clone())).collect();
                system::limit_all(limits, &self.libraries, enters)
            }
        }
    }

    fn narrow(mut self, fd: RawFd, rights: Rights) -> Limits<'fd> {
        let limits = self.limits.entry(fd).or_insert(rights::Limits::ALL);
        let missing = rights.difference(&limits.rights());
        let narrowed = limits.narrow_rights(rights);
        self.note(narrowed.map_err(|_| LimitError::NotCapable { descriptor: fd, missing }))
    }

    fn narrow_ioctls(mut self, fd: RawFd, commands: impl IntoIterator<Item = u32>) -> Limits<'fd> {
        let limits = self.limits.entry(fd).or_insert(rights::Limits::ALL);
        let narrowed = IoctlLimit::list(commands)
            .map_err(LimitError::from)
            .and_then(|list| limits.narrow_ioctls(list).map_err(|_| lacks_commands(fd)));
        self.note(narrowed)
    }

    fn narrow_fcntls(mut self, fd: RawFd, fcntls: FcntlRights) -> Limits<'fd> {
        let limits = self.limits.entry(fd).or_insert(rights::Limits::ALL);
        let narrowed = limits.narrow_fcntls(fcntls);
        self.note(narrowed.map_err(|_| lacks_commands(fd)))
    }

    fn note(mut self, made: Result<(), LimitError>) -> Limits<'fd> {
        self.wrong = self.wrong.or(made.err());
        self
    }
}

fn lacks_commands(descriptor: RawFd) -> LimitError {
    LimitError::NotCapable { descriptor, missing: Rights::NONE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    const READ: Rights = Rights::of(&[Right::READ, Right::SEEK, Right::IOCTL]);

    fn file() -> (File, RawFd) {
        let file = File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        (file, number)
    }

    #[test]
    fn what_is_said_of_a_descriptor_adds_up() {
        let (file, number) = file();
        let limits =
            Limits::new().ioctls(&file, [1, 2]).fd(&file, READ).fd(&file, Right::IOCTL).ioctls(&file, [2]);
        assert_eq!(limits.wrong, None);
        let one = &limits.limits[&number];
        assert_eq!(one.rights(), Right::IOCTL.into());
        assert_eq!(one.ioctls().commands(), Some(&[2][..]));
        assert_eq!(one.fcntls(), FcntlRights::NONE, "they go with CAP_FCNTL");
        assert_eq!(limits.limits.len(), 1);
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_told() {
        let (file, number) = file();
        let not_capable = |missing| LimitError::NotCapable { descriptor: number, missing };
        let wrong = |limits: Limits| {
            assert_eq!(limits.enter().err(), limits.limit().err());
            limits.wrong.unwrap()
        };
        let more = Limits::new().fd(&file, READ).fd(&file, Rights::of(&[Right::READ, Right::WRITE]));
        assert_eq!(wrong(more.clone()), not_capable(Right::WRITE.into()));
        assert_eq!(wrong(more.ioctls(&file, 0..257)), not_capable(Right::WRITE.into()));
        assert_eq!(
            wrong(Limits::new().ioctls(&file, 0..257)),
            LimitError::TooManyIoctls(rights::TooManyIoctls(257))
        );
        assert_eq!(wrong(Limits::new().fd(&file, Right::READ).ioctls(&file, [1])), not_capable(Rights::NONE));
        assert_eq!(
            wrong(Limits::new().fcntls(&file, FcntlRights::NONE).fcntls(&file, FcntlRights::GETFL)),
            not_capable(Rights::NONE)
        );
    }

    /// capsicum_helpers(3).
    #[test]
    fn the_standard_descriptors_are_limited_as_by_caph_limit_stdio() {
        let limits = Limits::new().stdio();
        for (number, limits) in &limits.limits {
            let own = if *number == 0 { Right::READ } else { Right::WRITE };
            let rights = [own, Right::EVENT, Right::FCNTL, Right::FSTAT, Right::IOCTL, Right::SEEK];
            assert_eq!(limits.rights(), Rights::of(&rights));
            assert!(limits.ioctls().permits(TERMINAL[0]) && !limits.ioctls().permits(0x5412));
            assert_eq!(limits.fcntls(), FcntlRights::GETFL);
        }
        assert_eq!(limits.wrong, None);
        assert!(limits.limits.keys().all(|number| (0..3).contains(number) && system::is_open(*number)));
    }
}
