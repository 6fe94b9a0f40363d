/* prefetchd's command line. Pure: nothing is opened or checked against the running system. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_GROUPS     4
#define MAX_COMMS      8
#define NAME_CAP       32
#define COMM_CAP       16
#define SPEC_CAP       256
#define DEFAULT_SOCKET "/run/prefetchd.sock"

enum policy { POLICY_OFF, POLICY_SIBLINGS, POLICY_WORKING_SET, POLICIES };

enum scan_method { SCAN_AUTO, SCAN_IOCTL, SCAN_PAGEMAP };

struct group_spec {
	char name[NAME_CAP];
	char cgroup[SPEC_CAP];	       /* absolute path or glob; empty when the group is a list of names */
	char comms[MAX_COMMS][COMM_CAP];
	size_t ncomms;
};

struct options {
	struct group_spec groups[MAX_GROUPS];
	size_t ngroups;
	enum policy policy;
	enum scan_method scan;
	const char *events;
	const char *socket;
	uint64_t quiet_ms;   /* without a major fault before an activation may begin */
	uint64_t burst;      /* major faults that make an activation ... */
	uint64_t burst_ms;   /* ... when they come within this */
	uint64_t settle_ms;  /* without a major fault and idle before one ends */
	uint64_t busy_percent; /* of one CPU: above it the group is not idle */
	uint64_t max_pages;  /* issued per activation */
	uint64_t max_ranges; /* room of one page set */
};

enum parsed { PARSED, PARSED_HELP, PARSED_WRONG };

/* Parse ARGV; on PARSED_WRONG one line without newline is in ERROR. */
enum parsed options_parse(int argc, char *argv[], struct options *o, char *error, size_t cap);
/* Parse NAME=SPEC. */
bool group_spec_parse(const char *text, struct group_spec *g, char *error, size_t cap);
bool policy_parse(const char *text, enum policy *policy);
const char *policy_name(enum policy policy);
const char *options_help(void);

#endif
