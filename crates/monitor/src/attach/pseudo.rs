//! FreeBSD's calls, by the numbers at which a monitor serves them. In a process without a monitor each of them fails: with
//! ENOSYS, unless another's seccomp filter has something else to say to numbers that no kernel knows. Errors are errnos.

use super::raw;
use rights::{FcntlRights, IOCTLS_MAX, IoctlLimit, Limits, Rights, WORDS};

/// `CAP_IOCTLS_ALL`: what cap_ioctls_get(2) answers where no command is refused.
const IOCTLS_ALL: usize = isize::MAX as usize;

/// A call by its name: its value, or an errno.
fn perform(name: &str, args: [usize; 3]) -> Result<usize, i32> {
    let [a, b, c] = args;
    loop {
        match perform_once(name, [a, b, c, 0]) {
            // A signal came before the monitor had taken the call.
            Err(libc::EINTR) => {}
            result => return result,
        }
    }
}

fn perform_once(name: &str, args: [usize; 4]) -> Result<usize, i32> {
    let call = policy::PSEUDO.iter().find(|call| call.name == name);
    let number = call.and_then(|call| call.x86_64).ok_or(libc::ENOSYS)?;
    let [a, b, c, d] = args;
    // SAFETY: the functions here pass numbers, and pointers to what they have borrowed for longer than the call.
    unsafe { raw::perform(number.into(), [a, b, c, d, 0, 0]) }
}

pub(super) const RIGHTS: &str = "cap_rights_limit";
const IOCTLS: &str = "cap_ioctls_limit";
const FCNTLS: &str = "cap_fcntls_limit";

