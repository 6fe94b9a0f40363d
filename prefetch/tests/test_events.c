#include "kernel/events.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "guest_c/tests/check.h"

static struct events e;

/* An event stream into a small pipe; the reading end goes to *READER. */
static void open_pipe(int *reader)
{
	int ends[2];

	CHECK(pipe2(ends, O_NONBLOCK) == 0);
	CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
	*reader = ends[0];
	memset(&e, 0, sizeof(e));
	e.fd = ends[1];
}

static void test_lines_wait_for_a_reader_whole(void)
{
	static char got[2 * sizeof(e.buf)];
	char line[1000];
	size_t len = 0;
	size_t put = 0;
	int reader;

	open_pipe(&reader);
	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	while (!e.dropped) {
		line[0] = (char)('A' + put++ % 26);
		events_put(&e, line, sizeof(line));
	}
	put--; /* the dropped one */
	for (ssize_t n; (n = read(reader, got + len, 700)) > 0; len += (size_t)n)
		events_flush(&e);
	CHECK(e.len == 0 && e.partial == 0 && e.dropped == 1);
	CHECK(len == put * sizeof(line));
	for (size_t i = 0; i < put; i++) {
		CHECK(got[i * sizeof(line)] == (char)('A' + i % 26));
		CHECK(got[(i + 1) * sizeof(line) - 1] == '\n');
	}
	close(reader);
	close(e.fd);
}

static void test_reader_gone_is_counted(void)
{
	int reader;

	open_pipe(&reader);
	close(reader);
	events_put(&e, "x\n", 2);
	CHECK(e.dropped == 1 && e.len == 0);
	events_put(&e, "", 0); /* an overflowed JSON line */
	CHECK(e.dropped == 2);
	close(e.fd);
}

int main(void)
{
	CHECK(sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL) == 0);
	test_lines_wait_for_a_reader_whole();
	test_reader_gone_is_counted();
	return 0;
}
