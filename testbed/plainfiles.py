"""Files in folders that somebody else may have made: nothing is read or written through a link that was put there."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

from testbed.errors import UsageError

COPY = "ask its sender for a copy without them; links of your own: cp -r --dereference RUN COPY"


def require_plain(folder: Path) -> None:
    """Raises UsageError unless all below ``folder`` are folders, and regular files that have no other name.

    A link could have us write or send what lies elsewhere, reading a pipe never ends, and a terminal may obey what
    stands in a file's name.
    """
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if problem := strange(entry.name, entry.stat(follow_symlinks=False)):
                    raise UsageError(f"{entry.path} is {problem}: a run that holds such is not opened", COPY)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))


def strange(name: str, status: os.stat_result) -> str:
    """What makes a file no plain one, as lstat(2) sees it; "" for a plain one. Pure."""
    if not name.isprintable():
        return "a name that cannot be printed"
    if stat.S_ISLNK(status.st_mode):
        return "a symbolic link"
    if stat.S_ISREG(status.st_mode):
        return "" if status.st_nlink == 1 else "a file with several names (hard links)"
    return "" if stat.S_ISDIR(status.st_mode) else "neither a file nor a folder"


def open_plain(path: Path) -> BinaryIO:
    """To read. Raises OSError, for a link and for what is no regular file, too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(f"{path} is no regular file")
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
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(other, dir_fd=parent)
        os.close(parent)


def write_text(text: str, path: Path) -> Path:
    """Whole or not at all. Raises OSError."""
    with aside(path) as file:
        file.write(text)
    return path
