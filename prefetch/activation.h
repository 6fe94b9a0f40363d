/* An activation: which plan is issued, to whom first, and how fast. */
#ifndef ACTIVATION_H
#define ACTIVATION_H

#include <sys/types.h>

struct group;

void activation_begin(struct group *g);
/* A forked worker gets what its role needs when it first faults: which of a pool serves, nobody knows before. */
void activation_wake(struct group *g, pid_t pid);
void activation_stop(struct group *g);

#endif
