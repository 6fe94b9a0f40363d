#include "model/workset.h"

#include <string.h>

#include "guest_c/tests/check.h"

#define ROLES	  4
#define FILES	  3
#define PER_ROLE  6 /* ANON twice, HEAP, STACK, SHMEM, COW */
#define REGIONS	  (ROLES * PER_ROLE + FILES)
#define SPACE	  24 /* pages of each region */
#define ARENA	  ((size_t)8 << 20)
#define PAGE_SIZE ((uint64_t)1 << WS_PAGE_SHIFT)

static unsigned int seed = 1;

static unsigned int random_below(unsigned int n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % n;
}

/* The naive model: an array with every page that there may be, by what names it, not by index. */
struct model {
	bool in[REGIONS][SPACE];
	uint32_t rank[REGIONS][SPACE];
	uint32_t last[REGIONS][SPACE];
	uint64_t version[FILES];
	bool trust[ROLES];
};

static struct wfile file_of(const struct model *m, unsigned int file)
{
	struct wfile f = { .device = 1, .inode = 10 + file + 100 * (uint64_t)m->version[file], .bytes = SPACE * PAGE_SIZE, .mtime_ns = m->version[file] };

	snprintf(f.path, sizeof(f.path), "/usr/lib/%u.so", file);
	return f;
}

static int add_role(struct workset *w, unsigned int role)
{
	return workset_role(w, role < 2 ? "/usr/sbin/apache2" : "/usr/sbin/mariadbd", role == 3, role == 1);
}

static int find_role(const struct workset *w, unsigned int role)
{
	for (size_t i = 0; i < w->nroles; i++)
		if (strcmp(w->roles[i].exe, role < 2 ? "/usr/sbin/apache2" : "/usr/sbin/mariadbd") == 0 &&
		    w->roles[i].ordinal == (role == 3) && w->roles[i].worker == (role == 1))
			return (int)i;
	return -1;
}

static int find_file(const struct workset *w, const struct wfile *f)
{
	for (size_t i = 0; i < w->nfiles; i++)
		if (strcmp(w->files[i].path, f->path) == 0)
			return (int)i;
	return -1;
}

/* Region R of the model, whose role and file have these indices in the set. */
static struct region region_of(unsigned int r, int role, int file)
{
	static const struct region of_role[PER_ROLE] = {
		{ .kind = REGION_ANON },
		{ .kind = REGION_ANON, .ordinal = 1 },
		{ .kind = REGION_HEAP },
		{ .kind = REGION_STACK },
		{ .kind = REGION_SHMEM },
		{ .kind = REGION_COW },
	};
	struct region region = { .kind = REGION_FILE, .file = (uint16_t)file };

	if (r < ROLES * PER_ROLE) {
		region = of_role[r % PER_ROLE];
		region.role = (uint16_t)role;
		region.file = region.kind == REGION_COW ? (uint16_t)file : 0;
	}
	return region;
}

static unsigned int role_number(unsigned int r)
{
	return r < ROLES * PER_ROLE ? r / PER_ROLE : ROLES;
}

static unsigned int file_number(unsigned int r)
{
	if (r >= ROLES * PER_ROLE)
		return r - ROLES * PER_ROLE;
	return r % PER_ROLE == 5 ? r / PER_ROLE % FILES : FILES;
}

static uint32_t add_region(struct workset *w, const struct model *m, unsigned int r)
{
	int role = 0;
	int file = 0;
	int index;
	struct region region;

	if (role_number(r) < ROLES)
		role = add_role(w, role_number(r));
	if (file_number(r) < FILES) {
		struct wfile f = file_of(m, file_number(r));

		file = workset_file(w, &f);
	}
	CHECK(role >= 0 && file >= 0);
	region = region_of(r, role, file);
	index = workset_region(w, &region);
	CHECK(index >= 0 && workset_region(w, &region) == index && workset_find_region(w, &region) == index);
	return (uint32_t)index;
}

