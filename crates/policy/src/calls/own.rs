//! The process's own memory, and what kind of machine it is on.

use super::processes::PID;
use crate::{Arg::*, Call, Need, Verdict::*, rows::*};

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

/// What root may do to the page behind an address: take it out of use, whoever else has it.
const MADV_HWPOISON: u32 = 100;
const MADV_SOFT_OFFLINE: u32 = 101;

pub(super) const CALLS: &[Call] = calls! {
    // Mapping.
    mmap 9 222 (In, Size, Int, Flags, Fd(MMAP), Int) [Descriptors]
        "maps a file by the rights that its protection asks for; anonymous memory needs none";
    munmap 11 215 (In, Size) [Allow] "its own memory";
    mremap 25 216 (In, Size, Size, Flags, In) [Allow] "its own memory";
    mprotect 10 226 (In, Size, Int) [Allow]
        "its own memory; raising a limited file's mapping is the monitor's to refuse once limits are in";
    pkey_mprotect 329 288 (In, Size, Int, Int) [Allow]
        "its own memory; raising a limited file's mapping is the monitor's to refuse once limits are in";
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
        [When(&[rule(&[int(2, MADV_HWPOISON)], DENY), rule(&[int(2, MADV_SOFT_OFFLINE)], DENY)], &Allow)]
        "its own memory, but not whether the machine has it";
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
