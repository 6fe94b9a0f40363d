/* Unit test of the mappings that are chosen, whatever the pieces that the text comes in. */
#include "own_madvise/mapsfeed.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static const char TEXT[] =
	"55d0c0a00000-55d0c0a02000 r-xp 00000000 fe:00 1234                       /usr/sbin/server\n"
	"55d0c0a02000-55d0c0a03000 rw-p 00002000 fe:00 1234                       /usr/sbin/server\n"
	"55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]\n"
	"7e0000000000-7e8000000000 ---p 00000000 00:00 0 \n"
	"7e8000000000-7e8028f00000 rw-p 00000000 00:00 0 \n"
	"7e8028f00000-7e8028f01000 r--p 00000000 00:00 0 \n"
	"7e8028f01000-7e8028f02000 -w-p 00000000 00:00 0 \n"
	"7e8028f02000-7e8028f03000 rwxp 00000000 00:00 0 \n"
	"7e8028f03000-7e8028f04000 rw-s 00000000 00:01 77                         /dev/zero (deleted)\n"
	"7e8028f04000-7e8028f06000 rw-p 00000000 00:00 0                          [anon:buffer pool]\n"
	"7e8028f06000-7e8028f07000 rw-p 00000000 fe:00 99                         "
	"/a/very/long/path/that/goes/on/and/on/and/on/and/on/and/on/and/on/and/on/and/on/until/it/does/not/fit\n"
	"7e8028f07000-7e8028f08000 rw-s 00000000 00:00 0 \n"
	"\n"
	"no mapping at all\n"
	"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n"
	"7ffc00100000-7ffc00101000 rw-p 00000000 00:00 0                          [vvar]\n"
	"7ffc00200000-7ffc00200000 rw-p 00000000 00:00 0 \n"
	"7ffc00300000-7ffc00301000 rw-p 00000000 00:00 0 "; /* the end of its line has not come yet */

static const struct {
	uintptr_t start;
	size_t size;
} EXPECTED[] = {
	{ 0x55d0c1000000, 0x21000 },
	{ 0x7e8000000000, 0x28f00000 },
	{ 0x7e8028f02000, 0x1000 },
	{ 0x7e8028f04000, 0x2000 },
};

static size_t seen;

static void expect(void *start, size_t size)
{
	assert(seen < sizeof(EXPECTED) / sizeof(*EXPECTED));
	assert((uintptr_t)start == EXPECTED[seen].start && size == EXPECTED[seen].size);
	seen++;
}

int main(void)
{
	for (size_t piece = 1; piece <= sizeof(TEXT); piece++) {
		struct maps_feed feed = { .length = 0 };

		seen = 0;
		for (size_t at = 0; at < sizeof(TEXT) - 1; at += piece) {
			size_t left = sizeof(TEXT) - 1 - at;

			maps_feed(&feed, TEXT + at, left < piece ? left : piece, expect);
		}
		assert(seen == sizeof(EXPECTED) / sizeof(*EXPECTED));
	}
	return 0;
}
