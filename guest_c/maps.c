#include "guest_c/maps.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool maps_parse(const char *line, struct vma *v)
{
	char perms[5];
	uint64_t inode;
	int name = 0;

	/* A smaps field may begin with a hexadecimal digit too ("FilePmdMapped"), but never goes on with '-'. */
	if (!isxdigit((unsigned char)line[0]))
		return false;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 " %n", &v->start, &v->end, perms,
		   &v->offset, &inode, &name) != 5 || strlen(perms) != 4)
		return false;
	v->file = inode != 0;
	v->shared = perms[3] == 's';
	v->name = line + name;
	v->skip = strncmp(perms, "---", 3) == 0 || strncmp(v->name, "[v", 2) == 0;
	return v->start < v->end;
}

bool smaps_field(const char *line, const char *name, uint64_t *kb)
{
	size_t length = strlen(name);

	return strncmp(line, name, length) == 0 && line[length] == ':' &&
	       sscanf(line + length + 1, "%" SCNu64 " kB", kb) == 1;
}
