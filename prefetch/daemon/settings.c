#include "daemon/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_MOST 107 /* sun_path of unix(7), less its end */

const struct setting settings[SETTINGS] = {
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
	{ "wake-ms", KIND_NUMBER, offsetof(struct options, wake_ms), 100, 60000 },
	{ "busy-percent", KIND_NUMBER, offsetof(struct options, busy_percent), 1, 100000 },
	{ "share-percent", KIND_NUMBER, offsetof(struct options, share_percent), 0, 100 },
	{ "max-mib", KIND_NUMBER, offsetof(struct options, max_mib), 1, 1048576 },
	{ "depth", KIND_NUMBER, offsetof(struct options, depth), 0, 1024 },
	{ "keep", KIND_NUMBER, offsetof(struct options, keep), 1, 1000000 },
	{ "pool-mib", KIND_NUMBER, offsetof(struct options, pool_mib), 1, 1024 },
};

static const char *const scan_names[] = { "auto", "ioctl", "pagemap" };
static const char *const yes_no_names[] = { "no", "yes" };

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

bool text_is_printable(const char *text)
{
	for (; *text; text++)
		if (is_control(*text))
			return false;
	return true;
}

bool text_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* What is wrong may quote what was given, which must not break the line or steer a terminal. */
void options_say(char *error, size_t cap, const char *format, va_list args)
{
	if (!cap)
		return;
	vsnprintf(error, cap, format, args);
	for (; *error; error++)
		if (is_control(*error))
			*error = '?';
}

bool options_wrong(char *error, size_t cap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	options_say(error, cap, format, args);
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

	if (named && length >= s->min && length <= s->max && text_is_printable(text)) {
		memcpy(path, text, length + 1);
		return true;
	}
	snprintf(why, WHY_CAP, "an absolute path of at most %" PRIu64 " bytes%s", s->max,
		 s->kind == KIND_STREAM ? ", or -" : "");
	return false;
}

bool settings_set(struct options *o, const struct setting *s, const char *text, char *why)
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
