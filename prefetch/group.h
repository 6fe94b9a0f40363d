/* One group's life: quiet (what is absent is kept known) -> activation (issue) -> settled (judge and learn). */
#ifndef GROUP_H
#define GROUP_H

#include "burst.h"
#include "issue.h"
#include "members.h"
#include "pageset.h"
#include "protect.h"
#include "trigger.h"

#define MAX_FAULTS 8192

struct fault_log {
	uint64_t keys[MAX_FAULTS];
	size_t n;
};

struct daemon;

struct group {
	struct daemon *daemon;
	unsigned int index;
	struct members members;
	struct trigger trigger;

	bool active;
	uint64_t last_major_ns; /* of an activation */
	uint64_t last_busy_ns;
	uint64_t cpu_ns; /* at the last tick */
	uint64_t tick_ns;

	/* quiet */
	struct burst burst;
	bool snapshot_due;
	bool fresh; /* BEFORE is what the memory is like now */
	uint64_t snapshot_ns;
	uint64_t snapshot_took_ns;
	uint64_t reclaimed; /* at the snapshot */
	uint64_t reclaimed_at_tick;
	struct pageset before;
	struct pageset learned;
	struct pageset plan; /* what the next activation will issue; then what was issued */

	/* activation */
	struct fault first;
	uint64_t number;
	uint64_t majors;
	uint64_t quiet_ns;
	enum policy policy; /* at the trigger */
	bool limited; /* by --max-pages */
	struct issue_result issued;
	struct protection held[MAX_DIRS];
	struct fault_log faults;
};

/* 0, or -1 with errno: no memory. */
int group_init(struct group *g, struct daemon *d, unsigned int index);
/* Follow the spec's cgroups as they come and go; -1 with errno when perf refuses. */
int group_attach(struct group *g);
/* The rings have something to read. */
void group_faulted(struct group *g);
/* Every TICK_MS. RECLAIMED: pages the kernel has reclaimed since boot. */
void group_tick(struct group *g, uint64_t now, uint64_t reclaimed);
/* Put back what an activation under way changed; before the daemon ends. */
void group_release(struct group *g);
/* The policy was switched. */
void group_replan(struct group *g);

#endif
