// SIGKILL to everyone that a process may signal, from a child of the program: that ends the program itself, and nobody else.
// stops: Landlock keeps signals inside the domain
// status: 137
#include "attack.h"

int main(void)
{
    int status = benign();
    if (status) return status;
    pid_t child = fork();
    if (child == 0) {
        kill(-1, SIGSTOP);
        kill(-1, SIGKILL);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    sleep(5);
    return 0;
}
