#include "kernel/vmstat.h"

#include "guest_c/procfs.h"

uint64_t vmstat_reclaimed(void)
{
	static char text[16384];
	uint64_t anon = 0;
	uint64_t file = 0;

	if (read_text("/proc/vmstat", text, sizeof(text)) > 0) {
		counter_parse(text, "pgsteal_anon", &anon);
		counter_parse(text, "pgsteal_file", &file);
	}
	return anon + file;
}
