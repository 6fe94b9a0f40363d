"""Errors that a user can act on, apart from bugs.

Every error here is shown as one line (plus its way out), never as a traceback.
``run.py`` ends with the error's ``exit_code``.
"""


class HarnessError(Exception):
    """Something went wrong that is not a bug of this program.

    ``hint`` is the way out: a command to run or a setting to change.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(printable(message))
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  way out: {self.hint}" if self.hint else message


def printable(text: str) -> str:
    """``text`` without what a terminal obeys: messages quote consoles and programs of untrusted guests."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


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
