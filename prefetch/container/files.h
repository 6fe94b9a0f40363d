/* The files of a working set, mapped (and never touched) so that their pages can be asked for and looked up when no
 * process has them open. A mapping holds a file until the container ends, and no longer. */
#ifndef FILES_H
#define FILES_H

#include <sys/types.h>

#include "model/workset.h"

struct opened {
	unsigned char *base; /* NULL: not there, or not the file that was learnt */
	uint64_t bytes;
};

struct files {
	struct opened *v; /* indexed as the working set's files */
	size_t n;
	size_t cap;
	struct pool *pool;
};

/* What PATH is in the root of process PID. False: nothing that can be prefetched (gone, no regular file, tmpfs, path
 * too long). Symbolic links are followed within that root only. */
bool file_identify(pid_t pid, const char *path, struct wfile *out);

void files_init(struct files *f, struct pool *pool);
/* Map every file of W, as process PID sees it, that is still the one that was learnt. */
void files_open(struct files *f, const struct workset *w, pid_t pid);
void files_close(struct files *f);
/* Which of the pages PAGE to PAGE + N - 1 are in the page cache: a byte each into VEC. The number that the file has. */
size_t files_cached(const struct files *f, size_t file, uint64_t page, size_t n, unsigned char *vec);
/* Where the pages from PAGE on are, of which *N are in the file; NULL where there are none. */
void *files_at(const struct files *f, size_t file, uint64_t page, uint64_t *n);

#endif
