#include "sampler/counters/files.h"
#include "sampler/counters/netlink.h"
#include "sampler/counters/taskstats.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/taskstats.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BUFFER (1 << 20) /* about a thousand ended threads */

struct request {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attributes[4096];
};

static bool fail(struct taskstats_link *l, const char *what, int error)
{
	snprintf(l->why, sizeof(l->why), "%s: %s", what, strerror(error));
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return false;
}

/* Send one command with one text attribute. The kernel's answer, read into REPLY, or -1 with errno. */
static long ask(int fd, uint16_t type, uint8_t command, uint16_t attribute, const char *value, void *reply, size_t cap)
{
	static struct request r;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlattr a = { .nla_type = attribute };
	size_t length = strlen(value) + 1;
	struct nlmsghdr head;
	struct nlmsgerr error;
	long n;

	r = (struct request){ .genl = { .cmd = command, .version = 1 } };
	if (length > sizeof(r.attributes) - ATTRIBUTE_HEAD) {
		errno = E2BIG;
		return -1;
	}
	a.nla_len = (uint16_t)(ATTRIBUTE_HEAD + length);
	memcpy(r.attributes, &a, sizeof(a));
	memcpy(r.attributes + ATTRIBUTE_HEAD, value, length);
	r.head = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)(MESSAGE_HEAD + attribute_step(a.nla_len)),
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
	};
	if (sendto(fd, &r, r.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -1;
	n = recv(fd, reply, cap, 0);
	if (n < (long)sizeof(head))
		return -1;
	memcpy(&head, reply, sizeof(head));
	if (head.nlmsg_type == NLMSG_ERROR && n >= (long)(NLMSG_HDRLEN + sizeof(error))) {
		memcpy(&error, (const char *)reply + NLMSG_HDRLEN, sizeof(error));
		errno = -error.error;
		return error.error ? -1 : n;
	}
	return n;
}

/* The number that the kernel gave the family "TASKSTATS" at boot. */
static bool find_family(struct taskstats_link *l)
{
	char reply[4096];
	long n = ask(l->fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, TASKSTATS_GENL_NAME, reply,
		     sizeof(reply));
	size_t at = MESSAGE_HEAD;

	while (n > 0 && at + ATTRIBUTE_HEAD + sizeof(l->family) <= (size_t)n) {
		struct nlattr a;

		memcpy(&a, reply + at, sizeof(a));
		if (a.nla_type == CTRL_ATTR_FAMILY_ID) {
			memcpy(&l->family, reply + at + ATTRIBUTE_HEAD, sizeof(l->family));
			/* The acknowledgement that follows the answer. */
			return recv(l->fd, reply, sizeof(reply), 0) > 0;
		}
		if (a.nla_len < ATTRIBUTE_HEAD)
			break;
		at += attribute_step(a.nla_len);
	}
	if (n >= 0)
		errno = ENOENT;
	return false;
}

bool taskstats_open(struct taskstats_link *l)
{
	struct timeval limit = { .tv_sec = 2 };
	int size = RECEIVE_BUFFER;
	char cpus[2048], reply[4096];

	*l = (struct taskstats_link){ .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC) };
	if (l->fd < 0)
		return fail(l, "netlink socket", errno);
	if (setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!find_family(l))
		return fail(l, "the kernel has no taskstats", errno);
	if (!read_at(AT_FDCWD, "/sys/devices/system/cpu/possible", cpus, sizeof(cpus)))
		return fail(l, "/sys/devices/system/cpu/possible", errno);
	cpus[strcspn(cpus, "\n")] = '\0';
	if (ask(l->fd, l->family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, cpus, reply, sizeof(reply)) < 0)
		return fail(l, "taskstats refused a listener", errno);
	return true;
}

long taskstats_read(struct taskstats_link *l, void *buf, size_t cap)
{
	long n = recv(l->fd, buf, cap, MSG_DONTWAIT);

	if (n >= 0)
		return n;
	return errno == ENOBUFS ? -1 : 0;
}
