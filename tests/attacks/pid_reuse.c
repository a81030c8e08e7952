// Threads and processes that are killed in the midst of calls, whose numbers are soon another's: nothing is read of, written
// to or opened with who has the number next.
// stops: a notification is asked for whether it is still valid after each read and before each write
#include "attack.h"

static void *caller(void *argument)
{
    struct stat st;
    char text[100];
    for (;;) {
        stat(in("write/file"), &st);
        readlink("/proc/self/exe", text, sizeof text);
        close(open(in("write/file"), O_RDONLY));
    }
    return NULL;
}

int main(void)
{
    double from = now();
    int all = 0;
    while (going(from, 1)) {
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < 3; i++) thread(caller, NULL);
            // An exec or an exit takes the others' numbers away in the midst of their calls.
            for (volatile int i = 0; i < rand() % 20000; i++) {}
            if (getpid() % 2) execl("/nothing", "nothing", NULL);
            _exit(0);
        }
        if (child > 0) {
            if (all % 3 == 0) kill(child, SIGKILL);
            waitpid(child, NULL, 0);
        }
        all++;
        // This one's own calls are of the right process all the same.
        struct stat st;
        char text[64] = "";
        int fd = open("/proc/self/stat", O_RDONLY);
        if (fd >= 0 && read(fd, text, 63) > 0 && atoi(text) != getpid()) breach("/proc/self is %s", text);
        close(fd);
        if (stat(in("write/file"), &st)) breach("stat: %s", strerror(errno));
    }
    printf("%d processes\n", all);
    return benign();
}
