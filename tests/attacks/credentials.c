// Messages to oneself with forged credentials, and what a message that the monitor sends for the program tells of the
// monitor: its pid, its user, a descriptor of it.
// stops: credentials are the caller's or are not sent; SO_PASSPIDFD and SO_PEERPIDFD are refused; signals stay inside the domain
#include "attack.h"

static int pair[2];

static void forge(pid_t pid, uid_t uid, gid_t gid)
{
    char byte = 'x', room[CMSG_SPACE(sizeof(struct ucred))] = "", got[512];
    struct iovec iov = { &byte, 1 };
    struct ucred claimed = { pid, uid, gid };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    *control = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof claimed) };
    memcpy(CMSG_DATA(control), &claimed, sizeof claimed);
    if (sendmsg(pair[0], &message, MSG_DONTWAIT) < 0) return;
    message = (struct msghdr) { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = got, .msg_controllen = sizeof got };
    if (recvmsg(pair[1], &message, MSG_DONTWAIT) < 0) return;
    for (control = CMSG_FIRSTHDR(&message); control; control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_SOCKET) continue;
        if (control->cmsg_type == SCM_CREDENTIALS) {
            struct ucred seen;
            memcpy(&seen, CMSG_DATA(control), sizeof seen);
            if (seen.pid != getpid()) breach("a message of process %d seems to be of %d", getpid(), seen.pid);
            if (seen.uid != getuid() || seen.gid != getgid()) breach("it seems to be of user %d, group %d", seen.uid, seen.gid);
        } else if (control->cmsg_type != SCM_RIGHTS) {
            int fd;
            memcpy(&fd, CMSG_DATA(control), sizeof fd);
            breach("received control data %d", control->cmsg_type);
            CALL(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        }
    }
}

int main(void)
{
    int on = 1;
    MUST_WORK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    MUST_FAIL(setsockopt(pair[1], SOL_SOCKET, 76 /* SO_PASSPIDFD */, &on, sizeof on));
    socklen_t len = sizeof on;
    MUST_FAIL(getsockopt(pair[1], SOL_SOCKET, 77 /* SO_PEERPIDFD */, &on, &len));
    on = 1;
    setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    pid_t strangers[] = { 1, getppid(), number("ATTACK_BYSTANDER"), 2 };
    for (size_t i = 0; i < COUNT(strangers); i++) {
        forge(strangers[i], getuid(), getgid());
        forge(strangers[i], 0, 0);
    }
    forge(getpid(), 1, 1);
    forge(getpid(), 0, 0);
    if (getuid() == 0)
        IN_CHILD(
            MUST_WORK(setresgid(65534, 65534, 65534));
            MUST_WORK(setresuid(65534, 65534, 65534));
            forge(getpid(), 0, 0);
            forge(1, 0, 0);
            forge(getppid(), 0, 0);
        );
    return benign();
}
