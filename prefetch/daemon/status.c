#include "daemon/status.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "container/opening.h"
#include "daemon/control.h"
#include "daemon/groups.h"
#include "guest_c/clock.h"
#include "guest_c/jsonline.h"

static void put_outcome(struct jsonline *j, const struct outcome *o)
{
	uint64_t useful = o->used + o->late;

	json_open(j, NULL, '{');
	json_u64(j, "activation", o->number);
	json_string(j, "policy", policy_names[o->policy]);
	json_string(j, "by", opening_name(o->by));
	json_u64(j, "issued", o->issued);
	json_u64(j, "used", o->used);
	json_u64(j, "late", o->late);
	json_u64(j, "wasted", o->wasted);
	json_u64(j, "demanded", o->demanded);
	json_u64(j, "covered", o->covered);
	json_u64(j, "majors", o->majors);
	json_u64(j, "precision_percent", o->issued ? useful * 100 / o->issued : 0);
	json_u64(j, "coverage_percent", o->demanded ? o->covered * 100 / o->demanded : 0);
	json_u64(j, "first_issue_us", o->first_issue_ns / NS_PER_US);
	json_u64(j, "duration_us", o->duration_ns / NS_PER_US);
	json_close(j, '}');
}

static void put_group(struct jsonline *j, const struct group *g)
{
	json_open(j, NULL, '{');
	json_string(j, "name", g->name);
	json_string(j, "cgroup", g->members.dir);
	json_bool(j, "active", g->active);
	json_bool(j, "fresh", g->fresh);
	json_u64(j, "processes", members_count(&g->members));
	json_u64(j, "processes_ignored", g->members.overflow);
	json_u64(j, "activations", g->number);
	json_u64(j, "set_pages", g->learned.npages);
	json_u64(j, "set_files", g->learned.nfiles);
	json_bool(j, "set_truncated", g->learned.truncated);
	json_u64(j, "planned_pages", g->plan.pages);
	json_bool(j, "plan_truncated", g->plan.truncated);
	json_u64(j, "quota_pages", g->quota[BY_BURST]);
	json_u64(j, "quota_leader_pages", g->quota[BY_LEADER]);
	json_u64(j, "quota_wake_pages", g->quota[BY_WAKE]);
	json_u64(j, "snapshot_us", g->snapshot_took_ns / NS_PER_US);
	json_open(j, "leaders", '[');
	for (size_t i = 0; i < g->learned.nroles; i++)
		if (g->learned.roles[i].trust)
			json_string(j, NULL, g->learned.roles[i].exe);
	json_close(j, ']');
	json_open(j, "last", '[');
	for (uint64_t n = 0; n < HISTORY && n < g->number; n++)
		if (g->history[(g->number - n) % HISTORY].number)
			put_outcome(j, &g->history[(g->number - n) % HISTORY]);
	json_close(j, ']');
	json_close(j, '}');
}

static size_t status_json(struct daemon *d, const char *only, char *reply, size_t cap)
{
	struct jsonline j;

	json_begin(&j, reply, cap);
	json_string(&j, "policy", policy_names[d->policy]);
	json_i64(&j, "pid", getpid());
	json_bool(&j, "entry_swap", d->features.entry_swap);
	json_bool(&j, "entry_file", d->features.entry_file);
	json_bool(&j, "pressure", d->pressure);
	json_u64(&j, "events_dropped", d->events.dropped);
	json_u64(&j, "faults_lost", trigger_lost(d->trigger) + d->faults.dropped);
	json_u64(&j, "pool_bytes", d->pool.bytes);
	json_u64(&j, "pool_used_bytes", d->pool.used);
	json_u64(&j, "groups_ignored", d->groups_ignored);
	json_open(&j, "groups", '[');
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (d->groups[i].used && (!only[0] || strcmp(only, d->groups[i].name) == 0))
			put_group(&j, &d->groups[i]);
	json_close(&j, ']');
	return json_end(&j);
}

static size_t outcome_text(const struct outcome *o, char *reply, size_t cap)
{
	uint64_t issued = o->issued ? o->issued : 1;
	uint64_t demanded = o->demanded ? o->demanded : 1;
	size_t n = say(reply, cap, "  activation %" PRIu64 ", %s%s: %" PRIu64 " major faults", o->number,
		       policy_names[o->policy], o->by == BY_WAKE ? ", woken" : "", o->majors);

	if (o->policy == POLICY_OFF)
		return n + say(reply + n, cap - n, "\n");
	n += say(reply + n, cap - n, "; issued %" PRIu64 " pages, precision %" PRIu64 " %%, coverage %" PRIu64 " %%",
		 o->issued, (o->used + o->late) * 100 / issued, o->covered * 100 / demanded);
	return n + say(reply + n, cap - n, ", late %" PRIu64 ", wasted %" PRIu64 "; first issue after %" PRIu64 " us\n",
		       o->late, o->wasted, o->first_issue_ns / NS_PER_US);
}

static size_t group_text(const struct group *g, char *reply, size_t cap)
{
	size_t n = say(reply, cap, "%s: %s, %zu processes, %" PRIu64 " activations", g->name,
		       g->active ? "active" : "quiet", members_count(&g->members), g->number);

	n += say(reply + n, cap - n, "; set of %zu pages (%zu files)%s", g->learned.npages, g->learned.nfiles,
		 g->learned.truncated ? ", truncated" : "");
	n += say(reply + n, cap - n, ", quota %" PRIu64 " pages (opened by its leader: %" PRIu64 ", woken: %" PRIu64 ")%s\n",
		 g->quota[BY_BURST], g->quota[BY_LEADER], g->quota[BY_WAKE],
		 g->fresh || g->active ? "" : " (snapshot outdated)");
	for (uint64_t k = 0; k < HISTORY && k < g->number; k++) {
		const struct outcome *o = &g->history[(g->number - k) % HISTORY];

		if (o->number)
			n += outcome_text(o, reply + n, cap - n);
	}
	return n;
}

static size_t status_text(struct daemon *d, const char *only, char *reply, size_t cap)
{
	size_t n = say(reply, cap, "policy %s, pid %d, early trigger %s, %zu of %zu KiB in use", policy_names[d->policy],
		       getpid(), d->features.entry_swap ? "yes" : "no", d->pool.used / 1024, d->pool.bytes / 1024);

	n += say(reply + n, cap - n, ", %" PRIu64 " faults lost, %" PRIu64 " events dropped\n",
		 trigger_lost(d->trigger) + d->faults.dropped, d->events.dropped);
	for (size_t i = 0; i < MAX_GROUPS; i++)
		if (d->groups[i].used && (!only[0] || strcmp(only, d->groups[i].name) == 0))
			n += group_text(&d->groups[i], reply + n, cap - n);
	return n;
}

size_t status(struct daemon *d, const char *words, char *reply, size_t cap)
{
	size_t ok = say(reply, cap, "ok ");
	bool json = strncmp(words, " json", 5) == 0 && (words[5] == 0 || words[5] == ' ');
	const char *only = words + (json ? 5 : 0);
	size_t n;

	only += *only == ' ';
	if (only[0] && !groups_find(d, only))
		return say(reply, cap, "error no group %s\n", only);
	n = json ? status_json(d, only, reply + ok, cap - ok) : status_text(d, only, reply + ok, cap - ok);
	return n ? ok + n : say(reply, cap, "error too many groups for one answer: name one\n");
}
