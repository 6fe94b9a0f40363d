/* Final counts of processes, summed from the kernel's taskstats message for each ended thread.
 * Pure: messages in, sums out. Source: include/uapi/linux/taskstats.h, Documentation/accounting/taskstats.rst. */
#ifndef EXITS_H
#define EXITS_H

#include "sampler/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread_end {
	uint32_t pid, tgid, ppid;
	char comm[33];
	uint64_t minflt, majflt, blkio_ns, swapin_ns;
	bool last; /* the process has no other thread left running */
};

/* A netlink message of the family FAMILY; false if it is not a thread's end. */
bool parse_thread_end(const void *message, size_t length, uint16_t family, struct thread_end *end);

struct ending {
	uint32_t pid, ppid;
	char comm[65];
	uint64_t minflt, majflt, blkio_ns, swapin_ns;
	uint64_t ended_ns; /* when its last thread ended; 0: it still runs */
	int group;	   /* once ended: -1 is none */
};

struct exits {
	struct ending all[MAX_ENDS];
	int count;
	uint64_t lost; /* threads that found no room, processes of which nobody knows the group */
};

/* Add a thread to its process. NULL if there is no room. */
struct ending *exits_add(struct exits *x, const struct thread_end *end);

/* Take out one process that ended before BEFORE_NS; false if there is none. Threads that end at once on
 * several CPUs report in any order, even after the one marked as the last: let some time pass. */
bool exits_take(struct exits *x, uint64_t before_ns, struct ending *taken);

#endif
