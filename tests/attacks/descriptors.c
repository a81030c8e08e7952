// Descriptors used up: the program's own limit, thousands in flight in messages, sockets sent through themselves, and the
// monitor's own while it copies them.
// stops: the monitor closes what it copies before it takes the next call; EMFILE is the caller's
#include "attack.h"

static int send_many(int socket_, int fd, int count)
{
    char byte = 0, room[CMSG_SPACE(253 * sizeof(int))] = "";
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    *control = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int)) };
    for (int i = 0; i < count; i++) memcpy(CMSG_DATA(control) + i * sizeof(int), &fd, sizeof fd);
    return sendmsg(socket_, &message, MSG_DONTWAIT);
}

static void *sender(void *argument)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) return NULL;
    double from = now();
    while (going(from, 0.5))
        if (send_many(pair[0], pair[1], 253) < 0) {
            char byte;
            recv(pair[1], &byte, 1, MSG_DONTWAIT);
        }
    return NULL;
}

int main(void)
{
    struct rlimit small = { 16, 16 };
    IN_CHILD(
        setrlimit(RLIMIT_NOFILE, &small);
        int got = 0;
        while (open(in("write/file"), O_RDONLY) >= 0) got++;
        if (errno != EMFILE) breach("with no number left: %s after %d", strerror(errno), got);
        struct stat st;
        MUST_WORK(stat(in("write/file"), &st));
    );
    struct rlimit none = { 0, 0 };
    IN_CHILD(setrlimit(RLIMIT_NOFILE, &none); if (open(in("write/file"), O_RDONLY) >= 0) breach("beyond its limit"));
    int file = MUST_WORK(open(in("read/file"), O_RDONLY)), pair[2];
    for (int i = 0; i < 40; i++) {
        MUST_WORK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
        int sent = 0;
        while (send_many(pair[0], file, 253) > 0) sent += 253;
        send_many(pair[0], pair[0], 253);
        send_many(pair[0], pair[1], 253);
        send_many(pair[0], -1, 10);
        send_many(pair[0], 100000, 10);
        if (i == 0) printf("%d in flight in one socket\n", sent);
    }
    // Thousands open at once.
    struct rlimit all;
    getrlimit(RLIMIT_NOFILE, &all);
    all.rlim_cur = all.rlim_max;
    setrlimit(RLIMIT_NOFILE, &all);
    int many = 0;
    while (many < 3000 && open(in("write/file"), O_RDONLY) >= 0) many++;
    printf("%d open\n", many);
    pthread_t senders[16];
    for (size_t i = 0; i < COUNT(senders); i++) senders[i] = thread(sender, NULL);
    double from = now();
    while (going(from, 0.5)) {
        int fd = open(in("write/file"), O_RDONLY);
        if (fd < 0) breach("an open fails: %s", strerror(errno));
        close(fd);
    }
    for (size_t i = 0; i < COUNT(senders); i++) pthread_join(senders[i], NULL);
    return benign();
}