static int find_region(const struct workset *w, const struct model *m, unsigned int r)
{
	int role = 0;
	int file = 0;
	struct region region;

	if (role_number(r) < ROLES)
		role = find_role(w, role_number(r));
	if (file_number(r) < FILES) {
		struct wfile f = file_of(m, file_number(r));

		file = find_file(w, &f);
	}
	if (role < 0 || file < 0)
		return -1;
	region = region_of(r, role, file);
	return workset_find_region(w, &region);
}

static void check_sorted(const struct workset *w)
{
	for (size_t i = 0; i < w->npages; i++) {
		CHECK(i == 0 || w->pages[i - 1].key < w->pages[i].key);
		CHECK(workset_fits(w, w->pages[i].key));
		CHECK(workset_find(w, w->pages[i].key) == &w->pages[i]);
	}
}

static void check_equals_model(const struct workset *w, const struct model *m)
{
	size_t count = 0;

	check_sorted(w);
	for (unsigned int r = 0; r < REGIONS; r++) {
		int index = find_region(w, m, r);

		for (uint64_t page = 0; page < SPACE; page++) {
			const struct wpage *p = index < 0 ? NULL : workset_find(w, ws_key((uint32_t)index, page));

			CHECK(!p == !m->in[r][page]);
			if (!p)
				continue;
			CHECK(p->rank == m->rank[r][page] && p->last == m->last[r][page]);
			count++;
		}
	}
	CHECK(w->npages == count && !w->truncated);
}

static uint32_t model_rank(uint32_t known, uint32_t seen)
{
	if (known == WS_NO_RANK || seen == WS_NO_RANK)
		return known == WS_NO_RANK ? seen : known;
	return known < seen ? known + (seen - known) / 2 : seen + (known - seen) / 2;
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = ((const struct wpage *)a)->key;
	uint64_t y = ((const struct wpage *)b)->key;

	return (x > y) - (x < y);
}

static void learn_randomly(struct workset *w, struct model *m)
{
	static struct wpage demanded[REGIONS * SPACE];
	unsigned int density = 1 + random_below(8);
	size_t n = 0;
	size_t fresh = 0;

	w->activation++;
	for (unsigned int r = 0; r < REGIONS; r++) {
		uint32_t index;

		if (random_below(3))
			continue;
		index = add_region(w, m, r);
		for (unsigned int page = 0; page < SPACE; page++) {
			uint32_t rank = random_below(4) ? random_below(1000) : WS_NO_RANK;

			if (random_below(density))
				continue;
			demanded[n++] = (struct wpage){ ws_key(index, page), rank, 77 };
			fresh += !m->in[r][page];
			m->rank[r][page] = m->in[r][page] ? model_rank(m->rank[r][page], rank) : rank;
			m->last[r][page] = w->activation;
			m->in[r][page] = true;
		}
	}
	qsort(demanded, n, sizeof(*demanded), by_key);
	CHECK(workset_learn(w, demanded, n) == fresh);
}

static void replace_file(struct workset *w, struct model *m)
{
	unsigned int file = random_below(FILES);
	struct wfile f = file_of(m, file);
	int index = find_file(w, &f);

	f.mtime_ns = ++m->version[file];
	f.inode += 100;
	CHECK(index < 0 || workset_file(w, &f) == index);
	for (unsigned int r = 0; r < REGIONS; r++)
		if (file_number(r) == file)
			memset(m->in[r], 0, sizeof(m->in[r]));
}

static void trust_randomly(struct workset *w, struct model *m)
{
	unsigned int role = random_below(ROLES);
	int index = find_role(w, role);

	if (index < 0)
		return;
	m->trust[role] = random_below(2);
	w->roles[index].trust = m->trust[role];
}

/* After forgetting, what has no pages is gone; roles that are trusted stay. */
static void check_no_leftovers(const struct workset *w, const struct model *m)
{
	bool role_used[ROLES] = { false };
	bool file_used[FILES] = { false };
	size_t regions = 0;

	for (unsigned int r = 0; r < REGIONS; r++) {
		if (!memchr(m->in[r], true, SPACE))
			continue;
		regions++;
		if (role_number(r) < ROLES)
			role_used[role_number(r)] = true;
		if (file_number(r) < FILES)
			file_used[file_number(r)] = true;
	}
	CHECK(w->nregions == regions);
	for (unsigned int i = 0; i < ROLES; i++)
		CHECK((find_role(w, i) >= 0) == (role_used[i] || m->trust[i]));
	for (unsigned int i = 0; i < FILES; i++) {
		struct wfile f = file_of(m, i);

		CHECK((find_file(w, &f) >= 0) == file_used[i]);
	}
}

