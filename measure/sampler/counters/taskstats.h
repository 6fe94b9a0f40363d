/* The generic netlink socket on which the kernel reports each thread that ends. */
#ifndef TASKSTATS_H
#define TASKSTATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct taskstats_link {
	int fd; /* -1: not to be had; WHY says why */
	uint16_t family;
	char why[128];
};

/* Listen on all CPUs. Needs CAP_NET_ADMIN in the first user and pid namespace. */
bool taskstats_open(struct taskstats_link *l);

/* The length of the next message: 0 if there is none now, -1 if the kernel dropped some (ENOBUFS). */
long taskstats_read(struct taskstats_link *l, void *buf, size_t cap);

#endif
