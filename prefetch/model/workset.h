/* A container's working set: the pages that its activations demand. Pure, save for the pool.
 *
 * Keys outlive processes and address spaces. A page belongs to a region, a region to a file (file-backed pages,
 * whoever maps them, also processes that do not exist yet) or to a mapping of a role (anonymous, shared and
 * copied-on-write pages); a role is an executable, the number of its process in start order, and whether the
 * process is a forked worker of that one (a pool of workers shares one role).
 */
#ifndef WORKSET_H
#define WORKSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pool.h"

#define WS_PATH_CAP    160
#define WS_PAGE_SHIFT  12
#define WS_REGION_BITS 40 /* key: region << 40 | page within the region */
#define WS_MAX_REGIONS 4096u
#define WS_MAX_ROLES   256u
#define WS_MAX_FILES   1024u
#define WS_NO_RANK     UINT32_MAX
#define WS_MAX_TRUST   4

enum region_kind {
	REGION_ANON,  /* an anonymous area of a role, named by ORDINAL; counted from its top: page 0 is the highest */
	REGION_HEAP,  /* [heap] */
	REGION_STACK, /* [stack]; counted from its top: page 0 is the highest */
	REGION_SHMEM, /* shared memory without a path to open (memfd, SysV, /dev/zero), named by ORDINAL */
	REGION_COW,   /* written pages of a private file mapping of a role; pages are file offsets */
	REGION_FILE,  /* pages of a file; ROLE is 0 */
	REGION_KINDS,
};

struct role {
	char exe[WS_PATH_CAP]; /* as /proc/PID/exe reads */
	uint16_t ordinal;      /* among processes of this executable that no other of it has forked, by start */
	bool worker;	       /* forked by that one, and still running its executable */
	uint8_t trust;	       /* 0 to WS_MAX_TRUST: how surely its first fault begins an activation */
};

struct wfile {
	uint64_t device; /* st_dev */
	uint64_t inode;
	uint64_t bytes;
	uint64_t mtime_ns;
	char path[WS_PATH_CAP]; /* within the container's root */
};

struct region {
	uint8_t kind;
	uint16_t role;
	uint16_t file;	  /* index, COW and FILE only */
	uint32_t ordinal; /* ANON and SHMEM only, else 0: which of them (place.h) */
};

struct wpage {
	uint64_t key;
	uint32_t rank; /* us from the activation's first fault to this page's; WS_NO_RANK: never seen to fault */
	uint32_t last; /* number of the last activation that demanded it */
};

/* Arrays out of the pool, indexed by what region.role, region.file and keys say. PAGES is sorted by key. */
struct workset {
	struct pool *pool;
	struct role *roles;
	struct wfile *files;
	struct region *regions;
	struct wpage *pages;
	size_t nroles, nfiles, nregions, npages;
	size_t cap_roles, cap_files, cap_regions, cap_pages;
	uint32_t activation; /* how many it has learnt from */
	bool truncated;	     /* something did not fit since the last workset_clear */
};

/* Neighbouring pages of one region, to be fetched together. */
struct extent {
	uint64_t page;
	uint32_t region;
	uint32_t pages;
	uint32_t rank;
};

static inline bool ws_has_file(uint8_t kind)
{
	return kind == REGION_COW || kind == REGION_FILE;
}

static inline uint64_t ws_key(uint32_t region, uint64_t page)
{
	return ((uint64_t)region << WS_REGION_BITS) | page;
}

static inline uint32_t ws_region(uint64_t key)
{
	return (uint32_t)(key >> WS_REGION_BITS);
}

static inline uint64_t ws_page(uint64_t key)
{
	return key & ((UINT64_C(1) << WS_REGION_BITS) - 1);
}

void workset_init(struct workset *w, struct pool *pool);
void workset_clear(struct workset *w); /* also gives its memory back */
/* Find or add. The index, or -1 when there is no room (TRUNCATED is set then). */
int workset_role(struct workset *w, const char *exe, unsigned int ordinal, bool worker);
/* The same by device and inode, or by size and time of modification. */
bool ws_same_file(const struct wfile *a, const struct wfile *b);
/* A file of the same path that is not the same (ws_same_file) is another file: the old one's pages (FILE and COW)
 * leave, and its entry is taken over; also when it has become shorter. */
int workset_file(struct workset *w, const struct wfile *file);
/* By its path; find only. */
int workset_find_file(const struct workset *w, const char *path);
int workset_region(struct workset *w, const struct region *region);
/* Find only: -1 when there is none. */
int workset_find_region(const struct workset *w, const struct region *region);
const struct wpage *workset_find(const struct workset *w, uint64_t key);
/* Whether a page of this key may be in the set: its region exists and reaches that far (ANON and SHMEM to their pages,
 * FILE and COW to the file's bytes). Every page of a set does, and a set file with one that does not is refused. */
bool workset_fits(const struct workset *w, uint64_t key);

/* Merge what an activation demanded: N pages SORTED by key, each key once; their LAST is ignored and becomes
 * W->activation, which the caller has counted up. A known rank moves half-way to a newly seen one, an unknown one
 * takes it. Pages that do not fit (workset_fits) are left out. The number of pages that were not in the set before.
 * Without room for all, those with the lowest keys stay and TRUNCATED is set. */
size_t workset_learn(struct workset *w, const struct wpage *sorted, size_t n);
/* Forget the pages that none of the last KEEP activations demanded, and the regions, files and roles that have
 * none left (indices change; a role with trust stays). The number of pages forgotten. */
size_t workset_age(struct workset *w, uint32_t keep);
/* Copy of FROM with only the pages of activation LAST into TO (an initialised, empty set). False: no room. */
bool workset_copy_last(struct workset *to, const struct workset *from, uint32_t last);

/* Cut the set into extents of neighbouring pages that are wanted at about the same time, at most MAX_PAGES each, in order of
 * rank (an extent's rank is its lowest; unknown last; ties by key). At most CAP; the number, and *PAGES their pages in all. */
size_t workset_extents(const struct workset *w, uint32_t max_pages, struct extent *out, size_t cap, uint64_t *pages);

#endif
