// Where programs may be started, a directory that may be written but not started from: a program is put there, and the path of
// an execve changed to it after the check.
// stops: Landlock, told of what lies beside the inner directory instead of the whole outer one
// options: --read @/read --write @/write --exec @/write/a --write @/write/a/b
#include "attack.h"

static struct flips *shared;

int main(int argc, char **argv)
{
    if (argc > 1) {
        char self[PATH_MAX] = "";
        readlink("/proc/self/exe", self, sizeof self - 1);
        if (strstr(self, "write/a/b")) breach("started what was written");
        return 0;
    }
    shared = shared_memory(sizeof *shared);
    char self[PATH_MAX] = "", room[65536], *args[] = { "program", "again", NULL }, *env[] = { NULL };
    readlink("/proc/self/exe", self, sizeof self - 1);
    int from = MUST_WORK(open(self, O_RDONLY)), to = MUST_WORK(open(in("write/a/b/program"), O_CREAT | O_WRONLY, 0755));
    ssize_t len;
    while ((len = read(from, room, sizeof room)) > 0) (void)!write(to, room, len);
    close(to);
    shared->outside = in("write/a/b/program");
    IN_CHILD(execve(shared->outside, args, env));
    shared->inside = self;
    IN_CHILD(execve(shared->inside, args, env));
    strcpy(shared->path, shared->inside);
    pthread_t flipper = thread(flip, shared);
    double start = now();
    while (going(start, 0.7)) {
        pid_t child = vfork();
        if (child == 0) {
            execve(shared->path, args, env);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
    }
    shared->over = 1;
    pthread_join(flipper, NULL);
    return benign();
}
