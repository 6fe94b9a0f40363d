#include "model/place.h"

#include <string.h>

#include "guest_c/tests/check.h"
#include "model/pageset.h"

static struct pool pool;

static void add(struct places *p, const char *line)
{
	struct vma v;

	CHECK(maps_parse(line, &v) && places_add(p, &v));
}

/* A small process; SHIFT moves its libraries, MORE gives it one more anonymous area and a larger heap. */
static struct places make(bool shifted, bool more)
{
	struct places p;

	places_init(&p, &pool);
	add(&p, "55d000000000-55d000010000 r-xp 00002000 fe:01 11 /usr/sbin/x");
	add(&p, "55d000010000-55d000012000 rw-p 00012000 fe:01 11 /usr/sbin/x");
	add(&p, "55d000012000-55d000014000 rw-p 00000000 00:00 0 ");
	add(&p, more ? "55d001000000-55d001080000 rw-p 00000000 00:00 0 [heap]" :
		       "55d001000000-55d001040000 rw-p 00000000 00:00 0 [heap]");
	if (more)
		add(&p, "7f0000000000-7f0000004000 rw-p 00000000 00:00 0 ");
	add(&p, "7f0000100000-7f0000200000 rw-p 00000000 00:00 0 ");
	add(&p, "7f0000200000-7f0004000000 ---p 00000000 00:00 0 ");
	add(&p, shifted ? "7f1110000000-7f1110100000 rw-p 00000000 00:00 0 " :
			  "7f1000000000-7f1000100000 rw-p 00000000 00:00 0 ");
	add(&p, shifted ? "7f1110200000-7f1110300000 r-xp 00001000 fe:01 12 /usr/lib/libc.so.6" :
			  "7f1000200000-7f1000300000 r-xp 00001000 fe:01 12 /usr/lib/libc.so.6");
	add(&p, "7f2000000000-7f2000010000 rw-s 00000000 00:01 42 /dev/zero (deleted)");
	add(&p, "7f2000010000-7f2000020000 rw-s 00000000 00:01 43 /dev/zero (deleted)");
	add(&p, "7f3000000000-7f3000010000 r-xp 00000000 fe:01 99 /usr/lib/old.so (deleted)");
	add(&p, "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]");
	add(&p, "7ffd00fff000-7ffd01000000 r-xp 00000000 00:00 0 [vdso]");
	places_finish(&p);
	return p;
}

static void test_kinds(void)
{
	struct places p = make(false, false);
	const struct place *text = places_find(&p, 0x55d000000fff);
	const struct place *stack = places_find(&p, 0x7ffd00020000);

	CHECK(text && text->kind == REGION_FILE && text->private && place_page(text, 0x55d000001000) == 3);
	CHECK(strcmp(p.paths[text->path], "/usr/sbin/x") == 0 && p.npaths == 2);
	CHECK(stack && stack->kind == REGION_STACK && place_page(stack, 0x7ffd00020fff) == 0);
	CHECK(!places_find(&p, 0x7f3000000000)); /* a replaced library is no file that could be read ahead */
	CHECK(!places_find(&p, 0x7ffd00fff000));
	CHECK(!places_find(&p, 0x1000));
	places_free(&p);
}

/* What a program reserves and what it uses of it are one area. */
static void test_areas_join(void)
{
	struct places p = make(false, false);
	const struct place *area = places_find(&p, 0x7f0000100000);

	CHECK(area && area->kind == REGION_ANON && area->end == 0x7f0004000000);
	places_free(&p);
}

static void same(const struct places *a, uint64_t in_a, const struct places *b, uint64_t in_b)
{
	const struct place *x = places_find(a, in_a);
	const struct place *y = places_find(b, in_b);

	CHECK(x && y && x->kind == y->kind && x->ordinal == y->ordinal && place_page(x, in_a) == place_page(y, in_b));
}

static void test_names_outlive_the_layout(void)
{
	struct places a = make(false, false);
	struct places b = make(true, true);

	same(&a, 0x55d000013000, &b, 0x55d000013000);
	same(&a, 0x7f1000080000, &b, 0x7f1110080000);
	same(&a, 0x7f0000150000, &b, 0x7f0000150000); /* a new area below it changes nothing */
	same(&a, 0x55d001020000, &b, 0x55d001020000);
	same(&a, 0x7ffd00010000, &b, 0x7ffd00010000);
	places_free(&a);
	places_free(&b);
}

static void test_each_shared_memory_is_its_own(void)
{
	struct places p = make(false, false);
	const struct place *first = places_find(&p, 0x7f2000000000);
	const struct place *second = places_find(&p, 0x7f2000010000);

	CHECK(first && second && first->kind == REGION_SHMEM && first->ordinal != second->ordinal);
	places_free(&p);
}

static void test_addresses_are_the_inverse(void)
{
	struct places p = make(false, false);
	uint64_t address;

	for (size_t i = 0; i < p.n; i++) {
		const struct place *place = &p.v[i];
		uint64_t page = place_page(place, place->start);

		CHECK(place_address(place, page, 1, &address) && address == place->start);
		page = place_page(place, place->end - 1);
		CHECK(place_address(place, page, 1, &address) && address == place->end - PAGE_BYTES);
		page = place->down ? place_page(place, place->end - 1) : place_page(place, place->start);
		CHECK(place_address(place, page, 1 << 20, &address) == (place->end - place->start) / PAGE_BYTES);
		CHECK(address == place->start);
		CHECK(!place_address(place, page + (place->end - place->start) / PAGE_BYTES, 1, &address));
	}
	/* Two pages from the top of the stack, as one stretch. */
	CHECK(place_address(places_find(&p, 0x7ffd00020000), 0, 2, &address) && address == 0x7ffd0001f000);
	CHECK(!place_address(places_find(&p, 0x7ffd00020000), 0x21, 1, &address));
	places_free(&p);
}

static void test_ten_thousand_mappings(void)
{
	struct places p;
	char line[128];

	places_init(&p, &pool);
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(line, sizeof(line), "7f%02x%02x000000-7f%02x%02x001000 rw-p 00000000 00:00 0 ", i / 256, i % 256, i / 256,
			 i % 256);
		add(&p, line);
	}
	places_finish(&p);
	CHECK(p.n == 10000 && p.v[9999].ordinal == 0 && p.v[0].ordinal == 9999);
	CHECK(places_find(&p, 0x7f0000000000 + (UINT64_C(5000) << 24)) == &p.v[5000]);
	places_free(&p);
	CHECK(pool.used == 0);
}

int main(void)
{
	CHECK(pool_create(&pool, 4 << 20) == 0);
	test_kinds();
	test_areas_join();
	test_names_outlive_the_layout();
	test_each_shared_memory_is_its_own();
	test_addresses_are_the_inverse();
	test_ten_thousand_mappings();
	pool_destroy(&pool);
	return 0;
}
