#include "guest_c/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ssize_t read_retry(int fd, char *buf, size_t cap)
{
	ssize_t n;

	do {
		n = read(fd, buf, cap);
	} while (n < 0 && errno == EINTR);
	return n;
}

ssize_t read_text(const char *path, char *buf, size_t cap)
{
	size_t len = 0;
	ssize_t n = 0;
	int saved;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while (len < cap - 1) {
		n = read_retry(fd, buf + len, cap - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	saved = errno;
	close(fd);
	errno = saved;
	buf[len] = 0;
	return n < 0 ? -1 : (ssize_t)len;
}

bool read_in(const char *dir, const char *name, char *text, size_t cap)
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	return n > 0 && (size_t)n < sizeof(path) && read_text(path, text, cap) > 0;
}

uint32_t hash_text(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

bool stat_parse(const char *text, struct identity *id)
{
	uint64_t user;
	uint64_t system;
	const char *rest = strrchr(text, ')');

	/* Fields 3, 4, 14, 15, 22 and 28 of proc_pid_stat(5). */
	if (!rest || sscanf(rest + 1,
			    " %c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64
			    " %*s %*s %*s %*s %*s %*s %" SCNu64 " %*s %*s %*s %*s %*s %" SCNu64,
			    &id->state, &id->parent, &user, &system, &id->start_ticks, &id->stack) != 6)
		return false;
	id->cpu_ticks = user + system;
	return true;
}

bool counter_parse(const char *text, const char *name, uint64_t *value)
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ' ')
			return sscanf(line + length, "%" SCNu64, value) == 1;
		if (!*line)
			break;
	}
	return false;
}

bool read_identity(pid_t pid, struct identity *id)
{
	char path[32];
	char text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return read_text(path, text, sizeof(text)) > 0 && stat_parse(text, id);
}

bool same_identity(const struct identity *a, const struct identity *b)
{
	return a->start_ticks == b->start_ticks && a->stack == b->stack;
}

void read_comm(pid_t pid, char *comm, size_t cap)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	n = read_text(path, comm, cap);
	if (n <= 0)
		snprintf(comm, cap, "?");
	else if (comm[n - 1] == '\n')
		comm[n - 1] = 0;
}

bool lines_open(struct lines *l, const char *path)
{
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	l->len = 0;
	l->at = 0;
	return l->fd >= 0;
}

char *lines_next(struct lines *l)
{
	for (;;) {
		char *start = l->buf + l->at;
		char *newline = memchr(start, '\n', l->len - l->at);
		ssize_t n;

		if (newline) {
			*newline = 0;
			l->at = (size_t)(newline - l->buf) + 1;
			return start;
		}
		memmove(l->buf, start, l->len - l->at);
		l->len -= l->at;
		l->at = 0;
		if (l->len == sizeof(l->buf)) /* cut: its rest becomes a line that no parser takes */
			l->buf[l->len - 1] = '\n';
		else if ((n = read_retry(l->fd, l->buf + l->len, sizeof(l->buf) - l->len)) > 0)
			l->len += (size_t)n;
		else
			return NULL;
	}
}

void lines_close(struct lines *l)
{
	close(l->fd);
}
