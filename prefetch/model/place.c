#include "model/place.h"

#include <stdio.h>
#include <string.h>

#include "guest_c/procfs.h"
#include "model/pageset.h"

void places_init(struct places *p, struct pool *pool)
{
	*p = (struct places){ .pool = pool };
}

void places_free(struct places *p)
{
	if (p->v)
		pool_give(p->pool, p->v);
	if (p->paths)
		pool_give(p->pool, p->paths);
	places_init(p, p->pool);
}

/* Names an anonymous area by its neighbour, for which 16 bits do. */
static uint32_t hash16(const char *text)
{
	uint32_t h = hash_text(text);

	return (h ^ h >> 16) & 0xffff;
}

static bool is_deleted(const char *name)
{
	static const char suffix[] = " (deleted)";
	size_t length = strlen(name);

	return length >= sizeof(suffix) && strcmp(name + length - (sizeof(suffix) - 1), suffix) == 0;
}

static bool is_shared_memory(const struct vma *v)
{
	return strncmp(v->name, "/dev/zero", 9) == 0 || strncmp(v->name, "/memfd:", 7) == 0 ||
	       strncmp(v->name, "/SYSV", 5) == 0 || strncmp(v->name, "/dev/shm/", 9) == 0;
}

static bool path_index(struct places *p, const char *path, uint16_t *index)
{
	void *v = p->paths;

	/* Segments of one file follow each other. */
	for (size_t i = p->npaths; i-- > 0;) {
		if (strcmp(p->paths[i], path) == 0) {
			*index = (uint16_t)i;
			return true;
		}
	}
	if (p->npaths == PLACE_MAX_FILES || strlen(path) >= WS_PATH_CAP ||
	    !pool_reserve(p->pool, &v, &p->cap_paths, WS_PATH_CAP, p->npaths + 1))
		return false;
	p->paths = v;
	strcpy(p->paths[p->npaths], path);
	*index = (uint16_t)p->npaths++;
	return true;
}

/* Neighbouring anonymous mappings are one area, whatever their protection: what a program reserves stays of one
 * size while it makes more and more of it accessible. */
static bool extends(const struct places *p, const struct vma *v)
{
	const struct place *last = p->n ? &p->v[p->n - 1] : NULL;

	return last && last->kind == REGION_ANON && last->end == v->start;
}

/* The n-th of its name: every mapping of /dev/zero is memory of its own. */
static uint32_t shared_number(const struct places *p, uint32_t hash)
{
	uint32_t last = p->last_shared;

	return last >> 16 == hash && last ? last + 1 : hash << 16;
}

bool places_add(struct places *p, const struct vma *v)
{
	bool anonymous = !v->file && (v->name[0] == 0 || strncmp(v->name, "[anon", 5) == 0);
	struct place place = { .start = v->start, .end = v->end };
	void *array = p->v;

	if (anonymous && extends(p, v)) {
		p->v[p->n - 1].end = v->end;
		return true;
	}
	if (anonymous) {
		place.kind = REGION_ANON;
		place.down = true;
	} else if (v->skip) {
		return true;
	} else if (strcmp(v->name, "[heap]") == 0) {
		place.kind = REGION_HEAP;
	} else if (strcmp(v->name, "[stack]") == 0) {
		place.kind = REGION_STACK;
		place.down = true;
	} else if (is_shared_memory(v)) {
		place.kind = REGION_SHMEM;
		place.base = v->offset / PAGE_BYTES;
		place.ordinal = shared_number(p, hash16(v->name));
	} else if (v->name[0] == '/' && !is_deleted(v->name)) {
		place.kind = REGION_FILE;
		place.private = !v->shared;
		place.base = v->offset / PAGE_BYTES;
		if (!path_index(p, v->name, &place.path))
			return true;
	} else {
		return true;
	}
	if (!pool_reserve(p->pool, &array, &p->cap, sizeof(*p->v), p->n + 1))
		return false;
	if (place.kind == REGION_SHMEM)
		p->last_shared = place.ordinal;
	p->v = array;
	p->v[p->n++] = place;
	return true;
}

/* An anonymous area is the n-th below the next named mapping above it: new areas grow at the other end, and a
 * restarted process has the same order under another layout. */
void places_finish(struct places *p)
{
	uint32_t above = 0;
	uint32_t number = 0;

	for (size_t i = p->n; i-- > 0;) {
		struct place *place = &p->v[i];

		if (place->kind == REGION_ANON) {
			place->ordinal = above << 16 | (number++ & 0xffff);
			continue;
		}
		above = place->kind == REGION_FILE ? hash16(p->paths[place->path]) : place->kind;
		number = 0;
	}
}

bool places_read(struct places *p, pid_t pid)
{
	static struct lines l;
	char path[32];
	struct vma v;
	bool ok = true;

	p->n = 0;
	p->npaths = 0;
	p->last_shared = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (!lines_open(&l, path))
		return false;
	for (const char *line; ok && (line = lines_next(&l));)
		if (maps_parse(line, &v))
			ok = places_add(p, &v);
	lines_close(&l);
	places_finish(p);
	return ok && p->n > 0;
}

const struct place *places_find(const struct places *p, uint64_t address)
{
	size_t low = 0;
	size_t high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->v[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->n && p->v[low].start <= address ? &p->v[low] : NULL;
}

uint64_t place_page(const struct place *p, uint64_t address)
{
	if (p->down)
		return p->base + (p->end - address - 1) / PAGE_BYTES;
	return p->base + (address - p->start) / PAGE_BYTES;
}

uint64_t place_address(const struct place *p, uint64_t page, uint64_t n, uint64_t *address)
{
	uint64_t pages = (p->end - p->start) / PAGE_BYTES;
	uint64_t first = page - p->base;

	if (page < p->base || first >= pages)
		return 0;
	if (n > pages - first)
		n = pages - first;
	*address = p->down ? p->end - (first + n) * PAGE_BYTES : p->start + first * PAGE_BYTES;
	return n;
}
