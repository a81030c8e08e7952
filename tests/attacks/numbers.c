// Every system call number up to 2000, those of x32 and of FreeBSD's, and wild ones, with nothing and with garbage for
// arguments, each in children of its own: none reaches anything, none harms the monitor.
// stops: the filter: what the table does not know is refused
// options: --read @/read --write @/write --read @/write/keep
// enters: read=@/read write=@/write
#include "attack.h"

static void all(unsigned from, unsigned to, unsigned seed)
{
    static char room[65536];
    for (unsigned number = from; number < to; number++) {
        // These end or stop the child, or never return, and do nothing else.
        switch (number) {
        case SYS_exit: case SYS_exit_group: case SYS_pause: case SYS_rt_sigreturn: case SYS_rt_sigsuspend: case SYS_vfork:
        case SYS_fork: case SYS_clone: case SYS_rt_sigtimedwait: case SYS_munmap: case SYS_brk: case SYS_mprotect:
        case SYS_seccomp: case SYS_arch_prctl: case SYS_read: case SYS_futex: case SYS_sync: case SYS_kill: case SYS_tkill:
        case SYS_select: case SYS_poll: case SYS_pselect6: case SYS_ppoll: case SYS_wait4: case SYS_waitid: case SYS_setrlimit:
        case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_mlockall: case SYS_madvise: case SYS_mremap: case SYS_write:
        case SYS_rseq: case SYS_set_robust_list: case SYS_restart_syscall: case 449: case 455: case 462: case SYS_modify_ldt:
            continue;
        }
        unsigned long args[6];
        for (int i = 0; i < 6; i++) {
            seed = seed * 1103515245 + 12345;
            unsigned long kinds[] = { 0, seed % 16, (unsigned long)room, ~0ul, seed, -100 };
            args[i] = seed == 1 ? 0 : kinds[seed / 65536 % 6];
        }
        alarm(2);
        syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    }
}

int main(void)
{
    unsigned wild[] = { 0x40000000, 0x43415000, 0x43415040, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0x40000200 };
    for (unsigned seed = 1; seed < 6; seed++)
        for (unsigned from = 0; from < 2000; from += from < 500 ? 5 : 100)
            IN_CHILD(signal(SIGSYS, SIG_IGN); close(0); all(from, from + (from < 500 ? 5 : 100), seed));
    for (size_t i = 0; i < COUNT(wild); i++)
        for (unsigned k = 0; k < 16; k++)
            IN_CHILD(syscall((long)(wild[i] + k), in("outside/secret"), 0, 0, 0, 0, 0));
    return benign();
}
