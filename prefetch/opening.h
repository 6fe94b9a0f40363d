/* When an activation begins: with a burst of major faults, or with the first fault of a role that led earlier ones. */
#ifndef OPENING_H
#define OPENING_H

struct fault;
struct group;

/* A fault of a quiet group. Sets its ACTIVE, FIRST and OPENED_BY. */
void opening_look(struct group *g, const struct fault *f);

#endif
