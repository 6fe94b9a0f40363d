#include "container/judge.h"

#include "container/daemon.h"
#include "container/opening.h"
#include "guest_c/clock.h"
#include "policy/wake.h"

#define LEAD_US	    1000000u /* after the leader's first fault, others follow */
#define LEAD_FAULTS 16u	     /* of them, at least */

static bool is_demanded(const struct demand *d, uint64_t key)
{
	size_t low = 0;
	size_t high = d->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->v[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < d->n && d->v[low].key == key;
}

static uint64_t used_of_file(const struct group *g, const struct run *r)
{
	struct region region = { .kind = REGION_FILE };
	const struct workset *w = g->issue.w;
	/* The set that was issued may be gone: the policy was switched, or its container ended or was forgotten. */
	int file = r->where < w->nfiles ? workset_find_file(&g->learned, w->files[r->where].path) : -1;
	uint64_t used = 0;
	int index;

	if (file < 0)
		return 0;
	region.file = (uint16_t)file;
	index = workset_find_region(&g->learned, &region);
	for (uint32_t k = 0; index >= 0 && k < r->pages; k++)
		used += is_demanded(&g->demand, ws_key((uint32_t)index, r->page + k));
	return used;
}

static uint64_t used_of_member(const struct pageset *after, const struct run *r)
{
	uint64_t used = 0;

	for (uint32_t k = 0; k < r->pages; k++) {
		uint64_t key = page_key(r->where, (r->page + k) * PAGE_BYTES);

		used += rangeset_contains(&after->kind[KIND_ANON], key) ||
			rangeset_contains(&after->kind[KIND_FILE], key);
	}
	return used;
}

void judge_outcome(struct group *g, struct outcome *o)
{
	const struct pageset *brought = &g->daemon->brought;
	const struct issue *i = &g->issue;
	uint64_t present = 0;
	uint64_t files = 0;
	uint64_t excused;

	if (o->policy != POLICY_OFF) {
		for (size_t k = 0; k < i->nruns; k++) {
			if (i->runs[k].kind == TARGET_FILE)
				files += used_of_file(g, &i->runs[k]);
			else if (i->runs[k].kind == TARGET_ADVISE && g->source == g)
				present += used_of_member(&g->daemon->after, &i->runs[k]);
		}
		o->issued = i->pages[TARGET_ADVISE] + i->pages[TARGET_FILE] - i->unlogged;
	}
	o->late = g->demand.late < present + files ? g->demand.late : present + files;
	o->evicted = g->demand.evicted;
	excused = o->late + o->evicted;
	o->used = present + files > excused ? present + files - excused : 0;
	o->wasted = o->issued > o->used + o->late ? o->issued - o->used - o->late : 0;
	o->demanded = rangeset_count(&brought->kind[KIND_ANON]) + rangeset_count(&brought->kind[KIND_COW]) + files +
		      g->demand.uncovered;
	o->covered = present + files + i->pages[TARGET_READ];
	if (o->policy == POLICY_OFF)
		o->covered = 0;
	if (o->covered > o->demanded)
		o->covered = o->demanded;
}

/* The member whose first fault others soon followed: with a container's web server it is that, whichever thread of the
 * database happened to fault just before. */
static int find_leader(const struct group *g, uint32_t *t_us)
{
	const struct faultlog *log = &g->daemon->faults;
	uint32_t first = UINT32_MAX;
	int leader = -1;

	*t_us = 0;
	for (size_t i = 0; i < log->n; i++) {
		const struct logged_fault *f = &log->v[i];
		int slot = f->group == g->index && f->t_us < first ? members_find(&g->members, f->pid) : -1;
		unsigned int followers = 0;

		if (slot < 0 || g->members.slots[slot].role == NO_ROLE)
			continue;
		for (size_t k = 0; k < log->n && followers < LEAD_FAULTS; k++) {
			const struct logged_fault *other = &log->v[k];
			int by;

			if (other->group != g->index || other->t_us < f->t_us || other->t_us - f->t_us > LEAD_US)
				continue;
			by = members_find(&g->members, other->pid);
			followers += by < 0 || g->members.slots[by].exe_hash != g->members.slots[slot].exe_hash;
		}
		if (followers == LEAD_FAULTS) {
			first = *t_us = f->t_us;
			leader = slot;
		}
	}
	return leader;
}

static uint32_t lead(struct group *g, const struct outcome *o)
{
	bool opened = g->opened_by == BY_LEADER;
	bool judged = o->issued >= QUOTA_MIN;
	uint32_t t_us;
	int slot = find_leader(g, &t_us);
	uint8_t *trust;
	int role;

	if (opened && slot < 0)
		slot = members_find(&g->members, g->first.pid);
	role = slot < 0 ? NO_ROLE : g->members.slots[slot].role;
	if (role == NO_ROLE)
		return 0;
	trust = &g->learned.roles[role].trust;
	if (opened && (judged ? o->used + o->late < o->wasted : o->demanded < LEAD_FAULTS))
		*trust = (uint8_t)(*trust ? *trust - 1 : 0);
	else if (*trust < WS_MAX_TRUST)
		*trust = (uint8_t)(*trust + 1);
	return t_us;
}

uint32_t judge_beginning(struct group *g, const struct outcome *o)
{
	const struct daemon *d = g->daemon;
	uint32_t t_us = lead(g, o);

	if (t_us || g->opened_by != BY_WAKE ||
	    faultlog_burst(&d->faults, g->index, opening_burst(g), NS_OF_MS(d->options.burst_ms), &t_us))
		return t_us;
	return WS_NO_RANK;
}

bool judge_lesson(const struct group *g, const struct outcome *o, uint32_t begun)
{
	uint64_t touched = g->issue.pages[TARGET_READ]; /* by us, which has mapped them */
	uint64_t demanded = o->demanded > touched ? o->demanded - touched : 0;

	return g->opened_by != BY_WAKE || begun != WS_NO_RANK || wake_followed(demanded, g->learned.npages);
}
