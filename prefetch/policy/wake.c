#include "policy/wake.h"

#include "guest_c/clock.h"

#define LEAST_PAGES 16u
#define LEAST_SHARE 10u /* one part in this of its set */

const char *wake_refused(enum policy policy, bool active, size_t set_pages)
{
	if (active)
		return "it is active";
	switch (policy) {
	case POLICY_OFF:
		return "policy off fetches nothing";
	case POLICY_SAME_PROCESS:
		return "policy same-process needs a process that has faulted";
	case POLICY_OTHER_CONTAINER:
		return set_pages ? NULL : "no other container is quiet and has a set";
	case POLICY_WORKING_SET:
	case POLICY_ORACLE:
		return set_pages ? NULL : "it has no set yet";
	default:
		return NULL;
	}
}

bool wake_awaits(uint64_t woken_ns, uint64_t now, uint64_t wake_ms)
{
	return elapsed_ns(woken_ns, now) < NS_OF_MS(wake_ms);
}

bool wake_followed(uint64_t demanded, size_t set_pages)
{
	return demanded >= LEAST_PAGES && demanded * LEAST_SHARE >= set_pages;
}
