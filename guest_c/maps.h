/* Lines of /proc/PID/maps and /proc/PID/smaps (proc_pid_maps(5), proc_pid_smaps(5)). Pure. */
#ifndef MAPS_H
#define MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct vma {
	uint64_t start;
	uint64_t end;	  /* exclusive */
	uint64_t offset;  /* in the file, in bytes */
	const char *name; /* the rest of the line, "" when there is none: "/usr/bin/x", "[heap]" */
	bool file;	  /* mapped from a file or shared memory: anonymous otherwise */
	bool skip;	  /* no access, or the kernel's own ([vdso], [vvar], ...): nothing to prefetch */
	bool shared;
};

/* Parse a mapping's first line; false when LINE is not one (a smaps field). V->name points into LINE. */
bool maps_parse(const char *line, struct vma *v);
/* Parse "NAME:   123 kB" into *KB; false when LINE is another field. NAME without the colon. */
bool smaps_field(const char *line, const char *name, uint64_t *kb);

#endif
