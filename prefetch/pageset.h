/* Pages of a group's processes by the way they must be brought back. Pure, save for the allocation.
 * A page's key is (member slot, page number); ranges never cross members. */
#ifndef PAGESET_H
#define PAGESET_H

#include "rangeset.h"

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

/* Room for MAX_RANGES anonymous ranges, half as many of files, a quarter copied-on-write. 0, or -1: no memory. */
int pageset_allocate(struct pageset *p, size_t max_ranges);
size_t pageset_bytes(size_t max_ranges);
void pageset_clear(struct pageset *p);
void pageset_copy(struct pageset *out, const struct pageset *p);
uint64_t pageset_count(const struct pageset *p);
bool pageset_truncated(const struct pageset *p);
bool pageset_contains(const struct pageset *p, uint64_t key);
void pageset_drop_slot(struct pageset *p, unsigned int slot);
/* Keep the first MAX pages, anonymous before file before copied-on-write; true when some had to go. */
bool pageset_limit(struct pageset *p, uint64_t max);

/* BEFORE holds what was in swap (anonymous, copied-on-write) and which file pages were mapped;
 * AFTER holds what is mapped. OUT: what was brought in between. A page that is merely fresh (anonymous,
 * never in swap) is in neither BEFORE nor OUT. No file pages where BEFORE has not room for all of them. */
void pageset_brought_in(const struct pageset *before, const struct pageset *after, struct pageset *out);
/* OUT: what of LEARNED is absent by BEFORE. Where BEFORE is truncated it cannot tell: all of that kind. */
void pageset_absent(const struct pageset *learned, const struct pageset *before, struct pageset *out);
/* LEARNED |= MORE, through the scratch set TMP. The number of pages that were new. */
uint64_t pageset_merge(struct pageset *learned, const struct pageset *more, struct rangeset *tmp);

#endif
