#include "kernel/events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int events_open(struct events *e, const char *path)
{
	e->len = 0;
	e->partial = 0;
	e->dropped = 0;
	if (strcmp(path, "-") != 0) {
		e->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0644);
		return e->fd < 0 ? -1 : 0;
	}
	e->fd = STDOUT_FILENO;
	return fcntl(e->fd, F_SETFL, fcntl(e->fd, F_GETFL) | O_NONBLOCK);
}

/* A virtio-serial port takes a write whole or (no host connected, queue full) not at all, so one line a write
 * is never cut when the host end changes; a pipe may take half of one, whose rest then goes first. */
void events_flush(struct events *e)
{
	while (e->len) {
		size_t line = (size_t)((char *)memchr(e->buf, '\n', e->len) - e->buf) + 1;
		ssize_t n = write(e->fd, e->buf + e->partial, line - e->partial);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			e->dropped++;
			n = (ssize_t)(line - e->partial);
		}
		e->partial += (size_t)n;
		if (e->partial < line)
			return;
		e->len -= line;
		e->partial = 0;
		memmove(e->buf, e->buf + line, e->len);
	}
}

void events_put(struct events *e, const char *line, size_t len)
{
	if (e->fd < 0)
		return;
	if (len == 0 || len > sizeof(e->buf) - e->len) {
		e->dropped++;
		return;
	}
	memcpy(e->buf + e->len, line, len);
	e->len += len;
	events_flush(e);
}
