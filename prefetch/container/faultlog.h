/* The major faults of the activations under way, of all groups: one fixed array. Pure. */
#ifndef FAULTLOG_H
#define FAULTLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_FAULTS 16384u

struct logged_fault {
	uint64_t address;
	uint32_t t_us; /* after the trigger */
	pid_t pid;
	uint16_t group;
	bool resolved; /* its page is known */
};

struct faultlog {
	struct logged_fault v[MAX_FAULTS];
	size_t n;
	uint64_t dropped;
};

void faultlog_add(struct faultlog *l, const struct logged_fault *f);
/* Forget GROUP's, and close the gaps. */
void faultlog_drop(struct faultlog *l, unsigned int group);
/* Where in GROUP's a burst of COUNT within LENGTH_NS begins. False: nowhere. */
bool faultlog_burst(const struct faultlog *l, unsigned int group, uint64_t count, uint64_t length_ns, uint32_t *t_us);

#endif
