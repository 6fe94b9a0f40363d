#include "daemon/options.h"

#include <string.h>
#include <unistd.h>

#include "guest_c/tests/check.h"

#define EMPTY "/dev/null" /* a configuration file that says nothing, whatever this machine has in /etc */

static char error[512];

static enum parsed parse(struct options *o, const char *const *words)
{
	char *argv[64] = { (char *)(uintptr_t)"prefetchd", (char *)(uintptr_t)"--config=" EMPTY };
	int argc = 2;

	error[0] = 0;
	for (; words[argc - 2]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 2];
	return options_parse(argc, argv, o, error, sizeof(error));
}

#define PARSE(o, ...) parse(o, (const char *const[]){ __VA_ARGS__, NULL })

static bool says(bool refused, const char *what)
{
	if (!refused || !strstr(error, what))
		fprintf(stderr, "refused: %d, said: %s\n", refused, error);
	return refused && strstr(error, what) && !strchr(error, '\n');
}

static bool wrong(const char *const *words, const char *what)
{
	struct options o;

	return says(parse(&o, words) == PARSED_WRONG, what);
}

#define WRONG(what, ...) wrong((const char *const[]){ __VA_ARGS__, NULL }, what)

static bool config(struct options *o, const char *text)
{
	memset(o, 0, sizeof(*o));
	error[0] = 0;
	return options_config(o, text, "f.conf", error, sizeof(error));
}

static bool wrong_config(const char *text, const char *what)
{
	struct options o;

	return says(!config(&o, text), what);
}

static void write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
}

static void test_a_whole_line(void)
{
	struct options o;

	CHECK(PARSE(&o, "--group", "service_a=/sys/fs/cgroup/lxc.payload.service_a", "--group=b=system.slice/x*/",
		    "--policy", "working-set", "--events", "/dev/port", "--quiet-ms", "100", "--settle-ms=7000",
		    "--wake-ms", "60000",
		    "--max-mib", "5", "--burst", "9", "--burst-ms=250", "--scan", "pagemap", "--socket", "/s",
		    "--early", "no", "--hold=no", "--trust", "no", "--state", "/var/s", "--oracle", "/o.set",
		    "--busy-percent", "1", "--share-percent", "0", "--depth", "0", "--keep", "3", "--pool-mib",
		    "1024") == PARSED);
	CHECK(o.nspecs == 2 && strcmp(o.specs[0].name, "service_a") == 0);
	CHECK(strcmp(o.specs[0].cgroup, "/sys/fs/cgroup/lxc.payload.service_a") == 0);
	CHECK(strcmp(o.specs[1].cgroup, "/sys/fs/cgroup/system.slice/x*") == 0);
	CHECK(o.policy == POLICY_WORKING_SET && o.scan == SCAN_PAGEMAP && strcmp(o.events, "/dev/port") == 0);
	CHECK(o.quiet_ms == 100 && o.settle_ms == 7000 && o.wake_ms == 60000 && o.max_mib == 5 && o.burst == 9 && o.burst_ms == 250);
	CHECK(!o.early && !o.hold && !o.trust && !o.check);
	CHECK(strcmp(o.socket, "/s") == 0 && strcmp(o.state, "/var/s") == 0 && strcmp(o.oracle, "/o.set") == 0);
	CHECK(o.busy_percent == 1 && o.share_percent == 0 && o.depth == 0 && o.keep == 3 && o.pool_mib == 1024);
	CHECK(strcmp(o.config, EMPTY) == 0);
}

static void test_defaults(void)
{
	struct options o;

	CHECK(PARSE(&o, "--group", "a=comm:apache2,mariadbd") == PARSED);
	CHECK(o.policy == POLICY_OFF && o.scan == SCAN_AUTO && o.early && o.hold && o.trust && !o.check);
	CHECK(o.quiet_ms == 2000 && o.burst == 8 && o.burst_ms == 500 && o.settle_ms == 3000);
	CHECK(o.wake_ms == 10000 && o.busy_percent == 20);
	CHECK(o.share_percent == 25 && o.max_mib == 1024 && o.depth == 8 && o.keep == 8 && o.pool_mib == 4);
	CHECK(strcmp(o.socket, DEFAULT_SOCKET) == 0 && !o.events[0] && !o.state[0] && !o.oracle[0]);
	CHECK(o.specs[0].ncomms == 2 && strcmp(o.specs[0].comms[1], "mariadbd") == 0);
	CHECK(o.specs[0].cgroup[0] == 0);
}

