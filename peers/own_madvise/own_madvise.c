/* An application that advises its own memory when a request comes, for LD_PRELOAD: after accept(2), where the switch
 * file is there, it tells the kernel that all of its own data will be needed. */
#include "mapsfeed.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SWITCH_VARIABLE "OWN_MADVISE_SWITCH"
#define AGAIN_NS UINT64_C(5000000000)
#define EXPORTED __attribute__((visibility("default")))

static __typeof__(&accept) next_accept;
static __typeof__(&accept4) next_accept4;
static char switch_path[PATH_MAX] = "/var/lib/peers/own-madvise";
static _Atomic uint64_t advised_ns; /* when the last advice began; 0: none yet */

/* The environment is read once: some servers write over it. */
__attribute__((constructor)) static void prepare(void)
{
	const char *path = getenv(SWITCH_VARIABLE);

	next_accept = (__typeof__(next_accept))dlsym(RTLD_NEXT, "accept");
	next_accept4 = (__typeof__(next_accept4))dlsym(RTLD_NEXT, "accept4");
	if (path && strlen(path) < sizeof(switch_path))
		strcpy(switch_path, path);
}

/* Of threads that ask at the same time, one is told to advise. */
static bool is_due(void)
{
	uint64_t last = atomic_load(&advised_ns);
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (last && now - last < AGAIN_NS)
		return false;
	return !access(switch_path, F_OK) && atomic_compare_exchange_strong(&advised_ns, &last, now);
}

/* A mapping that has gone meanwhile is none of our business. */
static void advise_mapping(void *start, size_t size)
{
	madvise(start, size, MADV_WILLNEED);
}

static void advise(void)
{
	struct maps_feed feed = { .length = 0 };
	char piece[4096];
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		maps_feed(&feed, piece, (size_t)n, advise_mapping);
	close(fd);
}

static int accepted(int fd)
{
	int error = errno;

	if (fd >= 0 && is_due())
		advise();
	errno = error;
	return fd;
}

EXPORTED int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict length)
{
	return accepted(next_accept(fd, address, length));
}

EXPORTED int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict length, int flags)
{
	return accepted(next_accept4(fd, address, length, flags));
}
