// What execveat starts for a process that entered by itself: programs that name a loader outside in ways that a look at their
// first bytes does not find, scripts, other formats; by directory, by descriptor, from memory.
// stops: the monitor looks at what was mapped for the new program, all of it, before its first instruction
// enters: write=@/write read=@/read
#include "attack.h"
#include <elf.h>

// This program itself, to be started where that is right.
static char self[4 << 20];
static size_t self_len;

static int file(const char *name, const void *content, size_t len)
{
    unlinkat(held("write"), name, 0);
    int fd = MUST_WORK(openat(held("write"), name, O_CREAT | O_RDWR, 0755));
    if (len && write(fd, content, len) != (ssize_t)len) puts("short");
    fchmod(fd, 0755);
    close(fd);
    return MUST_WORK(openat(held("write"), name, O_RDONLY | O_CLOEXEC));
}

// A small executable. Where its headers and its loader's name are, and of what type it is, is what it is about.
static size_t craft(char *to, int type, size_t headers, size_t name, const char *loader, int loads)
{
    static const char code[] = "\xb8\xe7\x00\x00\x00\x31\xff\x0f\x05"; // exit_group(0)
    memset(to, 0, 1 << 20);
    Elf64_Ehdr head = { .e_type = type, .e_machine = EM_X86_64, .e_version = 1, .e_entry = 0x10001000, .e_phoff = headers,
        .e_ehsize = sizeof head, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 + loads + !!loader };
    memcpy(head.e_ident, "\x7f" "ELF\2\1\1", 7);
    memcpy(to, &head, sizeof head);
    Elf64_Phdr *ph = (Elf64_Phdr *)(to + headers);
    if (loader) {
        *ph++ = (Elf64_Phdr) { .p_type = PT_INTERP, .p_offset = name, .p_filesz = strlen(loader) + 1, .p_memsz = strlen(loader) + 1 };
        strcpy(to + name, loader);
    }
    if (loads)
        *ph++ = (Elf64_Phdr) { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0x1000, .p_vaddr = 0x10001000,
            .p_filesz = 0x1000, .p_memsz = 0x1000, .p_align = 0x1000 };
    // No pages of the file at all.
    *ph++ = (Elf64_Phdr) { .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x3000, .p_vaddr = 0x10003000, .p_memsz = 0x1000, .p_align = 0x1000 };
    memcpy(to + 0x1000, code, sizeof code);
    return 1 << 20;
}

static char *args[] = { "attack", "started", NULL }, *env[] = { NULL };

static int start(int dir, const char *name, int flags) { return IN_CHILD(CALL(SYS_execveat, dir, name, args, env, flags); _exit(77)); }

int main(int argc, char **argv)
{
    if (argc > 1) return 33;
    char *room = malloc(1 << 20);
    const char *loaders[] = { in("outside/elf"), "/bin/busybox", "/sbin/ldconfig", "/lib64/ld-linux-x86-64.so.2" };
    size_t places[][2] = { { 64, 0x400 }, { 64, 0x20000 }, { 0x20000, 0x400 }, { 0x20000, 0x30000 }, { 0xff80 - 0x100, 0x30000 } };
    for (size_t l = 0; l < COUNT(loaders); l++)
        for (size_t p = 0; p < COUNT(places); p++)
            for (int kind = 0; kind < 4; kind++) {
                size_t len = craft(room, kind & 1 ? ET_DYN : ET_EXEC, places[p][0], places[p][1], loaders[l], kind < 2);
                int fd = file("crafted", room, len);
                int by_name = start(held("write"), "crafted", 0), by_number = start(fd, "", AT_EMPTY_PATH);
                close(fd);
                int memory = MUST_WORK(CALL(SYS_memfd_create, "crafted", 0));
                (void)!write(memory, room, len);
                int from_memory = start(memory, "", AT_EMPTY_PATH);
                close(memory);
                int all[] = { by_name, by_number, from_memory };
                for (int i = 0; i < 3; i++)
                    if (all[i] == 0) breach("started with the loader %s, headers at %zu, its name at %zu", loaders[l], places[p][0], places[p][1]);
            }
    // Without a loader it starts, or this proves nothing.
    close(file("crafted", room, craft(room, ET_EXEC, 64, 0, NULL, 1)));
    if (start(held("write"), "crafted", 0)) breach("what may be started is not: %d", start(held("write"), "crafted", 0));
    // Scripts, and nonsense.
    const char *lines[] = { "#!%s", "#! %s x", "#!\t%s", "#!%s\n", "\n#!%s" };
    for (size_t i = 0; i < COUNT(lines); i++) {
        char line[PATH_MAX];
        int len = snprintf(line, sizeof line, lines[i], in("outside/elf"));
        int fd = file("script", line, len);
        if (start(held("write"), "script", 0) != 77 << 8 || start(fd, "", AT_EMPTY_PATH) != 77 << 8) breach("a script, %zu", i);
        close(fd);
        len = snprintf(line, sizeof line, lines[i], "/bin/sh");
        fd = file("script", line, len);
        if (start(held("write"), "script", 0) != 77 << 8 || start(fd, "", AT_EMPTY_PATH) != 77 << 8) breach("a script, %zu", i);
        close(fd);
    }
    // By names that lead out.
    const char *out[] = { "../outside/elf", "a/../../outside/elf", in("outside/elf"), "/bin/true", "link", "/proc/self/exe", "a/b/link" };
    symlinkat("../outside/elf", held("write"), "link");
    symlinkat(in("outside/elf"), held("write"), "a/b/link");
    for (size_t i = 0; i < COUNT(out); i++) {
        if (start(held("write"), out[i], 0) != 77 << 8) breach("started %s", out[i]);
        if (start(AT_FDCWD, out[i], 0) != 77 << 8) breach("started %s from the working directory", out[i]);
        if (start(-1, out[i], 0) != 77 << 8) breach("started %s from nowhere", out[i]);
        if (IN_CHILD(execve(out[i], args, env); _exit(77)) != 77 << 8) breach("execve of %s", out[i]);
    }
    // A handle, which opens nothing, starts what it is of; and one of a link starts nothing.
    int handle = openat(held("write"), "link", O_PATH | O_NOFOLLOW);
    if (handle >= 0 && start(handle, "", AT_EMPTY_PATH) != 77 << 8) breach("started by a handle of a link");
    (void)self_len, (void)self;
    return benign();
}
