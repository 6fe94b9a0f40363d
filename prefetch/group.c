#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "daemon.h"
#include "report.h"
#include "roles.h"
#include "setfile.h"

#define NS_OF_MS(ms)	 ((uint64_t)(ms) * NS_PER_MS)
#define MAX_ACTIVATION	 NS_OF_MS(120000) /* one that never settles is judged and learnt from all the same */
#define MAX_STALE	 NS_OF_MS(5000)	  /* under lasting reclaim: a snapshot this often, no more */
#define PAGES_OF_MIB(m)	 ((uint64_t)(m) * 256)
#define LOOK_PAGES	 2048u /* issued between two looks at the machine's memory */
#define DISK_PAUSE	 NS_OF_MS(1)
#define RECLAIM_PAUSE	 NS_OF_MS(2)
#define MAX_RECLAIM_WAITS 64u
#define WORKER_PAGES	 4096u
#define FOREIGN_BURST	 8u /* times the burst, for a role that is not the leader, in a container that has one */

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
	g->quota = PAGES_OF_MIB(d->options.max_mib);
	snprintf(g->name, sizeof(g->name), "%s", name);
	members_init(&g->members, spec, cgroup, &d->pool);
	pageset_init(&g->before, &d->pool);
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
	workset_clear(&g->learned);
	workset_clear(&g->oracle);
	files_close(&g->files);
	plan_free(&g->plan);
	issue_free(&g->issue);
	demand_free(&g->demand);
	g->used = false;
}

static void forget_slot(void *context, unsigned int slot)
{
	struct group *g = context;

	pageset_drop_slot(&g->before, slot);
}

static pid_t any_member(const struct group *g)
{
	for (size_t i = 0; i < g->members.nslots; i++)
		if (g->members.slots[i].used)
			return g->members.slots[i].pid;
	return 0;
}

static void plan_oracle(struct group *g)
{
	struct daemon *d = g->daemon;
	const char *wrong;

	if (!g->oracle.npages) {
		wrong = setfile_load(&g->oracle, d->options.oracle, g->name);
		if (wrong)
			report_warning(d, "%s is ignored: %s", d->options.oracle, wrong[0] ? wrong : "it is not there");
	}
	roles_assign(&g->members, &g->oracle);
	plan_working_set(&g->plan, &g->oracle, &g->members, &d->places);
}

static const struct workset *planned_set(const struct group *g)
{
	return g->daemon->policy == POLICY_ORACLE ? &g->oracle : &g->learned;
}

void group_replan(struct group *g)
{
	if (g->active) {
		g->dirty = true;
		return;
	}
	if (g->daemon->policy == POLICY_ORACLE) {
		plan_oracle(g);
	} else {
		workset_clear(&g->oracle);
		roles_assign(&g->members, &g->learned);
		plan_working_set(&g->plan, &g->learned, &g->members, &g->daemon->places);
	}
	places_free(&g->daemon->places);
	files_open(&g->files, planned_set(g), any_member(g));
	for (size_t i = 0; i < planned_set(g)->nfiles; i++)
		disks_add(&g->daemon->disks, planned_set(g)->files[i].device);
	issue_reserve(&g->issue, &g->plan);
}

/* Have everything at hand that an activation needs, so that none of it is done between trigger and issue. */
static void take_snapshot(struct group *g)
{
	uint64_t start = now_ns();

	members_refresh(&g->members, forget_slot, g);
	pageset_clear(&g->before);
	for (unsigned int slot = 0; slot < g->members.nslots; slot++) {
		g->members.slots[slot].fresh = false;
		if (g->members.slots[slot].used)
			scan_process(g->daemon->scan, g->members.slots[slot].pid, slot, SCAN_ABSENT, &g->before);
	}
	group_replan(g);
	budget_read(&g->memory, g->members.dir);
	g->dirty = false;
	g->fresh = true;
	g->snapshot_ns = now_ns();
	g->snapshot_took_ns = g->snapshot_ns - start;
}

static bool is_trusted(const struct group *g, pid_t pid)
{
	int slot = members_find(&g->members, pid);
	int role = slot < 0 ? NO_ROLE : g->members.slots[slot].role;

	return g->daemon->options.trust && role != NO_ROLE && (size_t)role < g->learned.nroles &&
	       g->learned.roles[role].trust > 0;
}

static bool has_leader(const struct group *g)
{
	for (size_t i = 0; g->daemon->options.trust && i < g->learned.nroles; i++)
		if (g->learned.roles[i].trust > 0)
			return true;
	return false;
}

static void begin_burst(struct group *g, const struct fault *f)
{
	g->first = *f;
	g->majors = 0;
	faultlog_drop(&g->daemon->faults, g->index);
}

static bool quiet_enough(struct group *g, const struct fault *f)
{
	g->quiet_ns = elapsed_ns(g->last_major_ns, f->t);
	return g->quiet_ns >= NS_OF_MS(g->daemon->options.quiet_ms);
}

