/* What an orchestrator that knows of the request would do: tell prefetchd, over its control socket. */
#ifndef WAKE_H
#define WAKE_H

#include "outcome.h"

/* Ask for "wake GROUP"; an answer that does not begin with "ok" is the failure. Waits at most 30 s for it. */
void wake(const char *path, const char *group, struct outcome *o);

#endif
