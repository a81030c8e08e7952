/*
 * What single system calls cost, in nanoseconds, one line each: `name nanoseconds`.
 *   cc -O2 -o calls calls.c && ./calls DIR
 * DIR has a file `file`. Run it plainly and under `pimento run --read DIR`; what is refused there is an open of
 * /nonexistent, which fails in both.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* The best of five batches: what disturbs a batch only makes it slower. */
#define TIME(name, count, call) do { \
	double best = 1e18; \
	for (int batch = 0; batch < 5; batch++) { \
		double start = now(); \
		for (int i = 0; i < (count); i++) { call; } \
		double each = (now() - start) / (count); \
		if (each < best) best = each; \
	} \
	printf("%s %.0f\n", name, best); \
} while (0)

int main(int argc, char **argv) {
	struct stat st;
	char path[4096], byte;
	if (argc != 2) { fprintf(stderr, "usage: calls DIR\n"); return 2; }
	snprintf(path, sizeof path, "%s/file", argv[1]);
	int dir = open(argv[1], O_RDONLY | O_DIRECTORY), file = open(path, O_RDONLY);
	if (dir < 0 || file < 0) { perror(path); return 1; }
	TIME("getppid", 100000, syscall(SYS_getppid));
	TIME("pread", 100000, if (syscall(SYS_pread64, file, &byte, 1, 0) < 0) exit(1));
	TIME("fstat", 100000, if (syscall(SYS_fstat, file, &st)) exit(1));
	TIME("fstat-empty-path", 4000, if (syscall(SYS_newfstatat, file, "", &st, AT_EMPTY_PATH)) exit(1));
	TIME("fstatat", 4000, if (syscall(SYS_newfstatat, dir, "file", &st, 0)) exit(1));
	TIME("stat", 4000, if (syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0)) exit(1));
	TIME("access", 4000, if (syscall(SYS_faccessat, AT_FDCWD, path, R_OK)) exit(1));
	TIME("openat+close", 4000, close(syscall(SYS_openat, dir, "file", O_RDONLY)));
	TIME("open+close", 4000, close(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)));
	TIME("open-refused", 4000, syscall(SYS_openat, AT_FDCWD, "/nonexistent/file", O_RDONLY));
	TIME("kill-refused", 4000, syscall(SYS_kill, 1, 0));
	return 0;
}
