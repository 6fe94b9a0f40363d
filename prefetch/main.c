/* prefetchd: start up (everything that can fail, does so here), then one epoll loop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "daemon.h"
#include "report.h"

enum exit_code { EXIT_STOPPED = 0, EXIT_USAGE = 2, EXIT_KERNEL = 3, EXIT_OTHER = 4 };

/* Group indices come first in the epoll set's data. */
enum source { SOURCE_TIMER = MAX_GROUPS, SOURCE_CONTROL, SOURCE_SIGNAL };

static struct daemon daemon_state;

__attribute__((format(printf, 2, 3))) static int fail(enum exit_code code, const char *format, ...)
{
	int saved = errno;
	va_list args;

	fprintf(stderr, "prefetchd: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (saved)
		fprintf(stderr, ": %s", strerror(saved));
	fprintf(stderr, "\n");
	return (int)code;
}

size_t daemon_set_bytes(const struct options *o)
{
	return pageset_bytes((size_t)o->max_ranges) * (o->ngroups * 3 + 2) +
	       (size_t)o->max_ranges * sizeof(struct range);
}

void daemon_set_policy(struct daemon *d, enum policy policy)
{
	d->policy = policy;
	for (size_t i = 0; i < d->options.ngroups; i++)
		group_replan(&d->groups[i]);
	report_policy(d);
}

/* Pages reclaimed since boot, by whichever cgroup's limit or the machine's: while it stands still, no page of
 * any process has gone absent. */
static uint64_t pages_reclaimed(void)
{
	static char text[16384];
	uint64_t anon = 0;
	uint64_t file = 0;

	if (read_text("/proc/vmstat", text, sizeof(text)) > 0) {
		counter_parse(text, "pgsteal_anon", &anon);
		counter_parse(text, "pgsteal_file", &file);
	}
	return anon + file;
}

static void tick(struct daemon *d)
{
	uint64_t reclaimed = pages_reclaimed();
	uint64_t expirations;

	if (read(d->timer, &expirations, sizeof(expirations)) < 0)
		return;
	for (size_t i = 0; i < d->options.ngroups; i++) {
		struct group *g = &d->groups[i];

		if (!g->active && group_attach(g) < 0)
			fail(EXIT_KERNEL, "group %s: perf_event_open", g->members.spec->name);
		group_tick(g, now_ns(), reclaimed);
	}
	events_flush(&d->events);
}

static int watch(struct daemon *d, int fd, uint64_t source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = source };

	return fd < 0 ? -1 : epoll_ctl(d->epfd, EPOLL_CTL_ADD, fd, &event);
}

static int open_timer(void)
{
	struct itimerspec every = { .it_interval.tv_nsec = TICK_MS * NS_PER_MS,
				    .it_value.tv_nsec = TICK_MS * NS_PER_MS };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* A daemon that is itself swapped out, or killed for the memory it saves, helps nobody. */
static void protect_self(void)
{
	struct rlimit files = { 4096, 4096 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	setrlimit(RLIMIT_NOFILE, &files); /* a pidfd for each member; fewer are fewer members */
	if (fd < 0)
		return;
	if (write(fd, "-1000", 5) < 0)
		fail(EXIT_OTHER, "oom_score_adj (going on)");
	close(fd);
}

static int allocate(struct daemon *d)
{
	size_t max_ranges = (size_t)d->options.max_ranges;

	d->scratch = (struct rangeset){ .v = calloc(max_ranges + 1, sizeof(struct range)), .cap = max_ranges + 1 };
	if (!d->scratch.v || pageset_allocate(&d->after, max_ranges) < 0 || pageset_allocate(&d->brought, max_ranges) < 0)
		return -1;
	return mlockall(MCL_CURRENT | MCL_FUTURE);
}

static int probe(struct daemon *d)
{
	int scan = scan_probe(d->options.scan);

	if (scan < 0)
		return fail(EXIT_KERNEL, "--scan ioctl: PAGEMAP_SCAN (Linux 6.7)");
	d->scan = (enum scan_method)scan;
	if (issue_probe() < 0)
		return fail(EXIT_KERNEL, "process_madvise (Linux 5.15, CAP_SYS_NICE and CAP_SYS_PTRACE)");
	if (trigger_probe() < 0)
		return fail(EXIT_KERNEL, "perf_event_open of major faults (CAP_PERFMON)");
	return 0;
}

static int start_watching(struct daemon *d)
{
	d->timer = open_timer();
	if (watch(d, d->listener, SOURCE_CONTROL) < 0 || watch(d, d->timer, SOURCE_TIMER) < 0 ||
	    watch(d, open_signals(), SOURCE_SIGNAL) < 0)
		return fail(EXIT_OTHER, "epoll");
	return 0;
}

static int start(struct daemon *d)
{
	errno = 0;
	if (probe(d))
		return EXIT_KERNEL;
	d->policy = d->options.policy;
	d->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (d->epfd < 0)
		return fail(EXIT_OTHER, "epoll_create1");
	protect_self();
	if (allocate(d) < 0)
		return fail(EXIT_KERNEL, "locking %zu bytes of memory (CAP_IPC_LOCK)", daemon_set_bytes(&d->options));
	for (unsigned int i = 0; i < d->options.ngroups; i++)
		if (group_init(&d->groups[i], d, i) < 0 || group_attach(&d->groups[i]) < 0)
			return fail(EXIT_KERNEL, "group %s: perf_event_open", d->options.groups[i].name);
	if (events_open(&d->events, d->options.events) < 0)
		return fail(EXIT_OTHER, "open %s", d->options.events);
	d->listener = control_listen(d->options.socket);
	if (d->listener < 0)
		return fail(EXIT_OTHER, "listen at %s", d->options.socket);
	return start_watching(d);
}

static void loop(struct daemon *d)
{
	struct epoll_event ready[16];

	for (;;) {
		int n = epoll_wait(d->epfd, ready, 16, -1);

		for (int i = 0; i < n; i++) {
			uint64_t source = ready[i].data.u64;

			if (source < MAX_GROUPS)
				group_faulted(&d->groups[source]);
			else if (source == SOURCE_TIMER)
				tick(d);
			else if (source == SOURCE_CONTROL)
				control_serve(d, d->listener);
			else
				return;
		}
	}
}

int main(int argc, char *argv[])
{
	struct daemon *d = &daemon_state;
	char error[512];
	int failed;

	switch (options_parse(argc, argv, &d->options, error, sizeof(error))) {
	case PARSED_HELP:
		fputs(options_help(), stdout);
		return EXIT_STOPPED;
	case PARSED_WRONG:
		errno = 0;
		return fail(EXIT_USAGE, "%s (see prefetchd --help)", error);
	default:
		break;
	}
	failed = start(d);
	if (failed)
		return failed;
	report_start(d);
	loop(d);
	for (unsigned int i = 0; i < d->options.ngroups; i++)
		group_release(&d->groups[i]);
	events_flush(&d->events);
	unlink(d->options.socket);
	return EXIT_STOPPED;
}
