#include "trigger.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DATA_PAGES 8u /* 32 KiB: 800 faults a CPU between two drains */

struct sample { /* as PERF_SAMPLE_TID | TIME | ADDR lays it out */
	struct perf_event_header header;
	uint32_t pid;
	uint32_t tid;
	uint64_t time;
	uint64_t address;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t ring_bytes(void)
{
	return (DATA_PAGES + 1) * page_size();
}

static int open_event(int cgroup_fd, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS_MAJ,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR,
		.wakeup_events = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	unsigned long flags = PERF_FLAG_FD_CLOEXEC | (cgroup_fd >= 0 ? PERF_FLAG_PID_CGROUP : 0);

	return (int)syscall(SYS_perf_event_open, &attr, cgroup_fd, cpu, -1, flags);
}

int trigger_probe(void)
{
	int fd = open_event(-1, 0);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int attach_cpu(struct trigger *t, int cgroup_fd, int cpu, int epfd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };
	struct ring *r = &t->rings[t->n];

	if (t->n == MAX_RINGS) {
		errno = ENOSPC;
		return -1;
	}
	r->fd = open_event(cgroup_fd, cpu);
	if (r->fd < 0)
		return errno == ENODEV ? 0 : -1; /* a CPU that is possible but offline */
	r->base = mmap(NULL, ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->base == MAP_FAILED || epoll_ctl(epfd, EPOLL_CTL_ADD, r->fd, &event) < 0) {
		close(r->fd);
		return -1;
	}
	t->n++;
	return 0;
}

int trigger_attach(struct trigger *t, int cgroup_fd, int epfd, uint64_t data)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_CONF);

	for (int cpu = 0; cpu < cpus; cpu++)
		if (attach_cpu(t, cgroup_fd, cpu, epfd, data) < 0)
			return -1;
	return 0;
}

void trigger_detach(struct trigger *t)
{
	for (size_t i = 0; i < t->n; i++) {
		munmap(t->rings[i].base, ring_bytes());
		close(t->rings[i].fd); /* leaves the epoll set with it */
	}
	t->n = 0;
}

/* A record may wrap around the end of the ring. */
static void copy_out(const struct ring *r, uint64_t at, void *out, size_t n)
{
	const char *data = (const char *)r->base + page_size();
	size_t size = DATA_PAGES * page_size();
	size_t from = (size_t)(at % size);
	size_t first = n < size - from ? n : size - from;

	memcpy(out, data + from, first);
	memcpy((char *)out + first, data, n - first);
}

static void drain_ring(struct trigger *t, struct ring *r, fault_handler *handle, void *context)
{
	struct perf_event_mmap_page *meta = r->base;
	uint64_t head = __atomic_load_n(&meta->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = meta->data_tail;

	while (tail < head) {
		struct sample s;
		uint64_t lost[2]; /* id, number */

		copy_out(r, tail, &s.header, sizeof(s.header));
		if (s.header.size < sizeof(s.header))
			break;
		if (s.header.type == PERF_RECORD_SAMPLE && s.header.size >= sizeof(s)) {
			copy_out(r, tail, &s, sizeof(s));
			handle(context, &(struct fault){ .t = s.time, .address = s.address, .pid = (pid_t)s.pid });
		} else if (s.header.type == PERF_RECORD_LOST && s.header.size >= sizeof(s.header) + sizeof(lost)) {
			copy_out(r, tail + sizeof(s.header), lost, sizeof(lost));
			t->lost += lost[1];
		}
		tail += s.header.size;
	}
	__atomic_store_n(&meta->data_tail, head, __ATOMIC_RELEASE);
}

void trigger_drain(struct trigger *t, fault_handler *handle, void *context)
{
	for (size_t i = 0; i < t->n; i++)
		drain_ring(t, &t->rings[i], handle, context);
}
