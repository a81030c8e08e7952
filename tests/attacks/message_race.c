// The address, the data and the control data of a message changed by another thread while it is sent: to a Unix path, an
// abstract name, a UDP port outside.
// stops: the monitor sends its own copy, and never to an address
#include "attack.h"
#include <arpa/inet.h>
#include <netinet/in.h>

static struct msghdr message;
static struct mmsghdr several[4];
static union { struct sockaddr_un un; struct sockaddr_in in; char bytes[128]; } address;
static socklen_t length;
static atomic_int over;

static void *mutate(void *unused)
{
    static struct iovec wild[] = { { (void *)1, 100 }, { (void *)-1, SIZE_MAX } };
    static char room[256];
    struct iovec *usual = message.msg_iov;
    while (!over) {
        message.msg_name = &address;
        message.msg_namelen = length;
        for (int i = 0; i < 4; i++) several[i].msg_hdr.msg_name = &address, several[i].msg_hdr.msg_namelen = length;
        message.msg_iov = wild;
        message.msg_iovlen = 2;
        message.msg_control = room;
        message.msg_controllen = (size_t)rand() % 300;
        for (size_t i = 0; i < sizeof room; i++) room[i] = i % 8 ? 0 : rand();
        message.msg_name = NULL;
        message.msg_namelen = 0;
        for (int i = 0; i < 4; i++) several[i].msg_hdr.msg_name = NULL, several[i].msg_hdr.msg_namelen = 0;
        message.msg_iov = usual;
        message.msg_iovlen = 1;
        message.msg_controllen = 0;
        message.msg_control = NULL;
    }
    return NULL;
}

static void against(int family, int kind)
{
    int socket_ = MUST_WORK(socket(family, kind, 0));
    struct iovec iov = { "escaped", 7 };
    message = (struct msghdr) { .msg_iov = &iov, .msg_iovlen = 1 };
    for (int i = 0; i < 4; i++) several[i].msg_hdr = message;
    // Straight first.
    MUST_FAIL(sendto(socket_, "x", 1, 0, (void *)&address, length));
    MUST_FAIL(connect(socket_, (void *)&address, length));
    struct msghdr straight = { .msg_name = &address, .msg_namelen = length, .msg_iov = &iov, .msg_iovlen = 1 };
    MUST_FAIL(sendmsg(socket_, &straight, 0));
    MUST_FAIL(sendmsg(socket_, &straight, MSG_FASTOPEN));
    over = 0;
    pthread_t mutator = thread(mutate, NULL);
    double from = now();
    while (going(from, 0.25)) {
        if (sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) breach("sent");
        if (sendmmsg(socket_, several, 4, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) breach("sent several");
    }
    over = 1;
    pthread_join(mutator, NULL);
    close(socket_);
}

int main(void)
{
    address.un.sun_family = AF_UNIX;
    strcpy(address.un.sun_path, in("outside/datagram"));
    length = sizeof address.un;
    against(AF_UNIX, SOCK_DGRAM);
    strcpy(address.un.sun_path, in("outside/stream"));
    against(AF_UNIX, SOCK_STREAM);
    memset(address.un.sun_path, 0, sizeof address.un.sun_path);
    strcpy(address.un.sun_path + 1, given("ATTACK_ABSTRACT"));
    length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(given("ATTACK_ABSTRACT"));
    against(AF_UNIX, SOCK_DGRAM);
    memset(&address, 0, sizeof address);
    address.in = (struct sockaddr_in) { AF_INET, htons(number("ATTACK_UDP")), { htonl(INADDR_LOOPBACK) } };
    length = sizeof address.in;
    against(AF_INET, SOCK_DGRAM);
    address.in.sin_port = htons(number("ATTACK_TCP"));
    length = sizeof address.in;
    int socket_ = socket(AF_INET, SOCK_STREAM, 0);
    MUST_FAIL(connect(socket_, (void *)&address, length));
    MUST_FAIL(sendto(socket_, "x", 1, MSG_FASTOPEN, (void *)&address, length));
    for (int proto = 1; proto < 300; proto++) {
        int other = socket(AF_INET, SOCK_SEQPACKET, proto);
        if (other >= 0) MUST_FAIL(setsockopt(other, 132 /* SOL_SCTP */, 107, &address, length));
        if (other >= 0) MUST_FAIL(setsockopt(other, 132, 110, &address, length));
        close(other);
        MUST_FAIL(socket(AF_INET, SOCK_RAW, proto));
    }
    MUST_FAIL(socket(AF_NETLINK, SOCK_DGRAM, 0));
    MUST_FAIL(socket(AF_NETLINK, SOCK_RAW, 0));
    MUST_FAIL(socket(AF_PACKET, SOCK_RAW, 0));
    MUST_FAIL(socket(AF_ALG, SOCK_SEQPACKET, 0));
    MUST_FAIL(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0));
    return benign();
}
