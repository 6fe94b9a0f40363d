/* All memory that grows, out of one arena that is allocated and locked at the start. */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>

#define POOL_ORDERS    20
#define POOL_MIN_BYTES 4096u

/* A buddy allocator: blocks of POOL_MIN_BYTES times a power of two. */
struct pool {
	char *base;
	size_t bytes;
	size_t used;  /* in blocks handed out */
	size_t most;  /* used, at its highest */
	unsigned char *state; /* of each smallest block */
	struct pool_block *free[POOL_ORDERS];
};

/* Map BYTES (rounded up to a power of two). 0, or -1 with errno. */
int pool_create(struct pool *p, size_t bytes);
void pool_destroy(struct pool *p);
/* A block of at least BYTES, or NULL: there is no room. */
void *pool_take(struct pool *p, size_t bytes);
void pool_give(struct pool *p, void *block);
/* Usable bytes of a block. */
size_t pool_size(const struct pool *p, const void *block);
/* Make the array *V of *CAP elements of SIZE bytes hold at least N (doubling, contents kept). False, and *V as it
 * was, when there is no room. *V may be NULL with *CAP 0. */
bool pool_reserve(struct pool *p, void **v, size_t *cap, size_t size, size_t n);

#endif
