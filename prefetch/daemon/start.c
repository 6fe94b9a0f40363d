#include "daemon/start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "container/calls.h"
#include "container/report.h"
#include "daemon/control.h"
#include "kernel/helpers.h"
#include "kernel/pressure.h"

int fail(enum exit_code code, const char *format, ...)
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

/* A daemon that is itself swapped out, or killed for the memory it saves, helps nobody. */
static void protect_self(void)
{
	struct rlimit files = { 65536, 65536 };
	struct rlimit had;
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (getrlimit(RLIMIT_NOFILE, &had) == 0 && had.rlim_cur < files.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &files); /* a pidfd for each member; fewer are fewer members */
	if (fd < 0)
		return;
	if (write(fd, "-1000", 5) < 0)
		fail(EXIT_OTHER, "oom_score_adj (going on)");
	close(fd);
}

/* The stack that the deepest path needs is there before memory is short. */
__attribute__((noinline)) static void touch_stack(void)
{
	volatile char room[256 * 1024];

	for (size_t i = 0; i < sizeof(room); i += 4096)
		room[i] = 0;
}

/* MCL_CURRENT only: the files of containers are mapped later on, and must not be read into locked memory. */
static int allocate(struct daemon *d)
{
	if (pool_create(&d->pool, (size_t)d->options.pool_mib << 20) < 0)
		return -1;
	pageset_init(&d->after, &d->pool);
	pageset_init(&d->brought, &d->pool);
	places_init(&d->places, &d->pool);
	places_init(&d->newcomer, &d->pool);
	touch_stack();
	return mlockall(MCL_CURRENT);
}

static int probe(struct daemon *d)
{
	int scan = scan_probe(d->options.scan);

	if (scan < 0)
		return fail(EXIT_KERNEL, "scan ioctl: PAGEMAP_SCAN (Linux 6.7)");
	d->scan = (enum scan_method)scan;
	if (calls_probe() < 0)
		return fail(EXIT_KERNEL, "process_madvise (Linux 5.15, CAP_SYS_NICE and CAP_SYS_PTRACE)");
	d->trigger = trigger_open(d->epfd, SOURCE_TRIGGER, d->options.early, &d->features);
	if (!d->trigger)
		return fail(EXIT_KERNEL, "perf_event_open of major faults (CAP_PERFMON)");
	return 0;
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

static int watch(struct daemon *d, int fd, uint64_t source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = source };

	return fd < 0 ? -1 : epoll_ctl(d->epfd, EPOLL_CTL_ADD, fd, &event);
}

static int start_watching(struct daemon *d)
{
	const char *patterns[MAX_SPECS];
	size_t n = 0;

	for (size_t i = 0; i < d->options.nspecs; i++)
		if (!d->options.specs[i].ncomms)
			patterns[n++] = d->options.specs[i].cgroup;
	d->watch = watch_open(d->epfd, SOURCE_WATCH, patterns, n);
	if (!d->watch)
		return fail(EXIT_OTHER, "inotify");
	d->pressure = pressure_watch(d->epfd, SOURCE_PRESSURE) == 0;
	d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch(d, d->listener, SOURCE_CONTROL) < 0 || watch(d, d->timer, SOURCE_TIMER) < 0 ||
	    watch(d, open_signals(), SOURCE_SIGNAL) < 0)
		return fail(EXIT_OTHER, "epoll");
	return 0;
}

int start(struct daemon *d)
{
	int failed;

	errno = 0;
	d->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (d->epfd < 0)
		return fail(EXIT_OTHER, "epoll_create1");
	protect_self();
	failed = probe(d);
	if (failed)
		return failed;
	d->policy = d->options.policy;
	calls_lower_priority();
	disks_add_swaps(&d->disks);
	d->events.fd = -1;
	if (d->options.events[0] && events_open(&d->events, d->options.events) < 0)
		return fail(EXIT_OTHER, "open %s", d->options.events);
	d->listener = control_listen(d->options.socket);
	if (d->listener < 0)
		return fail(EXIT_OTHER, "listen at %s", d->options.socket);
	failed = start_watching(d);
	if (failed)
		return failed;
	if (helpers_start() < 0)
		return fail(EXIT_OTHER, "threads");
	if (allocate(d) < 0)
		return fail(EXIT_KERNEL, "locking %" PRIu64 " MiB of memory (CAP_IPC_LOCK)", d->options.pool_mib);
	return 0;
}
