// What the attacks share. Each is a program of its own: it tries, says BREACH if it sees itself succeed, and ends with
// benign(), which shows that the monitor still serves. The runner, crates/cli/tests/attacks.rs, judges from outside.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define ECAPMODE 1094
#define ENOTCAPABLE 1093
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define COUNT(array) (sizeof(array) / sizeof *(array))

// glibc hands -1094 through as errno: its range ends at 4095.
#define CALL(...) syscall(__VA_ARGS__)

static inline const char *given(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static inline long number(const char *name) { return atol(given(name)); }

// A path in the fixture's directory. Each call has memory of its own.
__attribute__((format(printf, 1, 2))) static inline char *in(const char *format, ...)
{
    char *path = malloc(PATH_MAX);
    int len = snprintf(path, PATH_MAX, "%s/", given("ATTACK_DIR"));
    va_list args;
    va_start(args, format);
    vsnprintf(path + len, PATH_MAX - len, format, args);
    va_end(args);
    return path;
}

__attribute__((format(printf, 1, 2))) static inline void breach(const char *format, ...)
{
    char line[1024] = "BREACH: ";
    va_list args;
    va_start(args, format);
    vsnprintf(line + 8, sizeof line - 16, format, args);
    va_end(args);
    strcat(line, "\n");
    (void)!write(2, line, strlen(line));
}

// Is to fail.
#define MUST_FAIL(call)                                                         \
    do {                                                                        \
        errno = 0;                                                              \
        if ((long)(call) != -1) breach("line %d: %s", __LINE__, #call);         \
    } while (0)

// Is to work, or the attack proves nothing.
#define MUST_WORK(call)                                                         \
    ({                                                                          \
        long result_ = (long)(call);                                            \
        if (result_ == -1) {                                                    \
            printf("line %d: %s: %s (%d)\n", __LINE__, #call, strerror(errno), errno); \
            fflush(stdout);                                                     \
            _exit(99);                                                          \
        }                                                                       \
        result_;                                                                \
    })

// Prints what a descriptor can read: the runner looks for the secret in it.
static inline void show(int fd)
{
    char text[4096];
    ssize_t len = pread(fd, text, sizeof text, 0);
    if (len < 0) len = read(fd, text, sizeof text);
    if (len > 0) (void)!write(1, text, len);
}

// Is to be refused; whatever it reads is shown.
static inline void reach(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    if (fd >= 0) {
        printf("opened %s\n", path);
        fflush(stdout);
        show(fd);
        close(fd);
    }
}

static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double started_at_;
__attribute__((constructor)) static void start_(void)
{
    started_at_ = now();
    setvbuf(stdout, NULL, _IONBF, 0);
}

// Whether a race goes on. `share` of the time for what a program races in turn.
static inline int going(double from, double share) { return now() < from + number("ATTACK_SECONDS") * share; }

static inline pthread_t thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, argument)) {
        puts("no thread");
        _exit(99);
    }
    return thread;
}

// Memory that children share.
static inline void *shared_memory(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

// A path that is changed over and over, from what may not be reached to what may, until that is over.
struct flips {
    char path[PATH_MAX];
    const char *inside, *outside;
    atomic_int over;
};

static inline void *flip(void *of)
{
    struct flips *flips = of;
    while (!flips->over) {
        strcpy(flips->path, flips->outside);
        strcpy(flips->path, flips->inside);
    }
    return NULL;
}

// Whether a status is the secret's.
static inline void told(const struct stat *st, const char *how)
{
    if (st->st_ino == (ino_t)number("ATTACK_INODE")) breach("%s tells of the secret", how);
}

// In a process that entered by itself: the number of what it holds by this name.
static inline int held(const char *name)
{
    char variable[64];
    snprintf(variable, sizeof variable, "ATTACK_FD_%s", name);
    return atoi(given(variable));
}

// Is to be refused; whatever it reads is shown.
static inline void reach_at(int dir, const char *path)
{
    int fd = openat(dir, path, O_RDONLY | O_NONBLOCK);
    if (fd >= 0) {
        printf("opened %s\n", path);
        show(fd);
        close(fd);
    }
}

static inline int benign_entered(void)
{
    char text[64] = "";
    int write_to = held("write"), fd = openat(write_to, "benign", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, "benign", 6) != 6 || pread(fd, text, 6, 0) != 6 || strcmp(text, "benign")) {
        printf("benign: open, write, read: %s (%d)\n", strerror(errno), errno);
        return 1;
    }
    close(fd);
    struct stat st;
    if (fstatat(write_to, "benign", &st, 0) || st.st_size != 6 || unlinkat(write_to, "benign", 0)) {
        printf("benign: stat, unlink: %s (%d)\n", strerror(errno), errno);
        return 1;
    }
    if (open(in("outside/secret"), O_RDONLY) >= 0 || errno != ECAPMODE) {
        printf("benign: the secret: %s (%d)\n", strerror(errno), errno);
        return 1;
    }
    if (openat(write_to, "../outside/secret", O_RDONLY) >= 0 || errno != ENOTCAPABLE) {
        printf("benign: the secret from a directory: %s (%d)\n", strerror(errno), errno);
        return 1;
    }
    puts("benign: ok");
    return 0;
}

// The monitor still serves, and rightly.
static inline int benign(void)
{
    char text[64] = "";
    if (number("ATTACK_ENTERED")) return benign_entered();
    int fd = open(in("write/benign"), O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, "benign", 6) != 6 || pread(fd, text, 6, 0) != 6 || strcmp(text, "benign")) {
        printf("benign: open, write, read: %s (%d)\n", strerror(errno), errno);
        return 1;
    }
    close(fd);
    struct stat st;
    if (stat(in("write/benign"), &st) || st.st_size != 6 || unlink(in("write/benign"))) {
        printf("benign: stat, unlink: %s (%d)\n", strerror(errno), errno);
        return 1;
    }
    fd = open(in("outside/secret"), O_RDONLY);
    if (!number("ATTACK_OPEN") && (fd >= 0 || errno != ECAPMODE)) {
        printf("benign: the secret: %s (%d)\n", fd < 0 ? strerror(errno) : "opened", errno);
        return 1;
    }
    puts("benign: ok");
    return 0;
}

// fork, with a descriptor of the child: who entered by itself can wait by that alone.
static inline pid_t fork_with(int *pidfd)
{
    // As fork calls it, CLONE_PIDFD and SIGCHLD.
    return CALL(SYS_clone, 0x1000 | SIGCHLD, NULL, pidfd, NULL, 0);
}

// Waits for the child of a descriptor, and closes that: its status, as waitpid has it.
static inline int wait_with(int pidfd)
{
    siginfo_t info = { 0 };
    while (waitid(3 /* P_PIDFD */, pidfd, &info, WEXITED) < 0 && errno == EINTR) {}
    close(pidfd);
    return info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
}

// Runs in a child, which may die of it.
#define IN_CHILD(...)                                                           \
    ({                                                                          \
        int status_ = 0, pidfd_ = -1;                                           \
        pid_t child_ = fork_with(&pidfd_);                                      \
        if (child_ == 0) {                                                      \
            __VA_ARGS__;                                                        \
            _exit(0);                                                           \
        }                                                                       \
        if (child_ > 0) status_ = wait_with(pidfd_);                            \
        status_;                                                                \
    })
