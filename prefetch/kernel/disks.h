/* How many reads are under way on the disks that prefetches come from: a prefetch must not queue up before demand. */
#ifndef DISKS_H
#define DISKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_DISKS 16

struct disks {
	dev_t device[MAX_DISKS];
	int inflight[MAX_DISKS]; /* descriptor of /sys/dev/block/MAJOR:MINOR/inflight */
	size_t n;
};

/* The devices, and file systems of files, in /proc/swaps. Call again when they may have changed. */
void disks_add_swaps(struct disks *d);
/* The disk of a file system; those without one (overlayfs, network) are left out. */
void disks_add(struct disks *d, dev_t device);
/* Reads under way on the busiest of them; 0 when nothing is known. */
uint64_t disks_reads(const struct disks *d);
/* "      12        3": reads, then writes (Documentation/block/stat.rst). Pure. */
bool inflight_parse(const char *text, uint64_t *reads);

#endif
