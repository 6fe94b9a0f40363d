#include "issue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "helpers.h"

#define ENTRY_SWAPPED	 (UINT64_C(1) << 62)
#define ENTRY_PRESENT	 (UINT64_C(1) << 63)
#define ENTRY_SWAP_SLOT	 ((UINT64_C(1) << 55) - 1) /* type and offset; 0 without CAP_SYS_ADMIN */

/* What is left of a target when the pages that are there are taken out. */
struct piece {
	struct target target;
	uint64_t slot; /* swap slot, or file page, of its first absent page: the disk's order */
};

struct window {
	struct piece pieces[WINDOW_TARGETS];
	size_t n;
};

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

static struct member *ours(struct issue *i, unsigned int slot)
{
	struct member *member;

	if (slot >= i->members->nslots || !i->members->slots[slot].used)
		return NULL;
	member = &i->members->slots[slot];
	if (member->verdict == MEMBER_UNKNOWN) {
		member->verdict = members_verify(i->members, slot) ? MEMBER_OURS : MEMBER_GONE;
		i->errors += member->verdict == MEMBER_GONE;
	}
	return member->verdict == MEMBER_OURS ? member : NULL;
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
	if (last && last->kind == t->kind && last->where == t->where && last->page + last->pages == page) {
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
		.where = t->where,
		.t_us = (uint32_t)(elapsed_ns(i->start_ns, now_ns()) / NS_PER_US),
		.kind = t->kind,
	};
}

/* Neighbouring targets are looked up together. Kept for one window: pages come and go. */
#define BLOCK_PAGES 512u
#define BLOCKS	    8u

static struct block {
	uint64_t number; /* of the block in its address space */
	uint32_t slot;
	bool read;
	size_t n;
	uint64_t entries[BLOCK_PAGES];
} blocks[BLOCKS];

static void forget_blocks(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i].read = false;
}

/* What /proc/PID/pagemap has of PAGE of MEMBER, which is in SLOT. Of what cannot be read nothing is asked for. */
static uint64_t pagemap_entry(const struct member *member, uint32_t slot, uint64_t page)
{
	uint64_t number = page / BLOCK_PAGES;
	struct block *b = &blocks[(number + slot) % BLOCKS];

	if (!b->read || b->number != number || b->slot != slot) {
		ssize_t n = pread(member->pagemap, b->entries, sizeof(b->entries),
				  (off_t)(number * BLOCK_PAGES * sizeof(*b->entries)));

		b->number = number;
		b->slot = slot;
		b->read = true;
		b->n = n < 0 ? 0 : (size_t)n / sizeof(*b->entries);
	}
	return page % BLOCK_PAGES < b->n ? b->entries[page % BLOCK_PAGES] : ENTRY_PRESENT;
}

/* Which pages of T are absent: ABSENT[k] for page k, SLOTS[k] where it is in swap (0: not known). */
static bool look(struct issue *i, const struct target *t, bool *absent, uint64_t *slots)
{
	static unsigned char cached[TARGET_PAGES];
	const struct member *member;
	ssize_t n;

	memset(absent, 0, t->pages * sizeof(*absent));
	if (t->kind == TARGET_FILE) {
		n = (ssize_t)files_cached(i->files, t->where, t->page, t->pages, cached);
		for (ssize_t k = 0; k < n; k++) {
			absent[k] = !(cached[k] & 1);
			slots[k] = 0;
		}
		return true;
	}
	member = ours(i, t->where);
	if (!member)
		return false;
	for (uint32_t k = 0; k < t->pages; k++) {
		uint64_t entry = pagemap_entry(member, t->where, t->page + k);

		/* Shared memory in swap has no entry of its own. */
		absent[k] = !(entry & ENTRY_PRESENT) && (entry & ENTRY_SWAPPED || t->kind == TARGET_ADVISE);
		slots[k] = entry & ENTRY_SWAPPED ? entry & ENTRY_SWAP_SLOT : 0;
	}
	return true;
}

