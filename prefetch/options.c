#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUP_ROOT "/sys/fs/cgroup/"

static const char *const policy_names[POLICIES] = { "off", "siblings", "working-set" };
static const char *const scan_names[] = { "auto", "ioctl", "pagemap" };

const char *options_help(void)
{
	return "usage: prefetchd --group NAME=SPEC [--group ...] --events PATH [options]\n"
	       "\n"
	       "Waits for the first major fault of an idle group of processes (an activation) and brings the\n"
	       "pages in that the group is about to need. Learns from every activation, under every policy.\n"
	       "\n"
	       "  --group NAME=SPEC    processes that belong together (at most 4 groups); SPEC is a cgroup below\n"
	       "                       /sys/fs/cgroup, a glob of some, or comm:NAME[,NAME...] (process names)\n"
	       "  --policy POLICY      off (default): learn only\n"
	       "                       siblings: all swapped-out pages of the processes that did not fault\n"
	       "                       working-set: the pages that earlier activations brought in\n"
	       "  --events PATH        one JSON object a line: a virtio-serial port, a file, or - (stdout)\n"
	       "  --quiet-ms N         since the last activation's faults before there is another (2000)\n"
	       "  --burst N            major faults within --burst-ms that begin an activation (1: the first does);\n"
	       "                       more, where background threads take lone faults of their own\n"
	       "  --burst-ms N         (500)\n"
	       "  --settle-ms N        without a major fault and idle before an activation is over (3000)\n"
	       "  --busy-percent N     of one CPU: a group that uses more is not idle (20)\n"
	       "  --max-pages N        at most issued per activation (262144: a gigabyte)\n"
	       "  --max-ranges N       room of a page set, in ranges of neighbouring pages (24576)\n"
	       "  --scan METHOD        auto (default), ioctl (PAGEMAP_SCAN, Linux 6.7) or pagemap (smaps)\n"
	       "  --socket PATH        where prefetchctl finds the daemon (" DEFAULT_SOCKET ")\n"
	       "  --help               this\n"
	       "\n"
	       "example: prefetchd --group service_a=lxc.payload.service_a --policy working-set --events -\n"
	       "exit codes: 0 stopped by a signal, 2 wrong usage, 3 the kernel or a right is missing, 4 other errors\n";
}

const char *policy_name(enum policy policy)
{
	return policy_names[policy];
}

static bool find_name(const char *text, const char *const *names, size_t n, size_t *found)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0) {
			*found = i;
			return true;
		}
	}
	return false;
}

bool policy_parse(const char *text, enum policy *policy)
{
	size_t found;

	if (!find_name(text, policy_names, POLICIES, &found))
		return false;
	*policy = (enum policy)found;
	return true;
}

static bool comms_parse(const char *list, struct group_spec *g)
{
	while (true) {
		size_t length = strcspn(list, ",");

		if (length == 0 || length >= COMM_CAP || g->ncomms == MAX_COMMS)
			return false;
		memcpy(g->comms[g->ncomms], list, length);
		g->comms[g->ncomms++][length] = 0;
		if (!list[length])
			return true;
		list += length + 1;
	}
}

static bool cgroup_parse(const char *path, struct group_spec *g)
{
	size_t root = strlen(CGROUP_ROOT);

	if (strncmp(path, CGROUP_ROOT, root) == 0)
		path += root;
	if (path[0] == '/' || path[0] == 0 || strstr(path, ".."))
		return false;
	if ((size_t)snprintf(g->cgroup, sizeof(g->cgroup), CGROUP_ROOT "%s", path) >= sizeof(g->cgroup))
		return false;
	for (size_t n = strlen(g->cgroup); g->cgroup[n - 1] == '/'; n--)
		g->cgroup[n - 1] = 0;
	return true;
}

bool group_spec_parse(const char *text, struct group_spec *g, char *error, size_t cap)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
	const char *spec = text + length + 1;

	*g = (struct group_spec){ 0 };
	if (length == 0 || length >= NAME_CAP || text[length] != '=') {
		snprintf(error, cap, "--group %s: expected NAME=SPEC, NAME of 1 to 31 letters, digits, '_', '.', '-'", text);
		return false;
	}
	memcpy(g->name, text, length);
	if (strncmp(spec, "comm:", 5) == 0) {
		if (comms_parse(spec + 5, g))
			return true;
		snprintf(error, cap, "--group %s: expected comm:NAME[,NAME...], at most 8 names of 1 to 15 bytes", text);
		return false;
	}
	if (cgroup_parse(spec, g))
		return true;
	snprintf(error, cap, "--group %s: expected a cgroup below " CGROUP_ROOT " or comm:NAME[,NAME...]", text);
	return false;
}

