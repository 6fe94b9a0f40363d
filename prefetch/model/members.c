#include "model/members.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define CGROUP_PATH_CAP 1024
#define MAX_DEPTH    16

void members_init(struct members *m, const struct group_spec *spec, const char *dir, struct pool *pool)
{
	*m = (struct members){ .spec = spec, .pool = pool };
	snprintf(m->dir, sizeof(m->dir), "%s", dir);
}

int members_find(const struct members *m, pid_t pid)
{
	for (size_t i = 0; i < m->nslots; i++)
		if (m->slots[i].used && m->slots[i].pid == pid)
			return (int)i;
	return -1;
}

size_t members_count(const struct members *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nslots; i++)
		n += m->slots[i].used;
	return n;
}

static bool alive(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

/* Nothing to prefetch in zombies and kernel threads (which have no stack of their own). */
static bool has_memory(const struct identity *id)
{
	return id->state != 'Z' && id->state != 'X' && id->stack != 0;
}

bool members_exe(pid_t pid, char exe[EXE_CAP])
{
	static const char deleted[] = " (deleted)";
	const size_t mark = sizeof(deleted) - 1;
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, EXE_CAP - 1);
	if (n <= 0)
		return false;
	exe[n] = 0;
	if ((size_t)n > mark && strcmp(exe + (size_t)n - mark, deleted) == 0)
		exe[(size_t)n - mark] = 0;
	return true;
}

static uint32_t hash_exe(pid_t pid)
{
	char exe[EXE_CAP];

	return members_exe(pid, exe) ? hash_text(exe) : 0;
}

static bool take_up(struct member *slot, pid_t pid)
{
	struct identity id;
	char path[32];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return false;
	/* Read first, then see that the pid was still the pidfd's: so the identity is surely this process's. */
	*slot = (struct member){ .pid = pid, .pidfd = pidfd, .pagemap = -1, .role = NO_ROLE };
	slot->seen = slot->fresh = true;
	if (read_identity(pid, &id) && has_memory(&id)) {
		slot->id = id;
		slot->exe_hash = hash_exe(pid);
		snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
		slot->pagemap = open(path, O_RDONLY | O_CLOEXEC);
		slot->used = alive(pidfd);
	}
	if (!slot->used) {
		close(pidfd);
		if (slot->pagemap >= 0)
			close(slot->pagemap);
	}
	return slot->used;
}

static struct member *free_slot(struct members *m)
{
	void *v = m->slots;

	for (size_t i = 0; i < m->nslots; i++)
		if (!m->slots[i].used)
			return &m->slots[i];
	if (m->nslots == MAX_MEMBERS || !pool_reserve(m->pool, &v, &m->cap, sizeof(*m->slots), m->nslots + 1))
		return NULL;
	m->slots = v;
	m->slots[m->nslots] = (struct member){ 0 };
	return &m->slots[m->nslots++];
}

static void see(struct members *m, pid_t pid)
{
	int known = members_find(m, pid);
	struct member *slot;
	struct identity id;

	if (pid <= 0 || pid == getpid())
		return;
	if (known >= 0) {
		slot = &m->slots[known];
		slot->seen = alive(slot->pidfd) && read_identity(pid, &id) && has_memory(&id) &&
			     same_identity(&id, &slot->id);
		return; /* a successor under the same pid is taken up by the next walk */
	}
	slot = free_slot(m);
	if (slot)
		take_up(slot, pid);
	else
		m->overflow++;
}

static void see_procs(struct members *m, const char *dir)
{
	static struct lines l;
	char path[CGROUP_PATH_CAP + 16];

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
	char path[CGROUP_PATH_CAP];

	if (depth < MAX_DEPTH && (size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path))
		walk_cgroup(m, path, depth + 1);
}

static void walk_cgroup(struct members *m, const char *dir, int depth)
{
	see_procs(m, dir);
	each_entry(m, dir, depth, walk_child);
}

