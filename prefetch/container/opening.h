/* When an activation begins: with a burst of major faults, with the first fault of a role that led earlier ones, or with a
 * wake (group_wake). */
#ifndef OPENING_H
#define OPENING_H

#include "container/group.h"

/* A fault of a quiet group. Sets its ACTIVE, FIRST and OPENED_BY. */
void opening_look(struct group *g, const struct fault *f);
/* Nothing else begins with an ENTRY event: a process of a role that led earlier activations; such a role is known. */
bool opening_trusts(const struct group *g, pid_t pid);
bool opening_has_leader(const struct group *g);
/* How many major faults make a burst of this group. */
uint64_t opening_burst(const struct group *g);
/* burst, leader or wake. */
const char *opening_name(enum opened_by by);

#endif
