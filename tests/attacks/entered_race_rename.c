// Directories moved from deep to shallow, exchanged, moved from one held directory to another, and replaced by links out, by
// other threads, while lookups with `..` pass through them from held directories.
// stops: openat2 with RESOLVE_BENEATH, from a copy of the descriptor; what is above a held directory is never asked about
// enters: write=@/write deep=@/write/a/b read=@/read
#include "attack.h"

static atomic_int over;
static int dir, deep;

static void *mover(void *unused)
{
    while (!over) {
        renameat(dir, "a/b/c/d", dir, "d");
        renameat(dir, "d", dir, "a/b/c/d");
        renameat(dir, "a/b/c", dir, "c");
        CALL(SYS_renameat2, dir, "c", dir, "x", 2);
        renameat(dir, "c", dir, "a/b/c");
        // From beneath one held directory to beside it.
        renameat(deep, "c", dir, "moved");
        renameat(dir, "moved", deep, "c");
    }
    return NULL;
}

static void *linker(void *unused)
{
    const char *texts[] = { "../outside", in("outside"), "../../outside", "../.." };
    for (int i = 0; !over; i++) {
        mkdirat(dir, "x", 0777);
        close(openat(dir, "x/secret", O_CREAT | O_WRONLY, 0600));
        unlinkat(dir, "x/secret", 0);
        unlinkat(dir, "x", AT_REMOVEDIR);
        symlinkat(texts[i % COUNT(texts)], dir, "x");
        unlinkat(dir, "x", 0);
        symlinkat("../outside/secret", dir, "f");
        unlinkat(dir, "f", 0);
        close(openat(dir, "f", O_CREAT | O_WRONLY, 0600));
        unlinkat(dir, "f", 0);
    }
    return NULL;
}

static void try_with(int from, const char *path)
{
    struct stat st;
    reach_at(from, path);
    if (fstatat(from, path, &st, 0) == 0 && st.st_ino == (ino_t)number("ATTACK_INODE")) breach("status by %s", path);
    close(openat(from, path, O_WRONLY | O_TRUNC | O_CREAT | O_NONBLOCK, 0666));
    fchmodat(from, path, 0777, 0);
    utimensat(from, path, NULL, 0);
    linkat(from, path, dir, "taken", AT_SYMLINK_FOLLOW);
    reach_at(dir, "taken");
    unlinkat(dir, "taken", 0);
    renameat(from, path, dir, "taken");
    reach_at(dir, "taken");
    unlinkat(dir, "taken", 0);
    unlinkat(from, path, 0);
    mkdirat(from, path, 0777);
    symlinkat("x", from, path);
}

int main(void)
{
    dir = held("write"), deep = held("deep");
    pthread_t threads[] = { thread(mover, NULL), thread(mover, NULL), thread(linker, NULL) };
    const char *paths[] = { "a/b/c/d/../../../../secret", "a/b/c/d/../../../../../secret", "a/b/c/d/../../../../../outside/secret",
        "a/b/c/../../../../outside/secret", "x/secret", "x/outside/secret", "x/new", "f", "c/d/../../../secret", "d/../../secret", "d/../../outside/new" };
    const char *from_deep[] = { "c/d/../../../../secret", "c/../../../outside/secret", "c/d/../../../outside/secret", "c/../secret", "../../../secret", "c/d/../../new" };
    int cursor = -1;
    for (double from = now(); going(from, 1);) {
        for (size_t i = 0; i < COUNT(paths); i++) try_with(dir, paths[i]);
        for (size_t i = 0; i < COUNT(from_deep); i++) try_with(deep, from_deep[i]);
        // From a directory that is itself moved meanwhile.
        cursor = openat(dir, "a/b/c/d", O_RDONLY | O_DIRECTORY);
        for (int up = 0; cursor >= 0 && up < 6; up++) {
            try_with(cursor, "../../../../../outside/secret");
            try_with(cursor, "../secret");
            int above = openat(cursor, "..", O_RDONLY | O_DIRECTORY);
            if (above >= 0) breach("a directory above a held one");
        }
        close(cursor);
    }
    over = 1;
    for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
    return benign();
}
