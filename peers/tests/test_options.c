/* Unit test of the command line. */
#include "peerd/options.h"

#include <assert.h>
#include <string.h>

static struct options o;
static char error[256];

#define PARSE(...)                                                                        \
	parse_options((int)(sizeof((char *[]){ "peerd", __VA_ARGS__ }) / sizeof(char *)), \
		      (char *[]){ "peerd", __VA_ARGS__ }, &o, error, sizeof(error))
#define BAD(said, ...) assert(PARSE(__VA_ARGS__) == PARSED_BAD && strstr(error, said) == error)

static void test_actions(void)
{
	assert(PARSE("--port", "/dev/p", "swap-cycle", "/dev/vdb", "/dev/vdc") == PARSED_RUN);
	assert(!strcmp(o.port, "/dev/p") && o.action == ACTION_SWAP_CYCLE && !strcmp(o.name, "swap-cycle"));
	assert(o.nwords == 2 && !strcmp(o.words[1], "/dev/vdc"));
	assert(PARSE("--port", "-", "read-memory", "/sys/fs/cgroup/a") == PARSED_RUN);
	assert(o.action == ACTION_READ_MEMORY && o.nwords == 1);
	assert(PARSE("--port", "-", "wake", "/run/prefetchd.sock", "web") == PARSED_RUN);
	assert(o.action == ACTION_WAKE && !strcmp(o.words[1], "web"));
	assert(PARSE("--port", "-", "wake", "--help") == PARSED_HELP && PARSE("-h") == PARSED_HELP);
}

static void test_wrong_usage(void)
{
	char long_path[128] = "/", long_group[129] = "";

	assert(parse_options(1, (char *[]){ "peerd" }, &o, error, sizeof(error)) == PARSED_BAD);
	BAD("--port is required", "swap-cycle", "/dev/vdb");
	BAD("--port needs", "--port");
	BAD("--port needs", "--port", "", "swap-cycle", "/dev/vdb");
	BAD("expected an action, swap-cycle, read-memory or wake, not \"\"", "--port", "-");
	BAD("expected an action, swap-cycle, read-memory or wake, not \"sleep\"", "--port", "-", "sleep");
	BAD("swap-cycle takes DEVICE...", "--port", "-", "swap-cycle");
	BAD("swap-cycle takes DEVICE...", "--port", "-", "swap-cycle", "/dev/vdb", "vdc");
	BAD("read-memory takes CGROUP_FOLDER", "--port", "-", "read-memory");
	BAD("read-memory takes CGROUP_FOLDER", "--port", "-", "read-memory", "a");
	BAD("read-memory takes CGROUP_FOLDER", "--port", "-", "read-memory", "/a", "/b");
	BAD("wake takes SOCKET", "--port", "-", "wake", "/run/s");
	BAD("wake takes SOCKET", "--port", "-", "wake", "s", "web");
	BAD("wake takes SOCKET", "--port", "-", "wake", "/run/s", "");
	BAD("wake takes SOCKET", "--port", "-", "wake", "/run/s", "web site");
	memset(long_path + 1, 'x', 107);
	memset(long_group, 'x', 128);
	BAD("wake takes SOCKET", "--port", "-", "wake", long_path, "web");
	BAD("wake takes SOCKET", "--port", "-", "wake", "/run/s", long_group);
	long_path[107] = long_group[127] = '\0';
	assert(PARSE("--port", "-", "wake", long_path, long_group) == PARSED_RUN);
}

int main(void)
{
	test_actions();
	test_wrong_usage();
	return 0;
}