bool members_listed(const struct members *m, const char *comm)
{
	for (size_t i = 0; i < m->spec->ncomms; i++)
		if (strcmp(comm, m->spec->comms[i]) == 0)
			return true;
	return false;
}

static bool is_named(const struct members *m, pid_t pid)
{
	char comm[COMM_CAP + 1];

	read_comm(pid, comm, sizeof(comm));
	return members_listed(m, comm);
}

static bool in_cgroup(const struct members *m, pid_t pid)
{
	char path[32];
	char text[CGROUP_PATH_CAP];
	const char *dir;
	size_t length;
	char *own;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (read_text(path, text, sizeof(text)) <= 0 || !(own = strstr(text, "0::/")))
		return false;
	own += 3;
	own[strcspn(own, "\n")] = 0;
	dir = m->dir + strlen(CGROUP_MOUNT);
	length = strlen(dir);
	return strncmp(own, dir, length) == 0 && (own[length] == 0 || own[length] == '/');
}

static void see_if_named(struct members *m, const char *name, const char *dir, int depth)
{
	(void)dir;
	(void)depth;
	if (isdigit((unsigned char)name[0]) && is_named(m, (pid_t)atoi(name)))
		see(m, (pid_t)atoi(name));
}

static void drop(struct member *slot)
{
	close(slot->pidfd);
	if (slot->pagemap >= 0)
		close(slot->pagemap);
	slot->used = false;
}

void members_refresh(struct members *m, member_gone *gone, void *context)
{
	for (size_t i = 0; i < m->nslots; i++)
		m->slots[i].seen = false;
	if (m->spec->ncomms)
		each_entry(m, "/proc", 0, see_if_named);
	else
		walk_cgroup(m, m->dir, 0);
	for (unsigned int i = 0; i < m->nslots; i++) {
		if (!m->slots[i].used || m->slots[i].seen)
			continue;
		gone(context, i);
		drop(&m->slots[i]);
	}
	while (m->nslots && !m->slots[m->nslots - 1].used)
		m->nslots--;
}

void members_free(struct members *m)
{
	for (size_t i = 0; i < m->nslots; i++)
		if (m->slots[i].used)
			drop(&m->slots[i]);
	if (m->slots)
		pool_give(m->pool, m->slots);
	m->slots = NULL;
	m->nslots = m->cap = 0;
}

int members_take_up(struct members *m, pid_t pid)
{
	struct member *slot;
	int known = members_find(m, pid);

	if (known >= 0)
		return known;
	slot = free_slot(m);
	if (!slot || pid == getpid() || !take_up(slot, pid))
		return -1;
	if (!(m->spec->ncomms ? is_named(m, pid) : in_cgroup(m, pid))) {
		drop(slot);
		return -1;
	}
	return (int)(slot - m->slots);
}

int members_current(struct members *m, pid_t pid)
{
	int slot = members_find(m, pid);
	struct identity id;

	if (slot >= 0 && read_identity(pid, &id) && same_identity(&id, &m->slots[slot].id))
		return slot;
	if (slot >= 0)
		drop(&m->slots[slot]);
	return members_take_up(m, pid);
}

bool members_verify(const struct members *m, unsigned int slot)
{
	const struct member *member = &m->slots[slot];
	struct identity id;

	if (!member->used || !read_identity(member->pid, &id) || !same_identity(&id, &member->id) || !has_memory(&id))
		return false;
	if (m->spec->ncomms ? !is_named(m, member->pid) : !in_cgroup(m, member->pid))
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

	if (!m->spec->ncomms) {
		snprintf(path, sizeof(path), "%s/cpu.stat", m->dir);
		if (read_text(path, text, sizeof(text)) > 0 && counter_parse(text, "usage_usec", &us))
			return us * 1000;
		return 0;
	}
	for (size_t i = 0; i < m->nslots; i++)
		if (m->slots[i].used && read_identity(m->slots[i].pid, &id))
			sum += id.cpu_ticks * tick_ns;
	return sum;
}
