//! What belongs to the whole machine, what is no more, what the policy does not know, and the calls of FreeBSD's interface.
//! Of what would change the machine, the arguments are such as change nothing.

use crate::raw::{self, at, of};
use crate::scene::{self, before};
use crate::stage::{Recipe, Stage, Want, absent, denied, is};

pub const RECIPES: &[Recipe] = &[
    ("the machine's names", names),
    ("the machine's kernel", kernel),
    ("the machine's clock", clock),
    ("the machine's swap and accounting", swap),
    ("ports", ports),
    ("the session's terminal", hangup),
    ("programs in the kernel", programs),
    ("keys", keys),
    ("calls that are no more", no_more),
    ("calls that the policy does not know", unknown),
    ("FreeBSD's interface", capsicum),
];

fn names(t: &mut Stage) {
    let mut name: libc::utsname = raw::zeroed();
    before(libc::SYS_uname, &[at(&mut name)]);
    let len = |name: &[libc::c_char]| name.iter().take_while(|&&byte| byte != 0).count();
    t.enter();
    denied!(t, sethostname(of(&name.nodename), len(&name.nodename)));
    denied!(t, setdomainname(of(&name.domainname), len(&name.domainname)));
    denied!(t, sethostname(0, 0x1000));
    denied!(t, syslog(10, 0, 0));
    denied!(t, syslog(3, 0, 0));
    // LISTNS_CURRENT_USER of the caller's namespaces: `struct ns_id_req`.
    let (request, mut ids) = ([32u64, 0, 0, 0], [0u64; 4]);
    denied!(t, listns(of(&request), at(&mut ids), 4, 0));
}

fn kernel(t: &mut Stage) {
    let file = scene::file();
    t.enter();
    denied!(t, reboot(0, 0, 0, 0));
    denied!(t, reboot(0xfee1_dead_u32, 672_274_793, 0x7777, 0));
    denied!(t, kexec_load(0, 0, 0, 0xffff_ffff_u32));
    denied!(t, kexec_file_load(-1, -1, 0, 0, 0xffff_ffff_u32));
    denied!(t, init_module(0, 0, c""));
    denied!(t, finit_module(file, c"", 0));
    denied!(t, delete_module(c"pimento_is_no_module", libc::O_NONBLOCK));
}

fn clock(t: &mut Stage) {
    let mut timex = [0u64; 32];
    t.enter();
    // Without modes it only asks.
    denied!(t, adjtimex(at(&mut timex)));
    denied!(t, clock_adjtime(libc::CLOCK_REALTIME, at(&mut timex)));
    denied!(t, settimeofday(0, 0));
    denied!(t, clock_settime(libc::CLOCK_MONOTONIC, of(&[1i64, 0])));
    denied!(t, clock_settime(libc::CLOCK_REALTIME, 16));
}

fn swap(t: &mut Stage) {
    t.enter();
    denied!(t, swapon(c"file", 0));
    denied!(t, swapoff(c"file"));
    denied!(t, acct(c"missing"));
}

fn ports(t: &mut Stage) {
    t.enter();
    denied!(t, iopl(0));
    denied!(t, iopl(3));
    denied!(t, ioperm(0x80, 1, 0));
    denied!(t, ioperm(0x80, 1, 1));
}

fn hangup(t: &mut Stage) {
    // A session without a terminal has nothing to be hung up.
    before(libc::SYS_setsid, &[]);
    t.enter();
    denied!(t, vhangup());
}

fn programs(t: &mut Stage) {
    t.enter();
    // BPF_MAP_CREATE of an array; BPF_PROG_GET_NEXT_ID.
    let mut attributes = [0u32; 32];
    attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
    denied!(t, bpf(0, at(&mut attributes), 128));
    attributes = [0; 32];
    denied!(t, bpf(11, at(&mut attributes), 128));
    // `struct perf_event_attr`: software, its size, the CPU's clock, disabled.
    let mut event = [0u32; 32];
    event[..2].copy_from_slice(&[1, 128]);
    denied!(t, perf_event_open(at(&mut event), 0, -1, -1, 0));
    denied!(t, userfaultfd(libc::O_CLOEXEC));
    denied!(t, userfaultfd(1));
}

