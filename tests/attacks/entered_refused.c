// What a process that entered by itself has no name for: every kind of call that reaches a global name, with arguments that
// would work; the cores that the kernel writes by a path; memory that is the machine's.
// stops: the filter, by number and by what is in registers
// enters: write=@/write read=@/read
#include "attack.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/inotify.h>

int main(void)
{
    char room[4096] = "";
    const char *secret = in("outside/secret"), *fresh = in("outside/new");
    struct stat st;
    // Paths, absolute and from the working directory.
    MUST_FAIL(open(secret, O_RDONLY));
    MUST_FAIL(open(".", O_RDONLY));
    MUST_FAIL(openat(AT_FDCWD, secret, O_RDONLY));
    MUST_FAIL(CALL(SYS_openat, 0xffffffff00000000 | (unsigned)AT_FDCWD, secret, O_RDONLY));
    MUST_FAIL(CALL(SYS_openat, 0x1234567800000000 | (unsigned)AT_FDCWD, ".", O_RDONLY));
    MUST_FAIL(openat(held("read"), secret, O_RDONLY));
    MUST_FAIL(creat(fresh, 0600));
    MUST_FAIL(stat(secret, &st));
    MUST_FAIL(lstat(".", &st));
    MUST_FAIL(access(secret, R_OK));
    MUST_FAIL(readlink("/proc/self/exe", room, sizeof room));
    MUST_FAIL(CALL(SYS_getcwd, room, sizeof room));
    MUST_FAIL(chdir("/"));
    MUST_FAIL(fchdir(held("write")));
    MUST_FAIL(chroot("/"));
    MUST_FAIL(CALL(SYS_name_to_handle_at, held("write"), "file", room, room + 200, 0));
    MUST_FAIL(CALL(SYS_open_by_handle_at, held("write"), room, O_RDONLY));
    MUST_FAIL(CALL(SYS_statfs, "/", room));
    MUST_FAIL(truncate(secret, 0));
    MUST_FAIL(CALL(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
    MUST_FAIL(CALL(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, NULL));
    MUST_FAIL(CALL(SYS_shmget, 0, 4096, 01600));
    MUST_FAIL(CALL(SYS_semget, 0, 1, 01600));
    MUST_FAIL(CALL(SYS_msgget, 0, 01600));
    MUST_FAIL(CALL(SYS_add_key, "user", "pimento", "x", 1, -2));
    MUST_FAIL(CALL(SYS_keyctl, 0, -3, 1));
    MUST_FAIL(CALL(SYS_bpf, 0, room, 48));
    MUST_FAIL(CALL(SYS_perf_event_open, room, 0, -1, -1, 0));
    MUST_FAIL(CALL(SYS_io_uring_setup, 1, room));
    MUST_FAIL(CALL(SYS_userfaultfd, 0));
    MUST_FAIL(CALL(SYS_fanotify_init, 0, 0));
    MUST_FAIL(CALL(SYS_unshare, 0x10000000));
    MUST_FAIL(CALL(SYS_unshare, 0x00020000));
    MUST_FAIL(CALL(SYS_clone3, room, 64));
    MUST_FAIL(CALL(SYS_mount, "none", "/", NULL, 0, NULL));
    MUST_FAIL(CALL(SYS_open_tree, held("write"), "", 0x1000));
    MUST_FAIL(CALL(SYS_fsopen, "tmpfs", 0));
    MUST_FAIL(CALL(457, room, room, 100, 0));
    int watch = inotify_init();
    MUST_FAIL(inotify_add_watch(watch, "/", IN_ALL_EVENTS));
    MUST_FAIL(inotify_add_watch(watch, ".", IN_ALL_EVENTS));
    MUST_FAIL(CALL(SYS_waitid, 0, 0, room, WNOHANG | WEXITED, NULL));
    MUST_FAIL(CALL(SYS_landlock_create_ruleset, NULL, 0, 1));
    MUST_FAIL(CALL(SYS_personality, 0x0400000));
    MUST_FAIL(prctl(PR_SET_MM, 13, 0, 0, 0));
    MUST_FAIL(prctl(PR_SET_PTRACER, -1, 0, 0, 0));
    // What the kernel would write when it dies: by a path, into a directory that is none of its own.
    struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY }, limit = { 1, 1 };
    getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_cur) breach("it would leave a core");
    MUST_FAIL(setrlimit(RLIMIT_CORE, &unlimited));
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max) {
        MUST_FAIL(setrlimit(RLIMIT_CORE, &limit));
        MUST_FAIL(CALL(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL));
        MUST_FAIL(CALL(SYS_prlimit64, getpid(), RLIMIT_CORE, &limit, NULL));
        MUST_FAIL(CALL(SYS_prlimit64, 0xffffffff00000000, 0xffffffff00000000 | RLIMIT_CORE, &limit, NULL));
    }
    // The machine's memory, taken out of use.
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    // (Not of a page, should it not be refused: only whether.)
    errno = 0;
    CALL(SYS_madvise, page, 0, 100 /* MADV_HWPOISON */);
    if (errno != ECAPMODE) breach("pages can be poisoned: %d", errno);
    errno = 0;
    CALL(SYS_madvise, page, 0, 101 /* MADV_SOFT_OFFLINE */);
    if (errno != ECAPMODE) breach("pages can be taken offline: %d", errno);
    // Groups of processes are named by number. (A session that began outside the pid namespace has none: 0 would be oneself.)
    MUST_FAIL(setpgid(0, getppid()));
    MUST_FAIL(setpgid(0, getsid(0) ? getsid(0) : 1));
    MUST_FAIL(setpgid(getpid(), 1));
    // Addresses.
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(number("ATTACK_UDP")), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "%s", given("ATTACK_ABSTRACT"));
    socklen_t unlen = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(given("ATTACK_ABSTRACT"));
    int udp = MUST_WORK(socket(AF_INET, SOCK_DGRAM, 0)), unix_ = MUST_WORK(socket(AF_UNIX, SOCK_DGRAM, 0)), tcp = MUST_WORK(socket(AF_INET, SOCK_STREAM, 0));
    MUST_FAIL(bind(udp, (void *)&in4, sizeof in4));
    MUST_FAIL(bind(unix_, (void *)&un, 2));
    MUST_FAIL(connect(udp, (void *)&in4, sizeof in4));
    MUST_FAIL(connect(unix_, (void *)&un, unlen));
    MUST_FAIL(sendto(udp, "x", 1, 0, (void *)&in4, sizeof in4));
    MUST_FAIL(sendto(unix_, "x", 1, 0, (void *)&un, unlen));
    struct iovec iov = { "x", 1 };
    struct mmsghdr messages[2] = { { .msg_hdr = { &in4, sizeof in4, &iov, 1 } }, { .msg_hdr = { &un, unlen, &iov, 1 } } };
    MUST_FAIL(sendmsg(udp, &messages[0].msg_hdr, 0));
    MUST_FAIL(sendmsg(unix_, &messages[1].msg_hdr, 0));
    MUST_FAIL(CALL(SYS_sendmmsg, udp, messages, 2, 0));
    in4.sin_port = htons(number("ATTACK_TCP"));
    MUST_FAIL(sendto(tcp, "x", 1, MSG_FASTOPEN, (void *)&in4, sizeof in4));
    MUST_FAIL(sendmsg(tcp, &messages[0].msg_hdr, MSG_FASTOPEN));
    const int families[][3] = { { AF_INET, SOCK_RAW, 1 }, { AF_INET, SOCK_DGRAM, 1 }, { AF_PACKET, SOCK_RAW, 0 }, { AF_NETLINK, SOCK_RAW, 0 }, { AF_ALG, SOCK_SEQPACKET, 0 },
        { AF_KEY, SOCK_RAW, 2 }, { 40 /* AF_VSOCK */, SOCK_STREAM, 0 }, { AF_INET, SOCK_STREAM, 132 }, { AF_BLUETOOTH, SOCK_RAW, 1 }, { 44 /* AF_XDP */, SOCK_RAW, 0 },
        { AF_INET, SOCK_DGRAM, 136 }, { 43 /* AF_SMC */, SOCK_STREAM, 0 }, { 38, SOCK_SEQPACKET, 0 }, { 16, SOCK_DGRAM, 15 } };
    for (size_t i = 0; i < COUNT(families); i++) MUST_FAIL(socket(families[i][0], families[i][1], families[i][2]));
    struct { int level, name; } options[] = { { SOL_SOCKET, SO_BINDTODEVICE }, { SOL_SOCKET, 62 }, { SOL_SOCKET, SO_MARK }, { SOL_SOCKET, SO_ATTACH_FILTER }, { SOL_SOCKET, 50 }, { SOL_SOCKET, 76 },
        { 0, IP_ADD_MEMBERSHIP }, { 0, IP_MULTICAST_IF }, { 0, 50 }, { 0, IP_OPTIONS }, { 0, IP_TRANSPARENT }, { 6, 31 }, { 6, 19 }, { 41, 20 }, { 41, 50 }, { 0, 42 } };
    for (size_t i = 0; i < COUNT(options); i++) MUST_FAIL(setsockopt(udp, options[i].level, options[i].name, room, 64));
    const unsigned ioctls[] = { 0x894c, 0x89e0, 0x8910, 0x8912, 0x8927, 0x8933, 0x8946, 0x8901, 0x8902, 0x40049409, 0x4020940d, 0xc0189436, 0xb701, 0xb702, 0x1, 0x4c00, 0x4c82, 0x127d };
    for (size_t i = 0; i < COUNT(ioctls); i++) MUST_FAIL(ioctl(udp, ioctls[i], room) & ioctl(held("write"), ioctls[i], room));
    return benign();
}
