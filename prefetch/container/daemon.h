/* What the daemon's parts share. Everything is allocated and locked at the start. */
#ifndef DAEMON_H
#define DAEMON_H

#include "container/group.h"
#include "container/scan.h"
#include "kernel/disks.h"
#include "kernel/events.h"
#include "kernel/watch.h"
#include "model/options.h"

#define MAX_GROUPS 64u

struct daemon {
	struct options options;
	enum policy policy;
	enum scan_method scan;
	int epfd;
	int timer;
	int listener;
	struct events events;
	struct trigger *trigger;
	struct trigger_features features;
	bool named;	   /* some groups are by name: these are there from the start to the end */
	struct fault last; /* that was offered to several groups */
	char last_comm[COMM_CAP + 1]; /* the name of its process; empty: not read yet */
	struct watch *watch;
	bool pressure; /* the kernel tells when memory is short */
	struct disks disks;
	struct pool pool;
	struct group groups[MAX_GROUPS];
	struct faultlog faults;
	struct places newcomer; /* of the process that last faulted among those that began in an activation */
	pid_t newcomer_pid;
	struct places places;	/* scratch, as are the following */
	struct pageset after;
	struct pageset brought;
	uint64_t reclaimed;	/* pages, when last looked */
	uint64_t busy_ns;	/* when last there was something that needs ticks */
	uint64_t next_scan_ns;	/* snapshots take a bounded share of time */
	uint64_t groups_ignored; /* for which there was no room */
};

#endif
