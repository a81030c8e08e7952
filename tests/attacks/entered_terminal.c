// A terminal that a process holds which entered by itself: signals at whoever is in front of it, by its being told of input
// with a signal of one's choice; input injected; the terminal taken; its other side opened.
// stops: a descriptor's owner is the caller or nobody, and whoever is told of input is its owner
// stdin: terminal
// enters: write=@/write dev=/dev
#include "attack.h"
#include <termios.h>

static void owner(int fd, const char *when)
{
    struct f_owner_ex owner = { 0 };
    if (fcntl(fd, F_GETOWN_EX, &owner) == 0 && owner.pid && !(owner.type == F_OWNER_PID && owner.pid == getpid()))
        breach("%s: signals are for %d, by %d", when, owner.pid, owner.type);
}

static volatile sig_atomic_t signalled;
static void handle(int signal) { signalled++; }

int main(void)
{
    struct termios termios;
    MUST_WORK(tcgetattr(0, &termios));
    struct sigaction action = { .sa_handler = handle };
    sigaction(SIGIO, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    IN_CHILD(
        // Not in front any more: those who are, are others.
        setpgid(0, 0);
        int flags = fcntl(0, F_GETFL);
        fcntl(0, F_SETSIG, SIGUSR1);
        fcntl(0, F_SETFL, flags | O_ASYNC);
        owner(0, "F_SETFL");
        fcntl(0, F_SETFL, flags);
        ioctl(0, FIOASYNC, &(int) { 1 });
        owner(0, "FIOASYNC");
        ioctl(0, FIOASYNC, &(int) { 0 });
        fcntl(0, F_SETOWN, getpid());
        fcntl(0, F_SETFL, flags | O_ASYNC);
        owner(0, "F_SETOWN");
        fcntl(0, F_SETOWN, 0);
        owner(0, "nobody");
        fcntl(0, F_SETFL, flags);
        fcntl(0, F_SETSIG, 0);
    );
    if (signalled) breach("whoever is in front was signalled");
    const int forbidden[] = { TIOCSTI, TIOCSCTTY, TIOCNOTTY, TIOCSPGRP, TIOCCONS, TIOCLINUX, TIOCVHANGUP, TIOCSETD, TIOCSLCKTRMIOS, TIOCGPTPEER,
        0x4B3A /* KDSETMODE */, 0x5606 /* VT_ACTIVATE */ };
    for (size_t i = 0; i < COUNT(forbidden); i++) {
        char argument[64] = "x";
        MUST_FAIL(ioctl(0, forbidden[i], argument));
        MUST_FAIL(ioctl(0, forbidden[i], 0));
        MUST_FAIL(CALL(SYS_ioctl, 0, 0xffffffff00000000 | forbidden[i], argument));
    }
    // In a session of its own, nothing that it opens becomes its terminal, nor the monitor's.
    IN_CHILD(
        setsid();
        int master = openat(held("dev"), "ptmx", O_RDWR);
        if (master < 0) master = openat(held("dev"), "pts/ptmx", O_RDWR);
        if (master >= 0) {
            int unlock = 0;
            int number = -1;
            ioctl(master, TIOCSPTLCK, &unlock);
            ioctl(master, TIOCGPTN, &number);
            MUST_FAIL(ioctl(master, TIOCGPTPEER, O_RDWR));
            char name[32];
            snprintf(name, sizeof name, "pts/%d", number);
            int peer = openat(held("dev"), name, O_RDWR);
            if (peer >= 0 && tcgetpgrp(peer) >= 0) breach("a terminal became its own");
            // Nor the monitor's: whose terminal this would be.
            if (openat(held("dev"), "tty", O_RDWR) >= 0) breach("opened a terminal that is not its own");
        }
    );
    return benign();
}
