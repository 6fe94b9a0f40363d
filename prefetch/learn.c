#include "learn.h"

#include <string.h>

#include "clock.h"
#include "daemon.h"
#include "roles.h"

#define LATE_US	     1000000u /* after its issue, a fault still waits for that read; later it was thrown out */
#define LEAD_US	     1000000u /* after the leader's first fault, others follow */
#define LEAD_FAULTS  16u      /* of them, at least */

/* One member's mappings, and which files of which sets they are. */
struct walk {
	struct group *g;
	unsigned int slot;
	pid_t pid;
	const struct places *places;
};

static int learned_file[PLACE_MAX_FILES]; /* index in the set that learns; UNKNOWN, or NONE */
static int issued_file[PLACE_MAX_FILES];  /* index in the set that was issued */
enum { UNKNOWN = -2, NONE = -1 };

static bool walk_begin(struct walk *w, struct group *g, unsigned int slot)
{
	struct places *places = &g->daemon->places;

	*w = (struct walk){ g, slot, g->members.slots[slot].pid, places };
	if (!places_read(places, w->pid))
		return false;
	for (size_t i = 0; i < places->npaths; i++)
		learned_file[i] = issued_file[i] = UNKNOWN;
	return true;
}

static int find_path(const struct workset *w, const char *path)
{
	for (size_t i = 0; i < w->nfiles; i++)
		if (strcmp(w->files[i].path, path) == 0)
			return (int)i;
	return NONE;
}

static int file_of(const struct walk *w, const struct place *place)
{
	int *known = &learned_file[place->path];
	struct wfile file;

	if (*known == UNKNOWN)
		*known = file_identify(w->pid, w->places->paths[place->path], &file) ?
				 workset_file(&w->g->learned, &file) : NONE;
	return *known;
}

static int issued_file_of(const struct walk *w, const struct place *place)
{
	int *known = &issued_file[place->path];

	if (*known == UNKNOWN)
		*known = find_path(w->g->issue.w, w->places->paths[place->path]);
	return *known;
}

/* The region of PLACE's pages of KIND in the learning set, or -1. */
static int region_of(const struct walk *w, const struct place *place, enum page_kind kind)
{
	int role = w->g->members.slots[w->slot].role;
	struct region region = { .kind = place->kind, .ordinal = place->ordinal };
	int file;

	if (place->kind == REGION_FILE) {
		file = file_of(w, place);
		if (file < 0)
			return -1;
		region.file = (uint16_t)file;
		region.kind = kind == KIND_COW ? REGION_COW : REGION_FILE;
	}
	if (region.kind != REGION_FILE) {
		if (role == NO_ROLE)
			return -1;
		region.role = (uint16_t)role;
	}
	return workset_region(&w->g->learned, &region);
}

static void demand_range(const struct walk *w, enum page_kind kind, uint64_t start, uint64_t end)
{
	while (start < end) {
		const struct place *place = places_find(w->places, start);
		uint64_t stop = place && place->end < end ? place->end : end;
		int region = place ? region_of(w, place, kind) : -1;

		if (!place)
			return; /* unmapped meanwhile */
		for (; region >= 0 && start < stop; start += PAGE_BYTES)
			demand_add(&w->g->demand, ws_key((uint32_t)region, place_page(place, start)), WS_NO_RANK);
		start = stop;
	}
}

static const struct run *find_run(const struct issue *i, enum target_kind kind, uint32_t where, uint64_t page)
{
	for (size_t k = 0; k < i->nruns; k++) {
		const struct run *r = &i->runs[k];

		if (r->kind == kind && r->where == where && page >= r->page && page - r->page < r->pages)
			return r;
	}
	return NULL;
}

/* A fault on a page that was issued: it waited for that read, or the page had been thrown out again. */
static void judge_fault(const struct walk *w, const struct place *place, enum page_kind kind, const struct logged_fault *f)
{
	struct demand *d = &w->g->demand;
	bool of_file = place->kind == REGION_FILE && kind != KIND_COW;
	const struct run *run;

	if (of_file)
		run = find_run(&w->g->issue, TARGET_FILE, (uint32_t)issued_file_of(w, place), place_page(place, f->address));
	else
		run = find_run(&w->g->issue, kind == KIND_COW ? TARGET_READ : TARGET_ADVISE, w->slot, f->address / PAGE_BYTES);
	if (!run)
		d->uncovered += of_file;
	else if (f->t_us < run->t_us + LATE_US)
		d->late++;
	else
		d->evicted++;
}

static void resolve_faults(const struct walk *w)
{
	struct group *g = w->g;
	struct faultlog *log = &g->daemon->faults;

	for (size_t i = 0; i < log->n; i++) {
		struct logged_fault *f = &log->v[i];
		const struct place *place;
		enum page_kind kind = KIND_ANON;
		int region;

		if (f->resolved || f->group != g->index || f->pid != w->pid)
			continue;
		f->resolved = true;
		place = places_find(w->places, f->address);
		if (!place)
			continue;
		if (place->kind == REGION_FILE)
			kind = place->private && rangeset_contains(&g->before.kind[KIND_COW], page_key(w->slot, f->address)) ?
				       KIND_COW : KIND_FILE;
		region = region_of(w, place, kind);
		if (region >= 0)
			demand_add(&g->demand, ws_key((uint32_t)region, place_page(place, f->address)), f->t_us);
		judge_fault(w, place, kind, f);
	}
}

