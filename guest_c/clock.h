/* Every instant in this program: CLOCK_MONOTONIC in nanoseconds, as the perf samples carry too. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS 1000000u
#define NS_PER_US 1000u
#define NS_OF_MS(ms) ((uint64_t)(ms) * NS_PER_MS)

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* LATER - EARLIER, or 0 when a sample of another CPU overtook us. */
static inline uint64_t elapsed_ns(uint64_t earlier, uint64_t later)
{
	return later > earlier ? later - earlier : 0;
}

#endif
