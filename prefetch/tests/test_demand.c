#include "container/learn.h"
#include "guest_c/tests/check.h"

static struct pool pool;

static uint32_t rank_of(const struct demand *d, uint32_t region, uint64_t page)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].key == ws_key(region, page))
			return d->v[i].rank;
	return 0;
}

static void test_each_page_once_with_its_first_rank(void)
{
	struct demand d;

	demand_init(&d, &pool);
	demand_add(&d, ws_key(2, 7), 900);
	demand_add(&d, ws_key(1, 5), WS_NO_RANK);
	demand_add(&d, ws_key(2, 7), 300);
	demand_add(&d, ws_key(2, 7), WS_NO_RANK);
	demand_compact(&d);
	CHECK(d.n == 2 && d.v[0].key == ws_key(1, 5) && d.v[0].rank == WS_NO_RANK);
	CHECK(rank_of(&d, 2, 7) == 300);
	demand_free(&d);
}

/* Pages that were read ahead with a faulting one have its rank; those far away, or elsewhere, have none. */
static void test_ranks_flow_to_neighbours(void)
{
	struct demand d;

	demand_init(&d, &pool);
	for (uint64_t page = 0; page < 200; page++)
		demand_add(&d, ws_key(3, page), WS_NO_RANK);
	demand_add(&d, ws_key(3, 10), 50);
	demand_add(&d, ws_key(3, 30), 20);
	demand_add(&d, ws_key(4, 0), WS_NO_RANK);
	demand_compact(&d);
	CHECK(rank_of(&d, 3, 0) == 50 && rank_of(&d, 3, 19) == 50);
	CHECK(rank_of(&d, 3, 21) == 20 && rank_of(&d, 3, 94) == 20 && rank_of(&d, 3, 30) == 20);
	CHECK(rank_of(&d, 3, 95) == WS_NO_RANK);
	CHECK(rank_of(&d, 4, 0) == WS_NO_RANK);
	demand_free(&d);
}

static void test_ranks_begin_where_it_began(void)
{
	struct demand d;

	demand_init(&d, &pool);
	demand_add(&d, ws_key(0, 1), 100);
	demand_add(&d, ws_key(0, 200), 300);
	demand_add(&d, ws_key(0, 400), WS_NO_RANK);
	demand_begin_at(&d, 120);
	CHECK(rank_of(&d, 0, 1) == 0 && rank_of(&d, 0, 200) == 180 && rank_of(&d, 0, 400) == WS_NO_RANK);
	demand_free(&d);
}

static void test_no_ranks_where_the_beginning_is_unknown(void)
{
	struct demand d;

	demand_init(&d, &pool);
	demand_add(&d, ws_key(0, 1), 100);
	demand_add(&d, ws_key(0, 200), WS_NO_RANK);
	demand_begin_at(&d, WS_NO_RANK);
	CHECK(d.n == 2 && rank_of(&d, 0, 1) == WS_NO_RANK && rank_of(&d, 0, 200) == WS_NO_RANK);
	demand_free(&d);
}

static void test_room_is_bounded(void)
{
	struct demand d;
	uint64_t page = 0;

	demand_init(&d, &pool);
	for (; !d.truncated && page < 10000000; page++)
		demand_add(&d, ws_key(0, page), WS_NO_RANK);
	CHECK(d.truncated && d.n == page - 1);
	demand_clear(&d);
	CHECK(!d.truncated && d.n == 0);
	demand_free(&d);
	CHECK(pool.used == 0);
}

int main(void)
{
	CHECK(pool_create(&pool, 1 << 20) == 0);
	test_each_page_once_with_its_first_rank();
	test_ranks_flow_to_neighbours();
	test_ranks_begin_where_it_began();
	test_no_ranks_where_the_beginning_is_unknown();
	test_room_is_bounded();
	pool_destroy(&pool);
	return 0;
}
