#include "model/setfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BYTES ((size_t)64 << 20)

/* A group's name may hold a slash ("NAME/BASENAME"), a file's must not. */
static bool file_name(char *out, size_t cap, const char *group)
{
	size_t length = 0;

	for (const char *c = group; *c; c++) {
		bool plain = *c != '/' && *c != '%';

		if (length + 4 > cap)
			return false;
		length += (size_t)snprintf(out + length, cap - length, plain ? "%c" : "%%%02X", *c);
	}
	return length > 0 && (size_t)snprintf(out + length, cap - length, ".set") < cap - length;
}

int setfile_path(char *out, size_t cap, const char *dir, const char *group)
{
	char name[NAME_MAX + 1];

	if (file_name(name, sizeof(name), group) && (size_t)snprintf(out, cap, "%s/%s", dir, name) < cap)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static bool write_all(int fd, const unsigned char *in, size_t n)
{
	while (n) {
		ssize_t wrote = write(fd, in, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		in += wrote;
		n -= (size_t)wrote;
	}
	return true;
}

/* False also when the file is longer or shorter than N. */
static bool read_all(int fd, unsigned char *out, size_t n)
{
	unsigned char more;

	while (n) {
		ssize_t got = read(fd, out, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		out += got;
		n -= (size_t)got;
	}
	return read(fd, &more, 1) == 0;
}

static int write_new(const char *path, const unsigned char *in, size_t n)
{
	int fd;
	bool written;

	/* Left by a crash, or put there to be followed. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	written = write_all(fd, in, n) && fsync(fd) == 0;
	if (close(fd) == 0 && written)
		return 0;
	return -1;
}

/* The rename itself is to outlive a crash. */
static int sync_directory_of(const char *path)
{
	char copy[PATH_MAX];
	int fd;
	int result;
	int saved;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	result = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static int replace(const char *path, const unsigned char *in, size_t n)
{
	char temporary[PATH_MAX];
	int saved;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (write_new(temporary, in, n) == 0 && rename(temporary, path) == 0)
		return sync_directory_of(path);
	saved = errno;
	unlink(temporary);
	errno = saved;
	return -1;
}

int setfile_write(const struct workset *w, const char *path, const char *group)
{
	size_t size = setfile_bytes(w, group);
	unsigned char *out;
	int result;

	if (!size || size > MAX_BYTES) {
		errno = size ? EFBIG : ENAMETOOLONG;
		return -1;
	}
	out = pool_take(w->pool, size);
	if (!out) {
		errno = ENOMEM;
		return -1;
	}
	result = replace(path, out, setfile_encode(w, group, out));
	pool_give(w->pool, out);
	return result;
}

int setfile_save(const struct workset *w, const char *dir, const char *group)
{
	char path[PATH_MAX];

	if (setfile_path(path, sizeof(path), dir, group) < 0)
		return -1;
	return setfile_write(w, path, group);
}

static const char *load(struct workset *w, int fd, const char *group)
{
	struct stat st;
	unsigned char *in;
	const char *wrong;
	size_t size;

	if (fstat(fd, &st) < 0)
		return "cannot be read";
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return "writable by others than its owner";
	if (st.st_size > (off_t)MAX_BYTES)
		return "too large";
	size = (size_t)st.st_size;
	in = pool_take(w->pool, size);
	if (!in)
		return "no room for it";
	wrong = read_all(fd, in, size) ? setfile_decode(w, group, in, size) : "cannot be read";
	pool_give(w->pool, in);
	return wrong;
}

const char *setfile_load(struct workset *w, const char *path, const char *group)
{
	/* A FIFO would block without O_NONBLOCK. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *wrong;

	if (fd < 0)
		return errno == ENOENT ? "" : "cannot be opened";
	wrong = load(w, fd, group);
	close(fd);
	return wrong;
}

static bool is_set(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".set") == 0;
}

/* How many sets there are; NAME is the one that was saved first. */
static size_t find_oldest(DIR *dir, char name[NAME_MAX + 1])
{
	struct timespec first = { 0 };
	size_t n = 0;

	rewinddir(dir);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		struct timespec t;
		struct stat st;

		if (!is_set(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		t = st.st_mtim;
		if (!n++ || t.tv_sec < first.tv_sec || (t.tv_sec == first.tv_sec && t.tv_nsec < first.tv_nsec)) {
			first = t;
			snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
		}
	}
	return n;
}

size_t setfile_tidy(const char *dir, size_t most)
{
	char oldest[NAME_MAX + 1];
	DIR *opened = opendir(dir);
	size_t removed = 0;

	if (!opened)
		return 0;
	while (find_oldest(opened, oldest) > most && unlinkat(dirfd(opened), oldest, 0) == 0)
		removed++;
	closedir(opened);
	return removed;
}
