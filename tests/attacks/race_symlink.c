// A name that is a file now, a link out then, a directory next, and a directory on the way that becomes a link out: swapped by
// another thread while calls are made with it.
// stops: every component is opened beneath, or taken as it is (RESOLVE_NO_SYMLINKS), and acted on by descriptor
// options: --read @/read --write @/write
// options: --read @/read --write @/write --read @/write/keep
#include "attack.h"

static atomic_int over;

static void *swapper(void *unused)
{
    const char *name = in("write/name"), *way = in("write/way"), *spare = in("write/spare"), *dir = in("write/dir");
    const char *targets[] = { in("outside/secret"), "../outside/secret", "keep/file", in("read/file"), in("outside"),
                              "/proc/self/root/etc/passwd", "../outside" };
    for (unsigned i = 0; !over; i++) {
        unlink(spare);
        symlink(targets[i % COUNT(targets)], spare);
        rename(spare, name);
        unlink(spare);
        close(open(spare, O_CREAT | O_WRONLY, 0666));
        rename(spare, name);
        mkdir(dir, 0777);
        unlink(way);
        symlink(i % 2 ? "../outside" : in("outside"), way);
        CALL(SYS_renameat2, AT_FDCWD, dir, AT_FDCWD, way, 2 /* RENAME_EXCHANGE */);
        CALL(SYS_renameat2, AT_FDCWD, dir, AT_FDCWD, way, 2);
    }
    return NULL;
}

int main(void)
{
    const char *names[] = { in("write/name"), in("write/way/secret"), in("write/way/sub/secret"), in("write/way/new") };
    int top = MUST_WORK(open(in("write"), O_RDONLY | O_DIRECTORY));
    const char *relative[] = { "name", "way/secret", "way/sub/secret", "way/new" };
    pthread_t other = thread(swapper, NULL);
    double from = now();
    struct stat st;
    char text[100];
    while (going(from, 1))
        for (size_t i = 0; i < COUNT(names); i++) {
            reach(names[i]);
            int fd = openat(top, relative[i], O_RDONLY | O_NONBLOCK);
            if (fd >= 0) show(fd);
            close(fd);
            int flags[] = { O_WRONLY | O_TRUNC, O_RDWR | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_EXCL };
            for (size_t f = 0; f < COUNT(flags); f++) close(openat(top, relative[i], flags[f] | O_NONBLOCK, 0666));
            if (stat(names[i], &st) == 0 && st.st_ino == (ino_t)number("ATTACK_INODE")) breach("stat");
            chmod(names[i], 0757);
            chown(names[i], getuid(), getgid());
            truncate(names[i], 0);
            setxattr(names[i], "user.x", "x", 1, 0);
            getxattr(names[i], "user.x", text, sizeof text);
            utimensat(AT_FDCWD, names[i], NULL, 0);
            linkat(AT_FDCWD, names[i], AT_FDCWD, in("write/linked"), AT_SYMLINK_FOLLOW);
            if (lstat(in("write/linked"), &st) == 0 && st.st_ino == (ino_t)number("ATTACK_INODE")) breach("linked");
            unlink(in("write/linked"));
            linkat(AT_FDCWD, names[i], AT_FDCWD, in("write/linked"), 0);
            unlink(in("write/linked"));
            rename(names[i], in("write/moved"));
            if (lstat(in("write/moved"), &st) == 0 && st.st_ino == (ino_t)number("ATTACK_INODE")) breach("moved");
            unlink(in("write/moved"));
            mkdir(names[i], 0777);
            rmdir(names[i]);
            mkfifo(names[i], 0666);
            unlink(names[i]);
        }
    over = 1;
    pthread_join(other, NULL);
    return benign();
}
