//! What works on a descriptor that is already there.

use crate::raw::{at, of, poke, word, zeroed};
use crate::scene::{self, before};
use crate::stage::{Recipe, Stage, alike, denied, works};
use std::collections::BTreeSet;

pub const RECIPES: &[Recipe] = &[
    ("reading", reading),
    ("writing", writing),
    ("seeking", seeking),
    ("directories", directories),
    ("copying", copying),
    ("length and data", length),
    ("writing all out", sync),
    ("status", status),
    ("mode, owner, attributes", attributes),
    ("locks", locks),
    ("numbers of descriptors", numbers),
    ("closing right after entering", closing),
    ("new pipes", pipes),
    ("polling", polling),
    ("epoll", epoll),
    ("eventfd", eventfd),
    ("timerfd", timerfd),
    ("signalfd", signalfd),
    ("inotify", inotify),
    ("memory files", memory_files),
    ("asynchronous I/O", aio),
    ("io_uring", io_uring),
];

/// `struct iovec` of each.
fn vector<const N: usize>(parts: [(u64, u64); N]) -> [[u64; 2]; N] {
    parts.map(|(base, len)| [base, len])
}

fn reading(t: &mut Stage) {
    let file = scene::file();
    let null = scene::opened(c"/dev/null", libc::O_WRONLY);
    t.enter();
    let mut bytes = [0u8; 8];
    works!(t, read(file, at(&mut bytes), 4));
    t.see("read", bytes);
    let (mut a, mut b) = ([0u8; 2], [0u8; 3]);
    let parts = vector([(at(&mut a), 2), (at(&mut b), 3)]);
    works!(t, readv(file, of(&parts), 2));
    t.see("read", (a, b));
    works!(t, pread64(file, at(&mut bytes), 5, 10));
    t.see("read", bytes);
    works!(t, preadv(file, of(&parts), 2, 1, 0));
    t.see("read", (a, b));
    works!(t, preadv2(file, of(&parts), 2, 3, 0, 0));
    t.see("read at an offset", (a, b));
    works!(t, preadv2(file, of(&parts), 2, -1i64, -1i64, 0));
    t.see("read on", (a, b));
    works!(t, read(file, 16, 4));
    works!(t, read(null, at(&mut bytes), 4));
    works!(t, read(99, at(&mut bytes), 4));
    works!(t, readahead(file, 0, 16));
    works!(t, fadvise64(file, 0, 0, libc::POSIX_FADV_WILLNEED));
    let (range, mut stats) = ([0u64, 16], [0u64; 5]);
    works!(t, cachestat(file, of(&range), at(&mut stats), 0));
}

fn writing(t: &mut Stage) {
    let file = scene::file();
    let pipe = scene::pipe();
    t.enter();
    works!(t, write(file, of(b"AB"), 2));
    let parts = vector([(of(b"CD"), 2), (of(b"EFG"), 3)]);
    works!(t, writev(file, of(&parts), 2));
    works!(t, pwrite64(file, of(b"x"), 1, 15));
    works!(t, pwritev(file, of(&parts), 2, 20, 0));
    works!(t, pwritev2(file, of(&parts), 2, 30, 0, 0));
    works!(t, pwritev2(file, of(&parts), 2, -1i64, -1i64, 0));
    works!(t, write(pipe[1], of(b"through"), 7));
    let mut bytes = [0u8; 8];
    works!(t, read(pipe[0], at(&mut bytes), 8));
    t.see("read", bytes);
    works!(t, write(pipe[0], of(b"x"), 1));
}

fn seeking(t: &mut Stage) {
    let (file, pipe) = (scene::file(), scene::pipe());
    t.enter();
    works!(t, lseek(file, 5, libc::SEEK_SET));
    works!(t, lseek(file, 0, libc::SEEK_CUR));
    works!(t, lseek(file, -1i64, libc::SEEK_END));
    works!(t, lseek(file, 0, libc::SEEK_DATA));
    works!(t, lseek(file, -100i64, libc::SEEK_SET));
    works!(t, lseek(pipe[0], 0, libc::SEEK_CUR));
}

