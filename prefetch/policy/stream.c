#include "policy/stream.h"

static bool is_of_role(const struct target *t, const struct workset *w, int role)
{
	return role >= 0 && t->where < w->nregions && w->regions[t->where].role == (uint16_t)role;
}

bool stream_advance(struct stream *s, const struct workset *w, int role)
{
	while (!s->left.pages && s->next < s->n) {
		s->left = s->v[s->next++];
		if (s->left.region && !is_of_role(&s->left, w, role))
			s->left.pages = 0;
	}
	return s->left.pages > 0;
}

bool stream_take(struct stream *s, const struct plan *p, const struct workset *w, unsigned int slot, uint64_t max,
		 struct target *out)
{
	struct target part = s->left;
	uint32_t before;
	bool placed = true;

	if (part.pages > max)
		part.pages = (uint32_t)max;
	before = part.pages;
	*out = part;
	if (part.region)
		placed = plan_resolve(p, w, &part, slot, out);
	else
		part.pages = 0;
	s->left.page += before - part.pages;
	s->left.pages -= before - part.pages;
	return placed;
}

static bool holds(const struct target *t, unsigned int slot, uint64_t page)
{
	return t->kind != TARGET_FILE && t->where == slot && page >= t->page && page - t->page < t->pages;
}

bool stream_find(const struct stream *s, unsigned int slot, uint64_t page, uint64_t *rank)
{
	const struct target *found = holds(&s->left, slot, page) ? &s->left : NULL;

	for (size_t k = s->next; !found && k < s->n; k++)
		if (holds(&s->v[k], slot, page))
			found = &s->v[k];
	if (found)
		*rank = found->rank;
	return found != NULL;
}
