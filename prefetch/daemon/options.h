/* prefetchd's settings: prefetchd.conf(5), then the command line, which goes before it. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "model/options.h"

#ifndef VERSION /* packaging/package.mk says which */
#define VERSION "unversioned"
#endif

enum parsed { PARSED, PARSED_HELP, PARSED_VERSION, PARSED_WRONG };

/* Defaults, the file of --config (default: /etc/prefetchd.conf if it is there), then ARGV. On PARSED_WRONG one line
 * without newline is in ERROR; it names file and line, or the option. */
enum parsed options_parse(int argc, char *argv[], struct options *o, char *error, size_t cap);
/* The text of a configuration file into O. Pure. NAME is used in the error. */
bool options_config(struct options *o, const char *text, const char *name, char *error, size_t cap);
/* Parse NAME=SPEC. */
bool group_spec_parse(const char *text, struct group_spec *g, char *error, size_t cap);
bool policy_parse(const char *text, enum policy *policy);
const char *options_help(void);

#endif
