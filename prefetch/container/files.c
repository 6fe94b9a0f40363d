#include "container/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PAGE ((uint64_t)1 << WS_PAGE_SHIFT)

static int open_in_root(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* By O_PATH first: opening what a container has put there must not start a device or wait for a pipe. */
static int open_regular(int root, const char *path, struct stat *st)
{
	struct statfs fs;
	char self[32];
	int handle = open_in_root(root, path, O_PATH);
	int fd = -1;

	if (handle < 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
	if (fstat(handle, st) == 0 && S_ISREG(st->st_mode) && st->st_size > 0 && fstatfs(handle, &fs) == 0 &&
	    fs.f_type != TMPFS_MAGIC)
		fd = open(self, O_RDONLY | O_CLOEXEC | O_NOATIME);
	close(handle);
	return fd;
}

static int open_root(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void describe(struct wfile *out, const struct stat *st, const char *path)
{
	memset(out, 0, sizeof(*out));
	out->device = st->st_dev;
	out->inode = st->st_ino;
	out->bytes = (uint64_t)st->st_size;
	out->mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
	snprintf(out->path, sizeof(out->path), "%s", path);
}

bool file_identify(pid_t pid, const char *path, struct wfile *out)
{
	struct stat st;
	int root;
	int fd;

	if (strlen(path) >= sizeof(out->path))
		return false;
	root = open_root(pid);
	if (root < 0)
		return false;
	fd = open_regular(root, path, &st);
	close(root);
	if (fd < 0)
		return false;
	close(fd);
	describe(out, &st, path);
	return true;
}

void files_init(struct files *f, struct pool *pool)
{
	*f = (struct files){ .pool = pool };
}

static struct opened map_file(int root, const struct wfile *file)
{
	struct opened opened = { 0 };
	struct wfile found;
	struct stat st;
	void *base;
	int fd = open_regular(root, file->path, &st);

	if (fd < 0)
		return opened;
	describe(&found, &st, file->path);
	base = ws_same_file(&found, file) ? mmap(NULL, found.bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	close(fd);
	if (base != MAP_FAILED)
		opened = (struct opened){ base, found.bytes };
	return opened;
}

void files_open(struct files *f, const struct workset *w, pid_t pid)
{
	void *v = NULL;
	int root = open_root(pid);

	files_close(f);
	if (root < 0)
		return;
	if (w->nfiles && pool_reserve(f->pool, &v, &f->cap, sizeof(*f->v), w->nfiles)) {
		f->v = v;
		for (f->n = 0; f->n < w->nfiles; f->n++)
			f->v[f->n] = map_file(root, &w->files[f->n]);
	}
	close(root);
}

void files_close(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].base)
			munmap(f->v[i].base, f->v[i].bytes);
	if (f->v)
		pool_give(f->pool, f->v);
	files_init(f, f->pool);
}

/* How many of N pages from PAGE on the file has. */
static uint64_t within(const struct files *f, size_t file, uint64_t page, uint64_t n)
{
	uint64_t pages;

	if (file >= f->n || !f->v[file].base)
		return 0;
	pages = (f->v[file].bytes + PAGE - 1) / PAGE;
	if (page >= pages)
		return 0;
	return n < pages - page ? n : pages - page;
}

size_t files_cached(const struct files *f, size_t file, uint64_t page, size_t n, unsigned char *vec)
{
	uint64_t pages = within(f, file, page, n);

	if (!pages || mincore(f->v[file].base + page * PAGE, pages * PAGE, vec) < 0)
		return 0;
	return (size_t)pages;
}

void *files_at(const struct files *f, size_t file, uint64_t page, uint64_t *n)
{
	*n = within(f, file, page, *n);
	return *n ? f->v[file].base + page * PAGE : NULL;
}
