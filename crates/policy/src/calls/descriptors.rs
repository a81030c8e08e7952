//! What works on a descriptor that is already there.

use crate::{Arg::Command, Arg::*, Call, Cond, FCNTL, IOCTL, Verdict, Verdict::*, rows::*};

const IOCTLS: Verdict = Verdict::Command(&IOCTL);
const FCNTLS: Verdict = Verdict::Command(&FCNTL);

/// preadv2 and pwritev2: an offset of -1 means the file's own position.
const AT_OFFSET: Cond = Cond::not(3, u64::MAX, u64::MAX);

/// pwritev2's flag against O_APPEND, which else makes CAP_WRITE without CAP_SEEK a right to append only.
const RWF_NOAPPEND: u64 = 0x20;

pub(super) const CALLS: &[Call] = calls! {
    // Reading and writing.
    read 0 63 (Fd(need!(READ)), Out, Size) [Descriptors] "reads";
    readv 19 65 (Fd(need!(READ)), In, Size) [Descriptors] "reads";
    pread64 17 67 (Fd(need!(PREAD)), Out, Size, Int) [Descriptors] "reads at an offset";
    preadv 295 69 (Fd(need!(PREAD)), In, Size, Int, Int) [Descriptors] "reads at an offset";
    preadv2 327 286 (Fd(need!(READ; if AT_OFFSET => SEEK)), In, Size, Int, Int, Flags) [Descriptors]
        "reads, at an offset unless that is -1";
    write 1 64 (Fd(need!(WRITE)), In, Size) [Descriptors] "writes";
    writev 20 66 (Fd(need!(WRITE)), In, Size) [Descriptors] "writes";
    pwrite64 18 68 (Fd(need!(PWRITE)), In, Size, Int) [Descriptors] "writes at an offset";
    pwritev 296 70 (Fd(need!(PWRITE)), In, Size, Int, Int) [Descriptors] "writes at an offset";
    pwritev2 328 287 (Fd(need!(WRITE; if AT_OFFSET => SEEK; if set(5, RWF_NOAPPEND) => SEEK)), In, Size, Int, Int,
              Flags) [Descriptors]
        "writes, at an offset unless that is -1; RWF_NOAPPEND writes elsewhere than at the end of a file open to append";
    lseek 8 62 (Fd(need!(SEEK_TELL; if int_not(2, 1) => SEEK; if not_null(1) => SEEK)), Int, Int)
        [Descriptors]
        "moves the offset; lseek(fd, 0, SEEK_CUR) only tells it";
    getdents 78 - (Fd(need!(READ)), Out, Size) [Descriptors] "reads a directory";
    getdents64 217 61 (Fd(need!(READ)), Out, Size) [Descriptors] "reads a directory";
    readahead 187 213 (Fd(need!(READ)), Int, Size) [Descriptors] "reads into the page cache";
    fadvise64 221 223 (Fd(&[]), Int, Size, Int) [Allow]
        "advice about access, as posix_fadvise needs no right";
    cachestat 451 451 (Fd(need!(FSTAT)), In, Out, Flags) [Descriptors] "page cache statistics of a file";

    // From one descriptor to another. An explicit offset is a seek on that side.
    sendfile 40 71 (Fd(need!(WRITE)), Fd(need!(READ; if not_null(2) => SEEK)), InOut, Size) [Descriptors]
        "copies from the second to the first";
    splice 275 76 (Fd(need!(READ; if not_null(1) => SEEK)), InOut,
            Fd(need!(WRITE; if not_null(3) => SEEK)), InOut, Size, Flags) [Descriptors]
        "moves from the first to the second";
    tee 276 77 (Fd(need!(READ)), Fd(need!(WRITE)), Size, Flags) [Descriptors] "copies from pipe to pipe";
    copy_file_range 326 285 (Fd(need!(READ; if not_null(1) => SEEK)), InOut,
                     Fd(need!(WRITE; if not_null(3) => SEEK)), InOut, Size, Flags) [Descriptors]
        "copies from the first to the second";
    vmsplice 278 75 (Fd(need!(READ WRITE)), In, Size, Flags) [Descriptors]
        "moves memory into a pipe, or out of it: which, is the pipe end's own affair, so both rights";

    // Length, status, data on disk.
    ftruncate 77 46 (Fd(need!(FTRUNCATE)), Int) [Descriptors; do TruncateFd] "sets a file's length";
    fallocate 285 47 (Fd(need!(PWRITE)), Int, Int, Int) [Descriptors] "allocates or punches within a file";
    fstat 5 80 (Fd(need!(FSTAT)), Out) [Descriptors; do StatFd] "status of a descriptor";
    fstatfs 138 44 (Fd(need!(FSTATFS)), Out) [Descriptors] "status of a descriptor's file system";
    fsync 74 82 (Fd(need!(FSYNC))) [Descriptors] "writes a file out";
    fdatasync 75 83 (Fd(need!(FSYNC))) [Descriptors] "writes a file out";
    sync_file_range 277 84 (Fd(need!(FSYNC)), Int, Int, Flags) [Descriptors] "writes part of a file out";
    syncfs 306 267 (Fd(need!(FSYNC))) [Descriptors] "writes a file system out";
    sync 162 81 () [Allow] "writes everything out";
    flock 73 32 (Fd(need!(FLOCK)), Int) [Descriptors] "locks";

    // Mode, owner and attributes: a descriptor open for reading suffices the kernel, so hosted, where a directory
    // may have been given for reading only, the monitor is asked.
    fchmod 91 52 (Fd(need!(FCHMOD)), Mode) [Descriptors; hosted Ask; do ChangeModeFd] "mode by descriptor";
    fchown 93 55 (Fd(need!(FCHOWN)), Int, Int) [Descriptors; hosted Ask; do ChangeOwnerFd]
        "owner by descriptor";
    fgetxattr 193 10 (Fd(need!(EXTATTR_GET)), In, Out, Size) [Descriptors; do GetXattrFd]
        "reads an attribute";
    flistxattr 196 13 (Fd(need!(EXTATTR_LIST)), Out, Size) [Descriptors; do ListXattrFd] "lists attributes";
    fsetxattr 190 7 (Fd(need!(EXTATTR_SET)), In, In, Size, Flags) [Descriptors; hosted Ask; do SetXattrFd]
        "sets an attribute";
    fremovexattr 199 16 (Fd(need!(EXTATTR_DELETE)), In) [Descriptors; hosted Ask; do RemoveXattrFd]
        "removes an attribute";

    // Commands.
    ioctl 16 29 (Fd(need!(IOCTL)), Command, InOut) [IOCTLS; do Ioctl] "each command is classified";
    fcntl 72 25 (Fd(&[]), Command, InOut) [FCNTLS; do Fcntl] "each command is classified";

    // Descriptor numbers. A copy keeps the rights.
    close 3 57 (Fd(&[])) [Ask; hosted Allow; do Close]
        "closing needs no right; asked so that the monitor knows that the number is free of its limits";
    close_range 436 436 (Int, Int, Flags) [Ask; hosted Allow; do CloseRange]
        "closing needs no right; asked so that the monitor knows that the numbers are free of their limits";
    dup 32 23 (Fd(&[])) [Ask; hosted Allow; do Dup]
        "copying needs no right; asked so that the copy keeps the limits";
    dup2 33 - (Fd(&[]), Fd(&[])) [Ask; hosted Allow; do DupTo]
        "copying needs no right; asked so that the copy keeps the limits, and loses its number's old ones";
    dup3 292 24 (Fd(&[]), Fd(&[]), Flags) [Ask; hosted Allow; do DupTo]
        "copying needs no right; asked so that the copy keeps the limits, and loses its number's old ones";
    pipe 22 - (Out) [Allow] "two new descriptors, of nothing outside the process";
    pipe2 293 59 (Out, Flags) [Allow] "two new descriptors, of nothing outside the process";

    // Waiting for descriptors. The sets are in memory.
    poll 7 - (InOut, Size, Int) [Ask; hosted Allow; do Poll]
        "waits; an entry without CAP_EVENT is POLLNVAL, and the entries are in memory";
    ppoll 271 73 (InOut, Size, InOut, In, Size) [Ask; hosted Allow; do Poll]
        "waits; an entry without CAP_EVENT is POLLNVAL, and the entries are in memory";
    select 23 - (Int, InOut, InOut, InOut, InOut) [Ask; hosted Allow; do Select]
        "waits; each descriptor needs CAP_EVENT, and the sets are in memory";
    pselect6 270 72 (Int, InOut, InOut, InOut, InOut, In) [Ask; hosted Allow; do Select]
        "waits; each descriptor needs CAP_EVENT, and the sets are in memory";
    epoll_create 213 - (Int) [Allow] "a new descriptor, of nothing outside the process";
    epoll_create1 291 20 (Flags) [Allow] "a new descriptor, of nothing outside the process";
    epoll_ctl 233 21 (Fd(need!(EPOLL_CTL)), Int, Fd(need!(EVENT)), In) [Descriptors] "watches a descriptor";
    epoll_wait 232 - (Fd(need!(EVENT)), Out, Size, Int) [Descriptors] "waits for events";
    epoll_pwait 281 22 (Fd(need!(EVENT)), Out, Size, Int, In, Size) [Descriptors] "waits for events";
    epoll_pwait2 441 441 (Fd(need!(EVENT)), Out, Size, In, In, Size) [Descriptors] "waits for events";

    // Objects of the kernel behind a descriptor.
    eventfd 284 - (Int) [Allow] "a new descriptor, of nothing outside the process";
    eventfd2 290 19 (Int, Flags) [Allow] "a new descriptor, of nothing outside the process";
    timerfd_create 283 85 (Int, Flags) [Allow] "a new descriptor, of nothing outside the process";
    timerfd_settime 286 86 (Fd(need!(WRITE; if not_null(3) => READ)), Flags, In, Out) [Descriptors]
        "sets a timer; asking for the old value reads it too";
    timerfd_gettime 287 87 (Fd(need!(READ)), Out) [Descriptors] "reads a timer";
    signalfd 282 - (Fd(need!(; if int_not(0, u32::MAX) => FSIGNAL)), In, Size) [Descriptors]
        "-1 makes a new descriptor, another changes that one's mask";
    signalfd4 289 74 (Fd(need!(; if int_not(0, u32::MAX) => FSIGNAL)), In, Size, Flags) [Descriptors]
        "-1 makes a new descriptor, another changes that one's mask";
    inotify_init 253 - () [Allow] "a new descriptor; what it watches is named later";
    inotify_init1 294 26 (Flags) [Allow] "a new descriptor; what it watches is named later";
    inotify_rm_watch 255 28 (Fd(need!(INOTIFY_RM)), Int) [Descriptors] "ends a watch";
    memfd_create 319 279 (In, Flags) [Allow] "a new anonymous file; its name is only a label";
    memfd_secret 447 447 (Flags) [Allow] "a new anonymous file";

    // Asynchronous I/O.
    io_setup 206 0 (Size, InOut) [Allow] "a context of the process's own";
    io_destroy 207 1 (Int) [Allow] "a context of the process's own";
    io_submit 209 2 (Int, Size, In) [Ask; hosted Allow; do SubmitIo]
        "reads and writes; the descriptors are in memory, out of the filter's sight";
    io_cancel 210 3 (Int, In, Out) [Allow] "a context of the process's own";
    io_getevents 208 4 (Int, Int, Int, Out, InOut) [Allow] "a context of the process's own";
    io_pgetevents 333 292 (Int, Int, Int, Out, InOut, In) [Allow] "a context of the process's own";
    io_uring_setup 425 425 (Int, InOut) [DENY] "performs calls that no filter sees; libraries fall back";
    io_uring_enter 426 426 (Int, Int, Int, Flags, In, Size) [DENY] "performs calls that no filter sees";
    io_uring_register 427 427 (Int, Int, In, Int) [DENY] "performs calls that no filter sees";
};
