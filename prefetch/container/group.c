#include "container/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container/activation.h"
#include "container/daemon.h"
#include "container/opening.h"
#include "container/quiet.h"
#include "container/report.h"
#include "guest_c/clock.h"
#include "model/setfile.h"
#include "policy/wake.h"

#define MAX_ACTIVATION	 NS_OF_MS(120000) /* one that never settles is judged and learnt from all the same */
#define MAX_ENTRIES	 256u /* a container that enters faults all the time is not idle: it is left alone ... */
#define ENTRY_WINDOW	 NS_OF_MS(2000)
#define ENTRY_PAUSE	 NS_OF_MS(10000) /* ... for this long */
#define MAX_STALE	 NS_OF_MS(30000)  /* under lasting reclaim: a snapshot this often, no more */

static void load(struct group *g)
{
	char path[2 * PATH_CAP];
	const char *wrong;

	if (!g->daemon->options.state[0] || setfile_path(path, sizeof(path), g->daemon->options.state, g->name) < 0)
		return;
	wrong = setfile_load(&g->learned, path, g->name);
	if (wrong && wrong[0])
		report_warning(g->daemon, "%s is ignored: %s", path, wrong);
}

static void save(struct group *g)
{
	const char *dir = g->daemon->options.state;

	if (dir[0] && setfile_save(&g->learned, dir, g->name) < 0)
		report_warning(g->daemon, "the set of %s was not saved in %s: %s", g->name, dir, strerror(errno));
}

/* Each of them costs the process that faults, and us: they come only where one could begin an activation. */
static void watch_entries(const struct group *g)
{
	trigger_entry(g->daemon->trigger, g->index, opening_has_leader(g));
}

