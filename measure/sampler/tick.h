/* One tick: everything that is sampled at one instant, as one line. */
#ifndef TICK_H
#define TICK_H

#include "sampler/counters/cgroup.h"
#include "sampler/counters/procs.h"
#include "sampler/limits.h"
#include "sampler/options.h"

struct sources {
	struct group groups[MAX_GROUPS];
	int ngroups;
	const char *const *disks;
	int ndisks;
	int vmstat, meminfo, diskstats; /* kept open */
	struct procs procs;
};

/* The sampler's own use of the machine. */
struct own_use {
	uint64_t minflt, majflt, cpu_us;
};

struct instant {
	uint64_t n, t, due, missed; /* ns */
};

/* Opens the files of /proc: the name of one that fails, with errno, or NULL. */
const char *sources_open(struct sources *s, const struct options *o);

void own_use(struct own_use *u);
void json_own_use(struct jsonline *j, const struct own_use *since);

/* Write the tick into LINE. Its length, or 0 if it does not fit; LEFT_OUT counts processes that did not. */
size_t tick_line(struct sources *s, const struct instant *at, const struct own_use *since, char *line, size_t cap,
		 unsigned *left_out);

#endif
