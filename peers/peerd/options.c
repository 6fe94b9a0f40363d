#include "options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define GROUP_CAP 128u
#define SOCKET_CAP sizeof(((struct sockaddr_un *)NULL)->sun_path)

static bool are_devices(char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (words[i][0] != '/')
			return false;
	return n > 0;
}

static bool is_folder(char *const *words, int n)
{
	return n == 1 && words[0][0] == '/';
}

/* The daemon parts the words of a request at blanks. */
static bool is_word(const char *text)
{
	size_t length = strlen(text);

	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	return length > 0 && length < GROUP_CAP;
}

static bool are_socket_and_group(char *const *words, int n)
{
	return n == 2 && words[0][0] == '/' && strlen(words[0]) < SOCKET_CAP && is_word(words[1]);
}

static const struct {
	const char *name;
	bool (*accepts)(char *const *words, int n);
	const char *expected;
} ACTIONS[] = {
	[ACTION_SWAP_CYCLE] = { "swap-cycle", are_devices, "DEVICE..., absolute paths" },
	[ACTION_READ_MEMORY] = { "read-memory", is_folder, "CGROUP_FOLDER, one absolute path" },
	[ACTION_WAKE] = { "wake", are_socket_and_group,
			  "SOCKET, an absolute path of at most 107 bytes, and GROUP, a word of at most 127" },
};

static bool find_action(struct options *o, const char *name)
{
	for (size_t i = 0; i < sizeof(ACTIONS) / sizeof(*ACTIONS); i++) {
		if (strcmp(name, ACTIONS[i].name) != 0)
			continue;
		o->action = (enum action)i;
		o->name = name;
		return true;
	}
	return false;
}

enum parsed parse_options(int argc, char *const *argv, struct options *o, char *error, size_t cap)
{
	*o = (struct options){ 0 };
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return PARSED_HELP;
	if (argc < 2 || strcmp(argv[1], "--port") != 0) {
		snprintf(error, cap, "--port is required, and comes first");
		return PARSED_BAD;
	}
	if (argc < 3 || !*argv[2]) {
		snprintf(error, cap, "--port needs the path of a character device or UNIX socket, or -");
		return PARSED_BAD;
	}
	o->port = argv[2];
	if (argc < 4 || !find_action(o, argv[3])) {
		snprintf(error, cap, "expected an action, swap-cycle, read-memory or wake, not \"%.40s\"",
			 argc < 4 ? "" : argv[3]);
		return PARSED_BAD;
	}
	o->words = argv + 4;
	o->nwords = argc - 4;
	if (!ACTIONS[o->action].accepts(o->words, o->nwords)) {
		snprintf(error, cap, "%s takes %s", o->name, ACTIONS[o->action].expected);
		return PARSED_BAD;
	}
	return PARSED_RUN;
}
