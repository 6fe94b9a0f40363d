#include "container/learn.h"

#include <stdlib.h>

#define REACH 64u /* pages: a page that was brought in along with another was wanted at about the same time */

void demand_init(struct demand *d, struct pool *pool)
{
	*d = (struct demand){ .pool = pool };
}

void demand_clear(struct demand *d)
{
	d->n = d->compacted = 0;
	d->uncovered = d->late = d->evicted = 0;
	d->truncated = false;
}

void demand_free(struct demand *d)
{
	if (d->v)
		pool_give(d->pool, d->v);
	demand_init(d, d->pool);
}

void demand_add(struct demand *d, uint64_t key, uint32_t rank)
{
	void *v = d->v;

	if (d->n && d->v[d->n - 1].key == key && d->v[d->n - 1].rank <= rank)
		return;
	if (!pool_reserve(d->pool, &v, &d->cap, sizeof(*d->v), d->n + 1)) {
		d->truncated = true;
		return;
	}
	d->v = v;
	d->v[d->n++] = (struct wpage){ .key = key, .rank = rank };
}

static int by_key_and_rank(const void *a, const void *b)
{
	const struct wpage *x = a;
	const struct wpage *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Ranks flow on to neighbours without one; LAST carries, here, how far a rank has come (0: its own). */
static void flow(struct wpage *to, const struct wpage *from, uint64_t distance)
{
	if (from->rank == WS_NO_RANK || ws_region(from->key) != ws_region(to->key) || from->last + distance > REACH)
		return;
	if (to->rank != WS_NO_RANK && (to->last == 0 || from->last + distance >= to->last))
		return;
	to->rank = from->rank;
	to->last = (uint32_t)(from->last + distance);
}

void demand_compact(struct demand *d)
{
	size_t kept = 0;

	if (d->n)
		qsort(d->v, d->n, sizeof(*d->v), by_key_and_rank);
	for (size_t i = 0; i < d->n; i++) {
		if (kept && d->v[kept - 1].key == d->v[i].key)
			continue;
		d->v[kept] = d->v[i];
		d->v[kept++].last = 0;
	}
	d->n = d->compacted = kept;
	for (size_t i = 1; i < d->n; i++)
		flow(&d->v[i], &d->v[i - 1], d->v[i].key - d->v[i - 1].key);
	for (size_t i = d->n; i-- > 1;)
		flow(&d->v[i - 1], &d->v[i], d->v[i].key - d->v[i - 1].key);
}

void demand_begin_at(struct demand *d, uint32_t rank)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].rank != WS_NO_RANK)
			d->v[i].rank = rank == WS_NO_RANK ? rank : d->v[i].rank > rank ? d->v[i].rank - rank : 0;
}
