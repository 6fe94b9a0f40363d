/* The groups of a daemon, as containers come and go. */
#ifndef GROUPS_H
#define GROUPS_H

#include "container/daemon.h"

/* Those given by process names, and those of the cgroups that are there. */
void groups_start(struct daemon *d);
/* Look again which cgroups the patterns match. */
void groups_sync(struct daemon *d);
void groups_set_policy(struct daemon *d, enum policy policy);
struct group *groups_find(struct daemon *d, const char *name);

#endif
