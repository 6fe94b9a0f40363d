/* A process's mappings as the working set names them: regions that outlive the process (workset.h). */
#ifndef PLACE_H
#define PLACE_H

#include <sys/types.h>

#include "guest_c/maps.h"
#include "model/workset.h"

#define PLACE_MAX_FILES 512

struct place {
	uint64_t start;
	uint64_t end;  /* exclusive */
	uint64_t base; /* page number, in the region, of the first page; where DOWN, of the last */
	uint32_t ordinal;
	uint16_t path; /* index into the paths, FILE only */
	uint8_t kind;  /* enum region_kind; the written pages of a FILE that is PRIVATE are of kind COW */
	bool down;     /* pages count from the end: the top of a stack or of an anonymous area stays where it is */
	bool private;
};

/* One process's places in order of address, out of the pool. */
struct places {
	struct place *v;
	size_t n;
	size_t cap;
	char (*paths)[WS_PATH_CAP];
	size_t npaths;
	size_t cap_paths;
	struct pool *pool;
	uint32_t last_shared; /* while reading: the ordinal of the last shared memory */
};

/* Begin anew with POOL's memory. */
void places_init(struct places *p, struct pool *pool);
void places_free(struct places *p);
/* Take one mapping in; they must come in order. Pure, save for the pool. False: no room. */
bool places_add(struct places *p, const struct vma *v);
/* All mappings are in: name the anonymous ones, from the top down. Pure. */
void places_finish(struct places *p);
/* Read PID's. False: it is gone, or there is no room. */
bool places_read(struct places *p, pid_t pid);
/* The place that holds ADDRESS, or NULL. */
const struct place *places_find(const struct places *p, uint64_t address);

uint64_t place_page(const struct place *p, uint64_t address);
/* How many of the N pages of the region from PAGE on are in P, where they begin in the process: 0 if PAGE is not. */
uint64_t place_address(const struct place *p, uint64_t page, uint64_t n, uint64_t *address);

#endif
