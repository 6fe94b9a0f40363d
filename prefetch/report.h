/* The events of the stream, one function each. Times are CLOCK_MONOTONIC seconds under "t". */
#ifndef REPORT_H
#define REPORT_H

#include "daemon.h"

void report_start(struct daemon *d);
void report_policy(struct daemon *d);
void report_trigger(struct group *g);
void report_issue(struct group *g);
void report_outcome(struct group *g, uint64_t t, uint64_t used);
void report_record(struct group *g, uint64_t t, uint64_t added);

#endif
