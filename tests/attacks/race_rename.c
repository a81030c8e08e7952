// Directories moved from deep to shallow, and exchanged, while lookups with `..` pass through them: from a descriptor, from the
// working directory, by absolute paths.
// stops: openat2 with RESOLVE_BENEATH, and a walk that keeps a descriptor of each directory it came by
// options: --read @/read --write @/write
// options: --read @/read --write @/write --read @/write/keep
#include "attack.h"

static atomic_int over;
static int top;

static void *mover(void *unused)
{
    while (!over) {
        renameat(top, "a/b/c/d", top, "d");
        renameat(top, "d", top, "a/b/c/d");
        renameat(top, "a/b/c", top, "c");
        CALL(SYS_renameat2, top, "c", top, "a", 2 /* RENAME_EXCHANGE */);
        CALL(SYS_renameat2, top, "c", top, "a", 2);
        renameat(top, "c", top, "a/b/c");
    }
    return NULL;
}

int main(void)
{
    const char *ways[] = { "../secret", "../../secret", "../../../secret", "../../../../secret", "../../../../../secret",
                           "../outside/secret", "../../outside/secret", "../../../outside/secret",
                           "../../../../outside/secret", "../../../../../outside/secret", "../keep/file",
                           "../../keep/file", "../../../../keep/file", "../../../../read/file" };
    top = MUST_WORK(open(in("write"), O_RDONLY | O_DIRECTORY));
    int deep = MUST_WORK(openat(top, "a/b/c/d", O_RDONLY | O_DIRECTORY));
    int middle = MUST_WORK(openat(top, "a/b/c", O_RDONLY | O_DIRECTORY));
    int from_where[] = { deep, middle, AT_FDCWD };
    MUST_WORK(chdir(in("write/a/b/c/d")));
    pthread_t movers[2] = { thread(mover, NULL), thread(mover, NULL) };
    double from = now();
    char path[PATH_MAX];
    struct stat st;
    while (going(from, 1))
        for (size_t w = 0; w < COUNT(ways); w++)
            for (size_t f = 0; f < COUNT(from_where) + 3; f++) {
                int at = f < COUNT(from_where) ? from_where[f] : top;
                const char *prefix[] = { "a/b/c/d", "a/b/c", "d" };
                snprintf(path, sizeof path, "%s%s%s", f < COUNT(from_where) ? "" : prefix[f - COUNT(from_where)],
                         f < COUNT(from_where) ? "" : "/", ways[w]);
                int fd = openat(at, path, O_RDONLY);
                if (fd >= 0) show(fd);
                close(fd);
                if (fstatat(at, path, &st, 0) == 0 && st.st_ino == (ino_t)number("ATTACK_INODE")) breach("stat");
                unlinkat(at, path, 0);
                fchmodat(at, path, 0777, 0);
                fd = openat(at, path, O_WRONLY | O_TRUNC);
                if (fd >= 0) {
                    struct stat own;
                    fstat(fd, &own);
                    if (own.st_ino == (ino_t)number("ATTACK_INODE")) breach("opened for writing");
                }
                close(fd);
                struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 8 /* RESOLVE_BENEATH */ };
                fd = CALL(SYS_openat2, at, path, &how, sizeof how);
                if (fd >= 0) show(fd);
                close(fd);
                how.resolve = 16; // RESOLVE_IN_ROOT
                fd = CALL(SYS_openat2, at, path, &how, sizeof how);
                if (fd >= 0) show(fd);
                close(fd);
            }
    over = 1;
    pthread_join(movers[0], NULL);
    pthread_join(movers[1], NULL);
    chdir("/");
    return benign();
}
