/* Reading the kernel's text files into fixed buffers. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>

/* A kernel file may come in parts of a page: read FD from its start to its end and end the text with
 * a zero byte. False if that fails or the file is longer than CAP - 1 bytes. */
bool read_whole(int fd, char *buf, size_t cap);

/* The same for a file that the kernel writes in one part: one system call. */
bool read_part(int fd, char *buf, size_t cap);

/* Open, read_whole, close. DIR may be AT_FDCWD. */
bool read_at(int dir, const char *path, char *buf, size_t cap);

#endif
