"""What this process makes outside its results, written down and synced before it is made.

Everything is a folder with a name of its own: overlays, sockets, libvirt's state, an image in the making. What is
started for it (QEMU, unshare) names the folder in its command line, so the folder and the instant are all that need be
known to clear up behind a process that was killed (testbed.ledger.programs).

A ledger is a file of the cache that its process keeps locked: one whose lock can be had is that of a dead process,
whatever became of its pid. It is read only if nobody else can have written it, and believed only where it names what
``make`` makes: a folder that is ours, with one of our names, in one of our places. Nothing is followed through a link.
"""

import atexit
import contextlib
import fcntl
import logging
import os
import secrets
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from testbed.errors import HostError
from testbed.files import ownership
from testbed.ledger import programs
from testbed.ledger.notes import GUESTS, Begun, Gone, Line, Made, Noted, Places, entry, read
from testbed.ledger.programs import Mark

log = logging.getLogger(__name__)

FOLDER = "ledger"  # of the cache
SHORT_PLACE = Path("/tmp")  # noqa: S108 - only folders of mode 0700 with unpredictable names are made there
SIZE_LIMIT = 64 << 20  # bytes: the ledger of 100,000 cells


@dataclass(frozen=True)
class Leftover:
    """A folder that a dead process left behind, and the processes that belong to it. ``bytes`` are allocated ones."""

    noted: Noted
    bytes: int
    processes: tuple[int, ...]

    @property
    def folder(self) -> Path:
        return self.noted.folder

    def remove(self) -> None:
        """Ends the processes, then removes the folder. Raises HostError if it stays."""
        if self.noted.mark:
            programs.end_processes_of(self.folder, self.noted.mark)
        remove(self.folder)


