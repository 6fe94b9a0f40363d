#include "vectors.h"

size_t vectors_next(const struct rangeset *s, struct vector_cursor *c, uint64_t max_pages, struct iovec *out,
		    size_t max, unsigned int *slot)
{
	size_t n = 0;

	while (n < max && c->index < s->n) {
		const struct range *r = &s->v[c->index];
		uint64_t start = r->start + c->done;
		uint64_t pages = r->end - start < max_pages ? r->end - start : max_pages;

		if (n == 0)
			*slot = key_slot(start);
		else if (key_slot(start) != *slot)
			break;
		out[n].iov_base = (void *)(uintptr_t)key_address(start);
		out[n].iov_len = (size_t)(pages * PAGE_BYTES);
		n++;
		c->done += pages;
		if (start + pages == r->end)
			*c = (struct vector_cursor){ .index = c->index + 1 };
	}
	return n;
}

void vectors_skip(const struct rangeset *s, struct vector_cursor *c, unsigned int slot)
{
	while (c->index < s->n && key_slot(s->v[c->index].start) == slot)
		*c = (struct vector_cursor){ .index = c->index + 1 };
}
