/* Unit test of the command line and of the host's commands. */
#include "sampler/options.h"

#include <assert.h>
#include <string.h>

#define PARSE(o, error, ...)                                                                \
	parse_options((int)(sizeof((char *[]){ "sampler", __VA_ARGS__ }) / sizeof(char *)), \
		      (char *[]){ "sampler", __VA_ARGS__ }, o, error, sizeof(error))
#define NEEDED "--port", "-", "--group", "a=/x"

static void test_arguments(void)
{
	static struct options o;
	char error[256];

	assert(PARSE(&o, error, NEEDED) == PARSED_RUN);
	assert(o.interval_ns == 1000000000u && o.ngroups == 1 && o.ndisks == 0 && !strcmp(o.port, "-"));
	assert(PARSE(&o, error, NEEDED, "--group", "b=/y/z", "--disk", "vda", "--disk", "vdb", "--interval", "0.02") ==
	       PARSED_RUN);
	assert(o.interval_ns == 20000000u && o.ngroups == 2 && o.ndisks == 2);
	assert(!strcmp(o.groups[1].name, "b") && !strcmp(o.groups[1].dir, "/y/z") && !strcmp(o.disks[1], "vdb"));
	assert(PARSE(&o, error, "--help") == PARSED_HELP);

	assert(parse_options(1, (char *[]){ "sampler" }, &o, error, sizeof(error)) == PARSED_BAD);
	assert(!strcmp(error, "--port is required"));
	assert(PARSE(&o, error, "--port", "-") == PARSED_BAD && !strcmp(error, "--group is required"));
	assert(PARSE(&o, error, "--port") == PARSED_BAD && !strcmp(error, "--port needs a value"));
	assert(PARSE(&o, error, NEEDED, "--what", "1") == PARSED_BAD && strstr(error, "--what"));
	assert(PARSE(&o, error, NEEDED, "--group", "a=/again") == PARSED_BAD && strstr(error, "--group must be"));
	assert(PARSE(&o, error, NEEDED, "--group", "b=relative") == PARSED_BAD);
	assert(PARSE(&o, error, NEEDED, "--group", "b=/x/") == PARSED_BAD);
	assert(PARSE(&o, error, NEEDED, "--group", "=/x") == PARSED_BAD);
	assert(PARSE(&o, error, NEEDED, "--group", "b") == PARSED_BAD);
	assert(PARSE(&o, error, NEEDED, "--group", "a\"b=/x") == PARSED_BAD);
	assert(PARSE(&o, error, NEEDED, "--disk", "a b") == PARSED_BAD && strstr(error, "--disk must be"));
}

static void test_interval(void)
{
	static const char *const BAD[] = { "0", "0.009", "60.1", "-1", "1s", "nan", "inf", "0x1", " 1", "", "1..2", "1e1" };
	static struct options o;
	char error[256];

	for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
		assert(PARSE(&o, error, NEEDED, "--interval", (char *)(uintptr_t)BAD[i]) == PARSED_BAD);
		assert(strstr(error, "--interval must be seconds from 0.01 to 60"));
	}
	assert(PARSE(&o, error, NEEDED, "--interval", "0.01") == PARSED_RUN && o.interval_ns == 10000000u);
	assert(PARSE(&o, error, NEEDED, "--interval", "60") == PARSED_RUN && o.interval_ns == 60000000000u);
}

static void test_commands(void)
{
	struct command c;

	parse_command("ping", &c);
	assert(c.kind == COMMAND_PING);
	parse_command("stop", &c);
	assert(c.kind == COMMAND_STOP);
	parse_command("start", &c);
	assert(c.kind == COMMAND_START && c.interval_ns == 0);
	parse_command("start 0.1", &c);
	assert(c.kind == COMMAND_START && c.interval_ns == 100000000u);
	parse_command("start 0", &c);
	assert(c.kind == COMMAND_BAD && strstr(c.text, "0.01 to 60"));
	parse_command("mark request-1", &c);
	assert(c.kind == COMMAND_MARK && !strcmp(c.text, "request-1"));
	parse_command("mark ", &c);
	assert(c.kind == COMMAND_BAD);
	parse_command("mark two words", &c);
	assert(c.kind == COMMAND_BAD);
	parse_command("mark 123456789012345678901234567890123456789012345678901234567890abcd", &c);
	assert(c.kind == COMMAND_BAD);
	parse_command("", &c);
	assert(c.kind == COMMAND_BAD);
	parse_command("STOP and a line that is much longer than any command could be, to see that it is cut", &c);
	assert(c.kind == COMMAND_BAD && strstr(c.text, "expected start, mark, stop or ping"));
}

int main(void)
{
	test_arguments();
	test_interval();
	test_commands();
	return 0;
}
