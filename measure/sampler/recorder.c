#include "sampler/counters/files.h"
#include "sampler/recorder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000u
/* A process is reported this long after its last thread ended, when its other threads' messages are in. */
#define SETTLE_NS 100000000u

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void begin(struct recorder *r, struct jsonline *j, const char *type, uint64_t t)
{
	json_begin(j, r->line, sizeof(r->line));
	json_string(j, "type", type);
	json_seconds(j, "t", t);
}

static void send_urgent(struct recorder *r, struct jsonline *j)
{
	port_send(&r->port, r->line, json_end(j), true);
}

static void say_error(struct recorder *r, const char *message)
{
	struct jsonline j;

	begin(r, &j, "error", clock_ns(CLOCK_MONOTONIC));
	json_string(&j, "message", message);
	send_urgent(r, &j);
}

void say_hello(struct recorder *r)
{
	struct utsname name;
	struct jsonline j;

	uname(&name);
	begin(r, &j, "hello", clock_ns(CLOCK_MONOTONIC));
	json_u64(&j, "version", 1);
	json_i64(&j, "pid", getpid());
	json_string(&j, "kernel", name.release);
	json_i64(&j, "page_size", sysconf(_SC_PAGESIZE));
	json_i64(&j, "hz", sysconf(_SC_CLK_TCK));
	json_bool(&j, "taskstats", r->link.fd >= 0);
	json_bool(&j, "locked", r->locked);
	json_bool(&j, "realtime", r->realtime);
	send_urgent(r, &j);
}

/* False if /proc/PID/cgroup cannot be read any more; else its group, which may be none (-1). */
static bool group_now(const struct recorder *r, uint32_t pid, int *group)
{
	char path[32], text[4096], cgroup[1024];

	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	if (!read_at(AT_FDCWD, path, text, sizeof(text)) || !parse_cgroup(text, cgroup, sizeof(cgroup)))
		return false;
	*group = -1;
	for (int i = 0; i < r->sources.ngroups && *group < 0; i++)
		if (r->sources.groups[i].unified && cgroup_within(cgroup, r->sources.groups[i].path))
			*group = i;
	return true;
}

static bool group_last_seen(const struct recorder *r, uint32_t pid, int *group)
{
	const struct proc *p = procs_find(&r->sources.procs, (int)pid);

	if (p)
		*group = p->group;
	return p;
}

/* A zombie still says where it was. One that was reaped before we came does not: then what the last tick
 * saw counts, and for a process too young for that, where its parent is. Else it is lost to us. */
static int group_of(struct recorder *r, const struct ending *e)
{
	int group = -1;

	if (!group_now(r, e->pid, &group) && !group_last_seen(r, e->pid, &group) &&
	    !group_now(r, e->ppid, &group) && !group_last_seen(r, e->ppid, &group))
		r->exits.lost++;
	return group;
}

static void at_least(struct ending *e, const struct process_stat *s)
{
	if (s->minflt > e->minflt)
		e->minflt = s->minflt;
	if (s->majflt > e->majflt)
		e->majflt = s->majflt;
}

/* The sum lacks the threads that ended before the recording; the process's own counters have them, as far
 * as they can still be read. Counters only grow, so the larger is the nearer. */
static void process_ended(struct recorder *r, struct ending *e)
{
	const struct proc *known = procs_find(&r->sources.procs, (int)e->pid);
	struct process_stat s;
	char path[32], text[1024];

	e->ended_ns = clock_ns(CLOCK_MONOTONIC);
	e->group = group_of(r, e);
	if (e->group < 0)
		return;
	if (known)
		at_least(e, &known->stat);
	snprintf(path, sizeof(path), "/proc/%u/stat", e->pid);
	if (read_at(AT_FDCWD, path, text, sizeof(text)) && parse_stat(text, &s)) {
		at_least(e, &s);
		memcpy(e->comm, s.comm, sizeof(s.comm));
	}
}

void take_exits(struct recorder *r)
{
	struct thread_end end;
	struct ending *e;
	char message[4096];
	long n;

	while (r->link.fd >= 0 && (n = taskstats_read(&r->link, message, sizeof(message)))) {
		if (!r->recording)
			continue;
		if (n < 0) {
			r->overruns++;
			say_error(r, "taskstats: the kernel dropped messages (ENOBUFS): exits may be missing");
			continue;
		}
		if (!parse_thread_end(message, (size_t)n, r->link.family, &end))
			continue;
		e = exits_add(&r->exits, &end);
		if (e && end.last)
			process_ended(r, e);
	}
}

