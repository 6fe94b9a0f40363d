#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_ROOT    "/sys/fs/cgroup/"
#define DEFAULT_CONFIG "/etc/prefetchd.conf"
#define TEXT_CAP       65536
#define LINE_CAP       1024
#define WHY_CAP	       192
#define SOCKET_MOST    107 /* sun_path of unix(7), less its end */
#define NAME_LETTERS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define EXPECTED_NAME  "a NAME of 1 to 63 letters, digits, '_', '.' and '-' (no '-' first, and not json)"
#define EXPECTED_COMMS "at most 8 process names of 1 to 15 bytes, with commas between them"

enum kind { KIND_POLICY, KIND_SCAN, KIND_YES_NO, KIND_NUMBER, KIND_PATH, KIND_STREAM };

/* A key of [prefetchd], and the long option of the same name. */
struct setting {
	const char *name;
	enum kind kind;
	size_t field;
	uint64_t min; /* of a number, or bytes of a path */
	uint64_t max;
};

static const struct setting settings[] = {
	{ "policy", KIND_POLICY, offsetof(struct options, policy), 0, 0 },
	{ "scan", KIND_SCAN, offsetof(struct options, scan), 0, 0 },
	{ "early", KIND_YES_NO, offsetof(struct options, early), 0, 0 },
	{ "hold", KIND_YES_NO, offsetof(struct options, hold), 0, 0 },
	{ "trust", KIND_YES_NO, offsetof(struct options, trust), 0, 0 },
	{ "events", KIND_STREAM, offsetof(struct options, events), 0, PATH_CAP - 1 },
	{ "socket", KIND_PATH, offsetof(struct options, socket), 1, SOCKET_MOST },
	{ "state", KIND_PATH, offsetof(struct options, state), 0, PATH_CAP - 1 },
	{ "oracle", KIND_PATH, offsetof(struct options, oracle), 0, PATH_CAP - 1 },
	{ "quiet-ms", KIND_NUMBER, offsetof(struct options, quiet_ms), 100, 3600000 },
	{ "burst", KIND_NUMBER, offsetof(struct options, burst), 1, 1000 },
	{ "burst-ms", KIND_NUMBER, offsetof(struct options, burst_ms), 1, 60000 },
	{ "settle-ms", KIND_NUMBER, offsetof(struct options, settle_ms), 100, 3600000 },
	{ "busy-percent", KIND_NUMBER, offsetof(struct options, busy_percent), 1, 100000 },
	{ "share-percent", KIND_NUMBER, offsetof(struct options, share_percent), 0, 100 },
	{ "max-mib", KIND_NUMBER, offsetof(struct options, max_mib), 1, 1048576 },
	{ "depth", KIND_NUMBER, offsetof(struct options, depth), 0, 1024 },
	{ "keep", KIND_NUMBER, offsetof(struct options, keep), 1, 1000000 },
	{ "pool-mib", KIND_NUMBER, offsetof(struct options, pool_mib), 1, 1024 },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static const char *const policy_names[POLICIES] = {
	[POLICY_OFF] = "off",
	[POLICY_SIBLINGS] = "siblings",
	[POLICY_WORKING_SET] = "working-set",
	[POLICY_SAME_PROCESS] = "same-process",
	[POLICY_OTHER_CONTAINER] = "other-container",
	[POLICY_CONTAINER] = "container",
	[POLICY_ORACLE] = "oracle",
};
static const char *const scan_names[] = { "auto", "ioctl", "pagemap" };
static const char *const yes_no_names[] = { "no", "yes" };

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

const char *policy_name(enum policy policy)
{
	return policy_names[policy];
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (is_control(*text))
			return false;
	return true;
}

/* What is wrong may quote what was given, which must not break the line or steer a terminal. */
__attribute__((format(printf, 3, 0))) static void say(char *error, size_t cap, const char *format, va_list args)
{
	if (!cap)
		return;
	vsnprintf(error, cap, format, args);
	for (; *error; error++)
		if (is_control(*error))
			*error = '?';
}

/* Always false, for the caller to return. */
__attribute__((format(printf, 3, 4))) static bool wrong(char *error, size_t cap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(error, cap, format, args);
	va_end(args);
	return false;
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

static bool choose(const char *text, const char *const *names, size_t n, size_t *found, char *why)
{
	size_t len;

	if (find_name(text, names, n, found))
		return true;
	len = (size_t)snprintf(why, WHY_CAP, "%s", names[0]);
	for (size_t i = 1; i < n; i++)
		len += (size_t)snprintf(why + len, WHY_CAP - len, "%s%s", i + 1 < n ? ", " : " or ", names[i]);
	return false;
}

static bool number_parse(const char *text, const struct setting *s, uint64_t *value, char *why)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (text[0] >= '0' && text[0] <= '9' && !*end && n >= s->min && n <= s->max) {
		*value = n;
		return true;
	}
	snprintf(why, WHY_CAP, "a whole number from %" PRIu64 " to %" PRIu64, s->min, s->max);
	return false;
}

/* Absolute, as a daemon's working directory says nothing. */
static bool path_parse(const char *text, const struct setting *s, char *path, char *why)
{
	size_t length = strlen(text);
	bool named = text[0] == '/' || length == 0 || (s->kind == KIND_STREAM && strcmp(text, "-") == 0);

	if (named && length >= s->min && length <= s->max && is_printable(text)) {
		memcpy(path, text, length + 1);
		return true;
	}
	snprintf(why, WHY_CAP, "an absolute path of at most %" PRIu64 " bytes%s", s->max,
		 s->kind == KIND_STREAM ? ", or -" : "");
	return false;
}

/* False: WHY says what was expected. */
static bool set(struct options *o, const struct setting *s, const char *text, char *why)
{
	void *field = (char *)o + s->field;
	size_t found;

	switch (s->kind) {
	case KIND_POLICY:
		if (!choose(text, policy_names, POLICIES, &found, why))
			return false;
		o->policy = (enum policy)found;
		return true;
	case KIND_SCAN:
		if (!choose(text, scan_names, 3, &found, why))
			return false;
		o->scan = (enum scan_method)found;
		return true;
	case KIND_YES_NO:
		if (!choose(text, yes_no_names, 2, &found, why))
			return false;
		*(bool *)field = found == 1;
		return true;
	case KIND_NUMBER:
		return number_parse(text, s, field, why);
	default:
		return path_parse(text, s, field, why);
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool add_comm(struct group_spec *g, const char *name, size_t length)
{
	for (; length && is_blank(*name); length--)
		name++;
	while (length && is_blank(name[length - 1]))
		length--;
	if (length == 0 || length >= COMM_CAP || g->ncomms == MAX_COMMS)
		return false;
	memcpy(g->comms[g->ncomms], name, length);
	g->comms[g->ncomms++][length] = 0;
	return true;
}

static bool comms_parse(const char *list, struct group_spec *g)
{
	if (!is_printable(list))
		return false;
	for (;;) {
		size_t length = strcspn(list, ",");

		if (!add_comm(g, list, length))
			return false;
		if (!list[length])
			return true;
		list += length + 1;
	}
}

/* "..", and whatever a pattern may make of a leading dot, lead out of the tree. */
static bool stays_below(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (part[0] == '.' && strchr("/.*?[\\", part[1]))
			return false;
	}
	return true;
}

static bool cgroup_parse(const char *path, struct group_spec *g)
{
	size_t root = strlen(CGROUP_ROOT);
	size_t length;

	if (strncmp(path, CGROUP_ROOT, root) == 0)
		path += root;
	length = strlen(path);
	while (length && path[length - 1] == '/')
		length--;
	if (path[0] == '/' || length == 0 || root + length >= sizeof(g->cgroup))
		return false;
	if (!stays_below(path) || !is_printable(path))
		return false;
	memcpy(g->cgroup, CGROUP_ROOT, root);
	memcpy(g->cgroup + root, path, length);
	g->cgroup[root + length] = 0;
	return true;
}

/* "json" would be taken for the form of prefetchctl's status. */
static bool name_parse(const char *text, size_t length, struct group_spec *g)
{
	*g = (struct group_spec){ 0 };
	if (length == 0 || length >= NAME_CAP || strspn(text, NAME_LETTERS) < length || text[0] == '-')
		return false;
	if (length == 4 && memcmp(text, "json", 4) == 0)
		return false;
	memcpy(g->name, text, length);
	return true;
}

bool group_spec_parse(const char *text, struct group_spec *g, char *error, size_t cap)
{
	size_t length = strcspn(text, "=");
	const char *spec = text + length + 1;

	if (!name_parse(text, length, g) || !text[length])
		return wrong(error, cap, "--group %.80s: expected NAME=SPEC, " EXPECTED_NAME, text);
	if (strncmp(spec, "comm:", 5) == 0)
		return comms_parse(spec + 5, g) ||
		       wrong(error, cap, "--group %.80s: expected after comm: " EXPECTED_COMMS, text);
	return cgroup_parse(spec, g) ||
	       wrong(error, cap, "--group %.80s: expected a cgroup below " CGROUP_ROOT " or comm:NAME,...", text);
}

static bool is_taken(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->nspecs; i++)
		if (strcmp(o->specs[i].name, name) == 0)
			return true;
	return false;
}

static bool add_group(struct options *o, const char *text, char *error, size_t cap)
{
	struct group_spec *g = &o->specs[o->nspecs];

	if (o->nspecs == MAX_SPECS)
		return wrong(error, cap, "--group %.80s: expected at most %d groups", text, MAX_SPECS);
	if (!group_spec_parse(text, g, error, cap))
		return false;
	if (is_taken(o, g->name))
		return wrong(error, cap, "--group %.80s: expected another name, this one is taken", text);
	o->nspecs++;
	return true;
}

/* A configuration file, as far as it was read. */
struct reader {
	struct options *o;
	const char *name;
	size_t line;
	bool in_settings;
	bool had_settings;
	bool had[SETTINGS];
	struct group_spec *group; /* whose section this is, or NULL */
	size_t group_line;
	char *error;
	size_t cap;
};

__attribute__((format(printf, 2, 3))) static bool reject(const struct reader *r, const char *format, ...)
{
	char text[LINE_CAP];
	va_list args;

	va_start(args, format);
	say(text, sizeof(text), format, args);
	va_end(args);
	return wrong(r->error, r->cap, "%s:%zu: %s", r->name, r->line, text);
}

static char *trim(char *text)
{
	size_t length;

	while (is_blank(*text))
		text++;
	length = strlen(text);
	while (length && is_blank(text[length - 1]))
		length--;
	text[length] = 0;
	return text;
}

/* A group that says nothing would be watched for nothing. */
static bool end_section(struct reader *r)
{
	const struct group_spec *g = r->group;

	r->in_settings = false;
	r->group = NULL;
	if (!g || g->cgroup[0] || g->ncomms)
		return true;
	r->line = r->group_line;
	return reject(r, "[group %s]: expected cgroup = PATTERN or comm = NAME, NAME below it", g->name);
}

static bool begin_settings(struct reader *r)
{
	if (r->had_settings)
		return reject(r, "expected [prefetchd] only once");
	r->in_settings = r->had_settings = true;
	return true;
}

static bool begin_group(struct reader *r, const char *name)
{
	struct group_spec *g = &r->o->specs[r->o->nspecs];

	if (r->o->nspecs == MAX_SPECS)
		return reject(r, "[group %.80s]: expected at most %d groups", name, MAX_SPECS);
	if (!name_parse(name, strlen(name), g))
		return reject(r, "[group %.80s]: expected " EXPECTED_NAME, name);
	if (is_taken(r->o, name))
		return reject(r, "[group %s]: expected another name, this one is taken", name);
	r->o->nspecs++;
	r->group = g;
	r->group_line = r->line;
	return true;
}

static bool read_section(struct reader *r, char *text)
{
	size_t length = strlen(text);
	char *inner;

	if (!end_section(r))
		return false;
	if (text[length - 1] == ']') {
		text[length - 1] = 0;
		inner = trim(text + 1);
		if (strcmp(inner, "prefetchd") == 0)
			return begin_settings(r);
		if (strncmp(inner, "group", 5) == 0 && is_blank(inner[5]))
			return begin_group(r, trim(inner + 5));
		text[length - 1] = ']';
	}
	return reject(r, "%.80s: expected [prefetchd] or [group NAME]", text);
}

static bool read_group_key(struct reader *r, const char *key, const char *value)
{
	struct group_spec *g = r->group;
	bool is_cgroup = strcmp(key, "cgroup") == 0;

	if (!is_cgroup && strcmp(key, "comm") != 0)
		return reject(r, "%.80s: expected cgroup or comm in a [group NAME]", key);
	if (g->cgroup[0] || g->ncomms)
		return reject(r, "%s: expected one cgroup or comm in [group %s]", key, g->name);
	if (is_cgroup ? cgroup_parse(value, g) : comms_parse(value, g))
		return true;
	return reject(r, "%s = %.80s: expected %s", key, value,
		      is_cgroup ? "a cgroup below " CGROUP_ROOT : EXPECTED_COMMS);
}

static bool read_setting(struct reader *r, const char *key, const char *value)
{
	char why[WHY_CAP];

	for (size_t i = 0; i < SETTINGS; i++) {
		if (strcmp(key, settings[i].name) != 0)
			continue;
		if (r->had[i])
			return reject(r, "%s: expected only once", key);
		r->had[i] = true;
		return set(r->o, &settings[i], value, why) || reject(r, "%s = %.80s: expected %s", key, value, why);
	}
	return reject(r, "%.80s: expected a key of prefetchd.conf(5)", key);
}

static bool read_line(struct reader *r, char *line)
{
	char *text = trim(line);
	char *equals = strchr(text, '=');

	if (!text[0] || text[0] == '#' || text[0] == ';')
		return true;
	if (text[0] == '[')
		return read_section(r, text);
	if (!r->in_settings && !r->group)
		return reject(r, "%.80s: expected [prefetchd] or [group NAME] before it", text);
	if (!equals)
		return reject(r, "%.80s: expected KEY = VALUE", text);
	*equals = 0;
	if (r->group)
		return read_group_key(r, trim(text), trim(equals + 1));
	return read_setting(r, trim(text), trim(equals + 1));
}

bool options_config(struct options *o, const char *text, const char *name, char *error, size_t cap)
{
	struct reader r = { .o = o, .name = name, .error = error, .cap = cap };
	char line[LINE_CAP];

	while (*text) {
		size_t length = strcspn(text, "\n");

		r.line++;
		if (length >= sizeof(line))
			return reject(&r, "expected a line of less than %d bytes", LINE_CAP);
		memcpy(line, text, length);
		line[length] = 0;
		if (!read_line(&r, line))
			return false;
		text += length + (text[length] == '\n');
	}
	return end_section(&r);
}

/* How much of PATH fits into CAP bytes, or -1 with errno. */
static ssize_t read_file(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t length = 0;
	ssize_t n = 1;
	int saved;

	if (fd < 0)
		return -1;
	while (n > 0 && length < cap) {
		n = read(fd, text + length, cap - length);
		if (n > 0)
			length += (size_t)n;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : (ssize_t)length;
}

static bool is_text(const char *text, size_t n, const char *name, char *error, size_t cap)
{
	const char *nul = memchr(text, 0, n);
	size_t line = 1;

	for (const char *at = text; nul && at < nul; at++)
		line += *at == '\n';
	return !nul || wrong(error, cap, "%s:%zu: expected text, not a NUL byte", name, line);
}

/* No file at all is an error only where one was asked for. */
static bool load(struct options *o, char *error, size_t cap)
{
	static char text[TEXT_CAP + 1];
	const char *path = o->config[0] ? o->config : DEFAULT_CONFIG;
	ssize_t n = read_file(path, text, sizeof(text));

	if (n < 0 && errno == ENOENT && !o->config[0])
		return true;
	if (n < 0)
		return wrong(error, cap, "--config %s: %s", path, strerror(errno));
	if (n > TEXT_CAP)
		return wrong(error, cap, "--config %s: expected at most %d bytes", path, TEXT_CAP);
	text[n] = 0;
	if (!is_text(text, (size_t)n, path, error, cap) || !options_config(o, text, path, error, cap))
		return false;
	memmove(o->config, path, strlen(path) + 1);
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

	return set(o, s, value, why) || wrong(error, cap, "--%s %.80s: expected %s", s->name, value, why);
}

static bool take_config(struct options *o, const char *path, char *error, size_t cap)
{
	if (!path[0] || strlen(path) >= sizeof(o->config))
		return wrong(error, cap, "--config %.80s: expected a path of at most %d bytes", path, PATH_CAP - 1);
	strcpy(o->config, path);
	return true;
}

/* getopt has left in optopt what it did not know what to do with. */
static bool reject_option(int option, const char *word, char *error, size_t cap)
{
	if (option == ':')
		return wrong(error, cap, "%.80s: expected a value", word);
	if (optopt >= OPTION_SETTING)
		return wrong(error, cap, "%.80s: expected no value", word);
	if (optopt)
		return wrong(error, cap, "-%c: no such option", optopt);
	return wrong(error, cap, "%.80s: no such option", word);
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
		wrong(error, cap, "%.80s: unexpected argument", argv[optind]);
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
		return wrong(error, cap, "no group: expected --group NAME=SPEC, or a [group NAME] in %s",
			     o->config[0] ? o->config : DEFAULT_CONFIG);
	if (o->policy == POLICY_ORACLE && !o->oracle[0])
		return wrong(error, cap, "policy oracle: expected oracle, too: a set file of prefetchctl trace");
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
	if (!load(o, error, cap) || !second_pass(argc, argv, known, o, error, cap) || !is_complete(o, error, cap))
		return PARSED_WRONG;
	return PARSED;
}
