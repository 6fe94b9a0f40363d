/* The control socket: one request packet, one answer packet ("ok ..." or "error ...") a connection. */
#ifndef CONTROL_H
#define CONTROL_H

#include "daemon.h"

#define CONTROL_REPLY_CAP 65536

/* Listen at PATH, mode 0600, replacing the socket of a daemon that is gone. The descriptor, or -1 with errno:
 * EADDRINUSE when another daemon answers there. */
int control_listen(const char *path);
/* Serve one connection. Waits at most 200 ms for the request. */
void control_serve(struct daemon *d, int listener);

#endif
