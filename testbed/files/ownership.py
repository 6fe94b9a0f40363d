"""Whether what lies about is ours and nobody else's to write: asked before it is used.

Ours is what belongs to the effective user, or to root, who can do everything anyway. What may have been put in the
place of ours by somebody else is never opened, followed or removed: it is a HostError with its way out.
"""

import functools
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from testbed.errors import HostError

ANOTHER = "give another one: python run.py --cache DIR"
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
ROOT = 0

Kind = Callable[[int], bool]  # of a mode: stat.S_ISDIR, stat.S_ISREG
WRITABLE = "may be written by others"


def fault(status: os.stat_result, user: int, kind: Kind) -> str | None:
    """Why a file is not to be used, as lstat(2) sees it; None if it is. Pure."""
    if stat.S_ISLNK(status.st_mode):
        return "is a link"
    if not kind(status.st_mode):
        return f"is no {'folder' if kind is stat.S_ISDIR else 'regular file'}"
    if status.st_uid not in (user, ROOT):
        return f"belongs to uid {status.st_uid}"
    return WRITABLE if status.st_mode & OTHERS_MAY_WRITE else None


def parent_fault(status: os.stat_result, trusted: frozenset[int]) -> str | None:
    """Why somebody else may put another thing in the place of what lies in this folder; None if nobody may. Pure."""
    if status.st_uid not in trusted:
        return f"belongs to uid {status.st_uid}"
    return WRITABLE if status.st_mode & OTHERS_MAY_WRITE and not status.st_mode & stat.S_ISVTX else None


def require(path: Path, kind: Kind = stat.S_ISDIR) -> None:
    """Raises HostError if what is there is not ours alone, and OSError if nothing is there."""
    if why := fault(path.lstat(), os.geteuid(), kind):
        raise refused(path, why)


def require_place(place: Path) -> Path:
    """``place`` without links, there or not: nobody else may write it, or put another in its place. Raises HostError.

    Links on the way to it are followed where they are ours.
    """
    try:
        for path in (place.absolute(), *place.absolute().parents):
            if path.is_symlink() and path.lstat().st_uid not in trusted():
                raise HostError(f"{path} is a link of uid {path.lstat().st_uid}", ANOTHER)
        resolved = place.resolve()
        require_parents(resolved)
        with suppress(FileNotFoundError, NotADirectoryError):
            require(resolved)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        why = error.strerror if isinstance(error, OSError) else "links in a circle"
        raise HostError(f"{place} cannot be looked at: {why}", ANOTHER) from error
    return resolved


def require_parents(path: Path) -> None:
    """Raises HostError if somebody else may put another thing in the place of ``path``, or of a folder above it."""
    for parent in path.parents:
        with suppress(FileNotFoundError, NotADirectoryError):
            if why := parent_fault(parent.stat(), trusted()):
                mend = f"chmod go-w {shlex.quote(str(parent))}, or " if why == WRITABLE else ""
                message = f"{parent} {why}, and whoever may can put another in the place of {path}"
                raise HostError(message, f"{mend}{ANOTHER}")


def require_tree(folder: Path) -> None:
    """Raises HostError unless a folder and all below it are ours alone: no links, no special files. OSError likewise.

    Hard links are as they may be: stages share files.
    """
    require(folder)
    for path in below(folder):
        with suppress(FileNotFoundError):  # another process of ours has just removed it
            require(path, stat.S_ISDIR if path.is_dir() else stat.S_ISREG)


def below(folder: Path) -> Iterator[Path]:
    """Everything below a folder; links are not followed."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent) / name for name in (*folders, *files))


def own_folder(folder: Path) -> Path:
    """``folder`` without links, made with mode 0700 unless it is there. Raises HostError if it cannot be ours."""
    resolved = require_place(folder)
    try:
        for path in (*reversed(resolved.parents), resolved):
            if not path.exists():
                path.mkdir(mode=0o700, exist_ok=True)  # another process of ours may be faster
    except OSError as error:
        raise HostError(f"{folder} cannot be written: {error.strerror}", ANOTHER) from error
    return require_place(resolved)  # somebody else may have been faster, too


def close_to_others(folder: Path) -> None:
    """Take the right to write from others, of all that we have made in a folder, whatever the umask."""
    for path in (folder, *below(folder)):
        with suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if mode & OTHERS_MAY_WRITE and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~OTHERS_MAY_WRITE)


def open_file(path: Path, flags: int) -> int:
    """A descriptor of a regular file that is ours alone; one that is made has mode 0600. Never waits for a FIFO.

    Raises HostError if it is not, and OSError as open(2) does.
    """
    with suppress(FileNotFoundError):
        require(path, stat.S_ISREG)  # which says more than open(2): of a link, or of one that we may not open
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if why := fault(os.fstat(descriptor), os.geteuid(), stat.S_ISREG):
        os.close(descriptor)
        raise refused(path, why)
    return descriptor


def refused(path: Path, why: str) -> HostError:
    """What is not ours is not made ours by a change of its owner: nobody knows what is in it."""
    quoted = shlex.quote(str(path))
    if why.startswith(WRITABLE):
        way_out = f"if nobody else has written there: chmod -R go-w {quoted}; else {ANOTHER}"
    else:
        way_out = f"{ANOTHER}, or look at it and remove it: rm -r {quoted}" if is_removable(path) else ANOTHER
    return HostError(f"{path} {why}", way_out)


def is_removable(path: Path) -> bool:
    """Not a device: nobody is to be told to remove /dev/null."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode))


@functools.cache
def unmapped() -> frozenset[int]:
    """The user as whom a user namespace shows those that it does not know (user_namespaces(7)), real root among them.

    Folders above ours are often theirs, in rootless containers; outside of namespaces there are none.
    """
    every = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    return frozenset() if every else frozenset({int(Path("/proc/sys/kernel/overflowuid").read_text())})


def trusted() -> frozenset[int]:
    """Whose folders may lie above ours."""
    return frozenset({os.geteuid(), ROOT}) | unmapped()
