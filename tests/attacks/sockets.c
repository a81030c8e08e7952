// bindat and connectat aimed at what is outside: by `..`, absolute, through links, with names of no directory; by a socket or
// a directory that has not the rights; and by the plain calls.
// stops: paths are looked up strictly beneath the directory, with its rights and the socket's; there is no other address
// enters: write=@/write
// options: --write @/write --dir @/write:bindat,connectat --read @/read
#include "sockets.h"

static void straight(int dir, int kind)
{
    const char *out[] = { "../outside/stream", "../outside/datagram", in("outside/stream"), in("outside/datagram"), "d/stream", "d/datagram",
        "d/../outside/datagram", "away/datagram", "f", "a/../../outside/datagram", "a/b/../../../outside/stream", "round/../../outside/datagram" };
    const char *make[] = { "../made", in("outside/made"), "d/made", "away/made", "a/../../made", "round/../../made", "dangling", "..", "../.." };
    struct sockaddr_un name;
    for (size_t i = 0; i < COUNT(out); i++) {
        int socket_ = MUST_WORK(socket(AF_UNIX, kind, 0));
        MUST_FAIL(connect_at(dir, socket_, out[i]));
        MUST_FAIL(bind_at(dir, socket_, out[i]));
        socklen_t len = named(&name, out[i]);
        MUST_FAIL(connect(socket_, (void *)&name, len));
        MUST_FAIL(CALL(CONNECTAT, AT_FDCWD, socket_, &name, len));
        MUST_FAIL(sendto(socket_, "x", 1, 0, (void *)&name, len));
        close(socket_);
    }
    for (size_t i = 0; i < COUNT(make); i++) {
        int socket_ = MUST_WORK(socket(AF_UNIX, kind, 0));
        MUST_FAIL(bind_at(dir, socket_, make[i]));
        socklen_t len = named(&name, make[i]);
        MUST_FAIL(bind(socket_, (void *)&name, len));
        close(socket_);
    }
    // Names of no directory, of every length.
    int socket_ = MUST_WORK(socket(AF_UNIX, kind, 0));
    memset(&name, 0, sizeof name);
    name.sun_family = AF_UNIX;
    strcpy(name.sun_path + 1, given("ATTACK_ABSTRACT"));
    for (size_t len = 0; len < 300; len++) {
        MUST_FAIL(CALL(CONNECTAT, dir, socket_, &name, len));
        MUST_FAIL(CALL(BINDAT, dir, socket_, &name, len));
    }
    MUST_FAIL(CALL(CONNECTAT, dir, socket_, &name, -1));
    // Other families, by a socket of this one, and the other way round.
    struct sockaddr_in inet = { AF_INET, htons(number("ATTACK_UDP")), { htonl(INADDR_LOOPBACK) } };
    int other = MUST_WORK(socket(AF_INET, kind == SOCK_SEQPACKET ? SOCK_STREAM : kind, 0));
    MUST_FAIL(CALL(CONNECTAT, dir, socket_, &inet, sizeof inet));
    MUST_FAIL(CALL(CONNECTAT, dir, other, &inet, sizeof inet));
    MUST_FAIL(CALL(BINDAT, dir, other, &inet, sizeof inet));
    close(other);
    close(socket_);
}

// Through procfs one could name a socket's file otherwise, and the monitor's descriptors.
static void by_procfs(int dir)
{
    char path[64];
    for (int fd = 0; fd < 64; fd++) {
        // Under `run` its own directory is held, by this name too.
        if (fd == dir && !number("ATTACK_ENTERED")) continue;
        int socket_ = socket(AF_UNIX, SOCK_DGRAM, 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        symlinkat(path, dir, "magic");
        strcat(path, "/made");
        MUST_FAIL(bind_at(dir, socket_, "magic/made"));
        MUST_FAIL(bind_at(dir, socket_, path));
        MUST_FAIL(connect_at(dir, socket_, "magic"));
        unlinkat(dir, "magic", 0);
        close(socket_);
    }
}

int main(void)
{
    int dir = held_write();
    symlinkat("../outside", dir, "d"), symlinkat(in("outside"), dir, "away"), symlinkat("../outside/datagram", dir, "f");
    symlinkat("a/..", dir, "round"), symlinkat("../outside/made", dir, "dangling");
    const int kinds[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
    for (size_t i = 0; i < COUNT(kinds); i++) straight(dir, kinds[i]);
    by_procfs(dir);
    int server = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0)), client = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0));
    MUST_WORK(bind_at(dir, server, "server"));
    MUST_WORK(connect_at(dir, client, "round/server"));
    // Where the rights are missing.
    int bare = MUST_WORK(openat(dir, "a", O_RDONLY | O_DIRECTORY));
    if (number("ATTACK_ENTERED")) {
        uint64_t read_alone[2] = { 0x0200000000000401, 0x0400000000000000 };
        MUST_WORK(CALL(LIMIT, bare, read_alone));
    } else {
        MUST_WORK(close(bare));
        bare = MUST_WORK(open(in("read"), O_RDONLY | O_DIRECTORY));
    }
    int spare = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0));
    MUST_FAIL(bind_at(bare, spare, "made"));
    MUST_FAIL(connect_at(bare, spare, "file"));
    return benign();
}
