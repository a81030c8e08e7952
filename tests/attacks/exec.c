// Starting programs: a script whose interpreter is outside, an interpreter that may only be read, a set-user-id program, an
// unreadable one, a memory file, by descriptor; and what is started, or has become undumpable, is confined as before.
// stops: Landlock; no_new_privs; PR_SET_DUMPABLE is not carried out; a process out of the monitor's reach is refused everything
// options: --read @/read --write @/write --exec @/write/a
// options: --read @/read --write @/write --exec /usr/bin
#include "attack.h"

static void outside(const char *when)
{
    int fd = open(in("outside/secret"), O_RDONLY);
    if (fd >= 0) breach("%s", when), show(fd);
    if (kill(number("ATTACK_BYSTANDER"), SIGUSR1) == 0) breach("a signal %s", when);
}

static void script(const char *name, const char *line)
{
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    dprintf(fd, "%s\necho BREACH: started\n", line);
    fchmod(fd, 0755);
    close(fd);
}

static void copy_self(int to)
{
    int from = MUST_WORK(open("/proc/self/exe", O_RDONLY));
    char room[65536];
    ssize_t len;
    while ((len = read(from, room, sizeof room)) > 0) (void)!write(to, room, len);
    close(from);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        outside(argv[1]);
        puts("started and confined");
        return 0;
    }
    char line[PATH_MAX];
    const char *name = in("write/a/script");
    char *args[] = { "prog", "in what was started", NULL };
    extern char **environ;
    snprintf(line, sizeof line, "#!%s", in("outside/prog"));
    script(name, line);
    IN_CHILD(execve(name, args, environ));
    snprintf(line, sizeof line, "#!%s", in("read/prog"));
    script(name, line);
    IN_CHILD(execve(name, args, environ));
    script(name, "#!/bin/../bin/sh");
    const char *forbidden[] = { in("outside/prog"), in("read/prog"), in("write/keep/file"), in("write/../outside/prog"), in("write/script") };
    script(in("write/script"), "#!/bin/sh");
    for (size_t i = 0; i < COUNT(forbidden); i++) {
        IN_CHILD(execve(forbidden[i], args, environ));
        IN_CHILD(CALL(SYS_execveat, AT_FDCWD, forbidden[i], args, environ, 0));
        int fd = open(forbidden[i], O_RDONLY | O_CLOEXEC);
        if (fd >= 0) IN_CHILD(CALL(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH));
        fd = open(forbidden[i], O_PATH);
        if (fd >= 0) IN_CHILD(CALL(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH));
        symlink(forbidden[i], in("write/a/link"));
        IN_CHILD(execve(in("write/a/link"), args, environ));
        unlink(in("write/a/link"));
        // Known by a second name where programs may be started.
        MUST_FAIL(i < 2 ? link(forbidden[i], in("write/a/second")) : -1);
        IN_CHILD(execve(in("write/a/second"), args, environ));
    }
    const char *setuid[] = { "/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/newgrp" };
    for (size_t i = 0; i < COUNT(setuid); i++) {
        char *version[] = { "su", "--version", NULL };
        IN_CHILD(close(0); close(1); close(2); execve(setuid[i], version, environ));
    }
    // A memory file with this program in it: it runs, but no freer.
    int memory = MUST_WORK(CALL(SYS_memfd_create, "copy", 0));
    copy_self(memory);
    IN_CHILD(CALL(SYS_execveat, memory, "", args, environ, AT_EMPTY_PATH));
    snprintf(line, sizeof line, "/proc/self/fd/%d", memory);
    IN_CHILD(execve(line, args, environ));
    // One that its user cannot read makes a process undumpable.
    int fd = open(in("write/a/unreadable"), O_CREAT | O_WRONLY, 0711);
    if (fd >= 0) {
        copy_self(fd);
        fchmod(fd, 0111);
        close(fd);
        IN_CHILD(execve(in("write/a/unreadable"), args, environ));
    }
    IN_CHILD(prctl(PR_SET_DUMPABLE, 0); outside("when undumpable"));
    IN_CHILD(
        if (getuid() == 0) {
            MUST_WORK(setresgid(65534, 65534, 65534));
            MUST_WORK(setresuid(65534, 65534, 65534));
            prctl(PR_SET_DUMPABLE, 0);
            outside("when undumpable and nobody");
        }
    );
    IN_CHILD(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0); outside("without no_new_privs"));
    // A thread starts a program while the others are at it.
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 4; i++)
            if (fork() == 0) {
                for (int k = 0; k < 200; k++) outside("beside an exec");
                _exit(0);
            }
        while (wait(NULL) > 0) {}
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return benign();
}
