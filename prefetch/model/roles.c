#include "model/roles.h"

#define MAX_LINE 16 /* of forks that are followed back */

int roles_parent(const struct members *m, unsigned int slot)
{
	const struct member *child = &m->slots[slot];
	int parent = members_find(m, child->id.parent);

	return parent >= 0 && m->slots[parent].exe_hash == child->exe_hash ? parent : -1;
}

unsigned int roles_root(const struct members *m, unsigned int slot)
{
	for (int i = 0; i < MAX_LINE; i++) {
		int parent = roles_parent(m, slot);

		if (parent < 0)
			break;
		slot = (unsigned int)parent;
	}
	return slot;
}

static bool started_before(const struct member *a, const struct member *b)
{
	if (a->id.start_ticks != b->id.start_ticks)
		return a->id.start_ticks < b->id.start_ticks;
	return a->pid < b->pid;
}

unsigned int roles_ordinal(const struct members *m, unsigned int slot)
{
	const struct member *self = &m->slots[slot];
	unsigned int before = 0;

	for (unsigned int i = 0; i < m->nslots; i++) {
		const struct member *other = &m->slots[i];

		if (other->used && i != slot && other->exe_hash == self->exe_hash && started_before(other, self) &&
		    roles_parent(m, i) < 0)
			before++;
	}
	return before;
}

void roles_assign(struct members *m, struct workset *w)
{
	char exe[EXE_CAP];

	for (unsigned int slot = 0; slot < m->nslots; slot++) {
		struct member *member = &m->slots[slot];
		unsigned int root;

		member->role = NO_ROLE;
		if (!member->used || member->fresh || !members_exe(member->pid, exe))
			continue;
		root = roles_root(m, slot);
		member->worker = root != slot;
		member->role = workset_role(w, exe, roles_ordinal(m, root), member->worker);
	}
}
