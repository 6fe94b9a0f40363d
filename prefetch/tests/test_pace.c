#include "policy/pace.h"

#include "guest_c/tests/check.h"

static void test_what_is_due_when(void)
{
	struct pace p;

	pace_begin(&p);
	CHECK(pace_percent(&p) == 200);
	CHECK(pace_due(&p, 0) == 400000 && pace_due(&p, 1000000) == 2400000);
	CHECK(pace_when(&p, 0) == 0 && pace_when(&p, 200000) == 0);
	CHECK(pace_when(&p, 200001) == 1 && pace_when(&p, 2200000) == 1000000);
	for (uint64_t rank = 0; rank < 3000000; rank += 997)
		CHECK(pace_due(&p, pace_when(&p, rank)) >= rank + 200000);
}

/* A fault on what is due already, late as it may be, changes nothing. */
static void test_no_hurry_without_need(void)
{
	struct pace p;

	pace_begin(&p);
	pace_reach(&p, 1000000, 2200000);
	pace_hurry(&p, 1000000, 2000000);
	CHECK(pace_due(&p, 1000000) == 2400000);
}

static void test_catches_up(void)
{
	struct pace p;

	pace_begin(&p);
	pace_reach(&p, 1000000, 2500000);
	CHECK(pace_due(&p, 1000000) == 2700000 && pace_due(&p, 2000000) == 4700000);
	CHECK(pace_due(&p, 900000) == 2700000); /* a fault that is told late */
	pace_begin(&p);
	pace_hurry(&p, 100000, 2000000); /* at the very beginning: nothing is known of the pace */
	CHECK(pace_due(&p, 100000) == 2400000 && pace_due(&p, 200000) == 2600000);
	pace_hurry(&p, 1000000, 10000000); /* ten times as fast as the ranks */
	CHECK(pace_due(&p, 1000000) == 10400000);
	CHECK(pace_due(&p, 2000000) - pace_due(&p, 1000000) == 10000000);
	CHECK(pace_due(&p, pace_when(&p, 40000000)) >= 40000000);
	CHECK(pace_percent(&p) == 1000);
}

/* After a wake nothing waits, however late it was needed, and a fault changes nothing about that. */
static void test_ahead_of_everybody(void)
{
	struct pace p;

	pace_begin(&p);
	pace_ahead(&p);
	CHECK(pace_when(&p, 0) == 0 && pace_when(&p, UINT32_MAX - 1) == 0);
	CHECK(pace_due(&p, 0) >= UINT32_MAX);
	pace_hurry(&p, 2000000, 60000000);
	CHECK(pace_when(&p, UINT32_MAX - 1) == 0 && pace_due(&p, 2000000) >= UINT32_MAX);
}

/* However fast: no overflow, and no faster than 64 times. */
static void test_bounds(void)
{
	struct pace p;

	pace_begin(&p);
	pace_hurry(&p, 250001, UINT32_MAX - 1);
	CHECK(pace_due(&p, 1250001) - pace_due(&p, 250001) == 64000000);
	CHECK(pace_when(&p, UINT32_MAX - 1) <= 250001);
	CHECK(pace_due(&p, UINT32_MAX) > UINT32_MAX);
}

int main(void)
{
	test_what_is_due_when();
	test_no_hurry_without_need();
	test_catches_up();
	test_ahead_of_everybody();
	test_bounds();
	return 0;
}
