#include "sampler/counters/cgroup.h"
#include "sampler/counters/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#define PATH_CAP 512

static const char *const FILES[GROUP_FILES] = {
	[FILE_CURRENT] = "memory.current",   [FILE_SWAP] = "memory.swap.current", [FILE_STAT] = "memory.stat",
	[FILE_PRESSURE] = "memory.pressure", [FILE_EVENTS] = "memory.events",
};

/* "pswpin" and "pswpout" are there from Linux 6.14 on. */
static const char *const STAT_KEYS[] = {
	"anon", "file", "kernel", "file_mapped", "swapcached", "inactive_anon", "active_anon", "inactive_file",
	"active_file", "pswpin", "pswpout", "pgfault", "pgmajfault", "workingset_refault_anon",
	"workingset_refault_file", "workingset_activate_anon", "workingset_activate_file", "pgscan_kswapd",
	"pgscan_direct", "pgsteal_kswapd", "pgsteal_direct",
};

static char text[FILE_CAP]; /* of one file: the sampler has one thread */

void group_init(struct group *g, const char *name, const char *dir)
{
	char part[PATH_CAP];

	*g = (struct group){ .name = name, .dir = dir, .fd = -1 };
	for (int i = 0; i < GROUP_FILES; i++)
		g->files[i] = -1;
	/* The first leading part of DIR that is cgroup v2 is its mount point; the rest need not exist yet. */
	for (size_t n = 1; n <= strlen(dir) && n < sizeof(part); n++) {
		struct statfs fs;

		if (dir[n] != '/' && dir[n] != '\0')
			continue;
		memcpy(part, dir, n);
		part[n] = '\0';
		if (statfs(part, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		g->unified = true;
		g->path = dir + n;
		return;
	}
}

static void group_close(struct group *g)
{
	for (int i = 0; i < GROUP_FILES; i++) {
		if (g->files[i] >= 0)
			close(g->files[i]);
		g->files[i] = -1;
	}
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
}

/* glibc's readdir() allocates; this does not. */
static long directory_part(int fd, char *buf, size_t cap)
{
	return syscall(SYS_getdents64, fd, buf, cap);
}

static void process(struct walk *w, const struct group *g, const char *below, int pid)
{
	const struct proc *p;

	switch (procs_see(w->procs, pid, w->index, &p)) {
	case SEEN_GONE:
		return;
	case SEEN_NO_ROOM:
		w->left_out++;
		return;
	case SEEN_READ:
		break;
	}
	json_open(w->json, NULL, '{');
	json_string(w->json, "group", g->name);
	json_string(w->json, "cgroup", below);
	json_i64(w->json, "pid", pid);
	json_u64(w->json, "start", p->stat.start);
	json_string(w->json, "comm", p->stat.comm);
	json_u64(w->json, "minflt", p->stat.minflt);
	json_u64(w->json, "majflt", p->stat.majflt);
	json_u64(w->json, "rss", p->stat.rss);
	json_u64(w->json, "blkio", p->stat.blkio);
	json_close(w->json, '}');
}

static bool walk_cgroup(struct walk *w, const struct group *g, int dir, char *below, size_t length, int depth)
{
	static char entries[MAX_DEPTH][4096];
	struct stat st;
	long n;

	if (!read_at(dir, "cgroup.procs", text, sizeof(text)))
		return false;
	for (char *c = text; *c;) {
		char *end;
		long pid = strtol(c, &end, 10);

		if (end == c)
			break;
		/* 0 is a process of another pid namespace: it has no number here. */
		if (pid > 0)
			process(w, g, below, (int)pid);
		c = *end ? end + 1 : end;
	}

	/* A directory of cgroupfs has two links and one for each cgroup in it, so most need no listing. */
	if (fstat(dir, &st) || st.st_nlink == 2)
		return true;
	if (depth == MAX_DEPTH) {
		w->left_out++;
		return true;
	}
	while ((n = directory_part(dir, entries[depth], sizeof(entries[depth]))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (const struct dirent64 *)(entries[depth] + at);
			size_t name = strlen(e->d_name);
			int child;

			at += e->d_reclen;
			if (e->d_type != DT_DIR || e->d_name[0] == '.')
				continue;
			if (length + 1 + name >= PATH_CAP) {
				w->left_out++;
				continue;
			}
			child = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (child < 0)
				continue;
			below[length] = '/';
			memcpy(below + length + 1, e->d_name, name + 1);
			walk_cgroup(w, g, child, below, length + 1 + name, depth + 1);
			below[length] = '\0';
			close(child);
		}
	}
	return lseek(dir, 0, SEEK_SET) == 0;
}

void group_processes(struct group *g, struct walk *w)
{
	char below[PATH_CAP] = "";

	if (g->fd >= 0 && walk_cgroup(w, g, g->fd, below, 0, 0))
		return;
	group_close(g);
	g->fd = open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g->fd >= 0 && !walk_cgroup(w, g, g->fd, below, 0, 0))
		group_close(g);
}

static bool read_counter_file(struct group *g, enum group_file which)
{
	if (g->files[which] < 0)
		g->files[which] = openat(g->fd, FILES[which], O_RDONLY | O_CLOEXEC);
	return g->files[which] >= 0 && read_whole(g->files[which], text, sizeof(text));
}

static void wanted_stat(struct jsonline *j)
{
	char *cursor = text;
	const char *key;
	uint64_t value;

	json_open(j, "stat", '{');
	while (next_pair(&cursor, &key, &value))
		for (size_t i = 0; i < sizeof(STAT_KEYS) / sizeof(*STAT_KEYS); i++)
			if (!strcmp(key, STAT_KEYS[i]))
				json_u64(j, key, value);
	json_close(j, '}');
}

void group_counters(struct group *g, struct jsonline *j)
{
	uint64_t value, full;
	char *cursor = text;
	const char *key;

	json_open(j, g->name, '{');
	if (g->fd >= 0) {
		if (read_counter_file(g, FILE_CURRENT) && parse_number(text, &value))
			json_u64(j, FILES[FILE_CURRENT], value);
		if (read_counter_file(g, FILE_SWAP) && parse_number(text, &value))
			json_u64(j, FILES[FILE_SWAP], value);
		if (read_counter_file(g, FILE_STAT))
			wanted_stat(j);
		if (read_counter_file(g, FILE_PRESSURE) && parse_pressure(text, &value, &full)) {
			json_open(j, "pressure", '{');
			json_u64(j, "some_us", value);
			json_u64(j, "full_us", full);
			json_close(j, '}');
		}
		if (read_counter_file(g, FILE_EVENTS))
			while (next_pair(&cursor, &key, &value))
				if (!strcmp(key, "oom_kill"))
					json_u64(j, key, value);
	}
	json_close(j, '}');
}
