//! The process's own memory, and what kind of machine it is on.

use super::processes::PID;
use crate::{Arg::*, Call, Need, Verdict, Verdict::*, rows::*};

const PROT_READ: u64 = 1;
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
/// MAP_SHARED, and MAP_SHARED_VALIDATE which includes its bit.
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;

/// What mmap needs of its descriptor, by protection (argument 2) and flags (argument 3). Only a shared mapping
/// writes to the file; a private one that can be written can also be read, whatever it was asked for.
const MMAP: &[Need] = need!(
    ; if clear(3, MAP_ANONYMOUS) => MMAP
    ; if clear(3, MAP_ANONYMOUS), set(2, PROT_READ) => MMAP_R
    ; if clear(3, MAP_ANONYMOUS), set(2, PROT_WRITE), set(3, MAP_SHARED) => MMAP_W
    ; if clear(3, MAP_ANONYMOUS), set(2, PROT_WRITE), clear(3, MAP_SHARED) => MMAP_R
    ; if clear(3, MAP_ANONYMOUS), set(2, PROT_EXEC) => MMAP_X
);

/// What of mmap the filter can answer for: memory, and what a private mapping shows of a file that may be read. A
/// shared mapping, or one that shows nothing yet, may be raised by mprotect beyond what its descriptor allows, so the
/// monitor must know where it lies.
const MAPPED: Verdict = When(
    &[
        rule(&[set(3, MAP_ANONYMOUS)], Descriptors),
        rule(&[set(3, MAP_SHARED)], Ask),
        rule(&[clear(2, PROT_READ)], Ask),
    ],
    &Descriptors,
);
/// Any protection can be more than the mapping had, but none.
const RAISED: Verdict = When(&[rule(&[clear(2, PROT_READ | PROT_WRITE | PROT_EXEC)], Allow)], &Ask);

/// Takes pages out of a file, of which the kernel asks only that the mapping *may become* writable.
const MADV_REMOVE: u32 = 9;
/// What root may do to the page behind an address: take it out of use, whoever else has it.
const MADV_HWPOISON: u32 = 100;
const MADV_SOFT_OFFLINE: u32 = 101;

pub(super) const CALLS: &[Call] = calls! {
    // Mapping.
    mmap 9 222 (In, Size, Int, Flags, Fd(MMAP), Int) [MAPPED; hosted Descriptors; do Map]
        "maps a file by the rights that its protection asks for; anonymous memory needs none; asked where raising the \
         protection could do more than was checked";
    munmap 11 215 (In, Size) [Allow] "its own memory";
    mremap 25 216 (In, Size, Size, Flags, In) [Ask; hosted Allow; do Remap]
        "its own memory; asked so that the monitor knows where a limited file's mapping lies";
    mprotect 10 226 (In, Size, Int) [RAISED; hosted Allow; do Protect]
        "its own memory, but a limited file's mapping only up to what its descriptor would have allowed";
    pkey_mprotect 329 288 (In, Size, Int, Int) [RAISED; hosted Allow; do Protect]
        "its own memory, but a limited file's mapping only up to what its descriptor would have allowed";
    pkey_alloc 330 289 (Flags, Int) [Allow] "its own memory";
    pkey_free 331 290 (Int) [Allow] "its own memory";
    remap_file_pages 216 234 (In, Size, Int, Size, Flags) [Allow] "reorders a mapping that is already there";
    brk 12 214 (In) [Allow] "its own memory";
    mseal 462 462 (In, Size, Flags) [Allow] "its own memory";
    map_shadow_stack 453 453 (In, Size, Flags) [Allow] "its own memory";
    modify_ldt 154 - (Int, InOut, Size) [Allow] "its own segments";

    // Paging.
    msync 26 227 (In, Size, Flags) [Allow] "writes out a mapping that is already there";
    mincore 27 232 (In, Size, Out) [Allow] "its own memory";
    madvise 28 233 (In, Size, Int)
        [When(&[
             rule(&[int(2, MADV_HWPOISON)], DENY),
             rule(&[int(2, MADV_SOFT_OFFLINE)], DENY),
             rule(&[int(2, MADV_REMOVE)], Ask)
         ], &Allow);
         hosted When(&[rule(&[int(2, MADV_HWPOISON)], DENY), rule(&[int(2, MADV_SOFT_OFFLINE)], DENY)], &Allow);
         do Punch]
        "its own memory, but not whether the machine has it; MADV_REMOVE writes to the file behind a shared mapping";
    mlock 149 228 (In, Size) [Allow] "its own memory";
    mlock2 325 284 (In, Size, Flags) [Allow] "its own memory";
    munlock 150 229 (In, Size) [Allow] "its own memory";
    mlockall 151 230 (Flags) [Allow] "its own memory";
    munlockall 152 231 () [Allow] "its own memory";

    // Nodes of memory.
    mbind 237 235 (In, Size, Int, In, Int, Flags) [Allow] "its own memory";
    set_mempolicy 238 237 (Int, In, Int) [Allow] "its own memory";
    get_mempolicy 239 236 (Out, Out, Int, In, Flags) [Allow] "its own memory";
    set_mempolicy_home_node 450 450 (In, Size, Int, Flags) [Allow] "its own memory";
    migrate_pages 256 238 (Pid, Int, In, In) [PID; do OfProcess] "itself only";
    move_pages 279 239 (Pid, Size, In, In, Out, Flags) [PID; do OfProcess] "itself only";

    // What kind of machine it is on.
    uname 63 160 (Out) [Allow] "what kind of kernel this is";
    sysinfo 99 179 (Out) [Allow] "how much memory there is";
    getrandom 318 278 (Out, Size, Flags) [Allow] "random bytes";

    // Probes: the kernel's own trampolines, which it serves from nowhere else.
    uretprobe 335 - () [Allow] "only from the kernel's trampoline";
    uprobe 336 - () [Allow] "only from the kernel's trampoline";
};
