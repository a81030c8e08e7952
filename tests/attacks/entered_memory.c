// The memory and the workers of a monitor: hundreds of threads of a process that entered by itself, which block in opens of
// FIFOs and in messages of a megabyte to full sockets with two hundred descriptors each, over and over; a call beside them.
// stops: a call that waits keeps nothing of its data in the monitor; a worker that blocks is replaced
// memory: 49152
// enters: write=@/write
#include "attack.h"

static atomic_int over;
static char data[1 << 20];

static void *open_fifo(void *unused)
{
    while (!over) close(openat(held("write"), "fifo", O_RDONLY));
    return NULL;
}

static void *send_much(void *number)
{
    int pair[2];
    if (socketpair(AF_UNIX, (long)number % 2 ? SOCK_STREAM : SOCK_DGRAM, 0, pair)) return NULL;
    struct { struct cmsghdr head; int fds[200]; } control = { { sizeof control, SOL_SOCKET, SCM_RIGHTS } };
    for (int i = 0; i < 200; i++) control.fds[i] = pair[0];
    struct iovec iov = { data, (long)number % 2 ? sizeof data : 100000 };
    while (!over) {
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        if ((long)number % 8 == 0) message.msg_control = &control, message.msg_controllen = sizeof control;
        sendmsg(pair[0], &message, 0);
    }
    return NULL;
}

int main(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    MUST_WORK(mkfifoat(held("write"), "fifo", 0600));
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_t thread;
    for (long i = 0; i < 200; i++) pthread_create(&thread, &small, open_fifo, NULL);
    for (long i = 0; i < 300; i++) pthread_create(&thread, &small, send_much, (void *)i);
    double from = now(), worst = 0;
    struct stat st;
    while (going(from, 1.5)) {
        double before = now();
        MUST_WORK(fstatat(held("write"), "file", &st, 0));
        if (now() - before > worst) worst = now() - before;
        usleep(1000);
    }
    printf("the longest call took %.0f ms\n", worst * 1000);
    if (worst > 10) breach("a call took %.1f s", worst);
    over = 1;
    unlinkat(held("write"), "fifo", 0);
    return benign();
}
