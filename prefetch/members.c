#include "members.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define PATH_CAP     1024
#define MAX_DEPTH    16

bool members_resolve(struct members *m)
{
	uint64_t inodes[MAX_DIRS];
	size_t n = 0;
	bool changed = false;
	glob_t found = { 0 };
	struct stat st;

	if (m->spec->ncomms)
		return false;
	if (glob(m->spec->cgroup, GLOB_ONLYDIR, NULL, &found) != 0)
		found.gl_pathc = 0;
	for (size_t i = 0; i < found.gl_pathc && n < MAX_DIRS; i++) {
		const char *dir = found.gl_pathv[i];

		if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || strlen(dir) >= SPEC_CAP)
			continue;
		inodes[n] = st.st_ino;
		changed |= n >= m->ndirs || m->inodes[n] != inodes[n];
		snprintf(m->dirs[n++], SPEC_CAP, "%s", dir);
	}
	changed |= n != m->ndirs;
	for (size_t i = 0; i < n; i++)
		m->inodes[i] = inodes[i];
	m->ndirs = n;
	globfree(&found);
	return changed;
}

int members_find(const struct members *m, pid_t pid)
{
	for (int i = 0; i < MAX_MEMBERS; i++)
		if (m->slots[i].used && m->slots[i].pid == pid)
			return i;
	return -1;
}

size_t members_count(const struct members *m)
{
	size_t n = 0;

	for (int i = 0; i < MAX_MEMBERS; i++)
		n += m->slots[i].used;
	return n;
}

static bool alive(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

bool members_lost(const struct members *m)
{
	for (int i = 0; i < MAX_MEMBERS; i++)
		if (m->slots[i].used && !alive(m->slots[i].pidfd))
			return true;
	return false;
}

/* Nothing to prefetch in zombies and kernel threads (which have no stack of their own). */
static bool has_memory(const struct identity *id)
{
	return id->state != 'Z' && id->state != 'X' && id->stack != 0;
}

static bool take_up(struct member *slot, pid_t pid)
{
	struct identity id;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return false;
	/* Read first, then see that the pid was still the pidfd's: so the identity is surely this process's. */
	if (!read_identity(pid, &id) || !has_memory(&id) || !alive(pidfd)) {
		close(pidfd);
		return false;
	}
	*slot = (struct member){ .id = id, .pid = pid, .pidfd = pidfd, .used = true, .seen = true };
	read_comm(pid, slot->comm, sizeof(slot->comm));
	return true;
}

static void see(struct members *m, pid_t pid)
{
	int known = members_find(m, pid);
	struct identity id;

	if (pid <= 0 || pid == getpid())
		return;
	if (known >= 0) {
		struct member *slot = &m->slots[known];

		slot->seen = alive(slot->pidfd) && read_identity(pid, &id) && has_memory(&id) &&
			     same_identity(&id, &slot->id);
		return; /* a successor under the same pid is taken up by the next walk */
	}
	for (int i = 0; i < MAX_MEMBERS; i++) {
		if (!m->slots[i].used) {
			take_up(&m->slots[i], pid);
			return;
		}
	}
	m->overflow++;
}

static void see_procs(struct members *m, const char *dir)
{
	static struct lines l;
	char path[PATH_CAP + 16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	if (!lines_open(&l, path))
		return;
	for (const char *line; (line = lines_next(&l));)
		see(m, (pid_t)atoi(line));
	lines_close(&l);
}

typedef void entry_handler(struct members *m, const char *name, const char *dir, int depth);

/* Raw getdents64(2): readdir(3) allocates, and a walk may happen on the trigger's path. */
static void each_entry(struct members *m, const char *dir, int depth, entry_handler *handle)
{
	_Alignas(struct dirent64) char buf[2048];
	ssize_t n;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	while ((n = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buf + at);

			if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
				handle(m, entry->d_name, dir, depth);
			at += entry->d_reclen;
		}
	}
	close(fd);
}

static void walk_cgroup(struct members *m, const char *dir, int depth);

static void walk_child(struct members *m, const char *name, const char *dir, int depth)
{
	char path[PATH_CAP];

	if (depth < MAX_DEPTH && (size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path))
		walk_cgroup(m, path, depth + 1);
}

static void walk_cgroup(struct members *m, const char *dir, int depth)
{
	see_procs(m, dir);
	each_entry(m, dir, depth, walk_child);
}

static void see_if_named(struct members *m, const char *name, const char *dir, int depth)
{
	(void)dir;
	(void)depth;
	if (isdigit((unsigned char)name[0]) && members_named(m, (pid_t)atoi(name)))
		see(m, (pid_t)atoi(name));
}

void members_refresh(struct members *m, member_gone *gone, void *context)
{
	for (int i = 0; i < MAX_MEMBERS; i++)
		m->slots[i].seen = false;
	if (m->spec->ncomms)
		each_entry(m, "/proc", 0, see_if_named);
	for (size_t i = 0; i < m->ndirs; i++)
		walk_cgroup(m, m->dirs[i], 0);
	for (unsigned int i = 0; i < MAX_MEMBERS; i++) {
		struct member *slot = &m->slots[i];

		if (!slot->used || slot->seen)
			continue;
		gone(context, i);
		close(slot->pidfd);
		slot->used = false;
	}
}

bool members_named(const struct members *m, pid_t pid)
{
	char comm[COMM_CAP + 1];

	read_comm(pid, comm, sizeof(comm));
	for (size_t i = 0; i < m->spec->ncomms; i++)
		if (strcmp(comm, m->spec->comms[i]) == 0)
			return true;
	return false;
}

static bool in_cgroup(const struct members *m, pid_t pid)
{
	char path[32];
	char text[PATH_CAP];
	char *own;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (read_text(path, text, sizeof(text)) <= 0 || !(own = strstr(text, "0::/")))
		return false;
	own += 3;
	own[strcspn(own, "\n")] = 0;
	for (size_t i = 0; i < m->ndirs; i++) {
		const char *dir = m->dirs[i] + strlen(CGROUP_MOUNT);
		size_t length = strlen(dir);

		if (strncmp(own, dir, length) == 0 && (own[length] == 0 || own[length] == '/'))
			return true;
	}
	return false;
}

bool members_verify(const struct members *m, unsigned int slot)
{
	const struct member *member = &m->slots[slot];
	struct identity id;

	if (!member->used || !read_identity(member->pid, &id) || !same_identity(&id, &member->id) || !has_memory(&id))
		return false;
	if (m->spec->ncomms ? !members_named(m, member->pid) : !in_cgroup(m, member->pid))
		return false;
	return alive(member->pidfd);
}

uint64_t members_cpu_ns(const struct members *m)
{
	uint64_t sum = 0;
	uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	char path[SPEC_CAP + 16];
	char text[512];
	struct identity id;
	uint64_t us;

	for (size_t i = 0; i < m->ndirs; i++) {
		snprintf(path, sizeof(path), "%s/cpu.stat", m->dirs[i]);
		if (read_text(path, text, sizeof(text)) > 0 && counter_parse(text, "usage_usec", &us))
			sum += us * 1000;
	}
	for (int i = 0; i < MAX_MEMBERS && m->spec->ncomms; i++)
		if (m->slots[i].used && read_identity(m->slots[i].pid, &id))
			sum += id.cpu_ticks * tick_ns;
	return sum;
}
