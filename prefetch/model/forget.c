#include "model/workset.h"

#include <string.h>

#define NOT_KEPT UINT16_MAX

/* MAP of N indices whose entries are not NOT_KEPT where kept: give these their new indices. How many there are. */
static size_t number(uint16_t *map, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (map[i] != NOT_KEPT)
			map[i] = (uint16_t)kept++;
	return kept;
}

static void drop_regions(struct workset *w)
{
	uint16_t map[WS_MAX_REGIONS];
	size_t kept;

	memset(map, 0xff, sizeof(map));
	for (size_t i = 0; i < w->npages; i++)
		map[ws_region(w->pages[i].key)] = 0;
	kept = number(map, w->nregions);
	for (size_t i = 0; i < w->npages; i++)
		w->pages[i].key = ws_key(map[ws_region(w->pages[i].key)], ws_page(w->pages[i].key));
	for (size_t i = 0; i < w->nregions; i++)
		if (map[i] != NOT_KEPT)
			w->regions[map[i]] = w->regions[i];
	w->nregions = kept;
}

static void drop_files(struct workset *w)
{
	uint16_t map[WS_MAX_FILES];
	size_t kept;

	memset(map, 0xff, sizeof(map));
	for (size_t i = 0; i < w->nregions; i++)
		if (ws_has_file(w->regions[i].kind))
			map[w->regions[i].file] = 0;
	kept = number(map, w->nfiles);
	for (size_t i = 0; i < w->nregions; i++)
		if (ws_has_file(w->regions[i].kind))
			w->regions[i].file = map[w->regions[i].file];
	for (size_t i = 0; i < w->nfiles; i++)
		if (map[i] != NOT_KEPT)
			w->files[map[i]] = w->files[i];
	w->nfiles = kept;
}

static void drop_roles(struct workset *w)
{
	uint16_t map[WS_MAX_ROLES];
	size_t kept;

	memset(map, 0xff, sizeof(map));
	for (size_t i = 0; i < w->nroles; i++)
		if (w->roles[i].trust)
			map[i] = 0;
	for (size_t i = 0; i < w->nregions; i++)
		if (w->regions[i].kind != REGION_FILE)
			map[w->regions[i].role] = 0;
	kept = number(map, w->nroles);
	for (size_t i = 0; i < w->nregions; i++)
		if (w->regions[i].kind != REGION_FILE)
			w->regions[i].role = map[w->regions[i].role];
	for (size_t i = 0; i < w->nroles; i++)
		if (map[i] != NOT_KEPT)
			w->roles[map[i]] = w->roles[i];
	w->nroles = kept;
}

size_t workset_age(struct workset *w, uint32_t keep)
{
	size_t kept = 0;
	size_t was = w->npages;

	for (size_t i = 0; i < was; i++)
		if (w->activation - w->pages[i].last < keep)
			w->pages[kept++] = w->pages[i];
	w->npages = kept;
	drop_regions(w);
	drop_files(w);
	drop_roles(w);
	return was - kept;
}
