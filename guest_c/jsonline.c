#include "guest_c/jsonline.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static void put(struct jsonline *j, char c)
{
	if (j->len >= j->cap) {
		j->overflow = true;
		return;
	}
	j->buf[j->len++] = c;
}

__attribute__((format(printf, 2, 3))) static void putf(struct jsonline *j, const char *format, ...)
{
	va_list args;
	size_t room = j->cap - j->len;
	int n;

	va_start(args, format);
	n = vsnprintf(j->buf + j->len, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		j->overflow = true;
		return;
	}
	j->len += (size_t)n;
}

/* Bytes outside ASCII may be half a character (comm is cut at 15 bytes), so they are escaped as
 * Latin-1 code points: the line stays valid JSON whatever a process calls itself. */
static void put_quoted(struct jsonline *j, const char *text)
{
	put(j, '"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\') {
			put(j, '\\');
			put(j, (char)*c);
		} else if (*c < 0x20 || *c >= 0x7f) {
			putf(j, "\\u%04x", *c);
		} else {
			put(j, (char)*c);
		}
	}
	put(j, '"');
}

static void put_key(struct jsonline *j, const char *key)
{
	if (j->comma)
		put(j, ',');
	j->comma = true;
	if (!key)
		return;
	put_quoted(j, key);
	put(j, ':');
}

void json_begin(struct jsonline *j, char *buf, size_t cap)
{
	*j = (struct jsonline){ .buf = buf, .cap = cap };
	put(j, '{');
}

void json_string(struct jsonline *j, const char *key, const char *value)
{
	put_key(j, key);
	put_quoted(j, value);
}

void json_u64(struct jsonline *j, const char *key, uint64_t value)
{
	put_key(j, key);
	putf(j, "%" PRIu64, value);
}

void json_i64(struct jsonline *j, const char *key, int64_t value)
{
	put_key(j, key);
	putf(j, "%" PRId64, value);
}

void json_bool(struct jsonline *j, const char *key, bool value)
{
	put_key(j, key);
	putf(j, "%s", value ? "true" : "false");
}

void json_seconds(struct jsonline *j, const char *key, uint64_t nanoseconds)
{
	put_key(j, key);
	putf(j, "%" PRIu64 ".%09" PRIu64, nanoseconds / 1000000000u, nanoseconds % 1000000000u);
}

void json_open(struct jsonline *j, const char *key, char bracket)
{
	put_key(j, key);
	put(j, bracket);
	j->comma = false;
}

void json_close(struct jsonline *j, char bracket)
{
	put(j, bracket);
	j->comma = true;
}

size_t json_end(struct jsonline *j)
{
	put(j, '}');
	put(j, '\n');
	return j->overflow ? 0 : j->len;
}
