#include "guest_c/maps.h"
#include "guest_c/procfs.h"
#include "readmemory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_PIDS 4096
#define MAX_DEPTH 8 /* cgroups below one another */
#define ENTRIES 512 /* of pagemap, at a time */
#define ENTRY_SWAPPED (UINT64_C(1) << 62)

static struct lines lines; /* of one file: peerd has one thread */
static int pids[MAX_PIDS];
static int npids;

struct process {
	const char *proc;
	int pid;
	int pagemap, mem;
	uint64_t page; /* bytes */
};

static void add_processes(struct outcome *o)
{
	for (const char *line; (line = lines_next(&lines));) {
		int pid = atoi(line);

		/* 0 is a process of another pid namespace: it has no number here. */
		if (pid <= 0)
			continue;
		if (npids == MAX_PIDS) {
			outcome_fail(o, "more than %d processes", MAX_PIDS);
			return;
		}
		pids[npids++] = pid;
	}
}

/* False with errno if the cgroup cannot be read, as when it has gone. */
static bool collect(const char *folder, int depth, struct outcome *o)
{
	static _Alignas(struct dirent64) char entries[MAX_DEPTH][4096];
	char path[PATH_MAX];
	long n;
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	if (!lines_open(&lines, path))
		return false;
	add_processes(o);
	lines_close(&lines);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* glibc's readdir() allocates; this does not. */
	while ((n = syscall(SYS_getdents64, fd, entries[depth], sizeof(entries[depth]))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (const struct dirent64 *)(entries[depth] + at);

			at += e->d_reclen;
			if (e->d_type != DT_DIR || e->d_name[0] == '.')
				continue;
			if (depth + 1 == MAX_DEPTH ||
			    snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) >= (int)sizeof(path))
				outcome_fail(o, "%s: too many cgroups below one another", folder);
			else
				collect(path, depth + 1, o);
		}
	}
	close(fd);
	return true;
}

/* Entries of pagemap from address AT on. 0: the address space has gone; -1 with errno. */
static ssize_t read_entries(const struct process *p, uint64_t at, uint64_t *entries, uint64_t count)
{
	size_t size = count < ENTRIES ? (size_t)count * sizeof(*entries) : ENTRIES * sizeof(*entries);
	ssize_t n = pread(p->pagemap, entries, size, (off_t)(at / p->page * sizeof(*entries)));

	return n < 0 ? -1 : n / (ssize_t)sizeof(*entries);
}

/* False: there is no use in going on with this process. */
static bool read_page(const struct process *p, uint64_t at, struct outcome *o)
{
	uint64_t entry;
	char byte;
	ssize_t n = pread(p->mem, &byte, 1, (off_t)at);
	int error = errno;

	if (n == 1)
		o->pages++;
	if (n >= 0)
		return n;
	/* No failure where the process has unmapped the page meanwhile. */
	if (read_entries(p, at, &entry, 1) != 1 || !(entry & ENTRY_SWAPPED))
		return true;
	outcome_fail(o, "%s/%d/mem: %s", p->proc, p->pid, strerror(error));
	return false;
}

static bool read_range(const struct process *p, uint64_t start, uint64_t end, struct outcome *o)
{
	uint64_t entries[ENTRIES];

	for (uint64_t at = start; at < end;) {
		ssize_t n = read_entries(p, at, entries, (end - at) / p->page);

		if (n < 0 && errno != ESRCH)
			outcome_fail(o, "%s/%d/pagemap: %s", p->proc, p->pid, strerror(errno));
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++, at += p->page)
			if (entries[i] & ENTRY_SWAPPED && !read_page(p, at, o))
				return false;
	}
	return true;
}

static int note(const char *path, struct outcome *o)
{
	if (errno != ENOENT && errno != ESRCH) /* it has ended */
		outcome_fail(o, "%s: %s", path, strerror(errno));
	return -1;
}

static int open_file(const struct process *p, const char *name, struct outcome *o)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%d/%s", p->proc, p->pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? note(path, o) : fd;
}

/* A database may reserve terabytes of addresses, so pagemap is asked only where smaps says that there is swap. */
static void read_swapped(const struct process *p, struct outcome *o)
{
	struct vma parsed, v = { 0 };
	char path[PATH_MAX];
	uint64_t kb;
	bool ok = true;

	snprintf(path, sizeof(path), "%s/%d/smaps", p->proc, p->pid);
	if (!lines_open(&lines, path)) {
		note(path, o);
		return;
	}
	for (const char *line; ok && (line = lines_next(&lines));) {
		if (maps_parse(line, &parsed))
			v = parsed;
		else if (smaps_field(line, "Swap", &kb) && kb)
			ok = read_range(p, v.start, v.end, o);
	}
	lines_close(&lines);
}

static void read_process(const char *proc, int pid, struct outcome *o)
{
	struct process p = { .proc = proc, .pid = pid, .page = (uint64_t)sysconf(_SC_PAGESIZE) };

	p.pagemap = open_file(&p, "pagemap", o);
	p.mem = open_file(&p, "mem", o);
	if (p.pagemap >= 0 && p.mem >= 0)
		read_swapped(&p, o);
	if (p.pagemap >= 0)
		close(p.pagemap);
	if (p.mem >= 0)
		close(p.mem);
}

void read_memory(const char *proc, const char *folder, struct outcome *o)
{
	npids = 0;
	if (!collect(folder, 0, o)) {
		outcome_fail(o, "%s: %s", folder, strerror(errno));
		return;
	}
	for (int i = 0; i < npids; i++)
		read_process(proc, pids[i], o);
}
