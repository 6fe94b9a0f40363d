/* Unit test of the reader on made-up processes: a folder like /proc, whose pagemap and mem are sparse files. */
#include "peerd/readmemory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SWAPPED (UINT64_C(1) << 62)
#define PRESENT (UINT64_C(1) << 63)

enum mem { MEM_READABLE, MEM_FAILS, MEM_UNMAPPED };

static char folder[] = "/tmp/test_readmemory.XXXXXX", proc[64], group[64];
static uint64_t page;
static enum mem mem; /* what becomes of reads of mem, which are of one byte */

static void set_entry(int pid, uint64_t index, uint64_t entry);

ssize_t pread(int fd, void *buf, size_t size, off_t offset)
{
	if (size != 1 || mem == MEM_READABLE)
		return syscall(SYS_pread64, fd, buf, size, offset);
	if (mem == MEM_UNMAPPED)
		set_entry(9, (uint64_t)offset / page, 0);
	errno = EIO;
	return -1;
}

static const char *path_of(int pid, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	return path;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert(f && fputs(text, f) >= 0 && !fclose(f));
}

static void put_members(const char *below, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", group, below);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s%s/cgroup.procs", group, below);
	put(path, text);
}

static void set_entry(int pid, uint64_t index, uint64_t entry)
{
	int fd = open(path_of(pid, "pagemap"), O_WRONLY | O_CREAT, 0600);

	assert(fd >= 0 && pwrite(fd, &entry, sizeof(entry), (off_t)(index * sizeof(entry))) == sizeof(entry));
	close(fd);
}

/* Pages 16 to 31 with what smaps has of them, 32 to 39 that are in swap by pagemap only, 1000 to 1999 with swap. */
static void put_process(int pid)
{
	char text[2048];

	mkdir(path_of(pid, ""), 0700);
	snprintf(text, sizeof(text),
		 "%08lx-%08lx rw-p 00000000 00:00 0                          [heap]\n"
		 "Size:                 64 kB\nAnonymous:            12 kB\nFilePmdMapped:         0 kB\n"
		 "Swap:                 12 kB\nSwapPss:              12 kB\nVmFlags: rd wr mr mw me ac \n"
		 "%08lx-%08lx rw-p 00000000 00:00 0 \n"
		 "Swap:                  0 kB\nSwapPss:               4 kB\n"
		 "%08lx-%08lx rw-p 00000000 00:00 0 \n"
		 "Swap:                  8 kB\n",
		 16 * page, 32 * page, 32 * page, 40 * page, 1000 * page, 2000 * page);
	put(path_of(pid, "smaps"), text);
	put(path_of(pid, "mem"), "");
	assert(!truncate(path_of(pid, "mem"), (off_t)(2000 * page)));
	set_entry(pid, 1999, 0);
}

static struct outcome read_group(void)
{
	struct outcome o = { 0 };

	read_memory(proc, group, &o);
	return o;
}

static void test_pages_in_swap_are_read(void)
{
	struct outcome o;

	put_process(7);
	put_members("", "7\n");
	o = read_group();
	assert(o.pages == 0 && !o.detail[0]);
	set_entry(7, 15, SWAPPED); /* of no mapping */
	set_entry(7, 16, SWAPPED);
	set_entry(7, 17, PRESENT);
	set_entry(7, 31, SWAPPED | 5);
	set_entry(7, 32, SWAPPED); /* smaps knows better */
	o = read_group();
	assert(o.pages == 2 && !o.detail[0]);
	set_entry(7, 1000, SWAPPED);
	set_entry(7, 1511, SWAPPED); /* the last that is read at a time, and the next */
	set_entry(7, 1512, SWAPPED);
	set_entry(7, 1999, SWAPPED);
	o = read_group();
	assert(o.pages == 6 && !o.detail[0]);
}

static void test_the_cgroups_below_count(void)
{
	struct outcome o;

	put_process(8);
	set_entry(8, 20, SWAPPED);
	put_process(9);
	set_entry(9, 20, SWAPPED);
	put_process(10);
	set_entry(10, 20, SWAPPED);
	put_members("", "0\n");
	put_members("/a", "8\n");
	put_members("/a/b", "9\n");
	o = read_group();
	assert(o.pages == 2 && !o.detail[0]);
}

static void test_processes_that_end_are_no_failure(void)
{
	struct outcome o;

	put_members("", "4321\n8\n");
	put_members("/a", "");
	put_members("/a/b", "");
	o = read_group();
	assert(o.pages == 1 && !o.detail[0]);
	/* In the midst of it: mem and pagemap end, as they do when the address space goes. */
	put_members("", "7\n8\n");
	assert(!truncate(path_of(7, "mem"), (off_t)(1200 * page)));
	o = read_group();
	assert(o.pages == 4 && !o.detail[0]);
	put(path_of(7, "pagemap"), "");
	o = read_group();
	assert(o.pages == 1 && !o.detail[0]);
}

static void test_a_page_unmapped_meanwhile_is_no_failure(void)
{
	struct outcome o;

	put_members("", "9\n");
	mem = MEM_UNMAPPED;
	o = read_group();
	mem = MEM_READABLE;
	assert(o.pages == 0 && !o.detail[0]);
	set_entry(9, 20, SWAPPED);
}

static void expect(const struct outcome *o, uint64_t pages, const char *path, const char *why)
{
	char detail[256];

	snprintf(detail, sizeof(detail), "%s: %s", path, why);
	assert(o->pages == pages && !strcmp(o->detail, detail));
}

static void test_failures_are_told(void)
{
	struct outcome o;

	put_members("", "9\n");
	mem = MEM_FAILS;
	o = read_group();
	expect(&o, 0, path_of(9, "mem"), "Input/output error");
	mem = MEM_READABLE;
	/* A folder can be opened but not read. */
	put_members("", "9\n8\n");
	unlink(path_of(9, "pagemap"));
	mkdir(path_of(9, "pagemap"), 0700);
	o = read_group();
	expect(&o, 1, path_of(9, "pagemap"), "Is a directory");
	o = (struct outcome){ 0 };
	read_memory(proc, "/nosuch", &o);
	expect(&o, 0, "/nosuch", "No such file or directory");
}

static void test_cgroups_that_are_too_deep_are_told(void)
{
	char below[64] = "";
	struct outcome o;

	put_members("", "");
	for (int depth = 1; depth <= 8; depth++) {
		strcat(below, "/d");
		put_members(below, depth < 7 ? "" : "8\n");
	}
	o = read_group();
	assert(o.pages == 1 && strstr(o.detail, "/d/d/d/d/d/d/d: too many cgroups below one another"));
}

static int delete(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	assert(mkdtemp(folder));
	snprintf(proc, sizeof(proc), "%s/proc", folder);
	snprintf(group, sizeof(group), "%s/group", folder);
	assert(!mkdir(proc, 0700));
	test_pages_in_swap_are_read();
	test_the_cgroups_below_count();
	test_processes_that_end_are_no_failure();
	test_a_page_unmapped_meanwhile_is_no_failure();
	test_failures_are_told();
	test_cgroups_that_are_too_deep_are_told();
	return nftw(folder, delete, 16, FTW_DEPTH | FTW_PHYS);
}
