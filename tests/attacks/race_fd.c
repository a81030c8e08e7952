// A number rebound by another thread, by dup2 and by close and open, between a file that may be changed and one that may only
// be read, while calls that the monitor decides by descriptor are made on it; and numbers in control data.
// stops: the monitor takes a copy of the descriptor, and both checks and acts on that copy
#include "attack.h"

static atomic_int over;
static int one, two, target = 100;

static void *binder(void *unused)
{
    while (!over) {
        dup2(one, target);
        dup2(two, target);
        close(target);
        int fd = open(in("read/file"), O_RDONLY);
        if (fd >= 0 && fd != target) dup2(fd, target), close(fd);
    }
    return NULL;
}

int main(void)
{
    one = MUST_WORK(open(in("write/file"), O_RDWR));
    two = MUST_WORK(open(in("write/keep/file"), O_RDONLY));
    int pair[2];
    MUST_WORK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    pthread_t other = thread(binder, NULL);
    double from = now();
    int flags = 0x40 /* nodump */, done = 0;
    char attr[28] = "", byte;
    struct timespec times[2] = { { 7, 7 }, { 7, 7 } };
    while (going(from, 1)) {
        done += fchmod(target, 0640) == 0;
        done += fchown(target, getuid(), getgid()) == 0;
        done += fsetxattr(target, "user.x", "x", 1, 0) == 0;
        done += fremovexattr(target, "user.x") == 0;
        done += futimens(target, times) == 0;
        done += fchmodat(target, "", 0640, AT_EMPTY_PATH) == 0;
        done += fchownat(target, "", getuid(), getgid(), AT_EMPTY_PATH) == 0;
        done += ftruncate(target, 3) == 0;
        done += ioctl(target, FS_IOC_SETFLAGS, &flags) == 0;
        done += ioctl(target, _IOW('X', 32, char[28]), attr) == 0;
        done += linkat(target, "", AT_FDCWD, in("write/linked"), AT_EMPTY_PATH) == 0;
        unlink(in("write/linked"));
        // Sent while it is rebound, what arrives is one of the two, and worth no more than that.
        char room[CMSG_SPACE(sizeof(int))];
        struct iovec iov = { &byte, 1 };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
        struct cmsghdr *control = CMSG_FIRSTHDR(&message);
        *control = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(control), &target, sizeof target);
        if (sendmsg(pair[0], &message, MSG_DONTWAIT) > 0 && recvmsg(pair[1], &message, MSG_DONTWAIT) > 0 &&
            message.msg_controllen >= CMSG_LEN(sizeof(int))) {
            int got;
            memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
            fchmod(got, 0604);
            fsetxattr(got, "user.y", "y", 1, 0);
            close(got);
        }
        fchdir(target);
    }
    over = 1;
    pthread_join(other, NULL);
    printf("%d calls found the file that may be changed\n", done);
    return benign();
}
