#include "container/look.h"

#include <string.h>
#include <unistd.h>

#define ENTRY_SWAPPED	 (UINT64_C(1) << 62)
#define ENTRY_PRESENT	 (UINT64_C(1) << 63)
#define ENTRY_SWAP_SLOT	 ((UINT64_C(1) << 55) - 1) /* type and offset; 0 without CAP_SYS_ADMIN */
#define BLOCK_PAGES	 512u
#define BLOCKS		 8u

struct member *look_member(struct issue *i, unsigned int slot)
{
	struct member *member;

	if (slot >= i->members->nslots || !i->members->slots[slot].used)
		return NULL;
	member = &i->members->slots[slot];
	if (member->verdict == MEMBER_UNKNOWN) {
		member->verdict = members_verify(i->members, slot) ? MEMBER_OURS : MEMBER_GONE;
		i->errors += member->verdict == MEMBER_GONE;
	}
	return member->verdict == MEMBER_OURS ? member : NULL;
}

/* Neighbouring targets are looked up together. Kept for one window: pages come and go. */
static struct block {
	uint64_t number; /* of the block in its address space */
	uint32_t slot;
	bool read;
	size_t n;
	uint64_t entries[BLOCK_PAGES];
} blocks[BLOCKS];

void look_forget(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i].read = false;
}

/* What /proc/PID/pagemap has of PAGE of MEMBER, which is in SLOT. Of what cannot be read nothing is asked for. */
static uint64_t pagemap_entry(const struct member *member, uint32_t slot, uint64_t page)
{
	uint64_t number = page / BLOCK_PAGES;
	struct block *b = &blocks[(number + slot) % BLOCKS];

	if (!b->read || b->number != number || b->slot != slot) {
		ssize_t n = pread(member->pagemap, b->entries, sizeof(b->entries),
				  (off_t)(number * BLOCK_PAGES * sizeof(*b->entries)));

		b->number = number;
		b->slot = slot;
		b->read = true;
		b->n = n < 0 ? 0 : (size_t)n / sizeof(*b->entries);
	}
	return page % BLOCK_PAGES < b->n ? b->entries[page % BLOCK_PAGES] : ENTRY_PRESENT;
}

bool look_absent(struct issue *i, const struct target *t, bool *absent, uint64_t *slots)
{
	static unsigned char cached[TARGET_PAGES];
	const struct member *member;
	ssize_t n;

	memset(absent, 0, t->pages * sizeof(*absent));
	if (t->kind == TARGET_FILE) {
		n = (ssize_t)files_cached(i->files, t->where, t->page, t->pages, cached);
		for (ssize_t k = 0; k < n; k++) {
			absent[k] = !(cached[k] & 1);
			slots[k] = 0;
		}
		return true;
	}
	member = look_member(i, t->where);
	if (!member)
		return false;
	for (uint32_t k = 0; k < t->pages; k++) {
		uint64_t entry = pagemap_entry(member, t->where, t->page + k);

		/* Shared memory in swap has no entry of its own. */
		absent[k] = !(entry & ENTRY_PRESENT) && (entry & ENTRY_SWAPPED || t->kind == TARGET_ADVISE);
		slots[k] = entry & ENTRY_SWAPPED ? entry & ENTRY_SWAP_SLOT : 0;
	}
	return true;
}

/* The entries of R's pages; not from the blocks, which hold what was. False: whose they are is gone. */
static bool read_entries(struct issue *i, const struct run *r, uint64_t entries[TARGET_PAGES])
{
	const struct member *member = look_member(i, r->where);
	size_t bytes = r->pages * sizeof(*entries);

	return member && pread(member->pagemap, entries, bytes, (off_t)(r->page * sizeof(*entries))) == (ssize_t)bytes;
}

uint64_t look_mapped(struct issue *i, const struct run *v, size_t n, uint64_t *looked)
{
	static uint64_t entries[TARGET_PAGES];
	uint64_t mapped = 0;

	*looked = 0;
	for (size_t k = 0; k < n; k++) {
		if (!read_entries(i, &v[k], entries))
			continue;
		*looked += v[k].pages;
		for (uint32_t page = 0; page < v[k].pages; page++)
			mapped += (entries[page] & ENTRY_PRESENT) != 0;
	}
	return mapped;
}
