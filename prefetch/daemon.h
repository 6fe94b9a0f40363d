/* What the daemon's parts share. Everything is allocated and locked at the start. */
#ifndef DAEMON_H
#define DAEMON_H

#include "events.h"
#include "group.h"
#include "options.h"
#include "scan.h"

#define TICK_MS 500u

struct daemon {
	struct options options;
	enum policy policy;
	enum scan_method scan;
	int epfd;
	int timer;
	int listener;
	struct events events;
	struct group groups[MAX_GROUPS];
	struct pageset after;	 /* scratch of whichever group is being judged */
	struct pageset brought;
	struct rangeset scratch;
};

/* Bytes that the page sets of the groups take. */
size_t daemon_set_bytes(const struct options *o);
void daemon_set_policy(struct daemon *d, enum policy policy);

#endif
