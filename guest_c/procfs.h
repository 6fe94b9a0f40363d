/* Small reads of /proc and cgroupfs through the caller's buffers: no allocation. */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What tells one address space of a pid from the next: a new process has another start time, and execve(2)
 * another stack. */
struct identity {
	uint64_t start_ticks;
	uint64_t stack;
	uint64_t cpu_ticks; /* user and system time; this and what follows is of no weight in a comparison */
	pid_t parent;
	char state;
};

/* Read the whole file (at most CAP - 1 bytes) and end it with a 0 byte. Its length, or -1 with errno. */
ssize_t read_text(const char *path, char *buf, size_t cap);
/* The same of NAME in DIR; false also for an empty file. */
bool read_in(const char *dir, const char *name, char *text, size_t cap);
/* FNV-1a. Pure. */
uint32_t hash_text(const char *text);
/* Parse the text of /proc/PID/stat; comm may hold blanks and parentheses. Pure. */
bool stat_parse(const char *text, struct identity *id);
/* The value after "NAME " at the beginning of a line; false when there is none. Pure. */
bool counter_parse(const char *text, const char *name, uint64_t *value);

bool read_identity(pid_t pid, struct identity *id);
bool same_identity(const struct identity *a, const struct identity *b);
/* comm without its newline; "?" when the process is gone. CAP >= 17. */
void read_comm(pid_t pid, char *comm, size_t cap);

/* A text file line by line, over one fixed buffer. Longer lines are cut. */
struct lines {
	int fd;
	size_t len;
	size_t at;
	char buf[16384];
};

bool lines_open(struct lines *l, const char *path);
/* The next line without its newline, valid until the next call; NULL at the end. */
char *lines_next(struct lines *l);
void lines_close(struct lines *l);

#endif
