/* Faults as they happen, by perf_event_open(2): one ring buffer per CPU for all groups.
 *
 * MAJOR: software event PAGE_FAULTS_MAJ. Has the address, comes after the read.
 * ENTRY: comes before the read, without an address; a fault may tell two. Of swap and of files, each where the kernel
 *        has it (entry.h). Can be switched off, as only a quiet group needs it.
 * Events of a cgroup are told apart by the kernel (PERF_FLAG_PID_CGROUP, descendants included). Groups given by process
 * name share one set of system-wide events, whose pids the caller filters: each fault writes a record for every event.
 */
#ifndef TRIGGER_H
#define TRIGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TRIGGER_EVERYONE 64u /* the group of a fault that is told to all who watch every process */

enum fault_source { FAULT_MAJOR, FAULT_ENTRY };

struct fault {
	uint64_t t;	  /* CLOCK_MONOTONIC, ns */
	uint64_t address; /* 0: not known */
	pid_t pid;
	unsigned int group; /* as given to trigger_attach, or TRIGGER_EVERYONE */
	enum fault_source source;
};

struct trigger; /* one a daemon */

typedef void fault_handler(void *context, const struct fault *f);

/* What this kernel offers. */
struct trigger_features {
	bool entry_swap; /* do_swap_page */
	bool entry_file; /* mm_filemap_fault */
	const char *why_not_swap; /* in a few words; NULL when offered */
	const char *why_not_file;
};

/* Open a ring per CPU and add them to the epoll set EPFD under DATA. EARLY: also look for ENTRY events. NULL with
 * errno: the kernel has no such event or a right (CAP_PERFMON) is missing. There is one trigger in a process. */
struct trigger *trigger_open(int epfd, uint64_t data, bool early, struct trigger_features *features);
/* Watch the cgroup directory CGROUP_FD for GROUP (0 to 63), or every process with -1. 0, or -1 with errno. */
int trigger_attach(struct trigger *t, unsigned int group, int cgroup_fd);
void trigger_detach(struct trigger *t, unsigned int group);
/* Switch GROUP's ENTRY events on or off (they are on after trigger_attach). Those that are shared are on as long as one
 * of the groups wants them. */
void trigger_entry(struct trigger *t, unsigned int group, bool on);
/* Hand every fault that waits in the rings to HANDLE, by time as far as one drain can tell. */
void trigger_drain(struct trigger *t, fault_handler *handle, void *context);
/* Records lost so far because a ring was full. */
uint64_t trigger_lost(const struct trigger *t);
void trigger_close(struct trigger *t);

#endif
