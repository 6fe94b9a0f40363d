"""Size and digest of every file of a folder, kept in it as ``checksums.json``.

Files are many gigabytes, mostly holes. A digest is of the blocks that hold anything but zeroes, each with its
number, so it does not depend on which zeroes the file system stores and which it leaves out. XXH3 finds damage, not
forgery: who can write into the cache needs no forgery.
"""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import xxhash

NAME = "checksums.json"
BLOCK = 1 << 20  # bytes
ZEROES = bytes(BLOCK)


class Sum(TypedDict):
    """What is known of a file; ``bytes`` counts holes as well."""

    bytes: int
    digest: str


def write(folder: Path) -> None:
    """Write checksums.json for all files that are below ``folder`` now."""
    names = _names(folder)
    digests = _digests(folder, names)
    sums = {
        name: Sum(bytes=(folder / name).stat().st_size, digest=digest)
        for name, digest in zip(names, digests, strict=True)
    }
    (folder / NAME).write_text(_text(sums))


def damage(folder: Path) -> str | None:
    """What is wrong with the first file that is not as ``write`` found it; None if every file is."""
    try:
        return _difference(folder, _read(folder))
    except OSError as error:
        return f"it cannot be read: {error}"
    except ValueError as error:
        return str(error)


def identity(folder: Path) -> str:
    """The digest (hex) of all that ``write`` found in ``folder``.

    Raises OSError if checksums.json cannot be read, ValueError if it is missing or damaged.
    """
    return _identity(_read(folder))


def digest_file(path: Path) -> str:
    """XXH3 (128 bits, hex) of a file's blocks that are not all zero, and of their numbers. Raises OSError."""
    total = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as source:
        for number, block in _blocks(source.fileno()):
            if block != ZEROES[: len(block)]:
                total.update(number.to_bytes(8, "little"))
                total.update(block)
    return total.hexdigest()


def _blocks(file: int) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each block that does not lie in a hole (lseek(2))."""
    number = 0
    while True:
        try:
            number = os.lseek(file, number * BLOCK, os.SEEK_DATA) // BLOCK
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data between here and the end
                return
            raise
        block = os.pread(file, BLOCK, number * BLOCK)
        if not block:  # the file was cut meanwhile
            return
        yield number, block
        number += 1


def _difference(folder: Path, sums: dict[str, Sum]) -> str | None:
    """What looking finds out comes before what takes reading."""
    names = _names(folder)
    for name in sorted({*sums, *names}):
        if name not in names:
            return f"{name} is missing"
        if name not in sums:
            return f"{name} does not belong there"
        size = (folder / name).stat().st_size
        if size != sums[name]["bytes"]:
            return f"{name} has {size} bytes instead of {sums[name]['bytes']}"
    for name, digest in zip(names, _digests(folder, names), strict=True):
        if digest != sums[name]["digest"]:
            return f"{name} has other content than it had"
    return None


def _names(folder: Path) -> list[str]:
    """All files below ``folder`` but its checksums, in order."""
    files = (str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in files if name != NAME)


def _digests(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """The files' digests in the order of ``names``; xxhash lets threads run side by side."""
    with ThreadPoolExecutor() as pool:
        yield from pool.map(digest_file, [folder / name for name in names])


def _read(folder: Path) -> dict[str, Sum]:
    """The sums in checksums.json. Raises OSError, and ValueError unless each byte is as ``write`` wrote it."""
    try:
        stored = (folder / NAME).read_bytes()
    except FileNotFoundError as error:
        raise ValueError("it has no checksums") from error
    try:
        sums: dict[str, Sum] = json.loads(stored)["files"]
        intact = _text(sums).encode() == stored
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise ValueError(f"{NAME} is not as it was written")
    return sums


def _text(sums: dict[str, Sum]) -> str:
    """checksums.json, which has its own digest in it: damage to it is seen as well."""
    return json.dumps({"files": sums, "identity": _identity(sums)}, indent=1, sort_keys=True) + "\n"


def _identity(sums: dict[str, Sum]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(sums, sort_keys=True).encode())
