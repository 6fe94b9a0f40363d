#include "kernel/protect.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "guest_c/procfs.h"

#define NOTE "user.prefetchd.min" /* on a cgroup: Linux 5.7 */

uint64_t protect_bytes(uint64_t current, uint64_t fetched, uint64_t memory)
{
	uint64_t most = memory / 2;

	if (fetched > most || current > most - fetched)
		return most;
	return current + fetched;
}

static bool write_min(const char *dir, const char *text)
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s/memory.min", dir);
	int fd = n > 0 && (size_t)n < sizeof(path) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* "max" is 0 as a number, and already all there is. */
static bool is_enough(const char *min, uint64_t bytes)
{
	return strncmp(min, "max", 3) == 0 || strtoull(min, NULL, 10) >= bytes;
}

void protect_begin(struct protection *p, const char *dir, uint64_t fetched)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	char current[24];
	char wanted[24];
	uint64_t bytes;

	protect_end(p);
	if (strlen(dir) >= sizeof(p->dir) || !read_in(dir, "memory.current", current, sizeof(current)) ||
	    !read_in(dir, "memory.min", p->before, sizeof(p->before)))
		return;
	bytes = protect_bytes(strtoull(current, NULL, 10), fetched, memory);
	if (is_enough(p->before, bytes) || setxattr(dir, NOTE, p->before, strlen(p->before), 0) < 0)
		return;
	strcpy(p->dir, dir);
	snprintf(wanted, sizeof(wanted), "%" PRIu64, bytes);
	if (!write_min(dir, wanted))
		protect_end(p);
}

void protect_end(struct protection *p)
{
	if (!p->dir[0])
		return;
	write_min(p->dir, p->before); /* where the cgroup is gone, so is what was held */
	removexattr(p->dir, NOTE);
	p->dir[0] = 0;
}

void protect_recover(const char *dir)
{
	struct protection left = { 0 };
	ssize_t n = strlen(dir) < sizeof(left.dir) ? getxattr(dir, NOTE, left.before, sizeof(left.before) - 1) : -1;

	if (n <= 0)
		return;
	strcpy(left.dir, dir);
	protect_end(&left);
}
