/* What memory-tiering daemons do: one reader of /proc/PID/mem, page after page. */
#ifndef READMEMORY_H
#define READMEMORY_H

#include "outcome.h"

/* Read a byte of every page in swap of the processes in the cgroup FOLDER and below, in address order, process
 * after process. PROC is /proc. O->pages: pages read. Processes that end meanwhile are no failure. */
void read_memory(const char *proc, const char *folder, struct outcome *o);

#endif
