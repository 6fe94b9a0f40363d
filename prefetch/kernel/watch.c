#include "kernel/watch.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

struct directory {
	int wd;
	char path[WATCH_PATH_CAP];
};

struct pattern {
	char text[WATCH_PATH_CAP]; /* begins with a slash, ends with none, has no two in a row */
	bool complete;
};

struct watch {
	int fd;
	struct directory *dirs;
	size_t ndirs;
	size_t cap;
	size_t npatterns;
	struct pattern patterns[];
};

static bool normalise(const char *pattern, char text[WATCH_PATH_CAP])
{
	size_t n = 0;

	for (const char *at = pattern; *at; at++) {
		if (*at == '/' && (at[1] == '/' || !at[1]))
			continue;
		if (n == WATCH_PATH_CAP - 1)
			return false;
		text[n++] = *at;
	}
	text[n] = 0;
	return text[0] == '/';
}

static struct directory *find_directory(struct watch *w, int wd)
{
	for (size_t i = 0; i < w->ndirs; i++)
		if (w->dirs[i].wd == wd)
			return &w->dirs[i];
	return NULL;
}

static void drop(struct watch *w, struct directory *d)
{
	*d = w->dirs[--w->ndirs];
}

/* End the watches of directory PATH and all below. kernfs does not end those of a removed directory by itself. */
static void forget(struct watch *w, const char *path)
{
	size_t length = strlen(path);

	for (size_t i = w->ndirs; i-- > 0;) {
		struct directory *d = &w->dirs[i];

		if (strncmp(d->path, path, length) != 0 || (d->path[length] && d->path[length] != '/'))
			continue;
		inotify_rm_watch(w->fd, d->wd);
		drop(w, d);
	}
}

static bool reserve(struct watch *w)
{
	size_t cap = w->cap ? 2 * w->cap : 16;
	struct directory *dirs;

	if (w->ndirs < w->cap)
		return true;
	dirs = realloc(w->dirs, cap * sizeof(*dirs));
	if (!dirs)
		return false;
	w->dirs = dirs;
	w->cap = cap;
	return true;
}

/* False: it is there, but could not be watched. */
static bool watch_directory(struct watch *w, const char *path)
{
	int wd;

	if (strlen(path) >= WATCH_PATH_CAP)
		return true; /* neither could what is below it be told */
	if (!reserve(w))
		return false;
	wd = inotify_add_watch(w->fd, path, IN_CREATE | IN_DELETE | IN_ONLYDIR);
	if (wd < 0)
		return errno == ENOENT || errno == ENOTDIR;
	if (find_directory(w, wd))
		return true;
	w->dirs[w->ndirs].wd = wd;
	strcpy(w->dirs[w->ndirs++].path, path);
	return true;
}

/* Watch what the first LENGTH characters of TEXT match. */
static bool watch_matches(struct watch *w, const char *text, size_t length)
{
	char part[WATCH_PATH_CAP];
	glob_t found = { 0 };
	bool complete;
	int failed;

	snprintf(part, sizeof(part), "%.*s", (int)length, text);
	failed = glob(part, GLOB_ONLYDIR, NULL, &found);
	complete = !failed || failed == GLOB_NOMATCH;
	for (size_t i = 0; i < found.gl_pathc; i++)
		complete &= watch_directory(w, found.gl_pathv[i]);
	globfree(&found);
	return complete;
}

/* From the root down, each level listed once the one above is watched: so no birth falls in between. */
static void renew(struct watch *w, struct pattern *p)
{
	p->complete = watch_matches(w, "/", 1);
	for (const char *slash = strchr(p->text + 1, '/'); slash; slash = strchr(slash + 1, '/'))
		p->complete &= watch_matches(w, p->text, (size_t)(slash - p->text));
}

struct watch *watch_open(int epfd, uint64_t data, const char *const *patterns, size_t n)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };
	struct watch *w = calloc(1, sizeof(*w) + n * sizeof(w->patterns[0]));
	int saved;

	if (!w)
		return NULL;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		goto failed;
	for (; w->npatterns < n; w->npatterns++) {
		if (!normalise(patterns[w->npatterns], w->patterns[w->npatterns].text)) {
			errno = EINVAL;
			goto failed;
		}
	}
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, w->fd, &event) < 0)
		goto failed;
	for (size_t i = 0; i < n; i++)
		renew(w, &w->patterns[i]);
	return w;
failed:
	saved = errno;
	watch_close(w);
	errno = saved;
	return NULL;
}

/* The length of the first DEPTH parts of TEXT, or of all when there are fewer. */
static size_t leading(const char *text, size_t depth)
{
	size_t n = 1;

	while (text[n] && (text[n] != '/' || --depth))
		n++;
	return n;
}

/* Whether the beginning of a pattern, to the same depth, matches PATH. */
static bool concerns(const struct watch *w, const char *path)
{
	char part[WATCH_PATH_CAP];
	size_t depth = 0;

	for (const char *at = path; *at; at++)
		depth += *at == '/';
	for (size_t i = 0; i < w->npatterns; i++) {
		const char *text = w->patterns[i].text;

		snprintf(part, sizeof(part), "%.*s", (int)leading(text, depth), text);
		if (fnmatch(part, path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return true;
	}
	return false;
}

static bool take(struct watch *w, const struct inotify_event *e)
{
	char path[WATCH_PATH_CAP];
	struct directory *d = find_directory(w, e->wd);
	int n;

	if (e->mask & IN_Q_OVERFLOW) {
		forget(w, ""); /* watch_find renews them */
		return true;
	}
	if (!d)
		return false;
	if (e->mask & IN_IGNORED) {
		drop(w, d);
		return true;
	}
	n = snprintf(path, sizeof(path), "%s/%s", d->path[1] ? d->path : "", e->name);
	if (!(e->mask & IN_ISDIR) || (size_t)n >= sizeof(path) || !concerns(w, path))
		return false;
	if (e->mask & IN_DELETE)
		forget(w, path);
	return true;
}

bool watch_read(struct watch *w)
{
	_Alignas(struct inotify_event) char buf[4096];
	bool changed = false;
	ssize_t n;

	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const struct inotify_event *)(const void *)(buf + at);

			changed |= take(w, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	return changed || !watch_complete(w);
}

bool watch_complete(const struct watch *w)
{
	for (size_t i = 0; i < w->npatterns; i++)
		if (!w->patterns[i].complete)
			return false;
	return true;
}

static struct pattern *find_pattern(struct watch *w, const char *pattern)
{
	char text[WATCH_PATH_CAP];

	if (!normalise(pattern, text))
		return NULL;
	for (size_t i = 0; i < w->npatterns; i++)
		if (strcmp(w->patterns[i].text, text) == 0)
			return &w->patterns[i];
	return NULL;
}

size_t watch_find(struct watch *w, const char *pattern, struct found_cgroup *out, size_t max)
{
	struct pattern *p = find_pattern(w, pattern);
	glob_t found = { 0 };
	struct stat st;
	size_t n = 0;

	if (!p)
		return 0;
	renew(w, p);
	glob(p->text, GLOB_ONLYDIR, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc && n < max; i++) {
		const char *path = found.gl_pathv[i];

		if (strlen(path) >= sizeof(out->path) || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		strcpy(out[n].path, path);
		out[n++].inode = st.st_ino;
	}
	globfree(&found);
	return n;
}

void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->dirs);
	free(w);
}