static void age_randomly(struct workset *w, struct model *m)
{
	uint32_t keep = random_below(6);
	size_t forgotten = 0;

	for (unsigned int r = 0; r < REGIONS; r++)
		for (unsigned int page = 0; page < SPACE; page++) {
			if (!m->in[r][page] || m->last[r][page] + keep > w->activation)
				continue;
			m->in[r][page] = false;
			forgotten++;
		}
	CHECK(workset_age(w, keep) == forgotten);
	check_no_leftovers(w, m);
}

static void check_copy_last(const struct workset *w, struct pool *pool)
{
	struct workset copy;
	size_t expected = 0;
	size_t used = pool->used;
	uint32_t last = w->activation - random_below(2);

	workset_init(&copy, pool);
	CHECK(workset_copy_last(&copy, w, last) && copy.activation == w->activation);
	for (size_t i = 0; i < w->npages; i++) {
		const struct wpage *p = workset_find(&copy, w->pages[i].key);

		CHECK(!p == (w->pages[i].last != last));
		CHECK(!p || (p->rank == w->pages[i].rank && p->last == last));
		expected += p != NULL;
	}
	CHECK(copy.npages == expected && copy.nregions == w->nregions);
	check_sorted(&copy);
	workset_clear(&copy);
	CHECK(pool->used == used);
}

static void test_against_model(void)
{
	static struct model m;
	struct pool pool;
	struct workset w;

	CHECK(pool_create(&pool, ARENA) == 0);
	workset_init(&w, &pool);
	for (int step = 0; step < 4000; step++) {
		switch (random_below(8)) {
		case 0:
			age_randomly(&w, &m);
			break;
		case 1:
			replace_file(&w, &m);
			break;
		case 2:
			trust_randomly(&w, &m);
			break;
		case 3:
			check_copy_last(&w, &pool);
			break;
		default:
			learn_randomly(&w, &m);
		}
		check_equals_model(&w, &m);
	}
	workset_clear(&w);
	CHECK(pool.used == 0 && w.npages == 0 && w.pool == &pool);
	pool_destroy(&pool);
}

static void test_names(void)
{
	char exe[2 * WS_PATH_CAP];
	struct pool pool;
	struct workset w;

	CHECK(pool_create(&pool, ARENA) == 0);
	workset_init(&w, &pool);
	CHECK(workset_role(&w, "/bin/a", 0, false) == 0 && workset_role(&w, "/bin/a", 0, true) == 1);
	CHECK(workset_role(&w, "/bin/a", 1, false) == 2 && workset_role(&w, "/bin/b", 0, false) == 3);
	CHECK(workset_role(&w, "/bin/a", 0, true) == 1 && w.nroles == 4 && !w.truncated);
	memset(exe, 'x', sizeof(exe));
	exe[WS_PATH_CAP - 1] = 0;
	CHECK(workset_role(&w, exe, 65535, false) == 4 && strcmp(w.roles[4].exe, exe) == 0 && !w.truncated);
	CHECK(workset_role(&w, "/bin/a", 65536, false) == -1 && w.truncated);
	workset_clear(&w);
	exe[WS_PATH_CAP - 1] = 'x';
	exe[WS_PATH_CAP] = 0;
	CHECK(workset_role(&w, exe, 0, false) == -1 && w.truncated && w.nroles == 0);
	pool_destroy(&pool);
}

