#include "container/faultlog.h"

#include "guest_c/clock.h"
#include "policy/burst.h"

void faultlog_add(struct faultlog *l, const struct logged_fault *f)
{
	if (l->n == MAX_FAULTS)
		l->dropped++;
	else
		l->v[l->n++] = *f;
}

void faultlog_drop(struct faultlog *l, unsigned int group)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].group != group)
			l->v[kept++] = l->v[i];
	l->n = kept;
}

bool faultlog_burst(const struct faultlog *l, unsigned int group, uint64_t count, uint64_t length_ns, uint32_t *t_us)
{
	struct burst burst = { 0 };
	uint32_t began = 0;
	bool first;
	bool enough;

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].group != group)
			continue;
		enough = burst_add(&burst, l->v[i].t_us * (uint64_t)NS_PER_US, count, length_ns, &first);
		if (first)
			began = l->v[i].t_us;
		if (enough) {
			*t_us = began;
			return true;
		}
	}
	return false;
}
