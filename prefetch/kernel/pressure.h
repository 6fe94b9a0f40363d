/* Pressure stall information (Documentation/accounting/psi.rst): a wake-up when somebody on the machine begins to wait
 * for memory, kswapd included, so that there is no need to look whether anything was reclaimed. */
#ifndef PRESSURE_H
#define PRESSURE_H

/* Have EPFD say SOURCE, at most every two seconds, while memory is reclaimed. -1 with errno: this kernel does not. */
int pressure_watch(int epfd, unsigned long source);

#endif
