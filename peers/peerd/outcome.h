/* What came of an action. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdint.h>

#define DETAIL_CAP 512

struct outcome {
	uint64_t pages;
	char detail[DETAIL_CAP]; /* what failed, "; " between failures; "" when nothing did */
};

/* Note one failure. What does not fit is cut. */
__attribute__((format(printf, 2, 3))) void outcome_fail(struct outcome *o, const char *format, ...);

#endif
