#include "kernel/helpers.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#define THREADS	    4u
#define JOBS	    4096u /* a power of two */
#define STACK_BYTES (64u * 1024)
#define NICE	    (-10)

struct job {
	uint64_t address;
	size_t bytes; /* to be read ahead of our own mapping; 0: a page of PID is to be read */
	pid_t pid;
};

static struct job jobs[JOBS];
static atomic_uint head; /* taken */
static atomic_uint tail; /* put */
static atomic_ullong errors;
static sem_t waiting;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Alignas(4096) char stacks[THREADS][STACK_BYTES];

static struct job take(void)
{
	struct job job;

	pthread_mutex_lock(&lock);
	job = jobs[atomic_load(&head) % JOBS];
	atomic_fetch_add(&head, 1);
	pthread_mutex_unlock(&lock);
	return job;
}

/* The process was made sure of a moment ago. Should its pid have a new owner by now, a byte of that one is read, and
 * thrown away. */
static bool touch(const struct job *job)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { (void *)(uintptr_t)job->address, 1 };

	return process_vm_readv(job->pid, &local, 1, &remote, 1, 0) == 1;
}

static bool read_ahead(const struct job *job)
{
	return madvise((void *)(uintptr_t)job->address, job->bytes, MADV_WILLNEED) == 0;
}

static void *run(void *unused)
{
	/* They hardly compute, and what they wait for is wanted before all that the daemon issues meanwhile. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	for (;;) {
		struct job job;

		if (sem_wait(&waiting) < 0)
			continue; /* EINTR */
		job = take();
		if (!(job.bytes ? read_ahead(&job) : touch(&job)))
			atomic_fetch_add(&errors, 1);
	}
	return unused;
}

int helpers_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int failed = 0;

	if (sem_init(&waiting, 0, 0) < 0)
		return -1;
	pthread_attr_init(&attr);
	for (unsigned int i = 0; i < THREADS && !failed; i++) {
		failed = pthread_attr_setstack(&attr, stacks[i], STACK_BYTES);
		if (!failed)
			failed = pthread_create(&thread, &attr, run, NULL);
	}
	pthread_attr_destroy(&attr);
	errno = failed;
	return failed ? -1 : 0;
}

static bool add(struct job job)
{
	unsigned int at = atomic_load(&tail);

	if (at - atomic_load(&head) >= JOBS)
		return false;
	jobs[at % JOBS] = job;
	atomic_store(&tail, at + 1);
	sem_post(&waiting);
	return true;
}

bool helpers_touch(pid_t pid, uint64_t address)
{
	return add((struct job){ .pid = pid, .address = address });
}

bool helpers_read_ahead(void *at, size_t bytes)
{
	return add((struct job){ .address = (uint64_t)(uintptr_t)at, .bytes = bytes });
}

unsigned int helpers_waiting(void)
{
	return atomic_load(&tail) - atomic_load(&head);
}

uint64_t helpers_errors(void)
{
	return atomic_load(&errors);
}
