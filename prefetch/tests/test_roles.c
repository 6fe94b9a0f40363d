#include "model/roles.h"

#include "guest_c/tests/check.h"

enum { HTTPD = 1, REDIS = 2 };

static void put(struct members *m, unsigned int slot, pid_t pid, pid_t parent, uint64_t start, uint32_t exe)
{
	m->slots[slot] = (struct member){ .pid = pid, .used = true, .exe_hash = exe };
	m->slots[slot].id.parent = parent;
	m->slots[slot].id.start_ticks = start;
}

static void test_a_pool_has_one_root(void)
{
	struct member slots[8] = { 0 };
	struct members m = { .slots = slots, .nslots = 8 };

	put(&m, 0, 12, 11, 6, HTTPD); /* a worker may come before its parent in the table */
	put(&m, 1, 10, 1, 4, HTTPD);
	put(&m, 2, 11, 10, 5, HTTPD);
	put(&m, 3, 20, 10, 7, REDIS); /* started by it, but another program */
	CHECK(roles_root(&m, 1) == 1 && roles_root(&m, 2) == 1 && roles_root(&m, 0) == 1);
	CHECK(roles_root(&m, 3) == 3);
}

static void test_order_of_start_tells_instances_apart(void)
{
	struct member slots[8] = { 0 };
	struct members m = { .slots = slots, .nslots = 8 };

	put(&m, 0, 30, 1, 9, REDIS);
	put(&m, 1, 20, 1, 5, REDIS);
	put(&m, 2, 21, 20, 6, REDIS); /* its worker does not count */
	put(&m, 4, 40, 1, 5, HTTPD);
	CHECK(roles_ordinal(&m, 1) == 0 && roles_ordinal(&m, 0) == 1 && roles_ordinal(&m, 4) == 0);
	put(&m, 5, 19, 1, 5, REDIS); /* at the same tick: by pid */
	CHECK(roles_ordinal(&m, 5) == 0 && roles_ordinal(&m, 1) == 1 && roles_ordinal(&m, 0) == 2);
}

/* Pids are reused: a process may seem to be its own grandparent. */
static void test_circles_end(void)
{
	struct member slots[2] = { 0 };
	struct members m = { .slots = slots, .nslots = 2 };

	put(&m, 0, 1, 2, 1, HTTPD);
	put(&m, 1, 2, 1, 2, HTTPD);
	CHECK(roles_root(&m, 0) < 2);
}

int main(void)
{
	test_a_pool_has_one_root();
	test_order_of_start_tells_instances_apart();
	test_circles_end();
	return 0;
}
