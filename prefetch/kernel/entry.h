/* Events at the entry of a fault, before anything is read: what this kernel offers. */
#ifndef ENTRY_H
#define ENTRY_H

#include <linux/perf_event.h>

/* Fill type and config of ATTR. NULL, or in a few words why there is no such event. */

/* do_swap_page, by a kprobe of tracefs: one for all groups. (The kprobe PMU would make one for each event, and a swap
 * fault would pass them all.) A definition that a killed predecessor left behind is taken over. */
const char *entry_swap(struct perf_event_attr *attr);
/* The tracepoint filemap:mm_filemap_fault (Linux 6.11). */
const char *entry_file(struct perf_event_attr *attr);
/* Take the kprobe away again, once no event of it is open. */
void entry_release(void);

#endif
