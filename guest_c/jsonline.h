/* One JSON object a line, written into a fixed buffer: no allocation, ever. */
#ifndef JSONLINE_H
#define JSONLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jsonline {
	char *buf;
	size_t cap;
	size_t len;
	bool comma;    /* a member was written at this level */
	bool overflow; /* the buffer was too small: the line is not to be sent */
};

/* Start an object in BUF. A NULL key below writes an array element. */
void json_begin(struct jsonline *j, char *buf, size_t cap);
void json_string(struct jsonline *j, const char *key, const char *value);
void json_u64(struct jsonline *j, const char *key, uint64_t value);
void json_i64(struct jsonline *j, const char *key, int64_t value);
void json_bool(struct jsonline *j, const char *key, bool value);
/* Nanoseconds as seconds with nine decimals: exact, unlike a double. */
void json_seconds(struct jsonline *j, const char *key, uint64_t nanoseconds);
void json_open(struct jsonline *j, const char *key, char bracket);
void json_close(struct jsonline *j, char bracket);
/* Close the object and add the newline; the line's length, or 0 on overflow. */
size_t json_end(struct jsonline *j);

#endif
