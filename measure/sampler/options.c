#include "sampler/options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_interval(const char *text, uint64_t *ns)
{
	double seconds;
	char *end;

	/* strtod() also takes blanks, signs, "inf", "nan" and hexadecimal. */
	if (!*text || text[strspn(text, "0123456789.")])
		return false;
	errno = 0;
	seconds = strtod(text, &end);
	if (*end || errno || !(seconds >= 0.01 && seconds <= 60.0))
		return false;
	*ns = (uint64_t)(seconds * 1e9 + 0.5);
	return true;
}

/* Names become JSON keys and labels of figures. */
static bool is_name(const char *text, size_t length)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return length > 0 && length < NAME_CAP && strspn(text, ALLOWED) >= length;
}

static bool parse_group(const char *text, struct options *o)
{
	const char *equals = strchr(text, '=');
	struct group_option *g = &o->groups[o->ngroups];

	if (!equals || !is_name(text, (size_t)(equals - text)) || equals[1] != '/' || o->ngroups == MAX_GROUPS)
		return false;
	/* /proc/PID/cgroup, which it is compared with, has no slash at its end. */
	if (equals[strlen(equals) - 1] == '/')
		return false;
	memcpy(g->name, text, (size_t)(equals - text));
	g->name[equals - text] = '\0';
	g->dir = equals + 1;
	for (int i = 0; i < o->ngroups; i++)
		if (!strcmp(o->groups[i].name, g->name))
			return false;
	o->ngroups++;
	return true;
}

static const char *set_option(const char *name, const char *value, struct options *o)
{
	if (!strcmp(name, "--port")) {
		o->port = value;
		return *value ? NULL : "the path of a character device or UNIX socket, or - for stdin and stdout";
	}
	if (!strcmp(name, "--interval"))
		return parse_interval(value, &o->interval_ns) ? NULL : "seconds from 0.01 to 60";
	if (!strcmp(name, "--group"))
		return parse_group(value, o) ? NULL : "NAME=/CGROUP/DIRECTORY without a slash at its end, at most 8, each name once";
	if (o->ndisks == MAX_DISKS || !is_name(value, strlen(value)))
		return "a disk's name as in /proc/diskstats, at most 8";
	o->disks[o->ndisks++] = value;
	return NULL;
}

enum parsed parse_options(int argc, char *const *argv, struct options *o, char *error, size_t cap)
{
	static const char *const NAMES[] = { "--port", "--interval", "--group", "--disk" };

	*o = (struct options){ .interval_ns = 1000000000u };
	for (int i = 1; i < argc; i++) {
		const char *expected;
		bool known = false;

		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return PARSED_HELP;
		for (size_t k = 0; k < sizeof(NAMES) / sizeof(*NAMES); k++)
			known |= !strcmp(argv[i], NAMES[k]);
		if (!known) {
			snprintf(error, cap, "unknown argument \"%.40s\": expected --port, --interval, --group or --disk",
				 argv[i]);
			return PARSED_BAD;
		}
		if (i + 1 == argc) {
			snprintf(error, cap, "%s needs a value", argv[i]);
			return PARSED_BAD;
		}
		expected = set_option(argv[i], argv[i + 1], o);
		if (expected) {
			snprintf(error, cap, "%s must be %s, not \"%.60s\"", argv[i], expected, argv[i + 1]);
			return PARSED_BAD;
		}
		i++;
	}
	if (!o->port || !o->ngroups) {
		snprintf(error, cap, "%s is required", o->port ? "--group" : "--port");
		return PARSED_BAD;
	}
	return PARSED_RUN;
}

void parse_command(const char *line, struct command *c)
{
	*c = (struct command){ .kind = COMMAND_BAD };
	if (!strcmp(line, "ping")) {
		c->kind = COMMAND_PING;
	} else if (!strcmp(line, "stop")) {
		c->kind = COMMAND_STOP;
	} else if (!strcmp(line, "start")) {
		c->kind = COMMAND_START;
	} else if (!strncmp(line, "start ", 6)) {
		if (parse_interval(line + 6, &c->interval_ns))
			c->kind = COMMAND_START;
		else
			snprintf(c->text, sizeof(c->text), "start takes an interval of 0.01 to 60 seconds, not \"%.40s\"",
				 line + 6);
	} else if (!strncmp(line, "mark ", 5)) {
		if (is_name(line + 5, strlen(line + 5))) {
			c->kind = COMMAND_MARK;
			snprintf(c->text, sizeof(c->text), "%s", line + 5);
		} else {
			snprintf(c->text, sizeof(c->text), "mark takes a name of 1 to 63 letters, digits, _ . -");
		}
	} else {
		snprintf(c->text, sizeof(c->text), "unknown command \"%.40s\": expected start, mark, stop or ping", line);
	}
}
