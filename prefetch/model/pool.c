#include "model/pool.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The state of a smallest block that begins a larger one is one of these and the order; of any other it is INSIDE. */
#define INSIDE	   0u
#define TAKEN	   0x40u
#define FREE	   0x80u
#define ORDER_MASK 0x3fu

/* At the beginning of a free block. */
struct pool_block {
	struct pool_block *next;
	struct pool_block *previous;
};

static size_t order_bytes(unsigned int order)
{
	return (size_t)POOL_MIN_BYTES << order;
}

/* POOL_ORDERS when no block is that large. */
static unsigned int order_for(size_t bytes)
{
	unsigned int order = 0;

	while (order < POOL_ORDERS && order_bytes(order) < bytes)
		order++;
	return order;
}

static struct pool_block *block_at(const struct pool *p, size_t index)
{
	return (struct pool_block *)(void *)(p->base + index * POOL_MIN_BYTES);
}

static void put_free(struct pool *p, size_t index, unsigned int order)
{
	struct pool_block *b = block_at(p, index);

	*b = (struct pool_block){ .next = p->free[order] };
	if (b->next)
		b->next->previous = b;
	p->free[order] = b;
	p->state[index] = (unsigned char)(FREE | order);
}

static void remove_free(struct pool *p, size_t index, unsigned int order)
{
	struct pool_block *b = block_at(p, index);

	if (b->next)
		b->next->previous = b->previous;
	if (b->previous)
		b->previous->next = b->next;
	else
		p->free[order] = b->next;
	p->state[index] = INSIDE;
}

/* Going on with a pointer that is no block of ours would hand out memory twice. */
static size_t taken_index(const struct pool *p, const void *block)
{
	size_t offset = (uintptr_t)block - (uintptr_t)p->base;
	size_t index = offset / POOL_MIN_BYTES;

	if (offset >= p->bytes || offset % POOL_MIN_BYTES || !(p->state[index] & TAKEN))
		abort();
	return index;
}

int pool_create(struct pool *p, size_t bytes)
{
	unsigned int order = order_for(bytes);
	size_t rounded;
	void *base;

	*p = (struct pool){ 0 };
	if (!bytes || order == POOL_ORDERS) {
		errno = EINVAL;
		return -1;
	}
	rounded = order_bytes(order);
	base = mmap(NULL, rounded + rounded / POOL_MIN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (base == MAP_FAILED)
		return -1;
	p->base = base;
	p->bytes = rounded;
	p->state = (unsigned char *)base + rounded;
	put_free(p, 0, order);
	return 0;
}

void pool_destroy(struct pool *p)
{
	if (p->base)
		munmap(p->base, p->bytes + p->bytes / POOL_MIN_BYTES);
	*p = (struct pool){ 0 };
}

void *pool_take(struct pool *p, size_t bytes)
{
	unsigned int order = order_for(bytes);
	unsigned int from = order;
	size_t index;

	while (from < POOL_ORDERS && !p->free[from])
		from++;
	if (from >= POOL_ORDERS)
		return NULL;
	index = (size_t)((char *)p->free[from] - p->base) / POOL_MIN_BYTES;
	remove_free(p, index, from);
	while (from > order) {
		from--;
		put_free(p, index + ((size_t)1 << from), from);
	}
	p->state[index] = (unsigned char)(TAKEN | order);
	p->used += order_bytes(order);
	if (p->used > p->most)
		p->most = p->used;
	return block_at(p, index);
}

void pool_give(struct pool *p, void *block)
{
	size_t blocks = p->bytes / POOL_MIN_BYTES;
	unsigned int order;
	size_t index;

	if (!block)
		return;
	index = taken_index(p, block);
	order = p->state[index] & ORDER_MASK;
	p->state[index] = INSIDE;
	p->used -= order_bytes(order);
	for (;; order++) {
		size_t buddy = index ^ ((size_t)1 << order);

		if (buddy >= blocks || p->state[buddy] != (FREE | order))
			break;
		remove_free(p, buddy, order);
		index &= buddy;
	}
	put_free(p, index, order);
}

size_t pool_size(const struct pool *p, const void *block)
{
	return order_bytes(p->state[taken_index(p, block)] & ORDER_MASK);
}

bool pool_reserve(struct pool *p, void **v, size_t *cap, size_t size, size_t n)
{
	void *larger;

	if (n <= *cap)
		return true;
	if (n > SIZE_MAX / size)
		return false;
	/* A block is a power of two, and the array fills its block: asking for one element more doubles it. */
	larger = pool_take(p, n * size);
	if (!larger)
		return false;
	if (*cap)
		memcpy(larger, *v, *cap * size);
	pool_give(p, *v);
	*v = larger;
	*cap = pool_size(p, larger) / size;
	return true;
}
