/* The text of /proc/self/maps, a piece at a time: no allocation, no stdio. Pure. */
#ifndef MAPSFEED_H
#define MAPSFEED_H

#include <stddef.h>

#define MAPS_LINE_CAP 128 /* more than comes before a mapping's name, of which the beginning is enough */

struct maps_feed {
	char line[MAPS_LINE_CAP];
	size_t length;
};

/* Take the next LENGTH bytes, and visit each mapping whose line ends in them and that holds the process's own data:
 * private, anonymous, readable and writable. Its main stack is left out; those of its threads look like any other. */
void maps_feed(struct maps_feed *f, const char *text, size_t length, void (*visit)(void *start, size_t size));

#endif
