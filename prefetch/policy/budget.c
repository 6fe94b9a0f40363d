#include "policy/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest_c/procfs.h"
#include "model/pageset.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

enum allowance budget_allows(const struct memory *now, uint64_t issued, uint64_t window, uint64_t share_percent,
			     uint64_t quota)
{
	uint64_t share = now->total / 100 * share_percent;
	uint64_t spare = now->free > now->high ? now->free - now->high : 0;

	if (issued + window > quota)
		return STOP_QUOTA;
	if (issued + window > share && window > spare)
		return STOP_SHARE;
	/* What is issued takes a while to be charged, so as much again stays free. */
	if (now->headroom != UINT64_MAX && now->headroom < 2 * window)
		return STOP_HEADROOM;
	return GO;
}

const char *allowance_name(enum allowance a)
{
	static const char *const names[] = { "", "share", "headroom", "reclaim", "quota", "strayed", "settled" };

	return names[a];
}

uint64_t budget_adapt(uint64_t quota, uint64_t max, uint64_t issued, uint64_t demanded)
{
	if (issued < QUOTA_MIN / 2)
		return quota;
	if (demanded * 2 < issued) {
		quota = min_u64(quota, issued) / 2;
		return quota < QUOTA_MIN ? QUOTA_MIN : quota;
	}
	if (demanded * 5 >= issued * 4)
		return min_u64(max, quota + quota / 4 + 1);
	return quota;
}

bool zoneinfo_parse(const char *text, uint64_t *free, uint64_t *high)
{
	uint64_t value;
	bool found = false;

	*free = *high = 0;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, " pages free %" SCNu64, &value) == 1) {
			*free += value;
			found = true;
		} else if (sscanf(line, " high %" SCNu64, &value) == 1) {
			*high += value;
		}
		if (!*line)
			break;
	}
	return found;
}

uint64_t headroom_parse(const char *limit, const char *current)
{
	uint64_t most;
	uint64_t now;

	if (strncmp(limit, "max", 3) == 0)
		return UINT64_MAX;
	most = strtoull(limit, NULL, 10);
	now = strtoull(current, NULL, 10);
	return most > now ? (most - now) / PAGE_BYTES : 0;
}

/* The limits of a cgroup are those of its ancestors, too. */
uint64_t budget_headroom(const char *cgroup)
{
	static const char *const limits[] = { "memory.max", "memory.high" };
	uint64_t least = UINT64_MAX;
	char dir[512];
	char current[32];
	char limit[32];

	snprintf(dir, sizeof(dir), "%s", cgroup);
	while (strlen(dir) > strlen(CGROUP_MOUNT)) {
		for (size_t i = 0; i < 2; i++)
			if (read_in(dir, limits[i], limit, sizeof(limit)) && strncmp(limit, "max", 3) != 0 &&
			    read_in(dir, "memory.current", current, sizeof(current)))
				least = min_u64(least, headroom_parse(limit, current));
		*strrchr(dir, '/') = 0;
	}
	return least;
}

void budget_read(struct memory *m, const char *cgroup)
{
	static char text[32768];
	uint64_t value;

	memset(m, 0, sizeof(*m));
	m->total = (uint64_t)sysconf(_SC_PHYS_PAGES);
	m->headroom = budget_headroom(cgroup);
	if (read_text("/proc/zoneinfo", text, sizeof(text)) > 0)
		zoneinfo_parse(text, &m->free, &m->high);
	if (read_text("/proc/vmstat", text, sizeof(text)) <= 0)
		return;
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = { "allocstall_dma", "allocstall_dma32", "allocstall_normal",
						     "allocstall_movable" };

		if (counter_parse(text, names[i], &value))
			m->stalls += value;
	}
}
