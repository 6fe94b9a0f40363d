"""Files in folders that somebody else may have made: nothing is read or written through a link that was put there."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

from testbed.errors import UsageError
from testbed.files.ownership import ROOT, parent_fault, unmapped

COPY = "open a copy of your own: cp -r --dereference RUN COPY, after a look at what it holds"
MOST_DEEP = 12  # folders in each other; a run has 4


def require_plain(folder: Path) -> None:
    """Raises UsageError unless all below ``folder`` are folders, and regular files that have no other name, and nobody
    else can change them, or put another folder in its place, while it is read.

    A link could have us write or send what lies elsewhere, reading a pipe never ends, and a terminal may obey what
    stands in a file's name.
    """
    trusted = whose()
    program = Path(__file__).resolve()
    for parent in set(folder.parents) - set(program.parents):  # whoever has those can exchange the program itself
        if why := parent_fault(parent.stat(), trusted):
            raise refused(parent, f"{why}, and whoever may can put another in the place of {folder}")
    pending = [(folder, 0)]
    if problem := strange(folder.name, folder.lstat(), trusted):
        raise refused(folder, problem)
    while pending:
        inner, depth = pending.pop()
        if depth > MOST_DEEP:
            raise UsageError(f"{folder} has more than {MOST_DEEP} folders in each other: it is not opened", COPY)
        with os.scandir(inner) as entries:
            for entry in entries:
                if problem := strange(entry.name, entry.stat(follow_symlinks=False), trusted):
                    raise refused(Path(entry.path), problem)
                if entry.is_dir(follow_symlinks=False):
                    pending.append((Path(entry.path), depth + 1))


def whose() -> frozenset[int]:
    """Who may own a run: we, root, and who owns this program, who can do as much with it."""
    return frozenset({os.geteuid(), ROOT, Path(__file__).stat().st_uid}) | unmapped()


def strange(name: str, status: os.stat_result, trusted: frozenset[int]) -> str:
    """What makes a file no plain one, or not ours alone, as lstat(2) sees it; "" for a plain one. Pure.

    What the group may write is taken where that is our own group: a umask of 002 is usual where each user has one.
    """
    if not name.isprintable():
        return "has a name that cannot be printed"
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return "is neither a file nor a folder"
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        return "is a file with several names (hard links)"
    if status.st_uid not in trusted:
        return f"belongs to uid {status.st_uid}"
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid()
    return "may be written by others" if by_group or status.st_mode & stat.S_IWOTH else ""


def refused(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} {why}: a run with such is not opened", COPY)


def open_plain(path: Path) -> BinaryIO:
    """To read. Raises OSError, for a link and for what is no regular file, too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return file


@contextmanager
def aside(path: Path, mode: Literal["w", "wb"] = "w", rights: int = 0o666) -> Iterator[IO[Any]]:
    """A file that has its name only once it is whole, under one that nobody can foresee before; text is UTF-8.

    Whatever had the name before, a link too, is replaced and not written through. Text that has no place in UTF-8
    becomes "?". The umask takes from its ``rights``. Raises OSError, also where the folder is a link.
    """
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    other = f".{path.name}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(
            other, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, rights, dir_fd=parent
        )
        text = {} if mode == "wb" else {"encoding": "utf-8", "errors": "replace", "newline": ""}
        with os.fdopen(descriptor, mode, **text) as file:  # type: ignore[call-overload]
            yield file
        os.replace(other, path.name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as error:
        if error.filename in (other, None):  # a name that nobody knows
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(other, dir_fd=parent)
        os.close(parent)


def write_text(text: str, path: Path) -> Path:
    """Whole or not at all. Raises OSError."""
    with aside(path) as file:
        file.write(text)
    return path
