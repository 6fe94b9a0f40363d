/* The answer to status, as text and as JSON. */
#ifndef STATUS_H
#define STATUS_H

#include "container/daemon.h"

/* WORDS are what follows "status" in the request. The answer's length in REPLY of CAP bytes. */
size_t status(struct daemon *d, const char *words, char *reply, size_t cap);

#endif