static void test_limits_of_counts(void)
{
	struct pool pool;
	struct workset w;
	struct wfile f = { .bytes = 1 };
	struct region r = { .kind = REGION_ANON };

	CHECK(pool_create(&pool, ARENA) == 0);
	workset_init(&w, &pool);
	for (unsigned int i = 0; i < WS_MAX_ROLES; i++)
		CHECK(workset_role(&w, "/bin/a", i, false) == (int)i);
	for (unsigned int i = 0; i < WS_MAX_FILES; i++) {
		snprintf(f.path, sizeof(f.path), "/%u", i);
		CHECK(workset_file(&w, &f) == (int)i);
	}
	for (r.ordinal = 0; r.ordinal < WS_MAX_REGIONS; r.ordinal++)
		CHECK(workset_region(&w, &r) == (int)r.ordinal);
	CHECK(!w.truncated && workset_region(&w, &r) == -1 && w.truncated);
	w.truncated = false;
	CHECK(workset_role(&w, "/bin/b", 0, false) == -1 && w.truncated);
	w.truncated = false;
	snprintf(f.path, sizeof(f.path), "/other");
	CHECK(workset_file(&w, &f) == -1 && w.truncated);
	CHECK(workset_role(&w, "/bin/a", 7, false) == 7 && w.nfiles == WS_MAX_FILES);
	CHECK(workset_age(&w, 1) == 0 && w.nregions == 0 && w.nfiles == 0 && w.nroles == 0);
	workset_clear(&w);
	memset(f.path, 'x', sizeof(f.path));
	CHECK(workset_file(&w, &f) == -1 && w.truncated);
	pool_destroy(&pool);
}

static void test_regions_name_what_exists(void)
{
	struct pool pool;
	struct workset w;
	struct wfile f = { .path = "/lib", .bytes = PAGE_SIZE + 1 };
	struct region file = { .kind = REGION_FILE };
	struct region heap = { .kind = REGION_HEAP };
	struct region anon = { .kind = REGION_ANON };
	const struct wpage out_of_reach[] = {
		{ ws_key(0, 1), 5, 0 }, { ws_key(0, 2), 5, 0 },	    /* the file has two pages */
		{ ws_key(1, 1u << 30), 5, 0 },			    /* a heap has no end */
		{ ws_key(2, 1), 5, 0 },
		{ ws_key(3, 0), 5, 0 }, { ws_key(99999, 0), 5, 0 }, /* there is no such region */
	};

	CHECK(pool_create(&pool, ARENA) == 0);
	workset_init(&w, &pool);
	CHECK(workset_region(&w, &file) == -1 && workset_region(&w, &heap) == -1 && !w.truncated);
	CHECK(workset_file(&w, &f) == 0 && workset_region(&w, &file) == 0);
	CHECK(workset_role(&w, "/bin/a", 0, false) == 0 && workset_region(&w, &heap) == 1);
	CHECK(workset_region(&w, &anon) == 2);
	heap.file = 4; /* of no meaning to a heap */
	CHECK(workset_region(&w, &heap) == 1 && w.regions[1].file == 0);
	heap.kind = REGION_KINDS;
	CHECK(workset_region(&w, &heap) == -1);
	anon.role = 1;
	CHECK(workset_region(&w, &anon) == -1 && w.nregions == 3);
	w.activation = 1;
	CHECK(workset_learn(&w, out_of_reach, sizeof(out_of_reach) / sizeof(*out_of_reach)) == 3 && w.npages == 3);
	CHECK(w.pages[0].key == ws_key(0, 1) && w.pages[2].key == ws_key(2, 1) && !w.truncated);
	check_sorted(&w);
	pool_destroy(&pool);
}

/* One heap, so that keys are page numbers. */
static void make_heap(struct workset *w, struct pool *pool, size_t arena)
{
	struct region heap = { .kind = REGION_HEAP };

	CHECK(pool_create(pool, arena) == 0);
	workset_init(w, pool);
	CHECK(workset_role(w, "/bin/a", 0, false) == 0 && workset_region(w, &heap) == 0);
	w->activation = 1;
}

static size_t learn_every(struct workset *w, uint64_t first, uint64_t step, size_t n)
{
	static struct wpage demanded[1u << 20];

	for (size_t i = 0; i < n; i++)
		demanded[i] = (struct wpage){ first + i * step, (uint32_t)i, 0 };
	return workset_learn(w, demanded, n);
}

