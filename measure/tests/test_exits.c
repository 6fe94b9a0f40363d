/* Unit test of the taskstats messages and their sums. */
#include "sampler/counters/exits.h"
#include "sampler/counters/netlink.h"

#include <assert.h>
#include <linux/acct.h>
#include <linux/taskstats.h>
#include <string.h>

#define FAMILY 29

struct message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	struct nlattr aggregate, pid;
	uint32_t pid_value;
	struct nlattr stats;
	struct taskstats s;
} __attribute__((packed));

static struct message thread_message(uint32_t tid, uint32_t tgid, uint64_t majors, bool last)
{
	struct message m;

	memset(&m, 0, sizeof(m));
	m.head.nlmsg_len = sizeof(m);
	m.head.nlmsg_type = FAMILY;
	m.genl.cmd = TASKSTATS_CMD_NEW;
	m.aggregate.nla_type = TASKSTATS_TYPE_AGGR_PID;
	m.aggregate.nla_len = (uint16_t)(sizeof(m) - offsetof(struct message, aggregate));
	m.pid.nla_type = TASKSTATS_TYPE_PID;
	m.pid.nla_len = 8;
	m.stats.nla_type = TASKSTATS_TYPE_STATS;
	m.stats.nla_len = (uint16_t)(sizeof(m) - offsetof(struct message, stats));
	m.s.version = 12;
	m.s.ac_pid = tid;
	m.s.ac_tgid = tgid;
	m.s.ac_ppid = 7;
	m.s.ac_minflt = 10 * majors;
	m.s.ac_majflt = majors;
	m.s.blkio_delay_total = 1000 * majors;
	m.s.swapin_delay_total = 100 * majors;
	m.s.ac_flag = last ? AGROUP : 0;
	strcpy(m.s.ac_comm, tid == tgid ? "query.cgi" : "timer");
	return m;
}

static void test_message(void)
{
	struct message m = thread_message(101, 100, 5, true);
	struct thread_end end;
	char cut[sizeof(m)];

	assert(parse_thread_end(&m, sizeof(m), FAMILY, &end));
	assert(end.pid == 101 && end.tgid == 100 && end.ppid == 7 && end.last);
	assert(end.majflt == 5 && end.minflt == 50 && end.blkio_ns == 5000 && end.swapin_ns == 500);
	assert(!strcmp(end.comm, "timer"));
	assert(!parse_thread_end(&m, sizeof(m), FAMILY + 1, &end));
	for (size_t n = 0; n < sizeof(m); n++)
		assert(!parse_thread_end(&m, n, FAMILY, &end));
	/* Lengths that lie: address sanitizer watches. */
	for (size_t at = 0; at < offsetof(struct message, s); at++) {
		for (int value = 0; value < 256; value += 51) {
			memcpy(cut, &m, sizeof(m));
			cut[at] = (char)value;
			parse_thread_end(cut, sizeof(cut), FAMILY, &end);
		}
	}
	m.s.version = 11;
	assert(!parse_thread_end(&m, sizeof(m), FAMILY, &end));
}

static struct ending *add(struct exits *x, uint32_t tid, uint32_t tgid, uint64_t majors)
{
	struct message m = thread_message(tid, tgid, majors, false);
	struct thread_end end;

	assert(parse_thread_end(&m, sizeof(m), FAMILY, &end));
	return exits_add(x, &end);
}

static void test_sums(void)
{
	static struct exits x;
	struct ending *e, taken;

	add(&x, 101, 100, 1);
	add(&x, 200, 200, 50)->ended_ns = 2000;
	e = add(&x, 100, 100, 2);
	e->ended_ns = 1000;
	/* A thread that reports after the one marked as the last is not lost. */
	assert(add(&x, 102, 100, 4) == e && x.count == 2);
	assert(!strcmp(e->comm, "query.cgi"));

	assert(!exits_take(&x, 1000, &taken));
	assert(exits_take(&x, 1001, &taken));
	assert(taken.pid == 100 && taken.majflt == 7 && taken.minflt == 70 && taken.blkio_ns == 7000);
	assert(!exits_take(&x, 1001, &taken));
	assert(exits_take(&x, UINT64_MAX, &taken) && taken.pid == 200 && taken.majflt == 50);
	assert(x.count == 0);
	/* A process that still runs is not taken. */
	add(&x, 301, 300, 1);
	assert(!exits_take(&x, UINT64_MAX, &taken));
}

static void test_room(void)
{
	static struct exits x;

	for (uint32_t i = 1; i <= MAX_ENDS; i++)
		assert(add(&x, i, i, 1));
	assert(!add(&x, MAX_ENDS + 1, MAX_ENDS + 1, 1) && x.lost == 1);
	assert(add(&x, MAX_ENDS + 2, MAX_ENDS, 1) && x.lost == 1);
}

int main(void)
{
	test_message();
	test_sums();
	test_room();
	return 0;
}
