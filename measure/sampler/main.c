/* The sampler: counters of groups of processes, once an interval, to the host. See HELP. */
#include "sampler/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NAME "sampler"

enum { EXIT_PORT = 3 };

#define FAREWELL_MS 1000

static const char HELP[] =
	"usage: sampler --port PATH --group NAME=CGROUPDIR [--group ...] [--disk NAME ...] [--interval SECONDS]\n"
	"\n"
	"Samples fault, memory and disk counters of groups of processes, one JSON object a line. Idle until told.\n"
	"\n"
	"  --port PATH         a virtio-serial port or terminal, a UNIX socket that someone listens on,\n"
	"                      or - for commands from standard input and lines to standard output\n"
	"  --group NAME=DIR    a cgroup v2 directory, with all cgroups below it; need not exist yet; at most 8\n"
	"  --disk NAME         a disk of /proc/diskstats; at most 8\n"
	"  --interval SECONDS  time between ticks, 0.01 to 60 (1)\n"
	"\n"
	"Commands, one a line:\n"
	"  ping                answers {\"type\":\"hello\",..}\n"
	"  start [SECONDS]     records; with its own interval if one is given\n"
	"  mark NAME           puts a name into the stream\n"
	"  stop                ends the recording and sums it up\n"
	"\n"
	"Times are of CLOCK_MONOTONIC in seconds; counters are absolute. Lines wait in 256 KiB while no host\n"
	"reads; what does not fit is dropped whole and counted. Final counts of processes that end come from\n"
	"taskstats (CAP_NET_ADMIN); an exit line follows at the first tick 0.1 s later, with the time of the end.\n"
	"\n"
	"Exit codes: 0 on SIGTERM (or at the end of standard input), 2 bad argument, 3 port, 4 anything else.\n"
	"Example: (echo start; sleep 3; echo stop) | sampler --port - --group all=/sys/fs/cgroup\n";

static struct recorder recorder; /* all of the sampler's memory */

static void warn(const char *what, const char *why)
{
	fprintf(stderr, "sampler: %s: %s (going on without)\n", what, why);
}

/* The sampler must tick while the machine is short of memory and CPU, without faults of its own.
 * Each of these may be refused; hello says which were. */
static void take_privileges(struct recorder *r)
{
	struct sched_param lowest = { .sched_priority = 1 };
	int fd;

	r->locked = !mlockall(MCL_CURRENT | MCL_FUTURE);
	if (!r->locked)
		warn("mlockall", strerror(errno));
	r->realtime = !sched_setscheduler(0, SCHED_FIFO, &lowest);
	if (!r->realtime) {
		warn("SCHED_FIFO", strerror(errno));
		if (setpriority(PRIO_PROCESS, 0, -20))
			warn("nice -20", strerror(errno));
	}
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "-1000", 5) != 5)
		warn("oom_score_adj -1000", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!taskstats_open(&r->link))
		warn("taskstats", r->link.why);
}

static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Give a reader that is there the time to take the last lines. */
static void farewell(struct recorder *r)
{
	struct pollfd out = { .fd = r->port.out, .events = POLLOUT };

	if (r->recording)
		stop(r);
	/* At the end of standard input, standard output may well be read still. */
	if (r->port.kind == PORT_STANDARD)
		r->port.hung = false;
	while (port_flush(&r->port) && !r->port.hung && poll(&out, 1, FAREWELL_MS) == 1)
		;
}

enum watched { WATCH_SIGNALS, WATCH_TIMER, WATCH_EXITS, WATCH_IN, WATCH_OUT, WATCHES };

static int loop(struct recorder *r, int signals)
{
	struct pollfd fds[WATCHES];

	for (;;) {
		struct port *p = &r->port;
		bool pending = port_flush(p);

		if (p->hung && p->kind == PORT_STANDARD)
			return 0;
		fds[WATCH_SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
		fds[WATCH_TIMER] = (struct pollfd){ .fd = r->timer, .events = POLLIN };
		fds[WATCH_EXITS] = (struct pollfd){ .fd = r->link.fd, .events = POLLIN };
		fds[WATCH_IN] = (struct pollfd){ .fd = p->hung ? -1 : p->in, .events = POLLIN };
		fds[WATCH_OUT] = (struct pollfd){ .fd = pending && !p->hung ? p->out : -1, .events = POLLOUT };
		if (poll(fds, WATCHES, p->hung ? PORT_RETRY_MS : -1) < 0 && errno != EINTR)
			return program_fail(NAME, EXIT_SYSTEM, "poll");
		if (fds[WATCH_SIGNALS].revents)
			return 0;
		/* Exits before the tick: the processes that the tick no longer meets are then still known. */
		if (fds[WATCH_EXITS].revents)
			take_exits(r);
		if (fds[WATCH_TIMER].revents)
			tick(r);
		if (p->hung)
			port_retry(p);
		else if (fds[WATCH_IN].revents & POLLIN)
			take_commands(r);
		else if (fds[WATCH_IN].revents)
			port_hang_up(p);
	}
}

int main(int argc, char **argv)
{
	static struct options o;
	char error[256];
	const char *file;
	int signals, code;

	code = program_answer(parse_options(argc, argv, &o, error, sizeof(error)), NAME, HELP, error);
	if (code >= 0)
		return code;
	recorder.options = &o;
	signals = open_signals();
	if (signals < 0)
		return program_fail(NAME, EXIT_SYSTEM, "signalfd");
	if (port_open(&recorder.port, o.port)) {
		if (errno != EPIPE)
			return program_fail(NAME, EXIT_PORT, o.port);
		fprintf(stderr, "sampler: %s is a FIFO, which has one direction: use --port - between two\n", o.port);
		return EXIT_PORT;
	}
	file = sources_open(&recorder.sources, &o);
	if (file)
		return program_fail(NAME, EXIT_SYSTEM, file);
	recorder.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (recorder.timer < 0)
		return program_fail(NAME, EXIT_SYSTEM, "timerfd_create");
	take_privileges(&recorder);
	say_hello(&recorder);
	code = loop(&recorder, signals);
	farewell(&recorder);
	return code;
}
