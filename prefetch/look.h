/* What is absent of the pages that are to be issued: /proc/PID/pagemap of members, mincore of files. */
#ifndef LOOK_H
#define LOOK_H

#include "issue.h"

/* Member SLOT, if it is still the group's: seen to once an activation. NULL: it is not. */
struct member *look_member(struct issue *i, unsigned int slot);
/* Which pages of T are absent: ABSENT[k] for page k, SLOTS[k] where it is in swap (0: not known). False: whose they are is
 * gone. What was read stays known until look_forget. */
bool look_absent(struct issue *i, const struct target *t, bool *absent, uint64_t *slots);
/* Pages come and go: after each window. */
void look_forget(void);

#endif
