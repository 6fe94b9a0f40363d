/* The processes of a group: who they are, by a pidfd each, so that a recycled pid is never mistaken for one. */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "guest_c/procfs.h"
#include "model/options.h"
#include "model/pool.h"

#define MAX_MEMBERS 4096u
#define EXE_CAP	    160
#define NO_ROLE	    (-1)

enum member_verdict { MEMBER_UNKNOWN, MEMBER_OURS, MEMBER_GONE }; /* in the activation under way */

struct member {
	struct identity id;
	pid_t pid;
	int pidfd;
	int pagemap; /* of its address space, or -1 */
	int role;    /* index in the group's working set, or NO_ROLE */
	bool used;
	bool seen;   /* by the walk under way */
	bool fresh;  /* taken up since the last snapshot */
	bool woken;  /* a forked worker that faulted in the activation under way */
	bool worker; /* of its role */
	uint16_t samples; /* of a fresh one, so far */
	uint8_t verdict;
	uint32_t exe_hash;
};

struct members {
	const struct group_spec *spec;
	char dir[SPEC_CAP]; /* the cgroup; empty for groups by name */
	struct pool *pool;
	struct member *slots;
	size_t nslots; /* used and unused */
	size_t cap;
	uint64_t overflow; /* processes for which no slot was left */
};

typedef void member_gone(void *context, unsigned int slot);

void members_init(struct members *m, const struct group_spec *spec, const char *dir, struct pool *pool);
/* Walk the group: take new processes up, hand slots whose process (or program) is gone to GONE and free them. */
void members_refresh(struct members *m, member_gone *gone, void *context);
void members_free(struct members *m);
/* Take PID up now if it is one of the group. Its slot, or -1. */
int members_take_up(struct members *m, pid_t pid);
/* The same, and anew if PID has executed another program since. */
int members_current(struct members *m, pid_t pid);
/* The slot of PID, or -1. */
int members_find(const struct members *m, pid_t pid);
size_t members_count(const struct members *m);
/* SLOT still runs the program it was taken up with and still belongs to the group. */
bool members_verify(const struct members *m, unsigned int slot);
/* COMM is in the spec's list of names. */
bool members_listed(const struct members *m, const char *comm);
/* CPU time of the group so far in ns. */
uint64_t members_cpu_ns(const struct members *m);
/* The executable as /proc/PID/exe reads, without the mark of a deleted one. False: gone. */
bool members_exe(pid_t pid, char exe[EXE_CAP]);

#endif
