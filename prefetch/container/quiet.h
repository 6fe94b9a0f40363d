/* A group while nothing happens: what is in swap is kept known, and the next activation's plan ready. */
#ifndef QUIET_H
#define QUIET_H

struct group;

/* Have everything at hand that an activation needs, so that none of it is done between trigger and issue. */
void quiet_snapshot(struct group *g);
/* At rest a tick comes every few seconds: what was reclaimed since is in no snapshot. */
void quiet_notice_reclaim(struct group *g);
/* A snapshot, if the last one is outdated. */
void quiet_renew(struct group *g);
/* CONTEXT is a group, whose member SLOT is gone (a member_gone). */
void quiet_forget(void *context, unsigned int slot);

#endif
