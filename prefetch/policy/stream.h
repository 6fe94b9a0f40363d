/* A list of targets, taken piece by piece. Pure. */
#ifndef STREAM_H
#define STREAM_H

#include "policy/plan.h"

/* Where in a list of targets the issue has come. */
struct stream {
	const struct target *v;
	size_t n, next;
	struct target left; /* of the target before NEXT */
};

/* Whether S has a target left: then LEFT is what remains of it. ROLE, in W: that of a worker, whose targets alone count. */
bool stream_advance(struct stream *s, const struct workset *w, int role);
/* Take at most MAX pages of what is left, as one target of SLOT if it is a worker's. False: they have no place in P. */
bool stream_take(struct stream *s, const struct plan *p, const struct workset *w, unsigned int slot, uint64_t max,
		 struct target *out);
/* The rank of PAGE of member SLOT, if it is left. */
bool stream_find(const struct stream *s, unsigned int slot, uint64_t page, uint64_t *rank);

#endif
