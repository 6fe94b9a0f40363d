#include "model/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest_c/tests/check.h"

#define BLOCKS 64
#define ARENA  ((size_t)BLOCKS * POOL_MIN_BYTES)

static unsigned int seed = 1;

static unsigned int random_below(unsigned int n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % n;
}

static void test_sizes(void)
{
	struct pool p;
	char *block;

	CHECK(pool_create(&p, 0) == -1 && errno == EINVAL);
	CHECK(pool_create(&p, SIZE_MAX) == -1 && errno == EINVAL);
	CHECK(pool_create(&p, ((size_t)POOL_MIN_BYTES << (POOL_ORDERS - 1)) + 1) == -1 && errno == EINVAL);
	CHECK(pool_create(&p, 3 * POOL_MIN_BYTES) == 0 && p.bytes == 4 * POOL_MIN_BYTES);
	CHECK(!pool_take(&p, 4 * POOL_MIN_BYTES + 1) && !pool_take(&p, SIZE_MAX) && p.used == 0);
	block = pool_take(&p, 0);
	CHECK(block && pool_size(&p, block) == POOL_MIN_BYTES);
	pool_give(&p, block);
	block = pool_take(&p, POOL_MIN_BYTES + 1);
	CHECK(block && pool_size(&p, block) == 2 * POOL_MIN_BYTES && p.used == 2 * POOL_MIN_BYTES);
	pool_give(&p, block);
	pool_give(&p, NULL);
	CHECK(p.used == 0 && p.most == 2 * POOL_MIN_BYTES);
	pool_destroy(&p);
	pool_destroy(&p);
}

static void test_largest_arena(void)
{
	struct pool p;
	size_t largest = (size_t)POOL_MIN_BYTES << (POOL_ORDERS - 1);
	char *block;

	CHECK(pool_create(&p, largest) == 0);
	block = pool_take(&p, largest);
	CHECK(block && !pool_take(&p, 1));
	pool_give(&p, block);
	CHECK(pool_take(&p, 1));
	pool_destroy(&p);
}

/* The naive model: which of the smallest blocks are taken. */
static bool has_room(const bool *taken, size_t blocks)
{
	for (size_t at = 0; at < BLOCKS; at += blocks) {
		size_t n = 0;

		while (n < blocks && !taken[at + n])
			n++;
		if (n == blocks)
			return true;
	}
	return false;
}

struct owned {
	unsigned char *block;
	size_t bytes;
	unsigned char fill;
};

static void check_fill(const struct owned *o)
{
	for (size_t i = 0; i < o->bytes; i++)
		CHECK(o->block[i] == o->fill);
}

static void take_one(struct pool *p, struct owned *o, bool *taken)
{
	size_t blocks = (size_t)1 << random_below(5);
	size_t want = blocks * POOL_MIN_BYTES - random_below(blocks > 1 ? POOL_MIN_BYTES : 100);
	size_t first;

	o->block = pool_take(p, want);
	CHECK(!o->block == !has_room(taken, blocks));
	if (!o->block)
		return;
	o->bytes = blocks * POOL_MIN_BYTES;
	CHECK(pool_size(p, o->block) == o->bytes);
	first = (size_t)((char *)o->block - p->base) / POOL_MIN_BYTES;
	CHECK(first % blocks == 0 && first + blocks <= BLOCKS);
	for (size_t i = first; i < first + blocks; i++) {
		CHECK(!taken[i]);
		taken[i] = true;
	}
	o->fill = (unsigned char)random_below(256);
	memset(o->block, o->fill, o->bytes);
}

static void give_one(struct pool *p, struct owned *o, bool *taken)
{
	size_t first = (size_t)((char *)o->block - p->base) / POOL_MIN_BYTES;

	check_fill(o);
	memset(taken + first, 0, o->bytes / POOL_MIN_BYTES);
	pool_give(p, o->block);
	*o = (struct owned){ 0 };
}

