/* peerd's command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "guest_c/program.h"

#include <stddef.h>

enum action { ACTION_SWAP_CYCLE, ACTION_READ_MEMORY, ACTION_WAKE };

struct options {
	const char *port;
	enum action action;
	const char *name;   /* the action's */
	char *const *words; /* its arguments */
	int nwords;
};

/* On PARSED_BAD, ERROR names the argument and what it accepts. */
enum parsed parse_options(int argc, char *const *argv, struct options *o, char *error, size_t cap);

#endif