/* Cut T down to its absent pages, from the first to the last of them, and note those. */
static bool cut(struct issue *i, const struct target *t, struct piece *piece)
{
	static bool absent[TARGET_PAGES];
	static uint64_t slots[TARGET_PAGES];
	uint32_t first = UINT32_MAX;
	uint32_t last = 0;

	if (!look(i, t, absent, slots))
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

static int by_slot(const void *a, const void *b)
{
	const struct piece *x = a;
	const struct piece *y = b;

	if (x->target.kind != y->target.kind)
		return x->target.kind < y->target.kind ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static struct iovec vector(const struct target *t)
{
	return (struct iovec){ (void *)(uintptr_t)(t->page * PAGE_BYTES), t->pages * PAGE_BYTES };
}

/* Advise as far as it goes: a short count ends before the vector at fault, whose error the next call tells. */
static void advise(struct issue *i, struct member *member, const struct iovec *v, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = (ssize_t)syscall(SYS_process_madvise, member->pidfd, v + at, n - at, MADV_WILLNEED, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			i->errors++;
			if (errno == ESRCH) {
				member->verdict = MEMBER_GONE;
				return;
			}
			at++; /* ENOMEM: a hole; the parts around it were done */
			continue;
		}
		for (; at < n && (size_t)got >= v[at].iov_len; at++)
			got -= (ssize_t)v[at].iov_len;
	}
}

static void touch(struct issue *i, const struct member *member, const struct target *t)
{
	for (uint32_t k = 0; k < t->pages; k++)
		i->errors += !helpers_touch(member->pid, (t->page + k) * PAGE_BYTES);
}

static void read_ahead(struct issue *i, const struct target *t)
{
	uint64_t pages = t->pages;
	void *at = files_at(i->files, t->where, t->page, &pages);

	i->errors += !at || !helpers_read_ahead(at, pages * PAGE_BYTES);
}

/* Neighbours in WINDOW of one member go into one call. The number of pieces done. */
static size_t call(struct issue *i, const struct window *w, size_t at)
{
	const struct target *t = &w->pieces[at].target;
	struct iovec v[WINDOW_TARGETS];
	struct member *member;
	size_t n = 0;

	if (!i->first_ns)
		i->first_ns = now_ns();
	if (t->kind == TARGET_FILE) {
		read_ahead(i, t);
		return 1;
	}
	member = ours(i, t->where);
	if (t->kind == TARGET_READ) {
		if (member)
			touch(i, member, t);
		return 1;
	}
	while (at + n < w->n && w->pieces[at + n].target.kind == TARGET_ADVISE &&
	       w->pieces[at + n].target.where == t->where) {
		v[n] = vector(&w->pieces[at + n].target);
		n++;
	}
	if (member)
		advise(i, member, v, n);
	return n;
}

static void flush(struct issue *i, struct window *w)
{
	qsort(w->pieces, w->n, sizeof(*w->pieces), by_slot);
	for (size_t at = 0; at < w->n;)
		at += call(i, w, at);
	w->n = 0;
	forget_blocks();
}

static bool is_of_role(const struct issue *i, const struct target *t, int role)
{
	return role >= 0 && t->where < i->w->nregions && i->w->regions[t->where].role == (uint16_t)role;
}

void issue_add_worker(struct issue *i, unsigned int slot)
{
	i->worker = (struct stream){ .v = i->plan->worker, .n = i->plan->nworker };
	i->worker_slot = slot;
}

/* Whether S has a target left: then LEFT is what remains of it. ROLE: that of a worker, whose targets alone count. */
static bool advance(const struct issue *i, struct stream *s, int role)
{
	while (!s->left.pages && s->next < s->n) {
		s->left = s->v[s->next++];
		if (s->left.region && !is_of_role(i, &s->left, role))
			s->left.pages = 0;
	}
	return s->left.pages > 0;
}

/* The stream whose turn it is, or NULL. */
static struct stream *next_stream(struct issue *i)
{
	bool worker = i->worker.n && advance(i, &i->worker, i->members->slots[i->worker_slot].role);

	if (!advance(i, &i->common, NO_ROLE))
		return worker ? &i->worker : NULL;
	return worker && i->worker.left.rank <= i->common.left.rank ? &i->worker : &i->common;
}

bool issue_next(struct issue *i, uint64_t *rank)
{
	const struct stream *s = next_stream(i);

	*rank = s ? s->left.rank : 0;
	return s != NULL;
}

/* Take at most MAX pages of what is left in S, as one target of SLOT if it is a worker. False: they have no place. */
static bool take(const struct issue *i, struct stream *s, unsigned int slot, uint64_t max, struct target *out)
{
	struct target part = s->left;
	uint32_t before;
	bool placed = true;

	if (part.pages > max)
		part.pages = (uint32_t)max;
	before = part.pages;
	*out = part;
	if (part.region)
		placed = plan_resolve(i->plan, i->w, &part, slot, out);
	else
		part.pages = 0;
	s->left.page += before - part.pages;
	s->left.pages -= before - part.pages;
	return placed;
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

	if (!look(i, t, absent, slots) || t->kind == TARGET_READ)
		return;
	for (uint32_t k = 0; k < t->pages; k++) {
		if (absent[k])
			continue;
		one.pieces[0].target = *t;
		one.pieces[0].target.page += k;
		one.pieces[0].target.pages = 1;
		call(i, &one, 0);
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
	forget_blocks();
}

void issue_worker(struct issue *i, unsigned int slot, enum target_kind kind, uint64_t max)
{
	static struct window w;
	struct stream s = { .v = i->plan->worker, .n = i->plan->nworker };
	int role = i->members->slots[slot].role;
	uint64_t start = issue_pages(i);

	w.n = 0;
	while (advance(i, &s, role)) {
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

static bool holds(const struct target *t, unsigned int slot, uint64_t page)
{
	return t->kind != TARGET_FILE && t->where == slot && page >= t->page && page - t->page < t->pages;
}

bool issue_find(const struct issue *i, unsigned int slot, uint64_t page, uint64_t *rank)
{
	const struct target *found = holds(&i->common.left, slot, page) ? &i->common.left : NULL;

	for (size_t k = i->common.next; !found && k < i->common.n; k++)
		if (holds(&i->common.v[k], slot, page))
			found = &i->common.v[k];
	if (found)
		*rank = found->rank;
	return found != NULL;
}

int issue_probe(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
	long got;
	int saved;

	if (pidfd < 0)
		return -1;
	got = syscall(SYS_process_madvise, pidfd, NULL, 0, MADV_WILLNEED, 0);
	saved = errno;
	close(pidfd);
	errno = saved;
	return got < 0 ? -1 : 0;
}

void issue_lower_priority(void)
{
	enum { WHO_PROCESS = 1, CLASS_BEST_EFFORT = 2, CLASS_SHIFT = 13, LOWEST = 7 }; /* linux/ioprio.h */

	syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_BEST_EFFORT << CLASS_SHIFT | LOWEST);
}
