#include "policy/plan.h"

#include <stdlib.h>

#define ANY_SLOT UINT32_MAX

void plan_init(struct plan *p, struct pool *pool)
{
	*p = (struct plan){ .pool = pool };
}

static void clear(struct plan *p)
{
	p->n = p->nworker = p->nplacements = 0;
	p->pages = 0;
	p->truncated = false;
}

void plan_free(struct plan *p)
{
	if (p->v)
		pool_give(p->pool, p->v);
	if (p->worker)
		pool_give(p->pool, p->worker);
	if (p->placements)
		pool_give(p->pool, p->placements);
	plan_init(p, p->pool);
}

static void push(struct plan *p, struct target **v, size_t *n, size_t *cap, const struct target *t)
{
	void *array = *v;

	if (!pool_reserve(p->pool, &array, cap, sizeof(**v), *n + 1)) {
		p->truncated = true;
		return;
	}
	*v = array;
	(*v)[(*n)++] = *t;
	p->pages += t->pages;
}

/* The region of the pages of PLACE that belong to its process: of a private file mapping, the written ones. */
static int region_of(const struct workset *w, const struct places *places, const struct place *place, int role)
{
	struct region region = { .kind = place->kind, .role = (uint16_t)role, .ordinal = place->ordinal };
	int file;

	if (place->kind == REGION_FILE) {
		file = place->private ? workset_find_file(w, places->paths[place->path]) : -1;
		if (file < 0)
			return -1;
		region.kind = REGION_COW;
		region.file = (uint16_t)file;
	}
	return workset_find_region(w, &region);
}

static void place_member(struct plan *p, const struct workset *w, unsigned int slot, int role,
			 const struct places *places)
{
	for (size_t i = 0; i < places->n; i++) {
		int region = region_of(w, places, &places->v[i], role);
		void *v = p->placements;

		if (region < 0)
			continue;
		if (!pool_reserve(p->pool, &v, &p->cap_placements, sizeof(*p->placements), p->nplacements + 1)) {
			p->truncated = true;
			return;
		}
		p->placements = v;
		p->placements[p->nplacements++] =
			(struct placement){ .region = (uint32_t)region, .slot = slot, .place = places->v[i] };
	}
}

static int by_region_and_slot(const void *a, const void *b)
{
	const struct placement *x = a;
	const struct placement *y = b;

	if (x->region != y->region)
		return x->region < y->region ? -1 : 1;
	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	return x->place.start < y->place.start ? -1 : x->place.start > y->place.start;
}

static enum target_kind target_kind(enum region_kind kind)
{
	if (kind == REGION_FILE)
		return TARGET_FILE;
	return kind == REGION_COW ? TARGET_READ : TARGET_ADVISE;
}

static size_t first_placement(const struct plan *p, uint32_t region)
{
	size_t low = 0;
	size_t high = p->nplacements;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->placements[middle].region < region)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Where T's first pages are in member SLOT, or in any with SLOT -1: as many as one mapping holds, 0 if there is none. Two
 * mappings of a file may hold the same page, the end of what is read only and the beginning of what is written: the
 * later one is meant. */
static uint32_t locate(const struct plan *p, const struct target *t, int slot, struct target *out)
{
	uint32_t found = 0;
	uint64_t address;

	for (size_t i = first_placement(p, t->where); i < p->nplacements && p->placements[i].region == t->where; i++) {
		const struct placement *at = &p->placements[i];
		uint32_t n = (uint32_t)place_address(&at->place, t->page, t->pages, &address);

		if (!n || (slot >= 0 && at->slot != (unsigned int)slot))
			continue;
		found = n;
		*out = (struct target){ .page = address / PAGE_BYTES, .pages = n, .where = at->slot,
				      .rank = t->rank, .kind = t->kind };
	}
	return found;
}

bool plan_resolve(const struct plan *p, const struct workset *w, struct target *t, unsigned int slot,
		  struct target *out)
{
	uint32_t n;

	t->kind = (uint8_t)target_kind(w->regions[t->where].kind);
	n = locate(p, t, slot == ANY_SLOT ? -1 : (int)slot, out);
	t->page += n ? n : 1;
	t->pages -= n ? n : 1;
	return n > 0;
}

static void add_extent(struct plan *p, const struct workset *w, const struct extent *e)
{
	const struct region *region = &w->regions[e->region];
	struct target t = { .page = e->page, .pages = e->pages, .where = e->region, .rank = e->rank,
			    .region = true };

	if (region->kind == REGION_FILE) {
		t.kind = TARGET_FILE;
		t.where = region->file;
		t.region = false;
		push(p, &p->v, &p->n, &p->cap, &t);
	} else if (w->roles[region->role].worker) {
		push(p, &p->worker, &p->nworker, &p->cap_worker, &t);
	} else {
		struct target part;

		while (t.pages)
			if (plan_resolve(p, w, &t, ANY_SLOT, &part))
				push(p, &p->v, &p->n, &p->cap, &part);
	}
}

/* Room for as many extents as there may be, or for as many as the pool has left: the first in order are kept. */
static struct extent *take_extents(struct plan *p, size_t *cap)
{
	struct extent *extents = pool_take(p->pool, *cap * sizeof(*extents));

	while (!extents && *cap > 1) {
		*cap /= 2;
		extents = pool_take(p->pool, *cap * sizeof(*extents));
	}
	return extents;
}

void plan_working_set(struct plan *p, const struct workset *w, const struct members *m, struct places *places)
{
	size_t cap = w->npages ? w->npages : 1;
	struct extent *extents;
	uint64_t pages;
	size_t n;

	clear(p);
	for (unsigned int slot = 0; slot < m->nslots; slot++)
		if (m->slots[slot].used && m->slots[slot].role != NO_ROLE && places_read(places, m->slots[slot].pid))
			place_member(p, w, slot, m->slots[slot].role, places);
	if (p->nplacements)
		qsort(p->placements, p->nplacements, sizeof(*p->placements), by_region_and_slot);
	extents = take_extents(p, &cap);
	if (!extents) {
		p->truncated = true;
		return;
	}
	n = workset_extents(w, TARGET_PAGES, extents, cap, &pages);
	p->truncated |= pages < w->npages;
	for (size_t i = 0; i < n; i++)
		add_extent(p, w, &extents[i]);
	pool_give(p->pool, extents);
}

static void add_range(struct plan *p, const struct range *r, enum target_kind kind)
{
	uint32_t slot = key_slot(r->start);

	for (uint64_t at = r->start; at < r->end; at += TARGET_PAGES) {
		struct target t = { .page = at & PAGE_MASK_BITS, .where = slot, .kind = (uint8_t)kind };

		t.pages = (uint32_t)(r->end - at < TARGET_PAGES ? r->end - at : TARGET_PAGES);
		push(p, &p->v, &p->n, &p->cap, &t);
	}
}

void plan_swapped(struct plan *p, const struct pageset *absent, int except, int only)
{
	static const struct {
		enum page_kind page;
		enum target_kind target;
	} kinds[] = { { KIND_ANON, TARGET_ADVISE }, { KIND_COW, TARGET_READ } };

	clear(p);
	for (size_t k = 0; k < 2; k++) {
		const struct rangeset *set = &absent->kind[kinds[k].page];

		for (size_t i = 0; i < set->n; i++) {
			int slot = (int)key_slot(set->v[i].start);

			if (slot != except && (only < 0 || slot == only))
				add_range(p, &set->v[i], kinds[k].target);
		}
	}
}
