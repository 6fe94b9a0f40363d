/* The control socket: one request packet, one answer packet ("ok ..." or "error ...") a connection. */
#ifndef CONTROL_H
#define CONTROL_H

#include "container/daemon.h"

#define CONTROL_REPLY_CAP 65536

/* Text into REPLY: its length, or 0 when CAP bytes are too few. */
__attribute__((format(printf, 3, 4))) size_t say(char *reply, size_t cap, const char *format, ...);

/* Listen at PATH, mode 0600, replacing the socket of a daemon that is gone. The descriptor, or -1 with errno:
 * EADDRINUSE when another daemon answers there. */
int control_listen(const char *path);
/* Serve one connection. Waits at most 200 ms for the request. */
void control_serve(struct daemon *d, int listener);

#endif
