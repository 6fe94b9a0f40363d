#include "kernel/trigger.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/entry.h"
#include "kernel/ring.h"

#define MAX_GROUPS TRIGGER_EVERYONE
#define DATA_PAGES 16u /* 64 KiB: 1600 faults a CPU between two drains */

#define BIT(n)	   (UINT64_C(1) << (n))

enum event_kind { MAJOR, ENTRY_SWAP, ENTRY_FILE, KINDS };

#define MAX_EVENTS ((MAX_GROUPS + 1) * KINDS)

struct cpu {
	struct perf_event_mmap_page *meta; /* NULL: the CPU is offline */
	int master;
	struct ring ring;
	struct ring_sample next; /* the oldest that waits ... */
	bool waiting;		 /* ... if one does */
	uint64_t ids[MAX_EVENTS]; /* group by group; 0: no event */
	int fds[MAX_EVENTS];
};

struct trigger {
	struct perf_event_attr attrs[KINDS];
	bool offered[KINDS];
	int keepers[KINDS];
	uint64_t sharing; /* groups that watch every process, a bit each */
	uint64_t wanting; /* those of them that want ENTRY events */
	int ncpus;
	struct cpu cpus[]; /* those that were online at trigger_open; nothing is told of CPUs that come later */
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t ring_bytes(void)
{
	return (DATA_PAGES + 1) * page_size();
}

/* What events must have in common to share a ring. */
static struct perf_event_attr common_attr(void)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(struct perf_event_attr),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR,
		.wakeup_events = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
}

static int open_event(const struct perf_event_attr *attr, int cgroup_fd, int cpu)
{
	unsigned long flags = PERF_FLAG_FD_CLOEXEC | (cgroup_fd >= 0 ? PERF_FLAG_PID_CGROUP : 0);

	return (int)syscall(SYS_perf_event_open, attr, cgroup_fd, cpu, -1, flags);
}

static void close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* An event that never counts, until trigger_close: with it the kernel's tracing stays set up between two groups, which
 * otherwise takes tens of milliseconds to build up and to take down. */
static bool offer(struct trigger *t, enum event_kind kind)
{
	struct perf_event_attr attr = t->attrs[kind];
	int cpu = 0;

	while (cpu < t->ncpus - 1 && !t->cpus[cpu].meta)
		cpu++;
	attr.disabled = 1;
	t->keepers[kind] = open_event(&attr, -1, cpu);
	t->offered[kind] = t->keepers[kind] >= 0;
	return t->offered[kind];
}

static const char *look_for(struct trigger *t, enum event_kind kind, const char *find(struct perf_event_attr *))
{
	const char *why_not = find(&t->attrs[kind]);

	if (why_not)
		return why_not;
	return offer(t, kind) ? NULL : "the kernel refuses the event";
}

static void look_for_entry(struct trigger *t, bool early, struct trigger_features *features)
{
	features->why_not_swap = early ? look_for(t, ENTRY_SWAP, entry_swap) : "not asked for";
	features->why_not_file = early ? look_for(t, ENTRY_FILE, entry_file) : "not asked for";
	features->entry_swap = t->offered[ENTRY_SWAP];
	features->entry_file = t->offered[ENTRY_FILE];
}

/* A dummy event owns the ring, so that events of groups can come and go. A record of any of them wakes it. */
static int open_cpu(struct cpu *c, int cpu, int epfd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };
	struct perf_event_attr attr = common_attr();
	void *base;

	attr.config = PERF_COUNT_SW_DUMMY;
	c->master = open_event(&attr, -1, cpu);
	if (c->master < 0)
		return errno == ENODEV ? 0 : -1;
	base = mmap(NULL, ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, c->master, 0);
	if (base == MAP_FAILED) {
		close_keeping_errno(c->master);
		return -1;
	}
	c->meta = base;
	c->ring.data = (const char *)base + page_size();
	c->ring.size = ring_bytes() - page_size();
	return epoll_ctl(epfd, EPOLL_CTL_ADD, c->master, &event);
}

static int open_cpus(struct trigger *t, int epfd, uint64_t data)
{
	for (int cpu = 0; cpu < t->ncpus; cpu++)
		if (open_cpu(&t->cpus[cpu], cpu, epfd, data) < 0)
			return -1;
	return offer(t, MAJOR) ? 0 : -1;
}

struct trigger *trigger_open(int epfd, uint64_t data, bool early, struct trigger_features *features)
{
	int ncpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	struct trigger *t = calloc(1, sizeof(*t) + (size_t)ncpus * sizeof(t->cpus[0]));
	int saved;

	if (!t)
		return NULL;
	t->ncpus = ncpus;
	for (int kind = 0; kind < KINDS; kind++)
		t->attrs[kind] = common_attr();
	t->attrs[MAJOR].config = PERF_COUNT_SW_PAGE_FAULTS_MAJ;
	if (open_cpus(t, epfd, data) < 0) {
		saved = errno;
		trigger_close(t);
		errno = saved;
		return NULL;
	}
	look_for_entry(t, early, features);
	return t;
}

static int attach_event(struct trigger *t, unsigned int group, enum event_kind kind, int cgroup_fd, int cpu)
{
	struct cpu *c = &t->cpus[cpu];
	unsigned int slot = group * KINDS + kind;
	int fd = open_event(&t->attrs[kind], cgroup_fd, cpu);

	if (fd < 0)
		return errno == ENODEV ? 0 : -1; /* offline by now */
	if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, c->master) < 0 || ioctl(fd, PERF_EVENT_IOC_ID, &c->ids[slot]) < 0) {
		close_keeping_errno(fd);
		return -1;
	}
	c->fds[slot] = fd;
	return 0;
}

