#include "sampler/counters/files.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

bool read_whole(int fd, char *buf, size_t cap)
{
	size_t length = 0;

	for (;;) {
		ssize_t n = pread(fd, buf + length, cap - length, (off_t)length);

		if (n < 0)
			return false;
		if (n == 0)
			break;
		length += (size_t)n;
		if (length == cap)
			return false;
	}
	buf[length] = '\0';
	return true;
}

bool read_part(int fd, char *buf, size_t cap)
{
	ssize_t n = pread(fd, buf, cap - 1, 0);

	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

bool read_at(int dir, const char *path, char *buf, size_t cap)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = read_whole(fd, buf, cap);
	close(fd);
	return ok;
}
