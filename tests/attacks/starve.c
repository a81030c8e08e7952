// The monitor starved: calls that take long, at the highest priority, by more threads than it has workers; locks held; a
// descriptor table and a memory map that are busy; its receive queue never empty.
// stops: a worker for each call that takes long; what the program may slow down is itself
#include "attack.h"
#include <sys/file.h>

static atomic_int over;

static void *busy_map(void *unused)
{
    while (!over) {
        void *room = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (room != MAP_FAILED) munmap(room, 64 << 20);
    }
    return NULL;
}

static void *busy_sends(void *unused)
{
    static char data[1 << 20];
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return NULL;
    while (!over) {
        struct iovec iov = { data, sizeof data };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        sendmsg(pair[0], &message, MSG_DONTWAIT);
        recv(pair[1], data, sizeof data, MSG_DONTWAIT);
    }
    return NULL;
}

static void *blocked_send(void *argument)
{
    // Full, and nobody reads: this one blocks in the monitor until the program ends.
    static char data[200000];
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return NULL;
    struct iovec iov = { data, sizeof data };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    while (!over) sendmsg(pair[0], &message, 0);
    return NULL;
}

int main(void)
{
    struct sched_param highest = { 10 };
    sched_setscheduler(0, SCHED_RR, &highest);
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param) { 0 });
    setpriority(PRIO_PROCESS, 0, -20);
    int lock = MUST_WORK(open(in("write/keep/file"), O_RDONLY));
    flock(lock, LOCK_EX | LOCK_NB);
    fcntl(lock, F_SETLEASE, F_RDLCK);
    pthread_t busy[4] = { thread(busy_map, NULL), thread(busy_map, NULL), thread(busy_sends, NULL), thread(busy_sends, NULL) };
    for (int i = 0; i < 30; i++) thread(blocked_send, NULL);
    double from = now(), worst = 0;
    struct stat st;
    while (going(from, 1)) {
        double before = now();
        MUST_WORK(stat(in("write/file"), &st));
        if (now() - before > worst) worst = now() - before;
    }
    over = 1;
    for (int i = 0; i < 4; i++) pthread_join(busy[i], NULL);
    printf("the longest call took %.0f ms\n", worst * 1000);
    if (worst > 5) breach("a call took %.1f s", worst);
    return benign();
}
