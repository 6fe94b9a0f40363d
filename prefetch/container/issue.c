#include "container/issue.h"

#include <string.h>

#include "container/calls.h"
#include "container/look.h"
#include "guest_c/clock.h"

void issue_init(struct issue *i, struct pool *pool)
{
	*i = (struct issue){ .pool = pool };
}

void issue_free(struct issue *i)
{
	if (i->runs)
		pool_give(i->pool, i->runs);
	if (i->seen)
		pool_give(i->pool, i->seen);
	issue_init(i, i->pool);
}

static void forget_seen(struct issue *i)
{
	if (i->seen)
		memset(i->seen, 0, i->cap_seen * sizeof(*i->seen));
	i->seen_any = false;
}

void issue_reserve(struct issue *i, const struct plan *plan)
{
	size_t slots = 1024;
	void *runs = i->runs;
	void *seen = i->seen;

	/* A target is absent in one run as a rule, in some more at times. */
	if (pool_reserve(i->pool, &runs, &i->cap_runs, sizeof(*i->runs), 4 * (plan->n + plan->nworker) + 64))
		i->runs = runs;
	while (slots < 2 * plan->pages)
		slots *= 2;
	if (slots > i->cap_seen) {
		if (seen)
			pool_give(i->pool, seen);
		i->seen = pool_take(i->pool, slots * sizeof(*i->seen));
		i->cap_seen = i->seen ? slots : 0;
	}
	forget_seen(i);
}

void issue_begin(struct issue *i, const struct plan *plan, const struct workset *w, struct members *m,
		 const struct files *files, uint64_t start_ns)
{
	i->plan = plan;
	i->w = w;
	i->members = m;
	i->files = files;
	i->common = (struct stream){ .v = plan->v, .n = plan->n };
	i->worker = (struct stream){ 0 };
	i->nruns = 0;
	i->start_ns = start_ns;
	i->first_ns = i->done_ns = 0;
	i->shared = i->unlogged = i->errors = 0;
	memset(i->pages, 0, sizeof(i->pages));
	if (i->seen_any)
		forget_seen(i);
	for (size_t s = 0; s < m->nslots; s++)
		m->slots[s].verdict = MEMBER_UNKNOWN;
}

uint64_t issue_pages(const struct issue *i)
{
	return i->pages[TARGET_ADVISE] + i->pages[TARGET_READ] + i->pages[TARGET_FILE];
}

