/* The same, briefly, in C: prints the errno of each attempt. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define ATTEMPT(what, call) do { errno = 0; printf("%s %d\n", what, (call) == -1 ? errno : 0); } while (0)

int main(int argc, char **argv)
{
	char secret[4096], tool[4096], mem[100], buffer[8];
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct iovec local = { buffer, 8 }, remote = { buffer, 8 };
	pid_t victim = atoi(argv[2]);
	address.sin_port = htons(atoi(argv[3]));
	snprintf(secret, sizeof secret, "%s/secret", argv[1]);
	snprintf(tool, sizeof tool, "%s/tool", argv[1]);
	snprintf(mem, sizeof mem, "/proc/%d/mem", victim);
	ATTEMPT("open", open(secret, O_RDONLY));
	ATTEMPT("up", open("sub/../../out/secret", O_RDONLY));
	ATTEMPT("link", open("link", O_RDWR));
	ATTEMPT("unlink", unlink(secret));
	ATTEMPT("truncate", truncate(secret, 0));
	ATTEMPT("chmod", chmod(secret, 0777));
	ATTEMPT("environ", open("/proc/1/environ", O_RDONLY));
	ATTEMPT("mem", open(mem, O_RDWR));
	ATTEMPT("kill", kill(victim, SIGKILL));
	ATTEMPT("attach", ptrace(PTRACE_ATTACH, victim, 0, 0));
	ATTEMPT("seize", ptrace(PTRACE_SEIZE, victim, 0, 0));
	ATTEMPT("read its memory", process_vm_readv(victim, &local, 1, &remote, 1, 0));
	ATTEMPT("connect", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof address));
	ATTEMPT("exec", execl(tool, "tool", NULL));
	ATTEMPT("exec own", execl("./tool", "tool", NULL));
	return 0;
}
