/* The event stream: whole lines to a port, file or stdout that may have no reader, without ever blocking. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stddef.h>
#include <stdint.h>

#define EVENT_LINE_CAP 2048

struct events {
	int fd; /* -1: nobody wants them */
	char buf[65536]; /* whole lines that wait */
	size_t len;
	size_t partial; /* of the first line, already written */
	uint64_t dropped;
};

/* Open PATH ("-" is stdout). 0, or -1 with errno. */
int events_open(struct events *e, const char *path);
/* Queue LINE (with its newline) and write what can be written; without room the line is dropped and counted. */
void events_put(struct events *e, const char *line, size_t len);
void events_flush(struct events *e);

#endif