/// The names in what getdents wrote, whose records have their length at 16.
fn names(entries: &[u8], name_at: usize) -> BTreeSet<String> {
    let (mut names, mut rest) = (BTreeSet::new(), entries);
    while rest.len() > name_at {
        let len = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
        let name = rest[name_at..len].split(|&byte| byte == 0).next().unwrap_or_default();
        names.insert(String::from_utf8_lossy(name).into_owned());
        rest = &rest[len..];
    }
    names
}

fn directories(t: &mut Stage) {
    let (dir, again, file) = (scene::dir(), scene::dir(), scene::file());
    t.enter();
    let mut entries = [0u8; 4096];
    let len = works!(t, getdents64(dir, at(&mut entries), 4096));
    t.see("names", names(&entries[..len.max(0) as usize], 19));
    works!(t, getdents64(dir, at(&mut entries), 4096));
    let len = works!(t, getdents(again, at(&mut entries), 4096));
    t.see("names", names(&entries[..len.max(0) as usize], 18));
    works!(t, getdents64(file, at(&mut entries), 4096));
}

fn copying(t: &mut Stage) {
    let (file, other) = (scene::file(), scene::other());
    let (pipe, second, full) = (scene::pipe(), scene::pipe(), scene::full_pipe(b"from a pipe"));
    t.enter();
    let mut bytes = [0u8; 16];
    let mut see = |t: &mut Stage, pipe: [i32; 2]| {
        let len = works!(t, read(pipe[0], at(&mut bytes), 16));
        t.see("piped", &bytes[..len.max(0) as usize]);
    };
    works!(t, sendfile(pipe[1], file, 0, 3));
    see(t, pipe);
    let mut offset = 8u64;
    works!(t, sendfile(pipe[1], file, at(&mut offset), 3));
    t.see("offset", offset);
    see(t, pipe);
    works!(t, splice(file, 0, pipe[1], 0, 2, 0));
    see(t, pipe);
    works!(t, splice(file, at(&mut offset), pipe[1], 0, 2, 0));
    t.see("offset", offset);
    works!(t, tee(pipe[0], second[1], 2, 0));
    see(t, second);
    see(t, pipe);
    works!(t, splice(full[0], 0, other, at(&mut offset), 6, 0));
    t.see("offset", offset);
    let parts = vector([(of(b"by memory"), 9)]);
    works!(t, vmsplice(pipe[1], of(&parts), 1, 0));
    see(t, pipe);
    works!(t, copy_file_range(file, 0, other, 0, 4, 0));
    let (mut from, mut to) = (1u64, 20u64);
    works!(t, copy_file_range(file, at(&mut from), other, at(&mut to), 4, 0));
    t.see("offsets", (from, to));
    works!(t, tee(file, pipe[1], 2, 0));
}

fn length(t: &mut Stage) {
    let (file, memory) = (scene::file(), before(libc::SYS_memfd_create, &[word(c"m"), 0]));
    let pipe = scene::pipe();
    t.enter();
    works!(t, ftruncate(file, 10));
    works!(t, ftruncate(pipe[1], 10));
    works!(t, ftruncate(file, -1i64));
    works!(t, fallocate(file, 0, 8, 12));
    works!(t, fallocate(file, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, 0, 4));
    works!(t, fsync(memory));
    works!(t, fdatasync(memory));
    works!(t, sync_file_range(memory, 0, 10, libc::SYNC_FILE_RANGE_WRITE));
    works!(t, syncfs(memory));
    works!(t, fsync(pipe[0]));
}

fn sync(t: &mut Stage) {
    t.enter();
    works!(t, sync());
}

fn status(t: &mut Stage) {
    let (file, dir, pipe) = (scene::file(), scene::dir(), scene::pipe());
    let (socket, event) = (scene::pair(libc::SOCK_STREAM), before(libc::SYS_eventfd2, &[0, 0]) as i32);
    let mut expected: libc::stat = zeroed();
    before(libc::SYS_fstat, &[word(file), at(&mut expected)]);
    t.enter();
    for fd in [file, dir, pipe[0], socket[0], event] {
        let mut stat: libc::stat = zeroed();
        works!(t, fstat(fd, at(&mut stat)));
        t.see("status", (stat.st_mode, stat.st_nlink, stat.st_uid, stat.st_size, stat.st_blksize));
        if fd == file {
            t.see("the same file", (stat.st_dev, stat.st_ino) == (expected.st_dev, expected.st_ino));
        }
        let mut stat: libc::statfs = zeroed();
        works!(t, fstatfs(fd, at(&mut stat)));
        t.see("file system", (stat.f_type, stat.f_bsize, stat.f_namelen));
    }
    works!(t, fstat(99, at(&mut expected)));
    works!(t, fstat(file, 16));
}

