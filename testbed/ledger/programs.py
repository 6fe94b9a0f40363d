"""Programs that are started for a folder, and their end: of those that were noted, and of no others.

libvirt starts QEMU, which nobody knows by its number before libvirt has returned, and a run may be killed before that.
So it is not numbers that are noted but a mark, before anything is started: this boot, this instant, these executables.
A process belongs to a folder if it is of that boot, not older than the mark, runs one of the executables as our user
(real and effective), and names the folder in its command line. Other programs with the folder in their words (an
editor, a pager, a Python) are nobody's to end.

A signal goes through a pidfd (pidfd_open(2)), and only after all that was asked again of the process that it holds:
a number that was given away meanwhile is another process's, and the pidfd does not follow it there.
"""

import os
import re
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.errors import HostError
from testbed.files import ownership

# What runs on in a folder when we are killed; what unshare has started ends with it (--kill-child).
STARTED = ("qemu-system-x86_64", "qemu-img", "unshare")
TERMINATE_S = 3.0  # for a process to tidy up behind itself before it is killed
PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")  # a second
NOTE_LIMIT = 64 << 10  # bytes
DELETED = " (deleted)"  # proc(5): the executable has been replaced since, as by an upgrade
IN_NAMES = r"[\w.+@~-]"


class Mark(BaseModel):
    """Which processes may belong to a folder. ``since`` is in clock ticks after the boot, as in /proc/PID/stat."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    boot: str
    since: int
    programs: list[str]  # executables, without links


def mark(since: int | None = None) -> Mark:
    """Of what is started from now on, or since then. Raises HostError where /proc is not there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    found = (shutil.which(name, path=path) for name in STARTED)
    programs = [os.path.realpath(program) for program in found if program]
    return Mark(boot=boot(), since=now() if since is None else since, programs=programs)


def boot() -> str:
    """Which boot of this host this is. Raises HostError where /proc is not there."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError as error:
        raise HostError(f"{error.filename} cannot be read: {error.strerror}", "mount -t proc proc /proc") from error


def note(path: Path) -> None:
    """Write down the mark of what is started from now on."""
    with os.fdopen(ownership.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
        file.write(mark().model_dump_json())


def noted(path: Path) -> Mark | None:
    """What ``note`` has written; None if it did not come to that. Raises HostError for a file that is not ours."""
    try:
        with os.fdopen(ownership.open_file(path, os.O_RDONLY), "rb") as file:
            return Mark.model_validate_json(file.read(NOTE_LIMIT))
    except (OSError, ValidationError):
        return None


def own_mark() -> Mark:
    """Of what was started during this process's life."""
    return mark(started(os.getpid()))


def now() -> int:
    """Clock ticks since the boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * TICKS // 10**9


def started(pid: int) -> int:
    """Field 22 of /proc/PID/stat (proc(5)). Raises OSError if there is no such process."""
    return int((PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[19])


def processes_of(folder: Path, marked: Mark) -> tuple[int, ...]:
    """The numbers of the processes that belong to a folder."""
    if marked.boot != boot():
        return ()
    pids = (int(path.name) for path in PROC.iterdir() if path.name.isdecimal())
    return tuple(sorted(pid for pid in pids if pid != os.getpid() and belongs(pid, folder, marked)))


def belongs(pid: int, folder: Path, marked: Mark) -> bool:
    """Whether a process of this boot belongs to a folder. What may not be looked at does not."""
    place = PROC / str(pid)
    try:
        status = (place / "status").read_text(errors="replace")
        users = re.search(r"^Uid:\t(\d+)\t(\d+)\t", status, re.MULTILINE)
        return (
            users is not None
            and {int(number) for number in users.groups()} == {os.geteuid()}
            and started(pid) >= marked.since
            and str((place / "exe").readlink()).removesuffix(DELETED) in marked.programs
            and names(os.fsdecode((place / "cmdline").read_bytes()), folder)
        )
    except (OSError, ValueError, IndexError):
        return False


def names(words: str, folder: Path) -> bool:
    """Whether a command line names a folder, or what lies below it, and not one whose name only begins alike. Pure."""
    whole = rf"(?<!{IN_NAMES})(?<!/){re.escape(str(folder))}(?!{IN_NAMES})"
    return re.search(whole, words) is not None


def end_processes_of(folder: Path, marked: Mark) -> None:
    """End all that belong to a folder."""
    end(processes_of(folder, marked), lambda pid: belongs(pid, folder, marked))


def end(pids: Iterable[int], is_it: Callable[[int], bool]) -> None:
    """A request to end, after TERMINATE_S the end. ``is_it`` is asked when a process cannot be mistaken any more."""
    with ExitStack() as stack:
        held: dict[int, int] = {}
        for pid in pids:
            with suppress(OSError):
                descriptor = os.pidfd_open(pid)
                stack.callback(os.close, descriptor)
                if is_it(pid):
                    held[pid] = descriptor
        for number in (signal.SIGTERM, signal.SIGKILL):
            for descriptor in held.values():
                with suppress(OSError):
                    signal.pidfd_send_signal(descriptor, number)
            held = alive(held, TERMINATE_S)


def alive(held: Mapping[int, int], limit: float) -> dict[int, int]:
    """Those that have not ended within ``limit`` seconds; a pidfd can be read once its process has."""
    left, deadline = dict(held), time.monotonic() + limit
    while left and (remaining := deadline - time.monotonic()) > 0:
        poll = select.poll()
        for descriptor in left.values():
            poll.register(descriptor, select.POLLIN)
        over = {descriptor for descriptor, _ in poll.poll(remaining * 1000)}
        left = {pid: descriptor for pid, descriptor in left.items() if descriptor not in over}
    return left