static bool number_parse(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *value, char *error,
			 size_t cap)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (text[0] >= '0' && text[0] <= '9' && !*end && n >= min && n <= max) {
		*value = n;
		return true;
	}
	snprintf(error, cap, "--%s %s: expected a whole number from %llu to %llu", name, text, (unsigned long long)min,
		 (unsigned long long)max);
	return false;
}

static bool add_group(struct options *o, const char *text, char *error, size_t cap)
{
	if (o->ngroups == MAX_GROUPS) {
		snprintf(error, cap, "--group %s: at most %d groups", text, MAX_GROUPS);
		return false;
	}
	if (!group_spec_parse(text, &o->groups[o->ngroups], error, cap))
		return false;
	for (size_t i = 0; i < o->ngroups; i++) {
		if (strcmp(o->groups[i].name, o->groups[o->ngroups].name) == 0) {
			snprintf(error, cap, "--group %s: that name is taken", text);
			return false;
		}
	}
	o->ngroups++;
	return true;
}

static bool take(struct options *o, int option, const char *value, char *error, size_t cap)
{
	size_t found;

	switch (option) {
	case 'g':
		return add_group(o, value, error, cap);
	case 'p':
		if (policy_parse(value, &o->policy))
			return true;
		snprintf(error, cap, "--policy %s: expected off, siblings or working-set", value);
		return false;
	case 'm':
		if (!find_name(value, scan_names, 3, &found)) {
			snprintf(error, cap, "--scan %s: expected auto, ioctl or pagemap", value);
			return false;
		}
		o->scan = (enum scan_method)found;
		return true;
	case 'e':
		o->events = value;
		return true;
	case 's':
		o->socket = value;
		return true;
	case 'q':
		return number_parse("quiet-ms", value, 100, 3600000, &o->quiet_ms, error, cap);
	case 'u':
		return number_parse("burst", value, 1, 1000, &o->burst, error, cap);
	case 'w':
		return number_parse("burst-ms", value, 1, 60000, &o->burst_ms, error, cap);
	case 't':
		return number_parse("settle-ms", value, 100, 3600000, &o->settle_ms, error, cap);
	case 'b':
		return number_parse("busy-percent", value, 1, 100000, &o->busy_percent, error, cap);
	case 'n':
		return number_parse("max-pages", value, 1, 1u << 26, &o->max_pages, error, cap);
	default:
		return number_parse("max-ranges", value, 256, 1u << 20, &o->max_ranges, error, cap);
	}
}

enum parsed options_parse(int argc, char *argv[], struct options *o, char *error, size_t cap)
{
	static const struct option known[] = {
		{ "group", required_argument, NULL, 'g' },     { "policy", required_argument, NULL, 'p' },
		{ "events", required_argument, NULL, 'e' },    { "quiet-ms", required_argument, NULL, 'q' },
		{ "settle-ms", required_argument, NULL, 't' }, { "busy-percent", required_argument, NULL, 'b' },
		{ "max-pages", required_argument, NULL, 'n' }, { "max-ranges", required_argument, NULL, 'r' },
		{ "scan", required_argument, NULL, 'm' },      { "socket", required_argument, NULL, 's' },
		{ "burst", required_argument, NULL, 'u' },     { "burst-ms", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },	       { 0 },
	};
	int option;

	*o = (struct options){ .quiet_ms = 2000, .burst = 1, .burst_ms = 500, .settle_ms = 3000, .busy_percent = 20, .max_pages = 262144,
			       .max_ranges = 24576, .socket = DEFAULT_SOCKET };
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
		if (option == 'h')
			return PARSED_HELP;
		if (option == '?' || option == ':') {
			snprintf(error, cap, option == ':' ? "%s needs a value" : "%s: no such option", argv[optind - 1]);
			return PARSED_WRONG;
		}
		if (!take(o, option, optarg, error, cap))
			return PARSED_WRONG;
	}
	if (optind < argc)
		snprintf(error, cap, "%s: unexpected argument", argv[optind]);
	else if (!o->ngroups)
		snprintf(error, cap, "--group is missing: which processes belong together?");
	else if (!o->events)
		snprintf(error, cap, "--events is missing: where do the events go? (- is standard output)");
	else
		return PARSED;
	return PARSED_WRONG;
}
