// An execveat raced: its path changed by another thread, by a parent whose memory a vfork child shares; its descriptor's number
// given to another file; the program rewritten, in a memory file too, after the monitor has looked at it, into a script, into
// a program with a loader outside; by first threads and others, several at a time, killed in the midst of it.
// stops: the monitor traces the caller, and looks at what has become of it before its first instruction
// enters: write=@/write outside=@/read
#include "attack.h"
#include <elf.h>

static struct flips *shared;
static atomic_int *started;
static char *args[] = { "attack", "started", NULL }, *env[] = { NULL };
static int dir;

// exit_group(9), or one whose loader is the program outside, or a script of it.
static char good[0x2000], loaded[0x2000], script[0x2000];

static void craft(char *to, const char *loader)
{
    static const char code[] = "\xbf\x09\x00\x00\x00\xb8\xe7\x00\x00\x00\x0f\x05";
    Elf64_Ehdr head = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1, .e_entry = 0x10001000, .e_phoff = 64,
        .e_ehsize = sizeof head, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 + !!loader };
    memcpy(head.e_ident, "\x7f" "ELF\2\1\1", 7);
    memcpy(to, &head, sizeof head);
    Elf64_Phdr *ph = (Elf64_Phdr *)(to + 64);
    if (loader) {
        *ph++ = (Elf64_Phdr) { .p_type = PT_INTERP, .p_offset = 0x400, .p_filesz = strlen(loader) + 1, .p_memsz = strlen(loader) + 1 };
        strcpy(to + 0x400, loader);
    }
    *ph = (Elf64_Phdr) { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0x1000, .p_vaddr = 0x10001000, .p_filesz = 0x1000, .p_memsz = 0x1000, .p_align = 0x1000 };
    memcpy(to + 0x1000, code, sizeof code);
}

static int file(const char *name, const char *content)
{
    int fd = MUST_WORK(openat(dir, name, O_CREAT | O_RDWR | O_TRUNC, 0755));
    (void)!write(fd, content, 0x2000);
    fchmod(fd, 0755);
    return fd;
}

static long exec_at(int from, const char *path, int flags) { return CALL(SYS_execveat, from, path, args, env, flags); }

static void count(int status)
{
    if (status == 9 << 8) ++*started;
    // What the program outside does, beside saying so.
    if (status == 0) breach("a program outside ran to its end");
}

static void *exec_from_thread(void *path)
{
    exec_at(dir, path, 0);
    _exit(77);
}

static int exec_from_stack(void *unused)
{
    exec_at(dir, shared->path, 0);
    _exit(77);
}

static void race(double share)
{
    for (double from = now(); going(from, share);) {
        count(IN_CHILD(exec_at(dir, shared->path, 0); _exit(77)));
        // A vfork child, which has its parent's memory.
        int pidfd = -1;
        static char stack[16384];
        clone(exec_from_stack, stack + sizeof stack, CLONE_PIDFD | CLONE_VFORK | CLONE_VM | SIGCHLD, NULL, &pidfd);
        count(wait_with(pidfd));
        // By another thread than the first, and by several.
        count(IN_CHILD(
            thread(exec_from_thread, shared->path);
            if (getpid() & 1) thread(exec_from_thread, shared->path);
            pause()
        ));
        // Killed in the midst of it.
        int victim = -1;
        if (fork_with(&victim) == 0) {
            for (;;) exec_at(dir, shared->path, 0);
        }
        usleep(rand() % 300);
        CALL(SYS_pidfd_send_signal, victim, rand() & 1 ? SIGKILL : SIGSTOP, NULL, 0);
        CALL(SYS_pidfd_send_signal, victim, SIGKILL, NULL, 0);
        count(wait_with(victim));
    }
}

// The number given to another file: what is held, and what can be executed by no right of ours.
static void *rebind(void *unused)
{
    int one = openat(dir, "good", O_RDONLY), other = openat(dir, "link", O_PATH | O_NOFOLLOW);
    while (!shared->over) {
        dup2(one, 100);
        if (other >= 0) dup2(other, 100);
        dup2(held("outside"), 100);
    }
    return NULL;
}

static void *rewrite(void *number)
{
    const char *contents[] = { loaded, good, script, good };
    for (int i = 0; !shared->over; i++) (void)!pwrite((int)(long)number, contents[i % 4], 0x2000, 0);
    return NULL;
}

int main(int argc, char **argv)
{
    dir = held("write");
    shared = shared_memory(sizeof *shared);
    started = shared_memory(sizeof *started);
    craft(good, NULL);
    craft(loaded, in("outside/elf"));
    snprintf(script, sizeof script, "#!%s\n", in("outside/elf"));
    close(file("good", good));
    symlinkat("../outside/elf", dir, "link");
    shared->inside = "good";
    strcpy(shared->path, shared->inside);
    const char *targets[] = { "../outside/elf", in("outside/elf"), "link", "/bin/true" };
    for (size_t i = 0; i < COUNT(targets); i++) {
        shared->outside = targets[i];
        shared->over = 0;
        pthread_t other = thread(flip, shared);
        race(0.5 / COUNT(targets));
        shared->over = 1;
        pthread_join(other, NULL);
    }
    printf("%d started\n", *started);
    if (*started == 0) breach("nothing was started, which proves nothing");
    shared->over = 0;
    pthread_t other = thread(rebind, NULL);
    for (double from = now(); going(from, 0.1);) count(IN_CHILD(
        // Its own table, and a thread of its own at it.
        pthread_t mine = thread(rebind, NULL);
        (void)mine;
        exec_at(100, "", AT_EMPTY_PATH);
        exec_at(100, "file", 0);
        _exit(77)
    ));
    shared->over = 1;
    pthread_join(other, NULL);
    // Rewritten between the look and the start. A file that is open for writing cannot be executed: so each time it is opened
    // anew for the change.
    int again = *started;
    for (int memory = 0; memory < 2; memory++) {
        int fd = memory ? (int)MUST_WORK(CALL(SYS_memfd_create, "program", 0)) : file("rewritten", good);
        if (memory) (void)!write(fd, good, sizeof good);
        shared->over = 0;
        other = thread(rewrite, (void *)(long)fd);
        for (double from = now(); going(from, 0.2);) {
            if (memory) count(IN_CHILD(exec_at(fd, "", AT_EMPTY_PATH); _exit(77)));
            else count(IN_CHILD(exec_at(dir, "rewritten", 0); _exit(77)));
        }
        shared->over = 1;
        pthread_join(other, NULL);
        close(fd);
    }
    // What can be rewritten while it is executed: a file that is mapped.
    int fd = file("mapped", good);
    char *map = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    fd = openat(dir, "mapped", O_RDONLY);
    shared->over = 0;
    pid_t child = -1;
    int pidfd = -1;
    if ((child = fork_with(&pidfd)) == 0) {
        while (!shared->over) {
            memcpy(map, loaded, 0x2000);
            memcpy(map, good, 0x2000);
            memcpy(map, script, 0x2000);
            memcpy(map, good, 0x2000);
        }
        _exit(0);
    }
    for (double from = now(); going(from, 0.3);) {
        count(IN_CHILD(exec_at(fd, "", AT_EMPTY_PATH); _exit(77)));
        count(IN_CHILD(exec_at(dir, "mapped", 0); _exit(77)));
    }
    shared->over = 1;
    wait_with(pidfd);
    printf("%d more, rewritten meanwhile\n", *started - again);
    return benign();
}
