#include "guest_c/procfs.h"

#include <string.h>
#include <unistd.h>

#include "guest_c/tests/check.h"

static const char stat_text[] =
	"423 (a b) (c) S 1 2 3 4 5 6 7 8 9 10 111 222 15 16 17 18 19 20 98765 23 24 25 26 27 140737 29 30";

static void test_stat_with_parentheses_in_comm(void)
{
	struct identity id;

	CHECK(stat_parse(stat_text, &id));
	CHECK(id.state == 'S' && id.parent == 1 && id.cpu_ticks == 333 && id.start_ticks == 98765 && id.stack == 140737);
	CHECK(!stat_parse("423 (cut) S 1 2", &id));
	CHECK(!stat_parse("", &id));
}

static void test_identity_tells_programs_apart(void)
{
	struct identity a = { .start_ticks = 5, .stack = 100, .cpu_ticks = 1, .state = 'S' };
	struct identity busier = { .start_ticks = 5, .stack = 100, .cpu_ticks = 9, .state = 'R' };
	struct identity executed = { .start_ticks = 5, .stack = 200 };
	struct identity successor = { .start_ticks = 6, .stack = 100 };

	CHECK(same_identity(&a, &busier));
	CHECK(!same_identity(&a, &executed));
	CHECK(!same_identity(&a, &successor));
}

static void test_counters(void)
{
	uint64_t value = 0;

	CHECK(counter_parse("usage_usec 12\nuser_usec 7\n", "usage_usec", &value) && value == 12);
	CHECK(counter_parse("a 1\npgsteal_anon 34\n", "pgsteal_anon", &value) && value == 34);
	CHECK(!counter_parse("pgsteal_anon_more 3\n", "pgsteal_anon", &value));
	CHECK(!counter_parse("", "a", &value));
	CHECK(!counter_parse("a\n", "a", &value));
}

static void test_lines(void)
{
	static struct lines l;
	static char long_line[sizeof(l.buf) + 100];
	char path[] = "/tmp/prefetch-lines-XXXXXX";
	int fd = mkstemp(path);
	const char *line;

	CHECK(fd >= 0);
	memset(long_line, 'x', sizeof(long_line));
	CHECK(write(fd, "one\n\ntwo\n", 9) == 9);
	CHECK(write(fd, long_line, sizeof(long_line)) == (ssize_t)sizeof(long_line));
	CHECK(write(fd, "\nlast\n", 6) == 6);
	CHECK(lines_open(&l, path));
	CHECK(strcmp(lines_next(&l), "one") == 0);
	CHECK(strcmp(lines_next(&l), "") == 0);
	CHECK(strcmp(lines_next(&l), "two") == 0);
	line = lines_next(&l);
	CHECK(line && strlen(line) == sizeof(l.buf) - 1);
	CHECK(lines_next(&l));
	CHECK(strcmp(lines_next(&l), "last") == 0);
	CHECK(!lines_next(&l));
	lines_close(&l);
	close(fd);
	unlink(path);
	CHECK(!lines_open(&l, path));
}

static void test_own_process(void)
{
	struct identity id;
	char comm[17];

	CHECK(read_identity(getpid(), &id) && id.state == 'R' && id.start_ticks > 0);
	read_comm(getpid(), comm, sizeof(comm));
	CHECK(strcmp(comm, "test_procfs") == 0);
	read_comm(-1, comm, sizeof(comm));
	CHECK(strcmp(comm, "?") == 0);
}

int main(void)
{
	test_stat_with_parentheses_in_comm();
	test_identity_tells_programs_apart();
	test_counters();
	test_lines();
	test_own_process();
	return 0;
}
