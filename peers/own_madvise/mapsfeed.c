#include "mapsfeed.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* sscanf() may allocate. False where TEXT does not begin with a hexadecimal digit. */
static bool take_hex(const char **text, uintptr_t *value)
{
	const char *start = *text;

	for (*value = 0;; (*text)++) {
		char c = **text;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uintptr_t)(c - 'a' + 10);
		else
			return *text > start;
	}
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* "START-END PERMS OFFSET DEVICE INODE NAME"; see proc_pid_maps(5). */
static bool is_own_data(const char *line, uintptr_t *start, uintptr_t *end)
{
	const char *perms, *name;

	if (!take_hex(&line, start) || !take(&line, '-') || !take_hex(&line, end) || !take(&line, ' '))
		return false;
	perms = line;
	if (strncmp(perms, "rw", 2) != 0 || (perms[2] != '-' && perms[2] != 'x') || perms[3] != 'p')
		return false;
	for (int field = 0; field < 3; field++) {
		line = strchr(line, ' ');
		if (!line)
			return false;
		line++;
	}
	if (!take(&line, '0')) /* the inode of a file */
		return false;
	name = line + strspn(line, " ");
	return !*name || !strncmp(name, "[heap", 5) || !strncmp(name, "[anon:", 6);
}

static void end_line(struct maps_feed *f, void (*visit)(void *start, size_t size))
{
	uintptr_t start, end;

	f->line[f->length] = '\0';
	f->length = 0;
	if (is_own_data(f->line, &start, &end) && end > start)
		visit((void *)start, end - start);
}

void maps_feed(struct maps_feed *f, const char *text, size_t length, void (*visit)(void *start, size_t size))
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n')
			end_line(f, visit);
		else if (f->length < sizeof(f->line) - 1)
			f->line[f->length++] = text[i];
	}
}
