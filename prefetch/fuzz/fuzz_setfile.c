/* Set files: what is accepted means those very bytes, and stays acceptable after everything that is done to a set. */
#include <stdlib.h>
#include <string.h>

#include "model/setfile.h"

#define GROUP	     "web"
#define ARENA	     ((size_t)16 << 20)
#define HEADER_BYTES 304u
#define CRC_AT	     12u
#define SIZE_AT	     16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct pool pool;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static unsigned char *encoded(const struct workset *w, size_t *size)
{
	unsigned char *bytes;

	*size = setfile_bytes(w, GROUP);
	bytes = malloc(*size);
	require(bytes && setfile_encode(w, GROUP, bytes) == *size);
	return bytes;
}

static void use(struct workset *w)
{
	struct extent out[16];
	struct workset copy;
	uint64_t pages;
	unsigned char *bytes;
	size_t size;

	require(workset_extents(w, 8, out, 16, &pages) <= 16 && pages <= w->npages);
	workset_init(&copy, &pool);
	require(workset_copy_last(&copy, w, w->activation));
	require(workset_learn(w, copy.pages, copy.npages) == 0);
	workset_clear(&copy);
	workset_age(w, 2);
	bytes = encoded(w, &size);
	require(!setfile_decode(&copy, GROUP, bytes, size) && copy.npages == w->npages);
	workset_clear(&copy);
	free(bytes);
}

static void decode(const unsigned char *in, size_t n)
{
	struct workset w;
	unsigned char *again;
	size_t size;

	workset_init(&w, &pool);
	if (!setfile_decode(&w, GROUP, in, n)) {
		again = encoded(&w, &size);
		require(size == n && memcmp(again, in, n) == 0);
		free(again);
		use(&w);
	}
	workset_clear(&w);
	require(pool.used == 0);
}

static void put(unsigned char *out, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		out[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t checksum(const unsigned char *in, size_t n)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	unsigned char *patched;

	if (!pool.base)
		require(pool_create(&pool, ARENA) == 0);
	decode(data, n);
	if (n < HEADER_BYTES)
		return 0;
	/* Nearly no input has the right size and checksum by chance. */
	patched = malloc(n);
	require(patched);
	memcpy(patched, data, n);
	put(patched + SIZE_AT, n, 8);
	put(patched + CRC_AT, checksum(patched, n), 4);
	decode(patched, n);
	free(patched);
	return 0;
}