static void test_full_pool_keeps_the_lowest(void)
{
	struct pool pool;
	struct workset w;
	size_t cap;

	make_heap(&w, &pool, 16 * POOL_MIN_BYTES);
	CHECK(learn_every(&w, 1, 2, 100) == 100 && !w.truncated); /* 1, 3, ..., 199 */
	CHECK(learn_every(&w, 1, 2, 5000) == 4900 && w.truncated);
	cap = w.cap_pages;
	CHECK(cap > 256 && w.npages == cap && w.pages[cap - 1].key == 2 * cap - 1);
	CHECK(learn_every(&w, 0, 2, cap) == cap && w.npages == cap); /* push the upper half out */
	for (size_t i = 0; i < cap; i++)
		CHECK(w.pages[i].key == i);
	CHECK(learn_every(&w, 100000, 1, 50) == 50 && w.npages == cap && w.pages[cap - 1].key == cap - 1);
	w.activation = 2;
	CHECK(learn_every(&w, 0, 1, 10) == 0 && w.pages[9].last == 2 && w.pages[10].last == 1);
	CHECK(workset_age(&w, 1) == cap - 10 && w.npages == 10 && w.truncated);
	workset_clear(&w);
	CHECK(!w.truncated && pool.used == 0);
	pool_destroy(&pool);
}

static void test_no_pool_at_all(void)
{
	struct pool pool;
	struct workset w;
	struct workset copy;
	void *rest;

	make_heap(&w, &pool, 4 * POOL_MIN_BYTES);
	rest = pool_take(&pool, 2 * POOL_MIN_BYTES);
	CHECK(rest && learn_every(&w, 0, 1, 10) == 10 && w.npages == 0 && w.truncated);
	pool_give(&pool, rest);
	CHECK(learn_every(&w, 0, 1, 5000) == 5000 && w.npages == 2 * POOL_MIN_BYTES / sizeof(struct wpage));
	workset_init(&copy, &pool);
	CHECK(!workset_copy_last(&copy, &w, 1) && copy.nroles == 0 && pool.used == pool.bytes);
	CHECK(workset_role(&copy, "/bin/a", 0, false) == -1 && copy.truncated);
	workset_clear(&w);
	CHECK(pool.used == 0);
	pool_destroy(&pool);
}

/* Quadratic work would not come to an end. */
static void test_large_set(void)
{
	struct pool pool;
	struct workset w;
	uint64_t pages;
	struct extent *out;
	size_t n = (size_t)1 << 19;

	make_heap(&w, &pool, (size_t)64 << 20);
	CHECK(learn_every(&w, 0, 2, n) == n && learn_every(&w, 1, 2, n) == n && w.npages == 2 * n);
	for (int i = 0; i < 20; i++)
		CHECK(learn_every(&w, 0, 1, 2 * n) == 0);
	out = pool_take(&pool, n * sizeof(*out));
	CHECK(out && workset_extents(&w, 2, out, n, &pages) == n && pages == 2 * n);
	for (size_t i = 1; i < n; i++)
		CHECK(out[i].page > out[i - 1].page && out[i].rank >= out[i - 1].rank);
	pool_destroy(&pool);
}

static int by_rank(const void *a, const void *b)
{
	const struct extent *x = a;
	const struct extent *y = b;
	uint64_t kx = ws_key(x->region, x->page);
	uint64_t ky = ws_key(y->region, y->page);

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (kx > ky) - (kx < ky);
}

/* All extents, page by page, then sorted. */
static size_t naive_extents(const struct workset *w, uint32_t max_pages, struct extent *out)
{
	size_t n = 0;

	for (size_t i = 0; i < w->npages; i++) {
		const struct wpage *p = &w->pages[i];
		struct extent *e = n ? &out[n - 1] : NULL;

		if (e && e->region == ws_region(p->key) && e->page + e->pages == ws_page(p->key) &&
		    e->pages < max_pages) {
			e->pages++;
			e->rank = p->rank < e->rank ? p->rank : e->rank;
			continue;
		}
		out[n++] = (struct extent){ ws_page(p->key), ws_region(p->key), 1, p->rank };
	}
	qsort(out, n, sizeof(*out), by_rank);
	return n;
}

