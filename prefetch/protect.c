#include "protect.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "procfs.h"

uint64_t protect_bytes(uint64_t current, uint64_t fetched, uint64_t memory)
{
	uint64_t most = memory / 4;

	if (fetched > most || current > most - fetched)
		return most;
	return current + fetched;
}

static bool read_file(const char *dir, const char *name, char *text, size_t cap)
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	return n > 0 && (size_t)n < sizeof(path) && read_text(path, text, cap) > 0;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

void protect_begin(struct protection *p, const char *dir, uint64_t fetched)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	char current[24];
	char wanted[24];
	uint64_t bytes;
	int n;

	protect_end(p);
	if (!read_file(dir, "memory.current", current, sizeof(current)) ||
	    !read_file(dir, "memory.min", p->before, sizeof(p->before)))
		return;
	bytes = protect_bytes(strtoull(current, NULL, 10), fetched, memory);
	/* "max" is 0 as a number, and already all there is. */
	if (strncmp(p->before, "max", 3) == 0 || strtoull(p->before, NULL, 10) >= bytes)
		return;
	n = snprintf(p->path, sizeof(p->path), "%s/memory.min", dir);
	snprintf(wanted, sizeof(wanted), "%" PRIu64, bytes);
	if (n < 0 || (size_t)n >= sizeof(p->path) || !write_file(p->path, wanted))
		p->path[0] = 0;
}

void protect_end(struct protection *p)
{
	if (p->path[0])
		write_file(p->path, p->before); /* where the cgroup is gone, so is what was held */
	p->path[0] = 0;
}
