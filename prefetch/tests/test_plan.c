#include "policy/plan.h"

#include <string.h>
#include <unistd.h>

#include "guest_c/tests/check.h"

static struct pool pool;

static struct wpage pages[64];
static size_t npages;

static void learn(struct workset *w, uint32_t region, uint64_t page, uint32_t rank)
{
	pages[npages++] = (struct wpage){ .key = ws_key(region, page), .rank = rank };
	(void)w;
}

static int region(struct workset *w, enum region_kind kind, int role, int file, uint32_t ordinal)
{
	struct region r = { .kind = (uint8_t)kind, .role = (uint16_t)role, .file = (uint16_t)file, .ordinal = ordinal };

	return workset_region(w, &r);
}

static unsigned char data_page[8192] = { 1 };

/* The test's own process is the member: its stack and heap have places. */
static void test_resolves_to_own_addresses(void)
{
	struct member self = { .pid = getpid(), .used = true };
	struct members m = { .slots = &self, .nslots = 1 };
	struct places places;
	struct workset w;
	struct plan p;
	int stack;
	int file;
	volatile char on_stack = 0;

	workset_init(&w, &pool);
	plan_init(&p, &pool);
	places_init(&places, &pool);
	self.role = workset_role(&w, "/usr/sbin/self", 0, false);
	file = workset_file(&w, &(struct wfile){ .device = 1, .inode = 2, .bytes = 100 * 4096, .path = "/usr/lib/x.so" });
	CHECK(self.role >= 0 && file >= 0);
	stack = region(&w, REGION_STACK, self.role, 0, 0);
	npages = 0;
	learn(&w, (uint32_t)stack, 0, 500);
	learn(&w, (uint32_t)stack, 1, 700);
	learn(&w, (uint32_t)region(&w, REGION_FILE, 0, file, 0), 5, 100);
	learn(&w, (uint32_t)region(&w, REGION_ANON, self.role, 0, 0xdead0000), 1, 50); /* it has no such area */
	w.activation = 1;
	CHECK(workset_learn(&w, pages, npages) == npages);
	plan_working_set(&p, &w, &m, &places);
	CHECK(p.n == 2 && p.pages == 3 && p.nworker == 0 && !p.truncated);
	CHECK(p.v[0].kind == TARGET_FILE && p.v[0].page == 5 && p.v[0].where == (uint32_t)file);
	CHECK(p.v[1].kind == TARGET_ADVISE && p.v[1].pages == 2 && p.v[1].where == 0);
	CHECK(p.v[1].page * PAGE_BYTES > (uintptr_t)&on_stack - (8u << 20) && data_page[0] == 1);
	places_free(&places);
	plan_free(&p);
	workset_clear(&w);
	CHECK(pool.used == 0);
}

/* With too little memory for all of a set, its first pages are planned, and the plan says that it is not whole. */
static void test_first_pages_are_planned_without_room_for_all(void)
{
	static struct wpage many[512];
	struct member self = { .pid = getpid(), .used = true };
	struct members m = { .slots = &self, .nslots = 1 };
	struct pool small;
	struct places places;
	struct workset w;
	struct plan p;
	void *rest;
	int file;

	CHECK(pool_create(&small, 256 << 10) == 0);
	workset_init(&w, &small);
	plan_init(&p, &small);
	places_init(&places, &pool);
	self.role = workset_role(&w, "/usr/sbin/self", 0, false);
	file = workset_file(&w, &(struct wfile){ .device = 1, .inode = 2, .bytes = 4096 << 12, .path = "/usr/lib/x.so" });
	for (uint32_t i = 0; i < 512; i++)
		many[i] = (struct wpage){ .key = ws_key((uint32_t)region(&w, REGION_FILE, 0, file, 0), 2 * i), .rank = i };
	w.activation = 1;
	CHECK(workset_learn(&w, many, 512) == 512);
	plan_working_set(&p, &w, &m, &places);
	CHECK(p.n == 512 && p.pages == 512 && !p.truncated);
	plan_free(&p);
	rest = pool_take(&small, 128 << 10);
	while (pool_take(&small, 16 << 10))
		continue;
	CHECK(rest);
	plan_working_set(&p, &w, &m, &places);
	CHECK(p.truncated && p.n > 0 && p.n < 512 && p.pages == p.n);
	for (size_t i = 0; i < p.n; i++)
		CHECK(p.v[i].page == 2 * i);
	places_free(&places);
	pool_destroy(&small);
}

