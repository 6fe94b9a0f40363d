#ifndef VMSTAT_H
#define VMSTAT_H

#include <stdint.h>

/* Pages reclaimed since boot, by whichever cgroup's limit or the machine's: while it stands still, no page of
 * any process has gone absent. */
uint64_t vmstat_reclaimed(void);

#endif
