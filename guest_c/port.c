#include "guest_c/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int connect_socket(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;

	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int port_open(struct port *p, const char *path)
{
	struct termios terminal;
	struct stat st;

	*p = (struct port){ .path = path, .kind = PORT_DEVICE };
	if (!strcmp(path, "-")) {
		p->kind = PORT_STANDARD;
		p->in = STDIN_FILENO;
		p->out = STDOUT_FILENO;
		return set_nonblocking(p->in) || set_nonblocking(p->out) ? -1 : 0;
	}
	if (stat(path, &st))
		return -1;
	if (S_ISFIFO(st.st_mode)) {
		/* One FIFO carries one direction: the sampler would read its own lines. */
		errno = EPIPE;
		return -1;
	}
	if (S_ISSOCK(st.st_mode)) {
		if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		p->kind = PORT_SOCKET;
		p->in = connect_socket(path);
	} else {
		p->in = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	if (p->in < 0)
		return -1;
	p->out = p->in;
	/* A terminal would echo the sampler's lines back as commands, and add carriage returns. */
	if (p->kind == PORT_DEVICE && !tcgetattr(p->in, &terminal)) {
		cfmakeraw(&terminal);
		return tcsetattr(p->in, TCSANOW, &terminal);
	}
	return 0;
}

void port_send(struct port *p, const char *line, size_t length, bool urgent)
{
	size_t room = QUEUE_CAP - (urgent ? 0 : QUEUE_RESERVE);

	if (p->tail - p->head + length > room) {
		p->dropped++;
		return;
	}
	if (p->tail + length > QUEUE_CAP) {
		memmove(p->queue, p->queue + p->head, p->tail - p->head);
		p->sent -= p->head;
		p->tail -= p->head;
		p->head = 0;
	}
	memcpy(p->queue + p->tail, line, length);
	p->tail += length;
}

bool port_flush(struct port *p)
{
	while (!p->hung && p->sent < p->tail) {
		ssize_t n = write(p->out, p->queue + p->sent, p->tail - p->sent);
		const char *newline;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			port_hang_up(p);
			break;
		}
		p->sent += (size_t)n;
		newline = memrchr(p->queue + p->head, '\n', p->sent - p->head);
		if (newline)
			p->head = (size_t)(newline - p->queue) + 1;
	}
	if (p->head == p->tail)
		p->head = p->sent = p->tail = 0;
	return p->sent < p->tail;
}

enum port_line port_read(struct port *p, char line[COMMAND_CAP])
{
	for (;;) {
		char *newline = memchr(p->input, '\n', p->filled);
		ssize_t n;

		if (newline) {
			size_t length = (size_t)(newline - p->input);
			bool skipped = p->skipping;

			*newline = '\0';
			memcpy(line, p->input, length + 1);
			p->filled -= length + 1;
			memmove(p->input, newline + 1, p->filled);
			p->skipping = false;
			return skipped ? LINE_TOO_LONG : LINE_READ;
		}
		if (p->filled == sizeof(p->input)) {
			p->skipping = true;
			p->filled = 0;
		}
		if (p->hung)
			return LINE_NONE;
		n = read(p->in, p->input + p->filled, sizeof(p->input) - p->filled);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return LINE_NONE;
		if (n <= 0) {
			port_hang_up(p);
			return LINE_NONE;
		}
		p->filled += (size_t)n;
	}
}

void port_hang_up(struct port *p)
{
	p->hung = true;
	p->sent = p->head;
	p->filled = 0;
	p->skipping = false;
	if (p->kind == PORT_SOCKET && p->in >= 0) {
		close(p->in);
		p->in = p->out = -1;
	}
}

void port_retry(struct port *p)
{
	struct pollfd pfd = { .fd = p->in, .events = POLLIN | POLLOUT };

	if (p->kind == PORT_SOCKET) {
		p->in = p->out = connect_socket(p->path);
		p->hung = p->in < 0;
	} else if (p->kind == PORT_DEVICE) {
		p->hung = poll(&pfd, 1, 0) < 0 || pfd.revents & (POLLHUP | POLLERR | POLLNVAL);
	}
}
