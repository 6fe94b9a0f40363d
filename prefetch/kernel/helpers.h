/* Threads that wait for the disk, so that the daemon never does: to read a byte of a page, which is the only way to fetch
 * copied-on-write pages of file mappings from swap, and to ask for pages of files, which may wait for a file system's own
 * blocks. Several wait at once. */
#ifndef HELPERS_H
#define HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Start the threads, on stacks that are locked. 0, or -1 with errno. */
int helpers_start(void);
/* Have the page at ADDRESS of PID read. False: too much is waiting. */
bool helpers_touch(pid_t pid, uint64_t address);
/* Have BYTES of our own mapping from AT on read ahead. Should it be gone by then, nothing is. False: as above. */
bool helpers_read_ahead(void *at, size_t bytes);
/* What no thread has begun with yet. */
unsigned int helpers_waiting(void);
/* What could not be done since the start: unmapped pages, and those of processes that ended. */
uint64_t helpers_errors(void);

#endif
