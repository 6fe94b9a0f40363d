#include "sampler/counters/files.h"
#include "sampler/counters/procs.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define STAT_CAP 1024

void procs_begin(struct procs *p)
{
	p->walk++;
}

const struct proc *procs_find(const struct procs *p, int pid)
{
	for (int i = 0; i < p->count; i++)
		if (p->all[i].pid == pid)
			return &p->all[i];
	return NULL;
}

static void forget(struct procs *p, int i)
{
	close(p->all[i].fd);
	p->all[i] = p->all[--p->count];
}

static bool refresh(struct proc *e)
{
	char text[STAT_CAP];

	return read_part(e->fd, text, sizeof(text)) && parse_stat(text, &e->stat);
}

static int open_stat(int pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

enum seen procs_see(struct procs *p, int pid, int group, const struct proc **found)
{
	struct proc *e;
	int i = 0;

	while (i < p->count && p->all[i].pid != pid)
		i++;
	/* Known but gone: its pid may have been given to another process, which is opened below. */
	if (i < p->count && !refresh(&p->all[i])) {
		forget(p, i);
		i = p->count;
	}
	if (i == MAX_PROCS)
		return SEEN_NO_ROOM;
	e = &p->all[i];
	if (i == p->count) {
		e->pid = pid;
		e->fd = open_stat(pid);
		if (e->fd < 0)
			return SEEN_GONE;
		if (!refresh(e)) {
			close(e->fd);
			return SEEN_GONE;
		}
		p->count++;
	}
	e->group = group;
	e->seen = p->walk;
	*found = e;
	return SEEN_READ;
}

void procs_sweep(struct procs *p)
{
	for (int i = p->count - 1; i >= 0; i--)
		if (p->all[i].seen != p->walk)
			forget(p, i);
}
