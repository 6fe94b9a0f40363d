#include "model/pageset.h"

void pageset_init(struct pageset *p, struct pool *pool)
{
	for (int k = 0; k < KINDS; k++)
		p->kind[k] = (struct rangeset){ .pool = pool };
}

void pageset_clear(struct pageset *p)
{
	for (int k = 0; k < KINDS; k++)
		rangeset_clear(&p->kind[k]);
}

void pageset_free(struct pageset *p)
{
	for (int k = 0; k < KINDS; k++)
		rangeset_free(&p->kind[k]);
}

uint64_t pageset_count(const struct pageset *p)
{
	uint64_t count = 0;

	for (int k = 0; k < KINDS; k++)
		count += rangeset_count(&p->kind[k]);
	return count;
}

void pageset_drop_slot(struct pageset *p, unsigned int slot)
{
	uint64_t first = (uint64_t)slot << SLOT_SHIFT;

	for (int k = 0; k < KINDS; k++)
		rangeset_drop(&p->kind[k], first, first + PAGE_MASK_BITS + 1);
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
