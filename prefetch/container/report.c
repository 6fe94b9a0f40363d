#include "container/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "container/opening.h"
#include "guest_c/clock.h"
#include "guest_c/jsonline.h"
#include "kernel/helpers.h"

static void begin(struct jsonline *j, char *buf, const char *event, uint64_t t)
{
	json_begin(j, buf, EVENT_LINE_CAP);
	json_string(j, "event", event);
	json_seconds(j, "t", t);
}

static void begin_group(struct jsonline *j, char *buf, const char *event, uint64_t t, const struct group *g)
{
	begin(j, buf, event, t);
	json_string(j, "group", g->name);
}

static void put(struct daemon *d, struct jsonline *j)
{
	size_t len = json_end(j);

	events_put(&d->events, j->buf, len);
}

static void put_spec(struct jsonline *j, const struct group_spec *spec)
{
	json_open(j, NULL, '{');
	json_string(j, "name", spec->name);
	if (!spec->ncomms) {
		json_string(j, "cgroup", spec->cgroup);
	} else {
		json_open(j, "comms", '[');
		for (size_t i = 0; i < spec->ncomms; i++)
			json_string(j, NULL, spec->comms[i]);
		json_close(j, ']');
	}
	json_close(j, '}');
}

void report_start(struct daemon *d)
{
	const struct options *o = &d->options;
	char buf[EVENT_LINE_CAP];
	struct jsonline j;
	struct utsname uts;

	uname(&uts);
	begin(&j, buf, "start", now_ns());
	json_u64(&j, "version", 2);
	json_i64(&j, "pid", getpid());
	json_string(&j, "kernel", uts.release);
	json_string(&j, "policy", policy_names[d->policy]);
	json_string(&j, "scan", d->scan == SCAN_IOCTL ? "ioctl" : "pagemap");
	json_bool(&j, "entry_swap", d->features.entry_swap);
	json_bool(&j, "entry_file", d->features.entry_file);
	json_u64(&j, "quiet_ms", o->quiet_ms);
	json_u64(&j, "burst", o->burst);
	json_u64(&j, "burst_ms", o->burst_ms);
	json_u64(&j, "settle_ms", o->settle_ms);
	json_u64(&j, "wake_ms", o->wake_ms);
	json_u64(&j, "busy_percent", o->busy_percent);
	json_u64(&j, "share_percent", o->share_percent);
	json_u64(&j, "max_mib", o->max_mib);
	json_u64(&j, "depth", o->depth);
	json_u64(&j, "keep", o->keep);
	json_bool(&j, "hold", o->hold);
	json_u64(&j, "pool_bytes", d->pool.bytes);
	json_open(&j, "groups", '[');
	for (size_t i = 0; i < o->nspecs; i++)
		put_spec(&j, &o->specs[i]);
	json_close(&j, ']');
	put(d, &j);
}

void report_policy(struct daemon *d)
{
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	begin(&j, buf, "policy", now_ns());
	json_string(&j, "policy", policy_names[d->policy]);
	put(d, &j);
}

void report_warning(struct daemon *d, const char *format, ...)
{
	char buf[EVENT_LINE_CAP];
	char text[512];
	struct jsonline j;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "prefetchd: %s\n", text);
	begin(&j, buf, "warning", now_ns());
	json_string(&j, "text", text);
	put(d, &j);
}

void report_group(struct group *g, bool came)
{
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	begin_group(&j, buf, came ? "group" : "gone", now_ns(), g);
	json_string(&j, "cgroup", g->members.dir);
	put(g->daemon, &j);
}

