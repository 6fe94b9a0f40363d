/* The records of a perf ring buffer, whose layout is perf_event_open(2)'s. Pure: a ring is any memory. */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As PERF_SAMPLE_IDENTIFIER | TID | TIME | ADDR lays it out. */
struct ring_sample {
	uint64_t id;
	uint32_t pid;
	uint32_t tid;
	uint64_t time;
	uint64_t address;
};

/* HEAD and TAIL only grow; modulo SIZE they are places in DATA. */
struct ring {
	const char *data;
	size_t size;
	uint64_t tail; /* read up to here */
	uint64_t head; /* written up to here */
	uint64_t lost; /* records, as the writer says, and 1 for what was not readable */
};

/* The next sample, and TAIL behind it; false at the end. Other records are skipped. */
bool ring_next(struct ring *r, struct ring_sample *s);

#endif
