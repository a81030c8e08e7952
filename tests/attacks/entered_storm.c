// Everything at once against the monitor of a process that entered by itself: signals without pause in the midst of calls that
// it serves, processes that fork and die there, by the hundred, numbers that pass on, memory that goes away during a call,
// descriptors used up, wild pointers, SIGSTOP and SIGCONT, filters of its own.
// stops: what it reads and writes of a caller it does by the caller's number, and asks after each whether the caller still waits
// enters: write=@/write read=@/read
#include "attack.h"

static atomic_int over, made;
static int dir;

static void handle(int signal) { made++; }

static void *calls(void *unused)
{
    struct stat st;
    while (!over) {
        int fd = openat(dir, "file", O_RDONLY);
        if (fd >= 0) {
            // Interrupted before the monitor has taken it, a call fails or starts again, as the handler has it.
            int result = fstat(fd, &st);
            if (result ? errno != EINTR : st.st_size != 20) breach("line %d: status of %ld bytes, %d", __LINE__, (long)st.st_size, errno);
            close(fd);
        }
        // Also for the storm: cut short, an open of a FIFO ends with EINTR, or starts again.
        fd = openat(dir, "fifo", O_RDONLY);
        if (fd >= 0) breach("a FIFO that nobody writes to was opened"), close(fd);
        else if (errno != EINTR && errno != ENOENT && errno != EMFILE) breach("a FIFO: %d", errno);
    }
    return NULL;
}

static void *unmapper(void *page)
{
    while (!over) {
        munmap(page, 8192);
        mmap(page, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        strcpy(page, "file");
        mprotect(page, 8192, PROT_READ);
        mprotect(page, 8192, PROT_NONE);
    }
    return NULL;
}

int main(void)
{
    dir = held("write");
    struct sigaction action = { .sa_handler = handle }, ignored = { .sa_handler = SIG_IGN };
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGCHLD, &ignored, NULL);
    MUST_WORK(mkfifoat(dir, "fifo", 0600));
    pthread_t callers[4];
    for (int i = 0; i < 4; i++) callers[i] = thread(calls, NULL);
    for (double from = now(); going(from, 0.25);)
        for (int i = 0; i < 4; i++) pthread_kill(callers[i], rand() & 1 ? SIGUSR1 : SIGUSR2);
    over = 1;
    for (int i = 0; i < 4; i++) {
        while (pthread_tryjoin_np(callers[i], NULL)) pthread_kill(callers[i], SIGUSR1), usleep(1000);
    }
    printf("%d signals\n", made);
    // Forks and deaths in the midst of calls.
    struct stat st;
    for (double from = now(); going(from, 0.25);) {
        int fds[64];
        for (int i = 0; i < 64; i++) {
            if (fork_with(&fds[i]) == 0) {
                if (i % 2) fork();
                setrlimit(RLIMIT_NOFILE, &(struct rlimit) { 128, 128 });
                for (double from = now(); now() < from + 1;) fstatat(dir, i % 3 ? "file" : "fifo", &st, 0), openat(dir, "file", O_RDONLY | O_CLOEXEC);
                _exit(0);
            }
        }
        for (int i = 0; i < 64; i++) {
            if (i % 4 == 0) CALL(SYS_pidfd_send_signal, fds[i], SIGSTOP, NULL, 0), CALL(SYS_pidfd_send_signal, fds[i], SIGCONT, NULL, 0);
            CALL(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0);
            close(fds[i]);
        }
        if (fstatat(dir, "file", &st, 0) || st.st_size != 20) breach("line %d: status of %ld bytes, %d", __LINE__, (long)st.st_size, errno);
        usleep(100000);
    }
    // Memory that goes away during a call.
    over = 0;
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t other = thread(unmapper, page);
    for (double from = now(); going(from, 0.25);) {
        close(openat(dir, page, O_RDONLY));
        fstatat(dir, page, (void *)(page + 4096 - 40), 0);
        fstatat(dir, "file", (void *)(page + 4000), 0);
        readlinkat(dir, page, page + 100, 5000);
        struct msghdr *message = (void *)page;
        sendmsg(0, message, 0);
        CALL(SYS_openat2, dir, page, page + 8, 4096);
        CALL(SYS_execveat, dir, page, page, page, 0);
    }
    over = 1;
    pthread_join(other, NULL);
    // Descriptors used up: the caller's, not the monitor's.
    int fds[2000], count = 0;
    struct rlimit few = { 256, 256 };
    IN_CHILD(
        setrlimit(RLIMIT_NOFILE, &few);
        while (count < 2000 && (fds[count] = openat(dir, "file", O_RDONLY)) >= 0) count++;
        if (errno != EMFILE) breach("with no descriptor left: %d", errno);
        if (fstatat(dir, "file", &st, 0)) breach("with no descriptor left, status: %d", errno);
    );
    // A filter of its own that says otherwise of what is asked about.
    struct { unsigned short code; char t, f; unsigned k; } yes[] = { { 6, 0, 0, 0x7fff0000 } }, ask[] = { { 6, 0, 0, 0x7fc00000 } }, trace[] = { { 6, 0, 0, 0x7ff00000 } };
    IN_CHILD(CALL(SYS_seccomp, 1, 0, &(struct { unsigned short len; void *code; }) { 1, yes }); MUST_FAIL(open(in("outside/secret"), O_RDONLY)); MUST_FAIL(openat(dir, "../outside/secret", O_RDONLY)));
    IN_CHILD(CALL(SYS_seccomp, 1, 0, &(struct { unsigned short len; void *code; }) { 1, trace }); if (open(in("outside/secret"), O_RDONLY) >= 0) _exit(1));
    IN_CHILD(CALL(SYS_seccomp, 1, 8, &(struct { unsigned short len; void *code; }) { 1, ask }); MUST_FAIL(open(in("outside/secret"), O_RDONLY)));
    return benign();
}
