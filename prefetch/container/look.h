/* What is absent of the pages that are to be issued: /proc/PID/pagemap of members, mincore of files. */
#ifndef LOOK_H
#define LOOK_H

#include "container/issue.h"

/* Member SLOT, if it is still the group's: seen to once an activation. NULL: it is not. */
struct member *look_member(struct issue *i, unsigned int slot);
/* Which pages of T are absent: ABSENT[k] for page k, SLOTS[k] where it is in swap (0: not known). False: whose they are is
 * gone. What was read stays known until look_forget. */
bool look_absent(struct issue *i, const struct target *t, bool *absent, uint64_t *slots);
/* Of the pages of the N runs V, all of members and none of more than TARGET_PAGES: how many are mapped right now. LOOKED:
 * of how many, as some processes are gone. */
uint64_t look_mapped(struct issue *i, const struct run *v, size_t n, uint64_t *looked);
/* Pages come and go: after each window. */
void look_forget(void);

#endif
