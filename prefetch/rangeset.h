/* Sorted, disjoint, non-touching half-open ranges of 64-bit keys in a fixed array. Pure.
 * A set that runs out of room keeps what it has and says so in TRUNCATED. */
#ifndef RANGESET_H
#define RANGESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t start;
	uint64_t end; /* exclusive */
};

struct rangeset {
	struct range *v;
	size_t n;
	size_t cap;
	bool truncated;
};

void rangeset_clear(struct rangeset *s);
/* Add [START, END) at the end. START must not lie before the last range's start; overlap and touch merge. */
void rangeset_append(struct rangeset *s, uint64_t start, uint64_t end);
/* Add one key anywhere: O(n), for the odd straggler. */
void rangeset_insert(struct rangeset *s, uint64_t key);
void rangeset_copy(struct rangeset *out, const struct rangeset *s);
uint64_t rangeset_count(const struct rangeset *s);
bool rangeset_contains(const struct rangeset *s, uint64_t key);

/* OUT must be neither A nor B. */
void rangeset_union(const struct rangeset *a, const struct rangeset *b, struct rangeset *out);
void rangeset_intersection(const struct rangeset *a, const struct rangeset *b, struct rangeset *out);
void rangeset_difference(const struct rangeset *a, const struct rangeset *b, struct rangeset *out);
/* How many keys A and B share. */
uint64_t rangeset_common(const struct rangeset *a, const struct rangeset *b);

/* Forget the ranges that lie wholly in [START, END). */
void rangeset_drop(struct rangeset *s, uint64_t start, uint64_t end);
/* Keep the first MAX keys only. */
void rangeset_limit(struct rangeset *s, uint64_t max);

#endif
