// Three hundred threads that block in connectat to a server without room, while others go on; then they end by room, by a
// signal, by death; and two thousand, of which some are told to try again.
// stops: a worker that blocks is replaced, and interrupted when its caller is gone or has a signal to handle
// enters: write=@/write
// options: --write @/write --dir @/write:bindat,connectat --read @/read
// memory: 32768
#include "sockets.h"

static int dir;
static atomic_int ended, interrupted, connected, refused, begun;

static void nothing(int signal) {}

static void *connector(void *unused)
{
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    begun++;
    if (connect_at(dir, socket_, "server") == 0)
        connected++;
    else if (errno == EINTR)
        interrupted++;
    else if (errno == EAGAIN)
        refused++;
    close(socket_);
    ended++;
    return NULL;
}

// What keeps all of them waiting is those that block; what keeps one, a busy machine.
static void others_go_on(void)
{
    double best = 1e9, worst = 0;
    for (int i = 0; i < 20; i++) {
        double from = now();
        close(MUST_WORK(openat(dir, "file", O_RDWR)));
        double took = now() - from;
        if (took < best) best = took;
        if (took > worst) worst = took;
    }
    printf("others' calls took %.3f to %.3f s\n", best, worst);
    if (best > 0.5 || worst > 20) breach("others' calls took %.1f to %.1f s", best, worst);
}

static void wait_for(atomic_int *count, int least, const char *what)
{
    double from = now();
    while (*count < least && now() < from + 40) usleep(1000);
    printf("%d %s in %.1f s\n", *count, what, now() - from);
    if (*count < least) breach("only %d %s", *count, what);
}

static pthread_attr_t small;

static pthread_t connecting(void)
{
    pthread_t made;
    MUST_WORK(pthread_create(&made, &small, connector, NULL) ? -1 : 0);
    return made;
}

int main(void)
{
    dir = held_write();
    struct sigaction handler = { .sa_handler = nothing };
    sigaction(SIGUSR1, &handler, NULL);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    struct rlimit most;
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    int server = MUST_WORK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), first = MUST_WORK(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST_WORK(bind_at(dir, server, "server"));
    MUST_WORK(listen(server, 0));
    MUST_WORK(connect_at(dir, first, "server"));
    static pthread_t threads[2000];
    for (size_t i = 0; i < 300; i++) threads[i] = connecting();
    usleep(100000);
    others_go_on();
    // Half by a signal, the rest by room.
    for (size_t i = 0; i < 150; i++) pthread_kill(threads[i], SIGUSR1);
    wait_for(&ended, 150, "interrupted");
    if (interrupted != 150 || connected) breach("%d interrupted, %d connected", interrupted, connected);
    double from = now();
    while (ended < 300 && now() < from + 40) {
        close(accept(server, NULL, NULL));
        usleep(100);
    }
    wait_for(&connected, 150, "connected");
    while (accept(server, NULL, NULL) >= 0) {}
    // A process that dies in one leaves nothing behind: no connection comes.
    MUST_WORK(connect_at(dir, socket(AF_UNIX, SOCK_STREAM, 0), "server"));
    for (int i = 0; i < 20; i++) {
        IN_CHILD({
            for (int k = 0; k < 10; k++) connecting();
            usleep(5000);
            raise(SIGKILL);
        });
    }
    usleep(100000);
    MUST_WORK(close(accept(server, NULL, NULL)));
    MUST_FAIL(accept(server, NULL, NULL));
    // More than there are workers: some fail, and others' calls go on.
    MUST_WORK(connect_at(dir, socket(AF_UNIX, SOCK_STREAM, 0), "server"));
    ended = interrupted = connected = refused = begun = 0;
    int made = 0;
    while (made < 2000 && !pthread_create(&threads[made], &small, connector, NULL)) made++;
    wait_for(&begun, made, "begun");
    others_go_on();
    printf("%d were told to try again\n", refused);
    for (from = now(); ended < made && now() < from + 40;) {
        close(accept(server, NULL, NULL));
        usleep(10);
    }
    wait_for(&ended, made, "ended");
    close(server);
    return benign();
}
