#include "sampler/counters/exits.h"
#include "sampler/counters/netlink.h"

#include <linux/acct.h>
#include <linux/taskstats.h>
#include <string.h>

/* ac_tgid and AGROUP came with version 12 (Linux 5.19). */
#define TASKSTATS_NEEDED 12

/* The payload of the attribute TYPE among attributes of LENGTH bytes. */
static const char *attribute(const char *at, size_t length, uint16_t type, size_t *size)
{
	while (length >= ATTRIBUTE_HEAD) {
		struct nlattr a;
		size_t step;

		memcpy(&a, at, sizeof(a));
		if (a.nla_len < ATTRIBUTE_HEAD || a.nla_len > length)
			return NULL;
		if ((a.nla_type & NLA_TYPE_MASK) == type) {
			*size = a.nla_len - ATTRIBUTE_HEAD;
			return at + ATTRIBUTE_HEAD;
		}
		step = attribute_step(a.nla_len);
		if (step > length)
			return NULL;
		at += step;
		length -= step;
	}
	return NULL;
}

bool parse_thread_end(const void *message, size_t length, uint16_t family, struct thread_end *end)
{
	struct taskstats s = { 0 };
	struct nlmsghdr head;
	const char *part;
	size_t size;

	if (length < MESSAGE_HEAD)
		return false;
	memcpy(&head, message, sizeof(head));
	if (head.nlmsg_type != family || head.nlmsg_len > length || head.nlmsg_len < MESSAGE_HEAD)
		return false;
	part = attribute((const char *)message + MESSAGE_HEAD, head.nlmsg_len - MESSAGE_HEAD,
			 TASKSTATS_TYPE_AGGR_PID, &size);
	if (part)
		part = attribute(part, size, TASKSTATS_TYPE_STATS, &size);
	/* Other kernels' structures are longer or shorter; they only ever grew at the end. */
	if (!part || size < offsetof(struct taskstats, ac_tgid) + sizeof(s.ac_tgid))
		return false;
	memcpy(&s, part, size < sizeof(s) ? size : sizeof(s));
	if (s.version < TASKSTATS_NEEDED)
		return false;

	*end = (struct thread_end){
		.pid = s.ac_pid,
		.tgid = s.ac_tgid,
		.ppid = s.ac_ppid,
		.minflt = s.ac_minflt,
		.majflt = s.ac_majflt,
		.blkio_ns = s.blkio_delay_total,
		.swapin_ns = s.swapin_delay_total,
		.last = s.ac_flag & AGROUP,
	};
	memcpy(end->comm, s.ac_comm, sizeof(end->comm) - 1);
	return true;
}

struct ending *exits_add(struct exits *x, const struct thread_end *end)
{
	struct ending *e = x->all;

	while (e < x->all + x->count && e->pid != end->tgid)
		e++;
	if (e == x->all + MAX_ENDS) {
		x->lost++;
		return NULL;
	}
	if (e == x->all + x->count) {
		*e = (struct ending){ .pid = end->tgid, .group = -1 };
		x->count++;
	}
	e->ppid = end->ppid;
	e->minflt += end->minflt;
	e->majflt += end->majflt;
	e->blkio_ns += end->blkio_ns;
	e->swapin_ns += end->swapin_ns;
	/* A process is called what its first thread is called. */
	if (!e->comm[0] || end->pid == end->tgid)
		memcpy(e->comm, end->comm, sizeof(end->comm));
	return e;
}

bool exits_take(struct exits *x, uint64_t before_ns, struct ending *taken)
{
	for (int i = 0; i < x->count; i++) {
		if (!x->all[i].ended_ns || x->all[i].ended_ns >= before_ns)
			continue;
		*taken = x->all[i];
		/* In order of their ends, as they were added. */
		memmove(&x->all[i], &x->all[i + 1], sizeof(*x->all) * (size_t)(x->count - i - 1));
		x->count--;
		return true;
	}
	return false;
}
