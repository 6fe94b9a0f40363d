#include "policy/budget.h"

#include <string.h>

#include "guest_c/tests/check.h"

static const struct memory plenty = { .total = 100000, .free = 50000, .high = 1000, .headroom = UINT64_MAX };

static void test_share_goes_beyond_what_is_free(void)
{
	struct memory m = { .total = 100000, .free = 0, .high = 1000, .headroom = UINT64_MAX };

	CHECK(budget_allows(&m, 0, 512, 25, 1 << 20) == GO);
	CHECK(budget_allows(&m, 24488, 512, 25, 1 << 20) == GO);
	CHECK(budget_allows(&m, 24489, 512, 25, 1 << 20) == STOP_SHARE);
	m.free = 1511; /* one page less than the window above the watermark */
	CHECK(budget_allows(&m, 24489, 512, 25, 1 << 20) == STOP_SHARE);
	m.free = 1512;
	CHECK(budget_allows(&m, 24489, 512, 25, 1 << 20) == GO);
	CHECK(budget_allows(&m, 0, 512, 0, 1 << 20) == GO);
}

static void test_limits_of_the_container(void)
{
	struct memory m = plenty;

	m.headroom = 1024;
	CHECK(budget_allows(&m, 0, 512, 25, 1 << 20) == GO);
	m.headroom = 1023;
	CHECK(budget_allows(&m, 0, 512, 25, 1 << 20) == STOP_HEADROOM);
}

static void test_quota(void)
{
	CHECK(budget_allows(&plenty, 0, 64, 25, 64) == GO);
	CHECK(budget_allows(&plenty, 1, 64, 25, 64) == STOP_QUOTA);
}

static void test_adapts(void)
{
	uint64_t quota = 1 << 18;

	/* A container that never uses what it is given is soon given next to nothing ... */
	for (int i = 0; i < 20; i++)
		quota = budget_adapt(quota, 1 << 18, 20000 < quota ? 20000 : quota, 0);
	CHECK(quota == QUOTA_MIN);
	CHECK(budget_adapt(1 << 18, 1 << 18, 20000, 100) == 10000); /* at once half of what it was given */
	/* ... and earns it back slowly. */
	CHECK(budget_adapt(64, 1 << 18, 64, 60) == 81);
	for (int i = 0; i < 60; i++)
		quota = budget_adapt(quota, 1 << 18, quota, quota);
	CHECK(quota == 1 << 18);
	CHECK(budget_adapt(1000, 1 << 18, 900, 600) == 1000); /* neither good nor bad */
	CHECK(budget_adapt(1000, 1 << 18, 3, 0) == 1000);     /* too little to tell */
}

static void test_zoneinfo(void)
{
	static const char text[] = "Node 0, zone      DMA\n  per-node stats\n      nr_free_cma 0\n"
				   "  pages free     3708\n        boost    0\n        min      179\n        low      223\n"
				   "        high     267\n        promo    311\n    cpu: 0\n              count:    0\n"
				   "              high:     5\nNode 0, zone    DMA32\n  pages free     213064\n        high     16626\n";
	uint64_t free;
	uint64_t high;

	CHECK(zoneinfo_parse(text, &free, &high) && free == 3708 + 213064 && high == 267 + 16626);
	CHECK(!zoneinfo_parse("", &free, &high) && free == 0);
}

static void test_headroom(void)
{
	CHECK(headroom_parse("max\n", "4096\n") == UINT64_MAX);
	CHECK(headroom_parse("40960\n", "4096\n") == 9);
	CHECK(headroom_parse("4096\n", "8192\n") == 0);
}

static void test_every_reason_has_a_name(void)
{
	CHECK(strcmp(allowance_name(STOP_STRAYED), "strayed") == 0);
	CHECK(strcmp(allowance_name(STOP_SETTLED), "settled") == 0);
}

int main(void)
{
	test_every_reason_has_a_name();
	test_share_goes_beyond_what_is_free();
	test_limits_of_the_container();
	test_quota();
	test_adapts();
	test_zoneinfo();
	test_headroom();
	return 0;
}
