/* An actor of tests/model that has started another program: this one. It carries out the orders that lie in the shared
   memory, as actor.rs says; its argument is which actor it is, as a letter from 'a' on.

       cc -nostdlib -static -ffreestanding -fno-stack-protector -O1 -o actor actor.c */

enum { ORDERS = 512, ROOM = 192, ACTORS = 6, MEMORY = 902, CLONE = -1, IDLE = 0, TOLD = 1 };
#define AT 0x200000000000L

struct order {
    long number;
    long args[6];
    long result;
    char room[ROOM];
};

struct desk {
    volatile unsigned turn;
    unsigned count;
    struct order orders[ORDERS];
} __attribute__((aligned(64)));

enum { MMAP = 9, CLONE_CALL = 56, FUTEX = 202, FUTEX_WAIT = 0, FUTEX_WAKE = 1 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

__attribute__((used)) static void run(long *stack)
{
    const char *argument = (const char *)stack[1];
    long actor = argument[0] - 'a';
    struct desk *desks = (struct desk *)AT, *desk;
    unsigned at;

    /* PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED */
    if (call(MMAP, AT, sizeof *desks * ACTORS, 3, 0x11, MEMORY, 0) != AT)
        __builtin_trap();
    /* It was told to become this. */
    desk = &desks[actor];
    desk->orders[0].result = 0;
    goto done;
    for (;;) {
        desk = &desks[actor];
        while (__atomic_load_n(&desk->turn, __ATOMIC_SEQ_CST) != TOLD)
            call(FUTEX, (long)&desk->turn, FUTEX_WAIT, IDLE, 0, 0, 0);
        for (at = 0; at < desk->count; at++) {
            struct order *order = &desk->orders[at];
            long *args = order->args;
            if (order->number == CLONE) {
                /* The order is the parent's too, and soon another. */
                long other = args[1];
                long child = call(CLONE_CALL, args[0], 0, 0, 0, 0, 0);
                if (child == 0) {
                    actor = other;
                    break;
                }
                order->result = child;
            } else {
                order->result = call(order->number, args[0], args[1], args[2], args[3], args[4], args[5]);
            }
        }
        if (&desks[actor] != desk)
            continue;
    done:
        __atomic_store_n(&desk->turn, IDLE, __ATOMIC_SEQ_CST);
        call(FUTEX, (long)&desk->turn, FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
    }
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n hlt\n");
