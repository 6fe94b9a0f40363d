#include "model/rangeset.h"

#include <string.h>

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void rangeset_clear(struct rangeset *s)
{
	s->n = 0;
	s->truncated = false;
}

void rangeset_free(struct rangeset *s)
{
	if (s->pool && s->v)
		pool_give(s->pool, s->v);
	*s = (struct rangeset){ .pool = s->pool };
}

static bool grow(struct rangeset *s)
{
	void *v = s->v;

	if (!s->pool || !pool_reserve(s->pool, &v, &s->cap, sizeof(*s->v), s->cap + 1))
		return false;
	s->v = v;
	return true;
}

void rangeset_append(struct rangeset *s, uint64_t start, uint64_t end)
{
	struct range *last = s->n ? &s->v[s->n - 1] : NULL;

	if (start >= end)
		return;
	if (last && start <= last->end) {
		last->end = max_u64(last->end, end);
		return;
	}
	if (s->n == s->cap && !grow(s)) {
		s->truncated = true;
		return;
	}
	s->v[s->n++] = (struct range){ start, end };
}

/* Index of the first range that ends after KEY. */
static size_t find(const struct rangeset *s, uint64_t key)
{
	size_t low = 0;
	size_t high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->v[middle].end <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool rangeset_contains(const struct rangeset *s, uint64_t key)
{
	size_t i = find(s, key);

	return i < s->n && s->v[i].start <= key;
}

uint64_t rangeset_count(const struct rangeset *s)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++)
		count += s->v[i].end - s->v[i].start;
	return count;
}

void rangeset_intersection(const struct rangeset *a, const struct rangeset *b, struct rangeset *out)
{
	rangeset_clear(out);
	out->truncated = a->truncated || b->truncated;
	for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
		uint64_t start = max_u64(a->v[i].start, b->v[j].start);
		uint64_t end = min_u64(a->v[i].end, b->v[j].end);

		rangeset_append(out, start, end);
		if (a->v[i].end <= b->v[j].end)
			i++;
		else
			j++;
	}
}

void rangeset_difference(const struct rangeset *a, const struct rangeset *b, struct rangeset *out)
{
	size_t j = 0;

	rangeset_clear(out);
	out->truncated = a->truncated || b->truncated;
	for (size_t i = 0; i < a->n; i++) {
		uint64_t start = a->v[i].start;
		uint64_t end = a->v[i].end;

		while (j < b->n && b->v[j].end <= start)
			j++;
		for (size_t k = j; k < b->n && b->v[k].start < end; k++) {
			rangeset_append(out, start, min_u64(b->v[k].start, end));
			start = max_u64(start, b->v[k].end);
		}
		rangeset_append(out, start, end);
	}
}

void rangeset_drop(struct rangeset *s, uint64_t start, uint64_t end)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].start < start || s->v[i].end > end)
			s->v[kept++] = s->v[i];
	s->n = kept;
}
