/* What the next activation of a group will have issued, in order, resolved to today's processes and files: made while
 * the group is quiet, so that nothing is looked up between trigger and issue. */
#ifndef PLAN_H
#define PLAN_H

#include "model/members.h"
#include "model/pageset.h"
#include "model/place.h"
#include "model/workset.h"

#define TARGET_PAGES 256u /* 1 MiB: how long one call may hold a process's mmap lock, and the largest merged read */

enum target_kind {
	TARGET_ADVISE, /* anonymous or shared memory of member WHERE; PAGE is address / 4096 */
	TARGET_READ,   /* copied-on-write pages of member WHERE, which advice does not reach */
	TARGET_FILE,   /* pages of file WHERE of the working set */
};

struct target {
	uint64_t page;
	uint32_t pages;
	uint32_t where;
	uint32_t rank; /* us from the activation's beginning to its need (workset.h); 0 where that is not known of any */
	uint8_t kind;
	bool region; /* WHERE is a region of a forked worker's role: whichever worker wakes gets it */
};

/* Where a region lies in a member's address space. */
struct placement {
	uint32_t region;
	uint32_t slot;
	struct place place;
};

struct plan {
	struct pool *pool;
	struct target *v; /* for all but forked workers, by rank */
	size_t n, cap;
	struct target *worker; /* for forked workers, by rank */
	size_t nworker, cap_worker;
	struct placement *placements; /* by region, then slot */
	size_t nplacements, cap_placements;
	uint64_t pages;
	bool truncated;
};

void plan_init(struct plan *p, struct pool *pool);
void plan_free(struct plan *p);
/* Everything of W that has a place today. PLACES is scratch. */
void plan_working_set(struct plan *p, const struct workset *w, const struct members *m, struct places *places);
/* What is in swap by ABSENT: of all members but EXCEPT (-1: of all), or of ONLY (-1: no such limit). */
void plan_swapped(struct plan *p, const struct pageset *absent, int except, int only);
/* Resolve the first of a worker's target's pages for SLOT: as many as one mapping holds, which T is then rid of. False:
 * the first page has no mapping there, and T is rid of it alone. */
bool plan_resolve(const struct plan *p, const struct workset *w, struct target *t, unsigned int slot,
		  struct target *out);

#endif
