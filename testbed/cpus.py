"""The guest's CPUs but the first, switched off and on.

QEMU before 8.1 emulates two CPUs wrongly while a kernel patches its own code, as it does when it boots and when a
kprobe comes or goes: the guest panics now and then. With one CPU at work nothing can run what is being patched.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.ssh.shell import Shell

SWITCH = 'for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do echo "$1" > $cpu; done'


def switch_on(shell: Shell) -> None:
    """Let all CPUs work (kernel doc, CPU hotplug). Raises GuestError."""
    shell.run("sh", "-c", SWITCH, "sh", "1")


@contextmanager
def first_alone(shell: Shell) -> Iterator[None]:
    """Only the first CPU works in the meantime. Raises GuestError."""
    shell.run("sh", "-c", SWITCH, "sh", "0")
    try:
        yield
    finally:
        switch_on(shell)
