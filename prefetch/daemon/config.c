#include "daemon/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define TEXT_CAP 65536

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
	options_say(text, sizeof(text), format, args);
	va_end(args);
	return options_wrong(r->error, r->cap, "%s:%zu: %s", r->name, r->line, text);
}

static char *trim(char *text)
{
	size_t length;

	while (text_is_blank(*text))
		text++;
	length = strlen(text);
	while (length && text_is_blank(text[length - 1]))
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
	if (!spec_name(name, strlen(name), g))
		return reject(r, "[group %.80s]: expected " EXPECTED_NAME, name);
	if (spec_is_taken(r->o, name))
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
		if (strncmp(inner, "group", 5) == 0 && text_is_blank(inner[5]))
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
	if (is_cgroup ? spec_cgroup(value, g) : spec_comms(value, g))
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
		return settings_set(r->o, &settings[i], value, why) ||
		       reject(r, "%s = %.80s: expected %s", key, value, why);
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
	return !nul || options_wrong(error, cap, "%s:%zu: expected text, not a NUL byte", name, line);
}

/* No file at all is an error only where one was asked for. */
bool config_load(struct options *o, char *error, size_t cap)
{
	static char text[TEXT_CAP + 1];
	const char *path = o->config[0] ? o->config : DEFAULT_CONFIG;
	ssize_t n = read_file(path, text, sizeof(text));

	if (n < 0 && errno == ENOENT && !o->config[0])
		return true;
	if (n < 0)
		return options_wrong(error, cap, "--config %s: %s", path, strerror(errno));
	if (n > TEXT_CAP)
		return options_wrong(error, cap, "--config %s: expected at most %d bytes", path, TEXT_CAP);
	text[n] = 0;
	if (!is_text(text, (size_t)n, path, error, cap) || !options_config(o, text, path, error, cap))
		return false;
	memmove(o->config, path, strlen(path) + 1);
	return true;
}