fn keys(t: &mut Stage) {
    t.enter();
    // The process's own keyring, made if it is not there.
    let ring = -2;
    denied!(t, keyctl(0, ring, 1));
    denied!(t, add_key(c"user", c"pimento", of(b"payload"), 7, ring));
    denied!(t, request_key(c"user", c"pimento", 0, 0));
    denied!(t, keyctl(6, ring, 0, 0));
}

fn no_more(t: &mut Stage) {
    t.enter();
    absent!(t, _sysctl(0));
    absent!(t, create_module());
    absent!(t, get_kernel_syms());
    absent!(t, query_module());
    absent!(t, nfsservctl());
    absent!(t, epoll_ctl_old());
    absent!(t, epoll_wait_old());
    absent!(t, getpmsg());
    absent!(t, putpmsg());
    absent!(t, afs_syscall());
    absent!(t, tuxcall());
    absent!(t, security());
    absent!(t, vserver());
    absent!(t, set_thread_area(0));
    absent!(t, get_thread_area(0));
}

/// Numbers that no kernel has yet, and those of another ABI: x32's, and the 32-bit entry's are beyond this test.
fn unknown(t: &mut Stage) {
    t.enter();
    for number in
        [471u32, 511, 512, 547, 600, 1000, 0x4000_0000, 0x4000_0001, 0x7fff_ffff, 0x8000_0000, u32::MAX]
    {
        t.number(number, -1094);
    }
    // Between and behind FreeBSD's.
    t.number(0x4341_4fff, -1094);
    t.number(0x4341_5010, -1094);
}

fn capsicum(t: &mut Stage) {
    let dir = scene::dir();
    let mut out = [0u64; 8];
    t.enter();
    is!(t, 0, cap_enter());
    is!(t, 0, cap_enter());
    let mut mode = 7u32;
    is!(t, 0, cap_getmode(at(&mut mode)));
    t.see("in capability mode", mode == 1 || !pimento::sandboxed());
    is!(t, -14, cap_getmode(16));
    // The rules of limits are tests/limits' subject.
    let all = pimento::Rights::ALL.words();
    is!(t, 0, cap_rights_limit(dir, of(&all)));
    is!(t, -22, cap_rights_limit(dir, of(&out)));
    is!(t, -14, cap_rights_limit(dir, 16));
    is!(t, -9, cap_rights_limit(99, of(&all)));
    is!(t, 0, __cap_rights_get(0, dir, at(&mut out)));
    is!(t, -22, __cap_rights_get(1, dir, at(&mut out)));
    is!(t, -9, __cap_rights_get(0, 99, at(&mut out)));
    is!(t, 0, cap_ioctls_limit(dir, of(&out), 1));
    is!(t, -22, cap_ioctls_limit(dir, of(&out), 257));
    is!(t, 1, cap_ioctls_get(dir, at(&mut out), 8));
    is!(t, 0, cap_fcntls_limit(dir, 0));
    is!(t, -1093, cap_fcntls_limit(dir, 8));
    is!(t, -22, cap_fcntls_limit(dir, 1));
    is!(t, 0, cap_fcntls_get(dir, at(&mut out)));
    t.spawn("pdfork", Want::Is(-38), &[at(&mut out), 0]);
    t.spawn("pdrfork", Want::Is(-38), &[at(&mut out), 0, 0]);
    absent!(t, pdkill(dir, 0));
    absent!(t, pdgetpid(dir, at(&mut out)));
    absent!(t, pdwait4(dir, at(&mut out), 0, 0));
    absent!(t, pdwait(dir, at(&mut out), 0, 0, 0));
}
