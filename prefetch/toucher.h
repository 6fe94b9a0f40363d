/* Threads that read a byte of a page each: the only way to fetch copied-on-write pages of file mappings from swap, and
 * one that waits for the disk. Several wait at once, and the daemon never does. */
#ifndef TOUCHER_H
#define TOUCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Start the threads, on stacks that are locked. 0, or -1 with errno. */
int toucher_start(void);
/* Have the page at ADDRESS of PID read. False: too much is waiting. */
bool toucher_add(pid_t pid, uint64_t address);
/* Reads that wait or are under way. */
unsigned int toucher_busy(void);
/* Pages that could not be read since the start: unmapped, or of processes that ended. */
uint64_t toucher_errors(void);

#endif
