// Signals without pause, with and without SA_RESTART, while FIFOs are opened and other calls are made: each ends once, rightly.
// stops: a call that was performed is answered, one that blocks ends with EINTR or starts again
#include "attack.h"

static pthread_t main_thread;
static atomic_int over, handled;

static void count(int signal) { handled++; }

static void *storm(void *unused)
{
    while (!over) pthread_kill(main_thread, SIGUSR1), pthread_kill(main_thread, SIGUSR2), usleep(200);
    return NULL;
}

static void *peer(void *name)
{
    while (!over) {
        int fd = open(name, O_WRONLY | O_NONBLOCK);
        close(fd);
        usleep(1000);
    }
    return NULL;
}

// The kernel gives up a call that the monitor has not taken yet when a handler without SA_RESTART is due. Then it was not
// performed: made again, it works.
#define ONCE(call) ({ long result_; do errno = 0, result_ = (call); while (result_ == -1 && errno == EINTR && ++given_up); result_; })
static int given_up;

int main(void)
{
    main_thread = pthread_self();
    char *fifo = in("write/fifo");
    MUST_WORK(mkfifo(fifo, 0600));
    struct sigaction plain = { .sa_handler = count }, restarting = { .sa_handler = count, .sa_flags = SA_RESTART };
    sigaction(SIGUSR1, &plain, NULL);
    sigaction(SIGUSR2, &restarting, NULL);
    sigset_t set;
    sigemptyset(&set);
    pthread_t stormer = thread(storm, NULL), other = thread(peer, fifo);
    double from = now();
    int opened = 0, interrupted = 0;
    struct stat st;
    while (going(from, 1)) {
        int fd = open(fifo, O_RDONLY);
        if (fd >= 0) opened++, close(fd);
        else if (errno == EINTR) interrupted++;
        else breach("open: %s", strerror(errno));
        // What does not block is never interrupted, and done once.
        if (ONCE(stat(in("write/file"), &st))) breach("stat: %s", strerror(errno));
        if (ONCE(mkdir(in("write/once"), 0777))) breach("mkdir: %s", strerror(errno));
        if (ONCE(rmdir(in("write/once")))) breach("rmdir: %s", strerror(errno));
        fd = ONCE(open(in("write/once"), O_CREAT | O_EXCL | O_WRONLY, 0600));
        if (fd < 0) breach("creat: %s", strerror(errno));
        close(fd);
        if (ONCE(unlink(in("write/once")))) breach("unlink: %s", strerror(errno));
    }
    over = 1;
    pthread_join(stormer, NULL);
    pthread_join(other, NULL);
    printf("%d opened, %d interrupted, %d handled, %d given up\n", opened, interrupted, handled, given_up);
    return benign();
}
