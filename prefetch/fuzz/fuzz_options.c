/* prefetchd.conf(5): whatever it holds, either the settings are sound or one line says what is wrong. */
#include <stdlib.h>
#include <string.h>

#include "daemon/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_text(const char *text, size_t cap)
{
	require(memchr(text, 0, cap) != NULL);
}

static void require_spec(const struct group_spec *g)
{
	require_text(g->name, sizeof(g->name));
	require_text(g->cgroup, sizeof(g->cgroup));
	require(g->ncomms <= MAX_COMMS);
	for (size_t i = 0; i < g->ncomms; i++)
		require_text(g->comms[i], sizeof(g->comms[i]));
}

static void require_sound(const struct options *o)
{
	require(o->nspecs <= MAX_SPECS);
	for (size_t i = 0; i < o->nspecs; i++)
		require_spec(&o->specs[i]);
	require((unsigned int)o->policy < POLICIES && (unsigned int)o->scan <= SCAN_PAGEMAP);
	require_text(o->config, sizeof(o->config));
	require_text(o->events, sizeof(o->events));
	require_text(o->socket, sizeof(o->socket));
	require_text(o->state, sizeof(o->state));
	require_text(o->oracle, sizeof(o->oracle));
}

/* CAP: an error that does not fit is cut, not written past the end. */
static void one_config(const char *text, size_t cap)
{
	static struct options o;
	char *error = malloc(cap);

	require(error != NULL);
	memset(&o, 0, sizeof(o));
	memset(error, '\n', cap);
	if (options_config(&o, text, "fuzz.conf", error, cap)) {
		require_sound(&o);
	} else {
		require_text(error, cap);
		require(*error && !strchr(error, '\n'));
	}
	free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	require(text != NULL);
	memcpy(text, data, n);
	text[n] = 0;
	one_config(text, 512);
	one_config(text, 16);
	free(text);
	return 0;
}
