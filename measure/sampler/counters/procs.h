/* The processes of the groups that the last tick saw, their stat files kept open. */
#ifndef PROCS_H
#define PROCS_H

#include "sampler/counters/procfs.h"
#include "sampler/limits.h"

struct proc {
	int pid;
	int fd; /* /proc/PID/stat: fails with ESRCH once the process is gone, even if its pid is reused */
	int group;
	uint64_t seen; /* the walk that met it last */
	struct process_stat stat;
};

struct procs {
	struct proc all[MAX_PROCS];
	int count;
	uint64_t walk;
};

enum seen { SEEN_READ, SEEN_GONE, SEEN_NO_ROOM };

/* Between the two calls, procs_see() is called for every process that is there. */
void procs_begin(struct procs *p);
void procs_sweep(struct procs *p);

/* Read the process. On SEEN_READ *FOUND is valid until the sweep. */
enum seen procs_see(struct procs *p, int pid, int group, const struct proc **found);

/* The process as last seen, or NULL. */
const struct proc *procs_find(const struct procs *p, int pid);

#endif
