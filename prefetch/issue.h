/* Ask the kernel for pages: process_madvise(MADV_WILLNEED) for anonymous and file pages, a read of one byte
 * (process_vm_readv) for written pages of private file mappings, which that advice does not reach. */
#ifndef ISSUE_H
#define ISSUE_H

#include "members.h"
#include "pageset.h"

#define MAX_CALL_VECTORS 128 /* of the kernel's 1,024: faults are drained between calls */
#define ANON_PAGES	 64  /* 256 KiB a vector: the target's mmap lock is held for each */
#define FILE_PAGES	 32  /* 128 KiB: the kernel reads ahead at most the device's readahead per vector */

struct issue_result {
	uint64_t pages[KINDS];
	uint64_t processes;
	uint64_t errors;   /* vectors refused: holes, and processes that ended meanwhile */
	uint64_t first_ns; /* instant of the first call, 0 when there was none */
	uint64_t done_ns;
};

/* Issue PLAN; members that are gone or left the group are skipped and dropped from it. BETWEEN is called after
 * each system call. Allocates nothing. */
void issue_run(const struct members *m, struct pageset *plan, void (*between)(void *), void *context,
	       struct issue_result *result);
/* The kernel has process_madvise and lets us advise other processes (init, of no page): 0, or -1 with errno. */
int issue_probe(void);

#endif
