"""The guest of a failed cell, kept so that somebody can log in and look."""

import os
import select
import sys
import termios
import time
from collections.abc import Callable

from testbed.errors import printable
from testbed.guest import Guest, is_active
from testbed.ssh.client import command_line

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
    out(f"  log in:  {command_line(guest)}")
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
