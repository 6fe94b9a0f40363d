#include "kernel/ring.h"

#include <linux/perf_event.h>
#include <string.h>

/* A record may wrap around the end of the ring. */
static void copy_out(const struct ring *r, uint64_t at, void *out, size_t n)
{
	size_t from = (size_t)(at % r->size);
	size_t first = n < r->size - from ? n : r->size - from;

	memcpy(out, r->data + from, first);
	memcpy((char *)out + first, r->data, n - first);
}

/* False: what follows is no record, and where the next one begins nobody knows. */
static bool read_header(const struct ring *r, struct perf_event_header *header)
{
	uint64_t left = r->head - r->tail;

	if (left < sizeof(*header) || left > r->size)
		return false;
	copy_out(r, r->tail, header, sizeof(*header));
	return header->size >= sizeof(*header) && header->size <= left;
}

bool ring_next(struct ring *r, struct ring_sample *s)
{
	struct perf_event_header header;
	uint64_t lost[2]; /* id, number */

	while (r->tail != r->head) {
		uint64_t body = r->tail + sizeof(header);
		size_t n;

		if (!read_header(r, &header)) {
			r->tail = r->head;
			r->lost++;
			return false;
		}
		r->tail += header.size;
		n = header.size - sizeof(header);
		if (header.type == PERF_RECORD_LOST && n >= sizeof(lost)) {
			copy_out(r, body, lost, sizeof(lost));
			r->lost += lost[1];
		}
		if (header.type == PERF_RECORD_SAMPLE && n >= sizeof(*s)) {
			copy_out(r, body, s, sizeof(*s));
			return true;
		}
	}
	return false;
}
