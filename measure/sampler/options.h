/* The sampler's command line, and the commands that the host sends. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "guest_c/program.h"
#include "sampler/limits.h"

#include <stddef.h>
#include <stdint.h>

struct group_option {
	char name[NAME_CAP];
	const char *dir;
};

struct options {
	const char *port;
	uint64_t interval_ns;
	struct group_option groups[MAX_GROUPS];
	int ngroups;
	const char *disks[MAX_DISKS];
	int ndisks;
};

/* On PARSED_BAD, ERROR names the argument and what it accepts. */
enum parsed parse_options(int argc, char *const *argv, struct options *o, char *error, size_t cap);

enum command_kind { COMMAND_START, COMMAND_MARK, COMMAND_STOP, COMMAND_PING, COMMAND_BAD };

struct command {
	enum command_kind kind;
	uint64_t interval_ns; /* start: 0 is the command line's interval */
	char text[192];	      /* mark: its name; bad: what is wrong */
};

/* One line without its newline. */
void parse_command(const char *line, struct command *c);

#endif
