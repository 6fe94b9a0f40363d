/* Keeps what was fetched: pages read ahead are unmapped and in the oldest page generation, so the next reclaim takes
 * them first. memory.min (Documentation/admin-guide/cgroup-v2.rst) holds it off the cgroup for one activation. */
#ifndef PROTECT_H
#define PROTECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protection {
	char dir[256]; /* empty: nothing is held */
	char before[24];
};

/* What to hold: what the cgroup has and is about to get, but never more than half of the memory. Pure. */
uint64_t protect_bytes(uint64_t current, uint64_t fetched, uint64_t memory);

/* Hold DIR's memory and FETCHED bytes more. What was there is noted at the cgroup itself, as an extended attribute, so
 * that it comes back even when this daemon is killed. Does nothing where the cgroup already has as much, has no
 * memory.min, or cannot be noted at. */
void protect_begin(struct protection *p, const char *dir, uint64_t fetched);
/* Put back what was there. */
void protect_end(struct protection *p);
/* Put back what a predecessor that was killed had noted. */
void protect_recover(const char *dir);

#endif
