// Two hundred processes at a time that fork and die in the midst of calls that the monitor serves.
// stops: the monitor keeps little of a process, and forgets the dead
#include "attack.h"

int main(void)
{
    double from = now();
    struct stat st;
    int alive = 0, all = 0;
    while (going(from, 1)) {
        while (alive < 200) {
            pid_t child = fork();
            if (child < 0) break;
            if (child == 0) {
                alarm(3);
                if (rand() % 2 == 0 && fork() == 0) {
                    stat(in("write/file"), &st);
                    _exit(0);
                }
                for (int i = 0; i < 5; i++) {
                    reach(in("outside/secret"));
                    stat(in("write/file"), &st);
                }
                if (getpid() % 3 == 0) raise(SIGKILL);
                if (getpid() % 3 == 1) execl("/nothing", "nothing", NULL);
                _exit(0);
            }
            alive++, all++;
            if (all % 7 == 0) kill(child, SIGKILL);
        }
        while (alive > 100 && wait(NULL) > 0) alive--;
    }
    while (wait(NULL) > 0) {}
    printf("%d processes\n", all);
    return benign();
}