static void report_exits(struct recorder *r, uint64_t before_ns)
{
	struct ending e;

	while (exits_take(&r->exits, before_ns, &e)) {
		struct jsonline j;

		if (e.group < 0)
			continue;
		begin(r, &j, "exit", e.ended_ns);
		json_string(&j, "group", r->sources.groups[e.group].name);
		json_u64(&j, "pid", e.pid);
		json_u64(&j, "ppid", e.ppid);
		json_string(&j, "comm", e.comm);
		json_u64(&j, "minflt", e.minflt);
		json_u64(&j, "majflt", e.majflt);
		json_u64(&j, "blkio_us", e.blkio_ns / 1000u);
		json_u64(&j, "swapin_us", e.swapin_ns / 1000u);
		port_send(&r->port, r->line, json_end(&j), false);
	}
}

void tick(struct recorder *r)
{
	struct instant at;
	unsigned left_out;
	char message[96];
	uint64_t fired;
	size_t length;

	if (read(r->timer, &fired, sizeof(fired)) != sizeof(fired) || !r->recording)
		return;
	/* Of several instants that passed, the latest is sampled and the others are counted. */
	at.n = r->next + fired - 1;
	r->missed += fired - 1;
	r->next = at.n + 1;
	at.missed = r->missed;
	at.due = r->start_ns + at.n * r->interval_ns;
	at.t = clock_ns(CLOCK_MONOTONIC);
	length = tick_line(&r->sources, &at, &r->since, r->line, sizeof(r->line), &left_out);
	r->ticks++;
	if (length) {
		port_send(&r->port, r->line, length, false);
	} else {
		snprintf(message, sizeof(message), "tick %llu does not fit in a line", (unsigned long long)at.n);
		say_error(r, message);
	}
	if (left_out) {
		snprintf(message, sizeof(message), "tick %llu leaves out %u processes or cgroups",
			 (unsigned long long)at.n, left_out);
		say_error(r, message);
	}
	report_exits(r, at.t - SETTLE_NS);
}

static void start(struct recorder *r, uint64_t interval_ns)
{
	struct itimerspec when;
	struct jsonline j;

	if (r->recording) {
		say_error(r, "start: already recording");
		return;
	}
	take_exits(r); /* drops those of before */
	r->exits.count = 0;
	r->exits.lost = r->overruns = r->port.dropped = 0;
	r->next = r->ticks = r->missed = 0;
	r->interval_ns = interval_ns ? interval_ns : r->options->interval_ns;
	r->recording = true;
	own_use(&r->since);
	r->start_ns = clock_ns(CLOCK_MONOTONIC);
	begin(r, &j, "start", r->start_ns);
	json_seconds(&j, "wall", clock_ns(CLOCK_REALTIME));
	json_seconds(&j, "interval", r->interval_ns);
	send_urgent(r, &j);
	/* The kernel keeps absolute time and counts what we miss; instant 0 is now. */
	when.it_value = (struct timespec){ (time_t)(r->start_ns / SECOND), (long)(r->start_ns % SECOND) };
	when.it_interval = (struct timespec){ (time_t)(r->interval_ns / SECOND), (long)(r->interval_ns % SECOND) };
	timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void stop(struct recorder *r)
{
	struct itimerspec never = { 0 };
	struct jsonline j;

	if (!r->recording) {
		say_error(r, "stop: not recording");
		return;
	}
	timerfd_settime(r->timer, 0, &never, NULL);
	take_exits(r);
	report_exits(r, UINT64_MAX);
	r->recording = false;
	begin(r, &j, "stop", clock_ns(CLOCK_MONOTONIC));
	json_u64(&j, "ticks", r->ticks);
	json_u64(&j, "missed", r->missed);
	json_own_use(&j, &r->since);
	json_u64(&j, "dropped", r->port.dropped);
	json_u64(&j, "lost_exits", r->exits.lost);
	json_u64(&j, "overruns", r->overruns);
	send_urgent(r, &j);
}

static void obey(struct recorder *r, const struct command *c)
{
	struct jsonline j;

	switch (c->kind) {
	case COMMAND_PING:
		say_hello(r);
		break;
	case COMMAND_START:
		start(r, c->interval_ns);
		break;
	case COMMAND_MARK:
		begin(r, &j, "mark", clock_ns(CLOCK_MONOTONIC));
		json_string(&j, "name", c->text);
		send_urgent(r, &j);
		break;
	case COMMAND_STOP:
		stop(r);
		break;
	case COMMAND_BAD:
		say_error(r, c->text);
		break;
	}
}

void take_commands(struct recorder *r)
{
	char line[COMMAND_CAP];
	enum port_line read;

	while ((read = port_read(&r->port, line)) != LINE_NONE) {
		struct command c;

		if (read == LINE_TOO_LONG) {
			say_error(r, "a command of more than 255 bytes was dropped");
			continue;
		}
		parse_command(line, &c);
		obey(r, &c);
	}
}
