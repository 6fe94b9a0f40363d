/* What the sampler does: it answers commands, ticks while recording, and reports processes that end. */
#ifndef RECORDER_H
#define RECORDER_H

#include "guest_c/port.h"
#include "sampler/counters/exits.h"
#include "sampler/counters/taskstats.h"
#include "sampler/options.h"
#include "sampler/tick.h"

struct recorder {
	const struct options *options;
	struct port port;
	struct sources sources;
	struct taskstats_link link;
	struct exits exits;
	int timer;
	bool locked, realtime;

	bool recording;
	uint64_t start_ns, interval_ns;
	uint64_t next, ticks, missed; /* NEXT: the number of the instant that is due next */
	uint64_t overruns;
	struct own_use since;
	char line[LINE_CAP];
};

void say_hello(struct recorder *r);

/* Carry out the commands that have come. */
void take_commands(struct recorder *r);

/* Read the ends of threads that the kernel has reported. */
void take_exits(struct recorder *r);

/* The timer fired. */
void tick(struct recorder *r);

/* Ends the recording, if there is one. */
void stop(struct recorder *r);

#endif
