#include "daemon/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/groups.h"
#include "daemon/options.h"
#include "daemon/status.h"
#include "model/setfile.h"

static bool answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

int control_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int bound;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	if (answered(&address)) {
		errno = EADDRINUSE;
		return -1;
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	mask = umask(0177);
	bound = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (bound < 0 || listen(fd, 8) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

size_t say(char *reply, size_t cap, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(reply, cap, format, args);
	va_end(args);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

static size_t set_policy(struct daemon *d, char *words, char *reply, size_t cap)
{
	char *path = strchr(words, ' ');
	enum policy policy;

	if (path)
		*path++ = 0;
	if (!policy_parse(words, &policy) || (path && policy != POLICY_ORACLE))
		return say(reply, cap, "error unknown policy %s\n", words);
	if (path)
		snprintf(d->options.oracle, sizeof(d->options.oracle), "%s", path);
	if (policy == POLICY_ORACLE && !d->options.oracle[0])
		return say(reply, cap, "error policy oracle needs a set file\n");
	groups_set_policy(d, policy);
	return say(reply, cap, "ok policy %s\n", policy_names[policy]);
}

/* The pages of the last activation alone, as a set file. */
static const char *write_trace(struct daemon *d, const struct group *g, const char *path)
{
	struct workset last;
	const char *failed = NULL;

	workset_init(&last, &d->pool);
	if (!workset_copy_last(&last, &g->learned, g->learned.activation))
		failed = "there is no room for a copy";
	else if (!last.npages)
		failed = "it has had no activation";
	else if (setfile_write(&last, path, g->name) < 0)
		failed = strerror(errno);
	workset_clear(&last);
	return failed;
}

static size_t trace(struct daemon *d, char *words, char *reply, size_t cap)
{
	char *path = strchr(words, ' ');
	struct group *g;
	const char *failed;

	if (!path)
		return say(reply, cap, "error expected a group and a path\n");
	*path++ = 0;
	g = groups_find(d, words);
	if (!g)
		return say(reply, cap, "error no group %s\n", words);
	failed = write_trace(d, g, path);
	return failed ? say(reply, cap, "error %s: %s\n", path, failed) : say(reply, cap, "ok %s\n", path);
}

static size_t forget(struct daemon *d, const char *name, char *reply, size_t cap)
{
	struct group *g = groups_find(d, name);

	if (!g)
		return say(reply, cap, "error no group %s\n", name);
	if (g->active)
		return say(reply, cap, "error an activation of %s is under way\n", name);
	group_forget(g);
	return say(reply, cap, "ok forgotten\n");
}

static size_t wake(struct daemon *d, const char *name, char *reply, size_t cap)
{
	struct group *g = groups_find(d, name);
	const char *refused;

	if (!g)
		return say(reply, cap, "error no group %s\n", name);
	refused = group_wake(g);
	return refused ? say(reply, cap, "error %s is not woken: %s\n", name, refused) :
			 say(reply, cap, "ok woken\n");
}

static size_t answer(struct daemon *d, char *request, char *reply, size_t cap)
{
	if (strncmp(request, "status", 6) == 0 && (request[6] == 0 || request[6] == ' '))
		return status(d, request + 6, reply, cap);
	if (strncmp(request, "policy ", 7) == 0)
		return set_policy(d, request + 7, reply, cap);
	if (strncmp(request, "trace ", 6) == 0)
		return trace(d, request + 6, reply, cap);
	if (strncmp(request, "wake ", 5) == 0)
		return wake(d, request + 5, reply, cap);
	if (strncmp(request, "forget ", 7) == 0)
		return forget(d, request + 7, reply, cap);
	return say(reply, cap, "error unknown request\n");
}

void control_serve(struct daemon *d, int listener)
{
	struct timeval patience = { .tv_usec = 200000 };
	static char reply[CONTROL_REPLY_CAP];
	char request[512];
	ssize_t n;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = recv(fd, request, sizeof(request) - 1, 0);
	if (n > 0) {
		request[n] = 0;
		send(fd, reply, answer(d, request, reply, sizeof(reply)), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	close(fd);
}
