#include "issue.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "vectors.h"

#define READ_VECTORS 16 /* each read waits for the disk */

enum verdict { UNKNOWN, OURS, GONE };

struct issue {
	const struct members *members;
	struct pageset *plan;
	struct issue_result *result;
	void (*between)(void *);
	void *context;
	unsigned char verdict[MAX_MEMBERS];
};

static uint64_t pages_of(const struct iovec *v)
{
	return v->iov_len / PAGE_BYTES;
}

/* Advise as far as it goes: a short count ends before the vector at fault, whose error the next call tells. */
static bool advise(struct issue *i, const struct member *member, enum page_kind kind, const struct iovec *v, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = (ssize_t)syscall(SYS_process_madvise, member->pidfd, v + at, n - at, MADV_WILLNEED, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			i->result->errors++;
			if (errno == ESRCH)
				return false;
			at++; /* ENOMEM: a hole; the parts around it were done */
			continue;
		}
		for (; at < n && (size_t)got >= v[at].iov_len; at++) {
			got -= (ssize_t)v[at].iov_len;
			i->result->pages[kind] += pages_of(&v[at]);
		}
	}
	return true;
}

/* Read a byte of each page: one that is gone ends the call short, and is stepped over. */
static bool touch(struct issue *i, const struct member *member, const struct iovec *v, size_t n)
{
	char bytes[READ_VECTORS];
	struct iovec remote[READ_VECTORS];

	for (size_t at = 0; at < n; at++)
		remote[at] = (struct iovec){ v[at].iov_base, 1 };
	for (size_t at = 0; at < n;) {
		struct iovec local = { bytes, n - at };
		ssize_t got = process_vm_readv(member->pid, &local, 1, remote + at, n - at, 0);

		if (got < 0 && errno == ESRCH)
			return false;
		if (got > 0)
			i->result->pages[KIND_COW] += (uint64_t)got;
		at += got > 0 ? (size_t)got : 0;
		if (at < n && got <= 0) {
			i->result->errors++;
			at++;
		}
	}
	return true;
}

static bool ours(struct issue *i, unsigned int slot)
{
	if (i->verdict[slot] == UNKNOWN) {
		i->verdict[slot] = members_verify(i->members, slot) ? OURS : GONE;
		i->result->processes += i->verdict[slot] == OURS;
		i->result->errors += i->verdict[slot] == GONE;
	}
	return i->verdict[slot] == OURS;
}

static void issue_kind(struct issue *i, enum page_kind kind)
{
	static const uint64_t max_pages[KINDS] = { ANON_PAGES, FILE_PAGES, 1 };
	struct iovec v[MAX_CALL_VECTORS];
	struct vector_cursor cursor = { 0 };
	const struct rangeset *set = &i->plan->kind[kind];
	size_t max = kind == KIND_COW ? READ_VECTORS : MAX_CALL_VECTORS;
	unsigned int slot;
	size_t n;

	while ((n = vectors_next(set, &cursor, max_pages[kind], v, max, &slot)) > 0) {
		const struct member *member = &i->members->slots[slot];

		if (!ours(i, slot)) {
			vectors_skip(set, &cursor, slot);
			continue;
		}
		if (!i->result->first_ns)
			i->result->first_ns = now_ns();
		if (!(kind == KIND_COW ? touch(i, member, v, n) : advise(i, member, kind, v, n)))
			i->verdict[slot] = GONE;
		i->between(i->context);
	}
}

void issue_run(const struct members *m, struct pageset *plan, void (*between)(void *), void *context,
	       struct issue_result *result)
{
	struct issue i = { .members = m, .plan = plan, .result = result, .between = between, .context = context };

	memset(result, 0, sizeof(*result));
	for (int kind = 0; kind < KINDS; kind++)
		issue_kind(&i, (enum page_kind)kind);
	for (unsigned int slot = 0; slot < MAX_MEMBERS; slot++)
		if (i.verdict[slot] == GONE)
			pageset_drop_slot(plan, slot);
	result->done_ns = now_ns();
}

int issue_probe(void)
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
