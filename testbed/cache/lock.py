"""Locks on files (flock(2)) of ours that whoever has one may remove.

A lock belongs to the open file that is handed out: closing it, or the end of the process, gives the lock back.
It is advisory, and a second open file of the same process is kept out like another process's.
"""

import fcntl
import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from io import FileIO
from pathlib import Path

from testbed.files import ownership

log = logging.getLogger(__name__)


def share(path: Path, waiting: str) -> FileIO:
    """The shared lock on ``path``, which others may share, too; ``waiting`` is said if it is not to be had at once.

    Raises OSError if the file can be neither made nor written, HostError if it is not ours alone.
    """

    def wait(handle: FileIO) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s", waiting)
            fcntl.flock(handle, fcntl.LOCK_SH)

    return _locked(path, wait)


def attempt(path: Path) -> FileIO | None:
    """The exclusive lock on ``path``; None if it is held, or cannot be. Raises HostError if it is not ours alone."""
    try:
        return _locked(path, lambda handle: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except OSError:
        return None


def is_free(path: Path) -> bool:
    """Whether nobody holds a lock on ``path`` now; makes no file."""
    if not os.path.lexists(path):
        return True
    handle = attempt(path)
    if handle is None:
        return False
    handle.close()
    return True


def _locked(path: Path, lock: Callable[[FileIO], None]) -> FileIO:
    """The file at ``path``, opened and locked; again, if it was removed between the two."""
    while True:
        with ExitStack() as stack:
            handle = stack.enter_context(FileIO(ownership.open_file(path, os.O_RDWR | os.O_CREAT), "r+"))
            lock(handle)
            if _is_at(handle, path):
                stack.pop_all()  # it stays open
                return handle


def _is_at(handle: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False
