// What the attacks by Unix sockets share.
#include "attack.h"
#include <arpa/inet.h>
#include <netinet/in.h>

#define LIMIT 0x43415002
#define BINDAT 0x4341500e
#define CONNECTAT 0x4341500f

static inline socklen_t named(struct sockaddr_un *name, const char *path)
{
    memset(name, 0, sizeof *name);
    name->sun_family = AF_UNIX;
    strncpy(name->sun_path, path, sizeof name->sun_path);
    return sizeof *name;
}

static inline long bind_at(int dir, int socket_, const char *path)
{
    struct sockaddr_un name;
    socklen_t len = named(&name, path);
    return CALL(BINDAT, dir, socket_, &name, len);
}

static inline long connect_at(int dir, int socket_, const char *path)
{
    struct sockaddr_un name;
    socklen_t len = named(&name, path);
    return CALL(CONNECTAT, dir, socket_, &name, len);
}

// The directory that may be bound in.
static inline int held_write(void)
{
    return number("ATTACK_ENTERED") ? held("write") : MUST_WORK(open(in("write"), O_RDONLY | O_DIRECTORY));
}

// Who is outside has an absolute name.
static inline void whose(int socket_, const char *how)
{
    struct sockaddr_un name = { 0 };
    socklen_t len = sizeof name;
    if (getpeername(socket_, (void *)&name, &len) == 0 && name.sun_path[0] == '/') breach("%s: connected to %s", how, name.sun_path);
}
