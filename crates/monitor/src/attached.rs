//! The monitor of a process that enters capability mode by itself, or limits descriptors: a program of its own, which that
//! process has executed from memory ([`crate::attach`]). It lives as long as a process is under its filter.

use crate::attach::options::Options;
use crate::caller::Processes;
use crate::defaults;
use crate::errno::Errno;
use crate::features::Features;
use crate::held::{Held, Only};
use crate::identity;
use crate::listener::Listener;
use crate::monitor::{Monitor, Staff};
use crate::serve::Guard;
use crate::sys::{self, OpenHow};
use crate::telling::Teller;
use rights::Rights;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The process's end of the talk.
const SOCKET: i32 = 3;

/// The `main` of `pimento-monitor`. Descriptor 3 is its socket to the process that it stands for: there it says that it
/// is ready, or why it cannot be, and gets the listener. `args` are those after its name.
pub fn main(args: Vec<OsString>) -> ExitCode {
    // SAFETY: whoever executes this program leaves descriptor 3 to it; nothing else here owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    let mut talk = File::from(socket);
    let ready = Options::parse(&args).and_then(|options| prepare(&options, &talk));
    let errno = ready.as_ref().map_or_else(|errno| errno.0, |_| 0);
    let told = [errno.to_ne_bytes(), std::process::id().to_ne_bytes()].concat();
    let (Ok((guard, staff, processes, mut teller)), Ok(())) = (ready, talk.write_all(&told)) else {
        return ExitCode::FAILURE;
    };
    // Nothing comes if the filter was refused.
    let Ok(listener) = take_listener(&mut talk, &processes) else { return ExitCode::FAILURE };
    drop(talk);
    let listener = Listener::new(listener, &guard.features);
    if !processes.are_like_us() {
        processes.credentials_vary();
    }
    let monitor = Arc::new(Monitor::new(listener, guard, false, processes));
    staff.start(&monitor);
    teller.listen();
    // The end of the last process under the filter.
    teller.wait_for(&monitor, monitor.listener.as_fd(), 0);
    ExitCode::SUCCESS
}

/// The listener, of which the keeper tells its own number and the listener's, and waits until we have it.
fn take_listener(talk: &mut File, processes: &Processes) -> Result<OwnedFd, Errno> {
    let io = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EIO));
    let mut told = [0; 8];
    talk.read_exact(&mut told).map_err(io)?;
    let [a, b, c, d, e, f, g, h] = told;
    let (keeper, number) = (u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
    let listener = sys::pidfd_getfd(sys::pidfd_open(keeper)?.as_fd(), number)?;
    processes.tables().filter_is_on(processes.first(), keeper)?;
    talk.write_all(b"T").map_err(io)?;
    Ok(listener)
}

/// Whether there is what serving takes. The filters that its process has from before are the monitor's too, and at the
/// first call it would be too late to say that they refuse something.
fn probe(socket: BorrowedFd) -> Result<(), Errno> {
    let mut word = [0u8; 8];
    let (own, address) = (std::process::id(), word.as_mut_ptr().expose_provenance() as u64);
    sys::read_memory(own, address, &mut [0; 8])?;
    sys::write_memory(own, address, &[0; 8])?;
    let process = sys::pidfd_open(own)?;
    let socket = sys::pidfd_getfd(process.as_fd(), socket.as_raw_fd())?;
    let flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    let root = sys::open_path(c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let root = sys::openat2(root.as_fd(), c".", &OpenHow { flags, mode: 0, resolve: libc::RESOLVE_BENEATH })?;
    sys::stat(root.as_fd())?;
    sys::statfs(root.as_fd())?;
    sys::poll(socket.as_fd(), 0, 0)?;
    sys::unshare_fs()?;
    match sys::notif_recv(socket.as_fd()) {
        // A socket has no notifications.
        Ok(_) | Err(Errno(libc::ENOTTY)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Whether the process can be reached at all: the kernel may let nobody be traced (Yama), or the exec have taken the
/// capabilities that it takes.
fn reach(process: u32) -> Result<(), Errno> {
    let unless = |errno| move |found| if found == errno { Ok(()) } else { Err(found) };
    let pidfd = sys::pidfd_open(process)?;
    sys::pidfd_getfd(pidfd.as_fd(), 0).map(drop).or_else(unless(Errno::BADF))?;
    // Nothing is mapped at 0.
    sys::read_memory(process, 0, &mut [0]).map(drop).or_else(unless(Errno::FAULT))
}

/// Everything that can fail, done before it is too late to say so.
fn prepare(options: &Options, talk: &File) -> Result<(Guard, Staff, Processes, Teller), Errno> {
    // Not to be traced, nor its memory read, by anyone but root.
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    sys::set_name(c"pimento-monitor");
    let features = Features::probe_without(&options.without);
    identity::look_for_proc(&features);
    probe(talk.as_fd())?;
    let process = sys::peer(talk.as_fd())?;
    let (effective, permitted) = options.capabilities;
    let (user, group) = options.acts_as;
    sys::setfsgid(group);
    sys::setfsuid(user);
    // What its process is permitted it takes to reach one whose users differ from each other. For calls it assumes no more
    // than is effective: if it can be told what is.
    sys::keep_capabilities(if identity::has_proc() { permitted } else { effective }, permitted)?;
    reach(process)?;
    let mut held = Held::new()?;
    for dir in &options.libraries {
        held.hold(Path::new(dir), defaults::READ, Only::Libraries)?;
    }
    // Held directories are held by descriptors: from here on no directory is kept from being unmounted.
    std::env::set_current_dir("/").map_err(|_| Errno::NOENT)?;
    let descriptors = sys::raise_limits().map_err(|_| Errno::PERM)?;
    let guard = Guard {
        held,
        passes: Rights::ALL,
        streams: Vec::new(),
        features,
        exec_confined: false,
        signals_confined: false,
        started: AtomicBool::new(true),
    };
    let initial = &options.initial;
    let processes = Processes::new(descriptors, false, initial.passes.clone())?;
    processes.begin_with(process, initial)?;
    // It was started on one CPU.
    if let Ok((cpus, words)) = sys::affinity(process) {
        let _ = sys::set_affinity(0, &cpus[..words]);
    }
    let teller = Teller::new();
    Ok((guard, Staff::hire().map_err(|_| Errno::AGAIN)?, processes, teller))
}
