// A message that the kernel is asked not to copy (MSG_ZEROCOPY), to a peer that does not read yet: what it gets in the end is
// what the monitor's memory holds by then.
// stops: the monitor never lends the kernel its memory
// stdin: tcp
#include "attack.h"

int main(void)
{
    static char data[200000];
    memset(data, 'Z', sizeof data);
    int on = 1;
    setsockopt(0, SOL_SOCKET, 60 /* SO_ZEROCOPY */, &on, sizeof on);
    int sent = 0;
    for (int i = 0; i < 200; i++) {
        struct iovec iov = { data, sizeof data };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        if (sendmsg(0, &message, MSG_ZEROCOPY | MSG_DONTWAIT) > 0) sent++;
        struct mmsghdr several = { message };
        if (CALL(SYS_sendmmsg, 0, &several, 1, MSG_ZEROCOPY | MSG_DONTWAIT) > 0) sent++;
        // Something else in the monitor's memory.
        struct stat st;
        char name[4000];
        memset(name, 'Q', sizeof name - 1);
        name[3999] = 0;
        for (int k = 0; k < 5; k++) stat(in("read/file"), &st), stat(name, &st), setxattr(in("write/file"), "user.q", name, 3000, 0);
    }
    printf("%d messages taken\n", sent);
    shutdown(0, SHUT_WR);
    return benign();
}
