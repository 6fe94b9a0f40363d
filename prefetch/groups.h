/* The groups of a daemon, as containers come and go. */
#ifndef GROUPS_H
#define GROUPS_H

struct daemon;
struct group;

/* Those given by process names, and those of the cgroups that are there. */
void groups_start(struct daemon *d);
/* Look again which cgroups the patterns match. */
void groups_sync(struct daemon *d);
struct group *groups_find(struct daemon *d, const char *name);

#endif
