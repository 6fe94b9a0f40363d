#include "kernel/disks.h"

#include "guest_c/tests/check.h"

int main(void)
{
	uint64_t reads = 99;

	CHECK(inflight_parse("      12        3\n", &reads) && reads == 12);
	CHECK(!inflight_parse("", &reads));
	CHECK(!inflight_parse("12", &reads));
	return 0;
}
