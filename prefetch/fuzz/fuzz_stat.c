/* The small texts of procfs, sysfs and cgroupfs: /proc/PID/stat (in which a process chooses its comm), counters,
 * /proc/zoneinfo, inflight, memory.max. */
#include <stdlib.h>
#include <string.h>

#include "guest_c/procfs.h"
#include "kernel/disks.h"
#include "policy/budget.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);
	struct identity id;
	uint64_t value;
	uint64_t high;

	if (!text)
		abort();
	memcpy(text, data, n);
	text[n] = 0;
	if (stat_parse(text, &id) && !same_identity(&id, &id))
		abort();
	counter_parse(text, "pgmajfault", &value);
	counter_parse(text, "usage_usec", &value);
	counter_parse(text, "", &value);
	zoneinfo_parse(text, &value, &high);
	inflight_parse(text, &value);
	headroom_parse(text, text);
	free(text);
	return 0;
}
