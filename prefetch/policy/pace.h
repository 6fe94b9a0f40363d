/* When a plan's targets are due. They need not all be read at once: what is wanted seconds later would keep the disk, the
 * processors and reclaim from what is wanted now. A set's ranks are times of an activation that had to wait for every page;
 * with the prefetch it goes faster, how much so it shows by the faults on pages that are not due yet. Pure. */
#ifndef PACE_H
#define PACE_H

#include <stdint.h>

struct pace {
	uint64_t factor;   /* by which the activation is held to be faster than the ranks, in sixteenths */
	uint64_t since_us; /* after the activation began: then everything up to rank DUE was due */
	uint64_t due;
};

void pace_begin(struct pace *p);
/* Nobody waits yet: everything is due now. */
void pace_ahead(struct pace *p);
/* The rank up to which everything is to be issued so long after the activation began: a little more than is due, so that
 * there are few windows, and large ones. */
uint64_t pace_due(const struct pace *p, uint64_t elapsed_us);
/* How long after the activation began RANK is due; 0: from the beginning. */
uint64_t pace_when(const struct pace *p, uint64_t rank);
/* How much faster than its ranks the activation is held to be, in percent. */
uint64_t pace_percent(const struct pace *p);
/* RANK is due by now. */
void pace_reach(struct pace *p, uint64_t elapsed_us, uint64_t rank);
/* Somebody faulted on a page of RANK before it was due: the activation is that far, and that much faster. */
void pace_hurry(struct pace *p, uint64_t elapsed_us, uint64_t rank);

#endif
