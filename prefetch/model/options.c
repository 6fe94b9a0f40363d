#include "model/options.h"

const char *const policy_names[POLICIES] = {
	[POLICY_OFF] = "off",
	[POLICY_SIBLINGS] = "siblings",
	[POLICY_WORKING_SET] = "working-set",
	[POLICY_SAME_PROCESS] = "same-process",
	[POLICY_OTHER_CONTAINER] = "other-container",
	[POLICY_CONTAINER] = "container",
	[POLICY_ORACLE] = "oracle",
};
