#include "kernel/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest_c/procfs.h"

static const char *const mounts[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

static const char *find_tracefs(void)
{
	char path[64];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/events", mounts[i]);
		if (access(path, F_OK) == 0)
			return mounts[i];
	}
	return NULL;
}

static bool read_id(const char *tracefs, const char *event, struct perf_event_attr *attr)
{
	char path[96];
	char text[32];

	snprintf(path, sizeof(path), "%s/events/%s/id", tracefs, event);
	if (read_text(path, text, sizeof(text)) <= 0)
		return false;
	attr->type = PERF_TYPE_TRACEPOINT;
	attr->config = strtoul(text, NULL, 10);
	return true;
}

static bool define(const char *tracefs, const char *line)
{
	char path[64];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/kprobe_events", tracefs);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, line, strlen(line)) == (ssize_t)strlen(line);
	close(fd);
	return done;
}

const char *entry_swap(struct perf_event_attr *attr)
{
	const char *tracefs = find_tracefs();

	if (!tracefs)
		return "tracefs is not mounted";
	if (read_id(tracefs, "prefetchd/swap", attr))
		return NULL;
	if (!define(tracefs, "p:prefetchd/swap do_swap_page\n"))
		return errno == ENOENT ? "no kprobes, or no do_swap_page" : "kprobe_events cannot be written";
	return read_id(tracefs, "prefetchd/swap", attr) ? NULL : "the kprobe did not appear";
}

const char *entry_file(struct perf_event_attr *attr)
{
	const char *tracefs = find_tracefs();

	if (!tracefs)
		return "tracefs is not mounted";
	return read_id(tracefs, "filemap/mm_filemap_fault", attr) ? NULL : "no tracepoint mm_filemap_fault";
}

void entry_release(void)
{
	const char *tracefs = find_tracefs();

	if (tracefs)
		define(tracefs, "-:prefetchd/swap\n");
}
