/* Whether a container follows its set in the activation under way: whether it has used by now what earlier activations, which
 * had to wait for every page, had needed by then. Pure. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "container/issue.h"

#define FOLLOW_SAMPLES 32u
#define FOLLOW_PAGES   32u /* of a sample, at most */
#define FOLLOW_FEW     1024u /* 4 MiB: what may be lost on a container that does something else */

struct follow {
	uint64_t looked_us; /* after the activation began, as all times here */
	uint64_t fault_us;
	bool doubted; /* at the last look it did not follow */
	uint64_t faults; /* on the set so far */
	bool seen;	 /* it uses its set */
	uint64_t seen_us;
};

/* What was issued by then, and whose rank is not above that. */
struct overdue {
	uint64_t issued_us;
	uint64_t rank_us;
};

#define FOLLOW_ALL ((struct overdue){ UINT64_MAX, UINT64_MAX })

void follow_begin(struct follow *f);
/* Somebody waited for a page of the set: it follows, be it that the disk is slow or the order another one. */
void follow_fault(struct follow *f, uint64_t elapsed_us);
/* A look found USED pages of what was issued in use. True: it is seen to use its set, now or before. Until then it gets
 * FOLLOW_FEW pages of memory, as a sender waits for its first acknowledgements (RFC 5681, slow start). */
bool follow_use(struct follow *f, uint64_t elapsed_us, uint64_t used);
/* It is time for a look. */
bool follow_due(const struct follow *f, uint64_t elapsed_us);
/* A container that begins with its set late, as one that others keep from its processors, needs all of it later than it used
 * to: time counts from when it was seen to use it. Until then nothing is overdue: it has FOLLOW_FEW pages at most. */
struct overdue follow_overdue(const struct follow *f, uint64_t elapsed_us);
/* Pieces of the N runs V, in order of issue, spread evenly over the pages that are overdue. Their number; 0: too few are. */
size_t follow_samples(const struct run *v, size_t n, struct overdue by, struct run out[FOLLOW_SAMPLES]);
/* A look found USED of SAMPLED overdue pages in use. True: for the second time it does not follow. */
bool follow_judge(struct follow *f, uint64_t elapsed_us, uint64_t sampled, uint64_t used);

#endif
