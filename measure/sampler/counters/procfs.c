#include "sampler/counters/procfs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A decimal number at *CURSOR, which then stands behind it. */
static bool take_number(const char **cursor, uint64_t *value)
{
	unsigned long long n;
	char *end;

	if (**cursor < '0' || **cursor > '9')
		return false;
	errno = 0;
	n = strtoull(*cursor, &end, 10);
	if (errno)
		return false;
	*value = n;
	*cursor = end;
	return true;
}

bool parse_stat(const char *text, struct process_stat *s)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	const char *c;
	size_t length;

	if (!open || !close || close < open)
		return false;
	length = (size_t)(close - open - 1);
	if (length >= sizeof(s->comm))
		length = sizeof(s->comm) - 1;
	memcpy(s->comm, open + 1, length);
	s->comm[length] = '\0';

	/* C stands before field 3, the state; some later fields are negative, none of ours. */
	c = close + 1;
	for (int field = 3; field <= 42; field++) {
		uint64_t *wanted = field == 10 ? &s->minflt :
				   field == 12 ? &s->majflt :
				   field == 22 ? &s->start :
				   field == 24 ? &s->rss :
				   field == 42 ? &s->blkio :
						 NULL;

		if (*c != ' ' || !c[1])
			return false;
		c++;
		if (wanted && !take_number(&c, wanted))
			return false;
		c += strcspn(c, " \n");
	}
	return true;
}

bool next_pair(char **cursor, const char **key, uint64_t *value)
{
	while (**cursor) {
		char *line = *cursor, *newline = strchr(line, '\n'), *blank;
		const char *number;

		*cursor = newline ? newline + 1 : line + strlen(line);
		if (newline)
			*newline = '\0';
		blank = strchr(line, ' ');
		if (!blank || blank == line)
			continue;
		number = blank + strspn(blank, " ");
		if (!take_number(&number, value))
			continue;
		blank[blank[-1] == ':' ? -1 : 0] = '\0';
		*key = line;
		return true;
	}
	return false;
}

bool parse_number(const char *text, uint64_t *value)
{
	return take_number(&text, value);
}

static bool pressure_total(const char *text, const char *kind, uint64_t *us)
{
	const char *line = strstr(text, kind), *total;

	if (!line)
		return false;
	total = strstr(line, "total=");
	if (!total || memchr(line, '\n', (size_t)(total - line)))
		return false;
	total += strlen("total=");
	return take_number(&total, us);
}

bool parse_pressure(const char *text, uint64_t *some_us, uint64_t *full_us)
{
	return pressure_total(text, "some ", some_us) && pressure_total(text, "full ", full_us);
}

bool parse_diskstats(const char *text, const char *name, struct disk_stat *d)
{
	size_t length = strlen(name);

	while (*text) {
		const char *newline = strchr(text, '\n'), *c = text;
		uint64_t device, f[10];
		int n = 0;

		text = newline ? newline + 1 : c + strlen(c);
		c += strspn(c, " ");
		if (!take_number(&c, &device))
			continue;
		c += strspn(c, " ");
		if (!take_number(&c, &device) || *c != ' ' || strncmp(c + 1, name, length) || c[1 + length] != ' ')
			continue;
		c += 1 + length;
		while (n < 10 && *c == ' ') {
			c++;
			if (!take_number(&c, &f[n]))
				return false;
			n++;
		}
		if (n < 10)
			return false;
		*d = (struct disk_stat){ f[0], f[2], f[3], f[4], f[6], f[7], f[9] };
		return true;
	}
	return false;
}

bool parse_cgroup(const char *text, char *path, size_t cap)
{
	static const char DELETED[] = " (deleted)";
	size_t length, tail = sizeof(DELETED) - 1;

	while (text && strncmp(text, "0::", 3)) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	if (!text)
		return false;
	text += 3;
	length = strcspn(text, "\n");
	/* A zombie whose cgroup was removed already still names it. */
	if (length > tail && !memcmp(text + length - tail, DELETED, tail))
		length -= tail;
	if (!length || length >= cap)
		return false;
	memcpy(path, text, length);
	path[length] = '\0';
	return true;
}

bool cgroup_within(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	return !strncmp(path, prefix, length) && (path[length] == '/' || path[length] == '\0');
}