/* The part of SET that is SLOT's. */
static void demand_set(const struct walk *w, enum page_kind kind, const struct rangeset *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (key_slot(set->v[i].start) == w->slot)
			demand_range(w, kind, key_address(set->v[i].start), key_address(set->v[i].end - 1) + PAGE_BYTES);
}

static bool sample_is_due(const struct member *member, unsigned int ticks)
{
	return member->used && member->fresh && ticks >= 1u << (member->samples < 8 ? member->samples : 8);
}

void learn_sample(struct group *g)
{
	struct daemon *d = g->daemon;
	struct walk w;

	for (unsigned int slot = 0; slot < g->members.nslots; slot++) {
		struct member *member = &g->members.slots[slot];

		if (!sample_is_due(member, g->ticks))
			continue;
		member->samples++;
		pageset_clear(&d->after);
		if (!scan_process(d->scan, member->pid, slot, SCAN_MAPPED, &d->after) || !walk_begin(&w, g, slot))
			continue;
		demand_set(&w, KIND_FILE, &d->after.kind[KIND_FILE]);
		resolve_faults(&w);
		if (g->demand.n > 2 * g->demand.compacted + 4096)
			demand_compact(&g->demand);
	}
}

/* The read that fetched a copied-on-write page has mapped it, too: that is no sign that it was demanded. Such pages age,
 * fault once, and are learnt again. */
static void demand_cow(const struct walk *w, const struct rangeset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		if (key_slot(set->v[i].start) != w->slot)
			continue;
		for (uint64_t key = set->v[i].start; key < set->v[i].end; key++)
			if (!find_run(&w->g->issue, TARGET_READ, w->slot, key_address(key) / PAGE_BYTES))
				demand_range(w, KIND_COW, key_address(key), key_address(key) + PAGE_BYTES);
	}
}

static void gather(struct group *g)
{
	struct daemon *d = g->daemon;
	/* Where reclaim had overtaken the snapshot, any mapped file page may have been brought in. */
	const struct rangeset *files = g->fresh ? &d->brought.kind[KIND_FILE] : &d->after.kind[KIND_FILE];
	struct walk w;

	for (unsigned int slot = 0; slot < g->members.nslots; slot++) {
		if (!g->members.slots[slot].used || !walk_begin(&w, g, slot))
			continue;
		demand_set(&w, KIND_ANON, &d->brought.kind[KIND_ANON]);
		demand_cow(&w, &d->brought.kind[KIND_COW]);
		demand_set(&w, KIND_FILE, files);
		resolve_faults(&w);
	}
	demand_compact(&g->demand);
}

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
	int file = find_path(&g->learned, g->issue.w->files[r->where].path);
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

		used += rangeset_contains(&after->kind[KIND_ANON], key) || rangeset_contains(&after->kind[KIND_FILE], key);
	}
	return used;
}

static void judge(struct group *g, struct outcome *o)
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
static int find_leader(const struct group *g)
{
	const struct faultlog *log = &g->daemon->faults;
	uint32_t first = UINT32_MAX;
	int leader = -1;

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
			first = f->t_us;
			leader = slot;
		}
	}
	return leader;
}

static void learn_leader(struct group *g, const struct outcome *o)
{
	bool opened = g->opened_by == BY_LEADER;
	bool judged = o->issued >= QUOTA_MIN;
	int slot = find_leader(g);
	uint8_t *trust;
	int role;

	if (opened && slot < 0)
		slot = members_find(&g->members, g->first.pid);
	role = slot < 0 ? NO_ROLE : g->members.slots[slot].role;
	if (role == NO_ROLE)
		return;
	trust = &g->learned.roles[role].trust;
	if (opened && (judged ? o->used + o->late < o->wasted : o->demanded < LEAD_FAULTS))
		*trust = (uint8_t)(*trust ? *trust - 1 : 0);
	else if (*trust < WS_MAX_TRUST)
		*trust = (uint8_t)(*trust + 1);
}

size_t learn_settle(struct group *g, struct outcome *o, size_t *aged)
{
	struct daemon *d = g->daemon;
	size_t added;

	roles_assign(&g->members, &g->learned);
	pageset_clear(&d->after);
	for (unsigned int slot = 0; slot < g->members.nslots; slot++)
		if (g->members.slots[slot].used)
			scan_process(d->scan, g->members.slots[slot].pid, slot, SCAN_MAPPED, &d->after);
	pageset_brought_in(&g->before, &d->after, &d->brought);
	gather(g);
	judge(g, o);
	learn_leader(g, o);
	g->learned.activation++;
	added = workset_learn(&g->learned, g->demand.v, g->demand.n);
	*aged = workset_age(&g->learned, (uint32_t)d->options.keep);
	pageset_free(&d->after);
	pageset_free(&d->brought);
	places_free(&d->places);
	return added;
}
