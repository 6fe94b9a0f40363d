"""Takes the employees database's files out of an archive that nobody vouches for.

Only regular files with names that we know are written, under those names, into one folder: whatever else an
archive holds (links, devices, ``../``) can reach nothing. Limits keep a decompression bomb off the disk.
"""

import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from testbed.errors import HostError, UsageError

MAX_BYTES = 1_000_000_000
MAX_FILES = 10_000
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError,
    RuntimeError,  # an encrypted zip, or one packed in an unknown way
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
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as unfinished:
        folder = Path(unfinished, "content")
        folder.mkdir()
        try:
            with _members(archive) as members:
                _copy(archive, members, wanted, folder)
        except DAMAGED as error:
            raise UsageError(f"{archive} cannot be unpacked: {error}", HINT) from error
        except OSError as error:
            kind = HostError if error.errno else UsageError  # bz2 says OSError without a number for bad data
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
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened:
            yield _tar_members(opened)
    else:
        with zipfile.ZipFile(archive) as opened_zip:
            yield _zip_members(opened_zip)


def _zip_members(opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        kind = info.external_attr >> 28  # the file type of st_mode; 0 where the archive was not made on Unix
        regular = not info.is_dir() and kind in (0, 0o10)
        yield Member(info.filename, info.file_size, partial(opened.open, info) if regular else None)


def _tar_members(opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened:
        regular = info.isreg()
        yield Member(info.name, info.size, partial(opened.extractfile, info) if regular else None)
    _read_to_the_end(opened)


def _read_to_the_end(opened: tarfile.TarFile) -> None:
    """Tar's end mark comes before the compressed stream's checksum, checked where the stream ends."""
    rest = 0
    while opened.fileobj and (block := opened.fileobj.read(1 << 20)):
        rest += len(block)
        if rest > MAX_BYTES:
            raise tarfile.ReadError("it goes on after its end")
