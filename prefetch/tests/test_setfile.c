#include "model/setfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_c/tests/check.h"

#define ARENA	  ((size_t)4 << 20)
#define GROUP	  "web/app-1.service"
#define PAGE_SIZE ((uint64_t)1 << WS_PAGE_SHIFT)

/* Where things lie in a file: what a change of the format must not change unnoticed. */
#define VERSION_AT  8
#define CRC_AT	    12
#define SIZE_AT	    16
#define ACTIVATION  24
#define COUNTS_AT   28
#define NPAGES_AT   40
#define GROUP_AT    48
#define RECORDS_AT  304
#define ROLE_BYTES  164
#define FILE_BYTES  192
#define REGION_BYTES 9u
#define PAGE_BYTES  16

static struct pool pool;
static char directory[] = "/tmp/test_setfile.XXXXXX";

static void make_set(struct workset *w)
{
	const struct wfile library = { 1, 2, 3 * PAGE_SIZE - 1, UINT64_C(1700000000123456789), "/usr/lib/libssl.so.3" };
	const struct wfile data = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, "/var/lib/data" };
	const struct region regions[] = {
		{ .kind = REGION_ANON, .role = 1, .ordinal = 3 },
		{ .kind = REGION_FILE, .file = 0 },
		{ .kind = REGION_COW, .role = 1, .file = 1 },
		{ .kind = REGION_HEAP, .role = 0 },
		{ .kind = REGION_STACK, .role = 1 },
		{ .kind = REGION_SHMEM, .role = 0, .ordinal = UINT32_MAX },
	};
	const struct wpage first[] = {
		{ ws_key(0, 0), 10, 0 }, { ws_key(0, 1023), WS_NO_RANK, 0 }, { ws_key(1, 2), 0, 0 },
		{ ws_key(3, (UINT64_C(1) << WS_REGION_BITS) - 1), 77, 0 },
	};
	const struct wpage second[] = { { ws_key(0, 1), 5, 0 }, { ws_key(2, 1u << 30), 6, 0 }, { ws_key(5, 9), 7, 0 } };

	workset_init(w, &pool);
	CHECK(workset_role(w, "/usr/sbin/apache2", 0, false) == 0);
	CHECK(workset_role(w, "/usr/sbin/apache2", 0, true) == 1);
	w->roles[1].trust = WS_MAX_TRUST;
	CHECK(workset_file(w, &library) == 0 && workset_file(w, &data) == 1);
	for (int i = 0; i < 6; i++)
		CHECK(workset_region(w, &regions[i]) == i);
	w->activation = 1;
	CHECK(workset_learn(w, first, 4) == 4);
	w->activation = 2;
	CHECK(workset_learn(w, second, 3) == 3);
}

static bool same_sets(const struct workset *a, const struct workset *b)
{
	if (a->nroles != b->nroles || a->nfiles != b->nfiles || a->nregions != b->nregions || a->npages != b->npages)
		return false;
	for (size_t i = 0; i < a->nroles; i++)
		if (strcmp(a->roles[i].exe, b->roles[i].exe) != 0 || a->roles[i].ordinal != b->roles[i].ordinal ||
		    a->roles[i].worker != b->roles[i].worker || a->roles[i].trust != b->roles[i].trust)
			return false;
	for (size_t i = 0; i < a->nfiles; i++)
		if (strcmp(a->files[i].path, b->files[i].path) != 0 || a->files[i].device != b->files[i].device ||
		    a->files[i].inode != b->files[i].inode || a->files[i].bytes != b->files[i].bytes ||
		    a->files[i].mtime_ns != b->files[i].mtime_ns)
			return false;
	for (size_t i = 0; i < a->nregions; i++)
		if (workset_find_region(b, &a->regions[i]) != (int)i)
			return false;
	for (size_t i = 0; i < a->npages; i++)
		if (a->pages[i].key != b->pages[i].key || a->pages[i].rank != b->pages[i].rank ||
		    a->pages[i].last != b->pages[i].last)
			return false;
	return a->activation == b->activation;
}

