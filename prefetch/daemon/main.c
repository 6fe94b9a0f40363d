/* prefetchd: start up, then one epoll loop. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "container/report.h"
#include "daemon/control.h"
#include "daemon/groups.h"
#include "daemon/options.h"
#include "daemon/start.h"
#include "guest_c/clock.h"
#include "kernel/vmstat.h"

#define TICK_ACTIVE_MS	250u  /* an activation is under way: its processes are looked at */
#define TICK_RECLAIM_MS 500u  /* the kernel reclaims, or a snapshot is due */
#define TICK_REST_MS	2000u /* one look at how much was reclaimed, and nothing else */
#define LONG_REST	NS_OF_MS(60000) /* nothing was reclaimed for so long: looks come more seldom, ... */
#define TICK_LONG_MS	10000u
#define TICK_TOLD_MS	60000u /* ... and where the kernel tells of pressure, they hardly need to come at all */
#define SCAN_SHARE	20u   /* snapshots take at most one part in this of the time */
#define RESCAN_TICKS	5u    /* looks for cgroups without inotify's help */

static struct daemon daemon_state;

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
	uint64_t reclaimed = vmstat_reclaimed();
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

/* Of one major fault the kernel gives the samples of all its events the same time, and the id of the first:
 * perf_prepare_sample keeps what an earlier event has filled in. Which group each was meant for is lost. Those by name are
 * watched everywhere, so where there is one, each major fault is taken once, and offered to all. (A tracepoint's events have
 * times of their own since 6.4; to be told twice of an entry does no harm.) */
static void hand_on(void *context, const struct fault *f)
{
	struct daemon *d = context;
	struct fault offered = *f;

	if (!d->named) {
		if (f->group < MAX_GROUPS && d->groups[f->group].used)
			group_faulted(&d->groups[f->group], f);
		return;
	}
	if (f->t == d->last.t && f->pid == d->last.pid && f->source == d->last.source)
		return;
	d->last = *f;
	d->last_comm[0] = 0;
	for (offered.group = 0; offered.group < MAX_GROUPS; offered.group++) {
		struct group *g = &d->groups[offered.group];

		if (g->used && (g->members.spec->ncomms || offered.group == f->group || members_find(&g->members, f->pid) >= 0))
			group_faulted(g, &offered);
	}
}

static void faulted(struct daemon *d)
{
	bool was_active = any_active(d);
	uint64_t was_busy = d->busy_ns;

	trigger_drain(d->trigger, hand_on, d);
	if ((!was_active && any_active(d)) || d->busy_ns != was_busy)
		set_timer(d, false);
}

static void asked(struct daemon *d)
{
	bool was_active = any_active(d);

	control_serve(d, d->listener);
	if (!was_active && any_active(d))
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

/* Soon, but not for every wake-up: while pressure lasts, ticks come by themselves. */
static void pressed(struct daemon *d)
{
	bool rested = elapsed_ns(d->busy_ns, now_ns()) >= LONG_REST;

	d->busy_ns = now_ns();
	if (rested)
		set_timer(d, true);
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
		asked(d);
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

static void warn_degraded(struct daemon *d)
{
	if (!d->options.early)
		return;
	if (!d->features.entry_swap)
		report_warning(d, "no early trigger for swap: %s", d->features.why_not_swap);
	if (!d->features.entry_file)
		report_warning(d, "no early trigger for files: %s", d->features.why_not_file);
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
