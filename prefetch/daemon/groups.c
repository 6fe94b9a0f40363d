#include "daemon/groups.h"

#include <stdio.h>
#include <string.h>

#include "container/daemon.h"
#include "container/report.h"
#include "model/setfile.h"

#define MAX_SETS 1024u /* kept on disk: of containers that are there, and of some that may come again */

struct group *groups_find(struct daemon *d, const char *name)
{
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (d->groups[i].used && strcmp(d->groups[i].name, name) == 0)
			return &d->groups[i];
	return NULL;
}

static struct group *free_group(struct daemon *d)
{
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (!d->groups[i].used)
			return &d->groups[i];
	return NULL;
}

static void add_group(struct daemon *d, const struct group_spec *spec, const char *name, const char *cgroup,
		      uint64_t inode)
{
	struct group *g = free_group(d);

	if (!g) {
		d->groups_ignored++;
		return;
	}
	group_init(g, d, (unsigned int)(g - d->groups), spec, name, cgroup, inode);
	report_group(g, true);
}

static struct group *group_of(struct daemon *d, const struct group_spec *spec, const struct found_cgroup *found)
{
	for (size_t i = 0; i < MAX_GROUPS; i++) {
		struct group *g = &d->groups[i];

		if (g->used && g->members.spec == spec && g->inode == found->inode &&
		    strcmp(g->members.dir, found->path) == 0)
			return g;
	}
	return NULL;
}

static bool is_among(const struct group *g, const struct found_cgroup *found, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (g->inode == found[i].inode && strcmp(g->members.dir, found[i].path) == 0)
			return true;
	return false;
}

static void sync_spec(struct daemon *d, const struct group_spec *spec)
{
	static struct found_cgroup found[2 * MAX_GROUPS];
	bool many = strpbrk(spec->cgroup, "*?[") != NULL;
	size_t n = watch_find(d->watch, spec->cgroup, found, 2 * MAX_GROUPS);
	char name[GROUP_NAME_CAP];

	for (size_t i = 0; i < MAX_GROUPS; i++) {
		struct group *g = &d->groups[i];

		if (g->used && g->members.spec == spec && !is_among(g, found, n)) {
			report_group(g, false);
			group_free(g);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (group_of(d, spec, &found[i]))
			continue;
		snprintf(name, sizeof(name), many ? "%s/%.120s" : "%s", spec->name, strrchr(found[i].path, '/') + 1);
		add_group(d, spec, name, found[i].path, found[i].inode);
	}
}

void groups_sync(struct daemon *d)
{
	size_t forgotten = d->options.state[0] ? setfile_tidy(d->options.state, MAX_SETS) : 0;

	if (forgotten)
		report_warning(d, "the %zu oldest sets in %s were removed: more than %u are not kept", forgotten,
			       d->options.state, MAX_SETS);
	d->groups_ignored = 0;
	for (size_t i = 0; i < d->options.nspecs; i++)
		if (!d->options.specs[i].ncomms)
			sync_spec(d, &d->options.specs[i]);
}

void groups_start(struct daemon *d)
{
	for (size_t i = 0; i < d->options.nspecs; i++)
		if (d->options.specs[i].ncomms) {
			d->named = true;
			add_group(d, &d->options.specs[i], d->options.specs[i].name, "", 0);
		}
	groups_sync(d);
}

void groups_set_policy(struct daemon *d, enum policy policy)
{
	d->policy = policy;
	for (size_t i = 0; i < MAX_GROUPS; i++) {
		if (!d->groups[i].used)
			continue;
		workset_clear(&d->groups[i].oracle);
		group_replan(&d->groups[i]);
	}
	report_policy(d);
}
