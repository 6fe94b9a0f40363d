#include "container/follow.h"

#define SLACK_US    300000u /* a read, with others before it, and a container that is a little slower */
#define PERIOD_US   200000u /* from look to look, and without a fault on the set */
#define LEAST_PAGES 512u
#define SEEN_USES   32u /* more than a look at its health takes */
#define USED_PART   8u /* of what is overdue, one that follows has used most: less than one part in this is none of it */

void follow_begin(struct follow *f)
{
	*f = (struct follow){ 0 };
}

void follow_fault(struct follow *f, uint64_t elapsed_us)
{
	if (elapsed_us > f->fault_us)
		f->fault_us = elapsed_us;
	f->doubted = false;
	f->faults++;
	follow_use(f, elapsed_us, 0);
}

bool follow_use(struct follow *f, uint64_t elapsed_us, uint64_t used)
{
	if (!f->seen && f->faults + used >= SEEN_USES) {
		f->seen = true;
		f->seen_us = elapsed_us;
	}
	return f->seen;
}

bool follow_due(const struct follow *f, uint64_t elapsed_us)
{
	return elapsed_us >= f->looked_us + PERIOD_US && elapsed_us >= f->fault_us + PERIOD_US;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

struct overdue follow_overdue(const struct follow *f, uint64_t elapsed_us)
{
	uint64_t issued_us = less(elapsed_us, SLACK_US);

	return (struct overdue){ .issued_us = issued_us, .rank_us = f->seen ? less(issued_us, f->seen_us) : 0 };
}

/* Rank 0 is also that of what was needed before the activation began, and of plans that have no ranks. */
static uint64_t overdue_pages(const struct run *r, struct overdue by)
{
	bool known = r->kind == TARGET_ADVISE && r->rank && r->rank != WS_NO_RANK;

	return known && r->rank <= by.rank_us ? r->pages : 0;
}

/* How many of the runs were issued by then. */
static size_t count_old(const struct run *v, size_t n, uint64_t issued_us)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (v[middle].t_us <= issued_us)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

static struct run piece(const struct run *r, uint64_t offset, uint64_t most)
{
	struct run sample = *r;
	uint64_t left = r->pages - offset;

	if (most > FOLLOW_PAGES)
		most = FOLLOW_PAGES;
	sample.page += offset;
	sample.pages = (uint32_t)(left < most ? left : most);
	return sample;
}

size_t follow_samples(const struct run *v, size_t n, struct overdue by, struct run out[FOLLOW_SAMPLES])
{
	size_t old = count_old(v, n, by.issued_us);
	uint64_t total = 0;
	uint64_t seen = 0;
	uint64_t next = 0;
	size_t kept = 0;

	for (size_t k = 0; k < old; k++)
		total += overdue_pages(&v[k], by);
	if (total < LEAST_PAGES)
		return 0;
	for (size_t k = 0; k < old && kept < FOLLOW_SAMPLES; k++) {
		uint64_t pages = overdue_pages(&v[k], by);

		for (; next < seen + pages && kept < FOLLOW_SAMPLES; next += total / FOLLOW_SAMPLES)
			out[kept++] = piece(&v[k], next - seen, total / FOLLOW_SAMPLES);
		seen += pages;
	}
	return kept;
}

bool follow_judge(struct follow *f, uint64_t elapsed_us, uint64_t sampled, uint64_t used)
{
	bool strays = sampled >= LEAST_PAGES && used * USED_PART < sampled;
	bool again = strays && f->doubted;

	f->looked_us = elapsed_us;
	f->doubted = strays;
	return again;
}
