"""What a failed cell leaves to find out why: a folder evidence/ beside its records.

The console, the domain's XML and the streams up to the failure are among the records of every cell.
"""

import contextlib
import os
import shlex
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.connection import embedded_log
from testbed.errors import GuestLost, HarnessError
from testbed.guest import Guest
from testbed.supervision.watchdog import STACKS

EVIDENCE = "evidence"
DMESG_S = 20.0  # for a guest that may be in no state to answer
LOG_BYTES = 256 * 1024


@contextmanager
def of_host(cell: Path, overlays: Path) -> Iterator[None]:
    """On failure: QEMU's log, and the stacks of this process where a call hung. ``overlays`` is the guest's folder."""
    try:
        yield
    except Exception:
        keep_tail(cell, embedded_log())
        keep_tail(cell, overlays / STACKS)
        raise


@contextmanager
def of_guest(cell: Path, guest: Guest, on_failure: Callable[[Guest, str], None]) -> Iterator[None]:
    """On failure: the guest's kernel log, if it still answers. Then ``on_failure`` has the guest to itself."""
    try:
        yield
    except Exception as error:
        keep(cell, "dmesg.txt", kernel_log(guest))
        keep_error(cell, error)  # now: Ctrl-C may end the wait for who looks at the guest
        on_failure(guest, str(error))
        raise


def kernel_log(guest: Guest) -> str:
    try:
        guest.alive()
        shell = guest.shell(DMESG_S)
    except GuestLost:
        return "(the guest is gone)\n"
    except HarnessError as error:
        return f"(not reachable: {error})\n"
    with contextlib.closing(shell):
        try:
            return shell.run("dmesg", timeout=DMESG_S)
        except HarnessError as error:
            return f"(not reachable: {error})\n"


def keep_error(cell: Path, error: Exception) -> None:
    keep(cell, "error.txt", "".join(traceback.format_exception(error)))


def keep_command(cell: Path, condition: str) -> None:
    """``cell`` is results/<run>/cells/<cell>."""
    run = cell.parent.parent
    words = ["python", "run.py", "--like", run.name, "--conditions", condition, "--replicates", "1"]
    keep(cell, "repeat.txt", shlex.join(words) + "\n")


def keep(cell: Path, name: str, text: str) -> None:
    """Trouble here never costs a cell."""
    with contextlib.suppress(OSError):
        (cell / EVIDENCE).mkdir(exist_ok=True)
        (cell / EVIDENCE / name).write_text(text)


def keep_tail(cell: Path, path: Path) -> None:
    """The last LOG_BYTES of a file, if it is there. No more is read: a guest may have had QEMU write gigabytes."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
        keep(cell, path.name, file.read(LOG_BYTES).decode(errors="replace"))
