/* Ask the kernel for a plan's pages, window by window: what is absent (look.h) of what comes next (policy/stream.h), in few calls
 * (calls.h). Allocates nothing once begun. */
#ifndef ISSUE_H
#define ISSUE_H

#include "container/files.h"
#include "model/members.h"
#include "policy/plan.h"
#include "policy/stream.h"

#define WINDOW_TARGETS 16u
#define FIRST_TARGETS  2u
#define WINDOW_PAGES   512u

/* Pages that were absent when they were issued. */
struct run {
	uint64_t page;
	uint32_t pages;
	uint32_t t_us; /* after the trigger */
	uint32_t rank; /* of the target */
	uint16_t where;
	uint8_t kind; /* enum target_kind */
};

struct issue {
	struct pool *pool;
	struct run *runs; /* in order of issue */
	size_t nruns, cap_runs;
	uint64_t *seen; /* swap slots that were issued: open addressing, 0 is free */
	size_t cap_seen; /* a power of two */
	bool seen_any;

	/* of the activation under way */
	const struct plan *plan;
	const struct workset *w;
	struct members *members;
	const struct files *files;
	struct stream common; /* the plan's targets, but for workers' */
	struct stream worker; /* those of the worker that began the activation */
	unsigned int worker_slot;
	uint64_t start_ns;
	uint64_t first_ns; /* instant of the first call, 0 when there was none */
	uint64_t done_ns;
	uint64_t pages[3]; /* absent ones, by target kind */
	uint64_t shared;   /* pages left out because their slot was issued already */
	uint64_t unlogged; /* pages for which RUNS had no room */
	uint64_t errors;   /* calls refused: holes, and processes that ended meanwhile */
};

void issue_init(struct issue *i, struct pool *pool);
void issue_free(struct issue *i);
/* Make room for PLAN, while nothing is urgent. */
void issue_reserve(struct issue *i, const struct plan *plan);
void issue_begin(struct issue *i, const struct plan *plan, const struct workset *w, struct members *m,
		 const struct files *files, uint64_t start_ns);
/* Once begun, for practice: look at what would be issued first, and ask for pages of it that are there anyway. What has
 * not run for long is slow, on any processor, and on an emulated one most of all. To be begun anew. */
void issue_rehearse(struct issue *i);
/* Member SLOT, a forked worker, began the activation: its pages go along with the plan's others, by rank. */
void issue_add_worker(struct issue *i, unsigned int slot);
/* The lowest rank of what is left. False: nothing is. */
bool issue_next(struct issue *i, uint64_t *rank);
/* The next window: at most MAX pages of ranks up to DUE. */
void issue_window(struct issue *i, uint64_t max, uint64_t due);
/* All that member SLOT, another forked worker, is about to need of KIND; at most MAX pages. */
void issue_worker(struct issue *i, unsigned int slot, enum target_kind kind, uint64_t max);
/* The rank of PAGE of member SLOT, if it is left. */
bool issue_find(const struct issue *i, unsigned int slot, uint64_t page, uint64_t *rank);
/* PAGE of WHERE as it was issued, or NULL. */
const struct run *issue_run(const struct issue *i, enum target_kind kind, uint32_t where, uint64_t page);
uint64_t issue_pages(const struct issue *i);

#endif
