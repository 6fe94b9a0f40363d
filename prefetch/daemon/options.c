#include "daemon/options.h"

#include <getopt.h>
#include <string.h>

#include "daemon/settings.h"

const char *options_help(void)
{
	return "usage: prefetchd [--config PATH] [--group NAME=SPEC ...] [options]\n"
	       "\n"
	       "Watches containers (cgroups). When one that was idle begins to fault after it was swapped out,\n"
	       "prefetchd brings in the pages that it is about to need. Which those are it learns from every\n"
	       "activation, under every policy. The command line goes before the configuration file.\n"
	       "\n"
	       "what to watch\n"
	       "  --config PATH        settings and groups, prefetchd.conf(5) (" DEFAULT_CONFIG ", if it is there)\n"
	       "  --group NAME=SPEC    one more group; SPEC is a cgroup below /sys/fs/cgroup, a glob of some (each\n"
	       "                       match becomes a group of its own), or comm:NAME,... (process names)\n"
	       "what to do\n"
	       "  --policy POLICY      off (default): learn only\n"
	       "                       working-set: the pages that earlier activations needed\n"
	       "                       siblings: everything in swap of the processes that did not fault\n"
	       "                       and for comparison: same-process, container, other-container, oracle\n"
	       "  --oracle PATH        the set file of policy oracle, as prefetchctl trace writes it (none)\n"
	       "  --state DIRECTORY    where learnt sets outlive a restart (none: they do not)\n"
	       "when an activation begins and ends\n"
	       "  --early yes|no       look at faults as they begin, before the read, where the kernel can (yes)\n"
	       "  --trust yes|no       the first fault of a process that opened earlier activations is enough (yes)\n"
	       "  --burst N            major faults that begin an activation ... (8)\n"
	       "  --burst-ms N         ... when they come within this (500)\n"
	       "  --quiet-ms N         since an activation's last fault before there can be another (2000)\n"
	       "  --settle-ms N        without a major fault and idle before one is over (3000)\n"
	       "  --wake-ms N          after prefetchctl wake, that the request may take to come (10000)\n"
	       "  --busy-percent N     of one CPU: a group that uses more is not idle (20)\n"
	       "how much\n"
	       "  --share-percent N    of the memory that a prefetch may take beyond what is free (25)\n"
	       "  --max-mib N          at most fetched in an activation (1024)\n"
	       "  --depth N            reads under way on a disk above which a prefetch waits; 0: no limit (8)\n"
	       "  --hold yes|no        protect the container by memory.min while an activation lasts (yes)\n"
	       "  --keep N             activations for which a page that is not needed stays in a set (8)\n"
	       "  --pool-mib N         memory for everything learnt, locked (4; 1 to 1024)\n"
	       "the daemon itself\n"
	       "  --scan METHOD        auto (default), ioctl (PAGEMAP_SCAN, Linux 6.7) or pagemap (smaps)\n"
	       "  --events PATH        a JSON object a line: a file, a virtio-serial port, or - (stdout) (none)\n"
	       "  --socket PATH        where prefetchctl finds the daemon (" DEFAULT_SOCKET ")\n"
	       "  --check              only validate the settings: print ok and how many groups there are\n"
	       "  --help, --version\n"
	       "\n"
	       "example: prefetchd --group web=lxc.payload.web --policy working-set --events -\n"
	       "exit codes: 0 stopped by a signal (or --check: valid), 2 wrong usage or configuration,\n"
	       "3 the kernel or a right is missing, 4 other errors\n";
}

static bool add_group(struct options *o, const char *text, char *error, size_t cap)
{
	struct group_spec *g = &o->specs[o->nspecs];

	if (o->nspecs == MAX_SPECS)
		return options_wrong(error, cap, "--group %.80s: expected at most %d groups", text, MAX_SPECS);
	if (!group_spec_parse(text, g, error, cap))
		return false;
	if (spec_is_taken(o, g->name))
		return options_wrong(error, cap, "--group %.80s: expected another name, this one is taken", text);
	o->nspecs++;
	return true;
}

enum {
	OPTION_SETTING = 256, /* and the following, as in SETTINGS */
	OPTION_CONFIG = OPTION_SETTING + SETTINGS,
	OPTION_GROUP,
	OPTION_CHECK,
	OPTION_HELP,
	OPTION_VERSION,
};

#define OPTIONS (OPTION_VERSION - OPTION_SETTING + 1)

