// The terminal of whoever started it: input injected, the console, the terminal taken from the session or opened by another.
// stops: TIOCSTI and kin are refused; /dev/tty is only the terminal of the monitor's own session
// stdin: terminal
// options: --read @/read --write @/write --read @/write/keep
// options: --read @/read --write @/write --write /dev
#include "attack.h"
#include <termios.h>

int main(void)
{
    char inject[] = "x", sub[] = { 3, 0 };
    int line = 2, out = 0;
    const char *names[] = { "/dev/tty", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0" };
    for (size_t i = 0; i < COUNT(names); i++) {
        int fd = open(names[i], O_RDWR);
        if (fd < 0) continue;
        MUST_FAIL(ioctl(fd, TIOCSTI, inject));
        MUST_FAIL(ioctl(fd, 0x541c /* TIOCLINUX */, sub));
        MUST_FAIL(ioctl(fd, TIOCCONS, 0));
        MUST_FAIL(ioctl(fd, TIOCSETD, &line));
        MUST_FAIL(ioctl(fd, 0x5437 /* TIOCVHANGUP */, 0));
        MUST_FAIL(ioctl(fd, 0x5441 /* TIOCGPTPEER */, O_RDWR));
        MUST_FAIL(ioctl(fd, TIOCSCTTY, 1));
        MUST_FAIL(ioctl(fd, TIOCSLCKTRMIOS, &out));
        MUST_FAIL(CALL(SYS_ioctl, fd, TIOCSTI | 0xdead00000000, inject));
        close(fd);
    }
    IN_CHILD(
        // A session of its own has no terminal: /dev/tty is not the monitor's.
        MUST_WORK(setsid());
        int fd = open("/dev/tty", O_RDWR);
        if (fd >= 0) breach("opened the terminal of another session");
        symlink("/dev/tty", in("write/tty"));
        fd = open(in("write/tty"), O_RDWR);
        if (fd >= 0) breach("opened the terminal of another session through a link");
        struct { uint64_t flags; uint64_t mode; uint64_t resolve; } how = { O_RDWR, 0, 0 };
        for (how.resolve = 0; how.resolve < 64; how.resolve++)
            if (CALL(437, AT_FDCWD, "/dev/tty", &how, sizeof how) >= 0) breach("opened the terminal of another session by openat2");
        int dev = open("/dev", O_RDONLY | O_DIRECTORY);
        for (how.resolve = 0; dev >= 0 && how.resolve < 64; how.resolve++)
            if (CALL(437, dev, "tty", &how, sizeof how) >= 0) breach("opened the terminal of another session beneath /dev");
        MUST_FAIL(ioctl(0, TIOCSCTTY, 0));
        MUST_FAIL(ioctl(0, TIOCSCTTY, 1));
        pid_t group = getpgrp();
        MUST_FAIL(ioctl(0, TIOCSPGRP, &group));
    );
    return benign();
}
