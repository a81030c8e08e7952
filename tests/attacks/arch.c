// The same calls by other doors: i386's numbers through int 0x80, x32's, numbers with bits above 31, vsyscalls.
// stops: the filter's first instruction asks for the architecture; x32 is refused by its bit
// options: --read @/read --write @/write --read @/write/keep
// enters: read=@/read write=@/write
#include "attack.h"

static long old(long number, long a, long b, long c)
{
    long result;
    asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(void)
{
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | 0x40 /* MAP_32BIT */, -1, 0);
    strcpy(low, in("outside/secret"));
    // open, openat, unlink, chmod, execve, kill, socketcall, ptrace, mount, rename … of i386.
    struct { long number, a, b, c; } calls[] = {
        { 5, (long)low, O_RDONLY, 0 }, { 295, AT_FDCWD, (long)low, 0 }, { 10, (long)low, 0, 0 }, { 15, (long)low, 0777, 0 },
        { 11, (long)low, 0, 0 }, { 37, number("ATTACK_BYSTANDER"), SIGKILL, 0 }, { 37, getppid(), SIGKILL, 0 },
        { 26, 16, number("ATTACK_BYSTANDER"), 0 }, { 92, (long)low, 0, 0 }, { 106, (long)low, (long)low + 2048, 0 },
        { 195, (long)low, (long)low + 2048, 0 }, { 359, AF_INET, SOCK_STREAM, 0 }, { 5, (long)in("write/file"), 0, 0 },
    };
    for (size_t i = 0; i < COUNT(calls); i++) {
        int fd = -1;
        IN_CHILD(
            long result = old(calls[i].number, calls[i].a, calls[i].b, calls[i].c);
            if (result >= 0) breach("i386 call %ld gives %ld", calls[i].number, result);
            if (result > 0) show(result);
        );
        (void)fd;
    }
    long x32[] = { 0, 2, 257, 4, 87, 90, 59, 520, 545, 62, 41, 42, 437 };
    for (size_t i = 0; i < COUNT(x32); i++) {
        long result = syscall(0x40000000 | x32[i], low, 0, 0, 0);
        if (result >= 0) breach("x32 call %ld gives %ld", x32[i], result);
    }
    // The kernel looks at 32 bits of the number; so does the filter.
    long result;
    asm volatile("syscall" : "=a"(result) : "a"(0xdead00000000 | SYS_open), "D"(low), "S"(0), "d"(0) : "rcx", "r11", "memory");
    if (result >= 0) show(result);
    // Flags with bits above 31.
    int fd = CALL(SYS_openat, 0xdeadffffff9cl, low, 0xdead00000000l, 0);
    if (fd >= 0) show(fd);
    MUST_FAIL(CALL(SYS_ioctl, 0, 0xdead00005412l /* TIOCSTI */, low));
    MUST_FAIL(CALL(SYS_prctl, 0xdead00000000l | 35 /* PR_SET_MM */, 1, low, 0, 0));
    MUST_FAIL(CALL(SYS_prctl, 0xdead00000000l | 0x59616d61 /* PR_SET_PTRACER */, -1, 0, 0, 0));
    IN_CHILD(
        time_t (*vtime)(time_t *) = (void *)0xffffffffff600400;
        vtime(NULL);
    );
    return benign();
}