static unsigned char *encoded(size_t *size)
{
	struct workset w;
	unsigned char *bytes;

	make_set(&w);
	*size = setfile_bytes(&w, GROUP);
	bytes = malloc(*size);
	CHECK(bytes && setfile_encode(&w, GROUP, bytes) == *size);
	workset_clear(&w);
	return bytes;
}

/* Bit by bit, for comparison. */
static uint32_t crc32_of(const unsigned char *in, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		if (i >= CRC_AT && i < CRC_AT + 4)
			continue;
		crc ^= in[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void put(unsigned char *out, size_t at, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		out[at + i] = (unsigned char)(value >> 8 * i);
}

static void patch_crc(unsigned char *in, size_t n)
{
	put(in, CRC_AT, crc32_of(in, n), 4);
}

/* What decoding says, from a copy without a byte to spare; a set that was refused must be empty. */
static const char *decode(const unsigned char *in, size_t n, struct workset *w)
{
	unsigned char *copy = malloc(n ? n : 1);
	const char *wrong;

	CHECK(copy);
	if (n)
		memcpy(copy, in, n);
	workset_init(w, &pool);
	wrong = setfile_decode(w, GROUP, copy, n);
	free(copy);
	CHECK(!wrong || (*wrong && pool.used == 0 && w->npages == 0 && w->nroles == 0 && !w->pages));
	return wrong;
}

static void test_round_trip(void)
{
	size_t size;
	unsigned char *bytes = encoded(&size);
	unsigned char *again = malloc(size);
	struct workset made;
	struct workset w;

	CHECK(size == RECORDS_AT + 2 * ROLE_BYTES + 2 * FILE_BYTES + 6 * REGION_BYTES + 7 * PAGE_BYTES);
	CHECK(again && !decode(bytes, size, &w));
	make_set(&made);
	CHECK(same_sets(&w, &made) && !w.truncated);
	CHECK(setfile_encode(&w, GROUP, again) == size && memcmp(again, bytes, size) == 0);
	workset_clear(&w);
	workset_clear(&made);
	CHECK(pool.used == 0);
	free(again);
	free(bytes);
}

static void test_empty_set(void)
{
	unsigned char bytes[RECORDS_AT];
	struct workset w;

	workset_init(&w, &pool);
	CHECK(setfile_bytes(&w, GROUP) == sizeof(bytes) && setfile_encode(&w, GROUP, bytes) == sizeof(bytes));
	CHECK(!decode(bytes, sizeof(bytes), &w) && w.nregions == 0 && pool.used == 0);
}

static void test_format_is_fixed(void)
{
	size_t size;
	unsigned char *bytes = encoded(&size);
	const unsigned char head[] = { 'p', 'r', 'e', 'f', 's', 'e', 't', '\n', 1, 0, 0, 0 };
	const unsigned char counts[] = { 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0 };
	const unsigned char page[] = { 0xff, 3, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0 };
	const unsigned char digits[] = "123456789\0\0\0\0";

	CHECK(memcmp(bytes, head, sizeof(head)) == 0);
	CHECK(memcmp(bytes + ACTIVATION, counts, sizeof(counts)) == 0);
	CHECK(memcmp(bytes + GROUP_AT, GROUP, sizeof(GROUP)) == 0);
	CHECK(memcmp(bytes + size - 5 * PAGE_BYTES, page, sizeof(page)) == 0);
	CHECK(crc32_of(digits, 9) == 0xcbf43926u); /* the check value of this CRC */
	CHECK((uint32_t)(bytes[CRC_AT] | bytes[CRC_AT + 1] << 8 | bytes[CRC_AT + 2] << 16) +
		      ((uint32_t)bytes[CRC_AT + 3] << 24) == crc32_of(bytes, size));
	free(bytes);
}

static void test_cut_anywhere(void)
{
	size_t size;
	unsigned char *bytes = encoded(&size);
	unsigned char *cut = malloc(size + 1);
	struct workset w;

	CHECK(cut);
	for (size_t n = 0; n < size; n++) {
		CHECK(decode(bytes, n, &w));
		/* Now with a size and a checksum that are right. */
		memcpy(cut, bytes, n);
		if (n < RECORDS_AT)
			continue;
		put(cut, SIZE_AT, n, 8);
		patch_crc(cut, n);
		CHECK(decode(cut, n, &w));
	}
	memcpy(cut, bytes, size);
	cut[size] = 0;
	CHECK(decode(cut, size + 1, &w));
	put(cut, SIZE_AT, size + 1, 8);
	patch_crc(cut, size + 1);
	CHECK(strcmp(decode(cut, size + 1, &w), "bad counts") == 0);
	free(cut);
	free(bytes);
}

static void test_every_flip_is_refused(void)
{
	size_t size;
	unsigned char *bytes = encoded(&size);
	struct workset w;

	for (size_t at = 0; at < size; at++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes[at] ^= (unsigned char)(1 << bit);
			CHECK(decode(bytes, size, &w));
			bytes[at] ^= (unsigned char)(1 << bit);
		}
		bytes[at] ^= 0xff;
		CHECK(decode(bytes, size, &w));
		bytes[at] ^= 0xff;
	}
	CHECK(!decode(bytes, size, &w));
	workset_clear(&w);
	free(bytes);
}

/* With a checksum that is right, each byte takes many values: what is accepted must mean those very bytes. */
static void test_every_value_with_right_checksum(void)
{
	size_t size;
	unsigned char *bytes = encoded(&size);
	unsigned char *again = malloc(size);
	struct workset w;
	size_t accepted = 0;

	CHECK(again);
	for (size_t at = 0; at < size; at++) {
		unsigned char was = bytes[at];

		for (unsigned int value = 0; value < 256; value += value < 8 ? 1 : 13) {
			bytes[at] = (unsigned char)value;
			patch_crc(bytes, size);
			if (decode(bytes, size, &w))
				continue;
			CHECK(setfile_encode(&w, GROUP, again) == size && memcmp(again, bytes, size) == 0);
			workset_clear(&w);
			accepted++;
		}
		bytes[at] = was;
	}
	CHECK(accepted > size && pool.used == 0);
	free(again);
	free(bytes);
}

static bool says(unsigned char *bytes, size_t size, size_t at, uint64_t value, unsigned int width, const char *wrong)
{
	unsigned char was[8];
	struct workset w;
	const char *said;

	memcpy(was, bytes + at, width);
	put(bytes, at, value, width);
	patch_crc(bytes, size);
	said = decode(bytes, size, &w);
	if (!said || strcmp(said, wrong) != 0)
		fprintf(stderr, "said: %s\n", said ? said : "nothing");
	memcpy(bytes + at, was, width);
	return said && strcmp(said, wrong) == 0;
}

static void test_what_is_wrong(void)
{
	size_t n;
	unsigned char *b = encoded(&n);
	size_t files = RECORDS_AT + 2 * ROLE_BYTES;
	size_t regions = files + 2 * FILE_BYTES;
	size_t pages = regions + 6 * REGION_BYTES;

	CHECK(says(b, n, 0, 'P', 1, "not a set file"));
	CHECK(says(b, n, VERSION_AT, SETFILE_VERSION + 1, 4, "of another version"));
	CHECK(says(b, n, SIZE_AT, n - 1, 8, "cut or too long"));
	CHECK(says(b, n, COUNTS_AT, UINT32_MAX, 4, "bad counts"));
	CHECK(says(b, n, COUNTS_AT, WS_MAX_ROLES + 1, 4, "bad counts"));
	CHECK(says(b, n, NPAGES_AT, UINT64_MAX, 8, "bad counts"));
	CHECK(says(b, n, NPAGES_AT, (UINT64_C(1) << 60) + 7, 8, "bad counts")); /* times 16 is 7 * 16 again */
	CHECK(says(b, n, NPAGES_AT, 6, 8, "bad counts"));
	CHECK(says(b, n, GROUP_AT, 'W', 1, "of another group"));
	CHECK(says(b, n, GROUP_AT + 255, 'x', 1, "bad group name"));
	CHECK(says(b, n, ACTIVATION, 1, 4, "bad page")); /* one was last seen in activation 2 */
	CHECK(says(b, n, RECORDS_AT + WS_PATH_CAP - 1, 'x', 1, "bad role"));
	CHECK(says(b, n, RECORDS_AT + WS_PATH_CAP + 2, 2, 1, "bad role")); /* worker is 0 or 1 */
	CHECK(says(b, n, RECORDS_AT + WS_PATH_CAP + 2, 1, 1, "bad role")); /* the same as the next */
	CHECK(says(b, n, RECORDS_AT + WS_PATH_CAP + 3, WS_MAX_TRUST + 1, 1, "bad role"));
	CHECK(says(b, n, files + FILE_BYTES - 1, 'x', 1, "bad file"));
	CHECK(says(b, n, regions, REGION_KINDS, 1, "bad region"));
	CHECK(says(b, n, regions + 1, 2, 2, "bad region")); /* no such role */
	CHECK(says(b, n, regions + 3, 1, 2, "bad region")); /* a file, of memory */
	CHECK(says(b, n, regions + REGION_BYTES + 3, 2, 2, "bad region")); /* no such file */
	CHECK(says(b, n, regions + REGION_BYTES + 1, 1, 2, "bad region")); /* a role, of a file */
	CHECK(says(b, n, regions + 3 * REGION_BYTES + 5, 1, 4, "bad region")); /* a second heap */
	CHECK(says(b, n, pages, ws_key(0, 1), 8, "bad page")); /* twice */
	CHECK(says(b, n, pages, ws_key(0, 2), 8, "bad page")); /* out of order */
	CHECK(says(b, n, pages + 6 * PAGE_BYTES, ws_key(6, 0), 8, "bad page"));
	CHECK(says(b, n, pages + 3 * PAGE_BYTES, ws_key(1, 3), 8, "bad page")); /* behind the file's end */
	free(b);
}

static void test_no_room(void)
{
	size_t size;
	unsigned char *bytes = encoded(&size);
	struct pool small;
	struct workset w;

	for (size_t blocks = 1; blocks <= 4; blocks *= 2) {
		const char *wrong;

		CHECK(pool_create(&small, blocks * POOL_MIN_BYTES) == 0);
		workset_init(&w, &small);
		wrong = setfile_decode(&w, GROUP, bytes, size);
		CHECK(blocks == 4 ? !wrong : strcmp(wrong, "no room for it") == 0 && small.used == 0);
		pool_destroy(&small);
	}
	free(bytes);
}

static void test_long_group_names(void)
{
	char group[300];
	char path[1024];
	struct workset w;

	memset(group, 'g', sizeof(group));
	group[256] = 0;
	make_set(&w);
	CHECK(setfile_bytes(&w, group) == 0 && setfile_save(&w, directory, group) == -1 && errno == ENAMETOOLONG);
	group[255] = 0;
	CHECK(setfile_bytes(&w, group) > 0 && setfile_path(path, sizeof(path), directory, group) == -1);
	CHECK(setfile_save(&w, directory, "") == -1);
	CHECK(setfile_path(path, 8, "/var", "web") == -1 && setfile_path(path, 13, "/var", "web") == 0);
	CHECK(strcmp(path, "/var/web.set") == 0);
	CHECK(setfile_path(path, sizeof(path), "/var", "../%2F/x") == 0);
	CHECK(strcmp(path, "/var/..%2F%252F%2Fx.set") == 0);
	workset_clear(&w);
}

static bool refused(const char *path, const char *why)
{
	struct workset w;
	const char *wrong;

	workset_init(&w, &pool);
	errno = 0;
	wrong = setfile_load(&w, path, GROUP);
	if (!wrong || strcmp(wrong, why) != 0)
		fprintf(stderr, "said: %s\n", wrong ? wrong : "nothing");
	return wrong && strcmp(wrong, why) == 0 && w.npages == 0 && pool.used == 0;
}

static bool loads(const char *path)
{
	struct workset made;
	struct workset w;
	bool same;

	make_set(&made);
	workset_init(&w, &pool);
	same = !setfile_load(&w, path, GROUP) && same_sets(&w, &made);
	workset_clear(&w);
	workset_clear(&made);
	return same && pool.used == 0;
}

static void save(void)
{
	struct workset w;
	size_t used;

	make_set(&w);
	used = pool.used;
	CHECK(setfile_save(&w, directory, GROUP) == 0 && pool.used == used);
	workset_clear(&w);
}

static void test_save_and_load(void)
{
	char path[256];
	char other[300];
	struct workset w;
	struct stat st;

	CHECK(setfile_path(path, sizeof(path), directory, GROUP) == 0);
	CHECK(refused(path, "") && errno == ENOENT);
	save();
	CHECK(loads(path) && stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	snprintf(other, sizeof(other), "%s.tmp", path);
	CHECK(symlink("/nowhere", other) == 0); /* must be neither followed nor in the way */
	save();
	CHECK(loads(path) && access(other, F_OK) == -1);
	CHECK(chmod(path, 0620) == 0 && refused(path, "writable by others than its owner"));
	CHECK(chmod(path, 0602) == 0 && refused(path, "writable by others than its owner"));
	CHECK(chmod(path, 0644) == 0 && loads(path));
	CHECK(truncate(path, 300) == 0 && refused(path, "too short"));
	CHECK(truncate(path, 0) == 0 && refused(path, "too short"));
	CHECK(truncate(path, (64 << 20) + 1) == 0 && refused(path, "too large"));
	CHECK(truncate(path, 64 << 20) == 0 && refused(path, "no room for it"));
	save(); /* replaces what is broken */
	CHECK(loads(path));
	make_set(&w);
	CHECK(unlink(path) == 0 && setfile_write(&w, path, GROUP) == 0);
	workset_clear(&w);
	CHECK(loads(path));
	CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0 && refused(path, "not a regular file"));
	CHECK(unlink(path) == 0 && refused(directory, "not a regular file"));
	snprintf(other, sizeof(other), "%s/no/such.set", directory);
	CHECK(refused(other, "") && errno == ENOENT);
}

static void test_oldest_sets_are_removed(void)
{
	static const char *const names[] = { "c.set", "a.set", "b.set", "notes" }; /* in the order they were saved */
	char path[256];

	for (int i = 0; i < 4; i++) {
		struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 + i } };
		int fd;

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		CHECK(fd >= 0 && futimens(fd, times) == 0 && close(fd) == 0);
	}
	CHECK(setfile_tidy(directory, 3) == 0);
	CHECK(setfile_tidy(directory, 1) == 2);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		CHECK((unlink(path) == 0) == (i >= 2));
	}
	CHECK(setfile_tidy("/nonexistent", 1) == 0);
}

