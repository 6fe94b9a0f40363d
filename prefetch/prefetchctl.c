/* prefetchctl: ask a running prefetchd over its socket. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

enum exit_code { EXIT_DONE = 0, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3, EXIT_REFUSED = 4 };

static const char help[] =
	"usage: prefetchctl [--socket PATH] policy off|siblings|working-set\n"
	"       prefetchctl [--socket PATH] status [--json]\n"
	"\n"
	"policy   switch a running prefetchd; it holds from the next activation on, and what was learnt stays\n"
	"status   what the daemon watches and has learnt\n"
	"\n"
	"exit codes: 0 done, 2 wrong usage, 3 no prefetchd answers, 4 it refused\n";

static int usage(const char *what, const char *why)
{
	fprintf(stderr, "prefetchctl: %s: %s (see prefetchctl --help)\n", what, why);
	return EXIT_USAGE;
}

static int no_daemon(const char *path)
{
	fprintf(stderr, "prefetchctl: no prefetchd at %s: %s\n", path, strerror(errno));
	return EXIT_NO_DAEMON;
}

static int ask(const char *path, const char *request)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 30 }; /* it may be in the middle of an activation */
	char reply[CONTROL_REPLY_CAP + 1];
	ssize_t n;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return usage(path, "too long for a socket");
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return no_daemon(path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || send(fd, request, strlen(request), 0) < 0)
		return no_daemon(path);
	n = recv(fd, reply, sizeof(reply) - 1, 0);
	if (n == 0)
		errno = ECONNRESET;
	if (n <= 0)
		return no_daemon(path);
	reply[n] = 0;
	if (strncmp(reply, "ok ", 3) == 0) {
		fputs(reply + 3, stdout);
		return EXIT_DONE;
	}
	fprintf(stderr, "prefetchctl: %s", reply);
	return EXIT_REFUSED;
}

int main(int argc, char *argv[])
{
	const char *path = DEFAULT_SOCKET;
	char request[64];
	int at = 1;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	if (argc > 1 && strcmp(argv[1], "--socket") == 0) {
		if (argc < 3)
			return usage("--socket", "needs a path");
		path = argv[2];
		at = 3;
	}
	if (at == argc)
		return usage("nothing to do", "expected policy or status");
	if (strcmp(argv[at], "status") == 0) {
		bool json = at + 1 < argc && strcmp(argv[at + 1], "--json") == 0;

		if (at + 1 + json != argc)
			return usage(argv[at + 1], "unexpected argument");
		return ask(path, json ? "status json" : "status");
	}
	if (strcmp(argv[at], "policy") == 0) {
		enum policy policy;

		if (at + 2 != argc || !policy_parse(argv[at + 1], &policy))
			return usage("policy", "expected off, siblings or working-set");
		snprintf(request, sizeof(request), "policy %s", policy_name(policy));
		return ask(path, request);
	}
	return usage(argv[at], "expected policy or status");
}
