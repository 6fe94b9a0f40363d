#include "pageset.h"

#include "check.h"

#define ADDRESS UINT64_C(0x7f0000000000)

static struct pageset make(size_t max_ranges)
{
	struct pageset p;

	CHECK(pageset_allocate(&p, max_ranges) == 0);
	return p;
}

static void release(struct pageset *p)
{
	for (int k = 0; k < KINDS; k++)
		free(p->kind[k].v);
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
	struct pageset before = make(64);
	struct pageset after = make(64);
	struct pageset out = make(64);

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
	release(&before);
	release(&after);
	release(&out);
}

static void test_absent(void)
{
	struct pageset learned = make(64);
	struct pageset before = make(64);
	struct pageset out = make(64);

	add(&learned, KIND_ANON, 0, 0, 10);
	add(&learned, KIND_FILE, 0, 100, 10);
	add(&before, KIND_ANON, 0, 8, 20);   /* in swap */
	add(&before, KIND_FILE, 0, 100, 3);  /* mapped */
	pageset_absent(&learned, &before, &out);
	CHECK(rangeset_count(&out.kind[KIND_ANON]) == 2 && has(&out, KIND_ANON, 0, 9));
	CHECK(rangeset_count(&out.kind[KIND_FILE]) == 7 && !has(&out, KIND_FILE, 0, 102));
	before.kind[KIND_ANON].truncated = true;
	pageset_absent(&learned, &before, &out);
	CHECK(rangeset_count(&out.kind[KIND_ANON]) == 10 && rangeset_count(&out.kind[KIND_FILE]) == 7);
	release(&learned);
	release(&before);
	release(&out);
}

static void test_merge_counts_what_is_new(void)
{
	struct pageset learned = make(64);
	struct pageset more = make(64);
	struct range room[64];
	struct rangeset tmp = { .v = room, .cap = 64 };

	add(&learned, KIND_ANON, 0, 0, 10);
	add(&more, KIND_ANON, 0, 5, 10);
	add(&more, KIND_FILE, 3, 0, 2);
	CHECK(pageset_merge(&learned, &more, &tmp) == 7);
	CHECK(pageset_merge(&learned, &more, &tmp) == 0);
	CHECK(pageset_count(&learned) == 17 && learned.kind[KIND_ANON].n == 1);
	release(&learned);
	release(&more);
}

static void test_drop_slot_and_limit(void)
{
	struct pageset p = make(64);

	add(&p, KIND_ANON, 0, 0, 10);
	add(&p, KIND_ANON, 1, 0, 10);
	add(&p, KIND_ANON, 2, 0, 10);
	add(&p, KIND_COW, 1, 50, 5);
	pageset_drop_slot(&p, 1);
	CHECK(pageset_count(&p) == 20 && has(&p, KIND_ANON, 0, 9) && has(&p, KIND_ANON, 2, 0));
	CHECK(!pageset_contains(&p, page_key(1, ADDRESS)));
	CHECK(!pageset_limit(&p, 20));
	add(&p, KIND_FILE, 0, 0, 10);
	CHECK(pageset_limit(&p, 25));
	CHECK(rangeset_count(&p.kind[KIND_ANON]) == 20 && rangeset_count(&p.kind[KIND_FILE]) == 5);
	release(&p);
}

static void test_room_is_bounded(void)
{
	struct pageset p = make(8);

	for (uint64_t page = 0; page < 40; page += 2)
		add(&p, KIND_COW, 0, page, 1);
	CHECK(pageset_truncated(&p) && p.kind[KIND_COW].n == 3);
	CHECK(pageset_bytes(8) == (9 + 5 + 3) * sizeof(struct range));
	release(&p);
}

int main(void)
{
	test_key_keeps_slot_and_address();
	test_brought_in();
	test_absent();
	test_merge_counts_what_is_new();
	test_drop_slot_and_limit();
	test_room_is_bounded();
	return 0;
}