class Ledger:
    """This process's own. Raises HostError wherever it cannot be written: then nothing is made, either."""

    def __init__(self, cache: Path) -> None:
        self._held: dict[Path, Mark] = {}
        self.cache = ownership.own_folder(cache)
        self._places = places(self.cache)
        self._mark = programs.mark()
        for name in (GUESTS, FOLDER):
            ownership.own_folder(self.cache / name)
        self._path = self.cache / FOLDER / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        unlocked = self._path.with_suffix(".new")  # nobody takes it for a dead process's before it is locked
        try:
            descriptor = ownership.open_file(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            self._file = os.fdopen(descriptor, "wb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            unlocked.rename(self._path)
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._write(Begun(mark=self._mark))

    def make(self, parent: Path, prefix: str) -> Path:
        """A new folder of mode 0700 with a name that nobody else has.

        Raises ValueError for one that whoever clears up would not believe: testbed.ledger.notes lists them.
        """
        folder = new_name(parent, prefix)
        if not self._places.hold(folder):
            raise ValueError(f"{folder} is none of the ledger's names and places")
        ownership.require_parents(folder)
        mark = self._mark.model_copy(update={"since": programs.now()})
        self._write(Made(folder=str(folder), since=mark.since))
        self._held[folder] = mark
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise unwritable(folder, error) from error
        return folder

    def gone(self, folder: Path) -> None:
        """``folder`` is not there any more, or stays for good under another name."""
        del self._held[folder]
        with contextlib.suppress(HostError):  # who reads it finds no such folder
            self._write(Gone(gone=str(folder)))

    def close(self) -> None:
        """Remove what is still there, and end what runs in it: for the way out, whichever it is. Twice does no harm."""
        for folder, mark in reversed(self._held.items()):
            with contextlib.suppress(HostError):
                look_at(Noted(folder, mark)).remove()
        self._held.clear()
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _write(self, line: Line) -> None:
        try:
            self._file.write(entry(line))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritable(self._path, error) from error


# A process's, not a caller's: the second Ctrl-C, which ends it from another thread, must find all that it has made.
_current: Ledger | None = None


def begin(cache: Path) -> None:
    """From here on this process has a ledger. Whatever it still lists when the process ends is removed then."""
    global _current
    if not _current:
        _current = Ledger(cache)
        atexit.register(_current.close)  # before libvirt's connection registers its end, so after that


def abandon() -> None:
    """End all children, and all that is listed, now, from any thread: the process is about to end."""
    children = {child.pid: child for child in psutil.Process().children(recursive=True)}
    programs.end(children, lambda pid: children[pid].is_running())
    psutil.wait_procs(list(children.values()), timeout=0)  # reaped: not every container has an init for them
    if _current:
        _current.close()
        with contextlib.suppress(HostError):  # what children have left that had ledgers of their own
            reconcile(_current.cache)


def make(parent: Path, prefix: str) -> Path:
    """A new folder of mode 0700, in the ledger where this process has one. Raises HostError."""
    if _current:
        return _current.make(parent, prefix)
    folder = new_name(parent, prefix)
    folder.mkdir(mode=0o700)
    return folder


def new_name(parent: Path, prefix: str) -> Path:
    return parent.resolve() / f"{prefix}{secrets.token_hex(4)}"


def gone(folder: Path) -> None:
    if _current:
        _current.gone(folder)


@contextmanager
def folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder, removed afterwards with everything in it."""
    made = make(parent, prefix)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        gone(made)


def leftovers(cache: Path) -> list[Leftover]:
    """What dead processes have left, of this user; nothing is changed. Raises HostError for a ledger not to be read."""
    found = []
    for path in ledgers(cache):
        with dead(path) as data:
            found += [] if data is None else list_leftovers(path, data, places(cache))
    return found


def reconcile(cache: Path) -> list[Leftover]:
    """End and remove what dead processes have left. Raises HostError if something stays, or a ledger is not ours."""
    removed = []
    for path in ledgers(cache):
        with dead(path) as data:
            if data is None:
                continue
            for leftover in list_leftovers(path, data, places(cache)):
                leftover.remove()
                removed.append(leftover)
            path.unlink(missing_ok=True)
    return removed


def ledgers(cache: Path) -> list[Path]:
    """Raises HostError if others may have put them there."""
    return sorted(ownership.require_place(cache / FOLDER).glob("*.jsonl"))


def places(cache: Path) -> Places:
    return Places(cache.resolve(), frozenset(path.resolve() for path in (SHORT_PLACE, Path(tempfile.gettempdir()))))


@contextmanager
def dead(path: Path) -> Iterator[bytes | None]:
    """A dead process's ledger, kept locked meanwhile; None if its process lives.

    Raises HostError unless it is a regular file of ours with one name, of SIZE_LIMIT bytes at most.
    """
    with contextlib.ExitStack() as stack:
        data = None
        try:
            file = stack.enter_context(os.fdopen(ownership.open_file(path, os.O_RDONLY), "rb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if why := ledger_fault(os.fstat(file.fileno()), os.geteuid()):
                raise ownership.refused(path, why)
            data = file.read()
        except (BlockingIOError, FileNotFoundError):  # it lives, or has just ended in order
            pass
        except OSError as error:
            raise ownership.refused(path, f"cannot be read: {error.strerror}") from error
        yield data


def ledger_fault(status: os.stat_result, user: int) -> str | None:
    """Why a file is no ledger of ours. One without a name is that of a process that has just ended. Pure."""
    if status.st_uid != user:
        return f"belongs to uid {status.st_uid}"
    if status.st_nlink > 1:
        return f"has {status.st_nlink} names"
    return "is too large for a ledger" if status.st_size > SIZE_LIMIT else None


def list_leftovers(path: Path, data: bytes, known: Places) -> list[Leftover]:
    listed, damaged = read(data)
    ours = [noted for noted in listed if known.hold(noted.folder)]
    if strange := damaged + len(listed) - len(ours):
        log.warning("%s: %d damaged lines are passed over; what they named may still be there", path, strange)
    found = [look_at(noted) for noted in ours if is_ours(noted.folder)]
    left = [leftover for leftover in found if leftover.processes or leftover.folder.exists()]
    if any(leftover.noted.mark is None for leftover in left):
        log.warning("%s is of an earlier version: folders are removed, processes are not looked for", path)
    return left


def is_ours(folder: Path) -> bool:
    """Not a link, and not what another user has put in its place. One that was never made counts: it does no harm."""
    try:
        with opened(folder.parent) as parent:
            return is_own_folder(os.stat(folder.name, dir_fd=parent, follow_symlinks=False))
    except FileNotFoundError:
        return True
    except OSError:
        return False


def is_own_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of a folder that is not a link: what is done by it is not done elsewhere. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """A folder of ours with all that is in it, by the descriptor of its parent. Raises HostError if it stays."""
    try:
        with opened(folder.parent) as parent:
            if is_own_folder(os.stat(folder.name, dir_fd=parent, follow_symlinks=False)):
                shutil.rmtree(folder.name, dir_fd=parent, ignore_errors=True)
            os.stat(folder.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"{folder} cannot be removed: {error.strerror}", f"look at {folder.parent}") from error
    raise HostError(f"{folder} cannot be removed", f"look at it, then: rm -r {shlex.quote(str(folder))}")


def look_at(noted: Noted) -> Leftover:
    found = programs.processes_of(noted.folder, noted.mark) if noted.mark else ()
    return Leftover(noted, allocated(noted.folder), found)


def allocated(folder: Path) -> int:
    """Bytes on disk of everything below ``folder``."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(parent) / name).st_blocks * 512
    return total


def unwritable(path: Path, error: OSError) -> HostError:
    return HostError(f"{path} cannot be written: {error.strerror}", ownership.ANOTHER)
