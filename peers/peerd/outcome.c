#include "outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void outcome_fail(struct outcome *o, const char *format, ...)
{
	size_t length = strlen(o->detail);
	va_list args;

	if (length) {
		snprintf(o->detail + length, sizeof(o->detail) - length, "; ");
		length = strlen(o->detail);
	}
	va_start(args, format);
	vsnprintf(o->detail + length, sizeof(o->detail) - length, format, args);
	va_end(args);
}
