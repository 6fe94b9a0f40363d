#include "guest_c/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int program_fail(const char *program, int code, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
	return code;
}

int program_answer(enum parsed parsed, const char *program, const char *help, const char *error)
{
	switch (parsed) {
	case PARSED_HELP:
		fputs(help, stdout);
		return fflush(stdout) ? program_fail(program, EXIT_SYSTEM, "standard output") : 0;
	case PARSED_BAD:
		fprintf(stderr, "%s: %s\n", program, error);
		return EXIT_USAGE;
	case PARSED_RUN:
		break;
	}
	return -1;
}
