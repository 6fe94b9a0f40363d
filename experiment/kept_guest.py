"""The guest of a failed cell, kept so that somebody can log in and look."""

import os
import select
import shlex
import sys
import termios
import time
from collections.abc import Callable

from testbed.errors import printable
from testbed.guest import Guest, is_active

KNOWN_HOSTS = "known_hosts"
ALIAS = "paging-guest"  # what the pinned host key is filed under, whatever the port
POLL_S = 0.5

Say = Callable[[str], None]


def keep(guest: Guest, reason: str, out: Say) -> None:
    """Keep a failed guest until Enter is pressed or it is gone; without a terminal until it is gone.

    KeyboardInterrupt passes through: Ctrl-C ends not only the guest but the run, as always.
    """
    out(f"failed: {printable(reason)}")
    if not is_active(guest.domain):
        out(f"the guest is gone, so it cannot be kept{why_gone(guest)}")
        return
    out("the guest is kept")
    out(f"  log in:  {ssh_command(guest)}")
    out(f"  console: {guest.console}")
    if sys.stdin is not None and sys.stdin.isatty():
        out("  Enter ends it and the run goes on; Ctrl-C ends the run, too")
        wait(guest, sys.stdin.fileno())
    else:
        out("  once it is powered off the run goes on; Ctrl-C (SIGINT) ends the run, too")
        wait(guest, None)
    out(f"the guest is not kept any longer{why_gone(guest)}")


def why_gone(guest: Guest) -> str:
    """In words that go on with a sentence: only if it was ended for what it did to this host."""
    guest.watch.look()  # or the watch may be about to say it
    ended = guest.watch.ended
    return f": {ended.args[0]}" if ended else ""


def wait(guest: Guest, terminal: int | None) -> None:
    """Until a line comes from the terminal, or the guest is gone. What else is wrong with it is why it was kept."""
    if terminal is not None:
        termios.tcflush(terminal, termios.TCIFLUSH)  # an Enter from before was not meant for this
    while is_active(guest.domain):
        if terminal is None:
            time.sleep(POLL_S)
        elif select.select([terminal], [], [], POLL_S)[0]:
            os.read(terminal, 4096)
            return


def ssh_command(guest: Guest) -> str:
    """A command line for a shell of the host that logs in with the image's key and accepts its host key alone.

    It is independent of the caller's own SSH settings, which might forward an agent to the guest. The file that
    pins the host key goes beside the guest's disks, and away with them.
    """
    known_hosts = guest.console.with_name(KNOWN_HOSTS)
    descriptor = os.open(known_hosts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{ALIAS} {guest.image.host_key.read_text()}")
    options = {
        "UserKnownHostsFile": f'"{known_hosts}"',  # ssh splits it at spaces
        "HostKeyAlias": ALIAS,
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
    }
    words = ["ssh", "-F", "none", "-i", str(guest.image.private_key), "-p", str(guest.ssh_port)]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return shlex.join([*words, "root@127.0.0.1"])
