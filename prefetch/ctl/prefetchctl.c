/* prefetchctl: ask a running prefetchd over its socket. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/options.h"

enum exit_code { EXIT_DONE = 0, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3, EXIT_REFUSED = 4 };

#define REQUEST_CAP 512
#define COMMANDS    "policy, status, trace, wake or forget"

static const char help[] =
	"usage: prefetchctl [--socket PATH] policy NAME [PATH]\n"
	"       prefetchctl [--socket PATH] status [--json] [GROUP]\n"
	"       prefetchctl [--socket PATH] trace GROUP PATH\n"
	"       prefetchctl [--socket PATH] wake GROUP\n"
	"       prefetchctl [--socket PATH] forget GROUP\n"
	"\n"
	"policy   switch a running prefetchd until it ends; what was learnt stays\n"
	"           off: learn only; working-set: the pages that earlier activations needed;\n"
	"           siblings: everything in swap of the processes that did not fault; and for comparison\n"
	"           same-process, container, other-container, oracle (with PATH: of this set file)\n"
	"status   what the daemon watches, and what became of the last activations of each group:\n"
	"           precision: of the pages it fetched, how many were needed; coverage: of the pages that\n"
	"           were needed, how many it fetched; late: needed before they had come; wasted: never needed\n"
	"trace    have the daemon write the pages of GROUP's last activation into the set file PATH\n"
	"wake     a request for GROUP is about to come (within wake-ms): fetch now what it will need\n"
	"forget   drop what was learnt of GROUP\n"
	"\n"
	"  --socket PATH        of the daemon (" DEFAULT_SOCKET ")\n"
	"  --help, --version\n"
	"\n"
	"example: prefetchctl status web\n"
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

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* One word of a request, as blanks part them. */
static bool is_word(const char *text, size_t cap)
{
	if (!text[0] || strlen(text) >= cap)
		return false;
	for (; *text; text++)
		if (*text == ' ' || is_control(*text))
			return false;
	return true;
}

static bool is_group(const char *text)
{
	return is_word(text, 2 * NAME_CAP) && text[0] != '-' && strcmp(text, "json") != 0;
}

static bool is_path(const char *text)
{
	return is_word(text, PATH_CAP) && text[0] == '/';
}

/* A cgroup's name, which its owner chose, must not steer the terminal. */
static void print(FILE *to, const char *text)
{
	for (; *text; text++)
		fputc(is_control(*text) && *text != '\n' ? '?' : *text, to);
}

static int open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 30 }; /* it may be in the middle of an activation */
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int ask(const char *path, const char *request)
{
	static char reply[CONTROL_REPLY_CAP + 1];
	ssize_t n;
	int fd = open_socket(path);

	if (fd < 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return no_daemon(path);
	n = recv(fd, reply, sizeof(reply) - 1, 0);
	if (n <= 0) {
		if (n == 0)
			errno = ECONNRESET;
		else if (errno == EAGAIN)
			errno = ETIMEDOUT;
		return no_daemon(path);
	}
	reply[n] = 0;
	if (strncmp(reply, "ok ", 3) == 0) {
		print(stdout, reply + 3);
		return EXIT_DONE;
	}
	fputs("prefetchctl: ", stderr);
	print(stderr, reply);
	return EXIT_REFUSED;
}

static int ask_policy(const char *path, int argc, char *argv[])
{
	char request[REQUEST_CAP];
	enum policy policy;

	if (argc < 1 || !policy_parse(argv[0], &policy))
		return usage("policy", "expected off, working-set, siblings, same-process, container, other-container "
				       "or oracle");
	if (argc > 2)
		return usage(argv[2], "unexpected argument");
	if (argc == 1) {
		snprintf(request, sizeof(request), "policy %s", argv[0]);
		return ask(path, request);
	}
	if (policy != POLICY_ORACLE)
		return usage(argv[1], "unexpected argument: only policy oracle has a set file");
	if (!is_path(argv[1]))
		return usage("policy oracle", "expected an absolute path of at most 255 bytes, without blanks");
	snprintf(request, sizeof(request), "policy oracle %s", argv[1]);
	return ask(path, request);
}

static int ask_status(const char *path, int argc, char *argv[])
{
	char request[REQUEST_CAP];
	const char *group = NULL;
	bool json = false;

	for (int i = 0; i < argc; i++) {
		bool option = strcmp(argv[i], "--json") == 0;

		if (!option && (group || argv[i][0] == '-'))
			return usage(argv[i], "unexpected argument");
		if (option)
			json = true;
		else
			group = argv[i];
	}
	if (group && !is_group(group))
		return usage("status", "expected the name of a group, or --json");
	snprintf(request, sizeof(request), "status%s%s%s", json ? " json" : "", group ? " " : "", group ? group : "");
	return ask(path, request);
}

static int ask_trace(const char *path, int argc, char *argv[])
{
	char request[REQUEST_CAP];

	if (argc != 2 || !is_group(argv[0]))
		return usage("trace", "expected the name of a group and a path");
	if (!is_path(argv[1]))
		return usage("trace", "expected an absolute path of at most 255 bytes, without blanks");
	snprintf(request, sizeof(request), "trace %s %s", argv[0], argv[1]);
	return ask(path, request);
}

/* COMMAND takes a group and nothing else. */
static int ask_of_group(const char *command, const char *path, int argc, char *argv[])
{
	char request[REQUEST_CAP];

	if (argc != 1 || !is_group(argv[0]))
		return usage(command, "expected the name of a group");
	snprintf(request, sizeof(request), "%s %s", command, argv[0]);
	return ask(path, request);
}

static int command(const char *path, int argc, char *argv[])
{
	if (strcmp(argv[0], "policy") == 0)
		return ask_policy(path, argc - 1, argv + 1);
	if (strcmp(argv[0], "status") == 0)
		return ask_status(path, argc - 1, argv + 1);
	if (strcmp(argv[0], "trace") == 0)
		return ask_trace(path, argc - 1, argv + 1);
	if (strcmp(argv[0], "wake") == 0 || strcmp(argv[0], "forget") == 0)
		return ask_of_group(argv[0], path, argc - 1, argv + 1);
	return usage(argv[0], "expected " COMMANDS);
}

int main(int argc, char *argv[])
{
	const char *path = DEFAULT_SOCKET;
	int at = 1;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("prefetchctl %s\n", VERSION);
		return EXIT_DONE;
	}
	if (argc > 1 && strcmp(argv[1], "--socket") == 0) {
		if (argc < 3)
			return usage("--socket", "expected a path");
		path = argv[2];
		at = 3;
	}
	if (strlen(path) >= sizeof((struct sockaddr_un){ 0 }.sun_path))
		return usage(path, "too long for a socket");
	if (at == argc)
		return usage("nothing to do", "expected " COMMANDS);
	return command(path, argc - at, argv + at);
}