static void list_options(struct option known[OPTIONS + 1])
{
	static const struct option others[] = {
		{ "config", required_argument, NULL, OPTION_CONFIG },
		{ "group", required_argument, NULL, OPTION_GROUP },
		{ "check", no_argument, NULL, OPTION_CHECK },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ "version", no_argument, NULL, OPTION_VERSION },
		{ 0 },
	};

	for (size_t i = 0; i < SETTINGS; i++)
		known[i] = (struct option){ settings[i].name, required_argument, NULL, OPTION_SETTING + (int)i };
	memcpy(known + SETTINGS, others, sizeof(others));
}

static bool take_setting(struct options *o, const struct setting *s, const char *value, char *error, size_t cap)
{
	char why[WHY_CAP];

	return settings_set(o, s, value, why) ||
	       options_wrong(error, cap, "--%s %.80s: expected %s", s->name, value, why);
}

static bool take_config(struct options *o, const char *path, char *error, size_t cap)
{
	if (!path[0] || strlen(path) >= sizeof(o->config))
		return options_wrong(error, cap, "--config %.80s: expected a path of at most %d bytes", path,
				     PATH_CAP - 1);
	strcpy(o->config, path);
	return true;
}

/* getopt has left in optopt what it did not know what to do with. */
static bool reject_option(int option, const char *word, char *error, size_t cap)
{
	if (option == ':')
		return options_wrong(error, cap, "%.80s: expected a value", word);
	if (optopt >= OPTION_SETTING)
		return options_wrong(error, cap, "%.80s: expected no value", word);
	if (optopt)
		return options_wrong(error, cap, "-%c: no such option", optopt);
	return options_wrong(error, cap, "%.80s: no such option", word);
}

static bool take_first(struct options *o, int option, const char *word, char *error, size_t cap)
{
	if (option == '?' || option == ':')
		return reject_option(option, word, error, cap);
	o->check |= option == OPTION_CHECK;
	return option != OPTION_CONFIG || take_config(o, optarg, error, cap);
}

/* What must be known before the configuration file is read. */
static enum parsed first_pass(int argc, char *argv[], const struct option *known, struct options *o, char *error,
			      size_t cap)
{
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
		if (option == OPTION_HELP)
			return PARSED_HELP;
		if (option == OPTION_VERSION)
			return PARSED_VERSION;
		if (!take_first(o, option, argv[optind - 1], error, cap))
			return PARSED_WRONG;
	}
	if (optind < argc)
		options_wrong(error, cap, "%.80s: unexpected argument", argv[optind]);
	return optind < argc ? PARSED_WRONG : PARSED;
}

static bool second_pass(int argc, char *argv[], const struct option *known, struct options *o, char *error, size_t cap)
{
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
		if (option == OPTION_GROUP && !add_group(o, optarg, error, cap))
			return false;
		if (option >= OPTION_SETTING && option < OPTION_CONFIG &&
		    !take_setting(o, &settings[option - OPTION_SETTING], optarg, error, cap))
			return false;
	}
	return true;
}

static bool is_complete(const struct options *o, char *error, size_t cap)
{
	if (!o->nspecs)
		return options_wrong(error, cap, "no group: expected --group NAME=SPEC, or a [group NAME] in %s",
			     o->config[0] ? o->config : DEFAULT_CONFIG);
	if (o->policy == POLICY_ORACLE && !o->oracle[0])
		return options_wrong(error, cap,
				     "policy oracle: expected oracle, too: a set file of prefetchctl trace");
	return true;
}

enum parsed options_parse(int argc, char *argv[], struct options *o, char *error, size_t cap)
{
	struct option known[OPTIONS + 1];
	enum parsed first;

	*o = (struct options){
		.early = true,
		.hold = true,
		.trust = true,
		.socket = DEFAULT_SOCKET,
		.quiet_ms = 2000,
		.burst = 8,
		.burst_ms = 500,
		.settle_ms = 3000,
		.wake_ms = 10000,
		.busy_percent = 20,
		.share_percent = 25,
		.max_mib = 1024,
		.depth = 8,
		.keep = 8,
		.pool_mib = 4,
	};
	list_options(known);
	first = first_pass(argc, argv, known, o, error, cap);
	if (first != PARSED)
		return first;
	if (!config_load(o, error, cap) || !second_pass(argc, argv, known, o, error, cap) ||
	    !is_complete(o, error, cap))
		return PARSED_WRONG;
	return PARSED;
}
