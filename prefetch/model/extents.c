#include "model/workset.h"

#define NEAR_US 100000u

static bool before(const struct extent *a, const struct extent *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	return ws_key(a->region, a->page) < ws_key(b->region, b->page);
}

static void swap(struct extent *a, struct extent *b)
{
	struct extent t = *a;

	*a = *b;
	*b = t;
}

/* V is a heap, its last extent in order at the top, save for what lies at AT. */
static void sift_down(struct extent *v, size_t n, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= n)
			return;
		if (child + 1 < n && before(&v[child], &v[child + 1]))
			child++;
		if (!before(&v[at], &v[child]))
			return;
		swap(&v[at], &v[child]);
		at = child;
	}
}

static void sift_up(struct extent *v, size_t at)
{
	while (at && before(&v[(at - 1) / 2], &v[at])) {
		swap(&v[(at - 1) / 2], &v[at]);
		at = (at - 1) / 2;
	}
}

/* Of more than CAP extents those that come first in order are kept. */
static size_t heap_add(struct extent *v, size_t n, size_t cap, const struct extent *e)
{
	if (n < cap) {
		v[n] = *e;
		sift_up(v, n);
		return n + 1;
	}
	if (n && before(e, &v[0])) {
		v[0] = *e;
		sift_down(v, n, 0);
	}
	return n;
}

static void heap_sort(struct extent *v, size_t n)
{
	while (n > 1) {
		n--;
		swap(&v[0], &v[n]);
		sift_down(v, n, 0);
	}
}

/* Pages wanted at very different times are not neighbours: a few early ones must not bring in many late ones. */
static bool is_far(uint32_t low, uint32_t high)
{
	return high - low > NEAR_US + low / 2;
}

/* The extent that begins with page AT of the set. */
static struct extent extent_at(const struct workset *w, size_t at, uint32_t max_pages)
{
	const struct wpage *p = &w->pages[at];
	struct extent e = { .page = ws_page(p->key), .region = ws_region(p->key), .rank = p->rank, .pages = 1 };
	uint32_t last = p->rank == WS_NO_RANK ? 0 : p->rank;

	for (size_t i = at + 1; i < w->npages && e.pages < max_pages; i++, e.pages++) {
		const struct wpage *next = &w->pages[i];

		if (next->key != p->key + e.pages || ws_region(next->key) != e.region)
			break;
		if (next->rank == WS_NO_RANK)
			continue;
		if (is_far(next->rank < e.rank ? next->rank : e.rank, next->rank > last ? next->rank : last))
			break;
		if (next->rank < e.rank)
			e.rank = next->rank;
		if (next->rank > last)
			last = next->rank;
	}
	return e;
}

size_t workset_extents(const struct workset *w, uint32_t max_pages, struct extent *out, size_t cap, uint64_t *pages)
{
	size_t n = 0;

	*pages = 0;
	if (!max_pages)
		return 0;
	for (size_t at = 0; at < w->npages;) {
		struct extent e = extent_at(w, at, max_pages);

		n = heap_add(out, n, cap, &e);
		at += e.pages;
	}
	heap_sort(out, n);
	for (size_t i = 0; i < n; i++)
		*pages += out[i].pages;
	return n;
}
