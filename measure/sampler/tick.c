#include "sampler/counters/files.h"
#include "sampler/tick.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

static const char *const VMSTAT_KEYS[] = {
	"nr_dirty", "nr_writeback", "pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "swap_ra",
	"swap_ra_hit", "workingset_refault_anon", "workingset_refault_file", "workingset_activate_anon",
	"workingset_activate_file", "workingset_restore_anon", "workingset_restore_file", "pgscan_direct",
	"pgscan_kswapd", "pgscan_anon", "pgscan_file", "pgsteal_direct", "pgsteal_kswapd", "allocstall_dma32",
	"allocstall_normal", "allocstall_movable", "compact_stall", "thp_fault_alloc", "oom_kill",
};

static const char *const MEMINFO_KEYS[] = {
	"MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active(anon)", "Inactive(anon)",
	"Active(file)", "Inactive(file)", "Mlocked", "SwapTotal", "SwapFree", "Dirty", "Writeback", "AnonPages",
	"Mapped", "Shmem", "SReclaimable", "SUnreclaim",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static char text[65536]; /* of one file: the sampler has one thread */

const char *sources_open(struct sources *s, const struct options *o)
{
	*s = (struct sources){ .ngroups = o->ngroups, .disks = o->disks, .ndisks = o->ndisks };
	for (int i = 0; i < o->ngroups; i++)
		group_init(&s->groups[i], o->groups[i].name, o->groups[i].dir);
	s->vmstat = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	if (s->vmstat < 0)
		return "/proc/vmstat";
	s->meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (s->meminfo < 0)
		return "/proc/meminfo";
	s->diskstats = open("/proc/diskstats", O_RDONLY | O_CLOEXEC);
	return s->diskstats < 0 ? "/proc/diskstats" : NULL;
}

void own_use(struct own_use *u)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	u->minflt = (uint64_t)r.ru_minflt;
	u->majflt = (uint64_t)r.ru_majflt;
	u->cpu_us = (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000u +
		    (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

void json_own_use(struct jsonline *j, const struct own_use *since)
{
	struct own_use now;

	own_use(&now);
	json_open(j, "self", '{');
	json_u64(j, "minflt", now.minflt - since->minflt);
	json_u64(j, "majflt", now.majflt - since->majflt);
	json_u64(j, "cpu_us", now.cpu_us - since->cpu_us);
	json_close(j, '}');
}

/* Those pairs of the file whose keys are wanted, in the file's order. */
static void wanted_pairs(struct jsonline *j, const char *name, int fd, const char *const *keys, size_t count)
{
	char *cursor = text;
	const char *key;
	uint64_t value;

	json_open(j, name, '{');
	if (read_whole(fd, text, sizeof(text)))
		while (next_pair(&cursor, &key, &value))
			for (size_t i = 0; i < count; i++)
				if (!strcmp(key, keys[i]))
					json_u64(j, key, value);
	json_close(j, '}');
}

static void disks(struct jsonline *j, const struct sources *s)
{
	bool ok = s->ndisks && read_whole(s->diskstats, text, sizeof(text));

	json_open(j, "disks", '{');
	for (int i = 0; ok && i < s->ndisks; i++) {
		struct disk_stat d;

		if (!parse_diskstats(text, s->disks[i], &d))
			continue;
		json_open(j, s->disks[i], '{');
		json_u64(j, "reads", d.reads);
		json_u64(j, "read_sectors", d.read_sectors);
		json_u64(j, "read_ms", d.read_ms);
		json_u64(j, "writes", d.writes);
		json_u64(j, "write_sectors", d.write_sectors);
		json_u64(j, "write_ms", d.write_ms);
		json_u64(j, "io_ms", d.io_ms);
		json_close(j, '}');
	}
	json_close(j, '}');
}

size_t tick_line(struct sources *s, const struct instant *at, const struct own_use *since, char *line, size_t cap,
		 unsigned *left_out)
{
	struct jsonline j;
	struct walk w = { .json = &j, .procs = &s->procs };

	json_begin(&j, line, cap);
	json_string(&j, "type", "tick");
	json_u64(&j, "n", at->n);
	json_seconds(&j, "t", at->t);
	json_seconds(&j, "due", at->due);
	json_u64(&j, "late_us", (at->t - at->due) / 1000u);
	json_u64(&j, "missed", at->missed);
	/* First, as they are what the experiment measures: nearest to T. */
	json_open(&j, "procs", '[');
	procs_begin(&s->procs);
	for (w.index = 0; w.index < s->ngroups; w.index++)
		group_processes(&s->groups[w.index], &w);
	procs_sweep(&s->procs);
	json_close(&j, ']');
	wanted_pairs(&j, "vmstat", s->vmstat, VMSTAT_KEYS, COUNT(VMSTAT_KEYS));
	wanted_pairs(&j, "meminfo", s->meminfo, MEMINFO_KEYS, COUNT(MEMINFO_KEYS));
	json_open(&j, "groups", '{');
	for (int i = 0; i < s->ngroups; i++)
		group_counters(&s->groups[i], &j);
	json_close(&j, '}');
	disks(&j, s);
	json_own_use(&j, since);
	*left_out = w.left_out;
	return json_end(&j);
}
