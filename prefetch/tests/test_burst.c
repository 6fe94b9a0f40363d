#include "policy/burst.h"

#include "guest_c/tests/check.h"

#define MS 1000000u

static void test_one_fault_is_enough_by_default(void)
{
	struct burst b = { 0 };
	bool first;

	CHECK(burst_add(&b, 5 * MS, 1, 500 * MS, &first));
	CHECK(first);
}

static void test_lone_faults_never_add_up(void)
{
	struct burst b = { 0 };
	bool first;

	for (uint64_t second = 1; second < 100; second++) {
		CHECK(!burst_add(&b, second * 1000 * MS, 2, 500 * MS, &first));
		CHECK(first);
	}
}

static void test_many_within_the_length_do(void)
{
	struct burst b = { 0 };
	bool first;

	CHECK(!burst_add(&b, 1000 * MS, 3, 500 * MS, &first));
	CHECK(!burst_add(&b, 1200 * MS, 3, 500 * MS, &first));
	CHECK(!first);
	CHECK(burst_add(&b, 1500 * MS, 3, 500 * MS, &first));
	CHECK(b.start_ns == 1000 * MS);
}

static void test_a_fault_after_the_length_begins_anew(void)
{
	struct burst b = { 0 };
	bool first;

	CHECK(!burst_add(&b, 1000 * MS, 3, 500 * MS, &first));
	CHECK(!burst_add(&b, 1100 * MS, 3, 500 * MS, &first));
	CHECK(!burst_add(&b, 1501 * MS, 3, 500 * MS, &first));
	CHECK(first);
	CHECK(!burst_add(&b, 1502 * MS, 3, 500 * MS, &first));
	CHECK(burst_add(&b, 1503 * MS, 3, 500 * MS, &first));
}

static void test_another_cpus_earlier_fault_belongs_to_it(void)
{
	struct burst b = { 0 };
	bool first;

	CHECK(!burst_add(&b, 1000 * MS, 2, 500 * MS, &first));
	CHECK(burst_add(&b, 999 * MS, 2, 500 * MS, &first));
	CHECK(!first);
}

int main(void)
{
	test_one_fault_is_enough_by_default();
	test_lone_faults_never_add_up();
	test_many_within_the_length_do();
	test_a_fault_after_the_length_begins_anew();
	test_another_cpus_earlier_fault_belongs_to_it();
	return 0;
}
