//! What belongs to the whole machine, and what is no more.

use crate::{Arg::*, Call, rows::*};

pub(super) const CALLS: &[Call] = calls! {
    // The machine.
    sethostname 170 161 (In, Size) [DENY] "the machine's name";
    setdomainname 171 162 (In, Size) [DENY] "the machine's name";
    reboot 169 142 (Int, Int, Int, In) [DENY] "the machine";
    kexec_load 246 104 (In, Size, In, Flags) [DENY] "the machine's kernel";
    kexec_file_load 320 294 (Int, Int, Size, In, Flags) [DENY] "the machine's kernel";
    init_module 175 105 (In, Size, In) [DENY] "the machine's kernel";
    finit_module 313 273 (Int, In, Flags) [DENY] "the machine's kernel";
    delete_module 176 106 (In, Flags) [DENY] "the machine's kernel";
    syslog 103 116 (Int, Out, Size) [DENY] "the kernel's log";
    swapon 167 224 (In, Flags) [DENY] "the machine's swap";
    swapoff 168 225 (In) [DENY] "the machine's swap";
    acct 163 89 (In) [DENY] "the machine's accounting";
    iopl 172 - (Int) [DENY] "the machine's I/O ports";
    ioperm 173 - (Int, Int, Int) [DENY] "the machine's I/O ports";
    vhangup 153 58 () [DENY] "the terminal of a whole session";

    // Reach of its own kind.
    bpf 321 280 (Int, InOut, Size) [DENY] "loads programs into the kernel, and names objects by id";
    perf_event_open 298 241 (In, Int, Int, Int, Flags) [DENY] "watches other processes and the kernel";
    userfaultfd 323 282 (Flags) [DENY] "holds up the kernel while it reads the process's memory";
    add_key 248 217 (In, In, In, Size, Int) [DENY] "keys are named by global serial numbers";
    request_key 249 218 (In, In, In, Int) [DENY] "keys are named by global serial numbers";
    keyctl 250 219 (Int, InOut, InOut, InOut, InOut) [DENY] "keys are named by global serial numbers";
    listns 470 470 (In, Out, Size, Flags) [DENY] "namespaces are named by global ids";

    // What no kernel implements any more, or ever did.
    _sysctl 156 - (InOut) [ABSENT] "removed from the kernel";
    create_module 174 - () [ABSENT] "removed from the kernel";
    get_kernel_syms 177 - () [ABSENT] "removed from the kernel";
    query_module 178 - () [ABSENT] "removed from the kernel";
    nfsservctl 180 42 () [ABSENT] "removed from the kernel";
    epoll_ctl_old 214 - () [ABSENT] "never implemented on 64-bit kernels";
    epoll_wait_old 215 - () [ABSENT] "never implemented on 64-bit kernels";
    getpmsg 181 - () [ABSENT] "never implemented";
    putpmsg 182 - () [ABSENT] "never implemented";
    afs_syscall 183 - () [ABSENT] "never implemented";
    tuxcall 184 - () [ABSENT] "never implemented";
    security 185 - () [ABSENT] "never implemented";
    vserver 236 - () [ABSENT] "never implemented";
};
