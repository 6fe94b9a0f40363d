/* Cut a set's ranges into the vectors of process_madvise calls. Pure. */
#ifndef VECTORS_H
#define VECTORS_H

#include <sys/uio.h>

#include "pageset.h"

struct vector_cursor {
	size_t index;  /* range */
	uint64_t done; /* pages of it already planned */
};

/* Fill OUT with at most MAX vectors of at most MAX_PAGES pages each, all of one member, whose slot goes to
 * *SLOT, and move the cursor on. The number of vectors: 0 at the end of the set. */
size_t vectors_next(const struct rangeset *s, struct vector_cursor *c, uint64_t max_pages, struct iovec *out,
		    size_t max, unsigned int *slot);
/* Move the cursor behind every range of SLOT. */
void vectors_skip(const struct rangeset *s, struct vector_cursor *c, unsigned int slot);

#endif
