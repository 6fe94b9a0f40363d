#include "guest_c/procfs.h"
#include "swapcycle.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SWAPON_TRIES 50
#define SWAPON_PAUSE_NS 100000000L

struct swap {
	uint64_t used_kb;
	int priority;
};

/* Whether the device is in use as swap. The kernel lists it by its path without symbolic links. */
static bool find(const char *swaps, const char *device, struct swap *s)
{
	static struct lines l;
	static char resolved[PATH_MAX], listed[PATH_MAX];
	bool found = false;

	*s = (struct swap){ 0 };
	if (!realpath(device, resolved) || !lines_open(&l, swaps))
		return false;
	for (const char *line; !found && (line = lines_next(&l));)
		found = sscanf(line, "%4095s %*s %*u %" SCNu64 " %d", listed, &s->used_kb, &s->priority) == 3 &&
			!strcmp(listed, resolved);
	lines_close(&l);
	if (!found)
		*s = (struct swap){ 0 };
	return found;
}

/* In a child: where memory does not suffice, the kernel's first choice to kill is who is in swapoff(2). */
static void switch_off(const char *device, struct outcome *o)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(swapoff(device) ? errno : 0);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		outcome_fail(o, "swapoff %s: no child: %s", device, strerror(errno));
	else if (WIFSIGNALED(status))
		outcome_fail(o, "swapoff %s: killed by signal %d%s", device, WTERMSIG(status),
			     WTERMSIG(status) == SIGKILL ? " (out of memory)" : "");
	else if (WEXITSTATUS(status))
		outcome_fail(o, "swapoff %s: %s", device, strerror(WEXITSTATUS(status)));
}

/* The kernel needs memory for this, too, so one refusal is not the end of it. */
static void switch_on(const char *swaps, const char *device, int priority, struct outcome *o)
{
	int flags = priority < 0 ? 0 : SWAP_FLAG_PREFER | (priority & SWAP_FLAG_PRIO_MASK);
	struct swap now;
	int error = 0;

	for (int i = 0; i < SWAPON_TRIES; i++) {
		if (!swapon(device, flags))
			return;
		error = errno;
		if (find(swaps, device, &now)) /* by somebody else meanwhile */
			return;
		if (error != ENOMEM)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = SWAPON_PAUSE_NS }, NULL);
	}
	outcome_fail(o, "swapon %s: %s", device, strerror(error));
}

static void cycle(const char *swaps, const char *device, struct outcome *o)
{
	uint64_t page_kb = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	struct swap before, after;
	bool on;

	if (!find(swaps, device, &before)) {
		outcome_fail(o, "%s: not in use as swap", device);
		return;
	}
	switch_off(device, o);
	/* A swapoff(2) that failed or was killed leaves the device on, with what it had not brought in yet. */
	on = find(swaps, device, &after);
	if (after.used_kb < before.used_kb)
		o->pages += (before.used_kb - after.used_kb) / page_kb;
	if (!on)
		switch_on(swaps, device, before.priority, o);
}

void swap_cycle(const char *swaps, char *const *devices, int n, struct outcome *o)
{
	for (int i = 0; i < n; i++)
		cycle(swaps, devices[i], o);
}
