// Root, who becomes somebody else by each way there is, then reaches for files that only root can read: the monitor, which
// is root still, must not read them for it.
// stops: each act is done with the caller's file system user, group, groups and capabilities
// only: root
#include "attack.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>

static char *private;

static void denied(const char *how)
{
    struct stat st;
    int fd = open(private, O_RDONLY);
    if (fd >= 0) breach("%s: read what is root's", how);
    fd = open(private, O_WRONLY | O_TRUNC);
    if (fd >= 0) breach("%s: opened it for writing", how);
    if (chmod(private, 0644) == 0) breach("%s: chmod", how);
    if (chown(private, getuid(), getgid()) == 0) breach("%s: chown", how);
    if (truncate(private, 0) == 0) breach("%s: truncate", how);
    if (setxattr(private, "user.x", "x", 1, 0) == 0) breach("%s: setxattr", how);
    if (setxattr(private, "trusted.x", "x", 1, 0) == 0) breach("%s: a trusted attribute", how);
    if (utimensat(AT_FDCWD, private, (struct timespec[2]) { { 1, 1 }, { 1, 1 } }, 0) == 0) breach("%s: utimensat", how);
    if (unlink(in("write/private/sub/file")) == 0) breach("%s: unlink", how);
    if (mkdir(in("write/private/new"), 0777) == 0) breach("%s: mkdir", how);
    if (rename(private, in("write/free/taken")) == 0) breach("%s: rename", how);
    if (stat(in("write/private/sub/file"), &st) == 0) breach("%s: stat beneath what may not be searched", how);
    if (open(in("write/group"), O_RDONLY) >= 0) breach("%s: read what is a group's", how);
    // What it does make is its own.
    fd = open(in("write/free/made"), O_CREAT | O_EXCL | O_WRONLY, 0666);
    if (fd < 0) printf("%s: nothing made: %s\n", how, strerror(errno));
    else if (fstat(fd, &st) == 0 && st.st_uid == 0) breach("%s: made a file of root's", how);
    unlink(in("write/free/made"));
    close(fd);
}

static void drop_to(unsigned mask)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = { { mask, mask, 0 } };
    MUST_WORK(CALL(SYS_capset, &header, data));
}

static void *in_thread(void *unused)
{
    CALL(SYS_setresuid, 65534, 65534, 65534);
    if (open(private, O_RDONLY) >= 0) breach("a thread of its own user");
    return NULL;
}

int main(void)
{
    private = in("write/private/file");
    mkdir(in("write/private"), 0700);
    mkdir(in("write/private/sub"), 0700);
    mkdir(in("write/free"), 0777);
    chmod(in("write/free"), 0777);
    close(open(private, O_CREAT | O_WRONLY, 0600));
    close(open(in("write/private/sub/file"), O_CREAT | O_WRONLY, 0600));
    close(open(in("write/group"), O_CREAT | O_WRONLY, 0640));
    MUST_WORK(chown(in("write/group"), 0, 1234));
    MUST_WORK(chmod(in("write/group"), 0640));
    MUST_WORK(open(private, O_RDONLY));
    IN_CHILD(setgroups(0, NULL); MUST_WORK(setresgid(65534, 65534, 65534)); MUST_WORK(setresuid(65534, 65534, 65534)); denied("setresuid"));
    IN_CHILD(setgroups(0, NULL); MUST_WORK(setgid(65534)); MUST_WORK(setuid(65534)); denied("setuid"));
    IN_CHILD(MUST_WORK(setgid(65534)); MUST_WORK(seteuid(65534)); denied("seteuid"));
    IN_CHILD(MUST_WORK(setreuid(65534, 65534)); denied("setreuid"));
    IN_CHILD(setfsgid(65534); setfsuid(65534); denied("setfsuid"));
    IN_CHILD(
        // A member of the group may, until it drops it.
        gid_t groups[] = { 1234 };
        MUST_WORK(setgroups(1, groups));
        MUST_WORK(setresgid(65534, 65534, 65534));
        MUST_WORK(seteuid(65534));
        if (open(in("write/group"), O_RDONLY) < 0) printf("a member of the group: %s\n", strerror(errno));
        MUST_WORK(seteuid(0));
        MUST_WORK(setgroups(0, NULL));
        MUST_WORK(setresuid(65534, 65534, 65534));
        denied("without the group");
    );
    IN_CHILD(
        // Root without capabilities owns the file, but not this one.
        MUST_WORK(chown(private, 65534, 65534));
        MUST_WORK(chown(in("write/private"), 65534, 65534));
        drop_to(0);
        if (open(private, O_RDONLY) >= 0) breach("read without CAP_DAC_OVERRIDE");
        if (chmod(private, 0644) == 0) breach("chmod without CAP_FOWNER");
        if (chown(in("write/file"), 1, 1) == 0) breach("chown without CAP_CHOWN");
        if (mknod(in("write/device"), S_IFCHR | 0600, 0x0103) == 0) breach("mknod without CAP_MKNOD");
    );
    MUST_WORK(chown(private, 0, 0));
    MUST_WORK(chown(in("write/private"), 0, 0));
    // Threads of one process with users of their own.
    IN_CHILD(
        pthread_t other = thread(in_thread, NULL);
        pthread_join(other, NULL);
        if (open(private, O_RDONLY) < 0) printf("the other thread lost its user: %s\n", strerror(errno));
    );
    // access asks for the real user.
    IN_CHILD(MUST_WORK(setresuid(65534, 0, 0)); if (access(private, R_OK) == 0) breach("access by the effective user"));
    // And with many at once, none gets another's.
    double from = now();
    pid_t children[8];
    for (int i = 0; i < 8; i++)
        if ((children[i] = fork()) == 0) {
            if (i % 2) MUST_WORK(setresuid(65534, 65534, 65534));
            while (going(from, 1)) {
                int fd = open(private, O_RDONLY);
                if (i % 2 && fd >= 0) breach("somebody else's identity");
                if (i % 2 == 0 && fd < 0) breach("its own identity lost: %s", strerror(errno));
                close(fd);
            }
            _exit(0);
        }
    for (int i = 0; i < 8; i++) waitpid(children[i], NULL, 0);
    return benign();
}