static void attach(struct group *g)
{
	int fd = -1;

	if (g->members.dir[0]) {
		fd = open(g->members.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return; /* removed meanwhile: the watch will tell */
	}
	if (trigger_attach(g->daemon->trigger, g->index, fd) < 0)
		report_warning(g->daemon, "group %s is not watched: perf_event_open: %s", g->name, strerror(errno));
	if (fd >= 0)
		close(fd);
	watch_entries(g);
}

static void reset_quotas(struct group *g)
{
	for (int by = 0; by < OPENINGS; by++)
		g->quota[by] = PAGES_OF_MIB(g->daemon->options.max_mib);
}

void group_init(struct group *g, struct daemon *d, unsigned int index, const struct group_spec *spec, const char *name,
		const char *cgroup, uint64_t inode)
{
	memset(g, 0, sizeof(*g));
	g->daemon = d;
	g->index = index;
	g->inode = inode;
	g->used = true;
	g->dirty = true;
	g->last_major_ns = now_ns();
	reset_quotas(g);
	snprintf(g->name, sizeof(g->name), "%s", name);
	members_init(&g->members, spec, cgroup, &d->pool);
	pageset_init(&g->before, &d->pool);
	pageset_init(&g->present, &d->pool);
	workset_init(&g->learned, &d->pool);
	workset_init(&g->oracle, &d->pool);
	files_init(&g->files, &d->pool);
	plan_init(&g->plan, &d->pool);
	issue_init(&g->issue, &d->pool);
	demand_init(&g->demand, &d->pool);
	protect_recover(cgroup);
	load(g);
	attach(g);
}

void group_free(struct group *g)
{
	group_release(g);
	trigger_detach(g->daemon->trigger, g->index);
	faultlog_drop(&g->daemon->faults, g->index);
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (g->daemon->groups[i].source == g)
			g->daemon->groups[i].issuing = false;
	members_free(&g->members);
	pageset_free(&g->before);
	pageset_free(&g->present);
	workset_clear(&g->learned);
	workset_clear(&g->oracle);
	files_close(&g->files);
	plan_free(&g->plan);
	issue_free(&g->issue);
	demand_free(&g->demand);
	learn_tidy(g);
	g->used = false;
}

static void log_fault(struct group *g, const struct fault *f)
{
	struct logged_fault logged = {
		.address = f->address,
		.t_us = (uint32_t)(elapsed_ns(g->first.t, f->t) / NS_PER_US),
		.pid = f->pid,
		.group = (uint16_t)g->index,
	};

	g->majors++;
	if (!g->active) {
		faultlog_add(&g->daemon->faults, &logged);
		return;
	}
	if (f->t > g->last_major_ns)
		g->last_major_ns = f->t;
	learn_fault(g, &logged);
}

/* The name of the process that the last fault is of, read once at most. */
static const char *last_comm(struct daemon *d)
{
	if (!d->last_comm[0])
		read_comm(d->last.pid, d->last_comm, sizeof(d->last_comm));
	return d->last_comm;
}

/* Whose names are watched is told of every fault of the machine: what can be known without reading a name comes first. */
static bool is_ours(const struct group *g, const struct fault *f)
{
	if (f->pid == getpid())
		return false;
	if (!g->members.spec->ncomms)
		return true;
	if (f->source == FAULT_ENTRY && (g->active || !opening_trusts(g, f->pid)))
		return false;
	return members_listed(&g->members, last_comm(g->daemon));
}

static void count_entry(struct group *g, uint64_t t)
{
	if (elapsed_ns(g->entries_ns, t) >= ENTRY_WINDOW) {
		g->entries_ns = t;
		g->entries = 0;
	}
	if (++g->entries < MAX_ENTRIES || g->entry_off_ns)
		return;
	g->entry_off_ns = g->daemon->busy_ns = now_ns();
	trigger_entry(g->daemon->trigger, g->index, false);
}

static void end_pause(struct group *g, uint64_t now)
{
	if (!g->entry_off_ns || elapsed_ns(g->entry_off_ns, now) < ENTRY_PAUSE)
		return;
	g->entry_off_ns = 0;
	watch_entries(g);
}

void group_faulted(struct group *g, const struct fault *f)
{
	bool was_active = g->active;
	int slot;

	if (!is_ours(g, f))
		return;
	if (!g->active)
		opening_look(g, f);
	if (g->active && !was_active)
		activation_begin(g);
	if (f->source == FAULT_MAJOR)
		log_fault(g, f); /* judged by what this activation issues, not by what the last one did */
	if (!g->active && f->source == FAULT_ENTRY)
		count_entry(g, f->t);
	if (!was_active)
		return;
	slot = members_find(&g->members, f->pid);
	if (slot >= 0 && g->source && !g->members.slots[slot].woken)
		activation_wake(g, f->pid);
	if (g->issuing && f->source == FAULT_MAJOR)
		activation_hurry(g, f);
}

void group_release(struct group *g)
{
	protect_end(&g->held);
}

static void settle(struct group *g, uint64_t now)
{
	struct outcome *o = &g->history[g->number % HISTORY];
	uint64_t *quota = &g->quota[g->opened_by];
	size_t aged;
	size_t added;

	if (g->issuing) {
		g->stopped = STOP_SETTLED;
		activation_stop(g);
	}
	*o = (struct outcome){
		.number = g->number,
		.policy = g->source ? g->policy : POLICY_OFF,
		.by = g->opened_by,
		.t = now,
		.duration_ns = elapsed_ns(g->first.t, now),
		.majors = g->majors,
		.first_issue_ns = elapsed_ns(g->first.t, g->issue.first_ns),
	};
	added = learn_settle(g, o, &aged);
	if (g->source)
		*quota = budget_adapt(*quota, PAGES_OF_MIB(g->daemon->options.max_mib), o->issued, o->used + o->late);
	report_outcome(g, o);
	report_record(g, added, aged);
	demand_free(&g->demand);
	faultlog_drop(&g->daemon->faults, g->index);
	group_release(g);
	save(g);
	watch_entries(g);
	g->active = false;
	g->source = NULL;
	g->burst.count = 0;
	g->entry_off_ns = 0;
	g->dirty = true;
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

static bool is_over(const struct group *g, uint64_t now)
{
	const struct options *o = &g->daemon->options;

	if (elapsed_ns(g->first.t, now) >= MAX_ACTIVATION)
		return true;
	if (g->opened_by == BY_WAKE && wake_awaits(g->first.t, now, o->wake_ms))
		return false;
	return elapsed_ns(latest(g->last_major_ns, g->last_busy_ns), now) >= NS_OF_MS(o->settle_ms);
}

static void tick_active(struct group *g, uint64_t now)
{
	activation_attend(g);
	g->ticks++;
	watch_activity(g, now);
	members_refresh(&g->members, quiet_forget, g);
	learn_sample(g);
	if (is_over(g, now))
		settle(g, now);
}

bool group_tick(struct group *g, uint64_t now, bool reclaiming, bool may_scan)
{
	if (g->active) {
		tick_active(g, now);
		return false;
	}
	end_pause(g, now);
	if (reclaiming) {
		g->fresh = false;
		g->dirty = true;
	}
	if (!g->dirty || !may_scan || (reclaiming && elapsed_ns(g->snapshot_ns, now) < MAX_STALE))
		return false;
	quiet_snapshot(g);
	return true;
}

void group_forget(struct group *g)
{
	workset_clear(&g->learned);
	reset_quotas(g);
	save(g);
	group_replan(g);
}

const struct outcome *group_last(const struct group *g)
{
	const struct outcome *o = &g->history[g->number % HISTORY];

	return o->number ? o : NULL;
}