static void test_help_and_version_win(void)
{
	struct options o;

	CHECK(PARSE(&o, "--group", "a=", "--help") == PARSED_HELP);
	CHECK(PARSE(&o, "--policy", "all", "--version") == PARSED_VERSION);
	CHECK(PARSE(&o, "--config", "/no/such/file", "--help") == PARSED_HELP);
	CHECK(PARSE(&o, "--check", "--group", "a=b") == PARSED && o.check);
}

static void test_help_names_every_option(void)
{
	static const char *const names[] = {
		"--config", "--group", "--policy", "--scan", "--early", "--hold", "--trust", "--events", "--socket",
		"--state", "--oracle", "--quiet-ms", "--burst", "--burst-ms", "--settle-ms", "--wake-ms", "--busy-percent",
		"--share-percent", "--max-mib", "--depth", "--keep", "--pool-mib", "--check", "--help", "--version",
		"example:", "exit codes:",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(strstr(options_help(), names[i]));
}

static void test_every_policy_has_a_name(void)
{
	enum policy parsed;

	for (unsigned int i = 0; i < POLICIES; i++)
		CHECK(policy_parse(policy_names[i], &parsed) && (unsigned int)parsed == i);
	CHECK(!policy_parse("", &parsed) && !policy_parse("offf", &parsed));
}

static void test_wrong_words(void)
{
	CHECK(WRONG("no group: expected --group NAME=SPEC", "--events", "-"));
	CHECK(WRONG("expected off, siblings, working-set", "--policy", "all"));
	CHECK(WRONG("policy oracle: expected oracle", "--group", "a=b", "--policy", "oracle"));
	CHECK(WRONG("expected auto, ioctl or pagemap", "--scan", "x"));
	CHECK(WRONG("expected no or yes", "--early", "true"));
	CHECK(WRONG("--nope: no such option", "--nope"));
	CHECK(WRONG("-x: no such option", "-xyz"));
	CHECK(WRONG("--check=1: expected no value", "--check=1"));
	CHECK(WRONG("--group: expected a value", "--group"));
	CHECK(WRONG("more: unexpected argument", "--group", "a=b", "more"));
	CHECK(WRONG("line?feed: unexpected argument", "line\nfeed"));
	CHECK(WRONG("--config /no/such/file: No such file", "--config", "/no/such/file"));
	CHECK(WRONG("expected a path of at most 255 bytes", "--config", ""));
}

static void test_wrong_numbers(void)
{
	CHECK(WRONG("expected a whole number from 100 to 3600000", "--quiet-ms", "-5"));
	CHECK(WRONG("expected a whole number", "--quiet-ms", "99"));
	CHECK(WRONG("expected a whole number", "--settle-ms", "3s"));
	CHECK(WRONG("expected a whole number from 100 to 60000", "--wake-ms", "60001"));
	CHECK(WRONG("expected a whole number", "--max-mib", ""));
	CHECK(WRONG("expected a whole number", "--keep", "99999999999999999999999"));
	CHECK(WRONG("expected a whole number", "--burst", "0"));
	CHECK(WRONG("expected a whole number", "--burst-ms", " 5"));
	CHECK(WRONG("expected a whole number from 0 to 100", "--share-percent", "101"));
	CHECK(WRONG("expected a whole number from 1 to 1024", "--pool-mib", "0"));
	CHECK(WRONG("expected a whole number from 1 to 1024", "--pool-mib", "1025"));
}

static void test_wrong_paths(void)
{
	char path[400];
	struct options o;

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	CHECK(WRONG("expected an absolute path of at most 255 bytes", "--state", path));
	CHECK(WRONG("expected an absolute path of at most 255 bytes, or -", "--events", "events"));
	CHECK(WRONG("expected an absolute path", "--oracle", "-"));
	CHECK(WRONG("expected an absolute path", "--socket", ""));
	CHECK(WRONG("expected an absolute path", "--state", "/a\033b"));
	path[108] = 0;
	CHECK(WRONG("expected an absolute path of at most 107 bytes", "--socket", path));
	path[107] = 0;
	CHECK(PARSE(&o, "--group", "a=b", "--socket", path, "--events", "-") == PARSED);
	CHECK(strcmp(o.socket, path) == 0 && strcmp(o.events, "-") == 0);
}

static void test_wrong_groups(void)
{
	CHECK(WRONG("expected NAME=SPEC", "--group", "a"));
	CHECK(WRONG("expected NAME=SPEC", "--group", "=x"));
	CHECK(WRONG("expected NAME=SPEC", "--group", "a b=x"));
	CHECK(WRONG("expected NAME=SPEC", "--group", "-a=x"));
	CHECK(WRONG("expected NAME=SPEC", "--group", "json=x"));
	CHECK(WRONG("expected NAME=SPEC", "--group",
		    "a123456789012345678901234567890123456789012345678901234567890123=x"));
	CHECK(WRONG("expected a cgroup below", "--group", "a="));
	CHECK(WRONG("expected a cgroup below", "--group", "a=/sys/fs/cgroup/"));
	CHECK(WRONG("expected a cgroup below", "--group", "a=/etc"));
	CHECK(WRONG("expected a cgroup below", "--group", "a=x/../.."));
	CHECK(WRONG("expected a cgroup below", "--group", "a=.*"));
	CHECK(WRONG("expected a cgroup below", "--group", "a=x/."));
	CHECK(WRONG("expected a cgroup below", "--group", "a=x\ny"));
	CHECK(WRONG("at most 8 process names", "--group", "a=comm:"));
	CHECK(WRONG("at most 8 process names", "--group", "a=comm:x,,y"));
	CHECK(WRONG("at most 8 process names", "--group", "a=comm:sixteen-letters-"));
	CHECK(WRONG("at most 8 process names", "--group", "a=comm:1,2,3,4,5,6,7,8,9"));
	CHECK(WRONG("this one is taken", "--group", "a=b", "--group", "a=c"));
}

static void test_the_longest_cgroup(void)
{
	struct group_spec g;
	char text[300] = "a=";

	memset(text + 2, 'x', SPEC_CAP - sizeof("/sys/fs/cgroup/"));
	CHECK(group_spec_parse(text, &g, error, sizeof(error)) && strlen(g.cgroup) == SPEC_CAP - 1);
	strcat(text, "///");
	CHECK(group_spec_parse(text, &g, error, sizeof(error)) && strlen(g.cgroup) == SPEC_CAP - 1);
	strcat(text, "x");
	CHECK(!group_spec_parse(text, &g, error, sizeof(error)));
	CHECK(group_spec_parse("a=.lxc/x..y", &g, error, sizeof(error)));
}

static void test_too_many_groups(void)
{
	static char words[MAX_SPECS + 1][16];
	const char *argv[MAX_SPECS + 2] = { 0 };

	for (size_t i = 0; i <= MAX_SPECS; i++) {
		snprintf(words[i], sizeof(words[i]), "--group=g%zu=x", i);
		argv[i] = words[i];
	}
	CHECK(wrong(argv, "expected at most 16 groups"));
}

static void test_a_whole_file(void)
{
	struct options o;

	CHECK(config(&o, "# everything\n"
			 "[prefetchd]\n"
			 "policy = working-set\r\n"
			 "\t scan=ioctl  \n"
			 "; so says a comment\n"
			 "early = no\nhold = yes\ntrust = no\n"
			 "events = -\nsocket = /run/s\nstate = /var/lib/s\noracle =\n"
			 "quiet-ms = 100\nburst = 1\nburst-ms = 2\nsettle-ms = 300\nwake-ms = 200\nbusy-percent = 4\n"
			 "share-percent = 5\nmax-mib = 6\ndepth = 7\nkeep = 8\npool-mib = 9\n"
			 "\n"
			 "[group web]\n"
			 "cgroup = lxc.payload.web\n"
			 "[ group\tby.name ]\n"
			 "comm = apache2 , mariadbd"));
	CHECK(o.policy == POLICY_WORKING_SET && o.scan == SCAN_IOCTL && !o.early && o.hold && !o.trust);
	CHECK(strcmp(o.events, "-") == 0 && strcmp(o.socket, "/run/s") == 0 && strcmp(o.state, "/var/lib/s") == 0);
	CHECK(!o.oracle[0] && o.quiet_ms == 100 && o.burst == 1 && o.burst_ms == 2 && o.settle_ms == 300);
	CHECK(o.wake_ms == 200 && o.busy_percent == 4 && o.share_percent == 5 && o.max_mib == 6 && o.depth == 7 && o.keep == 8);
	CHECK(o.pool_mib == 9 && o.nspecs == 2);
	CHECK(strcmp(o.specs[0].name, "web") == 0 && !o.specs[0].ncomms);
	CHECK(strcmp(o.specs[0].cgroup, "/sys/fs/cgroup/lxc.payload.web") == 0);
	CHECK(strcmp(o.specs[1].name, "by.name") == 0 && o.specs[1].ncomms == 2);
	CHECK(strcmp(o.specs[1].comms[0], "apache2") == 0 && strcmp(o.specs[1].comms[1], "mariadbd") == 0);
}

static void test_files_that_say_nothing(void)
{
	struct options o;

	CHECK(config(&o, "") && config(&o, "\n\n") && config(&o, "# only\n;this") && config(&o, "[prefetchd]"));
	CHECK(o.nspecs == 0);
}

static void test_wrong_settings_in_a_file(void)
{
	CHECK(wrong_config("policy = off\n", "f.conf:1: policy = off: expected [prefetchd] or [group NAME] before it"));
	CHECK(wrong_config("[prefetchd]\n\nfoo = 1\n", "f.conf:3: foo: expected a key"));
	CHECK(wrong_config("[prefetchd]\ncgroup = x\n", "f.conf:2: cgroup: expected a key"));
	CHECK(wrong_config("[prefetchd]\npolicy\n", "f.conf:2: policy: expected KEY = VALUE"));
	CHECK(wrong_config("[prefetchd]\n= 1\n", "f.conf:2: : expected a key"));
	CHECK(wrong_config("[prefetchd]\nburst = 1\nburst = 2\n", "f.conf:3: burst: expected only once"));
	CHECK(wrong_config("[prefetchd]\n[prefetchd]\n", "f.conf:2: expected [prefetchd] only once"));
	CHECK(wrong_config("[prefetchd]\nburst = 0\n", "f.conf:2: burst = 0: expected a whole number from 1 to 1000"));
	CHECK(wrong_config("[prefetchd]\nburst = 8 # a few\n", "f.conf:2: burst = 8 # a few: expected a whole number"));
	CHECK(wrong_config("[prefetchd]\nhold = on\n", "f.conf:2: hold = on: expected no or yes"));
	CHECK(wrong_config("[prefetchd]\nstate = lib\n", "f.conf:2: state = lib: expected an absolute path"));
	CHECK(wrong_config("[prefetchd]\nstate = /a\001\n", "f.conf:2: state = /a?: expected an absolute path"));
}

static void test_wrong_groups_in_a_file(void)
{
	CHECK(wrong_config("[x]\n", "f.conf:1: [x]: expected [prefetchd] or [group NAME]"));
	CHECK(wrong_config("[\n", "f.conf:1: [: expected [prefetchd] or [group NAME]"));
	CHECK(wrong_config("[group]\n", "expected [prefetchd] or [group NAME]"));
	CHECK(wrong_config("[groups a]\n", "expected [prefetchd] or [group NAME]"));
	CHECK(wrong_config("[group a\n", "expected [prefetchd] or [group NAME]"));
	CHECK(wrong_config("[group a b]\n", "[group a b]: expected a NAME of"));
	CHECK(wrong_config("[group json]\n", "[group json]: expected a NAME of"));
	CHECK(wrong_config("[group a]\ncgroup = x\n[group a]\n", "f.conf:3: [group a]: expected another name"));
	CHECK(wrong_config("[group a]\n", "f.conf:1: [group a]: expected cgroup = PATTERN or comm"));
	CHECK(wrong_config("\n[group a]\n\n[prefetchd]\n", "f.conf:2: [group a]: expected cgroup = PATTERN or comm"));
	CHECK(wrong_config("[group a]\nburst = 1\n", "f.conf:2: burst: expected cgroup or comm"));
	CHECK(wrong_config("[group a]\ncgroup = x\ncgroup = y\n", "f.conf:3: cgroup: expected one cgroup or comm"));
	CHECK(wrong_config("[group a]\ncgroup = x\ncomm = y\n", "f.conf:3: comm: expected one cgroup or comm"));
	CHECK(wrong_config("[group a]\ncgroup = /etc\n", "f.conf:2: cgroup = /etc: expected a cgroup below"));
	CHECK(wrong_config("[group a]\ncomm = a b c d e f g h i\n", "at most 8 process names"));
}

static void test_lines_as_long_as_can_be(void)
{
	struct options o;
	char text[1100];

	memset(text, '#', sizeof(text));
	text[1023] = '\n';
	text[1024] = 0;
	CHECK(config(&o, text));
	text[1023] = '#';
	CHECK(wrong_config(text, "f.conf:1: expected a line of less than 1024 bytes"));
	memset(text, '\n', 3);
	text[1027] = 0;
	memset(text + 3, '#', 1024);
	CHECK(wrong_config(text, "f.conf:4: expected a line of less than 1024 bytes"));
}

static void test_any_room_for_the_error(void)
{
	struct options o = { 0 };
	char small[8] = "unended";

	CHECK(!options_config(&o, "[nothing of the kind]", "f.conf", small, sizeof(small)));
	CHECK(strcmp(small, "f.conf:") == 0);
	CHECK(!options_config(&o, "[nothing of the kind]", "f.conf", small, 0));
}

static void test_the_command_line_goes_before_the_file(void)
{
	static const char text[] = "[prefetchd]\nburst = 3\nkeep = 4\n[group a]\ncgroup = x\n";
	char path[] = "/tmp/test_options.XXXXXX";
	struct options o;
	int fd = mkstemp(path);

	CHECK(fd >= 0 && close(fd) == 0);
	write_file(path, text, strlen(text));
	CHECK(PARSE(&o, "--burst", "5", "--config", path, "--group", "b=y") == PARSED);
	CHECK(o.burst == 5 && o.keep == 4 && o.quiet_ms == 2000 && o.nspecs == 2 && strcmp(o.config, path) == 0);
	CHECK(strcmp(o.specs[0].name, "a") == 0 && strcmp(o.specs[1].name, "b") == 0);
	CHECK(WRONG("this one is taken", "--config", path, "--group", "a=y"));
	unlink(path);
}

static void test_wrong_files(void)
{
	static char large[70000];
	char path[] = "/tmp/test_options.XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && close(fd) == 0);
	write_file(path, "[prefetchd]\n\n#\0\n", 16);
	CHECK(WRONG(":3: expected text, not a NUL byte", "--config", path));
	memset(large, '\n', sizeof(large));
	write_file(path, large, sizeof(large));
	CHECK(WRONG("expected at most 65536 bytes", "--config", path));
	CHECK(WRONG("Is a directory", "--config", "/"));
	unlink(path);
}

int main(void)
{
	test_a_whole_line();
	test_defaults();
	test_help_and_version_win();
	test_help_names_every_option();
	test_every_policy_has_a_name();
	test_wrong_words();
	test_wrong_numbers();
	test_wrong_paths();
	test_wrong_groups();
	test_the_longest_cgroup();
	test_too_many_groups();
	test_a_whole_file();
	test_files_that_say_nothing();
	test_wrong_settings_in_a_file();
	test_wrong_groups_in_a_file();
	test_lines_as_long_as_can_be();
	test_any_room_for_the_error();
	test_the_command_line_goes_before_the_file();
	test_wrong_files();
	return 0;
}
