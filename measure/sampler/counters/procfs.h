/* Parsers of the kernel's text files. Pure: text in, numbers out; formats as in proc(5) and
 * Documentation/admin-guide/cgroup-v2.rst. */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_stat {
	char comm[64];
	uint64_t minflt, majflt; /* fields 10 and 12: the whole process, ended threads too */
	uint64_t start;		 /* field 22, clock ticks since boot */
	uint64_t rss;		 /* field 24, pages */
	uint64_t blkio;		 /* field 42, clock ticks waiting for block I/O */
};

struct disk_stat {
	uint64_t reads, read_sectors, read_ms, writes, write_sectors, write_ms, io_ms;
};

/* /proc/PID/stat. A comm may hold blanks and parentheses: it ends at the last ')'. */
bool parse_stat(const char *text, struct process_stat *s);

/* The next "key value" or "key: value kB" line of vmstat, meminfo, memory.stat, memory.events.
 * Cuts TEXT up; false at its end. Lines of other shapes are passed over. */
bool next_pair(char **cursor, const char **key, uint64_t *value);

/* A file that holds one number (memory.current). */
bool parse_number(const char *text, uint64_t *value);

/* memory.pressure: the totals, in microseconds. */
bool parse_pressure(const char *text, uint64_t *some_us, uint64_t *full_us);

/* /proc/diskstats: the line of the disk NAME. */
bool parse_diskstats(const char *text, const char *name, struct disk_stat *d);

/* /proc/PID/cgroup: the path in the unified hierarchy (the line "0::PATH"). */
bool parse_cgroup(const char *text, char *path, size_t cap);

/* Whether PATH is PREFIX or a cgroup below it. */
bool cgroup_within(const char *path, const char *prefix);

#endif