/* Forked processes share swap slots: each is fetched once. True: SLOT is new. */
static bool first_of_slot(struct issue *i, uint64_t slot)
{
	size_t at;

	if (!slot || !i->cap_seen)
		return true;
	at = (size_t)(slot * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (i->cap_seen - 1);
	for (size_t tries = 0; tries < 64; tries++, at = (at + 1) & (i->cap_seen - 1)) {
		if (i->seen[at] == slot)
			return false;
		if (!i->seen[at]) {
			i->seen[at] = slot;
			i->seen_any = true;
			return true;
		}
	}
	return true;
}

static void log_page(struct issue *i, const struct target *t, uint64_t page)
{
	struct run *last = i->nruns ? &i->runs[i->nruns - 1] : NULL;

	i->pages[t->kind]++;
	if (last && last->kind == t->kind && last->where == t->where && last->rank == t->rank &&
	    last->page + last->pages == page) {
		last->pages++;
		return;
	}
	if (i->nruns == i->cap_runs) {
		i->unlogged++;
		return;
	}
	i->runs[i->nruns++] = (struct run){
		.page = page,
		.pages = 1,
		.t_us = (uint32_t)(elapsed_ns(i->start_ns, now_ns()) / NS_PER_US),
		.rank = t->rank,
		.where = (uint16_t)t->where, /* one of MAX_MEMBERS, or of WS_MAX_FILES */
		.kind = t->kind,
	};
}

/* Cut T down to its absent pages, from the first to the last of them, and note those. */
static bool cut(struct issue *i, const struct target *t, struct piece *piece)
{
	static bool absent[TARGET_PAGES];
	static uint64_t slots[TARGET_PAGES];
	uint32_t first = UINT32_MAX;
	uint32_t last = 0;

	if (!look_absent(i, t, absent, slots))
		return false;
	for (uint32_t k = 0; k < t->pages; k++) {
		if (!absent[k])
			continue;
		if (!first_of_slot(i, slots[k])) {
			i->shared++;
			continue;
		}
		log_page(i, t, t->page + k);
		first = first == UINT32_MAX ? k : first;
		last = k;
	}
	if (first == UINT32_MAX)
		return false;
	piece->target = *t;
	piece->target.page += first;
	piece->target.pages = last - first + 1;
	piece->slot = slots[first] ? slots[first] : t->page + first;
	return true;
}

void issue_add_worker(struct issue *i, unsigned int slot)
{
	i->worker = (struct stream){ .v = i->plan->worker, .n = i->plan->nworker };
	i->worker_slot = slot;
}

/* The stream whose turn it is, or NULL. */
static struct stream *next_stream(struct issue *i)
{
	bool worker = i->worker.n && stream_advance(&i->worker, i->w, i->members->slots[i->worker_slot].role);

	if (!stream_advance(&i->common, i->w, NO_ROLE))
		return worker ? &i->worker : NULL;
	return worker && i->worker.left.rank <= i->common.left.rank ? &i->worker : &i->common;
}

bool issue_next(struct issue *i, uint64_t *rank)
{
	const struct stream *s = next_stream(i);

	*rank = s ? s->left.rank : 0;
	return s != NULL;
}

/* At most MAX pages of what is left in S, of which those of workers are SLOT's. False: they have no place. */
static bool take(const struct issue *i, struct stream *s, unsigned int slot, uint64_t max, struct target *out)
{
	return stream_take(s, i->plan, i->w, slot, max, out);
}

static void flush(struct issue *i, struct window *w)
{
	calls_make(i, w);
	w->n = 0;
	look_forget();
}

void issue_window(struct issue *i, uint64_t max, uint64_t due)
{
	static struct window w;
	uint64_t pages = 0;
	/* Somebody waits already: the first call does not wait for a whole window's look-ups. */
	size_t most = i->first_ns ? WINDOW_TARGETS : FIRST_TARGETS;

	w.n = 0;
	for (struct stream *s; w.n < most && pages < max && (s = next_stream(i)) && s->left.rank <= due;) {
		struct piece *piece = &w.pieces[w.n];
		struct target t;

		if (!take(i, s, i->worker_slot, max - pages, &t) || !cut(i, &t, piece))
			continue;
		pages += piece->target.pages;
		w.n++;
	}
	flush(i, &w);
	i->done_ns = now_ns();
}

/* One page of T that is there. */
static void ask_in_vain(struct issue *i, const struct target *t)
{
	static bool absent[TARGET_PAGES];
	static uint64_t slots[TARGET_PAGES];
	struct window one = { .n = 1 };

	if (!look_absent(i, t, absent, slots) || t->kind == TARGET_READ)
		return;
	for (uint32_t k = 0; k < t->pages; k++) {
		if (absent[k])
			continue;
		one.pieces[0].target = *t;
		one.pieces[0].target.page += k;
		one.pieces[0].target.pages = 1;
		calls_make(i, &one);
		return;
	}
}

void issue_rehearse(struct issue *i)
{
	struct stream *s;
	struct target t;

	for (size_t n = 0; n < WINDOW_TARGETS && (s = next_stream(i)); n++)
		if (take(i, s, i->worker_slot, TARGET_PAGES, &t))
			ask_in_vain(i, &t);
	look_forget();
}

void issue_worker(struct issue *i, unsigned int slot, enum target_kind kind, uint64_t max)
{
	static struct window w;
	struct stream s = { .v = i->plan->worker, .n = i->plan->nworker };
	int role = i->members->slots[slot].role;
	uint64_t start = issue_pages(i);

	w.n = 0;
	while (stream_advance(&s, i->w, role)) {
		uint64_t room = max - (issue_pages(i) - start);
		struct target t;

		if (!room)
			break;
		if (!take(i, &s, slot, room, &t) || t.kind != kind || !cut(i, &t, &w.pieces[w.n]) ||
		    ++w.n < WINDOW_TARGETS)
			continue;
		flush(i, &w);
	}
	flush(i, &w);
	i->done_ns = now_ns();
}

bool issue_find(const struct issue *i, unsigned int slot, uint64_t page, uint64_t *rank)
{
	return stream_find(&i->common, slot, page, rank);
}

const struct run *issue_run(const struct issue *i, enum target_kind kind, uint32_t where, uint64_t page)
{
	for (size_t k = 0; k < i->nruns; k++) {
		const struct run *r = &i->runs[k];

		if (r->kind == kind && r->where == where && page >= r->page && page - r->page < r->pages)
			return r;
	}
	return NULL;
}
