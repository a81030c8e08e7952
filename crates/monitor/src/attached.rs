//! The monitor of a process that enters capability mode by itself: a program of its own, which that process has executed
//! from memory ([`crate::attach`]). It lives as long as a process is under its filter.

use crate::caller::Processes;
use crate::defaults;
use crate::errno::Errno;
use crate::features::Features;
use crate::held::{Held, Only};
use crate::identity::{self, Status};
use crate::listener::Listener;
use crate::monitor::{Monitor, Staff};
use crate::serve::Guard;
use crate::sys;
use rights::Rights;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Which features to do without: `PIMENTO_WITHOUT` of the process that enters.
pub(crate) const WITHOUT: &str = "--without=";
/// The effective and permitted capabilities of the process, in hexadecimal.
pub(crate) const CAPABILITIES: &str = "--capabilities=";
/// A directory of shared objects.
pub(crate) const LIBRARY: &str = "--library=";

/// The process's end of the talk.
const SOCKET: i32 = 3;

#[derive(Default)]
struct Options {
    without: String,
    capabilities: Option<(u64, u64)>,
    libraries: Vec<OsString>,
}

impl Options {
    fn of(args: impl Iterator<Item = OsString>) -> Options {
        let mut options = Options::default();
        for arg in args {
            let arg = arg.as_bytes();
            if let Some(without) = arg.strip_prefix(WITHOUT.as_bytes()) {
                options.without = String::from_utf8_lossy(without).into_owned();
            } else if let Some(dir) = arg.strip_prefix(LIBRARY.as_bytes()) {
                options.libraries.push(OsStr::from_bytes(dir).to_owned());
            } else if let Some(sets) = arg.strip_prefix(CAPABILITIES.as_bytes()) {
                let mut sets = sets.split(|&byte| byte == b',').map(|set| {
                    std::str::from_utf8(set).ok().and_then(|set| u64::from_str_radix(set, 16).ok())
                });
                options.capabilities = sets.next().flatten().zip(sets.next().flatten());
            }
        }
        options
    }
}

/// The `main` of `pimento-monitor`. Descriptor 3 is its socket to the process that it stands for: there it says that it
/// is ready, or why it cannot be, and gets the listener.
pub fn main() -> ExitCode {
    // SAFETY: whoever executes this program leaves descriptor 3 to it; nothing else here owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    let mut talk = File::from(socket);
    let ready = prepare(&Options::of(std::env::args_os().skip(1)), &talk);
    let errno = ready.as_ref().map_or_else(|errno| errno.0, |_| 0);
    let told = [errno.to_ne_bytes(), std::process::id().to_ne_bytes()].concat();
    let (Ok((guard, staff, processes)), Ok(())) = (ready, talk.write_all(&told)) else {
        return ExitCode::FAILURE;
    };
    // Nothing comes if the filter was refused.
    let Ok(listener) = sys::receive_descriptor(talk.as_fd()) else { return ExitCode::FAILURE };
    drop(talk);
    let end = listener.try_clone();
    let listener = Listener::new(listener, &guard.features);
    let Ok(end) = end else { return ExitCode::FAILURE };
    staff.start(&Arc::new(Monitor::new(listener, guard, false, processes)));
    // Until no process is left under the filter.
    while !sys::has_hung_up(end.as_fd()) {}
    ExitCode::SUCCESS
}

/// Everything that can fail, done before it is too late to say so.
fn prepare(options: &Options, talk: &File) -> Result<(Guard, Staff, Processes), Errno> {
    // Not to be traced, nor its memory read, by anyone but root.
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    sys::set_name(c"pimento-monitor");
    let features = Features::probe_without(&options.without);
    identity::look_for_proc(&features);
    let mut held = Held::new()?;
    held.strict = true;
    for dir in &options.libraries {
        held.hold(Path::new(dir), defaults::READ, Only::Libraries)?;
    }
    // Held directories are held by descriptors: from here on no directory is kept from being unmounted.
    std::env::set_current_dir("/").map_err(|_| Errno::NOENT)?;
    let descriptors = sys::raise_limits().map_err(|_| Errno::PERM)?;
    if let Some((effective, permitted)) = options.capabilities {
        // What its process is permitted it takes to reach one whose users differ from each other. For calls it assumes
        // no more than is effective: if it can be told what is.
        sys::keep_capabilities(if identity::has_proc() { permitted } else { effective }, permitted)?;
    }
    let guard = Guard {
        hosted: false,
        held,
        passes: Rights::ALL,
        features,
        exec_confined: false,
        signals_confined: false,
        started: AtomicBool::new(true),
    };
    let processes = Processes::new(descriptors, guard.hosted)?;
    // Its process may have a user or capabilities that an exec does not keep. Without procfs it cannot be told, nor what to
    // do about it.
    if identity::has_proc() {
        let theirs = Status::read(sys::peer(talk.as_fd())?)?.identity;
        if theirs != *processes.own_identity() {
            processes.credentials_vary();
        }
    }
    Ok((guard, Staff::hire().map_err(|_| Errno::AGAIN)?, processes))
}
