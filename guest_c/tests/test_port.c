/* Unit test of the port on a UNIX socket and a pseudo-terminal: whole lines, bounds, hang-up, return. */
#include "guest_c/port.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct port port;
static char line[COMMAND_CAP], folder[] = "/tmp/test_port.XXXXXX", path[64];

static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, name);
	assert(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 1));
	return fd;
}

static void put(int fd, const char *text)
{
	assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void test_commands(int host)
{
	char large[1000];

	assert(port_read(&port, line) == LINE_NONE);
	put(host, "pi");
	assert(port_read(&port, line) == LINE_NONE);
	put(host, "ng\nstart 1\n\nsto");
	assert(port_read(&port, line) == LINE_READ && !strcmp(line, "ping"));
	assert(port_read(&port, line) == LINE_READ && !strcmp(line, "start 1"));
	assert(port_read(&port, line) == LINE_READ && !strcmp(line, ""));
	assert(port_read(&port, line) == LINE_NONE);
	put(host, "p\n");
	assert(port_read(&port, line) == LINE_READ && !strcmp(line, "stop"));
	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	put(host, large);
	assert(port_read(&port, line) == LINE_NONE);
	put(host, "\nping\n");
	assert(port_read(&port, line) == LINE_TOO_LONG);
	assert(port_read(&port, line) == LINE_READ && !strcmp(line, "ping"));
}

/* Nobody reads: the queue fills, lines are dropped whole, urgent ones still find room. */
static size_t test_bounds(void)
{
	static char tick[10000];
	size_t sent = 0;
	int small = 4608; /* less than a line: it will be cut */

	assert(!setsockopt(port.out, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	memset(tick, 't', sizeof(tick));
	tick[sizeof(tick) - 1] = '\n';
	while (!port.dropped) {
		port_send(&port, tick, sizeof(tick), false);
		port_flush(&port);
		sent++;
	}
	assert(port.tail - port.head <= QUEUE_CAP - QUEUE_RESERVE);
	port_send(&port, "stop\n", 5, true);
	assert(port.dropped == 1 && !port.hung);
	assert(port_flush(&port));
	return sent - 1;
}

/* The host leaves in the midst of a line and returns: what comes then starts at a line's start. */
static void test_return(int listener, int host, size_t ticks)
{
	static char all[QUEUE_CAP];
	size_t length = 0, lines = 0;
	ssize_t n;

	put(host, "half a comm");
	assert(port_read(&port, line) == LINE_NONE);
	assert(port.sent > port.head); /* some of a line was sent */
	close(host);
	while (!port.hung)
		port_flush(&port);
	port_retry(&port);
	assert(!port.hung);
	host = accept(listener, NULL, NULL);
	do {
		port_flush(&port);
		n = recv(host, all + length, sizeof(all) - length, MSG_DONTWAIT);
		if (n > 0)
			length += (size_t)n;
	} while (n > 0 || port.tail);
	assert(length > 5 && !memcmp(all + length - 5, "stop\n", 5));
	for (size_t i = 0; i < length; i++)
		lines += all[i] == '\n';
	assert((length - 5) % 10000 == 0 && lines == (length - 5) / 10000 + 1 && lines <= ticks + 1);
	put(host, "ping\n");
	assert(port_read(&port, line) == LINE_READ && !strcmp(line, "ping"));
	close(host);
	assert(port_read(&port, line) == LINE_NONE && port.hung);
	close(listener);
	port_retry(&port);
	assert(port.hung);
}

static void test_socket(void)
{
	int listener = listen_at(path), host;
	size_t ticks;

	assert(!port_open(&port, path));
	host = accept(listener, NULL, NULL);
	test_commands(host);
	ticks = test_bounds();
	test_return(listener, host, ticks);
	unlink(path);
}

/* A terminal neither echoes nor changes what passes. */
static void test_terminal(void)
{
	int host = posix_openpt(O_RDWR | O_NOCTTY);
	char got[16];

	assert(host >= 0 && !grantpt(host) && !unlockpt(host));
	assert(!port_open(&port, ptsname(host)));
	put(host, "ping\n");
	assert(port_read(&port, line) == LINE_READ && !strcmp(line, "ping"));
	port_send(&port, "hello\n", 6, true);
	assert(!port_flush(&port) && port.tail == 0);
	assert(read(host, got, sizeof(got)) == 6 && !memcmp(got, "hello\n", 6));
	close(host);
	assert(port_read(&port, line) == LINE_NONE && port.hung);
	port_retry(&port);
	assert(port.hung);
	close(port.in);
}

static void test_refusals(void)
{
	assert(port_open(&port, path) == -1 && errno == ENOENT);
	assert(!mkfifo(path, 0600));
	assert(port_open(&port, path) == -1 && errno == EPIPE);
	unlink(path);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as in main.c */
	assert(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/port", folder);
	test_socket();
	test_terminal();
	test_refusals();
	rmdir(folder);
	return 0;
}
