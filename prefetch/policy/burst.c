#include "policy/burst.h"

/* The faults of several CPUs do not come in the order of their times: an earlier one belongs to the burst. */
bool burst_add(struct burst *b, uint64_t t, uint64_t count, uint64_t length_ns, bool *first)
{
	*first = b->count == 0 || (t > b->start_ns && t - b->start_ns > length_ns);
	if (*first) {
		b->start_ns = t;
		b->count = 0;
	}
	b->count++;
	return b->count >= count;
}
