/* Tells on standard error what madvise(2) would have been asked for. */
#include <stdio.h>
#include <sys/mman.h>

__attribute__((visibility("default"))) int madvise(void *start, size_t length, int advice)
{
	dprintf(2, "madvise %zu %zu %d\n", (size_t)start, length, advice);
	return 0;
}
