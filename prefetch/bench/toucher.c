/* Memory that is touched on command, so that a container can be pushed out and woken at will.
 *
 *     toucher PIPE MIB [FILE]    of anonymous memory, or of FILE, which is read
 *
 * Reads a command from the FIFO PIPE.in and answers by a line of JSON on PIPE.out, again and again:
 *
 *     touch FIRST COUNT STRIDE   read COUNT pages from FIRST on, STRIDE pages apart
 *     sum PASSES                 read every word of every page, so many times
 *     fork COUNT                 children, one after the other, that write a page and end */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096ul
#define WORDS (PAGE / sizeof(uint64_t))

static volatile uint64_t *memory;
static unsigned long pages;
static volatile uint64_t total; /* or nothing would be read */

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Not zeroes, which the kernel would not write to swap, and not huge pages, which it would write at once. */
static void fill(void)
{
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	madvise((void *)memory, pages * PAGE, MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < pages; i++)
		memory[i * WORDS] = i + 1;
}

static void map(const char *path)
{
	int fd = open(path, O_RDONLY);

	memory = fd < 0 ? MAP_FAILED : mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		fail(path);
	for (unsigned long i = 0; i < pages; i++)
		total += memory[i * WORDS];
}

static void touch(unsigned long first, unsigned long count, unsigned long stride)
{
	for (unsigned long i = 0; i < count; i++)
		total += memory[(first + i * stride) % pages * WORDS];
}

static void sum(unsigned long passes)
{
	for (unsigned long pass = 0; pass < passes; pass++)
		for (unsigned long i = 0; i < pages * WORDS; i++)
			total += memory[i];
}

static void breed(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		pid_t child = fork();

		if (child == 0) {
			total++;
			_exit(0);
		}
		if (child < 0 || waitpid(child, NULL, 0) < 0)
			fail("fork");
	}
}

static void obey(const char *line)
{
	unsigned long a = 0, b = 0, c = 0;
	char word[16];
	int n = sscanf(line, "%15s %lu %lu %lu", word, &a, &b, &c);

	if (n == 4 && strcmp(word, "touch") == 0)
		touch(a, b, c);
	else if (n == 2 && strcmp(word, "sum") == 0)
		sum(a);
	else if (n == 2 && strcmp(word, "fork") == 0)
		breed(a);
	else
		exit(2);
}

static FILE *end_of(const char *pipe, const char *name, const char *mode)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%s", pipe, name);
	file = fopen(path, mode);
	if (!file)
		fail(path);
	return file;
}

int main(int argc, char *argv[])
{
	char line[128] = "touch 0 0 1";

	if (argc < 3)
		return 2;
	pages = strtoul(argv[2], NULL, 10) << 8;
	if (argc > 3)
		map(argv[3]);
	else
		fill();
	for (;;) {
		struct rusage before, after;
		double start = now();
		FILE *file;

		getrusage(RUSAGE_SELF, &before);
		obey(line);
		getrusage(RUSAGE_SELF, &after);
		start = now() - start;
		file = end_of(argv[1], "out", "w");
		fprintf(file, "{\"seconds\":%.6f,\"majflt\":%ld,\"minflt\":%ld}\n", start,
			after.ru_majflt - before.ru_majflt, after.ru_minflt - before.ru_minflt);
		fclose(file);
		file = end_of(argv[1], "in", "r");
		if (!fgets(line, sizeof(line), file))
			return 0;
		fclose(file);
	}
}
