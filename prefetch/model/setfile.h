/* Working sets on disk: little-endian, versioned, checksummed (CRC-32 over everything), never trusted. */
#ifndef SETFILE_H
#define SETFILE_H

#include <stddef.h>

#include "model/workset.h"

#define SETFILE_VERSION 1u

/* Bytes that W takes when encoded; 0: GROUP's name is too long (256 bytes or more). */
size_t setfile_bytes(const struct workset *w, const char *group);
/* Encode into OUT of at least setfile_bytes(), which is returned. Pure. */
size_t setfile_encode(const struct workset *w, const char *group, unsigned char *out);
/* Decode N bytes into the empty, initialised set W of group GROUP. Every count, index, string and order is checked.
 * NULL, or in a few words what is wrong (W is cleared then). Pure. */
const char *setfile_decode(struct workset *w, const char *group, const unsigned char *in, size_t n);

/* DIR/GROUP.set, where a group's '/' is written %2F, and '%' %25. 0, or -1 with errno. */
int setfile_path(char *out, size_t cap, const char *dir, const char *group);
/* Write PATH by way of a temporary file beside it, fsync and rename. 0, or -1 with errno. */
int setfile_write(const struct workset *w, const char *path, const char *group);
/* The same with the path that setfile_path() makes. */
int setfile_save(const struct workset *w, const char *dir, const char *group);
/* Load from PATH. NULL, or what is wrong. "" with errno ENOENT: there is none. */
const char *setfile_load(struct workset *w, const char *path, const char *group);
/* Containers with names of their own leave sets that nobody asks for again: of DIR's the MOST that were saved last are
 * kept. The number removed. */
size_t setfile_tidy(const char *dir, size_t most);

#endif
