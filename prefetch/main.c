/* prefetchd: start up (everything that can fail, does so here), then one epoll loop. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include "groups.h"
#include "pressure.h"
#include "report.h"
#include "helpers.h"

enum exit_code { EXIT_STOPPED = 0, EXIT_USAGE = 2, EXIT_KERNEL = 3, EXIT_OTHER = 4 };

enum source { SOURCE_TRIGGER, SOURCE_WATCH, SOURCE_TIMER, SOURCE_CONTROL, SOURCE_SIGNAL,
	      SOURCE_PRESSURE };

#define TICK_ACTIVE_MS	250u  /* an activation is under way: its processes are looked at */
#define TICK_RECLAIM_MS 500u  /* the kernel reclaims, or a snapshot is due */
#define TICK_REST_MS	2000u /* one look at how much was reclaimed, and nothing else */
#define LONG_REST	NS_OF_MS(60000) /* nothing was reclaimed for so long: looks come more seldom, ... */
#define TICK_LONG_MS	10000u
#define TICK_TOLD_MS	60000u /* ... and where the kernel tells of pressure, they hardly need to come at all */
#define SCAN_SHARE	20u   /* snapshots take at most one part in this of the time */
#define RESCAN_TICKS	5u    /* looks for cgroups without inotify's help */

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

void daemon_set_policy(struct daemon *d, enum policy policy)
{
	d->policy = policy;
	for (size_t i = 0; i < MAX_GROUPS; i++) {
		if (!d->groups[i].used)
			continue;
		workset_clear(&d->groups[i].oracle);
		group_replan(&d->groups[i]);
	}
	report_policy(d);
}

/* Pages reclaimed since boot, by whichever cgroup's limit or the machine's: while it stands still, no page of
 * any process has gone absent. */
uint64_t daemon_reclaimed(void)
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

static bool any_active(const struct daemon *d)
{
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (d->groups[i].used && d->groups[i].active)
			return true;
	return false;
}

static bool any_dirty(const struct daemon *d)
{
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (d->groups[i].used && d->groups[i].dirty)
			return true;
	return false;
}

static unsigned int tick_ms(const struct daemon *d, bool reclaiming)
{
	if (any_active(d))
		return TICK_ACTIVE_MS;
	if (reclaiming || any_dirty(d))
		return TICK_RECLAIM_MS;
	if (!watch_complete(d->watch) || elapsed_ns(d->busy_ns, now_ns()) < LONG_REST)
		return TICK_REST_MS;
	return d->pressure ? TICK_TOLD_MS : TICK_LONG_MS;
}

static void set_timer(struct daemon *d, bool reclaiming)
{
	unsigned int ms = tick_ms(d, reclaiming);
	struct itimerspec next = { 0 };

	next.it_value.tv_sec = ms / 1000;
	next.it_value.tv_nsec = (long)(ms % 1000) * (long)NS_PER_MS;
	timerfd_settime(d->timer, 0, &next, NULL);
}

static void tick(struct daemon *d)
{
	static unsigned int ticks;
	uint64_t reclaimed = daemon_reclaimed();
	bool reclaiming = reclaimed != d->reclaimed;
	uint64_t expirations;

	if (read(d->timer, &expirations, sizeof(expirations)) < 0)
		return;
	d->reclaimed = reclaimed;
	if (reclaiming || any_active(d) || any_dirty(d))
		d->busy_ns = now_ns();
	if (!watch_complete(d->watch) && ++ticks % RESCAN_TICKS == 0)
		groups_sync(d);
	for (size_t i = 0; i < MAX_GROUPS; i++) {
		uint64_t start = now_ns();

		if (d->groups[i].used && group_tick(&d->groups[i], start, reclaiming, start >= d->next_scan_ns))
			d->next_scan_ns = now_ns() + SCAN_SHARE * (now_ns() - start);
	}
	events_flush(&d->events);
	set_timer(d, reclaiming);
}

