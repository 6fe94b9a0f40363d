#include "model/rangeset.h"

#include <string.h>

#include "guest_c/tests/check.h"

#define ROOM  64
#define SPACE 96 /* keys of the exhaustive comparison */

static struct rangeset make(struct range *room, size_t cap)
{
	return (struct rangeset){ .v = room, .cap = cap };
}

static void test_append_merges_neighbours(void)
{
	struct range room[4];
	struct rangeset s = make(room, 4);

	rangeset_append(&s, 10, 20);
	rangeset_append(&s, 20, 30); /* touches */
	rangeset_append(&s, 25, 28); /* within */
	rangeset_append(&s, 29, 35); /* overlaps */
	rangeset_append(&s, 40, 40); /* empty */
	CHECK(s.n == 1 && s.v[0].start == 10 && s.v[0].end == 35);
	rangeset_append(&s, 36, 37);
	CHECK(s.n == 2 && rangeset_count(&s) == 26);
}

static void test_full_set_says_so(void)
{
	struct range room[2];
	struct range other_room[8];
	struct rangeset s = make(room, 2);
	struct rangeset out = make(other_room, 8);

	rangeset_append(&s, 1, 2);
	rangeset_append(&s, 3, 4);
	CHECK(!s.truncated);
	rangeset_append(&s, 5, 6);
	CHECK(s.truncated && s.n == 2);
	rangeset_intersection(&s, &s, &out);
	CHECK(out.truncated && rangeset_count(&out) == 2);
	rangeset_append(&s, 4, 9); /* growing the last range needs no room */
	CHECK(s.n == 2 && s.v[1].end == 9);
	rangeset_clear(&s);
	CHECK(!s.truncated && s.n == 0);
}

static void test_drop_whole_ranges(void)
{
	struct range room[ROOM];
	struct rangeset s = make(room, ROOM);

	rangeset_append(&s, 0, 5);
	rangeset_append(&s, 10, 15);
	rangeset_append(&s, 15 + 1, 20);
	rangeset_append(&s, 30, 40);
	rangeset_drop(&s, 10, 20);
	CHECK(s.n == 2 && rangeset_contains(&s, 4) && rangeset_contains(&s, 30) && !rangeset_contains(&s, 12));
}

/* From here on against plain arrays of booleans. */
static void fill(struct rangeset *s, bool *keys, unsigned int *random)
{
	rangeset_clear(s);
	memset(keys, 0, SPACE);
	for (uint64_t key = 0; key < SPACE; key++) {
		*random = *random * 1103515245u + 12345u;
		keys[key] = (*random >> 16) % 5 < (key / 16) % 5;
		if (keys[key])
			rangeset_append(s, key, key + 1);
	}
}

static void check_sorted_apart(const struct rangeset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		CHECK(s->v[i].start < s->v[i].end);
		CHECK(i == 0 || s->v[i - 1].end < s->v[i].start);
	}
}

static void test_algebra_against_arrays(void)
{
	struct range rooms[4][ROOM];
	struct rangeset a = make(rooms[0], ROOM);
	struct rangeset b = make(rooms[1], ROOM);
	struct rangeset both = make(rooms[2], ROOM);
	struct rangeset only_a = make(rooms[3], ROOM);
	bool in_a[SPACE];
	bool in_b[SPACE];
	unsigned int random = 1;

	for (int round = 0; round < 500; round++) {
		fill(&a, in_a, &random);
		fill(&b, in_b, &random);
		rangeset_intersection(&a, &b, &both);
		rangeset_difference(&a, &b, &only_a);
		for (uint64_t key = 0; key < SPACE; key++) {
			CHECK(rangeset_contains(&a, key) == in_a[key]);
			CHECK(rangeset_contains(&both, key) == (in_a[key] && in_b[key]));
			CHECK(rangeset_contains(&only_a, key) == (in_a[key] && !in_b[key]));
		}
		check_sorted_apart(&both);
		check_sorted_apart(&only_a);
	}
}

int main(void)
{
	test_append_merges_neighbours();
	test_full_set_says_so();
	test_drop_whole_ranges();
	test_algebra_against_arrays();
	return 0;
}
