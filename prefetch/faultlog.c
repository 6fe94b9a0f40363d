#include "faultlog.h"

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