static void test_save_fails(void)
{
	char missing[64];
	char path[256];
	struct workset w;
	void *rest;

	make_set(&w);
	snprintf(missing, sizeof(missing), "%s/none", directory);
	CHECK(setfile_save(&w, missing, GROUP) == -1 && errno == ENOENT);
	CHECK(setfile_write(&w, directory, GROUP) == -1 && errno == EISDIR);
	CHECK(setfile_path(path, sizeof(path), directory, GROUP) == 0 && mkdir(path, 0700) == 0);
	CHECK(setfile_save(&w, directory, GROUP) == -1 && errno == EISDIR);
	CHECK(rmdir(path) == 0);
	while ((rest = pool_take(&pool, POOL_MIN_BYTES)))
		continue;
	CHECK(setfile_save(&w, directory, GROUP) == -1 && errno == ENOMEM);
	CHECK(rmdir(directory) == 0); /* nothing was left behind */
}

int main(void)
{
	CHECK(pool_create(&pool, ARENA) == 0);
	CHECK(mkdtemp(directory));
	test_round_trip();
	test_empty_set();
	test_format_is_fixed();
	test_cut_anywhere();
	test_every_flip_is_refused();
	test_every_value_with_right_checksum();
	test_what_is_wrong();
	test_no_room();
	test_long_group_names();
	test_save_and_load();
	test_oldest_sets_are_removed();
	test_save_fails();
	pool_destroy(&pool);
	return 0;
}
