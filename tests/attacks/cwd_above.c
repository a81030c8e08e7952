// A working directory, or a descriptor, above what is held: a path from there leads through a held directory, where a
// link leads out again, to what a lookup beneath the working directory would reach.
// options: --read @/read --write @/write --read @/write/keep
// options: --read @/read --write @/write
// stops: lookups start at the held directory, never above it (`Start::place`)
#include "attack.h"

static void all(int at, const char *way)
{
    char path[PATH_MAX];
    struct stat st;
    const char *names[] = { "secret", "new", "sub", "empty" };
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", way, names[i]);
        int fd = openat(at, path, O_RDONLY);
        if (fd >= 0) show(fd);
        openat(at, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        fstatat(at, path, &st, 0);
        mkdirat(at, path, 0777);
        unlinkat(at, path, 0);
        unlinkat(at, path, AT_REMOVEDIR);
        renameat(at, path, AT_FDCWD, in("write/taken"));
        if ((fd = open(in("write/taken"), O_RDONLY)) >= 0) show(fd);
        renameat(AT_FDCWD, in("write/file"), at, path);
        linkat(at, path, AT_FDCWD, in("write/linked"), 0);
        if ((fd = open(in("write/linked"), O_RDONLY)) >= 0) show(fd);
        symlinkat("x", at, path);
        mkfifoat(at, path, 0666);
        fchmodat(at, path, 0777, 0);
        fchownat(at, path, 0, 0, 0);
        utimensat(at, path, NULL, 0);
    }
}

int main(void)
{
    const char *dir = given("ATTACK_DIR") + 1;
    char way[PATH_MAX];
    MUST_WORK(symlink("../outside", in("write/relative")));
    MUST_WORK(symlink("../../outside", in("write/a/relative")));
    MUST_WORK(symlink(in("outside"), in("write/absolute")));
    MUST_WORK(symlink("../read", in("write/read")));
    MUST_WORK(symlink("keep", in("write/kept")));
    MUST_WORK(symlink("write/keep", in("write/a/kept")));
    const char *links[] = { "write/relative", "write/a/relative", "write/absolute", "write/read", "write/kept",
                            "write/a/../relative", "write/a/../../outside", "read/../outside" };
    const char *bases[] = { "/", "/tmp", given("ATTACK_DIR"), in("write"), in("write/a") };
    for (size_t b = 0; b < COUNT(bases); b++) {
        if (chdir(bases[b])) continue;
        for (size_t l = 0; l < COUNT(links); l++) {
            const char *rest = b == 0 ? dir : b == 1 ? dir + 4 : ".";
            snprintf(way, sizeof way, "%s/%s", rest, links[l]);
            if (b >= 3) snprintf(way, sizeof way, "%s%s", b == 3 ? "../" : "../../", links[l]);
            all(AT_FDCWD, way);
            int at = open(".", O_RDONLY | O_DIRECTORY);
            if (at >= 0) all(at, way);
        }
    }
    return benign();
}
