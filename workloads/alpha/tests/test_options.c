/* Unit test of the command line. */
#include "options.h"

#include <assert.h>
#include <string.h>

#define PARSE(o, error, ...)                                                              \
	parse_options((int)(sizeof((char *[]){ "alpha", __VA_ARGS__ }) / sizeof(char *)), \
		      (char *[]){ "alpha", __VA_ARGS__ }, o, error, sizeof(error))

int main(void)
{
	struct options o;
	char error[256];

	assert(parse_options(1, (char *[]){ "alpha" }, &o, error, sizeof(error)) == PARSED_RUN);
	assert(o.mb == 819 && o.stride == 4096 && o.bytes == 4 && !o.events);
	assert(PARSE(&o, error, "--mb", "64", "--stride", "8192", "--bytes", "8192", "--events", "/x") == PARSED_RUN);
	assert(o.mb == 64 && o.stride == 8192 && o.bytes == 8192 && !strcmp(o.events, "/x"));
	assert(PARSE(&o, error, "--bytes", "5", "--help") == PARSED_HELP);

	assert(PARSE(&o, error, "--mb", "0") == PARSED_BAD);
	assert(!strcmp(error, "--mb must be a whole number from 1 to 1048576, not \"0\""));
	assert(PARSE(&o, error, "--mb", "-1") == PARSED_BAD && strstr(error, "--mb"));
	assert(PARSE(&o, error, "--mb", " 1") == PARSED_BAD);
	assert(PARSE(&o, error, "--mb", "") == PARSED_BAD);
	assert(PARSE(&o, error, "--mb", "8x") == PARSED_BAD);
	assert(PARSE(&o, error, "--mb", "99999999999999999999999") == PARSED_BAD);
	assert(PARSE(&o, error, "--stride", "2", "--bytes", "4") == PARSED_BAD);
	assert(!strcmp(error, "--bytes must be a whole number from 1 to 2, not \"4\""));
	assert(PARSE(&o, error, "--mb", "1", "--stride", "1048577") == PARSED_BAD && strstr(error, "--stride"));
	assert(PARSE(&o, error, "--events", "") == PARSED_BAD && strstr(error, "--events"));
	assert(PARSE(&o, error, "--mb") == PARSED_BAD && !strcmp(error, "--mb needs a value"));
	assert(PARSE(&o, error, "--size", "1") == PARSED_BAD && strstr(error, "--size"));
	return 0;
}
