#include "kernel/disks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guest_c/procfs.h"

bool inflight_parse(const char *text, uint64_t *reads)
{
	uint64_t writes;

	return sscanf(text, "%" SCNu64 " %" SCNu64, reads, &writes) == 2;
}

void disks_add(struct disks *d, dev_t device)
{
	char path[64];
	int fd;

	for (size_t i = 0; i < d->n; i++)
		if (d->device[i] == device)
			return;
	if (d->n == MAX_DISKS || major(device) == 0)
		return;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/inflight", major(device), minor(device));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	d->device[d->n] = device;
	d->inflight[d->n++] = fd;
}

void disks_add_swaps(struct disks *d)
{
	static struct lines l;
	char path[256];
	struct stat st;

	if (!lines_open(&l, "/proc/swaps"))
		return;
	for (const char *line; (line = lines_next(&l));)
		if (sscanf(line, "%255s", path) == 1 && stat(path, &st) == 0)
			disks_add(d, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev);
	lines_close(&l);
}

uint64_t disks_reads(const struct disks *d)
{
	char text[64];
	uint64_t most = 0;
	uint64_t reads;

	for (size_t i = 0; i < d->n; i++) {
		ssize_t n = pread(d->inflight[i], text, sizeof(text) - 1, 0);

		if (n <= 0)
			continue;
		text[n] = 0;
		if (inflight_parse(text, &reads) && reads > most)
			most = reads;
	}
	return most;
}
