#include "policy/pace.h"

#define ONE	 16u
#define FACTOR	 (2 * ONE)
#define MOST	 (64 * ONE)
#define LEAD_US	 200000u /* that a page is asked for ahead of its need: a read, with others before it */
#define BATCH_US 200000u

void pace_begin(struct pace *p)
{
	*p = (struct pace){ .factor = FACTOR, .due = LEAD_US };
}

void pace_ahead(struct pace *p)
{
	p->due = UINT32_MAX;
}

static uint64_t due_at(const struct pace *p, uint64_t elapsed_us)
{
	return p->due + (elapsed_us > p->since_us ? elapsed_us - p->since_us : 0) * p->factor / ONE;
}

uint64_t pace_due(const struct pace *p, uint64_t elapsed_us)
{
	return due_at(p, elapsed_us) + BATCH_US;
}

uint64_t pace_when(const struct pace *p, uint64_t rank)
{
	return rank <= p->due ? 0 : p->since_us + ((rank - p->due) * ONE + p->factor - 1) / p->factor;
}

uint64_t pace_percent(const struct pace *p)
{
	return p->factor * 100 / ONE;
}

void pace_reach(struct pace *p, uint64_t elapsed_us, uint64_t rank)
{
	uint64_t due = due_at(p, elapsed_us);

	p->due = rank > due ? rank : due;
	if (elapsed_us > p->since_us)
		p->since_us = elapsed_us;
}

void pace_hurry(struct pace *p, uint64_t elapsed_us, uint64_t rank)
{
	/* What comes soon after the beginning says little about how fast the rest will be. */
	uint64_t factor = elapsed_us > LEAD_US ? rank * ONE / elapsed_us : 0;

	pace_reach(p, elapsed_us, rank + LEAD_US);
	if (factor > p->factor)
		p->factor = factor < MOST ? factor : MOST;
}