fn attributes(t: &mut Stage) {
    let file = scene::file();
    let read_only = scene::opened(c"other", libc::O_RDONLY);
    let ids = [before(libc::SYS_getuid, &[]), before(libc::SYS_getgid, &[])];
    t.enter();
    works!(t, fchmod(file, 0o640));
    works!(t, fchmod(read_only, 0o4600));
    works!(t, fchown(file, ids[0], ids[1]));
    works!(t, fchown(file, 0, 0));
    works!(t, fchown(file, -1, 12345));
    works!(t, fsetxattr(file, c"user.pimento", of(b"value"), 5, 0));
    works!(t, fsetxattr(file, c"trusted.pimento", of(b"value"), 5, 0));
    works!(t, fsetxattr(file, c"user.pimento", of(b"value"), 5, libc::XATTR_CREATE));
    let mut bytes = [0u8; 64];
    works!(t, fgetxattr(file, c"user.pimento", at(&mut bytes), 64));
    t.see("value", bytes);
    works!(t, flistxattr(file, at(&mut bytes), 64));
    t.see("names", bytes);
    works!(t, fremovexattr(file, c"user.pimento"));
    works!(t, fgetxattr(file, c"user.pimento", 0, 0));
    works!(t, fremovexattr(file, c"user.pimento"));
}

fn locks(t: &mut Stage) {
    let (file, again) = (scene::file(), scene::file());
    t.enter();
    works!(t, flock(file, libc::LOCK_EX));
    works!(t, flock(again, libc::LOCK_EX | libc::LOCK_NB));
    works!(t, flock(file, libc::LOCK_UN));
    works!(t, flock(again, libc::LOCK_EX | libc::LOCK_NB));
}

fn numbers(t: &mut Stage) {
    let (file, other) = (scene::file(), scene::other());
    t.enter();
    works!(t, dup(file));
    works!(t, dup2(file, 40));
    works!(t, dup3(file, 41, libc::O_CLOEXEC));
    works!(t, dup3(file, file, 0));
    let mut bytes = [0u8; 4];
    works!(t, read(40, at(&mut bytes), 2));
    works!(t, read(41, at(&mut bytes[2..]), 2));
    t.see("one offset", bytes);
    works!(t, close(40));
    works!(t, close(40));
    works!(t, close_range(41, 45, 0));
    works!(t, read(41, at(&mut bytes), 1));
    works!(t, dup2(other, file));
    works!(t, read(file, at(&mut bytes), 4));
    t.see("the other", bytes);
    works!(t, dup(99));
}

/// Nobody else has a copy any more: the thread that entering took neither.
fn closing(t: &mut Stage) {
    let (pipe, pair) = (scene::pipe(), scene::pair(libc::SOCK_STREAM));
    before(libc::SYS_fcntl, &[word(pipe[0]), word(libc::F_SETFL), word(libc::O_NONBLOCK)]);
    t.enter();
    works!(t, close(pipe[1]));
    works!(t, read(pipe[0], at(&mut [0u8; 1]), 1));
    works!(t, close(pair[1]));
    works!(t, sendto(pair[0], of(b"x"), 1, libc::MSG_NOSIGNAL, 0, 0));
}

fn pipes(t: &mut Stage) {
    t.enter();
    let mut ends = [0i32; 2];
    works!(t, pipe(at(&mut ends)));
    t.see("ends", ends);
    works!(t, write(ends[1], of(b"new"), 3));
    let mut bytes = [0u8; 4];
    works!(t, read(ends[0], at(&mut bytes), 4));
    t.see("read", bytes);
    works!(t, pipe2(at(&mut ends), libc::O_NONBLOCK | libc::O_CLOEXEC));
    works!(t, read(ends[0], at(&mut bytes), 4));
    works!(t, pipe(16));
}

