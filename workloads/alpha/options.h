/* Alpha's command line. */
#ifndef ALPHA_OPTIONS_H
#define ALPHA_OPTIONS_H

#include "guest_c/program.h"

#include <stddef.h>
#include <stdint.h>

#define ALPHA_PAGE 4096u

struct options {
	uint64_t mb;	 /* MiB to allocate */
	uint64_t stride; /* bytes from one write to the next */
	uint64_t bytes;	 /* bytes in each write */
	const char *events; /* where the events go; NULL is standard output */
};

/* Defaults are the paper's values. On PARSED_BAD, ERROR names the argument and its range. */
enum parsed parse_options(int argc, char *const *argv, struct options *o, char *error, size_t cap);

#endif
