/* The calls that ask for a window's pages, in the disk's order: process_madvise(MADV_WILLNEED) for anonymous and shared
 * memory, and, by threads that wait (kernel/helpers.h), madvise of our own mapping for files and a read of one byte for
 * copied-on-write pages, which advice does not reach. */
#ifndef CALLS_H
#define CALLS_H

#include "container/issue.h"

/* What is left of a target when the pages that are there are taken out. */
struct piece {
	struct target target;
	uint64_t slot; /* swap slot, or file page, of its first absent page: the disk's order */
};

struct window {
	struct piece pieces[WINDOW_TARGETS];
	size_t n;
};

/* Sorts W. */
void calls_make(struct issue *i, struct window *w);
/* The kernel has process_madvise and lets us advise other processes (init, of no page): 0, or -1 with errno. */
int calls_probe(void);
/* Below everybody's demand, where the disk's scheduler knows priorities: best effort, the lowest. Not idle: a demand
 * fault waits for the prefetch that it meets, and idle reads may wait for ever. */
void calls_lower_priority(void);

#endif