/* Faults outside an activation do not end the quiet: a background thread's must not hide the request's. */
static void await_activation(struct group *g, const struct fault *f)
{
	const struct options *o = &g->daemon->options;
	bool first;
	bool enough;

	if (is_trusted(g, f->pid) && quiet_enough(g, f)) {
		begin_burst(g, f);
		g->opened_by = BY_LEADER;
		g->active = true;
		return;
	}
	if (f->source != FAULT_MAJOR)
		return;
	enough = burst_add(&g->burst, f->t, has_leader(g) ? o->burst * FOREIGN_BURST : o->burst, NS_OF_MS(o->burst_ms),
			   &first);
	if (first)
		begin_burst(g, f);
	g->opened_by = BY_BURST;
	g->active = enough && quiet_enough(g, &g->first);
}

static void log_fault(struct group *g, const struct fault *f)
{
	g->majors++;
	if (g->active && f->t > g->last_major_ns)
		g->last_major_ns = f->t;
	faultlog_add(&g->daemon->faults, &(struct logged_fault){
						 .address = f->address,
						 .t_us = (uint32_t)(elapsed_ns(g->first.t, f->t) / NS_PER_US),
						 .pid = f->pid,
						 .group = (uint16_t)g->index,
					 });
}

/* Ours alone: the paper's policy asks for nothing of the kind. Groups by name have no cgroup to hold. */
static void hold(struct group *g)
{
	bool wanted = g->policy == POLICY_WORKING_SET || g->policy == POLICY_ORACLE;

	if (wanted && g->daemon->options.hold && g->members.dir[0])
		protect_begin(&g->held, g->members.dir, g->plan.pages * PAGE_BYTES);
}

void group_release(struct group *g)
{
	protect_end(&g->held);
}

static struct group *wrong_group(struct group *g)
{
	struct daemon *d = g->daemon;

	for (unsigned int i = 1; i < MAX_GROUPS; i++) {
		struct group *other = &d->groups[(g->index + i) % MAX_GROUPS];

		if (other->used && !other->active && other->plan.n)
			return other;
	}
	return NULL;
}

/* The paper's policy, and its controls: what is in swap now. */
static void plan_all_swapped(struct group *g)
{
	int faulting = members_find(&g->members, g->first.pid);

	if (!g->fresh) {
		g->active = false; /* or nothing would be planned */
		take_snapshot(g);
		g->active = true;
	}
	if (g->policy == POLICY_SAME_PROCESS && faulting < 0)
		plan_free(&g->plan);
	else
		plan_swapped(&g->plan, &g->before, g->policy == POLICY_SIBLINGS ? faulting : -1,
			     g->policy == POLICY_SAME_PROCESS ? faulting : -1);
	issue_reserve(&g->issue, &g->plan);
}

static struct group *choose_source(struct group *g)
{
	switch (g->policy) {
	case POLICY_OFF:
		return NULL;
	case POLICY_OTHER_CONTAINER:
		return wrong_group(g);
	case POLICY_SIBLINGS:
	case POLICY_SAME_PROCESS:
	case POLICY_CONTAINER:
		plan_all_swapped(g);
		return g;
	default:
		return g;
	}
}

/* A forked worker gets what its role needs when it first faults: which of a pool serves, nobody knows before. */
static void wake_worker(struct group *g, pid_t pid, enum target_kind kind)
{
	int slot = members_find(&g->members, pid);

	if (slot < 0 || g->source != g || !g->members.slots[slot].worker || g->members.slots[slot].role == NO_ROLE)
		return;
	g->members.slots[slot].woken = true;
	issue_worker(&g->issue, (unsigned int)slot, kind, g->quota < WORKER_PAGES ? g->quota : WORKER_PAGES);
}

static uint64_t window_pages(const struct group *g)
{
	uint64_t issued = issue_pages(&g->issue);
	uint64_t left = g->quota > issued ? g->quota - issued : 0;

	return left < WINDOW_PAGES ? left : WINDOW_PAGES;
}

static bool memory_allows(struct group *g)
{
	uint64_t window = window_pages(g);

	g->stopped = budget_allows(&g->memory, issue_pages(&g->issue), window ? window : 1,
				   g->daemon->options.share_percent, g->quota);
	return g->stopped == GO;
}

/* The process that faulted is about to fault again: its own pages go before everybody's, and those that are read
 * one by one after the first window of all that can be asked for at once. */
static void issue_first(struct group *g)
{
	if (!memory_allows(g))
		return;
	wake_worker(g, g->first.pid, TARGET_ADVISE);
	if (memory_allows(g))
		issue_window(&g->issue, window_pages(g));
	wake_worker(g, g->first.pid, TARGET_READ);
}

static void activate(struct group *g)
{
	struct daemon *d = g->daemon;

	g->number++;
	g->policy = d->policy;
	g->last_busy_ns = g->last_major_ns = g->first.t;
	g->ticks = 0;
	g->stopped = GO;
	g->looked_pages = 0;
	g->disk_waits = g->reclaim_waits = 0;
	g->resume_ns = 0;
	demand_clear(&g->demand);
	for (size_t i = 0; i < g->members.nslots; i++)
		g->members.slots[i].woken = false;
	g->source = choose_source(g);
	g->issuing = g->source != NULL;
	if (g->source) {
		const struct workset *w = g->policy == POLICY_ORACLE ? &g->source->oracle : &g->source->learned;

		issue_begin(&g->issue, &g->source->plan, w, &g->source->members, &g->source->files, g->first.t);
		issue_first(g);
		hold(g);
	} else {
		issue_begin(&g->issue, &g->plan, &g->learned, &g->members, &g->files, g->first.t);
	}
	trigger_entry(d->trigger, g->index, false);
	report_trigger(g);
}

