/* An activation: which plan is issued, to whom first, and how fast. */
#ifndef ACTIVATION_H
#define ACTIVATION_H

#include <sys/types.h>

struct fault;
struct group;

void activation_begin(struct group *g);
/* A forked worker gets what its role needs when it first faults: which of a pool serves, nobody knows before. */
void activation_wake(struct group *g, pid_t pid);
/* A major fault while there is more to issue: on a page that is not due yet, it says that the container is ahead. */
void activation_hurry(struct group *g, const struct fault *f);
/* What can wait until the first pages are asked for: hold the container's memory, tell that it woke up. */
void activation_attend(struct group *g);
void activation_stop(struct group *g);
/* Whose working set policy other-container issues: of a group that is quiet and has one, or NULL. */
struct group *activation_wrong_group(const struct group *g);

#endif