/// A limit that failed: the call, and its errno.
pub(super) type Failed = (&'static str, i32);

/// cap_getmode(2): whether the process is in capability mode. An error: there is no monitor to tell.
///
/// ```
/// assert_eq!(monitor::attach::pseudo::mode(), Err(38)); // ENOSYS
/// ```
pub fn mode() -> Result<bool, i32> {
    let mut mode = 0u32;
    perform("cap_getmode", [(&raw mut mode).expose_provenance(), 0, 0]).map(|_| mode == 1)
}

/// cap_enter(2).
///
/// # Errors
/// As the call's own. Nothing has changed then.
///
/// ```
/// assert!(monitor::attach::pseudo::enter().is_err());
/// ```
pub fn enter() -> Result<(), i32> {
    perform("cap_enter", [0; 3]).map(drop)
}

/// cap_rights_limit(2).
///
/// # Errors
/// As the call's own. Nothing has changed then.
///
/// ```
/// let none = rights::Rights::NONE;
/// assert!(monitor::attach::pseudo::limit_rights(0, none).is_err());
/// ```
pub fn limit_rights(fd: i32, rights: Rights) -> Result<(), i32> {
    let words = rights.words();
    perform(RIGHTS, [fd as usize, words.as_ptr().expose_provenance(), 0]).map(drop)
}

/// cap_rights_get(3).
///
/// # Errors
/// As the call's own.
///
/// ```
/// assert!(monitor::attach::pseudo::rights(0).is_err());
/// ```
pub fn rights(fd: i32) -> Result<Rights, i32> {
    let mut words = [0u64; WORDS];
    perform("__cap_rights_get", [0, fd as usize, words.as_mut_ptr().expose_provenance()])?;
    Rights::from_words(words).map_err(|_| libc::EINVAL)
}

/// cap_ioctls_limit(2). There is no limit to all of them: [`IoctlLimit::ALL`] is none.
///
/// # Errors
/// As the call's own. Nothing has changed then.
///
/// ```
/// let none = rights::IoctlLimit::NONE;
/// assert!(monitor::attach::pseudo::limit_ioctls(0, &none).is_err());
/// ```
pub fn limit_ioctls(fd: i32, limit: &IoctlLimit) -> Result<(), i32> {
    let Some(commands) = limit.commands() else { return Ok(()) };
    let commands: Vec<u64> = commands.iter().copied().map(u64::from).collect();
    let list = commands.as_ptr().expose_provenance();
    perform(IOCTLS, [fd as usize, list, commands.len()]).map(drop)
}

/// cap_ioctls_get(2).
///
/// # Errors
/// As the call's own.
///
/// ```
/// assert!(monitor::attach::pseudo::ioctls(0).is_err());
/// ```
pub fn ioctls(fd: i32) -> Result<IoctlLimit, i32> {
    let mut commands = [0u64; IOCTLS_MAX];
    let list = commands.as_mut_ptr().expose_provenance();
    match perform("cap_ioctls_get", [fd as usize, list, commands.len()])? {
        IOCTLS_ALL => Ok(IoctlLimit::ALL),
        count => {
            let commands = commands.get(..count).ok_or(libc::EINVAL)?;
            IoctlLimit::list(commands.iter().map(|&command| command as u32)).map_err(|_| libc::EINVAL)
        }
    }
}

/// cap_fcntls_limit(2).
///
/// # Errors
/// As the call's own. Nothing has changed then.
///
/// ```
/// let none = rights::FcntlRights::NONE;
/// assert!(monitor::attach::pseudo::limit_fcntls(0, none).is_err());
/// ```
pub fn limit_fcntls(fd: i32, fcntls: FcntlRights) -> Result<(), i32> {
    perform(FCNTLS, [fd as usize, fcntls.bits() as usize, 0]).map(drop)
}

/// cap_fcntls_get(2).
///
/// # Errors
/// As the call's own.
///
/// ```
/// assert!(monitor::attach::pseudo::fcntls(0).is_err());
/// ```
pub fn fcntls(fd: i32) -> Result<FcntlRights, i32> {
    let mut bits = 0u32;
    perform("cap_fcntls_get", [fd as usize, (&raw mut bits).expose_provenance(), 0])?;
    FcntlRights::from_bits(bits).ok_or(libc::EINVAL)
}

/// bindat(2).
///
/// # Errors
/// As the call's own.
///
/// ```
/// assert!(monitor::attach::pseudo::bind_at(3, 4, b"\x01\0name\0").is_err());
/// ```
pub fn bind_at(dir: i32, socket: i32, address: &[u8]) -> Result<(), i32> {
    loop {
        match at_address("bindat", dir, socket, address) {
            Err(libc::EINTR) => {}
            result => return result,
        }
    }
}

/// connectat(2).
///
/// # Errors
/// As the call's own. EINTR: a signal was handled, before the call or while it waited.
///
/// ```
/// assert!(monitor::attach::pseudo::connect_at(3, 4, b"\x01\0name\0").is_err());
/// ```
pub fn connect_at(dir: i32, socket: i32, address: &[u8]) -> Result<(), i32> {
    at_address("connectat", dir, socket, address)
}

fn at_address(name: &str, dir: i32, socket: i32, address: &[u8]) -> Result<(), i32> {
    let args = [dir as usize, socket as usize, address.as_ptr().expose_provenance(), address.len()];
    perform_once(name, args).map(drop)
}

/// What a descriptor is limited to.
pub(super) fn limits(fd: i32) -> Result<Limits, i32> {
    let mut limits = Limits::of(rights(fd)?);
    // No more than these rights leave of them, even if another thread limits it meanwhile.
    limits.narrow_ioctls(ioctls(fd)?).map_err(|_| libc::EINVAL)?;
    limits.narrow_fcntls(fcntls(fd)?).map_err(|_| libc::EINVAL)?;
    Ok(limits)
}

/// Limits a descriptor to what is said there: what is not limited there is left as it is.
pub(super) fn limit(fd: i32, limits: &Limits) -> Result<(), Failed> {
    // What goes with CAP_IOCTL and CAP_FCNTL goes without saying.
    let implied = Limits::of(limits.rights());
    if limits.rights() != Rights::ALL {
        limit_rights(fd, limits.rights()).map_err(|errno| (RIGHTS, errno))?;
    }
    if limits.ioctls() != implied.ioctls() {
        limit_ioctls(fd, limits.ioctls()).map_err(|errno| (IOCTLS, errno))?;
    }
    if limits.fcntls() != implied.fcntls() {
        limit_fcntls(fd, limits.fcntls()).map_err(|errno| (FCNTLS, errno))?;
    }
    Ok(())
}

/// Whether that would succeed.
pub(super) fn check(fd: i32, limits: &Limits) -> Result<(), Failed> {
    let implied = Limits::of(limits.rights());
    let held = self::limits(fd).map_err(|errno| (RIGHTS, errno))?;
    let capable = |call, fits| if fits { Ok(()) } else { Err((call, rights::ENOTCAPABLE)) };
    let all = limits.rights() == Rights::ALL;
    capable(RIGHTS, all || held.rights().contains(&limits.rights()))?;
    capable(IOCTLS, limits.ioctls() == implied.ioctls() || held.ioctls().contains(limits.ioctls()))?;
    capable(FCNTLS, limits.fcntls() == implied.fcntls() || held.fcntls().contains(limits.fcntls()))
}
