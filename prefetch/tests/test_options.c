#include "options.h"

#include <string.h>

#include "check.h"

static char error[512];

static enum parsed parse(struct options *o, const char *const *words)
{
	char *argv[32] = { (char *)(uintptr_t)"prefetchd" };
	int argc = 1;

	error[0] = 0;
	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	return options_parse(argc, argv, o, error, sizeof(error));
}

#define PARSE(o, ...) parse(o, (const char *const[]){ __VA_ARGS__, NULL })

static bool wrong(const char *const *words, const char *says)
{
	struct options o;
	bool refused = parse(&o, words) == PARSED_WRONG;

	if (!strstr(error, says))
		fprintf(stderr, "said: %s\n", error);
	return refused && strstr(error, says) && !strchr(error, '\n');
}

#define WRONG(says, ...) wrong((const char *const[]){ __VA_ARGS__, NULL }, says)

static void test_a_whole_line(void)
{
	struct options o;

	CHECK(PARSE(&o, "--group", "service_a=/sys/fs/cgroup/lxc.payload.service_a", "--group=b=system.slice/x*/",
		    "--policy", "working-set", "--events", "/dev/port", "--quiet-ms", "100", "--settle-ms=7000",
		    "--max-pages", "5", "--burst", "8", "--burst-ms=250", "--max-ranges", "256", "--scan", "pagemap", "--socket", "/s") == PARSED);
	CHECK(o.ngroups == 2 && strcmp(o.groups[0].name, "service_a") == 0);
	CHECK(strcmp(o.groups[0].cgroup, "/sys/fs/cgroup/lxc.payload.service_a") == 0);
	CHECK(strcmp(o.groups[1].cgroup, "/sys/fs/cgroup/system.slice/x*") == 0);
	CHECK(o.policy == POLICY_WORKING_SET && o.scan == SCAN_PAGEMAP && strcmp(o.events, "/dev/port") == 0);
	CHECK(o.quiet_ms == 100 && o.settle_ms == 7000 && o.max_pages == 5 && o.max_ranges == 256 && o.burst == 8 &&
	      o.burst_ms == 250);
	CHECK(strcmp(o.socket, "/s") == 0);
}

static void test_defaults(void)
{
	struct options o;

	CHECK(PARSE(&o, "--group", "a=comm:apache2,mariadbd", "--events", "-") == PARSED);
	CHECK(o.policy == POLICY_OFF && o.scan == SCAN_AUTO && o.quiet_ms == 2000 && o.settle_ms == 3000);
	CHECK(strcmp(o.socket, DEFAULT_SOCKET) == 0);
	CHECK(o.groups[0].ncomms == 2 && strcmp(o.groups[0].comms[1], "mariadbd") == 0);
	CHECK(o.groups[0].cgroup[0] == 0);
}

static void test_help_wins(void)
{
	struct options o;

	CHECK(PARSE(&o, "--group", "a=x", "--help") == PARSED_HELP);
	CHECK(strstr(options_help(), "--max-pages") && strstr(options_help(), "working-set"));
}

static void test_wrong_words(void)
{
	CHECK(WRONG("--group is missing", "--events", "-"));
	CHECK(WRONG("--events is missing", "--group", "a=b"));
	CHECK(WRONG("--burst", "--burst", "0"));
	CHECK(WRONG("--burst-ms", "--burst-ms", "-5"));
	CHECK(WRONG("expected off, siblings or working-set", "--policy", "all"));
	CHECK(WRONG("expected auto, ioctl or pagemap", "--scan", "x"));
	CHECK(WRONG("no such option", "--nope"));
	CHECK(WRONG("needs a value", "--group"));
	CHECK(WRONG("unexpected argument", "--group", "a=b", "--events", "-", "more"));
}

static void test_wrong_numbers(void)
{
	CHECK(WRONG("expected a whole number from 100", "--quiet-ms", "-5"));
	CHECK(WRONG("expected a whole number", "--quiet-ms", "99"));
	CHECK(WRONG("expected a whole number", "--settle-ms", "3s"));
	CHECK(WRONG("expected a whole number", "--max-pages", ""));
	CHECK(WRONG("expected a whole number", "--max-ranges", "99999999999999999999999"));
}

static void test_wrong_groups(void)
{
	CHECK(WRONG("expected NAME=SPEC", "--group", "a"));
	CHECK(WRONG("expected NAME=SPEC", "--group", "=x"));
	CHECK(WRONG("expected NAME=SPEC", "--group", "a b=x"));
	CHECK(WRONG("expected a cgroup below", "--group", "a="));
	CHECK(WRONG("expected a cgroup below", "--group", "a=/sys/fs/cgroup/"));
	CHECK(WRONG("expected a cgroup below", "--group", "a=/etc"));
	CHECK(WRONG("expected a cgroup below", "--group", "a=x/../.."));
	CHECK(WRONG("at most 8 names", "--group", "a=comm:"));
	CHECK(WRONG("at most 8 names", "--group", "a=comm:x,,y"));
	CHECK(WRONG("at most 8 names", "--group", "a=comm:sixteen-letters-"));
	CHECK(WRONG("at most 8 names", "--group", "a=comm:1,2,3,4,5,6,7,8,9"));
	CHECK(WRONG("that name is taken", "--group", "a=b", "--group", "a=c"));
	CHECK(WRONG("at most 4 groups", "--group", "a=x", "--group", "b=x", "--group", "c=x", "--group", "d=x", "--group",
		    "e=x"));
}

int main(void)
{
	test_a_whole_line();
	test_defaults();
	test_help_wins();
	test_wrong_words();
	test_wrong_numbers();
	test_wrong_groups();
	return 0;
}
