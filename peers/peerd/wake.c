#include "wake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 30

/* -1 with errno. ANSWER is all zero before, and has room for a zero after CAP bytes. */
static int ask(int fd, const char *path, const char *request, char *answer, size_t cap)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return -1;
	n = recv(fd, answer, cap, 0);
	if (n < 0 && errno == EAGAIN)
		errno = ETIMEDOUT;
	if (n == 0)
		errno = ECONNRESET;
	return n > 0 ? 0 : -1;
}

void wake(const char *path, const char *group, struct outcome *o)
{
	char request[256], answer[DETAIL_CAP] = "";
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(request, sizeof(request), "wake %s", group);
	if (fd < 0 || ask(fd, path, request, answer, sizeof(answer) - 1) < 0) {
		outcome_fail(o, "%s: %s", path, strerror(errno));
	} else if (strncmp(answer, "ok", 2) != 0) {
		answer[strcspn(answer, "\n")] = '\0';
		outcome_fail(o, "%s", answer);
	}
	if (fd >= 0)
		close(fd);
}
