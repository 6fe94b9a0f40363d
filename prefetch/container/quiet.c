#include "container/quiet.h"

#include <inttypes.h>

#include "container/daemon.h"
#include "container/report.h"
#include "guest_c/clock.h"
#include "kernel/vmstat.h"
#include "model/roles.h"
#include "model/setfile.h"

void quiet_forget(void *context, unsigned int slot)
{
	struct group *g = context;

	pageset_drop_slot(&g->before, slot);
	pageset_drop_slot(&g->present, slot);
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

static void warn_truncated(struct group *g, bool was)
{
	if (g->plan.truncated && !was)
		report_warning(g->daemon, "%s: only %" PRIu64 " of the %zu pages of its set will be fetched; pool-mib is too small",
			       g->name, g->plan.pages, planned_set(g)->npages);
}

/* As if one of the workers had begun an activation: which of them will, nobody knows. */
static void rehearse(struct group *g)
{
	issue_begin(&g->issue, &g->plan, planned_set(g), &g->members, &g->files, 0);
	for (unsigned int slot = 0; slot < g->members.nslots; slot++)
		if (g->members.slots[slot].used && g->members.slots[slot].worker && g->members.slots[slot].role != NO_ROLE) {
			issue_add_worker(&g->issue, slot);
			break;
		}
	issue_rehearse(&g->issue);
}

void group_replan(struct group *g)
{
	bool was_truncated = g->plan.truncated;

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
	warn_truncated(g, was_truncated);
	places_free(&g->daemon->places);
	files_open(&g->files, planned_set(g), any_member(g));
	for (size_t i = 0; i < planned_set(g)->nfiles; i++)
		disks_add(&g->daemon->disks, planned_set(g)->files[i].device);
	issue_reserve(&g->issue, &g->plan);
	rehearse(g);
}

static void scan_workers(struct group *g)
{
	pageset_clear(&g->present);
	for (unsigned int slot = 0; slot < g->members.nslots; slot++)
		if (g->members.slots[slot].used && g->members.slots[slot].worker)
			scan_process(g->daemon->scan, g->members.slots[slot].pid, slot, SCAN_MAPPED, &g->present);
}

void quiet_snapshot(struct group *g)
{
	uint64_t start = now_ns();

	members_refresh(&g->members, quiet_forget, g);
	pageset_clear(&g->before);
	for (unsigned int slot = 0; slot < g->members.nslots; slot++) {
		g->members.slots[slot].fresh = false;
		if (g->members.slots[slot].used)
			scan_process(g->daemon->scan, g->members.slots[slot].pid, slot, SCAN_ABSENT, &g->before);
	}
	group_replan(g);
	scan_workers(g);
	budget_read(&g->memory, g->members.dir);
	g->dirty = false;
	g->fresh = true;
	g->snapshot_ns = now_ns();
	g->snapshot_took_ns = g->snapshot_ns - start;
}

void quiet_notice_reclaim(struct group *g)
{
	if (vmstat_reclaimed() != g->daemon->reclaimed)
		g->fresh = false;
}

void quiet_renew(struct group *g)
{
	quiet_notice_reclaim(g);
	if (!g->fresh)
		quiet_snapshot(g);
}
