/* Major faults as they happen: perf software event PAGE_FAULTS_MAJ, one ring buffer per CPU (perf_event_open(2)).
 * A cgroup's events are counted by the kernel (PERF_FLAG_PID_CGROUP, descendants included; cgroup v2 needs no
 * enabling). For groups by process name one system-wide event per CPU is filtered by pid here: a per-task event
 * can be mapped only without inheritance, so it would miss every thread that is not watched by itself. */
#ifndef TRIGGER_H
#define TRIGGER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_RINGS 64

struct fault {
	uint64_t t; /* CLOCK_MONOTONIC, ns: the read has finished by then */
	uint64_t address;
	pid_t pid;
};

struct ring {
	int fd;
	void *base; /* struct perf_event_mmap_page, then the data */
};

struct trigger {
	struct ring rings[MAX_RINGS];
	size_t n;
	uint64_t lost;
};

typedef void fault_handler(void *context, const struct fault *f);

/* The kernel has that event and lets us watch every process: 0, or -1 with errno. */
int trigger_probe(void);
/* Add events on every CPU for the cgroup directory CGROUP_FD, or system-wide with -1, to the epoll set EPFD
 * under DATA. 0, or -1 with errno. */
int trigger_attach(struct trigger *t, int cgroup_fd, int epfd, uint64_t data);
void trigger_detach(struct trigger *t);
/* Hand every fault that waits in the rings to HANDLE. */
void trigger_drain(struct trigger *t, fault_handler *handle, void *context);

#endif
