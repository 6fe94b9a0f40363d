#include "guest_c/maps.h"

#include <string.h>

#include "guest_c/tests/check.h"

static struct vma parse(const char *line)
{
	struct vma v;

	CHECK(maps_parse(line, &v));
	return v;
}

static void test_kinds(void)
{
	struct vma text = parse("55d0c1a00000-55d0c1b2c000 r-xp 0002c000 fe:01 1234                       /usr/sbin/mariadbd");
	struct vma heap = parse("55d0c3000000-55d0c4000000 rw-p 00000000 00:00 0                          [heap]");
	struct vma plain = parse("7f12a0000000-7f12a8000000 rw-p 00000000 00:00 0 ");
	struct vma shared = parse("7f12b0000000-7f12b0010000 rw-s 00000000 00:01 42  /dev/zero (deleted)");

	CHECK(text.start == 0x55d0c1a00000 && text.end == 0x55d0c1b2c000 && text.file && !text.skip && !text.shared);
	CHECK(text.offset == 0x2c000 && strcmp(text.name, "/usr/sbin/mariadbd") == 0);
	CHECK(!heap.file && !heap.skip && strcmp(heap.name, "[heap]") == 0);
	CHECK(!plain.file && !plain.skip && plain.name[0] == 0 && plain.end == 0x7f12a8000000);
	CHECK(shared.file && shared.shared && !shared.skip);
}

static void test_nothing_to_scan(void)
{
	CHECK(parse("7f0000000000-7f8000000000 ---p 00000000 00:00 0 ").skip); /* MariaDB's reservation */
	CHECK(parse("7ffd1000-7ffd5000 r--p 00000000 00:00 0                          [vvar]").skip);
	CHECK(parse("7ffd5000-7ffd7000 r-xp 00000000 00:00 0                          [vdso]").skip);
	CHECK(parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]").skip);
	CHECK(!parse("7ffd5000-7ffd7000 rw-p 00000000 00:00 0                          [stack]").skip);
}

static void test_not_a_mapping(void)
{
	struct vma v;

	CHECK(!maps_parse("", &v));
	CHECK(!maps_parse("Rss:                 452 kB", &v));
	CHECK(!maps_parse("AnonHugePages:         0 kB", &v));
	CHECK(!maps_parse("FilePmdMapped:         0 kB", &v));
	CHECK(!maps_parse("VmFlags: rd ex mr mw me sd", &v));
	CHECK(!maps_parse("7f12a0000000-7f12a8000000 rw", &v));
	CHECK(!maps_parse("7f12a8000000-7f12a0000000 rw-p 00000000 00:00 0 ", &v)); /* ends before it starts */
}

static void test_smaps_fields(void)
{
	uint64_t kb = 7;

	CHECK(smaps_field("Swap:              40960 kB", "Swap", &kb) && kb == 40960);
	CHECK(smaps_field("Rss:                   0 kB", "Rss", &kb) && kb == 0);
	CHECK(!smaps_field("SwapPss:             12 kB", "Swap", &kb));
	CHECK(!smaps_field("Swap:", "Swap", &kb));
	CHECK(kb == 0);
}

int main(void)
{
	test_kinds();
	test_nothing_to_scan();
	test_not_a_mapping();
	test_smaps_fields();
	return 0;
}
