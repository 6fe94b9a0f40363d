#include "container/activation.h"

#include "container/daemon.h"
#include "container/look.h"
#include "container/quiet.h"
#include "container/report.h"
#include "guest_c/clock.h"
#include "kernel/helpers.h"

#define LOOK_PAGES	 2048u /* issued between two looks at the machine's memory */
#define DISK_PAUSE	 NS_OF_MS(1)
#define RECLAIM_PAUSE	 NS_OF_MS(2)
#define USE_PAUSE	 NS_OF_MS(20) /* at first: a container that works for long need not be looked at so often */
#define USE_PAUSE_PART	 16u
#define MAX_RECLAIM_WAITS 64u
#define WORKER_PAGES	 4096u
#define FIRST_PAGES	 512u /* are wanted at once: in small windows, before anything else is done */
#define FIRST_WINDOW	 64u

/* Ours: the paper's policy, and the controls, are carried out to the letter. */
static bool is_own_policy(const struct group *g)
{
	return g->policy == POLICY_WORKING_SET || g->policy == POLICY_ORACLE;
}

/* Nobody uses anything between a wake and the request. */
static bool is_doubtful(const struct group *g)
{
	return is_own_policy(g) && g->opened_by != BY_WAKE;
}

/* Once, and of a large set only when it is seen to be of use: others cannot have what is held. Groups by name have no
 * cgroup. */
static void hold_used(struct group *g)
{
	bool little = g->plan.pages < FOLLOW_FEW || (!g->issuing && g->stopped == GO);
	bool used = !is_doubtful(g) || g->follow.seen || little;

	if (!g->source || !is_own_policy(g) || !g->daemon->options.hold || !g->members.dir[0] || g->hold_begun || !used)
		return;
	g->hold_begun = true;
	protect_begin(&g->held, g->members.dir, g->plan.pages * PAGE_BYTES);
}

struct group *activation_wrong_group(const struct group *g)
{
	struct daemon *d = g->daemon;

	for (unsigned int i = 1; i < MAX_GROUPS; i++) {
		struct group *other = &d->groups[(g->index + i) % MAX_GROUPS];

		if (other->used && !other->active && other->plan.n)
			return other;
	}
	return NULL;
}

/* The paper's policy, and its controls: what is in swap now. */
static void plan_all_swapped(struct group *g)
{
	int faulting = members_find(&g->members, g->first.pid);

	if (g->opened_by != BY_WAKE) { /* or it was done a moment ago */
		g->active = false; /* or nothing would be planned */
		quiet_renew(g);
		g->active = true;
	}
	if (g->policy == POLICY_SAME_PROCESS && faulting < 0)
		plan_free(&g->plan);
	else
		plan_swapped(&g->plan, &g->before, g->policy == POLICY_SIBLINGS ? faulting : -1,
			     g->policy == POLICY_SAME_PROCESS ? faulting : -1);
	issue_reserve(&g->issue, &g->plan);
}

static struct group *choose_source(struct group *g)
{
	switch (g->policy) {
	case POLICY_OFF:
		return NULL;
	case POLICY_OTHER_CONTAINER:
		return activation_wrong_group(g);
	case POLICY_SIBLINGS:
	case POLICY_SAME_PROCESS:
	case POLICY_CONTAINER:
		plan_all_swapped(g);
		return g;
	default:
		return g;
	}
}

static uint64_t quota_left(const struct group *g)
{
	uint64_t quota = g->quota[g->opened_by];
	uint64_t issued = issue_pages(&g->issue);

	return quota > issued ? quota - issued : 0;
}

static bool is_worker(const struct group *g, int slot)
{
	return slot >= 0 && g->source == g && g->members.slots[slot].worker && g->members.slots[slot].role != NO_ROLE;
}

static void fetch_for(struct group *g, pid_t pid, enum target_kind kind)
{
	uint64_t most = quota_left(g);
	int slot = members_find(&g->members, pid);

	if (!is_worker(g, slot))
		return;
	g->members.slots[slot].woken = true;
	issue_worker(&g->issue, (unsigned int)slot, kind, most < WORKER_PAGES ? most : WORKER_PAGES);
}

void activation_wake(struct group *g, pid_t pid)
{
	fetch_for(g, pid, TARGET_READ);
	fetch_for(g, pid, TARGET_ADVISE);
}

static uint64_t window_pages(const struct group *g)
{
	uint64_t left = quota_left(g);
	uint64_t window = issue_pages(&g->issue) < FIRST_PAGES ? FIRST_WINDOW : WINDOW_PAGES;

	return left < window ? left : window;
}

