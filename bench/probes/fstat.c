/*
 * fstat(2) as the system call of that name, as libcs did before glibc 2.33 and glibc does again in newer releases. glibc
 * 2.36's is newfstatat(fd, "", …, AT_EMPTY_PATH), whose path is in memory, so that a filter cannot let it through.
 *   gcc -O2 -shared -fPIC -o fstat.so fstat.c && LD_PRELOAD=$PWD/fstat.so tar cf x.tar tree
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fstat(int fd, struct stat *st) { return syscall(SYS_fstat, fd, st); }
int fstat64(int fd, struct stat64 *st) { return syscall(SYS_fstat, fd, st); }
