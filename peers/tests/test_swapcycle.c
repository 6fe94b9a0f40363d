/* Unit test of the swap cycle. The kernel's part is played by this test: its swapoff(2) and swapon(2) keep a file
 * like /proc/swaps, as the first of them runs in another process. */
#include "peerd/swapcycle.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

enum off { OFF_DONE, OFF_NO_MEMORY, OFF_KILLED };

static char folder[] = "/tmp/test_swapcycle.XXXXXX", list[64], first[64], second[64], alias[64];
static enum off off;		   /* what comes of the next swapoff(2) */
static int refusals, refusal_errno; /* of swapon(2), before it does as told */
static bool on_by_others;	   /* while swapon(2) refuses */
static char switched_on[64];
static int flags_used, calls;

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert(f && fputs(text, f) >= 0 && !fclose(f));
}

static void put_list(unsigned used_of_first)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
		 "%s%-39s partition\t1048572\t\t%u\t\t7\n"
		 "%-39s file\t\t524284\t\t40\t\t-2\n",
		 "/dev/zram0 partition 1 1 100\n", first, used_of_first, second);
	put(list, text);
}

/* Lists the devices but for DEVICE. */
static void unlist(const char *device)
{
	char lines[8][256], path[PATH_MAX];
	int n = 0;
	FILE *f = fopen(list, "r");

	assert(f && realpath(device, path));
	while (n < 8 && fgets(lines[n], sizeof(lines[n]), f))
		n++;
	fclose(f);
	f = fopen(list, "w");
	assert(f);
	for (int i = 0; i < n; i++)
		if (strncmp(lines[i], path, strlen(path)) != 0)
			fputs(lines[i], f);
	fclose(f);
}

int swapoff(const char *path)
{
	if (off == OFF_DONE) {
		unlist(path);
		return 0;
	}
	put_list(1000); /* it got so far */
	if (off == OFF_KILLED)
		kill(getpid(), SIGKILL);
	errno = ENOMEM;
	return -1;
}

int swapon(const char *path, int flags)
{
	calls++;
	if (refusals) {
		refusals--;
		if (on_by_others)
			put_list(0);
		errno = refusal_errno;
		return -1;
	}
	snprintf(switched_on, sizeof(switched_on), "%s", path);
	flags_used = flags;
	return 0;
}

static struct outcome cycle(const char *device, const char *other)
{
	struct outcome o = { 0 };
	char *devices[] = { (char *)(uintptr_t)device, (char *)(uintptr_t)other };

	calls = 0;
	swap_cycle(list, devices, other ? 2 : 1, &o);
	return o;
}

static void test_each_is_off_and_on_again(void)
{
	struct outcome o;

	off = OFF_DONE;
	put_list(4000);
	o = cycle(first, NULL);
	assert(o.pages == 1000 && !o.detail[0] && calls == 1);
	assert(!strcmp(switched_on, first) && flags_used == (SWAP_FLAG_PREFER | 7));
	put_list(4000);
	o = cycle(first, second);
	assert(o.pages == 1010 && !o.detail[0] && calls == 2);
	assert(!strcmp(switched_on, second) && flags_used == 0); /* a priority below 0 is the kernel's choice */
	put_list(4000);
	o = cycle(alias, NULL);
	assert(o.pages == 1000 && !o.detail[0] && !strcmp(switched_on, alias));
}

static void expect(const struct outcome *o, uint64_t pages, const char *call, const char *device, const char *why)
{
	char detail[256];

	snprintf(detail, sizeof(detail), "%s%s: %s", call, device, why);
	assert(o->pages == pages && !strcmp(o->detail, detail));
}

static void test_swap_stays_on_where_memory_does_not_suffice(void)
{
	struct outcome o;

	off = OFF_KILLED;
	put_list(4000);
	o = cycle(first, NULL);
	expect(&o, 750, "swapoff ", first, "killed by signal 9 (out of memory)");
	assert(calls == 0);
	off = OFF_NO_MEMORY;
	put_list(4000);
	o = cycle(first, NULL);
	expect(&o, 750, "swapoff ", first, "Cannot allocate memory");
	assert(calls == 0);
}

static void test_swapon_is_tried_again(void)
{
	struct outcome o;

	off = OFF_DONE;
	put_list(4000);
	refusals = 1;
	refusal_errno = ENOMEM;
	o = cycle(first, NULL);
	assert(o.pages == 1000 && !o.detail[0] && calls == 2);
	put_list(4000);
	refusals = 1;
	refusal_errno = EINVAL;
	o = cycle(first, NULL);
	expect(&o, 1000, "swapon ", first, "Invalid argument");
	assert(calls == 1);
	put_list(4000);
	refusals = 1;
	refusal_errno = EBUSY;
	on_by_others = true;
	o = cycle(first, NULL);
	assert(o.pages == 1000 && !o.detail[0] && calls == 1);
	on_by_others = false;
}

static void test_what_is_no_swap_is_left_alone(void)
{
	struct outcome o;

	put_list(4000);
	o = cycle("/dev/nosuch", NULL);
	expect(&o, 0, "", "/dev/nosuch", "not in use as swap");
	o = cycle("/dev/null", first);
	expect(&o, 1000, "", "/dev/null", "not in use as swap");
	put_list(4000);
	o = cycle("/dev/null", "/dev/zero");
	expect(&o, 0, "", "/dev/null", "not in use as swap; /dev/zero: not in use as swap");
	unlink(list);
	o = cycle(first, NULL);
	expect(&o, 0, "", first, "not in use as swap");
	assert(calls == 0);
}

int main(void)
{
	assert(mkdtemp(folder));
	snprintf(list, sizeof(list), "%s/swaps", folder);
	snprintf(first, sizeof(first), "%s/a", folder);
	snprintf(second, sizeof(second), "%s/bc", folder);
	snprintf(alias, sizeof(alias), "%s/alias", folder);
	put(first, "");
	put(second, "");
	assert(!symlink(first, alias));
	test_each_is_off_and_on_again();
	test_swap_stays_on_where_memory_does_not_suffice();
	test_swapon_is_tried_again();
	test_what_is_no_swap_is_left_alone();
	unlink(first), unlink(second), unlink(alias);
	return rmdir(folder);
}
