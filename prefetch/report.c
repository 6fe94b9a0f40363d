#include "report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "jsonline.h"

static void begin(struct jsonline *j, char *buf, const char *event, uint64_t t)
{
	json_begin(j, buf, EVENT_LINE_CAP);
	json_string(j, "event", event);
	json_seconds(j, "t", t);
}

static void begin_group(struct jsonline *j, char *buf, const char *event, uint64_t t, const struct group *g)
{
	begin(j, buf, event, t);
	json_string(j, "group", g->members.spec->name);
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
	char buf[EVENT_LINE_CAP];
	struct jsonline j;
	struct utsname uts;

	uname(&uts);
	begin(&j, buf, "start", now_ns());
	json_u64(&j, "version", 1);
	json_i64(&j, "pid", getpid());
	json_string(&j, "kernel", uts.release);
	json_string(&j, "policy", policy_name(d->policy));
	json_string(&j, "scan", d->scan == SCAN_IOCTL ? "ioctl" : "pagemap");
	json_u64(&j, "quiet_ms", d->options.quiet_ms);
	json_u64(&j, "burst", d->options.burst);
	json_u64(&j, "burst_ms", d->options.burst_ms);
	json_u64(&j, "settle_ms", d->options.settle_ms);
	json_u64(&j, "busy_percent", d->options.busy_percent);
	json_u64(&j, "max_pages", d->options.max_pages);
	json_u64(&j, "max_ranges", d->options.max_ranges);
	json_u64(&j, "set_bytes", daemon_set_bytes(&d->options));
	json_open(&j, "groups", '[');
	for (size_t i = 0; i < d->options.ngroups; i++)
		put_spec(&j, &d->options.groups[i]);
	json_close(&j, ']');
	put(d, &j);
}

void report_policy(struct daemon *d)
{
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	begin(&j, buf, "policy", now_ns());
	json_string(&j, "policy", policy_name(d->policy));
	put(d, &j);
}

void report_trigger(struct group *g)
{
	char buf[EVENT_LINE_CAP];
	char comm[COMM_CAP + 1];
	struct jsonline j;

	read_comm(g->first.pid, comm, sizeof(comm));
	begin_group(&j, buf, "trigger", g->first.t, g);
	json_u64(&j, "activation", g->number);
	json_i64(&j, "pid", g->first.pid);
	json_string(&j, "comm", comm);
	json_string(&j, "policy", policy_name(g->policy));
	json_u64(&j, "quiet_us", g->quiet_ns / NS_PER_US);
	json_bool(&j, "fresh", g->fresh);
	put(g->daemon, &j);
}

void report_issue(struct group *g)
{
	const struct issue_result *r = &g->issued;
	uint64_t pages = r->pages[KIND_ANON] + r->pages[KIND_FILE] + r->pages[KIND_COW];
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	begin_group(&j, buf, "issue", r->done_ns, g);
	json_u64(&j, "activation", g->number);
	json_string(&j, "policy", policy_name(g->policy));
	json_u64(&j, "processes", r->processes);
	json_u64(&j, "pages", pages);
	json_u64(&j, "bytes", pages * PAGE_BYTES);
	json_u64(&j, "anon_pages", r->pages[KIND_ANON]);
	json_u64(&j, "file_pages", r->pages[KIND_FILE]);
	json_u64(&j, "cow_pages", r->pages[KIND_COW]);
	json_u64(&j, "first_issue_us", elapsed_ns(g->first.t, r->first_ns) / NS_PER_US);
	json_u64(&j, "done_us", elapsed_ns(g->first.t, r->done_ns) / NS_PER_US);
	json_u64(&j, "errors", r->errors);
	json_bool(&j, "limited", g->limited);
	put(g->daemon, &j);
}

void report_outcome(struct group *g, uint64_t t, uint64_t used)
{
	uint64_t judged = rangeset_count(&g->plan.kind[KIND_ANON]) + rangeset_count(&g->plan.kind[KIND_FILE]);
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	if (g->policy == POLICY_OFF)
		judged = 0;
	begin_group(&j, buf, "outcome", t, g);
	json_u64(&j, "activation", g->number);
	json_string(&j, "policy", policy_name(g->policy));
	json_u64(&j, "issued", judged);
	json_u64(&j, "used", used);
	json_u64(&j, "wasted", judged - used);
	json_u64(&j, "unjudged", g->issued.pages[KIND_COW]);
	json_u64(&j, "majors", g->majors);
	json_u64(&j, "lost", g->trigger.lost);
	json_u64(&j, "duration_us", elapsed_ns(g->first.t, t) / NS_PER_US);
	put(g->daemon, &j);
}

void report_record(struct group *g, uint64_t t, uint64_t added)
{
	char buf[EVENT_LINE_CAP];
	struct jsonline j;

	begin_group(&j, buf, "record", t, g);
	json_u64(&j, "activation", g->number);
	json_u64(&j, "pages_added", added);
	json_u64(&j, "set_pages", pageset_count(&g->learned));
	json_u64(&j, "anon_pages", rangeset_count(&g->learned.kind[KIND_ANON]));
	json_u64(&j, "file_pages", rangeset_count(&g->learned.kind[KIND_FILE]));
	json_u64(&j, "cow_pages", rangeset_count(&g->learned.kind[KIND_COW]));
	json_bool(&j, "truncated", pageset_truncated(&g->learned));
	put(g->daemon, &j);
}
