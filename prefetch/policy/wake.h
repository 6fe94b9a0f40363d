/* A wake: somebody knows that a request will come, and has the container's pages fetched before anybody faults. Pure. */
#ifndef WAKE_H
#define WAKE_H

#include "model/options.h"

/* Why nothing can be fetched ahead, in a few words; NULL: it can. SET_PAGES: of the set that would be issued, for the
 * policies that have one. */
const char *wake_refused(enum policy policy, bool active, size_t set_pages);
/* Whether the request may still come at NOW, so that what was fetched is not judged yet. */
bool wake_awaits(uint64_t woken_ns, uint64_t now, uint64_t wake_ms);
/* Whether a container that DEMANDED so many pages woke up indeed, and not a background thread. */
bool wake_followed(uint64_t demanded, size_t set_pages);

#endif
