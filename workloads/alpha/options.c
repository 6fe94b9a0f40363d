#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MB 1048576u /* 1 TiB */
#define MIB 1048576u

static int number(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *value,
		  char *error, size_t cap)
{
	unsigned long long n;
	char *end;

	/* strtoull() takes blanks and a sign, and turns -1 into a huge number. */
	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n < low || n > high) {
		snprintf(error, cap, "%s must be a whole number from %" PRIu64 " to %" PRIu64 ", not \"%.40s\"",
			 name, low, high, text);
		return -1;
	}
	*value = n;
	return 0;
}

enum parsed parse_options(int argc, char *const *argv, struct options *o, char *error, size_t cap)
{
	const char *mb = "819", *stride = "4096", *bytes = "4";

	*o = (struct options){ 0 };
	for (int i = 1; i < argc; i++) {
		const char **target = NULL;

		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return PARSED_HELP;
		if (!strcmp(argv[i], "--mb"))
			target = &mb;
		else if (!strcmp(argv[i], "--stride"))
			target = &stride;
		else if (!strcmp(argv[i], "--bytes"))
			target = &bytes;
		else if (!strcmp(argv[i], "--events"))
			target = &o->events;
		if (!target) {
			snprintf(error, cap, "unknown argument \"%.40s\": expected --mb, --stride, --bytes or --events",
				 argv[i]);
			return PARSED_BAD;
		}
		if (++i == argc) {
			snprintf(error, cap, "%s needs a value", argv[i - 1]);
			return PARSED_BAD;
		}
		*target = argv[i];
	}
	/* Each range ends where the argument before it does: a write must lie inside its stride. */
	if (number("--mb", mb, 1, MAX_MB, &o->mb, error, cap) ||
	    number("--stride", stride, 1, o->mb * MIB, &o->stride, error, cap) ||
	    number("--bytes", bytes, 1, o->stride, &o->bytes, error, cap))
		return PARSED_BAD;
	if (o->events && !*o->events) {
		snprintf(error, cap, "--events must be the path of a file or device, not \"\"");
		return PARSED_BAD;
	}
	return PARSED_RUN;
}
