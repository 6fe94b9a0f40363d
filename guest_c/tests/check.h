/* The smallest test harness: a false CHECK says where and what, and the program ends with 1. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                  \
	do {                                                                                              \
		if (!(condition)) {                                                                       \
			fprintf(stderr, "%s:%d: %s: false: %s\n", __FILE__, __LINE__, __func__, #condition); \
			exit(1);                                                                          \
		}                                                                                         \
	} while (0)

#endif
