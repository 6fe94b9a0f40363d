/* What became of what was issued, and who began it. Both look at the faults and the memory of a settled activation. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdint.h>

struct group;
struct outcome;

/* Fill in what was issued, used, late, wasted and demanded. */
void judge_outcome(struct group *g, struct outcome *o);
/* Trust the role that led the activation more, or one that announced none less. When its first fault was, in us after the
 * activation's; 0 where none led. */
uint32_t judge_leader(struct group *g, const struct outcome *o);

#endif
