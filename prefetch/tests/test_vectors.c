#include "vectors.h"

#include "check.h"

static uint64_t page_of(const struct iovec *v)
{
	return (uint64_t)(uintptr_t)v->iov_base / PAGE_BYTES;
}

static uint64_t key(unsigned int slot, uint64_t page)
{
	return page_key(slot, page * PAGE_BYTES);
}

static void test_long_ranges_are_cut(void)
{
	struct range room[] = { { key(0, 100), key(0, 250) } };
	struct rangeset s = { .v = room, .n = 1, .cap = 1 };
	struct vector_cursor c = { 0 };
	struct iovec v[8];
	unsigned int slot = 9;

	CHECK(vectors_next(&s, &c, 64, v, 8, &slot) == 3);
	CHECK(slot == 0);
	CHECK(page_of(&v[0]) == 100 && v[0].iov_len == 64 * PAGE_BYTES);
	CHECK(page_of(&v[1]) == 164 && v[1].iov_len == 64 * PAGE_BYTES);
	CHECK(page_of(&v[2]) == 228 && v[2].iov_len == 22 * PAGE_BYTES);
	CHECK(vectors_next(&s, &c, 64, v, 8, &slot) == 0);
}

static void test_a_call_is_of_one_member_and_bounded(void)
{
	struct range room[] = { { key(1, 10), key(1, 20) }, { key(1, 30), key(1, 31) }, { key(2, 5), key(2, 6) } };
	struct rangeset s = { .v = room, .n = 3, .cap = 3 };
	struct vector_cursor c = { 0 };
	struct iovec v[2];
	unsigned int slot;

	CHECK(vectors_next(&s, &c, 8, v, 2, &slot) == 2 && slot == 1); /* goes on within the first range */
	CHECK(page_of(&v[1]) == 18 && v[1].iov_len == 2 * PAGE_BYTES);
	CHECK(vectors_next(&s, &c, 8, v, 2, &slot) == 1 && slot == 1 && page_of(&v[0]) == 30);
	CHECK(vectors_next(&s, &c, 8, v, 2, &slot) == 1 && slot == 2 && page_of(&v[0]) == 5);
	CHECK(vectors_next(&s, &c, 8, v, 2, &slot) == 0);
}

static void test_call_may_end_within_a_range(void)
{
	struct range room[] = { { key(0, 0), key(0, 10) } };
	struct rangeset s = { .v = room, .n = 1, .cap = 1 };
	struct vector_cursor c = { 0 };
	struct iovec v[2];
	unsigned int slot;
	uint64_t pages = 0;
	int calls = 0;

	for (size_t n; (n = vectors_next(&s, &c, 1, v, 2, &slot)) > 0; calls++) {
		CHECK(page_of(&v[0]) == pages);
		pages += n;
	}
	CHECK(calls == 5 && pages == 10);
}

static void test_skip_a_member(void)
{
	struct range room[] = { { key(1, 10), key(1, 20) }, { key(1, 30), key(1, 31) }, { key(2, 5), key(2, 6) } };
	struct rangeset s = { .v = room, .n = 3, .cap = 3 };
	struct vector_cursor c = { 0 };
	struct iovec v[1];
	unsigned int slot;

	CHECK(vectors_next(&s, &c, 4, v, 1, &slot) == 1 && slot == 1); /* stops amid the first range */
	vectors_skip(&s, &c, 1);
	CHECK(vectors_next(&s, &c, 4, v, 1, &slot) == 1 && slot == 2);
	vectors_skip(&s, &c, 2);
	CHECK(vectors_next(&s, &c, 4, v, 1, &slot) == 0);
}

int main(void)
{
	test_long_ranges_are_cut();
	test_a_call_is_of_one_member_and_bounded();
	test_call_may_end_within_a_range();
	test_skip_a_member();
	return 0;
}