static void hand_on(void *context, const struct fault *f)
{
	struct daemon *d = context;

	if (f->group < MAX_GROUPS && d->groups[f->group].used)
		group_faulted(&d->groups[f->group], f);
}

static void faulted(struct daemon *d)
{
	bool was_active = any_active(d);
	uint64_t was_busy = d->busy_ns;

	trigger_drain(d->trigger, hand_on, d);
	if ((!was_active && any_active(d)) || d->busy_ns != was_busy)
		set_timer(d, false);
}

/* One window of each group that issues. When the next is due, in ms as epoll_wait(2) takes it: -1 for none. */
static int issue(struct daemon *d)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < MAX_GROUPS; i++) {
		struct group *g = &d->groups[i];
		uint64_t due = g->used && g->issuing ? group_issue(g, now_ns()) : UINT64_MAX;

		next = due < next ? due : next;
	}
	return next == UINT64_MAX ? -1 : (int)((next + NS_PER_MS - 1) / NS_PER_MS);
}

static int watch(struct daemon *d, int fd, uint64_t source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = source };

	return fd < 0 ? -1 : epoll_ctl(d->epfd, EPOLL_CTL_ADD, fd, &event);
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
	if (issue_probe() < 0)
		return fail(EXIT_KERNEL, "process_madvise (Linux 5.15, CAP_SYS_NICE and CAP_SYS_PTRACE)");
	d->trigger = trigger_open(d->epfd, SOURCE_TRIGGER, d->options.early, &d->features);
	if (!d->trigger)
		return fail(EXIT_KERNEL, "perf_event_open of major faults (CAP_PERFMON)");
	return 0;
}

/* Soon, but not for every wake-up: while pressure lasts, ticks come by themselves. */
static void pressed(struct daemon *d)
{
	bool rested = elapsed_ns(d->busy_ns, now_ns()) >= LONG_REST;

	d->busy_ns = now_ns();
	if (rested)
		set_timer(d, true);
}

static void warn_degraded(struct daemon *d)
{
	if (!d->options.early)
		return;
	if (!d->features.entry_swap)
		report_warning(d, "no early trigger for swap: %s", d->features.why_not_swap);
	if (!d->features.entry_file)
		report_warning(d, "no early trigger for files: %s", d->features.why_not_file);
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

static int start(struct daemon *d)
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
	issue_lower_priority();
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

/* False: it is time to end. */
static bool serve(struct daemon *d, enum source source)
{
	switch (source) {
	case SOURCE_TRIGGER:
		faulted(d);
		return true;
	case SOURCE_WATCH:
		if (watch_read(d->watch)) {
			groups_sync(d);
			set_timer(d, true);
		}
		return true;
	case SOURCE_TIMER:
		tick(d);
		return true;
	case SOURCE_PRESSURE:
		pressed(d);
		return true;
	case SOURCE_CONTROL:
		control_serve(d, d->listener);
		return true;
	default:
		return false;
	}
}

static void loop(struct daemon *d)
{
	struct epoll_event ready[16];

	for (;;) {
		int n = epoll_wait(d->epfd, ready, 16, issue(d));

		for (int i = 0; i < n; i++)
			if (!serve(d, (enum source)ready[i].data.u64))
				return;
	}
}

static void end(struct daemon *d)
{
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (d->groups[i].used)
			group_free(&d->groups[i]);
	trigger_close(d->trigger);
	watch_close(d->watch);
	events_flush(&d->events);
	unlink(d->options.socket);
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
	case PARSED_VERSION:
		printf("prefetchd %s\n", VERSION);
		return EXIT_STOPPED;
	case PARSED_WRONG:
		errno = 0;
		return fail(EXIT_USAGE, "%s (see prefetchd --help)", error);
	default:
		break;
	}
	if (d->options.check) {
		printf("ok, %zu groups\n", d->options.nspecs);
		return EXIT_STOPPED;
	}
	failed = start(d);
	if (failed)
		return failed;
	report_start(d);
	warn_degraded(d);
	groups_start(d);
	set_timer(d, true);
	loop(d);
	end(d);
	return EXIT_STOPPED;
}
