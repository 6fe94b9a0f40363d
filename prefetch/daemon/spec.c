#include "daemon/settings.h"

#include <string.h>

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static bool add_comm(struct group_spec *g, const char *name, size_t length)
{
	for (; length && text_is_blank(*name); length--)
		name++;
	while (length && text_is_blank(name[length - 1]))
		length--;
	if (length == 0 || length >= COMM_CAP || g->ncomms == MAX_COMMS)
		return false;
	memcpy(g->comms[g->ncomms], name, length);
	g->comms[g->ncomms++][length] = 0;
	return true;
}

bool spec_comms(const char *list, struct group_spec *g)
{
	if (!text_is_printable(list))
		return false;
	for (;;) {
		size_t length = strcspn(list, ",");

		if (!add_comm(g, list, length))
			return false;
		if (!list[length])
			return true;
		list += length + 1;
	}
}

/* "..", and whatever a pattern may make of a leading dot, lead out of the tree. */
static bool stays_below(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (part[0] == '.' && strchr("/.*?[\\", part[1]))
			return false;
	}
	return true;
}

bool spec_cgroup(const char *path, struct group_spec *g)
{
	size_t root = strlen(CGROUP_ROOT);
	size_t length;

	if (strncmp(path, CGROUP_ROOT, root) == 0)
		path += root;
	length = strlen(path);
	while (length && path[length - 1] == '/')
		length--;
	if (path[0] == '/' || length == 0 || root + length >= sizeof(g->cgroup))
		return false;
	if (!stays_below(path) || !text_is_printable(path))
		return false;
	memcpy(g->cgroup, CGROUP_ROOT, root);
	memcpy(g->cgroup + root, path, length);
	g->cgroup[root + length] = 0;
	return true;
}

/* "json" would be taken for the form of prefetchctl's status. */
bool spec_name(const char *text, size_t length, struct group_spec *g)
{
	*g = (struct group_spec){ 0 };
	if (length == 0 || length >= NAME_CAP || strspn(text, NAME_LETTERS) < length || text[0] == '-')
		return false;
	if (length == 4 && memcmp(text, "json", 4) == 0)
		return false;
	memcpy(g->name, text, length);
	return true;
}

bool group_spec_parse(const char *text, struct group_spec *g, char *error, size_t cap)
{
	size_t length = strcspn(text, "=");
	const char *spec = text + length + 1;

	if (!spec_name(text, length, g) || !text[length])
		return options_wrong(error, cap, "--group %.80s: expected NAME=SPEC, " EXPECTED_NAME, text);
	if (strncmp(spec, "comm:", 5) == 0)
		return spec_comms(spec + 5, g) ||
		       options_wrong(error, cap, "--group %.80s: expected after comm: " EXPECTED_COMMS, text);
	return spec_cgroup(spec, g) ||
	       options_wrong(error, cap, "--group %.80s: expected a cgroup below " CGROUP_ROOT " or comm:NAME,...", text);
}

bool spec_is_taken(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->nspecs; i++)
		if (strcmp(o->specs[i].name, name) == 0)
			return true;
	return false;
}
