// Two hundred threads that block in opens of FIFOs, while others go on; then they end by a peer, by a signal, by death.
// stops: a worker that blocks is replaced, and interrupted when its caller is gone or has a signal to handle
#include "attack.h"

static const char *fifo;
static atomic_int ended, interrupted;

static void nothing(int signal) {}

static void *opener(void *argument)
{
    int fd = open(fifo, O_RDONLY);
    if (fd < 0 && errno == EINTR) interrupted++;
    close(fd);
    ended++;
    return NULL;
}

int main(void)
{
    fifo = in("write/fifo");
    MUST_WORK(mkfifo(fifo, 0600));
    struct sigaction handler = { .sa_handler = nothing };
    sigaction(SIGUSR1, &handler, NULL);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_t threads[200];
    for (size_t i = 0; i < COUNT(threads); i++)
        if (pthread_create(&threads[i], &small, opener, NULL)) return 99;
    usleep(100000);
    // What keeps all of them waiting is those that block; what keeps one, a busy machine.
    double from, best = 1e9, worst = 0;
    for (int i = 0; i < 20; i++) {
        struct stat st;
        from = now();
        MUST_WORK(stat(in("write/file"), &st));
        close(MUST_WORK(open(in("write/file"), O_RDWR)));
        double took = now() - from;
        if (took < best) best = took;
        if (took > worst) worst = took;
    }
    printf("others' calls took %.3f to %.3f s\n", best, worst);
    if (best > 0.5 || worst > 20) breach("others' calls took %.1f to %.1f s", best, worst);
    // Half by a signal, the rest by a peer.
    for (size_t i = 0; i < COUNT(threads) / 2; i++) pthread_kill(threads[i], SIGUSR1);
    from = now();
    while (ended < (int)COUNT(threads) / 2 && now() < from + 40) {
        for (size_t i = 0; i < COUNT(threads) / 2; i++) usleep(1000);
    }
    printf("%d interrupted in %.1f s\n", interrupted, now() - from);
    if (ended < (int)COUNT(threads) / 2) breach("only %d of the signalled ended", ended);
    int peer = -1;
    from = now();
    while (ended < (int)COUNT(threads) && now() < from + 40) {
        if (peer < 0) peer = open(fifo, O_WRONLY | O_NONBLOCK);
        usleep(1000);
    }
    if (ended < (int)COUNT(threads)) breach("only %d ended", ended);
    close(peer);
    // A process that dies in one leaves nothing behind.
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int k = 0; k < 10; k++) thread(opener, NULL);
            usleep(5000);
            raise(SIGKILL);
        }
        waitpid(child, NULL, 0);
    }
    return benign();
}
