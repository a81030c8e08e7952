// What the report shows: names with control characters in them, ten thousand of them, and some that are long.
// stops: control characters are shown, not sent; no more is kept than is bounded
// options: --read @/read --write @/write --report
// options: --read @/read --write @/write --report=json
#include "attack.h"

int main(void)
{
    char name[PATH_MAX];
    for (int i = 0; i < 12000; i++) {
        snprintf(name, sizeof name, "/\x1b[2J\x1b]0;title\x07\x9b/%d", i);
        open(name, O_RDONLY);
    }
    memset(name, '\x1b', 4000);
    name[0] = '/';
    name[4000] = 0;
    for (int i = 0; i < 100; i++) {
        name[10] = 'a' + i % 26;
        unlink(name);
    }
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = { AF_UNIX, "\x1b[31m/path" };
    connect(socket_, (void *)&address, sizeof address);
    address.sun_path[0] = 0;
    connect(socket_, (void *)&address, sizeof address);
    connect(socket_, (void *)&address, 2);
    connect(socket_, (void *)1, 200);
    return benign();
}
