/* What `swapoff -a; swapon -a` does. */
#ifndef SWAPCYCLE_H
#define SWAPCYCLE_H

#include "outcome.h"

/* Switch each device off, which brings its pages in, and on again with its priority. SWAPS is /proc/swaps.
 * O->pages: by how much the devices' use fell, which counts pages that were in memory as well. */
void swap_cycle(const char *swaps, char *const *devices, int n, struct outcome *o);

#endif
