/* What an activation demanded, put in the working set's words, and what became of what was issued. */
#ifndef LEARN_H
#define LEARN_H

#include "container/faultlog.h"
#include "model/pageset.h"
#include "model/place.h"
#include "model/workset.h"

struct group;
struct outcome;

/* Pages that the activation under way demanded, as they become known. */
struct demand {
	struct pool *pool;
	struct wpage *v;
	size_t n, cap;
	size_t compacted;
	uint64_t uncovered; /* demanded from disk or swap, and not issued */
	uint64_t late;
	uint64_t evicted;
	bool truncated;
};

void demand_init(struct demand *d, struct pool *pool);
void demand_clear(struct demand *d);
void demand_free(struct demand *d);
void demand_add(struct demand *d, uint64_t key, uint32_t rank);
/* Sort by key, each key once with its lowest rank; a page without one takes that of the nearest within reach. Pure. */
void demand_compact(struct demand *d);
/* Ranks count from RANK on, where the activation really began; what was demanded before, at its beginning. WS_NO_RANK: it
 * is not known where, and no rank is. Pure. */
void demand_begin_at(struct demand *d, uint32_t rank);

/* A major fault of the activation under way: placed at once if its process began in it, and may soon be gone. */
void learn_fault(struct group *g, const struct logged_fault *f);
/* Processes that began in this activation may be gone when it ends: note now what they have mapped. */
void learn_sample(struct group *g);
/* The activation is over: judge what was issued, and learn. The number of pages that were new to the set. */
size_t learn_settle(struct group *g, struct outcome *o, size_t *aged);
/* Give back the scratch that all of this takes. */
void learn_tidy(struct group *g);

#endif
