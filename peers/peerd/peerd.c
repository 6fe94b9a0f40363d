/* peerd: does on "go" what a user would try instead of the prefetcher. See HELP. */
#include "guest_c/clock.h"
#include "guest_c/jsonline.h"
#include "guest_c/port.h"
#include "options.h"
#include "outcome.h"
#include "readmemory.h"
#include "swapcycle.h"
#include "wake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAME "peerd"

enum { EXIT_PORT = 3 };

static const char HELP[] =
	"usage: peerd --port PATH ACTION ...\n"
	"\n"
	"Waits for the line \"go\", then does one thing that brings swapped-out memory back before it is needed, and\n"
	"waits for the next \"go\". What it did it says as one JSON object a line.\n"
	"\n"
	"  --port PATH  a virtio-serial port or terminal, a UNIX socket that someone listens on,\n"
	"               or - for commands from standard input and lines to standard output\n"
	"\n"
	"Actions:\n"
	"  swap-cycle DEVICE...       switch each swap device off, which brings its pages in, and on again with its\n"
	"                             priority. Where memory does not suffice it says so, and swap is on all the same.\n"
	"                             pages: by how much the devices' use fell, pages in memory as well included\n"
	"  read-memory CGROUP_FOLDER  read a byte of every swapped-out page of the processes in the cgroup and below\n"
	"                             it through /proc/PID/mem, one after the other. pages: pages read\n"
	"  wake SOCKET GROUP          tell the prefetchd that listens at SOCKET to wake GROUP. pages: 0\n"
	"\n"
	"Events, times of CLOCK_MONOTONIC in seconds:\n"
	"  {\"event\":\"ready\",\"action\":..,\"t\":..,\"locked\":<whether its memory is locked>}\n"
	"  {\"event\":\"begin\",\"action\":..,\"t\":..}\n"
	"  {\"event\":\"done\",\"action\":..,\"t\":..,\"ok\":..,\"pages\":..,\"detail\":<what failed, else \"\">}\n"
	"  {\"event\":\"error\",\"action\":..,\"t\":..,\"detail\":<what is wrong with a line that is not go>}\n"
	"\n"
	"Exit codes: 0 on SIGTERM (after an action under way) or at the end of standard input, 2 bad argument,\n"
	"3 port, 4 anything else.\n"
	"Example: echo go | peerd --port - read-memory /sys/fs/cgroup/system.slice\n";

static struct options options;
static struct port port;

static void begin_event(struct jsonline *j, char *line, size_t cap, const char *event)
{
	json_begin(j, line, cap);
	json_string(j, "event", event);
	json_string(j, "action", options.name);
	json_seconds(j, "t", now_ns());
}

static void send_event(struct jsonline *j)
{
	port_send(&port, j->buf, json_end(j), true);
	port_flush(&port);
}

static void say_ready(bool locked)
{
	struct jsonline j;
	char line[256];

	begin_event(&j, line, sizeof(line), "ready");
	json_bool(&j, "locked", locked);
	send_event(&j);
}

static void say_error(const char *detail)
{
	struct jsonline j;
	char line[4 * COMMAND_CAP];

	begin_event(&j, line, sizeof(line), "error");
	json_string(&j, "detail", detail);
	send_event(&j);
}

static void act(struct outcome *o)
{
	switch (options.action) {
	case ACTION_SWAP_CYCLE:
		swap_cycle("/proc/swaps", options.words, options.nwords, o);
		break;
	case ACTION_READ_MEMORY:
		read_memory("/proc", options.words[0], o);
		break;
	case ACTION_WAKE:
		wake(options.words[0], options.words[1], o);
		break;
	}
}

static void go(void)
{
	struct outcome o = { 0 };
	struct jsonline j;
	char line[8 * DETAIL_CAP]; /* a byte is at most six in JSON */

	begin_event(&j, line, sizeof(line), "begin");
	send_event(&j);
	act(&o);
	begin_event(&j, line, sizeof(line), "done");
	json_bool(&j, "ok", !o.detail[0]);
	json_u64(&j, "pages", o.pages);
	json_string(&j, "detail", o.detail);
	send_event(&j);
}

static void take_commands(void)
{
	char line[COMMAND_CAP], detail[96];
	enum port_line read;

	while ((read = port_read(&port, line)) != LINE_NONE) {
		if (read == LINE_TOO_LONG) {
			say_error("expected \"go\", not a line of more than 255 bytes");
			continue;
		}
		if (!strcmp(line, "go")) {
			go();
			continue;
		}
		snprintf(detail, sizeof(detail), "expected \"go\", not \"%.40s\"", line);
		say_error(detail);
	}
}

static void on_end(int number)
{
	(void)number;
	_exit(0);
}

/* An end is taken only while waiting: it must not come between swapoff(2) and swapon(2). */
static void hold_signals(void)
{
	struct sigaction end = { .sa_handler = on_end };
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
}

static int loop(void)
{
	struct timespec retry = { .tv_nsec = PORT_RETRY_MS * 1000000L };
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		bool pending = port_flush(&port);
		struct pollfd fds[] = {
			{ .fd = port.hung ? -1 : port.in, .events = POLLIN },
			{ .fd = pending && !port.hung ? port.out : -1, .events = POLLOUT },
		};

		if (port.hung && port.kind == PORT_STANDARD)
			return 0;
		if (ppoll(fds, 2, port.hung ? &retry : NULL, &none) < 0 && errno != EINTR)
			return program_fail(NAME, EXIT_SYSTEM, "ppoll");
		if (port.hung)
			port_retry(&port);
		else if (fds[0].revents & POLLIN)
			take_commands();
		else if (fds[0].revents)
			port_hang_up(&port);
	}
}

int main(int argc, char **argv)
{
	char error[256];
	bool locked;
	int code;

	code = program_answer(parse_options(argc, argv, &options, error, sizeof(error)), NAME, HELP, error);
	if (code >= 0)
		return code;
	hold_signals();
	if (port_open(&port, options.port)) {
		if (errno != EPIPE)
			return program_fail(NAME, EXIT_PORT, options.port);
		fprintf(stderr, "peerd: %s is a FIFO, which has one direction: use --port - between two\n", options.port);
		return EXIT_PORT;
	}
	locked = !mlockall(MCL_CURRENT | MCL_FUTURE);
	if (!locked)
		fprintf(stderr, "peerd: mlockall: %s (going on without)\n", strerror(errno));
	say_ready(locked);
	return loop();
}
