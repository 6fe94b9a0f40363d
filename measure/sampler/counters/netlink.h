/* Sizes of netlink's parts, unsigned: the kernel header's NLA_ALIGN() mixes signs. */
#ifndef NETLINK_H
#define NETLINK_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stddef.h>

#define ATTRIBUTE_HEAD sizeof(struct nlattr)
#define MESSAGE_HEAD (sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr))

/* Attributes start at multiples of 4 bytes. */
static inline size_t attribute_step(size_t length)
{
	return (length + 3u) & ~(size_t)3;
}

#endif