static bool memory_allows(struct group *g)
{
	uint64_t window = window_pages(g);

	g->stopped = budget_allows(&g->memory, issue_pages(&g->issue), window ? window : 1,
				   g->daemon->options.share_percent, g->quota[g->opened_by]);
	return g->stopped == GO;
}

static uint64_t since_first_us(const struct group *g, uint64_t t)
{
	return elapsed_ns(g->first.t, t) / NS_PER_US;
}

/* Pages that nobody was seen to wait for come last, and wait for nothing. */
static uint64_t due_rank(const struct group *g, uint64_t rank, uint64_t now)
{
	return rank == WS_NO_RANK ? UINT64_MAX : pace_due(&g->pace, since_first_us(g, now));
}

static uint64_t due_in_ns(const struct group *g, uint64_t rank, uint64_t now)
{
	uint64_t due = rank == WS_NO_RANK ? 0 : pace_when(&g->pace, rank);
	uint64_t elapsed = since_first_us(g, now);

	return due > elapsed ? (due - elapsed) * NS_PER_US : 0;
}

static void issue_first(struct group *g)
{
	int slot = members_find(&g->members, g->first.pid);
	uint64_t rank;

	if (is_worker(g, slot)) {
		g->members.slots[slot].woken = true;
		issue_add_worker(&g->issue, (unsigned int)slot);
	}
	if (memory_allows(g) && issue_next(&g->issue, &rank))
		issue_window(&g->issue, window_pages(g), due_rank(g, rank, g->first.t));
}

/* The event itself says that the leader is a member, and it was a moment ago: that need not be read again. */
static void trust_event(struct group *g)
{
	int slot = members_find(&g->members, g->first.pid);

	if (g->opened_by == BY_LEADER && slot >= 0)
		g->members.slots[slot].verdict = MEMBER_OURS;
}

void activation_begin(struct group *g)
{
	struct daemon *d = g->daemon;

	g->number++;
	g->begun_ns = now_ns();
	g->policy = d->policy;
	g->last_busy_ns = g->last_major_ns = g->first.t;
	g->ticks = 0;
	g->attended = g->hold_begun = false;
	g->stopped = GO;
	g->looked_pages = 0;
	g->disk_waits = g->reclaim_waits = 0;
	pace_begin(&g->pace);
	follow_begin(&g->follow);
	if (g->opened_by == BY_WAKE)
		pace_ahead(&g->pace);
	g->resume_ns = 0;
	demand_clear(&g->demand);
	for (size_t i = 0; i < g->members.nslots; i++)
		g->members.slots[i].woken = false;
	g->source = choose_source(g);
	g->issuing = g->source != NULL;
	if (g->source) {
		const struct workset *w = g->policy == POLICY_ORACLE ? &g->source->oracle : &g->source->learned;

		issue_begin(&g->issue, &g->source->plan, w, &g->source->members, &g->source->files, g->first.t);
		trust_event(g);
		issue_first(g);
	} else {
		quiet_notice_reclaim(g); /* elsewhere it would see what the first windows themselves have reclaimed */
		issue_begin(&g->issue, &g->plan, &g->learned, &g->members, &g->files, g->first.t);
	}
	if (!g->source)
		activation_attend(g);
}

void activation_attend(struct group *g)
{
	if (g->attended)
		return;
	g->attended = true;
	hold_used(g);
	trigger_entry(g->daemon->trigger, g->index, false);
	report_trigger(g);
}

void activation_stop(struct group *g)
{
	activation_attend(g);
	g->issuing = false;
	hold_used(g);
	report_issue(g);
}

/* Others wait for memory that we use up: let the background reclaim catch up, and stop if it cannot. */
static bool must_wait_for_reclaim(struct group *g, uint64_t now)
{
	uint64_t stalls = g->memory.stalls;

	if (issue_pages(&g->issue) < g->looked_pages + LOOK_PAGES && !g->resume_ns)
		return false;
	budget_read(&g->memory, g->members.dir);
	g->looked_pages = issue_pages(&g->issue);
	if (g->memory.stalls == stalls)
		return false;
	g->reclaim_waits++;
	g->resume_ns = now + RECLAIM_PAUSE;
	return true;
}

/* What the process that faulted waits for must not wait for what others will need later. */
static bool disk_is_busy(const struct group *g)
{
	uint64_t depth = g->daemon->options.depth;

	/* What is still to be asked for is under way, too. */
	return helpers_waiting() > WINDOW_TARGETS || (depth && disks_reads(&g->daemon->disks) > depth);
}

