#include "container/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest_c/maps.h"
#include "guest_c/procfs.h"

/* From linux/fs.h of 6.7; older build hosts lack them. */
struct scan_argument {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct scan_region {
	__u64 start, end, categories;
};

#define IOCTL_PAGEMAP_SCAN _IOWR('f', 16, struct scan_argument)
#define IS_FILE		   (1u << 2)
#define IS_PRESENT	   (1u << 3)
#define IS_SWAPPED	   (1u << 4)

/* Entries of /proc/PID/pagemap. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_FILE    (UINT64_C(1) << 61)

struct scan {
	enum scan_method method;
	enum scan_what what;
	unsigned int slot;
	int pagemap;
	struct pageset *out;
};

/* Neighbouring mappings of one kind. */
struct span {
	uint64_t start;
	uint64_t end;
	bool file;
};

static void add(const struct scan *s, bool file_mapping, uint64_t categories, uint64_t start, uint64_t end)
{
	uint64_t first = page_key(s->slot, start);
	enum page_kind kind = KIND_ANON;

	if (file_mapping)
		kind = categories & IS_FILE ? KIND_FILE : KIND_COW;
	/* A mapped page says nothing about an anonymous page's absence; a mapped file page does. */
	if (s->what == SCAN_ABSENT && kind != KIND_FILE && !(categories & IS_SWAPPED))
		return;
	if (s->what == SCAN_MAPPED && !(categories & IS_PRESENT))
		return;
	rangeset_append(&s->out->kind[kind], first, first + (end - start) / PAGE_BYTES);
}

static bool span_by_ioctl(const struct scan *s, const struct span *span)
{
	static struct scan_region regions[2048];
	bool mapped_matters = s->what == SCAN_MAPPED || span->file;
	struct scan_argument argument = {
		.size = sizeof(argument),
		.start = span->start,
		.end = span->end,
		.vec = (uintptr_t)regions,
		.vec_len = sizeof(regions) / sizeof(*regions),
		.category_anyof_mask = (mapped_matters ? IS_PRESENT : 0) | (s->what == SCAN_ABSENT ? IS_SWAPPED : 0),
		.return_mask = IS_PRESENT | IS_SWAPPED | IS_FILE,
	};

	while (argument.start < argument.end) {
		int n = ioctl(s->pagemap, IOCTL_PAGEMAP_SCAN, &argument);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		for (int i = 0; i < n; i++)
			add(s, span->file, regions[i].categories, regions[i].start, regions[i].end);
		if (argument.walk_end <= argument.start)
			break;
		argument.start = argument.walk_end;
	}
	return true;
}

static bool span_by_pagemap(const struct scan *s, const struct span *span)
{
	static uint64_t entries[4096];

	for (uint64_t at = span->start; at < span->end;) {
		uint64_t pages = (span->end - at) / PAGE_BYTES;
		size_t want = pages < 4096 ? (size_t)pages : 4096;
		off_t offset = (off_t)(at / PAGE_BYTES * sizeof(*entries));
		ssize_t n = pread(s->pagemap, entries, want * sizeof(*entries), offset);

		if (n < (ssize_t)sizeof(*entries))
			return n == 0;
		for (size_t i = 0; i < (size_t)n / sizeof(*entries); i++, at += PAGE_BYTES) {
			uint64_t categories = (entries[i] & ENTRY_PRESENT ? IS_PRESENT : 0) |
					      (entries[i] & ENTRY_SWAPPED ? IS_SWAPPED : 0) |
					      (entries[i] & ENTRY_FILE ? IS_FILE : 0);

			if (categories & (IS_PRESENT | IS_SWAPPED))
				add(s, span->file, categories, at, at + PAGE_BYTES);
		}
	}
	return true;
}

static bool scan_span(const struct scan *s, const struct span *span)
{
	if (span->start == span->end)
		return true;
	return s->method == SCAN_PAGEMAP ? span_by_pagemap(s, span) : span_by_ioctl(s, span);
}

/* Take V into the span under way, or scan that one and begin the next with V. */
static bool extend(const struct scan *s, struct span *span, const struct vma *v)
{
	bool ok = true;

	if (span->end != v->start || span->file != v->file) {
		ok = scan_span(s, span);
		*span = (struct span){ v->start, v->start, v->file };
	}
	span->end = v->end;
	return ok;
}

/* Walk maps, or smaps where each page costs a read: there mappings without any page are left out. */
static bool scan_maps(const struct scan *s, const char *path, bool has_fields)
{
	static struct lines l;
	struct span span = { 0 };
	struct vma pending = { .skip = true };
	struct vma v;
	uint64_t kb;
	uint64_t populated = 0;
	bool ok = true;

	if (!lines_open(&l, path))
		return false;
	for (const char *line; ok && (line = lines_next(&l));) {
		if (maps_parse(line, &v)) {
			if (!pending.skip && populated)
				ok = extend(s, &span, &pending);
			pending = v;
			populated = !has_fields;
		} else if (smaps_field(line, "Rss", &kb) || smaps_field(line, "Swap", &kb)) {
			populated += kb;
		}
	}
	lines_close(&l);
	if (ok && !pending.skip && populated)
		ok = extend(s, &span, &pending);
	return ok && scan_span(s, &span);
}

bool scan_process(enum scan_method method, pid_t pid, unsigned int slot, enum scan_what what, struct pageset *out)
{
	struct scan s = { .method = method, .what = what, .slot = slot, .out = out };
	bool has_fields = method == SCAN_PAGEMAP;
	char path[32];
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	s.pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (s.pagemap < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, has_fields ? "smaps" : "maps");
	ok = scan_maps(&s, path, has_fields);
	close(s.pagemap);
	return ok;
}

bool scan_kind(pid_t pid, uint64_t address, enum page_kind *kind)
{
	static struct lines l;
	char path[32];
	struct vma v;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (!lines_open(&l, path))
		return false;
	for (const char *line; !found && (line = lines_next(&l));)
		found = maps_parse(line, &v) && !v.skip && v.start <= address && address < v.end;
	lines_close(&l);
	if (found)
		*kind = v.file ? KIND_FILE : KIND_ANON;
	return found;
}

int scan_probe(enum scan_method method)
{
	struct scan_region region;
	struct scan_argument argument = { .size = sizeof(argument), .vec = (uintptr_t)&region, .vec_len = 1,
					  .category_mask = IS_PRESENT, .return_mask = IS_PRESENT };
	int result = SCAN_PAGEMAP;
	int fd;

	if (method == SCAN_PAGEMAP)
		return SCAN_PAGEMAP;
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	argument.start = (uintptr_t)&region / PAGE_BYTES * PAGE_BYTES;
	argument.end = argument.start + PAGE_BYTES;
	if (ioctl(fd, IOCTL_PAGEMAP_SCAN, &argument) >= 0)
		result = SCAN_IOCTL;
	else if (method == SCAN_IOCTL)
		result = -1;
	close(fd);
	return result;
}
