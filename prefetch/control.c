#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "jsonline.h"
#include "report.h"

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

static void put_group(struct jsonline *j, const struct group *g)
{
	json_open(j, NULL, '{');
	json_string(j, "name", g->members.spec->name);
	json_u64(j, "cgroups", g->members.ndirs);
	json_u64(j, "processes", members_count(&g->members));
	json_string(j, "state", g->active ? "active" : "quiet");
	json_u64(j, "activations", g->number);
	json_u64(j, "set_pages", pageset_count(&g->learned));
	json_u64(j, "plan_pages", pageset_count(&g->plan));
	json_bool(j, "fresh", g->fresh);
	json_u64(j, "snapshot_us", g->snapshot_took_ns / NS_PER_US);
	json_u64(j, "lost", g->trigger.lost);
	json_u64(j, "processes_ignored", g->members.overflow);
	json_close(j, '}');
}

static size_t status_json(const struct daemon *d, char *reply, size_t cap)
{
	struct jsonline j;

	json_begin(&j, reply, cap);
	json_string(&j, "policy", policy_name(d->policy));
	json_i64(&j, "pid", getpid());
	json_u64(&j, "events_dropped", d->events.dropped);
	json_u64(&j, "events_waiting_bytes", d->events.len);
	json_open(&j, "groups", '[');
	for (size_t i = 0; i < d->options.ngroups; i++)
		put_group(&j, &d->groups[i]);
	json_close(&j, ']');
	return json_end(&j);
}

static size_t status_text(const struct daemon *d, char *reply, size_t cap)
{
	size_t len = (size_t)snprintf(reply, cap, "policy %s, pid %d, %llu events dropped\n", policy_name(d->policy),
				      getpid(), (unsigned long long)d->events.dropped);

	for (size_t i = 0; i < d->options.ngroups && len < cap; i++) {
		const struct group *g = &d->groups[i];

		len += (size_t)snprintf(reply + len, cap - len,
					"%s: %s, %zu processes, %llu activations, %llu pages learnt, %llu of them absent%s\n",
					g->members.spec->name, g->active ? "active" : "quiet", members_count(&g->members),
					(unsigned long long)g->number, (unsigned long long)pageset_count(&g->learned),
					(unsigned long long)pageset_count(&g->plan), g->fresh ? "" : " (stale)");
	}
	return len < cap ? len : cap - 1;
}

static size_t answer(struct daemon *d, const char *request, char *reply, size_t cap)
{
	enum policy policy;
	size_t ok = (size_t)snprintf(reply, cap, "ok ");

	if (strcmp(request, "status") == 0)
		return ok + status_text(d, reply + ok, cap - ok);
	if (strcmp(request, "status json") == 0)
		return ok + status_json(d, reply + ok, cap - ok);
	if (strncmp(request, "policy ", 7) == 0 && policy_parse(request + 7, &policy)) {
		daemon_set_policy(d, policy);
		return ok + (size_t)snprintf(reply + ok, cap - ok, "policy %s\n", policy_name(policy));
	}
	return (size_t)snprintf(reply, cap, "error unknown request\n");
}

void control_serve(struct daemon *d, int listener)
{
	struct timeval patience = { .tv_usec = 200000 };
	char request[128];
	char reply[CONTROL_REPLY_CAP];
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
