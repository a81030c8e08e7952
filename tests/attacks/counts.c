// Counts and sizes that are huge, negative, or do not add up: of vectors, control data, attributes, names, buffers, structures.
// stops: each count is checked against the kernel's own limit before anything is made by it
#include "attack.h"

int main(void)
{
    int pair[2];
    char byte = 0;
    MUST_WORK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int fd = MUST_WORK(open(in("write/file"), O_RDWR));
    size_t sizes[] = { 0, 1, 4095, 4096, 65535, 65536, 65537, 1 << 20, INT_MAX, 1ul << 31, UINT_MAX, 1ul << 40, SSIZE_MAX, SIZE_MAX };
    static char big[1 << 20];
    static struct iovec many[4096];
    for (size_t i = 0; i < COUNT(many); i++) many[i] = (struct iovec) { big, sizeof big };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t size = sizes[i];
        struct iovec iov = { big, size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (recv(pair[1], big, sizeof big, MSG_DONTWAIT) > 0) {}
        message = (struct msghdr) { .msg_iov = many, .msg_iovlen = size };
        sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (recv(pair[1], big, sizeof big, MSG_DONTWAIT) > 0) {}
        message = (struct msghdr) { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = big, .msg_controllen = size };
        iov.iov_len = 1;
        sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        message = (struct msghdr) { .msg_name = big, .msg_namelen = size, .msg_iov = &iov, .msg_iovlen = 1 };
        if (size) MUST_FAIL(sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 && (socklen_t)size ? 0 : -1);
        static struct mmsghdr several[2048];
        for (size_t k = 0; k < COUNT(several); k++) several[k].msg_hdr = (struct msghdr) { .msg_iov = &iov, .msg_iovlen = 1 };
        CALL(SYS_sendmmsg, pair[0], several, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (recv(pair[1], big, sizeof big, MSG_DONTWAIT) > 0) {}
        // Control data whose parts have such lengths.
        char room[64] = "";
        struct cmsghdr *control = (void *)room;
        *control = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = size };
        message = (struct msghdr) { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
        sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        fsetxattr(fd, "user.x", big, size, 0);
        fgetxattr(fd, "user.x", big, size);
        flistxattr(fd, big, size);
        setxattr(in("write/file"), "user.x", big, size, 0);
        getxattr(in("write/file"), "user.x", big, size);
        listxattr(in("write/file"), big, size);
        CALL(SYS_getcwd, big, size);
        CALL(SYS_readlink, "/proc/self/exe", big, size);
        memset(big, 0, sizeof big);
        CALL(437, AT_FDCWD, in("write/file"), big, size);
        CALL(SYS_truncate, in("write/file"), 3);
        CALL(SYS_fallocate, fd, 0, 0, 1);
        if (size < 100 || size > 65536) CALL(SYS_setgroups, size, big);
        // Too long a name, too long a path, and one just short of it.
        memset(big, 'n', sizeof big);
        big[size < sizeof big ? size : sizeof big - 1] = 0;
        open(big, O_RDONLY);
        mkdir(big, 0777);
        symlink(big, in("write/l"));
        unlink(in("write/l"));
        memset(big, '/', sizeof big);
        big[size < sizeof big ? size : sizeof big - 1] = 0;
        open(big, O_RDONLY);
        for (size_t k = 0; k + 1 < sizeof big; k += 2) big[k] = '.';
        big[size < sizeof big ? size : sizeof big - 1] = 0;
        open(big, O_RDONLY);
        chdir(big);
        memset(big, 0, sizeof big);
    }
    // Deep: beyond what a path can say.
    chdir(in("write"));
    int depth = 0;
    char name[201];
    memset(name, 'd', 200);
    name[200] = 0;
    for (; depth < 40; depth++)
        if (mkdir(name, 0777) || chdir(name)) break;
    printf("%d deep\n", depth);
    struct stat st;
    stat(".", &st);
    stat("../..", &st);
    reach("../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../secret");
    int at = open(".", O_RDONLY);
    if (at >= 0) fchmod(at, 0700), openat(at, "x", O_RDONLY);
    (void)byte;
    chdir("/");
    return benign();
}