void report_trigger(struct group *g)
{
	char buf[EVENT_LINE_CAP];
	char comm[COMM_CAP + 1];
	struct jsonline j;
	bool woken = g->opened_by == BY_WAKE;
	const char *seen = g->first.source == FAULT_ENTRY ? "entry" : "major";

	if (woken)
		comm[0] = 0;
	else
		read_comm(g->first.pid, comm, sizeof(comm));
	begin_group(&j, buf, "trigger", g->first.t, g);
	json_u64(&j, "activation", g->number);
	json_i64(&j, "pid", g->first.pid);
	json_string(&j, "comm", comm);
	json_string(&j, "policy", policy_names[g->policy]);
	json_string(&j, "by", opening_name(g->opened_by));
	json_string(&j, "source", woken ? "control" : seen);
	json_u64(&j, "seen_us", elapsed_ns(g->first.t, g->begun_ns) / NS_PER_US);
	json_u64(&j, "quiet_us", g->quiet_ns / NS_PER_US);
	json_bool(&j, "fresh", g->fresh);
	put(g->daemon, &j);
}

void report_issue(struct group *g)
{
	const struct issue *i = &g->issue;
	uint64_t pages = issue_pages(i);
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	begin_group(&j, buf, "issue", i->done_ns, g);
	json_u64(&j, "activation", g->number);
	json_string(&j, "policy", policy_names[g->policy]);
	json_u64(&j, "pages", pages);
	json_u64(&j, "bytes", pages * PAGE_BYTES);
	json_u64(&j, "anon_pages", i->pages[TARGET_ADVISE]);
	json_u64(&j, "file_pages", i->pages[TARGET_FILE]);
	json_u64(&j, "cow_pages", i->pages[TARGET_READ]);
	json_u64(&j, "pace_percent", pace_percent(&g->pace));
	json_u64(&j, "planned_pages", i->plan->pages);
	json_u64(&j, "shared", i->shared);
	json_u64(&j, "first_issue_us", elapsed_ns(g->first.t, i->first_ns) / NS_PER_US);
	json_u64(&j, "done_us", elapsed_ns(g->first.t, i->done_ns) / NS_PER_US);
	json_u64(&j, "seen_us", g->follow.seen_us);
	json_u64(&j, "errors", i->errors);
	json_u64(&j, "disk_waits", g->disk_waits);
	json_u64(&j, "reclaim_waits", g->reclaim_waits);
	json_u64(&j, "quota_pages", g->quota[g->opened_by]);
	json_string(&j, "stopped", allowance_name(g->stopped));
	put(g->daemon, &j);
}

void report_outcome(struct group *g, const struct outcome *o)
{
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	begin_group(&j, buf, "outcome", o->t, g);
	json_u64(&j, "activation", o->number);
	json_string(&j, "policy", policy_names[o->policy]);
	json_u64(&j, "issued", o->issued);
	json_u64(&j, "used", o->used);
	json_u64(&j, "late", o->late);
	json_u64(&j, "wasted", o->wasted);
	json_u64(&j, "evicted", o->evicted);
	json_u64(&j, "unjudged", g->issue.pages[TARGET_READ] + g->issue.unlogged);
	json_u64(&j, "read_errors", helpers_errors());
	json_u64(&j, "demanded", o->demanded);
	json_u64(&j, "covered", o->covered);
	json_u64(&j, "majors", o->majors);
	json_u64(&j, "lost", trigger_lost(g->daemon->trigger) + g->daemon->faults.dropped);
	json_u64(&j, "duration_us", o->duration_ns / NS_PER_US);
	put(g->daemon, &j);
}

void report_record(struct group *g, size_t added, size_t aged)
{
	const struct workset *w = &g->learned;
	uint64_t files = 0;
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	for (size_t i = 0; i < w->npages; i++)
		files += w->regions[ws_region(w->pages[i].key)].kind == REGION_FILE;
	begin_group(&j, buf, "record", now_ns(), g);
	json_u64(&j, "activation", g->number);
	json_u64(&j, "pages_added", added);
	json_u64(&j, "pages_aged", aged);
	json_u64(&j, "set_pages", w->npages);
	json_u64(&j, "file_pages", files);
	json_u64(&j, "regions", w->nregions);
	json_u64(&j, "files", w->nfiles);
	json_u64(&j, "roles", w->nroles);
	json_bool(&j, "truncated", w->truncated || g->demand.truncated);
	json_u64(&j, "pool_used_bytes", g->daemon->pool.used);
	put(g->daemon, &j);
}
