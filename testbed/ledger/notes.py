"""What a ledger says, line by line, and what of it is believed. Pure."""

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from testbed.ledger.programs import Mark

GUESTS = "guests"  # of the cache
PREFIX = "paging-"  # of all that is made in places for temporary files
LINE_LIMIT = 4096  # bytes
DIGITS = "[0-9a-f]{8}"
IN_CACHE = re.compile(
    rf"(bench|dask|records)-{DIGITS}"
    rf"|({GUESTS}|bench-{DIGITS})/([0-9]+-[a-z0-9-]+|fork|shell)-{DIGITS}"
    rf"|dataset/\.(download|employees-[0-9a-f]+)-{DIGITS}"
)
IN_TEMPORARY = re.compile(rf"{PREFIX}{DIGITS}")


class Line(BaseModel):
    """What a line of a ledger may say. Surrogates, of names that are not UTF-8, are kept by JSON's escapes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Begun(Line):
    """The first one: how a process is told that belongs to a folder; ``since`` is of the ledger itself."""

    mark: Mark


class Made(Line):
    """Before a folder is made; what is started for it is not older than ``since``, in clock ticks after the boot.

    Earlier versions wrote neither that nor a mark.
    """

    folder: str
    since: int | None = None


class Gone(Line):
    """After it has been removed or renamed."""

    gone: str


LINES: TypeAdapter[Begun | Made | Gone] = TypeAdapter(Begun | Made | Gone)


@dataclass(frozen=True)
class Noted:
    """A folder that a ledger lists; without a mark no process is known to belong to it."""

    folder: Path
    mark: Mark | None


@dataclass(frozen=True)
class Places:
    """Where ``make`` makes folders, without links."""

    cache: Path
    temporary: frozenset[Path]

    def hold(self, folder: Path) -> bool:
        """Whether it has a name that ``make`` gives, in one of its places."""
        if ".." in folder.parts:
            return False
        if folder.parent in self.temporary and IN_TEMPORARY.fullmatch(folder.name):
            return True
        return folder.is_relative_to(self.cache) and bool(IN_CACHE.fullmatch(str(folder.relative_to(self.cache))))


def entry(line: Line) -> bytes:
    """A line: a CRC-32 of the rest, then JSON."""
    text = json.dumps(line.model_dump()).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read(data: bytes) -> tuple[list[Noted], int]:
    """The folders that a ledger lists, without those that are gone, and how many of its lines are damaged.

    A last line without its end counts as never written: what it announces was not made yet.
    """
    mark: Mark | None = None
    folders: dict[str, Noted] = {}
    damaged = 0
    for text in data.split(b"\n")[:-1]:
        match decode(text):
            case Begun() as line:
                mark = line.mark
            case Made(folder=folder, since=since):
                known = mark.model_copy(update={"since": since}) if mark and since is not None else None
                folders[folder] = Noted(Path(folder), known)
            case Gone(gone=folder):
                folders.pop(folder, None)
            case None:
                damaged += 1
    return list(folders.values()), damaged


def decode(text: bytes) -> Begun | Made | Gone | None:
    """None if a line is not one that ``entry`` makes."""
    checksum, _, said = text.partition(b" ")
    if len(text) > LINE_LIMIT or checksum != b"%08x" % zlib.crc32(said):
        return None
    try:
        return LINES.validate_python(json.loads(said))
    except (ValueError, ValidationError, RecursionError):
        return None
