/* The paper's "program alpha": allocate, write a few bytes of every page, hold.
 *
 * It is service B of the paper, and there only to push service A out of memory. */
#include "options.h"
#include "guest_c/clock.h"
#include "guest_c/jsonline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB 1048576u

#define NAME "alpha"

enum { EXIT_MEMORY = 3 };

static const char HELP[] =
	"usage: alpha [--mb MIB] [--stride BYTES] [--bytes BYTES] [--events PATH]\n"
	"\n"
	"Allocates memory, writes a few bytes at every stride from its start, and holds it until SIGTERM. On SIGUSR1 it\n"
	"reads what it has written again.\n"
	"\n"
	"  --mb MIB        memory to allocate, in MiB, 1 to 1048576 (819)\n"
	"  --stride BYTES  distance from one write to the next, 1 to all of the memory (4096: every page)\n"
	"  --bytes BYTES   length of each write, 1 to the stride (4)\n"
	"  --events PATH   append the events to this file or device instead of standard output\n"
	"\n"
	"Events, one JSON object a line, times of CLOCK_MONOTONIC in seconds:\n"
	"  {\"event\":\"start\",\"t\":..,\"pid\":..,\"mb\":..,\"stride\":..,\"bytes\":..}\n"
	"  {\"event\":\"ready\",\"t\":..,\"pages\":<4 KiB pages written>,\"mb\":..,\"stride\":..,\"bytes\":..,\"write_s\":..}\n"
	"  {\"event\":\"read\",\"t\":..,\"read_s\":..}\n"
	"\n"
	"Exit codes: 0 on SIGTERM, 2 bad argument, 3 no memory, 4 anything else.\n"
	"Example: alpha --mb 64 & sleep 1; grep VmRSS /proc/$!/status; kill $!\n";

static void on_sigterm(int number)
{
	(void)number;
	_exit(0);
}

static int write_whole(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

static void begin_event(struct jsonline *j, char *buf, size_t cap, const char *event, uint64_t t)
{
	json_begin(j, buf, cap);
	json_string(j, "event", event);
	json_seconds(j, "t", t);
}

static void describe(struct jsonline *j, const struct options *o)
{
	json_u64(j, "mb", o->mb);
	json_u64(j, "stride", o->stride);
	json_u64(j, "bytes", o->bytes);
}

/* The number of 4 KiB pages that were written, each counted once. The stores are volatile, or the
 * compiler would drop them: nothing reads them. They are not zero, as Linux 6.12 and later keeps
 * zero-filled pages out of the swap device (zeromap), and alpha's pages would then cost no I/O. */
static uint64_t write_pages(volatile unsigned char *memory, uint64_t size, const struct options *o)
{
	uint64_t pages = 0, next = 0; /* NEXT: the first page not counted yet */

	for (uint64_t at = 0; at + o->bytes <= size; at += o->stride) {
		uint64_t first = at / ALPHA_PAGE, last = (at + o->bytes - 1) / ALPHA_PAGE;

		for (uint64_t i = 0; i < o->bytes; i++)
			memory[at + i] = (unsigned char)(0x5a ^ (at >> 12) ^ i) | 1;
		if (first < next)
			first = next;
		if (last >= first)
			pages += last - first + 1;
		next = last + 1;
	}
	return pages;
}

/* Returns their sum, so that the reads stay. */
static unsigned int read_pages(const volatile unsigned char *memory, uint64_t size, const struct options *o)
{
	unsigned int sum = 0;

	for (uint64_t at = 0; at + o->bytes <= size; at += o->stride)
		sum += memory[at];
	return sum;
}

int main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = on_sigterm };
	sigset_t wakes;
	int woken;
	uint64_t started, done, size, pages;
	int out = STDOUT_FILENO;
	int code;
	struct jsonline j;
	struct options o;
	char line[512];
	char *memory;

	/* _exit() in a handler ends alpha at once, in the midst of writing too. */
	sigaction(SIGTERM, &term, NULL);
	sigemptyset(&wakes);
	sigaddset(&wakes, SIGUSR1);
	sigprocmask(SIG_BLOCK, &wakes, NULL);
	code = program_answer(parse_options(argc, argv, &o, line, sizeof(line)), NAME, HELP, line);
	if (code >= 0)
		return code;
	if (o.events)
		out = open(o.events, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (out < 0)
		return program_fail(NAME, EXIT_SYSTEM, o.events);

	size = o.mb * MIB;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		snprintf(line, sizeof(line), "cannot allocate %llu MiB", (unsigned long long)o.mb);
		return program_fail(NAME, EXIT_MEMORY, line);
	}
	/* The paper's pages are of 4 KiB. With transparent huge pages one write would fill 512 of them,
	 * and the stride would no longer say what is resident. EINVAL: a kernel that has none. */
	if (madvise(memory, size, MADV_NOHUGEPAGE) && errno != EINVAL)
		return program_fail(NAME, EXIT_SYSTEM, "madvise(MADV_NOHUGEPAGE)");

	started = now_ns();
	begin_event(&j, line, sizeof(line), "start", started);
	json_i64(&j, "pid", getpid());
	describe(&j, &o);
	if (write_whole(out, line, json_end(&j)))
		return program_fail(NAME, EXIT_SYSTEM, o.events ? o.events : "standard output");
	pages = write_pages((volatile unsigned char *)memory, size, &o);
	done = now_ns();
	begin_event(&j, line, sizeof(line), "ready", done);
	json_u64(&j, "pages", pages);
	describe(&j, &o);
	json_seconds(&j, "write_s", done - started);
	if (write_whole(out, line, json_end(&j)))
		return program_fail(NAME, EXIT_SYSTEM, o.events ? o.events : "standard output");

	/* Not locked in memory: that alpha, too, can be swapped out is part of the experiment. */
	for (;;) {
		if (sigwait(&wakes, &woken))
			return program_fail(NAME, EXIT_SYSTEM, "sigwait");
		started = now_ns();
		read_pages((volatile unsigned char *)memory, size, &o);
		done = now_ns();
		begin_event(&j, line, sizeof(line), "read", done);
		json_seconds(&j, "read_s", done - started);
		if (write_whole(out, line, json_end(&j)))
			return program_fail(NAME, EXIT_SYSTEM, o.events ? o.events : "standard output");
	}
}
