#include "container/faultlog.h"

#include "guest_c/tests/check.h"

#define LENGTH_NS 500000000u

static struct faultlog l;

static void add(unsigned int group, uint32_t t_us)
{
	faultlog_add(&l, &(struct logged_fault){ .group = (uint16_t)group, .t_us = t_us });
}

static void test_a_burst_is_found_where_it_begins(void)
{
	uint32_t t_us = 1;

	l.n = 0;
	CHECK(!faultlog_burst(&l, 3, 1, LENGTH_NS, &t_us));
	add(3, 100000); /* somebody in the background */
	add(3, 2000000);
	add(3, 2100000);
	CHECK(!faultlog_burst(&l, 3, 3, LENGTH_NS, &t_us) && t_us == 1);
	add(3, 2500000);
	CHECK(faultlog_burst(&l, 3, 3, LENGTH_NS, &t_us) && t_us == 2000000);
	CHECK(faultlog_burst(&l, 3, 1, LENGTH_NS, &t_us) && t_us == 100000);
}

static void test_other_groups_faults_do_not_count(void)
{
	uint32_t t_us;

	l.n = 0;
	add(3, 10);
	add(4, 20);
	add(4, 30);
	CHECK(!faultlog_burst(&l, 3, 2, LENGTH_NS, &t_us));
	CHECK(faultlog_burst(&l, 4, 2, LENGTH_NS, &t_us) && t_us == 20);
	faultlog_drop(&l, 4);
	CHECK(l.n == 1 && l.v[0].group == 3 && !faultlog_burst(&l, 4, 1, LENGTH_NS, &t_us));
}

static void test_room_is_bounded(void)
{
	l.n = 0;
	for (uint32_t i = 0; i < MAX_FAULTS + 5; i++)
		add(1, i);
	CHECK(l.n == MAX_FAULTS && l.dropped == 5);
}

int main(void)
{
	test_a_burst_is_found_where_it_begins();
	test_other_groups_faults_do_not_count();
	test_room_is_bounded();
	return 0;
}