static void check_extents(const struct workset *w, uint32_t max_pages, size_t cap)
{
	static struct extent expected[REGIONS * SPACE];
	static struct extent out[REGIONS * SPACE];
	size_t n = naive_extents(w, max_pages, expected);
	uint64_t sum = 0;
	uint64_t pages;

	n = n < cap ? n : cap;
	memset(out, 0xff, sizeof(out));
	CHECK(workset_extents(w, max_pages, out, cap, &pages) == n);
	for (size_t i = 0; i < n; i++) {
		CHECK(by_rank(&out[i], &expected[i]) == 0 && out[i].pages == expected[i].pages);
		CHECK(out[i].pages && out[i].pages <= max_pages);
		sum += out[i].pages;
	}
	CHECK(pages == sum);
}

static void test_extents_against_model(void)
{
	static struct model m;
	struct pool pool;
	struct workset w;
	struct extent none;
	uint64_t pages = 1;

	CHECK(pool_create(&pool, ARENA) == 0);
	workset_init(&w, &pool);
	CHECK(workset_extents(&w, 8, &none, 1, &pages) == 0 && pages == 0);
	for (int round = 0; round < 500; round++) {
		learn_randomly(&w, &m);
		age_randomly(&w, &m);
		check_extents(&w, 1 + random_below(SPACE), random_below(REGIONS * SPACE));
		check_extents(&w, UINT32_MAX, REGIONS * SPACE);
		check_extents(&w, 1 + random_below(4), random_below(8));
	}
	CHECK(workset_extents(&w, 0, &none, 1, &pages) == 0 && pages == 0);
	pool_destroy(&pool);
}

/* The last page of a region and the first of the next have neighbouring keys. */
static void test_extents_end_with_their_region(void)
{
	struct pool pool;
	struct workset w;
	struct region stack = { .kind = REGION_STACK };
	struct extent out[4];
	uint64_t pages;
	const struct wpage demanded[] = {
		{ ws_key(1, 0) - 1, 7, 0 },
		{ ws_key(1, 0), 3, 0 },
	};

	make_heap(&w, &pool, ARENA);
	CHECK(workset_region(&w, &stack) == 1 && workset_learn(&w, demanded, 2) == 2);
	CHECK(workset_extents(&w, 8, out, 4, &pages) == 2 && pages == 2);
	CHECK(out[0].region == 1 && out[0].page == 0 && out[0].rank == 3 && out[1].region == 0);
	pool_destroy(&pool);
}

/* Neighbours that are wanted at very different times are fetched apart; those whose time is not known join any. */
static void test_extents_end_where_times_part(void)
{
	struct pool pool;
	struct workset w;
	struct extent out[8];
	uint64_t pages;
	const struct wpage demanded[] = {
		{ ws_key(0, 0), WS_NO_RANK, 0 }, { ws_key(0, 1), 1000, 0 },    { ws_key(0, 2), 101000, 0 },
		{ ws_key(0, 3), 102000, 0 },	 { ws_key(0, 4), 90000, 0 },   { ws_key(0, 5), WS_NO_RANK, 0 },
		{ ws_key(0, 6), 4000000, 0 },	 { ws_key(0, 7), 6000000, 0 }, { ws_key(0, 8), 6200000, 0 },
	};

	make_heap(&w, &pool, ARENA);
	CHECK(workset_learn(&w, demanded, 9) == 9);
	CHECK(workset_extents(&w, 16, out, 8, &pages) == 4 && pages == 9);
	CHECK(out[0].page == 0 && out[0].pages == 3 && out[0].rank == 1000);
	CHECK(out[1].page == 3 && out[1].pages == 3 && out[1].rank == 90000);
	CHECK(out[2].page == 6 && out[2].pages == 2 && out[2].rank == 4000000);
	CHECK(out[3].page == 8 && out[3].pages == 1 && out[3].rank == 6200000);
	pool_destroy(&pool);
}

int main(void)
{
	test_against_model();
	test_names();
	test_limits_of_counts();
	test_regions_name_what_exists();
	test_full_pool_keeps_the_lowest();
	test_no_pool_at_all();
	test_large_set();
	test_extents_against_model();
	test_extents_end_with_their_region();
	test_extents_end_where_times_part();
	return 0;
}
