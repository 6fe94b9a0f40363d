#include "policy/stream.h"

#include "guest_c/tests/check.h"

static void test_targets_are_taken_piece_by_piece(void)
{
	static const struct target v[] = { { .page = 10, .pages = 5, .where = 1, .rank = 3, .kind = TARGET_ADVISE },
					   { .page = 90, .pages = 1, .where = 2, .rank = 7, .kind = TARGET_FILE } };
	struct stream s = { .v = v, .n = 2 };
	struct plan p = { 0 };
	struct workset w = { 0 };
	struct target out;

	CHECK(stream_advance(&s, &w, NO_ROLE) && s.left.rank == 3);
	CHECK(stream_take(&s, &p, &w, 0, 2, &out) && out.page == 10 && out.pages == 2 && out.where == 1);
	CHECK(stream_advance(&s, &w, NO_ROLE) && s.left.page == 12);
	CHECK(stream_take(&s, &p, &w, 0, 100, &out) && out.page == 12 && out.pages == 3);
	CHECK(stream_advance(&s, &w, NO_ROLE) && s.left.rank == 7);
	CHECK(stream_take(&s, &p, &w, 0, 100, &out) && out.page == 90 && out.pages == 1);
	CHECK(!stream_advance(&s, &w, NO_ROLE));
}

/* Of a pool's targets, those of the worker's role are taken, where it has them mapped; the others are passed over. */
static void test_only_the_workers_own_role(void)
{
	static const struct target v[] = { { .page = 1, .pages = 1, .where = 0, .region = true },
					   { .page = 8, .pages = 3, .where = 1, .rank = 4, .region = true } };
	struct region regions[] = { { .kind = REGION_HEAP, .role = 0 }, { .kind = REGION_HEAP, .role = 5 } };
	struct placement placements[] = {
		{ .region = 1, .slot = 2, .place = { .start = 0x100000, .end = 0x200000, .kind = REGION_HEAP } },
		{ .region = 1, .slot = 3, .place = { .start = 0x500000, .end = 0x509000, .kind = REGION_HEAP } },
	};
	struct workset w = { .regions = regions, .nregions = 2 };
	struct plan p = { .placements = placements, .nplacements = 2 };
	struct stream s = { .v = v, .n = 2 };
	struct stream none = s;
	struct target out;

	CHECK(stream_advance(&s, &w, 5) && s.left.page == 8);
	CHECK(stream_take(&s, &p, &w, 3, 100, &out) && out.page == 0x508 && out.pages == 1 && out.where == 3 && out.rank == 4);
	CHECK(stream_advance(&s, &w, 5) && !stream_take(&s, &p, &w, 3, 100, &out)); /* beyond its heap's end */
	CHECK(stream_advance(&s, &w, 5) && s.left.page == 10 && s.left.pages == 1);
	CHECK(!stream_advance(&none, &w, NO_ROLE));
}

static void test_what_is_left_is_found(void)
{
	static const struct target v[] = { { .page = 10, .pages = 4, .where = 1, .rank = 3, .kind = TARGET_ADVISE },
					   { .page = 20, .pages = 2, .where = 1, .rank = 9, .kind = TARGET_READ },
					   { .page = 30, .pages = 2, .where = 1, .rank = 9, .kind = TARGET_FILE } };
	struct stream s = { .v = v, .n = 3 };
	struct plan p = { 0 };
	struct workset w = { 0 };
	struct target out;
	uint64_t rank = 0;

	CHECK(stream_find(&s, 1, 13, &rank) && rank == 3);
	CHECK(stream_find(&s, 1, 21, &rank) && rank == 9);
	CHECK(!stream_find(&s, 1, 14, &rank) && !stream_find(&s, 2, 13, &rank) && !stream_find(&s, 1, 30, &rank));
	CHECK(stream_advance(&s, &w, NO_ROLE) && stream_take(&s, &p, &w, 0, 1, &out));
	CHECK(!stream_find(&s, 1, 10, &rank) && stream_find(&s, 1, 11, &rank) && rank == 3);
}

int main(void)
{
	test_targets_are_taken_piece_by_piece();
	test_only_the_workers_own_role();
	test_what_is_left_is_found();
	return 0;
}
