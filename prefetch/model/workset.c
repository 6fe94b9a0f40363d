#include "model/workset.h"

#include <string.h>

void workset_init(struct workset *w, struct pool *pool)
{
	*w = (struct workset){ .pool = pool };
}

void workset_clear(struct workset *w)
{
	pool_give(w->pool, w->roles);
	pool_give(w->pool, w->files);
	pool_give(w->pool, w->regions);
	pool_give(w->pool, w->pages);
	workset_init(w, w->pool);
}

/* ARRAY is the address of a pointer of any type, which pool_reserve() must not see as a void *. */
static bool reserve(struct workset *w, void *array, size_t *cap, size_t size, size_t n)
{
	void *v;
	bool room;

	memcpy(&v, array, sizeof(v));
	room = pool_reserve(w->pool, &v, cap, size, n);
	memcpy(array, &v, sizeof(v));
	return room;
}

static int no_room(struct workset *w)
{
	w->truncated = true;
	return -1;
}

static bool path_fits(const char *path)
{
	return strnlen(path, WS_PATH_CAP) < WS_PATH_CAP;
}

int workset_role(struct workset *w, const char *exe, unsigned int ordinal, bool worker)
{
	struct role *r;

	for (size_t i = 0; i < w->nroles; i++)
		if (w->roles[i].ordinal == ordinal && w->roles[i].worker == worker &&
		    strcmp(w->roles[i].exe, exe) == 0)
			return (int)i;
	if (w->nroles == WS_MAX_ROLES || ordinal > UINT16_MAX || !path_fits(exe) ||
	    !reserve(w, &w->roles, &w->cap_roles, sizeof(*r), w->nroles + 1))
		return no_room(w);
	r = &w->roles[w->nroles];
	*r = (struct role){ .ordinal = (uint16_t)ordinal, .worker = worker };
	memcpy(r->exe, exe, strlen(exe));
	return (int)w->nroles++;
}

static bool of_file(const struct region *r, size_t file)
{
	return ws_has_file(r->kind) && r->file == file;
}

static void drop_file_pages(struct workset *w, size_t file)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->npages; i++)
		if (!of_file(&w->regions[ws_region(w->pages[i].key)], file))
			w->pages[kept++] = w->pages[i];
	w->npages = kept;
}

/* A file that is written to keeps its inode, a container made anew from its image its files' sizes and times. */
bool ws_same_file(const struct wfile *a, const struct wfile *b)
{
	return (a->device == b->device && a->inode == b->inode) || (a->bytes == b->bytes && a->mtime_ns == b->mtime_ns);
}

int workset_file(struct workset *w, const struct wfile *file)
{
	if (!path_fits(file->path))
		return no_room(w);
	for (size_t i = 0; i < w->nfiles; i++) {
		if (strcmp(w->files[i].path, file->path) != 0)
			continue;
		if (!ws_same_file(&w->files[i], file) || file->bytes < w->files[i].bytes)
			drop_file_pages(w, i);
		w->files[i] = *file;
		return (int)i;
	}
	if (w->nfiles == WS_MAX_FILES || !reserve(w, &w->files, &w->cap_files, sizeof(*file), w->nfiles + 1))
		return no_room(w);
	w->files[w->nfiles] = *file;
	return (int)w->nfiles++;
}

int workset_find_file(const struct workset *w, const char *path)
{
	for (size_t i = 0; i < w->nfiles; i++)
		if (strcmp(w->files[i].path, path) == 0)
			return (int)i;
	return -1;
}

/* What a kind has no use for is 0, so that it cannot tell two regions apart. */
static struct region region_normal(const struct region *r)
{
	struct region normal = { .kind = r->kind };

	if (r->kind != REGION_FILE)
		normal.role = r->role;
	if (ws_has_file(r->kind))
		normal.file = r->file;
	if (r->kind == REGION_ANON || r->kind == REGION_SHMEM)
		normal.ordinal = r->ordinal;
	return normal;
}

static bool region_valid(const struct workset *w, const struct region *r)
{
	if (r->kind >= REGION_KINDS)
		return false;
	if (ws_has_file(r->kind) && r->file >= w->nfiles)
		return false;
	return r->kind == REGION_FILE || r->role < w->nroles;
}

int workset_find_region(const struct workset *w, const struct region *region)
{
	struct region want = region_normal(region);

	for (size_t i = 0; i < w->nregions; i++) {
		const struct region *r = &w->regions[i];

		if (r->kind == want.kind && r->role == want.role && r->file == want.file &&
		    r->ordinal == want.ordinal)
			return (int)i;
	}
	return -1;
}

