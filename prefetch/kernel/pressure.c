#include "kernel/pressure.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A millisecond of waiting within two seconds, the shortest window that needs no CAP_SYS_RESOURCE. */
static const char trigger[] = "some 1000 2000000";

int pressure_watch(int epfd, unsigned long source)
{
	struct epoll_event event = { .events = EPOLLPRI, .data.u64 = source };
	int fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, trigger, sizeof(trigger)) < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return -1;
	}
	return 0;
}
