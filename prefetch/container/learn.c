#include "container/learn.h"

#include <string.h>

#include "container/daemon.h"
#include "container/judge.h"
#include "guest_c/clock.h"
#include "model/roles.h"

#define LATE_US	     1000000u /* after its issue, a fault still waits for that read; later it was thrown out */

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
		*known = workset_find_file(w->g->issue.w, w->places->paths[place->path]);
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

/* A fault on a page that was issued: it waited for that read, or the page had been thrown out again. */
static void judge_fault(const struct walk *w, const struct place *place, enum page_kind kind,
			const struct logged_fault *f)
{
	struct demand *d = &w->g->demand;
	bool of_file = place->kind == REGION_FILE && kind != KIND_COW;
	const struct issue *i = &w->g->issue;
	uint64_t page = f->address / PAGE_BYTES;
	const struct run *run;

	if (of_file)
		run = issue_run(i, TARGET_FILE, (uint32_t)issued_file_of(w, place), place_page(place, f->address));
	else
		run = issue_run(i, kind == KIND_COW ? TARGET_READ : TARGET_ADVISE, w->slot, page);
	if (!run)
		d->uncovered += of_file;
	else if (f->t_us < run->t_us + LATE_US)
		d->late++;
	else
		d->evicted++;
}

static void resolve(const struct walk *w, struct logged_fault *f)
{
	struct group *g = w->g;
	const struct place *place = places_find(w->places, f->address);
	enum page_kind kind = KIND_ANON;
	int region;

	f->resolved = true;
	if (!place)
		return;
	if (place->kind == REGION_FILE) {
		bool written = rangeset_contains(&g->before.kind[KIND_COW], page_key(w->slot, f->address));

		kind = place->private && written ? KIND_COW : KIND_FILE;
	}
	region = region_of(w, place, kind);
	if (region >= 0)
		demand_add(&g->demand, ws_key((uint32_t)region, place_page(place, f->address)), f->t_us);
	judge_fault(w, place, kind, f);
}

static void resolve_faults(const struct walk *w)
{
	struct faultlog *log = &w->g->daemon->faults;

	for (size_t i = 0; i < log->n; i++) {
		struct logged_fault *f = &log->v[i];

		if (!f->resolved && f->group == w->g->index && f->pid == w->pid)
			resolve(w, f);
	}
}

/* Where PID's mappings are: as they were at its last fault, if that knows ADDRESS. */
static bool walk_newcomer(struct walk *w, struct group *g, unsigned int slot, uint64_t address)
{
	struct daemon *d = g->daemon;

	*w = (struct walk){ g, slot, g->members.slots[slot].pid, &d->newcomer };
	if (d->newcomer_pid != w->pid || !places_find(&d->newcomer, address)) {
		d->newcomer_pid = w->pid;
		if (!places_read(&d->newcomer, w->pid))
			return false;
	}
	for (size_t i = 0; i < d->newcomer.npaths; i++)
		learned_file[i] = issued_file[i] = UNKNOWN;
	return true;
}

void learn_fault(struct group *g, const struct logged_fault *f)
{
	struct logged_fault logged = *f;
	int slot = members_find(&g->members, f->pid);
	struct walk w;
	int parent;

	if (slot < 0 || g->members.slots[slot].fresh) {
		slot = members_current(&g->members, f->pid);
		parent = slot < 0 ? -1 : roles_parent(&g->members, (unsigned int)slot);
		/* Just forked: what it has in swap, it has in common with its parent. */
		if (parent >= 0 && !g->members.slots[parent].fresh)
			logged.pid = g->members.slots[parent].pid;
		else if (slot >= 0 && walk_newcomer(&w, g, (unsigned int)slot, f->address))
			resolve(&w, &logged);
	}
	faultlog_add(&g->daemon->faults, &logged);
}

/* The part of SET that is SLOT's, as pages of KIND. */
static void demand_set(const struct walk *w, enum page_kind kind, const struct rangeset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct range *r = &set->v[i];

		if (key_slot(r->start) == w->slot)
			demand_range(w, kind, key_address(r->start), key_address(r->end - 1) + PAGE_BYTES);
	}
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
		/* What it has written by now, it has copied from the file. */
		demand_set(&w, KIND_FILE, &d->after.kind[KIND_COW]);
		if (g->demand.n > 2 * g->demand.compacted + 4096)
			demand_compact(&g->demand);
	}
}

/* The read that fetched a copied-on-write page has mapped it, too: that is no sign that it was demanded. Such pages
 * age, fault once, and are learnt again. */
static void demand_cow(const struct walk *w, const struct rangeset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		if (key_slot(set->v[i].start) != w->slot)
			continue;
		for (uint64_t key = set->v[i].start; key < set->v[i].end; key++)
			if (!issue_run(&w->g->issue, TARGET_READ, w->slot, key_address(key) / PAGE_BYTES))
				demand_range(w, KIND_COW, key_address(key), key_address(key) + PAGE_BYTES);
	}
}

/* In a pool of workers, what is new to one is in swap in the next: also what was not there before. */
static void demand_new(const struct walk *w)
{
	struct daemon *d = w->g->daemon;
	struct rangeset new = { .pool = &d->pool };

	rangeset_difference(&d->after.kind[KIND_ANON], &w->g->present.kind[KIND_ANON], &new);
	demand_set(w, KIND_ANON, &new);
	rangeset_free(&new);
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
		if (g->members.slots[slot].worker)
			demand_new(&w);
		demand_cow(&w, &d->brought.kind[KIND_COW]);
		demand_set(&w, KIND_FILE, files);
		resolve_faults(&w);
	}
	demand_compact(&g->demand);
}

void learn_tidy(struct group *g)
{
	struct daemon *d = g->daemon;

	pageset_free(&d->after);
	pageset_free(&d->brought);
	places_free(&d->places);
	places_free(&d->newcomer);
	d->newcomer_pid = 0;
}

/* The number of pages that were new to the set. */
static size_t learn_demand(struct group *g, uint32_t begun)
{
	demand_begin_at(&g->demand, begun);
	g->learned.activation++;
	return workset_learn(&g->learned, g->demand.v, g->demand.n);
}

size_t learn_settle(struct group *g, struct outcome *o, size_t *aged)
{
	struct daemon *d = g->daemon;
	size_t added = 0;
	uint32_t begun;
	bool lesson;

	roles_assign(&g->members, &g->learned);
	pageset_clear(&d->after);
	for (unsigned int slot = 0; slot < g->members.nslots; slot++)
		if (g->members.slots[slot].used)
			scan_process(d->scan, g->members.slots[slot].pid, slot, SCAN_MAPPED, &d->after);
	pageset_brought_in(&g->before, &d->after, &d->brought);
	gather(g);
	judge_outcome(g, o);
	begun = judge_beginning(g, o);
	lesson = judge_lesson(g, o, begun);
	if (lesson)
		added = learn_demand(g, begun);
	/* In any case: what was met in vain leaves the set's lists of files and regions again. */
	*aged = workset_age(&g->learned, lesson ? (uint32_t)d->options.keep : UINT32_MAX);
	learn_tidy(g);
	return added;
}
