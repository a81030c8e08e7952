// bindat and connectat raced: directories on the path moved and exchanged for links out, the socket file for a link out, the
// address rewritten in memory, the socket's and the directory's number given to others, without the rights, by other threads.
// stops: the address is copied once, and both descriptors with their rights; a socket is bound in a directory by handle, and connected by a handle
// enters: write=@/write
// options: --write @/write --dir @/write:bindat,connectat --read @/read
#include "sockets.h"

static atomic_int over;
static int dir;

// Directories go up, are exchanged, and turn into links.
static void *mover(void *unused)
{
    while (!over) {
        renameat(dir, "a/b/c/d", dir, "d");
        renameat(dir, "d", dir, "a/b/c/d");
        renameat(dir, "a/b/c", dir, "c");
        CALL(SYS_renameat2, dir, "x", dir, "link", 2 /* RENAME_EXCHANGE */);
        CALL(SYS_renameat2, dir, "s", dir, "sock_link", 2);
        renameat(dir, "c", dir, "a/b/c");
    }
    return NULL;
}

static void try_paths(double share)
{
    const char *connects[] = { "x/stream", "x/datagram", "s", "./s", "a/b/c/d/../../../../outside/datagram", "a/b/c/d/../../../../../outside/datagram",
        "d/../../outside/datagram", "c/d/../../../outside/stream" };
    const char *binds[] = { "x/made", "x/outside/made", "dangling", "a/b/c/d/../../../../made", "a/b/c/d/../../../../outside/made", "d/../../outside/made", "c/d/../../../made" };
    const int kinds[] = { SOCK_STREAM, SOCK_DGRAM };
    for (double from = now(); going(from, share);) {
        for (size_t i = 0; i < COUNT(connects) * 2; i++) {
            int socket_ = socket(AF_UNIX, kinds[i % 2] | SOCK_NONBLOCK, 0);
            if (connect_at(dir, socket_, connects[i / 2]) == 0) {
                whose(socket_, connects[i / 2]);
                (void)!send(socket_, "escaped", 7, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
            close(socket_);
        }
        for (size_t i = 0; i < COUNT(binds); i++) {
            int socket_ = socket(AF_UNIX, SOCK_DGRAM, 0);
            bind_at(dir, socket_, binds[i]);
            unlinkat(dir, binds[i], 0);
            close(socket_);
        }
    }
}

// The address, of which everything changes but where it lies.
static struct sockaddr_un shared;

static void *rewriter(void *unused)
{
    struct sockaddr_un names[5];
    named(&names[0], "s");
    named(&names[1], in("outside/datagram"));
    named(&names[2], "../outside/datagram");
    named(&names[3], "../outside/made");
    memset(&names[4], 0, sizeof names[4]);
    names[4].sun_family = AF_UNIX;
    strcpy(names[4].sun_path + 1, given("ATTACK_ABSTRACT"));
    for (unsigned i = 0; !over; i++) {
        shared = names[1 + i % 4];
        // Both are seen.
        atomic_signal_fence(memory_order_seq_cst);
        shared = names[0];
    }
    return NULL;
}

static void try_memory(double share)
{
    const socklen_t abstract = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(given("ATTACK_ABSTRACT"));
    const socklen_t lengths[] = { sizeof shared, abstract };
    int client = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0));
    for (double from = now(); going(from, share);) {
        for (size_t i = 0; i < COUNT(lengths); i++) {
            if (CALL(CONNECTAT, dir, client, &shared, lengths[i]) == 0) {
                whose(client, "an address that changes");
                (void)!send(client, "escaped", 7, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
            int made = socket(AF_UNIX, SOCK_DGRAM, 0);
            CALL(BINDAT, dir, made, &shared, lengths[i]);
            struct sockaddr_un name = { 0 };
            socklen_t len = sizeof name;
            getsockname(made, (void *)&name, &len);
            if (len > 2 && (name.sun_path[0] == 0 || strchr(name.sun_path, '/'))) breach("bound to %s", name.sun_path + !name.sun_path[0]);
            close(made);
        }
    }
    close(client);
}

// The numbers, which are given to what has the rights and to what has not.
static int free_socket, poor_socket, poor_dir, socket_number, dir_number;

static void *number_giver(void *unused)
{
    while (!over) {
        dup2(poor_socket, socket_number);
        dup2(free_socket, socket_number);
        dup2(poor_dir, dir_number);
        dup2(dir, dir_number);
    }
    return NULL;
}

static void try_numbers(double share)
{
    if (!number("ATTACK_ENTERED")) return;
    // The same socket, before its limits.
    int poor = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0)), in_poor = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0));
    free_socket = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0));
    poor_dir = MUST_WORK(openat(dir, "poor", O_RDONLY | O_DIRECTORY));
    MUST_WORK(bind_at(poor_dir, in_poor, "within"));
    poor_socket = MUST_WORK(dup(poor));
    uint64_t nothing[2] = { 0x0200000000000000, 0x0400000000000000 }, looks[2] = { 0x0200000000000401, 0x0400000000000000 };
    MUST_WORK(CALL(LIMIT, poor_socket, nothing));
    MUST_WORK(CALL(LIMIT, poor_dir, looks));
    // Where anything may be put.
    socket_number = MUST_WORK(fcntl(free_socket, F_DUPFD, 300)), dir_number = MUST_WORK(fcntl(dir, F_DUPFD, 301));
    MUST_WORK(dup2(poor_socket, socket_number)), MUST_WORK(dup2(poor_dir, dir_number));
    MUST_FAIL(connect_at(dir, socket_number, "s"));
    MUST_FAIL(connect_at(dir_number, free_socket, "within"));
    struct sockaddr_un name;
    socklen_t len;
    over = 0;
    pthread_t giver = thread(number_giver, NULL);
    for (double from = now(); going(from, share);) {
        connect_at(dir, socket_number, "s");
        bind_at(dir, socket_number, "bound");
        len = sizeof name;
        if (getpeername(poor, (void *)&name, &len) == 0) breach("a socket without CAP_CONNECT was connected");
        len = sizeof name;
        if (getsockname(poor, (void *)&name, &len) == 0 && len > 2) breach("a socket without CAP_BIND was bound");
        if (connect_at(dir_number, free_socket, "within") == 0) breach("connected in a directory without CAP_CONNECTAT");
        int made = socket(AF_UNIX, SOCK_DGRAM, 0);
        bind_at(dir_number, made, "made");
        if (faccessat(poor_dir, "made", F_OK, 0) == 0 || faccessat(dir, "poor/made", F_OK, 0) == 0) breach("bound in a directory without CAP_BINDAT");
        unlinkat(dir, "made", 0), unlinkat(dir, "bound", 0);
        close(made);
    }
    over = 1;
    pthread_join(giver, NULL);
}

int main(void)
{
    dir = held_write();
    int server = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0)), client = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0));
    mkdirat(dir, "x", 0777), mkdirat(dir, "poor", 0777);
    symlinkat("../outside", dir, "link"), symlinkat("../outside/datagram", dir, "sock_link"), symlinkat("../outside/made", dir, "dangling");
    MUST_WORK(bind_at(dir, server, "s"));
    MUST_WORK(connect_at(dir, client, "s"));
    pthread_t threads[] = { thread(mover, NULL), thread(mover, NULL) };
    try_paths(0.4);
    over = 1;
    for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
    over = 0;
    pthread_t rewriting = thread(rewriter, NULL);
    try_memory(0.3);
    over = 1;
    pthread_join(rewriting, NULL);
    // Whichever of the two it is now.
    unlinkat(dir, "s", 0);
    server = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0));
    MUST_WORK(bind_at(dir, server, "s"));
    try_numbers(0.3);
    return benign();
}
