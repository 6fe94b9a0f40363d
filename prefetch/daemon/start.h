/* Start up: everything that can fail, does so here. */
#ifndef START_H
#define START_H

#include "container/daemon.h"

enum exit_code { EXIT_STOPPED = 0, EXIT_USAGE = 2, EXIT_KERNEL = 3, EXIT_OTHER = 4 };

/* What the event loop waits for. */
enum source { SOURCE_TRIGGER, SOURCE_WATCH, SOURCE_TIMER, SOURCE_CONTROL, SOURCE_SIGNAL, SOURCE_PRESSURE };

/* Say what failed, and why where errno tells. CODE. */
__attribute__((format(printf, 2, 3))) int fail(enum exit_code code, const char *format, ...);
/* D with its options, ready to serve: 0, or an exit code when it has been said what failed. */
int start(struct daemon *d);

#endif
