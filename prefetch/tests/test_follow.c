#include "container/follow.h"

#include "guest_c/tests/check.h"

#define MS 1000u

static struct run run(uint64_t page, uint32_t pages, uint32_t rank, uint32_t t_us)
{
	return (struct run){ .page = page, .pages = pages, .rank = rank, .t_us = t_us, .where = 3, .kind = TARGET_ADVISE };
}

static struct overdue by(uint64_t us)
{
	return (struct overdue){ us, us };
}

/* A bit for each run that is sampled: run k lies in the k-th 10,000 pages. */
static unsigned int sampled(const struct run *v, size_t n, uint64_t us)
{
	struct run out[FOLLOW_SAMPLES];
	size_t kept = follow_samples(v, n, by(us), out);
	unsigned int bits = 0;

	for (size_t k = 0; k < kept; k++)
		bits |= 1u << out[k].page / 10000;
	return bits;
}

/* Both must be long enough ago: when it was needed in the past, and when it was issued. */
static void test_overdue_is_what_was_needed_and_issued_long_ago(void)
{
	struct run v[] = { run(0, 512, 100 * MS, 0), run(10000, 512, 100 * MS, 150 * MS), run(20000, 512, 900 * MS, 160 * MS),
			   run(30000, 512, 1, 999 * MS) };

	CHECK(sampled(v, 4, 100 * MS - 1) == 0 && sampled(v, 4, 100 * MS) == 1);
	CHECK(sampled(v, 4, 150 * MS - 1) == 1 && sampled(v, 4, 150 * MS) == 3);
	CHECK(sampled(v, 4, 900 * MS - 1) == 3 && sampled(v, 4, 900 * MS) == 7);
	CHECK(sampled(v, 4, 999 * MS - 1) == 7 && sampled(v, 4, 999 * MS) == 15);
	CHECK(sampled(v, 0, 999 * MS) == 0);
}

static bool is(struct overdue o, uint64_t issued_us, uint64_t rank_us)
{
	return o.issued_us == issued_us && o.rank_us == rank_us;
}

static void test_one_that_begins_late_has_more_time_than_one_that_goes_astray(void)
{
	struct follow f;

	follow_begin(&f);
	CHECK(is(follow_overdue(&f, 0), 0, 0) && is(follow_overdue(&f, 2100 * MS), 1800 * MS, 0));
	CHECK(follow_use(&f, 2100 * MS, 32)); /* of its first pages */
	CHECK(is(follow_overdue(&f, 2100 * MS), 1800 * MS, 0) && is(follow_overdue(&f, 2400 * MS), 2100 * MS, 0));
	CHECK(is(follow_overdue(&f, 2900 * MS), 2600 * MS, 500 * MS));
}

static void test_what_has_no_known_rank_or_no_known_use_does_not_count(void)
{
	struct run v[] = { run(0, 4096, 0, 0), run(10000, 4096, WS_NO_RANK, 0), run(20000, 4096, 10, 0),
			   run(30000, 4096, 10, 0), run(40000, 511, 10, 0) };

	v[2].kind = TARGET_FILE;
	v[3].kind = TARGET_READ;
	CHECK(sampled(v, 5, UINT64_C(10000000000)) == 0);
	v[4].pages = 512;
	CHECK(sampled(v, 5, UINT64_C(10000000000)) == 1u << 4);
}

