"""Takes the employees database's files out of an archive that nobody vouches for.

Only regular files with names that we know are written, under those names, into one folder: whatever else an
archive holds (links, devices, ``../``) can reach nothing. Limits keep a decompression bomb off the disk, and out
of memory.
"""

import bz2
import errno
import gzip
import io
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from testbed import ledger
from testbed.errors import HostError, UsageError

MAX_BYTES = 1_000_000_000
MAX_FILES = 10_000
MAX_HEADER = 1 << 20  # bytes of a tar, from one file's end to the next one's beginning
COMPRESSED: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"": lambda path: path.open("rb"),
}
"""How to open a tar that begins like this."""
ZIP = b"PK\3\4"
KINDS = ".zip, .tar, .tar.gz, .tar.bz2, .tar.xz"
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError,
    RuntimeError,  # an encrypted zip, or one packed in an unknown way
    ValueError, LookupError, OverflowError, struct.error,  # names and numbers that are none, which neither looks for
)  # fmt: skip
HINT = "point path under [dataset] at a checkout or archive of the employees test database"


@dataclass(frozen=True)
class Member:
    """One entry of an archive; ``open`` is None for all but regular files."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None] | None


def extract(archive: Path, wanted: Callable[[str], bool], target: Path) -> None:
    """Write the files whose last name ``wanted`` accepts into the new folder ``target``, all or nothing.

    Where an archive has one name in several folders, the folder nearest to its root counts.
    Raises UsageError if it is damaged, over a limit, or has a name that leads out of it, HostError if the
    files cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with ledger.folder(target.parent, f".{target.name}-") as unfinished:
        folder = unfinished / "content"
        folder.mkdir()
        try:
            with _members(archive) as members:
                _copy(archive, members, wanted, folder)
        except DAMAGED as error:
            raise UsageError(f"{archive} cannot be unpacked: {error}", HINT) from error
        except OSError as error:
            # Of bad data bz2 says OSError without a number, zipfile one of a place that cannot be.
            kind = UsageError if error.errno in (None, errno.EINVAL) else HostError
            raise kind(f"{archive} cannot be unpacked: {error}", HINT) from error
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)


def _copy(archive: Path, members: Iterator[Member], wanted: Callable[[str], bool], folder: Path) -> None:
    depths: dict[str, int] = {}
    total = 0
    for count, member in enumerate(members, 1):
        path = PurePosixPath(member.name.replace("\\", "/"))
        total += member.size
        if path.is_absolute() or ".." in path.parts:
            raise UsageError(f"{archive} is not safe to unpack: it holds {member.name!r}", HINT)
        if count > MAX_FILES or total > MAX_BYTES:
            raise UsageError(f"{archive} is not unpacked: over {MAX_FILES:,} files or {MAX_BYTES // 10**6:,} MB", HINT)
        depth = len(path.parts)
        if member.open is None or not wanted(path.name) or depth >= depths.get(path.name, depth + 1):
            continue
        depths[path.name] = depth
        source = member.open()
        if source is not None:
            with source, folder.joinpath(path.name).open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(ZIP):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(opened)
    else:
        open_tar = next(opener for magic, opener in COMPRESSED.items() if start.startswith(magic))
        with open_tar(archive) as stream:
            yield _tar_members(stream)


def _zip_members(opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        kind = info.external_attr >> 28  # the file type of st_mode; 0 where the archive was not made on Unix
        regular = not info.is_dir() and kind in (0, 0o10)
        # Of these alone zipfile unpacks no more than it was asked for.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile(f"{info.filename!r} is neither stored nor deflated")
        yield Member(info.filename, info.file_size, partial(opened.open, info) if regular else None)


def _tar_members(stream: io.BufferedIOBase) -> Iterator[Member]:
    try:
        tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError as error:
        raise tarfile.ReadError(f"it is none of {KINDS}") from error
    stream.seek(0)
    rationed = Rationed(stream)
    with tarfile.open(fileobj=rationed, mode="r:") as opened:
        for info in opened:
            if info.size < 0:
                raise tarfile.ReadError(f"{info.name!r} has a negative size")
            rationed.left = info.size
            yield Member(info.name, info.size, partial(opened.extractfile, info) if info.isreg() else None)
            rationed.left = MAX_HEADER
    _read_to_the_end(stream)


class Rationed(io.BufferedIOBase):
    """An unpacked tar of which ``left`` bytes may be read: tarfile takes headers whole, however long they are."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.left = MAX_HEADER
        self._stream = stream

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= self.left:
            raise tarfile.ReadError(f"a header of it is longer than {MAX_HEADER:,} bytes")
        self.left -= size
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _read_to_the_end(stream: io.BufferedIOBase) -> None:
    """Tar's end mark comes before the compressed stream's checksum, checked where the stream ends."""
    rest = 0
    while block := stream.read(1 << 20):
        rest += len(block)
        if rest > MAX_BYTES:
            raise tarfile.ReadError("it goes on after its end")