static void test_workers_wait_for_whoever_wakes(void)
{
	struct member self[2] = { { .pid = getpid(), .used = true }, { .used = false } };
	struct members m = { .slots = self, .nslots = 2 };
	struct places places;
	struct workset w;
	struct plan p;
	struct target left;
	struct target t;

	workset_init(&w, &pool);
	plan_init(&p, &pool);
	places_init(&places, &pool);
	self[0].role = workset_role(&w, "/usr/sbin/self", 0, true);
	npages = 0;
	learn(&w, (uint32_t)region(&w, REGION_STACK, self[0].role, 0, 0), 2, 1);
	w.activation = 1;
	CHECK(workset_learn(&w, pages, npages) == 1);
	plan_working_set(&p, &w, &m, &places);
	CHECK(p.n == 0 && p.nworker == 1 && p.worker[0].region);
	left = p.worker[0];
	CHECK(plan_resolve(&p, &w, &left, 0, &t) && t.where == 0 && t.kind == TARGET_ADVISE && !t.region && !left.pages);
	left = p.worker[0];
	CHECK(!plan_resolve(&p, &w, &left, 1, &t) && !left.pages);
	places_free(&places);
	plan_free(&p);
	workset_clear(&w);
}

/* A library whose data begins in the middle of a file page: its read-only part ends with the same page. */
static void test_written_pages_are_in_the_later_mapping(void)
{
	struct placement placements[] = {
		{ 0, 3, { .start = 0x100000, .end = 0x105000, .base = 0, .kind = REGION_FILE } },
		{ 0, 3, { .start = 0x105000, .end = 0x106000, .base = 4, .kind = REGION_FILE } },
		{ 0, 3, { .start = 0x106000, .end = 0x108000, .base = 5, .kind = REGION_FILE } },
		{ 0, 4, { .start = 0x900000, .end = 0x901000, .base = 4, .kind = REGION_FILE } },
	};
	struct region cow = { .kind = REGION_COW };
	struct workset w = { .regions = &cow, .nregions = 1 };
	struct plan p = { .placements = placements, .nplacements = 4 };
	struct target left = { .page = 4, .pages = 4, .where = 0, .region = true };
	struct target t;

	CHECK(plan_resolve(&p, &w, &left, 3, &t) && t.page == 0x105 && t.pages == 1 && t.kind == TARGET_READ);
	CHECK(plan_resolve(&p, &w, &left, 3, &t) && t.page == 0x106 && t.pages == 2);
	CHECK(!plan_resolve(&p, &w, &left, 3, &t) && left.pages == 0); /* page 7 is mapped nowhere */
}

static void test_swapped_pages_of_some(void)
{
	struct pageset absent;
	struct plan p;

	pageset_init(&absent, &pool);
	plan_init(&p, &pool);
	rangeset_append(&absent.kind[KIND_ANON], page_key(0, 0x1000), page_key(0, 0x1000) + 600);
	rangeset_append(&absent.kind[KIND_ANON], page_key(1, 0x9000), page_key(1, 0x9000) + 2);
	rangeset_append(&absent.kind[KIND_COW], page_key(1, 0x20000), page_key(1, 0x20000) + 1);
	rangeset_append(&absent.kind[KIND_FILE], page_key(1, 0x30000), page_key(1, 0x30000) + 9);
	plan_swapped(&p, &absent, -1, -1);
	CHECK(p.pages == 603 && p.n == 5); /* 256 + 256 + 88, 2, 1 */
	CHECK(p.v[0].page == 1 && p.v[0].pages == TARGET_PAGES && p.v[2].pages == 88);
	CHECK(p.v[4].kind == TARGET_READ && p.v[4].page == 0x20 && p.v[4].where == 1);
	plan_swapped(&p, &absent, 0, -1);
	CHECK(p.pages == 3);
	plan_swapped(&p, &absent, -1, 0);
	CHECK(p.pages == 600);
	plan_free(&p);
	pageset_free(&absent);
	CHECK(pool.used == 0);
}

int main(void)
{
	CHECK(pool_create(&pool, 4 << 20) == 0);
	test_resolves_to_own_addresses();
	test_first_pages_are_planned_without_room_for_all();
	test_workers_wait_for_whoever_wakes();
	test_written_pages_are_in_the_later_mapping();
	test_swapped_pages_of_some();
	pool_destroy(&pool);
	return 0;
}
