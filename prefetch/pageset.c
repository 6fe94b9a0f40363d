#include "pageset.h"

#include <stdlib.h>

static size_t capacity(size_t max_ranges, int kind)
{
	return (max_ranges >> kind) + 1;
}

size_t pageset_bytes(size_t max_ranges)
{
	size_t ranges = 0;

	for (int k = 0; k < KINDS; k++)
		ranges += capacity(max_ranges, k);
	return ranges * sizeof(struct range);
}

int pageset_allocate(struct pageset *p, size_t max_ranges)
{
	for (int k = 0; k < KINDS; k++) {
		size_t cap = capacity(max_ranges, k);

		p->kind[k] = (struct rangeset){ .v = calloc(cap, sizeof(struct range)), .cap = cap };
		if (!p->kind[k].v)
			return -1;
	}
	return 0;
}

void pageset_clear(struct pageset *p)
{
	for (int k = 0; k < KINDS; k++)
		rangeset_clear(&p->kind[k]);
}

void pageset_copy(struct pageset *out, const struct pageset *p)
{
	for (int k = 0; k < KINDS; k++)
		rangeset_copy(&out->kind[k], &p->kind[k]);
}

uint64_t pageset_count(const struct pageset *p)
{
	uint64_t count = 0;

	for (int k = 0; k < KINDS; k++)
		count += rangeset_count(&p->kind[k]);
	return count;
}

bool pageset_truncated(const struct pageset *p)
{
	return p->kind[KIND_ANON].truncated || p->kind[KIND_FILE].truncated || p->kind[KIND_COW].truncated;
}

bool pageset_contains(const struct pageset *p, uint64_t key)
{
	for (int k = 0; k < KINDS; k++)
		if (rangeset_contains(&p->kind[k], key))
			return true;
	return false;
}

void pageset_drop_slot(struct pageset *p, unsigned int slot)
{
	uint64_t first = (uint64_t)slot << SLOT_SHIFT;

	for (int k = 0; k < KINDS; k++)
		rangeset_drop(&p->kind[k], first, first + PAGE_MASK_BITS + 1);
}

bool pageset_limit(struct pageset *p, uint64_t max)
{
	bool limited = pageset_count(p) > max;

	for (int k = 0; k < KINDS; k++) {
		rangeset_limit(&p->kind[k], max);
		max -= rangeset_count(&p->kind[k]);
	}
	return limited;
}

void pageset_brought_in(const struct pageset *before, const struct pageset *after, struct pageset *out)
{
	rangeset_intersection(&before->kind[KIND_ANON], &after->kind[KIND_ANON], &out->kind[KIND_ANON]);
	rangeset_intersection(&before->kind[KIND_COW], &after->kind[KIND_COW], &out->kind[KIND_COW]);
	if (before->kind[KIND_FILE].truncated)
		rangeset_clear(&out->kind[KIND_FILE]);
	else
		rangeset_difference(&after->kind[KIND_FILE], &before->kind[KIND_FILE], &out->kind[KIND_FILE]);
}

void pageset_absent(const struct pageset *learned, const struct pageset *before, struct pageset *out)
{
	for (int k = 0; k < KINDS; k++) {
		if (before->kind[k].truncated)
			rangeset_copy(&out->kind[k], &learned->kind[k]);
		else if (k == KIND_FILE)
			rangeset_difference(&learned->kind[k], &before->kind[k], &out->kind[k]);
		else
			rangeset_intersection(&learned->kind[k], &before->kind[k], &out->kind[k]);
	}
}

uint64_t pageset_merge(struct pageset *learned, const struct pageset *more, struct rangeset *tmp)
{
	uint64_t was = pageset_count(learned);

	for (int k = 0; k < KINDS; k++) {
		rangeset_union(&learned->kind[k], &more->kind[k], tmp);
		rangeset_copy(&learned->kind[k], tmp);
	}
	return pageset_count(learned) - was;
}
