#include "model/pageset.h"

#include "guest_c/tests/check.h"

#define ADDRESS UINT64_C(0x7f0000000000)

static struct pool pool;

static struct pageset make(void)
{
	struct pageset p;

	pageset_init(&p, &pool);
	return p;
}

static void add(struct pageset *p, enum page_kind kind, unsigned int slot, uint64_t page, uint64_t n)
{
	uint64_t first = page_key(slot, ADDRESS) + page;

	rangeset_append(&p->kind[kind], first, first + n);
}

static bool has(const struct pageset *p, enum page_kind kind, unsigned int slot, uint64_t page)
{
	return rangeset_contains(&p->kind[kind], page_key(slot, ADDRESS) + page);
}

static void test_key_keeps_slot_and_address(void)
{
	uint64_t key = page_key(255, UINT64_C(0x00fffffffffff123));

	CHECK(key_slot(key) == 255);
	CHECK(key_address(key) == UINT64_C(0x00fffffffffff000));
}

static void test_brought_in(void)
{
	struct pageset before = make();
	struct pageset after = make();
	struct pageset out = make();

	add(&before, KIND_ANON, 0, 0, 10);  /* in swap */
	add(&after, KIND_ANON, 0, 5, 10);   /* 5-9 came back; 10-14 are fresh */
	add(&before, KIND_FILE, 0, 100, 4); /* mapped already */
	add(&after, KIND_FILE, 0, 102, 4);
	add(&before, KIND_COW, 1, 0, 2);
	add(&after, KIND_COW, 1, 1, 5);
	pageset_brought_in(&before, &after, &out);
	CHECK(pageset_count(&out) == 5 + 2 + 1);
	CHECK(!has(&out, KIND_ANON, 0, 4) && has(&out, KIND_ANON, 0, 5) && !has(&out, KIND_ANON, 0, 10));
	CHECK(!has(&out, KIND_FILE, 0, 103) && has(&out, KIND_FILE, 0, 104));
	CHECK(has(&out, KIND_COW, 1, 1) && !has(&out, KIND_COW, 1, 2));
	before.kind[KIND_FILE].truncated = true; /* what is mapped already is not known any more */
	pageset_brought_in(&before, &after, &out);
	CHECK(rangeset_count(&out.kind[KIND_FILE]) == 0 && rangeset_count(&out.kind[KIND_ANON]) == 5);
	pageset_free(&before);
	pageset_free(&after);
	pageset_free(&out);
}

static void test_drop_slot(void)
{
	struct pageset p = make();

	add(&p, KIND_ANON, 0, 0, 10);
	add(&p, KIND_ANON, 1, 0, 10);
	add(&p, KIND_ANON, 2, 0, 10);
	add(&p, KIND_COW, 1, 50, 5);
	pageset_drop_slot(&p, 1);
	CHECK(pageset_count(&p) == 20 && has(&p, KIND_ANON, 0, 9) && has(&p, KIND_ANON, 2, 0));
	CHECK(!has(&p, KIND_ANON, 1, 0) && !has(&p, KIND_COW, 1, 50));
	pageset_free(&p);
}

/* A set grows until the pool is empty, keeps what it has then, and gives all of it back. */
static void test_grows_out_of_the_pool(void)
{
	struct pageset p = make();
	uint64_t page = 0;

	for (; !p.kind[KIND_ANON].truncated && page < 1000000; page++)
		add(&p, KIND_ANON, 0, 2 * page, 1);
	CHECK(p.kind[KIND_ANON].truncated && p.kind[KIND_ANON].n == page - 1 && page > 10000);
	CHECK(has(&p, KIND_ANON, 0, 0) && has(&p, KIND_ANON, 0, 2 * (page - 2)));
	pageset_free(&p);
	CHECK(pool.used == 0);
}

int main(void)
{
	CHECK(pool_create(&pool, 1 << 20) == 0);
	test_key_keeps_slot_and_address();
	test_brought_in();
	test_drop_slot();
	test_grows_out_of_the_pool();
	pool_destroy(&pool);
	return 0;
}
