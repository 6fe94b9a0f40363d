/* The events of the stream, one function each. Times are CLOCK_MONOTONIC seconds under "t". */
#ifndef REPORT_H
#define REPORT_H

#include "container/daemon.h"

void report_start(struct daemon *d);
void report_policy(struct daemon *d);
/* GROUP came (true) or went. */
void report_group(struct group *g, bool came);
void report_trigger(struct group *g);
void report_issue(struct group *g);
void report_outcome(struct group *g, const struct outcome *o);
void report_record(struct group *g, size_t added, size_t aged);
/* Also to standard error, which is the journal's. */
__attribute__((format(printf, 2, 3))) void report_warning(struct daemon *d, const char *format, ...);

#endif
