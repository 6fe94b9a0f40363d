#include "kernel/protect.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_c/procfs.h"
#include "guest_c/tests/check.h"

#define MIB ((uint64_t)1 << 20)

static char dir[] = "build/test_protect.XXXXXX"; /* a tmpfs may have no extended attributes */

static void set(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	CHECK(file);
	CHECK(fputs(text, file) >= 0);
	CHECK(fclose(file) == 0);
}

static const char *get(const char *name)
{
	static char text[64];
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CHECK(read_text(path, text, sizeof(text)) >= 0);
	return text;
}

static void test_bytes_are_bounded(void)
{
	CHECK(protect_bytes(10 * MIB, 30 * MIB, 1024 * MIB) == 40 * MIB);
	CHECK(protect_bytes(500 * MIB, 30 * MIB, 1024 * MIB) == 512 * MIB);
	CHECK(protect_bytes(10 * MIB, 600 * MIB, 1024 * MIB) == 512 * MIB);
	CHECK(protect_bytes(UINT64_MAX, UINT64_MAX, 1024 * MIB) == 512 * MIB);
	CHECK(protect_bytes(5, 5, 0) == 0);
}

static void test_what_was_there_comes_back(void)
{
	struct protection p = { 0 };

	set("memory.current", "4096\n");
	set("memory.min", "0\n");
	protect_begin(&p, dir, 8192);
	CHECK(strncmp(get("memory.min"), "12288", 5) == 0);
	protect_end(&p);
	CHECK(strncmp(get("memory.min"), "0\n", 2) == 0);
	set("memory.min", "7\n");
	protect_end(&p);
	CHECK(strncmp(get("memory.min"), "7\n", 2) == 0);
}

/* Killed in between: a successor puts back what was there, once. */
static void test_a_successor_recovers(void)
{
	struct protection lost = { 0 };

	set("memory.current", "4096\n");
	set("memory.min", "77\n");
	protect_begin(&lost, dir, 8192);
	CHECK(lost.dir[0] && strncmp(get("memory.min"), "12288", 5) == 0);
	protect_recover(dir);
	CHECK(strncmp(get("memory.min"), "77\n", 3) == 0);
	set("memory.min", "5\n");
	protect_recover(dir);
	CHECK(strncmp(get("memory.min"), "5\n", 2) == 0);
}

static void test_an_operators_larger_value_stays(void)
{
	struct protection p = { 0 };

	set("memory.current", "4096\n");
	set("memory.min", "99999\n");
	protect_begin(&p, dir, 8192);
	CHECK(!p.dir[0]);
	CHECK(strncmp(get("memory.min"), "99999\n", 6) == 0);
	set("memory.min", "max\n");
	protect_begin(&p, dir, 8192);
	CHECK(!p.dir[0]);
	CHECK(strncmp(get("memory.min"), "max\n", 4) == 0);
}

static void test_a_cgroup_that_is_gone_is_no_trouble(void)
{
	struct protection p = { 0 };

	protect_begin(&p, "/nonexistent/cgroup", 8192);
	CHECK(!p.dir[0]);
	protect_end(&p);
}

int main(void)
{
	CHECK(mkdtemp(dir));
	test_bytes_are_bounded();
	test_what_was_there_comes_back();
	test_a_successor_recovers();
	test_an_operators_larger_value_stays();
	test_a_cgroup_that_is_gone_is_no_trouble();
	set("memory.min", "");
	CHECK(chdir(dir) == 0 && unlink("memory.min") == 0 && unlink("memory.current") == 0);
	CHECK(chdir("../..") == 0 && rmdir(dir) == 0);
	return 0;
}
