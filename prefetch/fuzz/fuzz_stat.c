/* /proc/PID/stat, in which a process chooses its comm, and cgroupfs's counters. */
#include <stdlib.h>
#include <string.h>

#include "procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);
	struct identity id;
	uint64_t value;

	if (!text)
		abort();
	memcpy(text, data, n);
	text[n] = 0;
	if (stat_parse(text, &id) && !same_identity(&id, &id))
		abort();
	counter_parse(text, "pgmajfault", &value);
	counter_parse(text, "usage_usec", &value);
	counter_parse(text, "", &value);
	free(text);
	return 0;
}
