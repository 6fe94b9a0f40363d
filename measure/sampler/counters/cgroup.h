/* One group: a cgroup, which may not be there yet, and everything below it. */
#ifndef CGROUP_H
#define CGROUP_H

#include "guest_c/jsonline.h"
#include "sampler/counters/procs.h"
#include "sampler/limits.h"

enum group_file { FILE_CURRENT, FILE_SWAP, FILE_STAT, FILE_PRESSURE, FILE_EVENTS, GROUP_FILES };

struct group {
	const char *name;
	const char *dir;
	bool unified;	      /* DIR lies in a cgroup v2 mount */
	const char *path;     /* then its name in /proc/PID/cgroup: "" is the root */
	int fd;		      /* of DIR, or -1 */
	int files[GROUP_FILES]; /* kept open, or -1 */
};

void group_init(struct group *g, const char *name, const char *dir);

/* What a walk could not report; not an error of the kernel's. */
struct walk {
	struct jsonline *json;
	struct procs *procs;
	int index;	   /* of the group that is walked */
	unsigned left_out; /* processes or cgroups beyond the fixed sizes */
};

/* Append an array element for each process of the group and the cgroups below it.
 * Opens the group's cgroup if it came up, or came up anew, since the last walk. */
void group_processes(struct group *g, struct walk *w);

/* Append the group's memory counters as an object; empty while it has no cgroup. */
void group_counters(struct group *g, struct jsonline *j);

#endif