fn polling(t: &mut Stage) {
    let (empty, full) = (scene::pipe(), scene::full_pipe(b"x"));
    t.enter();
    let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
    let mut entries = [entry(empty[0], libc::POLLIN), entry(full[0], libc::POLLIN), entry(99, libc::POLLIN)];
    let seen = |entries: &[libc::pollfd; 3]| entries.map(|entry| entry.revents);
    works!(t, poll(at(&mut entries), 3, 1000));
    t.see("ready", seen(&entries));
    works!(t, poll(at(&mut entries), 1, 1));
    let mut time = [1i64, 0];
    works!(t, ppoll(at(&mut entries), 3, at(&mut time), 0, 8));
    t.see("ready", seen(&entries));
    for by_pselect in [false, true] {
        let mut set = [0u64; 16];
        for fd in [empty[0], full[0], full[1]] {
            set[0] |= 1 << fd;
        }
        let mut write = set;
        let mut time = [1i64, 0];
        if by_pselect {
            works!(t, pselect6(64, at(&mut set), at(&mut write), 0, at(&mut time), 0));
        } else {
            works!(t, select(64, at(&mut set), at(&mut write), 0, at(&mut time)));
        }
        t.see("ready", (set[0], write[0]));
    }
}

fn epoll(t: &mut Stage) {
    let full = scene::full_pipe(b"x");
    t.enter();
    works!(t, epoll_create(1));
    let epoll = works!(t, epoll_create1(0));
    let event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 42 };
    works!(t, epoll_ctl(epoll, libc::EPOLL_CTL_ADD, full[0], of(&event)));
    works!(t, epoll_ctl(epoll, libc::EPOLL_CTL_ADD, full[0], of(&event)));
    works!(t, epoll_ctl(epoll, libc::EPOLL_CTL_ADD, 99, of(&event)));
    let mut events = [event; 2];
    let seen = |event: &libc::epoll_event| (event.events, event.u64);
    works!(t, epoll_wait(epoll, at(&mut events), 2, 1000));
    t.see("event", seen(&events[0]));
    works!(t, epoll_pwait(epoll, at(&mut events), 2, 1000, 0, 8));
    let time = [1i64, 0];
    works!(t, epoll_pwait2(epoll, at(&mut events), 2, of(&time), 0, 8));
    works!(t, epoll_ctl(epoll, libc::EPOLL_CTL_DEL, full[0], 0));
    works!(t, epoll_wait(epoll, at(&mut events), 2, 1));
    works!(t, epoll_wait(full[0], at(&mut events), 2, 1));
}

fn eventfd(t: &mut Stage) {
    t.enter();
    let (one, two) = (works!(t, eventfd(3)), works!(t, eventfd2(0, libc::EFD_NONBLOCK)));
    let mut count = 4u64;
    works!(t, write(one, of(&count), 8));
    works!(t, read(one, at(&mut count), 8));
    t.see("count", count);
    works!(t, read(two, at(&mut count), 8));
}

fn timerfd(t: &mut Stage) {
    t.enter();
    let timer = works!(t, timerfd_create(libc::CLOCK_MONOTONIC, 0));
    let soon = [0i64, 0, 0, 1_000_000];
    let mut old = [7i64; 4];
    works!(t, timerfd_settime(timer, 0, of(&soon), 0));
    let mut count = 0u64;
    works!(t, read(timer, at(&mut count), 8));
    t.see("count", count);
    works!(t, timerfd_settime(timer, 0, of(&[0i64; 4]), at(&mut old)));
    t.see("old", old);
    works!(t, timerfd_gettime(timer, at(&mut old)));
    t.see("now", old);
}

