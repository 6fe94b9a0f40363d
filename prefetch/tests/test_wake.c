#include "policy/wake.h"

#include <string.h>

#include "guest_c/clock.h"
#include "guest_c/tests/check.h"

static bool is_refused(enum policy policy, bool active, size_t set_pages, const char *why)
{
	const char *refused = wake_refused(policy, active, set_pages);

	return refused && strstr(refused, why);
}

static void test_what_needs_nobody_to_have_faulted(void)
{
	CHECK(!wake_refused(POLICY_WORKING_SET, false, 1) && !wake_refused(POLICY_ORACLE, false, 1));
	CHECK(!wake_refused(POLICY_OTHER_CONTAINER, false, 1));
	CHECK(!wake_refused(POLICY_SIBLINGS, false, 0) && !wake_refused(POLICY_CONTAINER, false, 0));
}

static void test_refusals_say_why(void)
{
	for (unsigned int policy = 0; policy < POLICIES; policy++)
		CHECK(is_refused((enum policy)policy, true, 1, "it is active"));
	CHECK(is_refused(POLICY_OFF, false, 1, "policy off"));
	CHECK(is_refused(POLICY_SAME_PROCESS, false, 1, "a process that has faulted"));
	CHECK(is_refused(POLICY_WORKING_SET, false, 0, "no set yet") && is_refused(POLICY_ORACLE, false, 0, "no set yet"));
	CHECK(is_refused(POLICY_OTHER_CONTAINER, false, 0, "no other container"));
}

static void test_the_request_is_awaited_for_so_long(void)
{
	uint64_t woken = NS_OF_MS(5000);

	CHECK(wake_awaits(woken, woken, 100) && wake_awaits(woken, woken + NS_OF_MS(100) - 1, 100));
	CHECK(!wake_awaits(woken, woken + NS_OF_MS(100), 100));
	CHECK(wake_awaits(woken, woken - 1, 100)); /* another CPU's clock */
}

static void test_a_background_thread_is_not_the_request(void)
{
	CHECK(!wake_followed(0, 0) && !wake_followed(15, 0) && wake_followed(16, 0));
	CHECK(!wake_followed(86, 14223)); /* what a database does by itself in an idle service */
	CHECK(!wake_followed(1422, 14223) && wake_followed(1423, 14223));
	CHECK(!wake_followed(15, 100) && wake_followed(16, 160) && !wake_followed(16, 161));
}

int main(void)
{
	test_what_needs_nobody_to_have_faulted();
	test_refusals_say_why();
	test_the_request_is_awaited_for_so_long();
	test_a_background_thread_is_not_the_request();
	return 0;
}