/* However many pages or runs there are, the samples lie within them, apart, and from the first to the last. */
static void test_samples_are_spread_and_bounded(void)
{
	static struct run many[5000];
	struct run one = run(1000, 61440, 1, 0);
	struct run out[FOLLOW_SAMPLES];

	CHECK(follow_samples(&one, 1, by(100 * MS), out) == FOLLOW_SAMPLES);
	for (size_t k = 0; k < FOLLOW_SAMPLES; k++)
		CHECK(out[k].page == 1000 + k * 1920 && out[k].pages == FOLLOW_PAGES && out[k].where == 3);
	one.pages = 543; /* a stride of 16 pages, and 31 are left */
	CHECK(follow_samples(&one, 1, by(100 * MS), out) == FOLLOW_SAMPLES);
	CHECK(out[31].page == 1000 + 31 * 16 && out[31].pages == 16);
	for (size_t k = 0; k < 5000; k++)
		many[k] = run(k * 10, 3, 1, (uint32_t)k);
	CHECK(follow_samples(many, 5000, by(100 * MS), out) == FOLLOW_SAMPLES);
	for (size_t k = 0; k < FOLLOW_SAMPLES; k++)
		CHECK(out[k].page == k * 468 / 3 * 10 && out[k].pages == 3); /* 15,000 overdue pages: every 468th */
}

static void test_stops_at_the_second_look_only(void)
{
	struct follow f;

	follow_begin(&f);
	CHECK(!follow_due(&f, 200 * MS - 1) && follow_due(&f, 200 * MS));
	CHECK(!follow_judge(&f, 400 * MS, 512, 63));
	CHECK(!follow_due(&f, 600 * MS - 1) && follow_due(&f, 600 * MS));
	CHECK(follow_judge(&f, 600 * MS, 512, 63));
}

static void test_an_eighth_used_or_too_little_sampled_is_no_straying(void)
{
	struct follow f;

	follow_begin(&f);
	CHECK(!follow_judge(&f, 400 * MS, 512, 0) && !follow_judge(&f, 600 * MS, 512, 64));
	CHECK(!follow_judge(&f, 800 * MS, 512, 0) && !follow_judge(&f, 1000 * MS, 511, 0));
	CHECK(!follow_judge(&f, 1200 * MS, 2048, 0) && follow_judge(&f, 1400 * MS, 2048, 255));
}

static void test_a_fault_on_the_set_clears_the_doubt_and_puts_the_look_off(void)
{
	struct follow f;

	follow_begin(&f);
	CHECK(!follow_judge(&f, 400 * MS, 512, 0));
	follow_fault(&f, 550 * MS);
	follow_fault(&f, 500 * MS); /* told late */
	CHECK(!follow_due(&f, 750 * MS - 1) && follow_due(&f, 750 * MS));
	CHECK(!follow_judge(&f, 750 * MS, 512, 0) && follow_judge(&f, 950 * MS, 512, 0));
}

static void test_use_is_seen_by_faults_and_by_looks(void)
{
	struct follow f;

	follow_begin(&f);
	CHECK(!follow_use(&f, 20 * MS, 31) && !follow_use(&f, 40 * MS, 31)); /* the same pages */
	CHECK(follow_use(&f, 60 * MS, 32) && f.seen_us == 60 * MS);
	CHECK(follow_use(&f, 80 * MS, 0) && f.seen_us == 60 * MS);
	follow_begin(&f);
	for (unsigned int k = 0; k < 31; k++)
		follow_fault(&f, 10 * MS);
	CHECK(!f.seen && !follow_use(&f, 20 * MS, 0));
	follow_fault(&f, 30 * MS);
	CHECK(f.seen && f.seen_us == 30 * MS);
	follow_begin(&f);
	CHECK(!f.seen && !follow_use(&f, 20 * MS, 31));
	follow_fault(&f, 30 * MS);
	CHECK(!f.seen && follow_use(&f, 40 * MS, 31));
}

int main(void)
{
	test_overdue_is_what_was_needed_and_issued_long_ago();
	test_one_that_begins_late_has_more_time_than_one_that_goes_astray();
	test_what_has_no_known_rank_or_no_known_use_does_not_count();
	test_samples_are_spread_and_bounded();
	test_stops_at_the_second_look_only();
	test_an_eighth_used_or_too_little_sampled_is_no_straying();
	test_a_fault_on_the_set_clears_the_doubt_and_puts_the_look_off();
	test_use_is_seen_by_faults_and_by_looks();
	return 0;
}
