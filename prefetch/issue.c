#include "issue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "toucher.h"

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
	i->cursor = 0;
	i->begun = 0;
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

/* Which pages of T are absent: ABSENT[k] for page k, SLOTS[k] where it is in swap (0: not known). */
static bool look(struct issue *i, const struct target *t, bool *absent, uint64_t *slots)
{
	static uint64_t entries[TARGET_PAGES];
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
	n = pread(member->pagemap, entries, t->pages * sizeof(*entries), (off_t)(t->page * sizeof(*entries)));
	for (ssize_t k = 0; k < n / (ssize_t)sizeof(*entries); k++) {
		/* Shared memory in swap has no entry of its own. */
		absent[k] = !(entries[k] & ENTRY_PRESENT) && (entries[k] & ENTRY_SWAPPED || t->kind == TARGET_ADVISE);
		slots[k] = entries[k] & ENTRY_SWAPPED ? entries[k] & ENTRY_SWAP_SLOT : 0;
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
		i->errors += !toucher_add(member->pid, (t->page + k) * PAGE_BYTES);
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
		i->errors += files_willneed(i->files, t->where, t->page, t->pages) < 0;
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
}

/* Of the plan's next target what has room in MAX pages. */
static struct target next_part(struct issue *i, uint64_t max)
{
	struct target t = i->plan->v[i->cursor];

	t.page += i->begun;
	t.pages -= i->begun;
	if (t.pages > max) {
		t.pages = (uint32_t)max;
		i->begun += t.pages;
		return t;
	}
	i->cursor++;
	i->begun = 0;
	return t;
}

bool issue_window(struct issue *i, uint64_t max)
{
	static struct window w;
	uint64_t pages = 0;

	w.n = 0;
	while (i->cursor < i->plan->n && w.n < WINDOW_TARGETS && pages < max) {
		struct piece *piece = &w.pieces[w.n];
		struct target t = next_part(i, max - pages);

		if (!cut(i, &t, piece))
			continue;
		pages += piece->target.pages;
		w.n++;
	}
	flush(i, &w);
	i->done_ns = now_ns();
	return i->cursor < i->plan->n;
}

static bool is_of_role(const struct issue *i, const struct target *t, int role)
{
	return role >= 0 && t->where < i->w->nregions && i->w->regions[t->where].role == (uint16_t)role;
}

void issue_worker(struct issue *i, unsigned int slot, enum target_kind kind, uint64_t max)
{
	static struct window w;
	int role = i->members->slots[slot].role;
	uint64_t start = issue_pages(i);
	size_t most = FIRST_TARGETS;

	w.n = 0;
	for (size_t k = 0; k < i->plan->nworker; k++) {
		struct target left = i->plan->worker[k];
		struct target t;

		while (is_of_role(i, &left, role) && left.pages) {
			uint64_t room = max - (issue_pages(i) - start);

			if (!room)
				break;
			if (left.pages > room)
				left.pages = (uint32_t)room;
			if (!plan_resolve(i->plan, i->w, &left, slot, &t) || t.kind != kind ||
			    !cut(i, &t, &w.pieces[w.n]) || ++w.n < most)
				continue;
			flush(i, &w);
			most = WINDOW_TARGETS;
		}
	}
	flush(i, &w);
	i->done_ns = now_ns();
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
