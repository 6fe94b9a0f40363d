/* Which pages of a process are mapped and which are in swap: ioctl PAGEMAP_SCAN (Linux 6.7,
 * Documentation/admin-guide/mm/pagemap.rst), or smaps and /proc/PID/pagemap before that. */
#ifndef SCAN_H
#define SCAN_H

#include <stdbool.h>
#include <sys/types.h>

#include "model/options.h"
#include "model/pageset.h"

enum scan_what {
	SCAN_ABSENT, /* anonymous and copied-on-write pages in swap, and file pages that are mapped (see model/pageset.h) */
	SCAN_MAPPED, /* every page that is mapped */
};

/* Choose AUTO's method by trying; SCAN_IOCTL or SCAN_PAGEMAP, or -1 with errno when METHOD does not work here. */
int scan_probe(enum scan_method method);
/* Append PID's pages under SLOT to OUT; slots must come in ascending order. Neighbouring mappings are scanned at
 * once; mappings without access (MariaDB reserves a huge one) and the gaps between mappings never are.
 * False: the process is gone, or not ours to read. */
bool scan_process(enum scan_method method, pid_t pid, unsigned int slot, enum scan_what what, struct pageset *out);
/* The kind of the page at ADDRESS of PID; false when nothing is mapped there. */
bool scan_kind(pid_t pid, uint64_t address, enum page_kind *kind);

#endif
