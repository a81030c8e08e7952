/* A static program without a C library: it tells who it is, and what becomes of the pseudo system calls, as an array of
   64-bit numbers on standard output.

       cc -nostdlib -static -ffreestanding -fno-stack-protector -O1 -o probe probe.c */

#define CAP_ENTER 0x43415000
#define CAP_GETMODE 0x43415001

static long call(long number, long a, long b, long c, long d)
{
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

enum { WRITE = 1, OPEN = 2, GETPID = 39, EXIT = 60, GETEUID = 107, GETEGID = 108, GETTID = 186 };

__attribute__((used)) static void run(long *stack)
{
    unsigned mode = 77;
    long told[16];

    told[0] = call(GETPID, 0, 0, 0, 0);
    told[1] = call(GETTID, 0, 0, 0, 0);
    told[2] = call(GETEUID, 0, 0, 0, 0);
    told[3] = call(GETEGID, 0, 0, 0, 0);
    told[4] = call(CAP_GETMODE, (long)&mode, 0, 0, 0);
    told[5] = mode;
    told[6] = call(CAP_GETMODE, 16, 0, 0, 0);
    told[7] = call(CAP_GETMODE, -1, 0, 0, 0);
    told[8] = call(CAP_ENTER, 0, 0, 0, 0);
    told[9] = call(CAP_GETMODE + 1, 0, 0, 0, 0);
    told[10] = call(CAP_ENTER + 16, 0, 0, 0, 0);
    told[11] = call(CAP_ENTER + 0xfff, 0, 0, 0, 0);
    told[12] = call(OPEN, (long)"/", 0, 0, 0);
    told[13] = stack[0];
    told[14] = 0;
    told[15] = 0x70726f6265;
    call(WRITE, 1, (long)told, sizeof told, 0);
    call(EXIT, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n hlt\n");
