/* Unit test of what an accept is followed by. The clock and madvise(2) are this test's own. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8

static char folder[] = "/tmp/test_own_madvise.XXXXXX", switch_path[64];
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener;

static const size_t size = 1u << 20;
static char *own, *reserved, *shared, *constant, *stack;
static atomic_int advices; /* those of the whole of OWN */
static atomic_bool wrong;  /* another advice, or one of what is not the process's own data */
static time_t seconds = 1000;

/* Before the library's constructor, which looks there. */
__attribute__((constructor(101))) static void choose_switch(void)
{
	assert(mkdtemp(folder));
	snprintf(switch_path, sizeof(switch_path), "%s/switch", folder);
	assert(!setenv("OWN_MADVISE_SWITCH", switch_path, 1));
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){ .tv_sec = seconds };
	return 0;
}

static bool overlaps(const char *start, size_t length, const char *other, size_t other_length)
{
	return start < other + other_length && other < start + length;
}

int madvise(void *start, size_t length, int advice)
{
	char *from = start;

	if (advice != MADV_WILLNEED || overlaps(from, length, reserved, size) || overlaps(from, length, shared, size) ||
	    overlaps(from, length, constant, size) || overlaps(from, length, stack, 1))
		wrong = true;
	if (from <= own && own + size <= from + length)
		advices++;
	errno = ENOMEM;
	return -1;
}

static char *map(int protection, int flags)
{
	char *start = mmap(NULL, size, protection, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert(start != MAP_FAILED);
	return start;
}

static void listen_there(void)
{
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert(listener >= 0 && !bind(listener, (struct sockaddr *)&address, sizeof(address)));
	assert(!listen(listener, THREADS));
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert(fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

/* How many advices an accept is followed by. */
static int request(bool four)
{
	struct sockaddr_un peer;
	socklen_t length = sizeof(peer);
	int here = client(), there, before = advices;

	errno = EXDEV;
	if (four)
		there = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	else
		there = accept(listener, (struct sockaddr *)&peer, &length);
	assert(there >= 0 && errno == EXDEV);
	assert(four ? fcntl(there, F_GETFD) == FD_CLOEXEC : length == sizeof(peer.sun_family));
	close(here);
	close(there);
	return advices - before;
}

static void test_switch_and_time(void)
{
	assert(request(false) == 0 && request(true) == 0);
	assert(close(creat(switch_path, 0600)) == 0);
	assert(request(false) == 1);
	seconds += 4;
	assert(request(false) == 0 && request(true) == 0);
	seconds += 1;
	assert(request(true) == 1 && request(true) == 0);
	seconds += 5;
	unlink(switch_path);
	assert(request(false) == 0);
	assert(close(creat(switch_path, 0600)) == 0);
	assert(request(false) == 1);
	assert(!wrong);
}

static void test_a_failed_accept_is_no_request(void)
{
	int before = advices;

	seconds += 60;
	assert(accept(-1, NULL, NULL) == -1 && errno == EBADF);
	assert(accept4(listener, NULL, NULL, ~0) == -1 && errno == EINVAL);
	assert(advices == before);
}

static void *one_request(void *barrier)
{
	int fd;

	pthread_barrier_wait(barrier);
	fd = accept(listener, NULL, NULL);
	assert(fd >= 0);
	close(fd);
	return NULL;
}

static void test_one_of_many_threads_advises(void)
{
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;
	int clients[THREADS], before = advices;

	seconds += 60;
	assert(!pthread_barrier_init(&barrier, NULL, THREADS));
	for (int i = 0; i < THREADS; i++) {
		clients[i] = client();
		assert(!pthread_create(&threads[i], NULL, one_request, &barrier));
	}
	for (int i = 0; i < THREADS; i++) {
		assert(!pthread_join(threads[i], NULL));
		close(clients[i]);
	}
	assert(advices == before + 1);
}

int main(void)
{
	char local = 0;

	stack = &local;
	own = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	reserved = map(PROT_NONE, MAP_PRIVATE);
	constant = map(PROT_READ, MAP_PRIVATE);
	shared = map(PROT_READ | PROT_WRITE, MAP_SHARED);
	listen_there();
	test_switch_and_time();
	test_a_failed_accept_is_no_request();
	test_one_of_many_threads_advises();
	unlink(switch_path);
	unlink(address.sun_path);
	rmdir(folder);
	return 0;
}