fn signalfd(t: &mut Stage) {
    let mask = 1u64 << (libc::SIGUSR1 - 1);
    t.enter();
    works!(t, rt_sigprocmask(libc::SIG_BLOCK, of(&mask), 0, 8));
    works!(t, signalfd(-1, of(&mask), 8));
    let fd = works!(t, signalfd4(-1, of(&mask), 8, libc::SFD_NONBLOCK));
    let mut info = [0u8; 128];
    works!(t, read(fd, at(&mut info), 128));
    let me = std::process::id();
    works!(t, kill(me, libc::SIGUSR1));
    works!(t, read(fd, at(&mut info), 128));
    t.see("signal", &info[..4]);
    works!(t, signalfd(fd, of(&0u64), 8));
    works!(t, signalfd4(fd, of(&0u64), 8, 0));
    works!(t, signalfd4(99, of(&mask), 8, 0));
    works!(t, kill(me, libc::SIGUSR1));
    works!(t, read(fd, at(&mut info), 128));
}

fn inotify(t: &mut Stage) {
    let inotify = before(libc::SYS_inotify_init1, &[libc::IN_NONBLOCK as u64]);
    let watch = before(libc::SYS_inotify_add_watch, &[word(inotify), word(c"."), libc::IN_CREATE.into()]);
    let dir = scene::dir();
    t.enter();
    works!(t, mkdirat(dir, c"made", 0o755));
    let mut event = [0u8; 64];
    works!(t, read(inotify, at(&mut event), 64));
    t.see("event", event);
    works!(t, inotify_rm_watch(inotify, watch));
    works!(t, inotify_rm_watch(inotify, watch));
    works!(t, inotify_init());
    works!(t, inotify_init1(libc::IN_NONBLOCK));
    denied!(t, inotify_add_watch(inotify, c".", libc::IN_CREATE));
    denied!(t, inotify_add_watch(inotify, t.path("in").as_c_str(), libc::IN_CREATE));
    denied!(t, inotify_add_watch(99, 0, 0));
}

fn memory_files(t: &mut Stage) {
    t.enter();
    let file = works!(t, memfd_create(c"label", libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING));
    works!(t, write(file, of(b"in memory"), 9));
    let mut bytes = [0u8; 9];
    works!(t, pread64(file, at(&mut bytes), 9, 0));
    t.see("read", bytes);
    works!(t, memfd_create(16, 0));
    let secret = works!(t, memfd_secret(0));
    works!(t, ftruncate(secret, 4096));
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let mapped = alike!(t, mmap(0, 4096, access, libc::MAP_SHARED, secret, 0));
    if mapped > 0 {
        poke(mapped as u64, 1);
    }
}

fn aio(t: &mut Stage) {
    let (file, other) = (scene::file(), scene::other());
    t.enter();
    let mut context = 0u64;
    works!(t, io_setup(4, at(&mut context)));
    // `struct iocb`: data, key and flags; opcode 0 (pread) and 1 (pwrite), descriptor, buffer, length, offset.
    let mut bytes = [0u8; 8];
    let block = |data: u64, opcode: u64, fd: i32, buffer: u64, len: u64| {
        [data, 0, opcode | (fd as u64) << 32, buffer, len, 2, 0, 0]
    };
    let read = block(1, 0, file, at(&mut bytes), 4);
    let write = block(2, 1, other, of(b"AIO"), 3);
    let blocks = [of(&read), of(&write)];
    works!(t, io_submit(context, 2, of(&blocks)));
    let mut events = [[0u64; 4]; 2];
    works!(t, io_getevents(context, 1, 1, at(&mut events), 0));
    let mut second = [[0u64; 4]; 2];
    works!(t, io_pgetevents(context, 1, 1, at(&mut second), 0, 0));
    let done: BTreeSet<_> = [events[0], second[0]].map(|event| (event[0], event[2])).into();
    t.see("done", (done, bytes));
    works!(t, io_cancel(context, of(&read), at(&mut events)));
    works!(t, io_destroy(context));
    works!(t, io_destroy(context));
}

fn io_uring(t: &mut Stage) {
    let mut params = [0u32; 30];
    let ring = scene::perhaps(libc::SYS_io_uring_setup, &[1, at(&mut params)]);
    t.enter();
    params = [0; 30];
    denied!(t, io_uring_setup(1, at(&mut params)));
    denied!(t, io_uring_setup(1, 0));
    denied!(t, io_uring_enter(ring, 0, 0, 0, 0, 0));
    // IORING_REGISTER_PROBE.
    let mut probe = [0u64; 34];
    denied!(t, io_uring_register(ring, 8, at(&mut probe), 16));
}
