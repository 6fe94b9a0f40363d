"""What this process makes outside its results, written down and synced before it is made.

Everything is a folder with a name of its own: overlays, sockets, libvirt's state, an image in the making. What is
started for it (QEMU, mmdebstrap) names the folder in its command line, so the folder is all that need be known to
clear up behind a process that was killed.

A ledger is a file of the cache that its process keeps locked: one whose lock can be had is that of a dead process,
whatever became of its pid.
"""

import atexit
import contextlib
import fcntl
import json
import logging
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from testbed.errors import HostError

log = logging.getLogger(__name__)

FOLDER = "ledger"  # of the cache
TERMINATE_S = 3.0  # for a process to tidy up behind itself before it is killed
LINE_LIMIT = 4096
PROGRAMS = ("qemu-", "mmdebstrap", "unshare", "python")
OWN_NAME = re.compile(r"/(?:.*/)?[^/]+[0-9a-f]{8}", re.DOTALL)  # as make() gives them


@dataclass(frozen=True)
class Leftover:
    """A folder that a dead process left behind, and the processes that belong to it. ``bytes`` are allocated ones."""

    folder: Path
    bytes: int
    processes: tuple[psutil.Process, ...]

    def remove(self) -> None:
        """Ends the processes, then removes the folder. Raises HostError if it stays."""
        end(self.processes)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            raise HostError(f"{self.folder} cannot be removed", f"look at it, then: rm -r {self.folder}")


class Ledger:
    """This process's own. Raises HostError wherever it cannot be written: then nothing is made, either."""

    def __init__(self, cache: Path) -> None:
        self._held: list[Path] = []
        self.cache = cache
        self._path = cache / FOLDER / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        unlocked = self._path.with_suffix(".new")  # nobody takes it for a dead process's before it is locked
        try:
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = os.fdopen(os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            unlocked.rename(self._path)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def make(self, parent: Path, prefix: str) -> Path:
        """A new folder of mode 0700 with a name that nobody else has."""
        folder = new_name(parent, prefix)
        self._write("folder", folder)
        self._held.append(folder)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise unwritable(folder, error) from error
        return folder

    def gone(self, folder: Path) -> None:
        """``folder`` is not there any more, or stays for good under another name."""
        self._held.remove(folder)
        with contextlib.suppress(HostError):  # who reads it finds no such folder
            self._write("gone", folder)

    def close(self) -> None:
        """Remove what is still there, and end what runs in it: for the way out, whichever it is. Twice does no harm."""
        for folder in reversed(self._held):
            with contextlib.suppress(HostError):
                look_at(folder).remove()
        self._held.clear()
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _write(self, kind: str, folder: Path) -> None:
        try:
            self._file.write(entry(kind, folder))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritable(self._path, error) from error


_current: Ledger | None = None


def begin(cache: Path) -> None:
    """From here on this process has a ledger. Whatever it still lists when the process ends is removed then."""
    global _current
    if not _current:
        _current = Ledger(cache)
        atexit.register(_current.close)  # before libvirt's connection registers its end, so after that


def abandon() -> None:
    """End all children, and all that is listed, now, from any thread: the process is about to end."""
    end(tuple(psutil.Process().children(recursive=True)))
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


def entry(kind: str, folder: Path) -> bytes:
    """A line: a CRC-32 of the rest, then JSON."""
    text = json.dumps({kind: str(folder)}).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read(data: bytes) -> tuple[list[Path], int]:
    """The folders that a ledger lists, without those that are gone, and how many of its lines are damaged.

    A last line without its end counts as never written: what it announces was not made yet.
    """
    folders: dict[Path, None] = {}
    damaged = 0
    for line in data.split(b"\n")[:-1]:
        kind, path = decode(line)
        if kind == "folder":
            folders[path] = None
        elif kind == "gone":
            folders.pop(path, None)
        else:
            damaged += 1
    return list(folders), damaged


def decode(line: bytes) -> tuple[str, Path]:
    """Kind and folder of a line; the kind is "" if it is not one that ``entry`` makes."""
    checksum, _, text = line.partition(b" ")
    if len(line) > LINE_LIMIT or checksum != b"%08x" % zlib.crc32(text):
        return "", Path()
    try:
        ((kind, path),) = json.loads(text).items()
    except (ValueError, AttributeError):
        return "", Path()
    known = kind in ("folder", "gone") and isinstance(path, str) and OWN_NAME.fullmatch(path)
    return (kind, Path(path)) if known else ("", Path())


def leftovers(cache: Path) -> list[Leftover]:
    """What dead processes have left, of this user; nothing is changed."""
    found = []
    for path in sorted((cache / FOLDER).glob("*.jsonl")):
        with dead(path) as data:
            found += [] if data is None else list_leftovers(path, data)
    return found


def reconcile(cache: Path) -> list[Leftover]:
    """End and remove what dead processes have left. Raises HostError if something stays."""
    removed = []
    for path in sorted((cache / FOLDER).glob("*.jsonl")):
        with dead(path) as data:
            if data is None:
                continue
            for leftover in list_leftovers(path, data):
                leftover.remove()
                removed.append(leftover)
            path.unlink(missing_ok=True)
    return removed


@contextmanager
def dead(path: Path) -> Iterator[bytes | None]:
    """A dead process's ledger, kept locked meanwhile; None if its process lives or it is another user's."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.fstat(file.fileno()).st_uid == os.geteuid()
            data = file.read() if ours else None
        except OSError:  # it lives, or has just ended in order
            data = None
        yield data


def list_leftovers(path: Path, data: bytes) -> list[Leftover]:
    folders, damaged = read(data)
    if damaged:
        log.warning("%s: %d damaged lines are passed over; what they named may still be there", path, damaged)
    found = [look_at(folder) for folder in folders if is_ours(folder)]
    return [leftover for leftover in found if leftover.processes or leftover.folder.exists()]


def is_ours(folder: Path) -> bool:
    """Not a link, and not what another user has put in its place. One that was never made counts: it does no harm."""
    try:
        status = folder.lstat()
    except OSError:
        return True
    return folder.is_dir() and not folder.is_symlink() and status.st_uid == os.geteuid()


def look_at(folder: Path) -> Leftover:
    return Leftover(folder, allocated(folder), tuple(processes_of(folder)))


def allocated(folder: Path) -> int:
    """Bytes on disk of everything below ``folder``."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(parent) / name).st_blocks * 512
    return total


def processes_of(folder: Path) -> list[psutil.Process]:
    """Programs that we start, of this user, whose command line names ``folder``: not who looks at a console there."""
    found = []
    for process in psutil.process_iter(["name", "cmdline", "uids"]):
        words, users = process.info["cmdline"] or [], process.info["uids"]
        ours = users is not None and users.real == os.getuid() and process.pid != os.getpid()
        if ours and process.info["name"].startswith(PROGRAMS) and any(str(folder) in word for word in words):
            found.append(process)
    return found


def end(processes: tuple[psutil.Process, ...]) -> None:
    """A request to end, and after a while the end. Those that are somebody else's by now are not touched."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(processes, timeout=TERMINATE_S)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=TERMINATE_S)


def unwritable(path: Path, error: OSError) -> HostError:
    return HostError(f"{path} cannot be written: {error.strerror}", "give another folder: python run.py --cache DIR")
