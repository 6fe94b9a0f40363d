"""Errors that a user can act on, apart from bugs.

Every error here is shown as one line (plus its way out), never as a traceback.
``run.py`` ends with the error's ``exit_code``.
"""

import difflib
from collections.abc import Iterable

MESSAGE_LIMIT = 8000  # characters: a guest may have chosen some of them


class HarnessError(Exception):
    """Something went wrong that is not a bug of this program.

    ``hint`` is the way out: a command to run or a setting to change.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(shortened(printable(message), MESSAGE_LIMIT))
        self.hint = printable(hint) if hint else None

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  way out: {self.hint}" if self.hint else message


def printable(text: str) -> str:
    """``text`` without what a terminal obeys: messages quote consoles and programs of untrusted guests."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def shortened(text: str, limit: int) -> str:
    """``text``, its middle left out where it is longer than ``limit`` characters."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]} [...] {text[-half:]}"


def nearest(word: str, known: Iterable[str], *, listed: bool = True) -> str:
    """How a sentence goes on that says that ``word`` is unknown: with the nearest known ones, else with some of all.

    Not ``listed``: where the sentence has named them all.
    """
    names = list(known)
    begun = [name for name in names if len(word) > 2 and name.startswith(word)]
    folded = {name.lower(): name for name in names}
    alike = begun[:2] or [folded[near] for near in difflib.get_close_matches(word.lower(), folded, n=2, cutoff=0.55)]
    if alike:
        return f"; the nearest is {' or '.join(alike)}"
    if not names or not listed:
        return ""
    return f"; there are {', '.join(names)}" if len(names) <= 12 else f"; there are {', '.join(names[:5])} and others"


class UsageError(HarnessError):
    """The command line or the configuration is wrong; nothing was started."""

    exit_code = 2


class HostError(HarnessError):
    """This host cannot do what was asked: a tool, disk space, or a right is missing."""

    exit_code = 3


class GuestError(HarnessError):
    """The guest was lost, did not boot in time, or answered wrongly."""

    exit_code = 4


class CellError(HarnessError):
    """One cell failed; its records are kept and the run goes on."""

    exit_code = 5


class RequestTimeout(CellError):  # noqa: N818 - as the following: what happened, said as people say it
    """Service A's answer was not whole in time."""


class Unsupported(CellError):  # noqa: N818
    """The guest's kernel lacks what a condition needs: its cells are skipped, and the reason is told."""


class RunStopped(CellError):  # noqa: N818
    """Cells kept failing in the same way, so that going on would have been a waste."""


class WorkerLost(CellError):  # noqa: N818
    """The process or the host that ran a cell is gone; its guest, too."""


class DiskFull(HostError):  # noqa: N818
    """A disk of this host is full. Records that are written stay."""


BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell says it
INTERRUPTED = 130  # 128 + SIGINT
BUG = 70  # EX_SOFTWARE of sysexits.h
SOME_DO_NOT_COUNT = 1
EXIT_CODES = (
    (0, "done"),
    (
        SOME_DO_NOT_COUNT,
        "some cell does not count, bench missed a bar, or compare --fail-on found what it was asked for",
    ),
    (UsageError.exit_code, "command line or configuration"),
    (HostError.exit_code, "this host cannot"),
    (GuestError.exit_code, "the guest failed"),
    (CellError.exit_code, "cells kept failing in the same way"),
    (BUG, "a fault of this program: its traceback is in a file that is named"),
    (INTERRUPTED, "interrupted"),
    (BROKEN_PIPE, "whoever read the output went away"),
)
"""All that run.py ends with; README has the same table."""


class GuestLost(GuestError):  # noqa: N818
    """The guest is gone: QEMU ended, or the guest powered itself off."""


class GuestPanicked(GuestLost):
    """The guest's kernel panicked: its console says so."""


class GuestOutOfMemory(GuestError):  # noqa: N818
    """The guest's kernel killed a process for want of memory: its console says so."""


class ConsoleFlood(GuestError):  # noqa: N818
    """The guest wrote more onto its console than a host should keep."""


class DiskFlood(GuestError):  # noqa: N818
    """The guest wrote more to its root disk than is reserved for it on the host."""


class LogFlood(GuestError):  # noqa: N818
    """The guest had QEMU write more into its log than a host should keep."""


class ChannelSilent(GuestError):  # noqa: N818
    """What should have come over a virtio-serial port did not come in time."""


class ShellSilent(GuestError):  # noqa: N818
    """SSH did not answer in time, or a command in the guest did not end."""


class LibvirtStuck(GuestError):  # noqa: N818
    """A libvirt call did not return in time; QEMU was ended for it."""
