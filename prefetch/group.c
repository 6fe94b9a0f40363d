#include "group.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "daemon.h"
#include "report.h"

#define NS_OF_MS(ms)   ((uint64_t)(ms) * NS_PER_MS)
#define MAX_ACTIVATION NS_OF_MS(120000) /* one that never settles is judged and learnt from all the same */
#define MAX_STALE      NS_OF_MS(5000)	/* under lasting reclaim: a snapshot this often, no more */

int group_init(struct group *g, struct daemon *d, unsigned int index)
{
	size_t max_ranges = (size_t)d->options.max_ranges;

	g->daemon = d;
	g->index = index;
	g->members.spec = &d->options.groups[index];
	g->snapshot_due = true;
	g->last_major_ns = now_ns();
	if (pageset_allocate(&g->before, max_ranges) < 0 || pageset_allocate(&g->learned, max_ranges) < 0 ||
	    pageset_allocate(&g->plan, max_ranges) < 0)
		return -1;
	return g->members.spec->ncomms ? trigger_attach(&g->trigger, -1, d->epfd, index) : 0;
}

int group_attach(struct group *g)
{
	if (!members_resolve(&g->members))
		return 0;
	trigger_detach(&g->trigger);
	g->snapshot_due = true;
	for (size_t i = 0; i < g->members.ndirs; i++) {
		int fd = open(g->members.dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			continue; /* removed meanwhile: the next tick sees that */
		if (trigger_attach(&g->trigger, fd, g->daemon->epfd, g->index) < 0) {
			close(fd);
			return -1;
		}
		close(fd);
	}
	return 0;
}

static void forget_slot(void *context, unsigned int slot)
{
	struct group *g = context;

	pageset_drop_slot(&g->before, slot);
	pageset_drop_slot(&g->learned, slot);
	pageset_drop_slot(&g->plan, slot);
}

static void scan_all(struct group *g, enum scan_what what, struct pageset *out)
{
	pageset_clear(out);
	for (unsigned int slot = 0; slot < MAX_MEMBERS; slot++)
		if (g->members.slots[slot].used)
			scan_process(g->daemon->scan, g->members.slots[slot].pid, slot, what, out);
}

void group_replan(struct group *g)
{
	if (!g->active)
		pageset_absent(&g->learned, &g->before, &g->plan);
}

/* Have everything at hand that an activation needs, so that none of it is done between trigger and issue. */
static void take_snapshot(struct group *g, uint64_t reclaimed)
{
	uint64_t start = now_ns();

	members_refresh(&g->members, forget_slot, g);
	scan_all(g, SCAN_ABSENT, &g->before);
	group_replan(g);
	g->reclaimed = reclaimed;
	g->snapshot_due = false;
	g->fresh = true;
	g->snapshot_ns = now_ns();
	g->snapshot_took_ns = g->snapshot_ns - start;
}

/* The paper's policy: all pages in swap of the processes that did not fault. */
static void plan_siblings(struct group *g)
{
	int faulting = members_find(&g->members, g->first.pid);

	if (!g->fresh)
		take_snapshot(g, g->reclaimed_at_tick);
	rangeset_copy(&g->plan.kind[KIND_ANON], &g->before.kind[KIND_ANON]);
	rangeset_clear(&g->plan.kind[KIND_FILE]);
	rangeset_copy(&g->plan.kind[KIND_COW], &g->before.kind[KIND_COW]);
	if (faulting >= 0)
		pageset_drop_slot(&g->plan, (unsigned int)faulting);
}

/* A snapshot that reclaim has overtaken cannot tell what is absent by now: all that was learnt may be. */
static void plan_working_set(struct group *g)
{
	if (!g->fresh)
		pageset_copy(&g->plan, &g->learned);
}

/* Faults outside an activation do not end the quiet: a background thread's must not hide the request's. */
static void await_activation(struct group *g, const struct fault *f)
{
	const struct options *o = &g->daemon->options;
	bool first;
	bool enough = burst_add(&g->burst, f->t, o->burst, NS_OF_MS(o->burst_ms), &first);

	if (first) {
		g->first = *f;
		g->majors = 0;
		g->faults.n = 0;
	}
	g->quiet_ns = elapsed_ns(g->last_major_ns, g->first.t);
	g->active = enough && g->quiet_ns >= NS_OF_MS(o->quiet_ms);
}

static void log_fault(void *context, const struct fault *f)
{
	struct group *g = context;
	int slot;

	if (f->pid == getpid() || (g->members.spec->ncomms && !members_named(&g->members, f->pid)))
		return;
	if (!g->active)
		await_activation(g, f);
	g->majors++;
	if (g->active && f->t > g->last_major_ns)
		g->last_major_ns = f->t;
	slot = members_find(&g->members, f->pid);
	if (slot >= 0 && g->faults.n < MAX_FAULTS)
		g->faults.keys[g->faults.n++] = page_key((unsigned int)slot, f->address);
}

static void drain(void *context)
{
	struct group *g = context;

	trigger_drain(&g->trigger, log_fault, g);
}

/* Ours alone: the paper's policy asks for nothing of the kind. Groups by name have no cgroup to hold. */
static void hold(struct group *g)
{
	uint64_t bytes = pageset_count(&g->plan) * PAGE_BYTES;

	for (size_t i = 0; i < g->members.ndirs; i++)
		protect_begin(&g->held[i], g->members.dirs[i], bytes);
}

void group_release(struct group *g)
{
	for (size_t i = 0; i < MAX_DIRS; i++)
		protect_end(&g->held[i]);
}

static void activate(struct group *g)
{
	g->number++;
	g->policy = g->daemon->policy;
	g->last_busy_ns = g->first.t;
	memset(&g->issued, 0, sizeof(g->issued));
	if (g->policy == POLICY_SIBLINGS)
		plan_siblings(g);
	else if (g->policy == POLICY_WORKING_SET)
		plan_working_set(g);
	if (g->policy != POLICY_OFF) {
		g->limited = pageset_limit(&g->plan, g->daemon->options.max_pages);
		if (g->policy == POLICY_WORKING_SET)
			hold(g);
		issue_run(&g->members, &g->plan, drain, g, &g->issued);
	}
	report_trigger(g);
	if (g->policy != POLICY_OFF)
		report_issue(g);
}

void group_faulted(struct group *g)
{
	bool was_active = g->active;

	drain(g);
	if (g->active && !was_active)
		activate(g);
}

/* Faults on pages that reclaim took again before the settled scan: known by their addresses alone. */
static uint64_t learn_faults(struct group *g)
{
	uint64_t added = 0;

	for (size_t i = 0; i < g->faults.n; i++) {
		uint64_t key = g->faults.keys[i];
		const struct member *member = &g->members.slots[key_slot(key)];
		enum page_kind kind;

		if (!member->used || pageset_contains(&g->learned, key))
			continue;
		if (!scan_kind(member->pid, key_address(key), &kind))
			continue;
		if (kind == KIND_FILE && rangeset_contains(&g->before.kind[KIND_COW], key))
			kind = KIND_COW;
		rangeset_insert(&g->learned.kind[kind], key);
		added++;
	}
	return added;
}

/* Without walking the group again: a process taken up only now has no BEFORE, and all its file pages would
 * seem brought in. */
static void settle(struct group *g)
{
	struct daemon *d = g->daemon;
	uint64_t used = 0;
	uint64_t added;
	uint64_t t;

	scan_all(g, SCAN_MAPPED, &d->after);
	t = now_ns();
	if (g->policy != POLICY_OFF)
		used = rangeset_common(&g->plan.kind[KIND_ANON], &d->after.kind[KIND_ANON]) +
		       rangeset_common(&g->plan.kind[KIND_FILE], &d->after.kind[KIND_FILE]);
	report_outcome(g, t, used);
	pageset_brought_in(&g->before, &d->after, &d->brought);
	added = pageset_merge(&g->learned, &d->brought, &d->scratch);
	added += learn_faults(g);
	report_record(g, t, added);
	group_release(g);
	g->active = false;
	g->burst.count = 0;
	g->snapshot_due = true;
	g->fresh = false;
}

static uint64_t latest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Majors vanish once a prefetch works, so an activation lasts as long as its processes work, too. */
static void watch_activity(struct group *g, uint64_t now)
{
	uint64_t cpu_ns = members_cpu_ns(&g->members);
	uint64_t used_percent = elapsed_ns(g->cpu_ns, cpu_ns) * 100 / (elapsed_ns(g->tick_ns, now) + 1);

	if (used_percent > g->daemon->options.busy_percent)
		g->last_busy_ns = now;
	g->cpu_ns = cpu_ns;
	g->tick_ns = now;
}

void group_tick(struct group *g, uint64_t now, uint64_t reclaimed)
{
	uint64_t last = latest(g->last_major_ns, g->last_busy_ns);
	bool calm = reclaimed == g->reclaimed_at_tick;

	watch_activity(g, now);
	g->reclaimed_at_tick = reclaimed;
	if (g->active) {
		if (elapsed_ns(last, now) >= NS_OF_MS(g->daemon->options.settle_ms) ||
		    elapsed_ns(g->first.t, now) >= MAX_ACTIVATION)
			settle(g);
		return;
	}
	if (reclaimed != g->reclaimed)
		g->fresh = false;
	if (g->fresh && !g->snapshot_due && !members_lost(&g->members))
		return;
	if (calm || elapsed_ns(g->snapshot_ns, now) >= MAX_STALE)
		take_snapshot(g, reclaimed);
}