static bool is_ours(struct group *g, const struct fault *f)
{
	return f->pid != getpid() && (!g->members.spec->ncomms || members_named(&g->members, f->pid));
}

void group_faulted(struct group *g, const struct fault *f)
{
	bool was_active = g->active;
	int slot;

	if (!is_ours(g, f))
		return;
	if (!g->active)
		await_activation(g, f);
	if (f->source == FAULT_MAJOR)
		log_fault(g, f);
	if (!g->active)
		return;
	if (!was_active) {
		activate(g);
		return;
	}
	slot = members_find(&g->members, f->pid);
	if (slot >= 0 && g->source && !g->members.slots[slot].woken) {
		wake_worker(g, f->pid, TARGET_ADVISE);
		wake_worker(g, f->pid, TARGET_READ);
	}
}

static void stop_issuing(struct group *g)
{
	g->issuing = false;
	report_issue(g);
}

/* Others wait for memory that we use up: let the background reclaim catch up. */
static bool must_wait_for_reclaim(struct group *g, uint64_t now)
{
	uint64_t stalls = g->memory.stalls;

	if (issue_pages(&g->issue) < g->looked_pages + LOOK_PAGES && !g->resume_ns)
		return false;
	budget_read(&g->memory, g->members.dir);
	g->looked_pages = issue_pages(&g->issue);
	if (g->memory.stalls == stalls || g->reclaim_waits == MAX_RECLAIM_WAITS)
		return false;
	g->reclaim_waits++;
	g->resume_ns = now + RECLAIM_PAUSE;
	return true;
}

uint64_t group_issue(struct group *g, uint64_t now)
{
	uint64_t depth = g->daemon->options.depth;

	if (now < g->resume_ns)
		return g->resume_ns - now;
	if (must_wait_for_reclaim(g, now))
		return RECLAIM_PAUSE;
	if (!memory_allows(g)) {
		stop_issuing(g);
		return UINT64_MAX;
	}
	if (depth && disks_reads(&g->daemon->disks) > depth) {
		g->disk_waits++;
		g->resume_ns = now + DISK_PAUSE;
		return DISK_PAUSE;
	}
	g->resume_ns = 0;
	if (issue_window(&g->issue, window_pages(g)))
		return 0;
	stop_issuing(g);
	return UINT64_MAX;
}

static void settle(struct group *g, uint64_t now)
{
	struct outcome *o = &g->history[g->number % HISTORY];
	size_t aged;
	size_t added;

	if (g->issuing)
		stop_issuing(g);
	*o = (struct outcome){
		.number = g->number,
		.policy = g->source ? g->policy : POLICY_OFF,
		.t = now,
		.duration_ns = elapsed_ns(g->first.t, now),
		.majors = g->majors,
		.first_issue_ns = elapsed_ns(g->first.t, g->issue.first_ns),
	};
	added = learn_settle(g, o, &aged);
	if (g->source)
		g->quota = budget_adapt(g->quota, PAGES_OF_MIB(g->daemon->options.max_mib), o->issued, o->used + o->late);
	report_outcome(g, o);
	report_record(g, added, aged);
	demand_free(&g->demand);
	faultlog_drop(&g->daemon->faults, g->index);
	group_release(g);
	save(g);
	trigger_entry(g->daemon->trigger, g->index, true);
	g->active = false;
	g->source = NULL;
	g->burst.count = 0;
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

static void tick_active(struct group *g, uint64_t now)
{
	g->ticks++;
	watch_activity(g, now);
	members_refresh(&g->members, forget_slot, g);
	learn_sample(g);
	if (elapsed_ns(latest(g->last_major_ns, g->last_busy_ns), now) >= NS_OF_MS(g->daemon->options.settle_ms) ||
	    elapsed_ns(g->first.t, now) >= MAX_ACTIVATION)
		settle(g, now);
}

bool group_tick(struct group *g, uint64_t now, bool reclaiming, bool may_scan)
{
	if (g->active) {
		tick_active(g, now);
		return false;
	}
	if (reclaiming) {
		g->fresh = false;
		g->dirty = true;
	}
	if (!g->dirty || !may_scan || (reclaiming && elapsed_ns(g->snapshot_ns, now) < MAX_STALE))
		return false;
	take_snapshot(g);
	return true;
}

void group_forget(struct group *g)
{
	workset_clear(&g->learned);
	g->quota = PAGES_OF_MIB(g->daemon->options.max_mib);
	save(g);
	group_replan(g);
}

const struct outcome *group_last(const struct group *g)
{
	const struct outcome *o = &g->history[g->number % HISTORY];

	return o->number ? o : NULL;
}
