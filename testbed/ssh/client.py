"""A guest's root shell through the program ssh(1): at our standard streams, or as a command line for a person."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from testbed.errors import GuestError, HostError, UsageError
from testbed.guest import Guest, is_active
from testbed.process import end

KNOWN_HOSTS = "known_hosts"
ALIAS = "paging-guest"  # what the pinned host key is filed under, whatever the port
LOST = 255  # what ssh says where the connection has ended, and not the shell
LEFT = 130  # what a shell says of a command that was ended with Ctrl-C
GRACE_S = 5


def command_line(guest: Guest) -> str:
    """For a shell of the host."""
    return shlex.join(words(guest))


def words(guest: Guest, *options: str) -> list[str]:
    """ssh's own, which logs in with the image's key and accepts its host key alone.

    They are independent of the caller's own SSH settings, which might forward an agent to the guest. The file that
    pins the host key goes beside the guest's disks, and away with them.
    """
    known_hosts = guest.console.with_name(KNOWN_HOSTS)
    descriptor = os.open(known_hosts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{ALIAS} {guest.image.host_key.read_text()}")
    settings = {
        "UserKnownHostsFile": f'"{literal(known_hosts)}"',  # ssh splits it at spaces
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": ALIAS,
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
    }
    pinned = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    key = ["-i", literal(guest.image.private_key), "-p", str(guest.ssh_port)]
    return ["ssh", "-F", "none", *key, *pinned, *options, "root@127.0.0.1"]


def literal(path: Path) -> str:
    """As ssh(1) takes a path in which a percent sign is one."""
    return str(path).replace("%", "%%")


def attach(guest: Guest) -> int:
    """Run a shell of the guest on our standard streams to its end; its exit code, or LEFT if the person left before.

    At a terminal it is a login shell with a terminal of the same kind and size; Enter ~ . leaves it, as ssh(1) has it.
    The guest's bytes reach our terminal unfiltered: that is what a terminal is for, so open one only if you would log
    in there with ssh. Without a terminal our input is a script for ``sh -s``.
    Raises GuestError if the guest is gone, UsageError without a standard input, HostError without ssh.
    """
    if sys.stdin is None:
        raise UsageError("there is no standard input", "a shell without any: < /dev/null")
    quiet = ("-o", "BatchMode=yes", "-o", "LogLevel=ERROR")
    command = words(guest, "-t", *quiet) if sys.stdin.isatty() else [*words(guest, "-T", *quiet), "sh", "-s"]
    try:
        process = subprocess.Popen(command, text=True)
    except FileNotFoundError as error:
        raise HostError("ssh is not installed", "apt-get install openssh-client") from error
    try:
        code = process.wait()
    finally:
        end(process, GRACE_S)
    if code != LOST:
        return code
    guest.watch.gone.wait(GRACE_S)
    if is_active(guest.domain):
        return LEFT if sys.stdin.isatty() else code
    raise GuestError("the guest's shell ended without an exit code: the guest is gone")
