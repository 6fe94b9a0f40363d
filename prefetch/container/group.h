/* One container's life: quiet (what is absent is kept known, the next plan ready) -> activation (issue) -> settled
 * (judge and learn). */
#ifndef GROUP_H
#define GROUP_H

#include "container/faultlog.h"
#include "container/follow.h"
#include "container/issue.h"
#include "container/learn.h"
#include "kernel/protect.h"
#include "kernel/trigger.h"
#include "model/members.h"
#include "model/pageset.h"
#include "policy/budget.h"
#include "policy/burst.h"
#include "policy/pace.h"
#include "policy/plan.h"

#define HISTORY	       4   /* activations that status shows */
#define GROUP_NAME_CAP 192 /* NAME/BASENAME; a Docker scope's is of 77 letters */

enum opened_by { BY_BURST, BY_LEADER, BY_WAKE, OPENINGS };

/* What became of an activation. */
struct outcome {
	uint64_t number;
	uint64_t t;
	uint64_t issued;   /* pages that were absent and asked for */
	uint64_t used;	   /* of them: mapped in the end, and never waited for */
	uint64_t late;	   /* faulted while their read was under way */
	uint64_t wasted;   /* the rest: never touched, or thrown out again before they were */
	uint64_t evicted;  /* of the wasted: faulted later on */
	uint64_t demanded; /* pages that the activation brought in or waited for */
	uint64_t covered;  /* of them: issued */
	uint64_t majors;
	uint64_t duration_ns;
	uint64_t first_issue_ns; /* after the trigger; 0: nothing was issued */
	enum policy policy;
	enum opened_by by;
};

struct daemon;

struct group {
	struct daemon *daemon;
	unsigned int index;
	bool used;
	char name[GROUP_NAME_CAP];
	uint64_t inode; /* of the cgroup */
	struct members members;

	/* quiet */
	struct burst burst;
	unsigned int entries;	/* ENTRY events that began nothing ... */
	uint64_t entries_ns;	/* ... in a short time since then */
	uint64_t entry_off_ns; /* since when they are switched off, or 0 */
	bool fresh;	   /* BEFORE is what the memory is like now */
	bool dirty;	   /* something changed since the snapshot */
	uint64_t snapshot_ns;
	uint64_t snapshot_took_ns;
	struct pageset before;
	struct pageset present; /* mapped pages of forked workers */
	struct workset learned;
	struct workset oracle; /* policy oracle only */
	struct files files;    /* of the set that the plan is made of */
	struct plan plan;
	/* Pages that its precision has earned it, by what opened the activations: a burst that was nothing, or a wake
	 * that nobody followed, must not cost the next real one. */
	uint64_t quota[OPENINGS];

	/* activation */
	bool active;
	bool issuing;
	bool attended; /* activation_attend was called */
	bool hold_begun;
	struct fault first; /* of a woken one, which none began: T is when it was asked for */
	uint64_t begun_ns; /* when its first event was seen: so much later than FIRST */
	enum opened_by opened_by;
	uint64_t number;
	uint64_t majors;
	uint64_t quiet_ns;
	uint64_t last_major_ns;
	uint64_t last_busy_ns;
	uint64_t cpu_ns; /* at the last tick */
	uint64_t tick_ns;
	enum policy policy; /* at the trigger */
	struct group *source; /* whose plan is issued */
	struct issue issue;
	struct pace pace;
	struct follow follow;
	enum allowance stopped;
	struct memory memory; /* when last looked */
	uint64_t looked_pages;
	uint64_t disk_waits;
	uint64_t reclaim_waits;
	uint64_t resume_ns;
	struct protection held;
	struct demand demand;
	unsigned int ticks;

	struct outcome history[HISTORY];
};

void group_init(struct group *g, struct daemon *d, unsigned int index, const struct group_spec *spec, const char *name,
		const char *cgroup, uint64_t inode);
/* Save what was learnt and give everything back. */
void group_free(struct group *g);
void group_faulted(struct group *g, const struct fault *f);
/* A request is known to come: an activation begins now. Why it does not, or NULL. */
const char *group_wake(struct group *g);
/* Issue the next window. When to come back, in ns from now: 0 at once, UINT64_MAX: all is done. */
uint64_t group_issue(struct group *g, uint64_t now);
/* Now and then. RECLAIMING: the kernel has reclaimed pages since the last tick; MAY_SCAN: there is time for a snapshot.
 * True: it took one. */
bool group_tick(struct group *g, uint64_t now, bool reclaiming, bool may_scan);
/* Put back what an activation under way changed; before the daemon ends. */
void group_release(struct group *g);
/* The policy was switched. */
void group_replan(struct group *g);
/* Forget what was learnt. */
void group_forget(struct group *g);
const struct outcome *group_last(const struct group *g);

#endif