int workset_region(struct workset *w, const struct region *region)
{
	struct region r = region_normal(region);
	int found = workset_find_region(w, &r);

	if (found >= 0 || !region_valid(w, &r))
		return found;
	if (w->nregions == WS_MAX_REGIONS || !reserve(w, &w->regions, &w->cap_regions, sizeof(r), w->nregions + 1))
		return no_room(w);
	w->regions[w->nregions] = r;
	return (int)w->nregions++;
}

bool workset_fits(const struct workset *w, uint64_t key)
{
	const struct region *r;

	if (ws_region(key) >= w->nregions)
		return false;
	r = &w->regions[ws_region(key)];
	switch (r->kind) {
	case REGION_FILE:
	case REGION_COW:
		return ws_page(key) << WS_PAGE_SHIFT < w->files[r->file].bytes;
	default:
		return true;
	}
}

const struct wpage *workset_find(const struct workset *w, uint64_t key)
{
	size_t low = 0;
	size_t high = w->npages;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->pages[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->npages && w->pages[low].key == key ? &w->pages[low] : NULL;
}

static size_t count_new(const struct workset *w, const struct wpage *sorted, size_t n)
{
	size_t count = 0;

	for (size_t i = 0, j = 0; j < n; j++) {
		while (i < w->npages && w->pages[i].key < sorted[j].key)
			i++;
		if (i < w->npages && w->pages[i].key == sorted[j].key)
			continue;
		count += workset_fits(w, sorted[j].key);
	}
	return count;
}

/* Room for N pages, or for as many of them as the pool has. */
static void reserve_pages(struct workset *w, size_t n)
{
	while (n > w->cap_pages && !reserve(w, &w->pages, &w->cap_pages, sizeof(*w->pages), n)) {
		w->truncated = true;
		n -= (n - w->cap_pages + 1) / 2;
	}
}

static uint32_t merge_rank(uint32_t known, uint32_t seen)
{
	if (known == WS_NO_RANK)
		return seen;
	if (seen == WS_NO_RANK)
		return known;
	return (uint32_t)(((uint64_t)known + seen) / 2);
}

size_t workset_learn(struct workset *w, const struct wpage *sorted, size_t n)
{
	size_t fresh = count_new(w, sorted, n);
	size_t total = w->npages + fresh;
	size_t old = w->npages;

	reserve_pages(w, total);
	w->npages = total < w->cap_pages ? total : w->cap_pages;
	/* From the back, where a page is only ever moved up: in place. */
	for (size_t at = total; n;) {
		const struct wpage *seen = &sorted[n - 1];
		struct wpage page;

		if (old && w->pages[old - 1].key >= seen->key) {
			page = w->pages[--old];
			if (page.key == seen->key) {
				page.rank = merge_rank(page.rank, seen->rank);
				page.last = w->activation;
				n--;
			}
		} else {
			n--;
			if (!workset_fits(w, seen->key))
				continue;
			page = (struct wpage){ seen->key, seen->rank, w->activation };
		}
		if (--at < w->npages)
			w->pages[at] = page;
	}
	return fresh;
}

static size_t count_last(const struct workset *w, uint32_t last)
{
	size_t count = 0;

	for (size_t i = 0; i < w->npages; i++)
		count += w->pages[i].last == last;
	return count;
}

/* memcpy of nothing takes no NULL. */
static void copy(void *to, const void *from, size_t n, size_t size)
{
	if (n)
		memcpy(to, from, n * size);
}

bool workset_copy_last(struct workset *to, const struct workset *from, uint32_t last)
{
	if (!reserve(to, &to->roles, &to->cap_roles, sizeof(*to->roles), from->nroles) ||
	    !reserve(to, &to->files, &to->cap_files, sizeof(*to->files), from->nfiles) ||
	    !reserve(to, &to->regions, &to->cap_regions, sizeof(*to->regions), from->nregions) ||
	    !reserve(to, &to->pages, &to->cap_pages, sizeof(*to->pages), count_last(from, last))) {
		workset_clear(to);
		return false;
	}
	copy(to->roles, from->roles, from->nroles, sizeof(*to->roles));
	copy(to->files, from->files, from->nfiles, sizeof(*to->files));
	copy(to->regions, from->regions, from->nregions, sizeof(*to->regions));
	to->nroles = from->nroles;
	to->nfiles = from->nfiles;
	to->nregions = from->nregions;
	to->activation = from->activation;
	to->truncated = from->truncated;
	for (size_t i = 0; i < from->npages; i++)
		if (from->pages[i].last == last)
			to->pages[to->npages++] = from->pages[i];
	return true;
}