static int attach_kinds(struct trigger *t, unsigned int group, int cgroup_fd, int cpu)
{
	for (int kind = 0; kind < KINDS; kind++)
		if (t->offered[kind] && attach_event(t, group, (enum event_kind)kind, cgroup_fd, cpu) < 0)
			return -1;
	return 0;
}

static void close_events(struct trigger *t, unsigned int group)
{
	for (int cpu = 0; cpu < t->ncpus; cpu++) {
		struct cpu *c = &t->cpus[cpu];

		for (unsigned int slot = group * KINDS; slot < (group + 1) * KINDS; slot++) {
			if (c->ids[slot])
				close(c->fds[slot]);
			c->ids[slot] = 0;
		}
	}
}

static int open_events(struct trigger *t, unsigned int group, int cgroup_fd)
{
	int saved;

	for (int cpu = 0; cpu < t->ncpus; cpu++) {
		if (t->cpus[cpu].meta && attach_kinds(t, group, cgroup_fd, cpu) < 0) {
			saved = errno;
			close_events(t, group);
			errno = saved;
			return -1;
		}
	}
	return 0;
}

static void switch_entry(struct trigger *t, unsigned int group, bool on)
{
	unsigned long request = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;

	for (int cpu = 0; cpu < t->ncpus; cpu++) {
		struct cpu *c = &t->cpus[cpu];

		for (unsigned int slot = group * KINDS + ENTRY_SWAP; slot < (group + 1) * KINDS; slot++)
			if (c->ids[slot])
				ioctl(c->fds[slot], request, 0);
	}
}

int trigger_attach(struct trigger *t, unsigned int group, int cgroup_fd)
{
	if (group >= MAX_GROUPS) {
		errno = EINVAL;
		return -1;
	}
	trigger_detach(t, group);
	if (cgroup_fd >= 0)
		return open_events(t, group, cgroup_fd);
	if (!t->sharing && open_events(t, TRIGGER_EVERYONE, -1) < 0)
		return -1;
	t->sharing |= BIT(group);
	trigger_entry(t, group, true);
	return 0;
}

void trigger_detach(struct trigger *t, unsigned int group)
{
	if (!(t->sharing & BIT(group))) {
		close_events(t, group);
		return;
	}
	trigger_entry(t, group, false);
	t->sharing &= ~BIT(group);
	if (!t->sharing)
		close_events(t, TRIGGER_EVERYONE);
}

void trigger_entry(struct trigger *t, unsigned int group, bool on)
{
	if (!(t->sharing & BIT(group))) {
		switch_entry(t, group, on);
		return;
	}
	t->wanting = on ? t->wanting | BIT(group) : t->wanting & ~BIT(group);
	switch_entry(t, TRIGGER_EVERYONE, t->wanting != 0);
}

/* The tail tells the kernel that there is room again. */
static void advance(struct cpu *c)
{
	c->waiting = ring_next(&c->ring, &c->next);
	__atomic_store_n(&c->meta->data_tail, c->ring.tail, __ATOMIC_RELEASE);
}

static struct cpu *oldest(struct trigger *t)
{
	struct cpu *best = NULL;

	for (int cpu = 0; cpu < t->ncpus; cpu++) {
		struct cpu *c = &t->cpus[cpu];

		if (c->waiting && (!best || c->next.time < best->next.time))
			best = c;
	}
	return best;
}

static void deliver(const struct cpu *c, fault_handler *handle, void *context)
{
	const struct ring_sample *s = &c->next;

	for (unsigned int slot = 0; slot < MAX_EVENTS; slot++) {
		if (c->ids[slot] != s->id)
			continue;
		handle(context, &(struct fault){
					.t = s->time,
					.address = s->address,
					.pid = (pid_t)s->pid,
					.group = slot / KINDS,
					.source = slot % KINDS == MAJOR ? FAULT_MAJOR : FAULT_ENTRY,
				});
		return;
	}
	/* Nobody's: it was written before its group was detached. */
}

void trigger_drain(struct trigger *t, fault_handler *handle, void *context)
{
	for (int cpu = 0; cpu < t->ncpus; cpu++) {
		struct cpu *c = &t->cpus[cpu];

		if (!c->meta)
			continue;
		c->ring.head = __atomic_load_n(&c->meta->data_head, __ATOMIC_ACQUIRE);
		advance(c);
	}
	for (struct cpu *c; (c = oldest(t)); advance(c))
		deliver(c, handle, context);
}

uint64_t trigger_lost(const struct trigger *t)
{
	uint64_t lost = 0;

	for (int cpu = 0; cpu < t->ncpus; cpu++)
		lost += t->cpus[cpu].ring.lost;
	return lost;
}

void trigger_close(struct trigger *t)
{
	for (unsigned int group = 0; group < MAX_GROUPS; group++)
		trigger_detach(t, group);
	for (int kind = 0; kind < KINDS; kind++)
		if (t->offered[kind])
			close(t->keepers[kind]);
	if (t->offered[ENTRY_SWAP])
		entry_release();
	for (int cpu = 0; cpu < t->ncpus; cpu++) {
		struct cpu *c = &t->cpus[cpu];

		if (!c->meta)
			continue;
		munmap(c->meta, ring_bytes());
		close(c->master); /* leaves the epoll set with it */
	}
	free(t);
}
