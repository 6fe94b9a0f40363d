/* Who is who in a container: which role of the working set each member has (workset.h). */
#ifndef ROLES_H
#define ROLES_H

#include "model/members.h"
#include "model/workset.h"

/* Give every member that is not fresh its role in W, which may grow. Looks only at what is in M, save for the
 * executables' names. */
void roles_assign(struct members *m, struct workset *w);
/* Pure: the member that forked SLOT and runs the same executable, or -1. */
int roles_parent(const struct members *m, unsigned int slot);
/* Pure: the main process (not forked by one of its own executable) at the root of SLOT's line. */
unsigned int roles_root(const struct members *m, unsigned int slot);
/* Pure: how many main processes of its executable started before SLOT. */
unsigned int roles_ordinal(const struct members *m, unsigned int slot);

#endif
