/* What became of what was issued, and who began it. Both look at the faults and the memory of a settled activation. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdbool.h>
#include <stdint.h>

struct group;
struct outcome;

/* Fill in what was issued, used, late, wasted and demanded. */
void judge_outcome(struct group *g, struct outcome *o);
/* Trust the role that led the activation more, or one that announced none less. When it really began: with that role's
 * first fault, in us after the trigger; 0 where none led. After a wake, with a burst where none led; WS_NO_RANK where there
 * is none either, as when the request came is not known then. */
uint32_t judge_beginning(struct group *g, const struct outcome *o);
/* Whether there is anything to learn from it. A wake that nobody followed teaches nothing, and no page is the older for
 * it. */
bool judge_lesson(const struct group *g, const struct outcome *o, uint32_t begun);

#endif
