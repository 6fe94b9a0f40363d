/* Sorted, disjoint, non-touching half-open ranges of 64-bit keys. Pure, save for the pool.
 * A set that runs out of room keeps what it has and says so in TRUNCATED. */
#ifndef RANGESET_H
#define RANGESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pool.h"

struct range {
	uint64_t start;
	uint64_t end; /* exclusive */
};

struct rangeset {
	struct range *v;
	size_t n;
	size_t cap;
	bool truncated;
	struct pool *pool; /* grows out of it; NULL: never grows */
};

void rangeset_clear(struct rangeset *s);
/* Give the memory back. */
void rangeset_free(struct rangeset *s);
/* Add [START, END) at the end. START must not lie before the last range's start; overlap and touch merge. */
void rangeset_append(struct rangeset *s, uint64_t start, uint64_t end);
uint64_t rangeset_count(const struct rangeset *s);
bool rangeset_contains(const struct rangeset *s, uint64_t key);

/* OUT must be neither A nor B. */
void rangeset_intersection(const struct rangeset *a, const struct rangeset *b, struct rangeset *out);
void rangeset_difference(const struct rangeset *a, const struct rangeset *b, struct rangeset *out);

/* Forget the ranges that lie wholly in [START, END). */
void rangeset_drop(struct rangeset *s, uint64_t start, uint64_t end);

#endif
