/* Tells an activation from a background thread's lone fault: an activation faults again and again. Pure. */
#ifndef BURST_H
#define BURST_H

#include <stdbool.h>
#include <stdint.h>

struct burst {
	uint64_t start_ns; /* of its first fault */
	uint64_t count;
};

/* One more fault at T. True once COUNT faults came within LENGTH_NS; *FIRST: whether a new burst began with it. */
bool burst_add(struct burst *b, uint64_t t, uint64_t count, uint64_t length_ns, bool *first);

#endif
