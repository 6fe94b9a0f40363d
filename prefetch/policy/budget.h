/* How much a prefetch may fetch. Pure, save for budget_read. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_MIN 64u /* pages: enough to find out that prefetching pays again */

#define PAGES_OF_MIB(m) ((uint64_t)(m) * 256)

/* What the machine and the container have, in pages. */
struct memory {
	uint64_t total;
	uint64_t free;
	uint64_t high;	   /* sum of the zones' high watermarks: above it nobody reclaims */
	uint64_t headroom; /* of the container, to the nearest memory.high or memory.max; UINT64_MAX: no limit */
	uint64_t stalls;   /* direct reclaims so far, of anybody */
};

enum allowance {
	GO,
	STOP_SHARE,    /* what is free and the configured share are used up */
	STOP_HEADROOM, /* the container is near its limit */
	STOP_RECLAIM,  /* others wait for memory, although it paused again and again */
	STOP_QUOTA,    /* what its own precision earned it, or the configured maximum, is used up */
	STOP_STRAYED,  /* the container does not use what was issued for it */
	STOP_SETTLED,  /* the activation was over before all was issued */
};

/* May WINDOW pages more be issued after ISSUED? */
enum allowance budget_allows(const struct memory *now, uint64_t issued, uint64_t window, uint64_t share_percent,
			     uint64_t quota);
const char *allowance_name(enum allowance a);
/* The next activation's quota, at most MAX: halved on waste, grown slowly while nearly everything is used. */
uint64_t budget_adapt(uint64_t quota, uint64_t max, uint64_t issued, uint64_t demanded);

/* Sum "free" and "high" over the zones of a /proc/zoneinfo text. Pure. */
bool zoneinfo_parse(const char *text, uint64_t *free, uint64_t *high);
/* The text of memory.max or memory.high, less CURRENT, in pages; "max" is UINT64_MAX. Pure. */
uint64_t headroom_parse(const char *limit, const char *current);
/* Pages until CGROUP, or one above it, is at a limit. CGROUP may be "". */
uint64_t budget_headroom(const char *cgroup);
void budget_read(struct memory *m, const char *cgroup);

#endif