static void test_against_model(void)
{
	static struct owned owned[BLOCKS];
	bool taken[BLOCKS] = { false };
	size_t most = 0;
	struct pool p;

	CHECK(pool_create(&p, ARENA) == 0);
	for (int step = 0; step < 50000; step++) {
		struct owned *o = &owned[random_below(BLOCKS)];
		size_t used = 0;

		if (o->block)
			give_one(&p, o, taken);
		else
			take_one(&p, o, taken);
		for (size_t i = 0; i < BLOCKS; i++)
			used += owned[i].bytes;
		most = used > most ? used : most;
		CHECK(p.used == used && p.most == most);
	}
	for (size_t i = 0; i < BLOCKS; i++)
		if (owned[i].block)
			give_one(&p, &owned[i], taken);
	CHECK(p.used == 0 && pool_take(&p, ARENA)); /* all merged again */
	pool_destroy(&p);
}

static void test_reserve(void)
{
	struct pool p;
	uint64_t *numbers;
	void *v = NULL;
	void *before;
	size_t cap = 0;

	CHECK(pool_create(&p, ARENA) == 0);
	CHECK(pool_reserve(&p, &v, &cap, sizeof(*numbers), 0) && !v && cap == 0 && p.used == 0);
	for (size_t i = 0; pool_reserve(&p, &v, &cap, sizeof(*numbers), i + 1); i++) {
		CHECK(cap > i && cap * sizeof(*numbers) == pool_size(&p, v) && p.used == pool_size(&p, v));
		numbers = v;
		numbers[i] = i;
	}
	CHECK(cap == ARENA / 2 / sizeof(*numbers)); /* doubling takes both blocks at once */
	numbers = v;
	for (size_t i = 0; i < cap; i++)
		CHECK(numbers[i] == i);
	before = v;
	CHECK(!pool_reserve(&p, &v, &cap, sizeof(*numbers), SIZE_MAX / 4) && v == before);
	CHECK(!pool_reserve(&p, &v, &cap, sizeof(*numbers), SIZE_MAX) && v == before && cap == ARENA / 2 / 8);
	pool_give(&p, v);
	CHECK(p.used == 0);
	pool_destroy(&p);
}

static void test_reserve_odd_size(void)
{
	struct pool p;
	void *v = NULL;
	size_t cap = 0;

	CHECK(pool_create(&p, ARENA) == 0);
	CHECK(pool_reserve(&p, &v, &cap, 24, 1) && cap == POOL_MIN_BYTES / 24);
	CHECK(pool_reserve(&p, &v, &cap, 24, cap + 1) && cap == 2 * POOL_MIN_BYTES / 24);
	CHECK(pool_reserve(&p, &v, &cap, 24, 5 * POOL_MIN_BYTES / 24) && cap == 8 * POOL_MIN_BYTES / 24);
	pool_destroy(&p);
}

static void give_twice(struct pool *p, char *block)
{
	pool_give(p, block);
	pool_give(p, block);
}

static void give_merged(struct pool *p, char *block)
{
	char *other = pool_take(p, 1);

	pool_give(p, block);
	pool_give(p, other);
	pool_give(p, other);
}

static void give_inside(struct pool *p, char *block)
{
	pool_give(p, block + 8);
}

static void give_second_page(struct pool *p, char *block)
{
	(void)block;
	pool_give(p, (char *)pool_take(p, 2 * POOL_MIN_BYTES) + POOL_MIN_BYTES);
}

static void give_foreign(struct pool *p, char *block)
{
	(void)block;
	pool_give(p, &seed);
}

static void give_past_end(struct pool *p, char *block)
{
	(void)block;
	pool_give(p, p->base + p->bytes);
}

static void size_of_free(struct pool *p, char *block)
{
	pool_give(p, block);
	CHECK(pool_size(p, block) == 0);
}

static bool aborts(void (*misuse)(struct pool *p, char *block))
{
	const struct rlimit no_core = { 0, 0 };
	struct pool p;
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		if (pool_create(&p, ARENA) == 0)
			misuse(&p, pool_take(&p, 1));
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_misuse_aborts(void)
{
	CHECK(aborts(give_twice));
	CHECK(aborts(give_merged));
	CHECK(aborts(give_inside));
	CHECK(aborts(give_second_page));
	CHECK(aborts(give_foreign));
	CHECK(aborts(give_past_end));
	CHECK(aborts(size_of_free));
}

int main(void)
{
	test_sizes();
	test_largest_arena();
	test_against_model();
	test_reserve();
	test_reserve_odd_size();
	test_misuse_aborts();
	return 0;
}
