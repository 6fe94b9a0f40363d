/* What can be set, by prefetchd.conf(5) and by options of the same names: one table for both. Pure. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdarg.h>

#include "daemon/options.h"

#define CGROUP_ROOT	 "/sys/fs/cgroup/"
#define DEFAULT_CONFIG	 "/etc/prefetchd.conf"
#define LINE_CAP	 1024
#define WHY_CAP		 192
#define SETTINGS	 20u
#define EXPECTED_NAME	 "a NAME of 1 to 63 letters, digits, '_', '.' and '-' (no '-' first, and not json)"
#define EXPECTED_COMMS	 "at most 8 process names of 1 to 15 bytes, with commas between them"

enum kind { KIND_POLICY, KIND_SCAN, KIND_YES_NO, KIND_NUMBER, KIND_PATH, KIND_STREAM };

/* A key of [prefetchd], and the long option of the same name. */
struct setting {
	const char *name;
	enum kind kind;
	size_t field;
	uint64_t min; /* of a number, or bytes of a path */
	uint64_t max;
};

extern const struct setting settings[SETTINGS];

/* Give a setting a value. False: WHY, of WHY_CAP bytes, says what was expected. */
bool settings_set(struct options *o, const struct setting *s, const char *text, char *why);

/* What is wrong, in one line that cannot steer a terminal. Always false, for the caller to return. */
__attribute__((format(printf, 3, 4))) bool options_wrong(char *error, size_t cap, const char *format, ...);
__attribute__((format(printf, 3, 0))) void options_say(char *error, size_t cap, const char *format, va_list args);

bool text_is_printable(const char *text);
bool text_is_blank(char c);

/* The parts of a group_spec (spec.c). */
bool spec_name(const char *text, size_t length, struct group_spec *g);
bool spec_comms(const char *list, struct group_spec *g);
bool spec_cgroup(const char *path, struct group_spec *g);
bool spec_is_taken(const struct options *o, const char *name);

/* Read O->config, or the default file if it is there (config.c). */
bool config_load(struct options *o, char *error, size_t cap);

#endif
