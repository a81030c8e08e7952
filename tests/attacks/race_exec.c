// execve and chdir are let go on with a path in the program's memory: changed by another thread, it leads outside. What that
// gives: nothing to start, no directory to look from, no name; only whether a path exists.
// stops: Landlock for what is executed; where the working directory lies is looked at anew in each lookup
// options: --read @/read --write @/write --exec @/write/a
// options: --read @/read --write @/write --exec /usr/bin
#include "attack.h"
#include <sys/inotify.h>

static struct flips *shared;

static void look_around(void)
{
    char text[PATH_MAX];
    struct stat st;
    const char *names[] = { "secret", "./secret", "sub/secret", "../outside/secret", "prog", "." , "stream", "/proc/self/cwd/secret",
                            "/proc/thread-self/cwd/secret" };
    for (size_t i = 0; i < COUNT(names); i++) {
        reach(names[i]);
        if (stat(names[i], &st) == 0 && st.st_ino == (ino_t)number("ATTACK_INODE")) breach("stat of %s", names[i]);
        truncate(names[i], 0);
        chmod(names[i], 0777);
        unlink(names[i]);
        rename(names[i], in("write/taken"));
        reach(in("write/taken"));
        unlink(in("write/taken"));
        char value[10];
        if (getxattr(names[i], "user.x", value, 10) >= 0) breach("an attribute of %s", names[i]);
        chdir(names[i]);
    }
    mkdir("new", 0777);
    close(open("new", O_CREAT | O_WRONLY, 0666));
    if (getcwd(text, sizeof text) && strstr(text, "outside")) breach("getcwd tells %s", text);
    ssize_t len = readlink("/proc/self/cwd", text, sizeof text - 1);
    (void)len;
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
        char room[4096];
        ssize_t got = CALL(SYS_getdents64, fd, room, sizeof room);
        if (got > 0) (void)!write(1, room, got);
        close(fd);
    }
    int watch = inotify_init();
    if (inotify_add_watch(watch, ".", IN_ALL_EVENTS) >= 0 && strstr(text, "outside")) breach("watches it");
    close(watch);
    // Executed from there.
    IN_CHILD(execl("prog", "prog", NULL); execl("./prog", "prog", NULL));
    IN_CHILD(CALL(SYS_execveat, AT_FDCWD, "prog", NULL, NULL, 0));
    // A core would be written there.
    struct rlimit big = { RLIM_INFINITY, RLIM_INFINITY };
    IN_CHILD(setrlimit(RLIMIT_CORE, &big); abort());
}

int main(int argc, char **argv)
{
    if (argc > 1) return 0;
    shared = shared_memory(sizeof *shared);
    shared->inside = in("read/sub");
    shared->outside = in("outside");
    strcpy(shared->path, shared->inside);
    pthread_t flipper = thread(flip, shared);
    double from = now();
    int there = 0;
    while (going(from, 0.5)) {
        if (chdir(shared->path)) continue;
        struct stat st;
        // Inside, this works.
        if (stat("file", &st) == 0) continue;
        there++;
        look_around();
    }
    shared->over = 1;
    pthread_join(flipper, NULL);
    printf("%d times outside\n", there);
    chdir("/");
    // Started: what may only be read, what is outside.
    const char *forbidden[] = { in("outside/prog"), in("read/prog"), "/usr/bin/id" };
    // This program itself may be started, by anybody who reads its own name.
    char self[PATH_MAX] = "";
    readlink("/proc/self/exe", self, sizeof self - 1);
    shared->inside = self;
    for (size_t i = 0; i < COUNT(forbidden) - (argc > 0); i++) {
        shared->outside = forbidden[i];
        shared->over = 0;
        flipper = thread(flip, shared);
        from = now();
        char *args[] = { "prog", "again", NULL }, *env[] = { NULL };
        while (going(from, 0.25)) {
            pid_t child = vfork();
            if (child == 0) {
                execve(shared->path, args, env);
                CALL(SYS_execveat, AT_FDCWD, shared->path, args, env, 0);
                _exit(0);
            }
            waitpid(child, NULL, 0);
        }
        shared->over = 1;
        pthread_join(flipper, NULL);
    }
    return benign();
}
