/* Which cgroups stand behind a pattern, told by inotify(7) when they come and go. */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_PATH_CAP 256

struct found_cgroup {
	char path[WATCH_PATH_CAP];
	uint64_t inode; /* a removed and recreated cgroup is another one */
};

struct watch; /* one a daemon */

/* Watch the directories in which cgroups matching the N absolute PATTERNS (glob(7)) may come and go: the fixed part of
 * each and every directory that a part with a wildcard matches. inotify's descriptor goes into EPFD under DATA. NULL
 * with errno. */
struct watch *watch_open(int epfd, uint64_t data, const char *const *patterns, size_t n);
/* Read what inotify has to tell; true when a cgroup of a pattern may have come or gone (also when events were lost, or
 * a limit of inotify made watching incomplete: see watch_complete). */
bool watch_read(struct watch *w);
/* False: not every directory is watched (fs.inotify.max_user_watches), so the caller must look now and then. */
bool watch_complete(const struct watch *w);
/* The cgroups that match PATTERN now, sorted by path, at most MAX; the number. Also renews the watches of it. */
size_t watch_find(struct watch *w, const char *pattern, struct found_cgroup *out, size_t max);
void watch_close(struct watch *w);

#endif
