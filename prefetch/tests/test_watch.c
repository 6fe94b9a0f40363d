#include "kernel/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_c/tests/check.h"

#define MAX  8
#define DATA 42

static char top[] = "/tmp/test_watch.XXXXXX";
static int epfd;
static struct watch *w;
static struct found_cgroup found[MAX];

struct path {
	char text[WATCH_PATH_CAP];
};

static struct path under_top(const char *name)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%s", top, name);
	return path;
}

static void make(const char *name)
{
	CHECK(mkdir(under_top(name).text, 0755) == 0);
}

static void take_away(const char *name)
{
	CHECK(rmdir(under_top(name).text) == 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level ? remove(path) : 0;
}

static void open_watch(const char *const *patterns, size_t n)
{
	w = watch_open(epfd, DATA, patterns, n);
	CHECK(w && watch_complete(w));
}

static void close_watch(void)
{
	watch_close(w);
	CHECK(nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Whether epoll and watch_read say so. */
static bool told(void)
{
	struct epoll_event event;
	bool changed;

	if (epoll_wait(epfd, &event, 1, 0) != 1)
		return false;
	CHECK(event.data.u64 == DATA);
	changed = watch_read(w);
	CHECK(epoll_wait(epfd, &event, 1, 0) == 0);
	return changed;
}

static size_t find(const char *pattern)
{
	return watch_find(w, pattern, found, MAX);
}

/* inotify's own count of watches, as fdinfo lists them. */
static unsigned int kernel_watches(void)
{
	unsigned int n = 0;
	char line[256];
	char path[64];

	for (int fd = 0; fd < 32; fd++) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		file = fopen(path, "re");
		if (!file)
			continue;
		while (fgets(line, sizeof(line), file))
			n += strncmp(line, "inotify wd:", 11) == 0;
		fclose(file);
	}
	return n;
}

static void test_births_and_deaths(void)
{
	const struct path one = under_top("one");
	const struct path some = under_top("some-*.scope");

	open_watch((const char *[]){ one.text, some.text }, 2);
	CHECK(find(one.text) == 0 && find(some.text) == 0);
	CHECK(!told());

	make("one");
	CHECK(told() && !told());
	CHECK(find(one.text) == 1 && strcmp(found[0].path, one.text) == 0 && find(some.text) == 0);

	make("some-b.scope");
	make("some-a.scope");
	CHECK(told());
	CHECK(find(some.text) == 2);
	CHECK(strcmp(found[0].path, under_top("some-a.scope").text) == 0);
	CHECK(strcmp(found[1].path, under_top("some-b.scope").text) == 0);
	CHECK(watch_find(w, some.text, found, 1) == 1 && watch_find(w, some.text, found, 0) == 0);

	take_away("some-a.scope");
	CHECK(told());
	CHECK(find(some.text) == 1 && strcmp(found[0].path, under_top("some-b.scope").text) == 0);
	close_watch();
}

static void test_what_no_pattern_matches_is_not_told(void)
{
	const struct path pattern = under_top("a-*/b");
	int fd;

	open_watch((const char *[]){ pattern.text }, 1);
	make("other");
	make("other/b");
	make("a-1");
	CHECK(told());
	CHECK(find(pattern.text) == 0);
	make("a-1/c");
	fd = open(under_top("a-1/b").text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK(!told());
	CHECK(find(pattern.text) == 0); /* b is a file */
	close_watch();
}

static void test_recreated_under_the_same_name(void)
{
	const struct path pattern = under_top("c");
	uint64_t inode;
	int fd;

	make("c");
	open_watch((const char *[]){ pattern.text }, 1);
	CHECK(find(pattern.text) == 1);
	inode = found[0].inode;
	fd = open(pattern.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* or the file system may give the number again */
	CHECK(fd >= 0);
	take_away("c");
	make("c");
	CHECK(told());
	CHECK(find(pattern.text) == 1 && found[0].inode != inode);
	close(fd);
	close_watch();
}

static void test_recreated_parent_that_is_held_open(void)
{
	const struct path pattern = under_top("p/*");
	int fd;

	make("p");
	open_watch((const char *[]){ pattern.text }, 1);
	fd = open(under_top("p").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	take_away("p");
	make("p");
	CHECK(find(pattern.text) == 0); /* before the events are read */
	CHECK(told());
	CHECK(find(pattern.text) == 0);
	make("p/x");
	CHECK(told());
	CHECK(find(pattern.text) == 1);
	close(fd);
	close_watch();
}

static void test_nested_wildcards(void)
{
	const struct path pattern = under_top("a/*/b-*.scope");

	make("a");
	make("a/x");
	make("a/x/b-1.scope");
	open_watch((const char *[]){ pattern.text }, 1);
	CHECK(find(pattern.text) == 1);

	make("a/y");
	CHECK(told());
	CHECK(find(pattern.text) == 1);
	make("a/y/b-2.scope");
	CHECK(told());
	CHECK(find(pattern.text) == 2 && strcmp(found[1].path, under_top("a/y/b-2.scope").text) == 0);

	make("a/z"); /* both before anything is read */
	make("a/z/b-3.scope");
	CHECK(told());
	CHECK(find(pattern.text) == 3);

	take_away("a/x/b-1.scope");
	take_away("a/x");
	CHECK(told());
	CHECK(find(pattern.text) == 2 && strcmp(found[0].path, under_top("a/y/b-2.scope").text) == 0);
	close_watch();
}

static void test_fixed_part_comes_later(void)
{
	const struct path pattern = under_top("d/e/f/g*");

	open_watch((const char *[]){ pattern.text }, 1);
	CHECK(find(pattern.text) == 0);
	make("d");
	CHECK(told());
	CHECK(find(pattern.text) == 0);
	make("d/e");
	make("d/e/f");
	CHECK(told());
	CHECK(find(pattern.text) == 0);
	make("d/e/f/g1");
	CHECK(told());
	CHECK(find(pattern.text) == 1);

	take_away("d/e/f/g1");
	take_away("d/e/f");
	take_away("d/e");
	CHECK(told());
	CHECK(find(pattern.text) == 0);
	make("d/e");
	CHECK(told());
	CHECK(find(pattern.text) == 0);
	make("d/e/f");
	CHECK(told());
	CHECK(find(pattern.text) == 0);
	make("d/e/f/g2");
	CHECK(told());
	CHECK(find(pattern.text) == 1);
	close_watch();
}

static void test_watches_end_with_their_directories(void)
{
	const struct path pattern = under_top("h*/i");
	unsigned int before;

	open_watch((const char *[]){ pattern.text }, 1);
	before = kernel_watches();
	for (int round = 0; round < 50; round++) {
		int fd;

		make("h1");
		make("h1/i");
		CHECK(told());
		CHECK(find(pattern.text) == 1);
		CHECK(kernel_watches() == before + 1);
		fd = open(under_top("h1").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* as kernfs, keeps the watch */
		CHECK(fd >= 0);
		take_away("h1/i");
		take_away("h1");
		CHECK(told());
		CHECK(kernel_watches() == before);
		close(fd);
	}
	close_watch();
}

static void test_spelling_of_patterns(void)
{
	const struct path pattern = under_top("/j//k/");
	char longest[WATCH_PATH_CAP + 1];

	make("j");
	make("j/k");
	open_watch((const char *[]){ pattern.text }, 1);
	CHECK(find(pattern.text) == 1 && strcmp(found[0].path, under_top("j/k").text) == 0);
	CHECK(find(under_top("j/k").text) == 1);
	CHECK(find(under_top("l").text) == 0);
	close_watch();

	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[WATCH_PATH_CAP] = 0;
	CHECK(!watch_open(epfd, DATA, (const char *[]){ longest }, 1) && errno == EINVAL);
	CHECK(!watch_open(epfd, DATA, (const char *[]){ "relative" }, 1) && errno == EINVAL);
	CHECK(!watch_open(-1, DATA, (const char *[]){ "/a" }, 1) && errno == EBADF);
}

int main(void)
{
	CHECK(mkdtemp(top));
	epfd = epoll_create1(EPOLL_CLOEXEC);
	CHECK(epfd >= 0);
	test_births_and_deaths();
	test_what_no_pattern_matches_is_not_told();
	test_recreated_under_the_same_name();
	test_recreated_parent_that_is_held_open();
	test_nested_wildcards();
	test_fixed_part_comes_later();
	test_watches_end_with_their_directories();
	test_spelling_of_patterns();
	close(epfd);
	CHECK(rmdir(top) == 0);
	return 0;
}
