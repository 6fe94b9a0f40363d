/* Unit test of the parsers, on text as the kernel writes it. */
#include "sampler/counters/procfs.h"

#include <assert.h>
#include <string.h>

#define BEHIND_COMM " S 1 7 7 0 -1 4194560 2537 11 1003 12 20 21 0 0 20 0 9 0 4711 99999 8191 " \
		    "18446744073709551615 1 2 3 0 0 0 0 4096 1088 0 0 0 17 1 0 0 "

static void test_stat(void)
{
	static const char *const COMMS[] = { "mariadbd", "a b", ") S 9 (", "((", "))", "", "\xc3", "query.cgi" };
	struct process_stat s;
	char text[512];

	for (size_t i = 0; i < sizeof(COMMS) / sizeof(*COMMS); i++) {
		strcpy(text, "1234 (");
		strcat(text, COMMS[i]);
		strcat(text, ")" BEHIND_COMM "42 0 0\n");
		assert(parse_stat(text, &s));
		assert(!strcmp(s.comm, COMMS[i]));
		assert(s.minflt == 2537 && s.majflt == 1003 && s.start == 4711 && s.rss == 8191 && s.blkio == 42);
	}
	assert(parse_stat("1 (x)" BEHIND_COMM "42", &s));
	/* A text that was cut anywhere is refused: no number is half read. */
	strcpy(text, "1 (x)" BEHIND_COMM);
	for (size_t n = strlen(text); n-- > 0;) {
		text[n] = '\0';
		assert(!parse_stat(text, &s));
	}
	assert(!parse_stat(")(", &s));
	assert(!parse_stat("1 (x) S 1 7 7 0 -1 4194560 -2 11 3 12 20 21 0 0 20 0 9 0 1 1 1 1", &s));
	/* A kernel worker's comm may be longer than any process's. */
	memset(text, 'w', 200);
	text[0] = '(';
	strcpy(text + 200, ")" BEHIND_COMM "1");
	assert(parse_stat(text, &s) && strlen(s.comm) == sizeof(s.comm) - 1);
}

static void test_pairs(void)
{
	char text[] = "pswpin 17\nbad\n\n neg -1\nMemFree:          123 kB\nActive(anon):  5 kB\nodd x\nlast 18446744073709551615";
	char huge[] = "huge 99999999999999999999999\nok 1\n";
	char *cursor = text;
	const char *key;
	uint64_t value;

	assert(next_pair(&cursor, &key, &value) && !strcmp(key, "pswpin") && value == 17);
	assert(next_pair(&cursor, &key, &value) && !strcmp(key, "MemFree") && value == 123);
	assert(next_pair(&cursor, &key, &value) && !strcmp(key, "Active(anon)") && value == 5);
	assert(next_pair(&cursor, &key, &value) && !strcmp(key, "last") && value == UINT64_MAX);
	assert(!next_pair(&cursor, &key, &value));
	cursor = huge;
	assert(next_pair(&cursor, &key, &value) && !strcmp(key, "ok") && value == 1);
}

static void test_number(void)
{
	uint64_t value;

	assert(parse_number("4096\n", &value) && value == 4096);
	assert(!parse_number("max\n", &value));
	assert(!parse_number("-1\n", &value));
	assert(!parse_number("", &value));
}

static void test_pressure(void)
{
	uint64_t some = 0, full = 0;

	assert(parse_pressure("some avg10=0.00 avg60=1.50 avg300=0.00 total=12345\n"
			      "full avg10=0.00 avg60=0.00 avg300=0.00 total=678\n", &some, &full));
	assert(some == 12345 && full == 678);
	assert(!parse_pressure("some avg10=0.00 total=1\n", &some, &full));
	assert(!parse_pressure("some avg10=0.00\nfull total=1\n", &some, &full));
	assert(!parse_pressure("", &some, &full));
}

static void test_diskstats(void)
{
	static const char TEXT[] = " 254       0 vda 10 1 20 3 40 5 60 7 0 8 9 0 0 0 0 1 2\n"
				   " 254       1 vda1 100 1 200 3 400 5 600 7 0 8 9\n"
				   " 254      16 vdb 11 1 21 3 41 5 61 7 2 18 9\n"
				   " 254      32 vdc 11 1 21\n";
	struct disk_stat d;

	assert(parse_diskstats(TEXT, "vda", &d));
	assert(d.reads == 10 && d.read_sectors == 20 && d.read_ms == 3);
	assert(d.writes == 40 && d.write_sectors == 60 && d.write_ms == 7 && d.io_ms == 8);
	assert(parse_diskstats(TEXT, "vdb", &d) && d.reads == 11 && d.io_ms == 18);
	assert(!parse_diskstats(TEXT, "vd", &d));
	assert(!parse_diskstats(TEXT, "vdc", &d));
	assert(!parse_diskstats(TEXT, "vdd", &d));
	assert(!parse_diskstats("", "vda", &d));
}

static void test_cgroup(void)
{
	char path[32];

	assert(parse_cgroup("0::/lxc.payload.service_a/x\n", path, sizeof(path)));
	assert(!strcmp(path, "/lxc.payload.service_a/x"));
	assert(parse_cgroup("9:name=systemd:/a\n4:memory:/b\n0::/c (deleted)\n", path, sizeof(path)));
	assert(!strcmp(path, "/c"));
	assert(!parse_cgroup("4:memory:/b\n", path, sizeof(path)));
	assert(!parse_cgroup("", path, sizeof(path)));
	assert(!parse_cgroup("0::/a-path-that-is-longer-than-its-buffer\n", path, sizeof(path)));

	assert(cgroup_within("/a", "/a") && cgroup_within("/a/b", "/a") && cgroup_within("/a", ""));
	assert(!cgroup_within("/ab", "/a") && !cgroup_within("/", "/a"));
}

int main(void)
{
	test_stat();
	test_pairs();
	test_number();
	test_pressure();
	test_diskstats();
	test_cgroup();
	return 0;
}
