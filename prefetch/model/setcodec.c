/* The bytes of a set file. All numbers are little-endian, records follow one another without gaps:
 *
 *   header   magic, version, CRC-32 (of all other bytes), size, activation, how many of each record, group
 *   role     exe, ordinal, worker, trust
 *   file     device, inode, bytes, mtime, path
 *   region   kind, role, file, ordinal, pages
 *   page     key, rank, last
 */
#include "model/setfile.h"

#include <string.h>

#define MAGIC_BYTES  8u
#define CRC_AT	     12u
#define GROUP_BYTES  256u
#define HEADER_BYTES (MAGIC_BYTES + 4 + 4 + 8 + 4 * 4 + 8 + GROUP_BYTES)
#define ROLE_BYTES   (WS_PATH_CAP + 2u + 1 + 1)
#define FILE_BYTES   (4 * 8 + WS_PATH_CAP)
#define REGION_BYTES (1u + 2 + 2 + 4)
#define PAGE_BYTES   (8u + 4 + 4)

static const unsigned char magic[MAGIC_BYTES] = { 'p', 'r', 'e', 'f', 's', 'e', 't', '\n' };
static const char no_room[] = "no room for it";

struct header {
	uint64_t size;
	uint64_t npages;
	uint32_t version, crc;
	uint32_t activation, nroles, nfiles, nregions;
};

