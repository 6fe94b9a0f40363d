#include "container/opening.h"

#include "container/activation.h"
#include "container/daemon.h"
#include "container/quiet.h"
#include "guest_c/clock.h"
#include "policy/wake.h"

#define FOREIGN_BURST	 8u /* times the burst, for a role that is not the leader, in a container that has one */

bool opening_trusts(const struct group *g, pid_t pid)
{
	int slot = members_find(&g->members, pid);
	int role = slot < 0 ? NO_ROLE : g->members.slots[slot].role;

	return g->daemon->options.trust && role != NO_ROLE && (size_t)role < g->learned.nroles &&
	       g->learned.roles[role].trust > 0;
}

bool opening_has_leader(const struct group *g)
{
	for (size_t i = 0; g->daemon->options.trust && i < g->learned.nroles; i++)
		if (g->learned.roles[i].trust > 0)
			return true;
	return false;
}

uint64_t opening_burst(const struct group *g)
{
	return g->daemon->options.burst * (opening_has_leader(g) ? FOREIGN_BURST : 1);
}

const char *opening_name(enum opened_by by)
{
	static const char *const names[OPENINGS] = { "burst", "leader", "wake" };

	return names[by];
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
void opening_look(struct group *g, const struct fault *f)
{
	const struct options *o = &g->daemon->options;
	bool first;
	bool enough;

	if (opening_trusts(g, f->pid) && quiet_enough(g, f)) {
		begin_burst(g, f);
		g->opened_by = BY_LEADER;
		g->active = true;
		return;
	}
	if (f->source != FAULT_MAJOR)
		return;
	enough = burst_add(&g->burst, f->t, opening_burst(g), NS_OF_MS(o->burst_ms), &first);
	if (first)
		begin_burst(g, f);
	g->opened_by = BY_BURST;
	g->active = enough && quiet_enough(g, &g->first);
}

/* Of the set that would be issued. */
static size_t set_pages(const struct group *g)
{
	const struct group *other;

	switch (g->daemon->policy) {
	case POLICY_ORACLE:
		return g->oracle.npages;
	case POLICY_OTHER_CONTAINER:
		other = activation_wrong_group(g);
		return other ? other->learned.npages : 0;
	default:
		return g->learned.npages;
	}
}

/* There is time for a snapshot: nobody waits yet. */
const char *group_wake(struct group *g)
{
	struct fault asked = { .t = now_ns(), .group = g->index };
	const char *refused;

	if (!g->active)
		quiet_renew(g);
	refused = wake_refused(g->daemon->policy, g->active, set_pages(g));
	if (refused)
		return refused;
	begin_burst(g, &asked);
	g->quiet_ns = elapsed_ns(g->last_major_ns, asked.t);
	g->opened_by = BY_WAKE;
	g->active = true;
	activation_begin(g);
	return NULL;
}
