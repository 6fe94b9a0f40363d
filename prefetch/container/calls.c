#include "container/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "container/look.h"
#include "guest_c/clock.h"
#include "kernel/helpers.h"

static int by_slot(const void *a, const void *b)
{
	const struct piece *x = a;
	const struct piece *y = b;

	if (x->target.kind != y->target.kind)
		return x->target.kind < y->target.kind ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static struct iovec vector(const struct target *t)
{
	return (struct iovec){ (void *)(uintptr_t)(t->page * PAGE_BYTES), t->pages * PAGE_BYTES };
}

/* Advise as far as it goes: a short count ends before the vector at fault, whose error the next call tells. */
static void advise(struct issue *i, struct member *member, const struct iovec *v, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = (ssize_t)syscall(SYS_process_madvise, member->pidfd, v + at, n - at, MADV_WILLNEED, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			i->errors++;
			if (errno == ESRCH) {
				member->verdict = MEMBER_GONE;
				return;
			}
			at++; /* ENOMEM: a hole; the parts around it were done */
			continue;
		}
		for (; at < n && (size_t)got >= v[at].iov_len; at++)
			got -= (ssize_t)v[at].iov_len;
	}
}

static void touch(struct issue *i, const struct member *member, const struct target *t)
{
	for (uint32_t k = 0; k < t->pages; k++)
		i->errors += !helpers_touch(member->pid, (t->page + k) * PAGE_BYTES);
}

static void read_ahead(struct issue *i, const struct target *t)
{
	uint64_t pages = t->pages;
	void *at = files_at(i->files, t->where, t->page, &pages);

	i->errors += !at || !helpers_read_ahead(at, pages * PAGE_BYTES);
}

/* Neighbours in WINDOW of one member go into one call. The number of pieces done. */
static size_t call(struct issue *i, const struct window *w, size_t at)
{
	const struct target *t = &w->pieces[at].target;
	struct iovec v[WINDOW_TARGETS];
	struct member *member;
	size_t n = 0;

	if (!i->first_ns)
		i->first_ns = now_ns();
	if (t->kind == TARGET_FILE) {
		read_ahead(i, t);
		return 1;
	}
	member = look_member(i, t->where);
	if (t->kind == TARGET_READ) {
		if (member)
			touch(i, member, t);
		return 1;
	}
	while (at + n < w->n && w->pieces[at + n].target.kind == TARGET_ADVISE &&
	       w->pieces[at + n].target.where == t->where) {
		v[n] = vector(&w->pieces[at + n].target);
		n++;
	}
	if (member)
		advise(i, member, v, n);
	return n;
}

void calls_make(struct issue *i, struct window *w)
{
	qsort(w->pieces, w->n, sizeof(*w->pieces), by_slot);
	for (size_t at = 0; at < w->n;)
		at += call(i, w, at);
}

int calls_probe(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
	long got;
	int saved;

	if (pidfd < 0)
		return -1;
	got = syscall(SYS_process_madvise, pidfd, NULL, 0, MADV_WILLNEED, 0);
	saved = errno;
	close(pidfd);
	errno = saved;
	return got < 0 ? -1 : 0;
}

void calls_lower_priority(void)
{
	enum { WHO_PROCESS = 1, CLASS_BEST_EFFORT = 2, CLASS_SHIFT = 13, LOWEST = 7 }; /* linux/ioprio.h */

	syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_BEST_EFFORT << CLASS_SHIFT | LOWEST);
}