static uint32_t crc_add(uint32_t crc, const unsigned char *in, size_t n)
{
	/* Of the reflected polynomial 0xedb88320, four bits at a time. */
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	for (size_t i = 0; i < n; i++) {
		crc ^= in[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

static uint32_t checksum(const unsigned char *in, size_t n)
{
	uint32_t crc = crc_add(UINT32_MAX, in, CRC_AT);

	return ~crc_add(crc, in + CRC_AT + 4, n - CRC_AT - 4);
}

static void put(unsigned char **at, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		*(*at)++ = (unsigned char)(value >> 8 * i);
}

/* What follows the text's end may be anything in memory: zeroes on disk. */
static void put_text(unsigned char **at, const char *text, size_t cap)
{
	size_t length = strlen(text);

	memcpy(*at, text, length);
	memset(*at + length, 0, cap - length);
	*at += cap;
}

static uint64_t get(const unsigned char **at, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)*(*at)++ << 8 * i;
	return value;
}

/* False unless CAP bytes are a terminated text and zeroes. */
static bool get_text(const unsigned char **at, char *text, size_t cap)
{
	size_t length;

	memcpy(text, *at, cap);
	*at += cap;
	length = strnlen(text, cap);
	for (size_t i = length; i < cap; i++)
		if (text[i])
			return false;
	return length < cap;
}

static uint64_t total_bytes(uint64_t nroles, uint64_t nfiles, uint64_t nregions, uint64_t npages)
{
	return HEADER_BYTES + nroles * ROLE_BYTES + nfiles * FILE_BYTES + nregions * REGION_BYTES +
	       npages * PAGE_BYTES;
}

size_t setfile_bytes(const struct workset *w, const char *group)
{
	if (strlen(group) >= GROUP_BYTES)
		return 0;
	return (size_t)total_bytes(w->nroles, w->nfiles, w->nregions, w->npages);
}

static void put_header(unsigned char **at, const struct workset *w, const char *group, size_t size)
{
	memcpy(*at, magic, sizeof(magic));
	*at += sizeof(magic);
	put(at, SETFILE_VERSION, 4);
	put(at, 0, 4);
	put(at, size, 8);
	put(at, w->activation, 4);
	put(at, w->nroles, 4);
	put(at, w->nfiles, 4);
	put(at, w->nregions, 4);
	put(at, w->npages, 8);
	put_text(at, group, GROUP_BYTES);
}

static void put_role(unsigned char **at, const struct role *r)
{
	put_text(at, r->exe, sizeof(r->exe));
	put(at, r->ordinal, 2);
	put(at, r->worker, 1);
	put(at, r->trust, 1);
}

static void put_file(unsigned char **at, const struct wfile *f)
{
	put(at, f->device, 8);
	put(at, f->inode, 8);
	put(at, f->bytes, 8);
	put(at, f->mtime_ns, 8);
	put_text(at, f->path, sizeof(f->path));
}

static void put_region(unsigned char **at, const struct region *r)
{
	put(at, r->kind, 1);
	put(at, r->role, 2);
	put(at, r->file, 2);
	put(at, r->ordinal, 4);
}

static void put_page(unsigned char **at, const struct wpage *p)
{
	put(at, p->key, 8);
	put(at, p->rank, 4);
	put(at, p->last, 4);
}

size_t setfile_encode(const struct workset *w, const char *group, unsigned char *out)
{
	size_t size = setfile_bytes(w, group);
	unsigned char *at = out;

	if (!size)
		return 0;
	put_header(&at, w, group, size);
	for (size_t i = 0; i < w->nroles; i++)
		put_role(&at, &w->roles[i]);
	for (size_t i = 0; i < w->nfiles; i++)
		put_file(&at, &w->files[i]);
	for (size_t i = 0; i < w->nregions; i++)
		put_region(&at, &w->regions[i]);
	for (size_t i = 0; i < w->npages; i++)
		put_page(&at, &w->pages[i]);
	at = out + CRC_AT;
	put(&at, checksum(out, size), 4);
	return size;
}

static const char *get_header(const unsigned char **at, struct header *h, const char *group, size_t n)
{
	const unsigned char *in = *at;
	char name[GROUP_BYTES];

	if (n < HEADER_BYTES)
		return "too short";
	if (memcmp(in, magic, sizeof(magic)) != 0)
		return "not a set file";
	*at += sizeof(magic);
	h->version = (uint32_t)get(at, 4);
	h->crc = (uint32_t)get(at, 4);
	h->size = get(at, 8);
	h->activation = (uint32_t)get(at, 4);
	h->nroles = (uint32_t)get(at, 4);
	h->nfiles = (uint32_t)get(at, 4);
	h->nregions = (uint32_t)get(at, 4);
	h->npages = get(at, 8);
	if (h->version != SETFILE_VERSION)
		return "of another version";
	if (h->size != n)
		return "cut or too long";
	if (h->crc != checksum(in, n))
		return "wrong checksum";
	if (!get_text(at, name, sizeof(name)))
		return "bad group name";
	if (strcmp(name, group) != 0)
		return "of another group";
	if (h->nroles > WS_MAX_ROLES || h->nfiles > WS_MAX_FILES || h->nregions > WS_MAX_REGIONS ||
	    h->npages > n / PAGE_BYTES || total_bytes(h->nroles, h->nfiles, h->nregions, h->npages) != n)
		return "bad counts";
	return NULL;
}

/* Adding finds what is there already, so each record must come out at its own index. */
static bool get_role(const unsigned char **at, struct workset *w, size_t index)
{
	char exe[WS_PATH_CAP];
	bool text = get_text(at, exe, sizeof(exe));
	unsigned int ordinal = (unsigned int)get(at, 2);
	uint64_t worker = get(at, 1);
	uint64_t trust = get(at, 1);

	if (!text || worker > 1 || trust > WS_MAX_TRUST || workset_role(w, exe, ordinal, worker) != (int)index)
		return false;
	w->roles[index].trust = (uint8_t)trust;
	return true;
}

static bool get_file(const unsigned char **at, struct workset *w, size_t index)
{
	struct wfile f;

	f.device = get(at, 8);
	f.inode = get(at, 8);
	f.bytes = get(at, 8);
	f.mtime_ns = get(at, 8);
	return get_text(at, f.path, sizeof(f.path)) && workset_file(w, &f) == (int)index;
}

static bool get_region(const unsigned char **at, struct workset *w, size_t index)
{
	struct region r;
	const struct region *added;

	r.kind = (uint8_t)get(at, 1);
	r.role = (uint16_t)get(at, 2);
	r.file = (uint16_t)get(at, 2);
	r.ordinal = (uint32_t)get(at, 4);
	if (workset_region(w, &r) != (int)index)
		return false;
	added = &w->regions[index];
	return added->role == r.role && added->file == r.file && added->ordinal == r.ordinal;
}

static bool get_page(const unsigned char **at, struct workset *w, size_t index)
{
	struct wpage *p = &w->pages[index];

	p->key = get(at, 8);
	p->rank = (uint32_t)get(at, 4);
	p->last = (uint32_t)get(at, 4);
	if (!workset_fits(w, p->key) || p->last > w->activation || (index && p->key <= p[-1].key))
		return false;
	w->npages++;
	return true;
}

static const char *get_records(const unsigned char **at, const struct header *h, struct workset *w)
{
	void *pages = w->pages;

	for (size_t i = 0; i < h->nroles; i++)
		if (!get_role(at, w, i))
			return "bad role";
	for (size_t i = 0; i < h->nfiles; i++)
		if (!get_file(at, w, i))
			return "bad file";
	for (size_t i = 0; i < h->nregions; i++)
		if (!get_region(at, w, i))
			return "bad region";
	if (!pool_reserve(w->pool, &pages, &w->cap_pages, sizeof(*w->pages), (size_t)h->npages))
		return no_room;
	w->pages = pages;
	for (size_t i = 0; i < h->npages; i++)
		if (!get_page(at, w, i))
			return "bad page";
	return NULL;
}

const char *setfile_decode(struct workset *w, const char *group, const unsigned char *in, size_t n)
{
	struct header h;
	const char *wrong = get_header(&in, &h, group, n);

	if (wrong)
		return wrong;
	w->activation = h.activation;
	wrong = get_records(&in, &h, w);
	if (!wrong)
		return NULL;
	if (w->truncated)
		wrong = no_room;
	workset_clear(w);
	return wrong;
}
