/* The processes of a group: who they are, by a pidfd each, so that a recycled pid is never mistaken for one. */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "options.h"
#include "procfs.h"

#define MAX_MEMBERS 256
#define MAX_DIRS    4

struct member {
	struct identity id;
	pid_t pid;
	int pidfd;
	bool used;
	bool seen; /* by the walk under way */
	char comm[COMM_CAP + 1];
};

struct members {
	const struct group_spec *spec;
	char dirs[MAX_DIRS][SPEC_CAP]; /* the cgroups that stand behind the spec now */
	uint64_t inodes[MAX_DIRS];     /* a removed and recreated cgroup is another one */
	size_t ndirs;
	struct member slots[MAX_MEMBERS];
	uint64_t overflow; /* processes for which no slot was left */
};

typedef void member_gone(void *context, unsigned int slot);

/* Look the spec's cgroups up again; true when they changed. Groups by name never change. */
bool members_resolve(struct members *m);
/* Walk the group: take new processes up, hand slots whose process (or program) is gone to GONE and free them. */
void members_refresh(struct members *m, member_gone *gone, void *context);
/* The slot of PID, or -1. */
int members_find(const struct members *m, pid_t pid);
size_t members_count(const struct members *m);
/* A process has ended since the last walk. */
bool members_lost(const struct members *m);
/* SLOT still runs the program it was taken up with and still belongs to the group. */
bool members_verify(const struct members *m, unsigned int slot);
/* PID's name is in the spec's list. */
bool members_named(const struct members *m, pid_t pid);
/* CPU time of the group so far in ns. */
uint64_t members_cpu_ns(const struct members *m);

#endif