/* Somebody waits for it all the same, or again. */
static bool was_issued(const struct group *g, unsigned int slot, uint64_t page)
{
	return issue_run(&g->issue, TARGET_ADVISE, slot, page) || issue_run(&g->issue, TARGET_READ, slot, page);
}

/* The container does something else than it used to: what it has no use for would only be in others' way. Where the
 * disk is busy, what was issued may not have been read yet. */
static bool has_strayed(struct group *g, uint64_t now)
{
	static struct run samples[FOLLOW_SAMPLES];
	uint64_t at = since_first_us(g, now);
	uint64_t sampled;
	uint64_t used;
	size_t n;

	if (!is_doubtful(g) || !g->follow.seen || !follow_due(&g->follow, at) || disk_is_busy(g))
		return false;
	n = follow_samples(g->issue.runs, g->issue.nruns, follow_overdue(&g->follow, at), samples);
	used = look_mapped(&g->issue, samples, n, &sampled);
	return follow_judge(&g->follow, at, sampled, used);
}

/* At first a container gets little, and the rest once it is seen to use that. Of files nothing can be seen, nor of what has
 * no rank. */
static bool must_be_used_first(struct group *g, uint64_t now)
{
	static struct run samples[FOLLOW_SAMPLES];
	uint64_t used;
	uint64_t sampled;
	size_t n;

	if (!is_doubtful(g) || g->follow.seen || g->issue.pages[TARGET_ADVISE] < FOLLOW_FEW)
		return false;
	n = follow_samples(g->issue.runs, g->issue.nruns, FOLLOW_ALL, samples);
	used = n ? look_mapped(&g->issue, samples, n, &sampled) : FOLLOW_FEW;
	return !follow_use(&g->follow, since_first_us(g, now), used);
}

void activation_hurry(struct group *g, const struct fault *f)
{
	int slot = members_find(&g->members, f->pid);
	uint64_t at = since_first_us(g, f->t);
	uint64_t page = f->address / PAGE_BYTES;
	uint64_t rank;

	if (slot >= 0 && g->source == g && issue_find(&g->issue, (unsigned int)slot, page, &rank)) {
		follow_fault(&g->follow, at);
		if (rank != WS_NO_RANK)
			pace_hurry(&g->pace, at, rank);
	} else if (issue_next(&g->issue, &rank) && rank != WS_NO_RANK) {
		pace_reach(&g->pace, at, rank); /* a page of a file, one of nobody's set, or one whose read is under way */
	}
	if (slot >= 0 && was_issued(g, (unsigned int)slot, page))
		follow_fault(&g->follow, at);
}

static uint64_t use_pause(const struct group *g, uint64_t now)
{
	uint64_t part = elapsed_ns(g->first.t, now) / USE_PAUSE_PART;

	return part > USE_PAUSE ? part : USE_PAUSE;
}

static uint64_t stop(struct group *g, enum allowance why)
{
	g->stopped = why;
	activation_stop(g);
	if (why == STOP_STRAYED)
		group_release(g); /* what it does not use is to be the first to go */
	return UINT64_MAX;
}

uint64_t group_issue(struct group *g, uint64_t now)
{
	uint64_t rank;
	uint64_t wait;

	if (now < g->resume_ns)
		return g->resume_ns - now;
	if (!issue_next(&g->issue, &rank))
		return stop(g, g->stopped);
	wait = due_in_ns(g, rank, now);
	if (wait || issue_pages(&g->issue) >= FIRST_PAGES)
		activation_attend(g);
	if (wait)
		return has_strayed(g, now) ? stop(g, STOP_STRAYED) : wait;
	if (must_wait_for_reclaim(g, now) && g->reclaim_waits < MAX_RECLAIM_WAITS)
		return RECLAIM_PAUSE;
	if (g->reclaim_waits == MAX_RECLAIM_WAITS)
		return stop(g, STOP_RECLAIM);
	if (!memory_allows(g))
		return stop(g, g->stopped);
	if (disk_is_busy(g)) {
		activation_attend(g);
		g->disk_waits++;
		g->resume_ns = now + DISK_PAUSE;
		return DISK_PAUSE;
	}
	g->resume_ns = 0;
	if (has_strayed(g, now))
		return stop(g, STOP_STRAYED);
	if (must_be_used_first(g, now)) {
		activation_attend(g);
		wait = use_pause(g, now);
		g->resume_ns = now + wait;
		return wait;
	}
	if (g->follow.seen && g->attended)
		hold_used(g);
	issue_window(&g->issue, window_pages(g), due_rank(g, rank, now));
	return 0;
}
