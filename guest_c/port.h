/* The line to the host: whole lines out through a bounded queue, commands in. Never blocks.
 *
 * Lines that the host's end has taken but nobody has read are lost when that end is closed.
 *
 * A virtio-serial port reports POLLHUP for as long as no host is connected, so while hung up the port
 * is left out of poll() and asked again every PORT_RETRY_MS. */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_RETRY_MS 200
#define QUEUE_CAP     262144u /* lines waiting for the host */
#define QUEUE_RESERVE 4096u   /* the end of the queue, for urgent lines alone */
#define COMMAND_CAP   256u

enum port_kind { PORT_STANDARD, PORT_DEVICE, PORT_SOCKET };

struct port {
	const char *path;
	enum port_kind kind;
	int in, out; /* the same but for PORT_STANDARD; -1 while a socket is not connected */
	bool hung;

	char queue[QUEUE_CAP];
	size_t head, sent, tail; /* first line not sent whole; next byte to send; end */
	uint64_t dropped;	 /* lines for which there was no room */

	char input[COMMAND_CAP];
	size_t filled;
	bool skipping; /* inside a line that was too long */
};

enum port_line { LINE_NONE, LINE_READ, LINE_TOO_LONG };

/* PATH: a character device, a UNIX socket that someone listens on, or "-". -1 with errno; EPIPE: a FIFO. */
int port_open(struct port *p, const char *path);

/* Queue a line. Urgent lines may use the end of the queue that ticks and exits may not. */
void port_send(struct port *p, const char *line, size_t length, bool urgent);

/* Write what can be written; whether something is left. */
bool port_flush(struct port *p);

/* The next command, without its newline. Call until LINE_NONE. */
enum port_line port_read(struct port *p, char line[COMMAND_CAP]);

/* The host is gone. The line that was cut will be sent again from its start. */
void port_hang_up(struct port *p);

/* While hung up: see whether the host is back. */
void port_retry(struct port *p);

#endif
