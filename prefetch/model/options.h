/* What prefetchd is told: its groups and its settings, however they were given (daemon/settings.h). */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_SPECS      16
#define MAX_COMMS      8
#define NAME_CAP       64
#define COMM_CAP       16
#define SPEC_CAP       256
#define PATH_CAP       256
#define DEFAULT_SOCKET "/run/prefetchd.sock"

enum policy {
	POLICY_OFF,	    /* learns only */
	POLICY_SIBLINGS,    /* the paper's: everything in swap of the processes that did not fault */
	POLICY_WORKING_SET, /* what earlier activations demanded */
	POLICY_SAME_PROCESS,	/* control: everything in swap of the process that faulted */
	POLICY_OTHER_CONTAINER, /* control: the working set of a wrong container */
	POLICY_CONTAINER,	/* control: everything in swap of all processes */
	POLICY_ORACLE,		/* control: the pages of a recorded activation, given in a file */
	POLICIES
};

enum scan_method { SCAN_AUTO, SCAN_IOCTL, SCAN_PAGEMAP };

/* One [group NAME] or --group NAME=SPEC. A pattern with a wildcard makes a group, NAME/BASENAME, of each match. */
struct group_spec {
	char name[NAME_CAP];
	char cgroup[SPEC_CAP]; /* absolute path or glob; empty when the group is a list of process names */
	char comms[MAX_COMMS][COMM_CAP];
	size_t ncomms;
};

struct options {
	struct group_spec specs[MAX_SPECS];
	size_t nspecs;
	enum policy policy;
	enum scan_method scan;
	bool early;		/* fault-entry events, where the kernel has them */
	bool hold;		/* memory.min for what was fetched, while an activation lasts */
	bool trust;		/* a role that opened earlier activations opens one by its first fault */
	char config[PATH_CAP];	/* the file that was read; empty: none */
	char events[PATH_CAP];	/* empty: none */
	char socket[PATH_CAP];
	char state[PATH_CAP];	/* directory of the sets; empty: not kept */
	char oracle[PATH_CAP];	/* set file of policy oracle */
	uint64_t quiet_ms;	/* since an activation's last fault before there is another */
	uint64_t burst;		/* major faults that make an activation ... */
	uint64_t burst_ms;	/* ... when they come within this */
	uint64_t settle_ms;	/* without a major fault and idle before one ends */
	uint64_t wake_ms;	/* that a woken one lasts at least: until then the request may come */
	uint64_t busy_percent;	/* of one CPU: above it the group is not idle */
	uint64_t share_percent; /* of memory that a prefetch may take beyond what is free */
	uint64_t max_mib;	/* issued per activation */
	uint64_t depth;		/* reads under way on a disk, above which the next window waits; 0: no limit */
	uint64_t keep;		/* activations that a page stays in the set without being demanded */
	uint64_t pool_mib;	/* memory of all sets */
	bool check;		/* validate, say so and end */
};

extern const char *const policy_names[POLICIES];

#endif
