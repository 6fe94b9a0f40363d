/* Pages of a group's processes as they are now, by what backs them. Pure, save for the pool.
 * A page's key is (member slot, page number); ranges never cross members. */
#ifndef PAGESET_H
#define PAGESET_H

#include "model/rangeset.h"

#define PAGE_SHIFT_BITS 12
#define PAGE_BYTES      (UINT64_C(1) << PAGE_SHIFT_BITS)
#define SLOT_SHIFT      45 /* 57-bit addresses less 12 */
#define PAGE_MASK_BITS  ((UINT64_C(1) << SLOT_SHIFT) - 1)

enum page_kind {
	KIND_ANON, /* of an anonymous mapping: in swap when absent */
	KIND_FILE, /* of a file or shared-memory mapping: in the file (or tmpfs) when absent */
	KIND_COW,  /* written page of a private file mapping: in swap, out of MADV_WILLNEED's reach */
	KINDS,
};

struct pageset {
	struct rangeset kind[KINDS];
};

static inline uint64_t page_key(unsigned int slot, uint64_t address)
{
	return ((uint64_t)slot << SLOT_SHIFT) | (address >> PAGE_SHIFT_BITS);
}

static inline unsigned int key_slot(uint64_t key)
{
	return (unsigned int)(key >> SLOT_SHIFT);
}

static inline uint64_t key_address(uint64_t key)
{
	return (key & PAGE_MASK_BITS) << PAGE_SHIFT_BITS;
}

void pageset_init(struct pageset *p, struct pool *pool);
void pageset_clear(struct pageset *p);
void pageset_free(struct pageset *p);
uint64_t pageset_count(const struct pageset *p);
void pageset_drop_slot(struct pageset *p, unsigned int slot);

/* BEFORE holds what was in swap (anonymous, copied-on-write) and which file pages were mapped;
 * AFTER holds what is mapped. OUT: what was brought in between. A page that is merely fresh (anonymous,
 * never in swap) is in neither BEFORE nor OUT. No file pages where BEFORE has not room for all of them. */
void pageset_brought_in(const struct pageset *before, const struct pageset *after, struct pageset *out);

#endif
