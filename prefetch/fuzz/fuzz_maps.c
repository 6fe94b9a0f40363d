/* Lines of /proc/PID/maps and /proc/PID/smaps: a process chooses the names in them. */
#include <stdlib.h>
#include <string.h>

#include "guest_c/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void one_line(const char *line)
{
	struct vma v;
	uint64_t kb;

	if (maps_parse(line, &v) && v.start >= v.end)
		abort();
	smaps_field(line, "Rss", &kb);
	smaps_field(line, "Swap", &kb);
	smaps_field(line, "", &kb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	for (size_t at = 0; at < n;) {
		const uint8_t *newline = memchr(data + at, '\n', n - at);
		size_t length = newline ? (size_t)(newline - data) - at : n - at;
		char *line = malloc(length + 1); /* of its own, so that the sanitizer sees its end */

		if (!line)
			abort();
		memcpy(line, data + at, length);
		line[length] = 0;
		one_line(line);
		free(line);
		at += length + 1;
	}
	return 0;
}
